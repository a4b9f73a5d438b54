"""What systemd is told of a unit of Type=notify: a datagram for each change. Without systemd, nothing is."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

OFTEN = 4  # times that the watchdog is fed within its patience: a beat may be late
PATIENCE = 60.0  # seconds that systemd shall wait on, told again before they are over
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Socket:
    """Where systemd listens; "" is nowhere."""

    address: str = ""

    def tell(self, **facts: object) -> None:
        """Send these assignments. One that cannot be sent is dropped: systemd has gone, and we go on."""
        if self.address:
            message = "\n".join(f"{name}={value}" for name, value in facts.items())
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as it:
                it.sendto(
                    message.encode(), self.address.replace("@", "\0", 1) if self.address[0] == "@" else self.address
                )


class Systemd:
    """Tells systemd how the daemon is. watchdog: seconds after which it ends a silent one; None: it does not."""

    def __init__(self, to: Socket, *, watchdog: float | None = None) -> None:
        self._to = to
        self._every = (watchdog or PATIENCE) / OFTEN
        self._watchdog = watchdog
        self._ready = False
        self._status = ""
        self._told = float("-inf")

    def __repr__(self) -> str:
        return f"<Systemd {self._to.address or 'nowhere'}, {'ready' if self._ready else 'starting'}>"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """What systemd has put into the environment."""
        usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        ours = usec.isdigit() and pid in ("", str(os.getpid()))
        return cls(Socket(environ.get("NOTIFY_SOCKET", "")), watchdog=int(usec) / MICROSECONDS if ours else None)

    def beat(self, now: float, *, alive: bool, ready: bool, status: str) -> None:
        """Tell what is new; and, as long as the daemon is alive, that it is.

        A start takes as long as the cloud is away: until it is ready, it asks for more time instead.
        """
        facts: dict[str, object] = {}
        if ready and not self._ready:
            self._ready = True
            facts["READY"] = 1
        if status != self._status:
            self._status = facts["STATUS"] = status
        if alive and now - self._told >= self._every:
            self._told = now
            if not self._ready:
                facts["EXTEND_TIMEOUT_USEC"] = int(PATIENCE * MICROSECONDS)
            elif self._watchdog:
                facts["WATCHDOG"] = 1
        if facts:
            self._to.tell(**facts)

    def stopping(self, within: float) -> None:
        """A stop was asked for, and the daemon will be gone within so many seconds. May be called from anywhere."""
        self._to.tell(STOPPING=1, STATUS="stopping", EXTEND_TIMEOUT_USEC=int(within * MICROSECONDS))
