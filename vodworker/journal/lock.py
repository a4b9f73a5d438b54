"""One daemon for one file: a lock that the kernel gives back when its holder is gone, however it went."""

import fcntl
import os
from pathlib import Path
from typing import Self

from vodworker.errors import JournalError


class Lock:
    """The exclusive use of a journal, held from `take` to `give`. The lock file names the holder's pid and stays."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name(f"{journal.name}.lock")
        self._file: int | None = None

    def __repr__(self) -> str:
        return f"<Lock {self._path} {'free' if self._file is None else 'held'}>"

    def take(self) -> Self:
        """Hold the lock; a `JournalError` names the process that has it, an `OSError` says why there can be none."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise JournalError(
                f"another daemon uses it, pid {holder}; stop that one, or give this one a journal.url of its own"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return self

    def give(self) -> None:
        """Let the next one in. The file is not removed: who waits for a removed file holds a lock on nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
