"""What handlers print: stdout is the log's alone, so a printed line becomes a line of the log."""

import io
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import BinaryIO

from vodworker.log import log

STDOUT, STDERR = 1, 2  # the process's own descriptors


@contextmanager
def stdout_of_the_log() -> Generator[BinaryIO]:
    """The process's stdout, for the log; inside, what is printed is logged.

    What programs print that a handler starts, and what is written to the descriptor itself, goes to stderr.
    """
    sys.stdout.flush()
    with open(os.dup(STDOUT), "wb") as stream, redirect_stdout(Printed()):  # noqa: PTH123  # a descriptor, not a path
        os.dup2(STDERR, STDOUT)
        try:
            yield stream
        finally:
            os.dup2(stream.fileno(), STDOUT)


class Printed(io.TextIOBase):
    """A stream of text of which each line is logged, with what is bound where it is printed."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._begun = threading.local()  # lines of several threads are not mixed

    def writable(self) -> bool:
        """It is for writing only."""
        return True

    def write(self, text: str) -> int:
        """Log each line that ends here."""
        *lines, self._begun.line = (getattr(self._begun, "line", "") + text).split("\n")
        for line in lines:
            if line.strip():
                log.info("handler.printed", message=line)
        return len(text)
