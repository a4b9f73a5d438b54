"""A process to be ended: it calls the test, and goes at a signal, or only at the second."""

import os
import signal
import socket


def stubborn(port: int, left: int) -> None:
    """Call and say who it is; end with 7 at signal number `left`, and call again at those before."""

    def tell() -> None:
        with socket.create_connection(("127.0.0.1", port)) as call:
            call.sendall(b"%d\n" % os.getpid())

    def heard(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            os._exit(7)
        tell()

    signal.signal(signal.SIGTERM, heard)
    tell()
    while True:
        signal.pause()
