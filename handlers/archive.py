"""Keep every event for good: a line of JSON each, in a file for each day.

    [handlers.options.archive]
    folder = "/var/lib/vodworker/archive"   # without it nothing is kept; of this daemon alone
    types = ["NewFileUpload"]               # only these; all unless it is given
    keep = 400                              # days; for ever unless it is given

`events-2026-01-31.jsonl` has what was handled on that day, in UTC: `{"id":17,"time":"…","event":{…}}`, with the event
as the service sent it. A day that is over is compressed to `.jsonl.gz`.

An event is done when its line is on the disk. After a crash, half a line at the end is cut off, and its event comes
again. An event whose line was written, but which was not known to be done, comes again too: it is looked for in the
files of today and yesterday, and not written twice.
"""

import errno
import fcntl
import gzip
import os
import re
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from pydantic import BaseModel, Field

from vodworker import Context, Done, on
from vodworker.events import Event

NAME = re.compile(r"events-(\d{4}-\d\d-\d\d)\.jsonl(\.gz)?")
CHUNK = 1024 * 1024  # bytes that are copied at once


class Options(BaseModel, frozen=True):
    """What can be set."""

    folder: Path | None = None
    types: frozenset[str] | None = None
    keep: int | None = Field(None, ge=1)


class Archive:
    """A folder of daily files, one of them open. Its methods block, and may be called from several threads."""

    def __init__(self, folder: Path, *, keep: int | None) -> None:
        self.folder = folder
        self._keep = keep
        self._lock = Lock()
        self._file: BinaryIO | None = None
        self._day = date.min

    def __repr__(self) -> str:
        return f"<Archive {self.folder}>"

    def add(self, line: bytes, day: date) -> None:
        """Append a line to the file of the day, or of a later one; on the disk when this returns."""
        with self._lock:
            if self._file is None or day > self._day:
                self._file = self._turned(day)
            end = self._file.seek(0, os.SEEK_END)
            try:
                if self._file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, "there is no room for the whole line")  # noqa: TRY301  # as the next
                os.fsync(self._file.fileno())
            except OSError:  # what there is of the line must not stand before the next one
                with suppress(OSError):
                    self._file.truncate(end)
                raise

    def has(self, event_id: int, day: date) -> bool:
        """Whether the files of this day or the one before have this event."""
        start = b'{"id":%d,' % event_id
        return any(line.startswith(start) for it in (day, day - timedelta(1)) for line in lines(self.path(it)))

    def path(self, day: date) -> Path:
        """Where the events of a day go."""
        return self.folder / f"events-{day}.jsonl"

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file:
                self._file.close()

    def _turned(self, day: date) -> BinaryIO:
        """The file of this day; those of days that are over are put away."""
        if self._file:
            self._file.close()
        file = opened(self.path(day))
        self._day = day
        oldest = str(day - timedelta(self._keep)) if self._keep else ""
        for path in sorted(self.folder.iterdir()):
            match = NAME.fullmatch(path.name)
            if match and match[1] < oldest:
                path.unlink()
            elif match and match[1] < str(day) and not match[2]:
                compress(path)
        sync(self.folder)
        return file


def opened(path: Path) -> BinaryIO:
    """The file, to be appended to, without the half line that a crash may have left."""
    file = path.open("a+b", buffering=0)
    end = file.seek(0, os.SEEK_END)
    while end and os.pread(file.fileno(), 1, end - 1) != b"\n":
        start = max(0, end - CHUNK)
        whole = os.pread(file.fileno(), end - start, start).rfind(b"\n") + 1
        end = start + whole
    file.truncate(end)
    return file


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, compressed or not; none where there is none."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        yield from file
    with suppress(FileNotFoundError), gzip.open(f"{path}.gz") as file:
        yield from file


def compress(path: Path) -> None:
    """Put the compressed file in the place of the other; whenever it is cut short, one of them is whole."""
    half = path.with_name(f"{path.name}.gz.half")
    with path.open("rb") as source, half.open("wb") as file:
        with gzip.GzipFile(fileobj=file, mode="wb", filename=path.name) as target:
            shutil.copyfileobj(source, target, CHUNK)
        file.flush()
        os.fsync(file.fileno())
    half.rename(f"{path}.gz")
    sync(path.parent)
    path.unlink()


def sync(folder: Path) -> None:
    """Have the names of its files on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@asynccontextmanager
async def kept(options: Options) -> AsyncGenerator[Archive | None]:
    """The archive, while the daemon works: nobody else may write to its folder."""
    if options.folder is None:
        yield None
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"{options.folder} is another daemon's archive; give each a folder of its own") from None
        archive = Archive(options.folder, keep=options.keep)
        try:
            yield archive
        finally:
            archive.close()


@on(Event, options=Options, resources=kept)
def archive(event: Event, ctx: Context[Options, Archive | None]) -> Done:
    """It hears everything, in a thread, because it waits for the disk."""
    if ctx.resources is None or (ctx.options.types is not None and event.type not in ctx.options.types):
        return Done()
    now = datetime.now(UTC)
    if ctx.attempt > 1 and ctx.resources.has(ctx.event_id, now.date()):
        return Done()
    body = event.raw.replace(b"\n", b" ")  # between values: inside one there is none
    time = now.isoformat(timespec="milliseconds").encode()
    ctx.resources.add(b'{"id":%d,"time":"%s","event":%s}\n' % (ctx.event_id, time, body), now.date())
    return Done()
