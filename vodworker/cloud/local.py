"""A file of this machine on its way into the library: held open, and read in small pieces."""

import asyncio
import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from vodworker.errors import UploadError

CHUNK = 64 * 1024  # bytes read at once: a line so slow that not even one of these leaves for long counts as dead

# Formats that the service takes, by suffix.
VIDEOS = frozenset(
    {
        *("3g2", "3gp", "asf", "asx", "avi", "dat", "f4v", "flv", "m3u8", "m4v", "mkv", "mov", "mp4", "mp4v", "mpe"),
        *("mpeg", "mpg", "mxf", "ogg", "ogv", "qt", "ram", "rm", "rmvb", "ts", "vob", "webm", "wm", "wmv"),
        *("aac", "amr", "flac", "m4a", "mp3", "ra", "wav", "wma"),  # sound alone
    }
)
COVERS = frozenset({"bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp"})


class LocalFile:
    """A file that stays the same file until its block ends, whatever its name is given to meanwhile.

    type: its suffix without the dot, in lower case. size: bytes.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.type = path.suffix[1:].lower()
        self._descriptor = descriptor
        self._stamp = _stamp(os.fstat(descriptor))
        self.size = self._stamp[0]
        self._trouble: OSError | None = None
        self._lock = Lock()
        self._open, self._users = True, 1

    def __repr__(self) -> str:
        return f"<LocalFile {self.path}, {self.size} bytes>"

    def parts(self, length: int) -> list["Part"]:
        """The file in parts of this length; the last one has what is left."""
        starts = range(0, self.size, length)
        return [Part(self, number, at, min(length, self.size - at)) for number, at in enumerate(starts, start=1)]

    def read(self, start: int, most: int) -> bytes:
        """Some bytes from there on, at least one. Blocks; OSError when there are none, or none that can be read."""
        with self._lock:
            if not self._open:
                raise OSError(errno.EBADF, "it is closed")
            self._users += 1
        try:
            if chunk := os.pread(self._descriptor, most, start):
                return chunk
            raise OSError(errno.ENODATA, "it ends early")  # noqa: TRY301  # one place notes every trouble
        except OSError as error:
            self._trouble = error
            raise
        finally:
            self._leave()

    def close(self) -> None:
        """Let go of the file. A thread that is just reading it closes it when it is done.

        Else its descriptor could become another file's under it, whose bytes would then be sent.
        """
        self._open = False
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                os.close(self._descriptor)

    def check(self) -> None:
        """Raise `UploadError` unless the file could be read, and is as it was when it was opened."""
        if _stamp(os.fstat(self._descriptor)) != self._stamp:
            raise UploadError(
                str(self.path), "read", "it was changed while it was read; upload it when nothing writes to it any more"
            )
        if self._trouble:
            raise unreadable(self.path, self._trouble)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: `length` bytes from `start` on; parts are numbered from 1."""

    file: LocalFile
    number: int
    start: int
    length: int

    async def read(self, done: int) -> bytes:
        """The next bytes of the part, of which `done` have been read."""
        return await asyncio.to_thread(self.file.read, self.start + done, min(CHUNK, self.length - done))


def _stamp(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns


def unreadable(path: Path, error: OSError) -> UploadError:
    """What the system says about a file, as our error."""
    return UploadError(str(path), "read", f"{error.strerror or error}; give a file that can be read")


@contextmanager
def local_file(path: Path, *, types: frozenset[str]) -> Generator[LocalFile]:
    """Open a file for its upload. Raises `UploadError` when it is not one of these types, empty or not readable."""
    suffix = path.suffix[1:].lower()
    if suffix not in types:
        shown = f".{suffix} is no format" if suffix else "it has no suffix, so it is of no format"
        known = ", ".join(sorted(types))
        raise UploadError(str(path), "read", f"{shown} that the service takes here; it takes {known}")
    try:
        # Not blocking: the name may be a pipe's, whose opening would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(path, error) from error
    file = LocalFile(path, descriptor)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UploadError(str(path), "read", "it is not a file; give the files themselves")
        if not file.size:
            raise UploadError(str(path), "read", "it is empty; give a file that is written completely")
        yield file
    finally:
        file.close()
