"""The promises of archive, kept on a real disk."""

import gzip
import json
import resource
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers.archive import Archive, Options, archive, kept
from vodworker import Done
from vodworker.events import Event, FileDeleted, NewFileUpload, decode
from vodworker.testing import Run, run, sample

EVENT = decode('{"eventType":"FileDeleted","data":{"name":"动物"}}'.encode())
DAY = date(2026, 1, 31)


def line(number: int) -> bytes:
    """What is written of an event."""
    return b'{"id":%d,"event":{}}\n' % number


def files(folder: Path) -> dict[str, bytes]:
    """What is in the folder, unpacked."""
    return {
        path.name: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in sorted(folder.glob("events*"))
    }


@asynccontextmanager
async def archiving(**options: Any) -> AsyncGenerator[Any]:
    """A function that runs the handler beside its open archive."""
    read = Options(**options)
    async with kept(read) as it:

        async def handle(event: Event, **facts: Any) -> Run:
            return await run(archive, event, options=read, resources=it, **facts)

        yield handle


async def test_event_is_kept_as_it_came(tmp_path: Path) -> None:
    """Its number, the time, and its JSON byte for byte, on one line of the day's file."""
    before = datetime.now(UTC)
    async with archiving(folder=tmp_path / "deep" / "archive") as handle:
        assert Done() == (await handle(EVENT, event_id=17)).outcome
        await handle(decode(b'{"eventType":\n"FileDeleted"}'), event_id=18)
    after = datetime.now(UTC)

    ((name, text),) = files(tmp_path / "deep" / "archive").items()
    first, second = text.splitlines()
    read = json.loads(first)
    assert name in {f"events-{day:%Y-%m-%d}.jsonl" for day in (before, after)}
    assert first.endswith(b',"event":' + EVENT.raw + b"}")
    assert 17 == read["id"]
    assert before - timedelta(seconds=1) <= datetime.fromisoformat(read["time"]) <= after
    assert (18, {"eventType": "FileDeleted"}) == (json.loads(second)["id"], json.loads(second)["event"])


async def test_only_what_is_asked_for_is_kept(tmp_path: Path) -> None:
    """Without a folder nothing is, with types only those."""
    async with archiving() as handle:
        assert Done() == (await handle(EVENT)).outcome
    async with archiving(folder=tmp_path, types=["NewFileUpload"]) as handle:
        await handle(sample(FileDeleted), event_id=1)
        await handle(sample(NewFileUpload), event_id=2)

    assert [2] == [json.loads(it)["id"] for text in files(tmp_path).values() for it in text.splitlines()]


async def test_another_try_writes_nothing_twice(tmp_path: Path) -> None:
    """An event whose line is there already is done, today's or yesterday's, packed or not; any other is written."""
    async with archiving(folder=tmp_path) as handle:
        await handle(EVENT, event_id=17)
        await handle(EVENT, event_id=17, attempt=2)
        await handle(EVENT, event_id=1, attempt=2)
    yesterday = datetime.now(UTC).date() - timedelta(1)
    with gzip.open(tmp_path / f"events-{yesterday}.jsonl.gz", "wb") as file:
        file.write(line(18))
    async with archiving(folder=tmp_path) as handle:
        await handle(EVENT, event_id=18, attempt=2)

    *_, today = files(tmp_path).values()
    assert [17, 1] == [json.loads(it)["id"] for it in today.splitlines()]


@pytest.mark.parametrize("half", [b'{"id":3,"ev', b"x" * 3_000_000, b""])
def test_half_a_line_is_cut_off(tmp_path: Path, half: bytes) -> None:
    """What a power cut left of a line is gone at the next start; whole lines stay."""
    path = tmp_path / f"events-{DAY}.jsonl"
    path.write_bytes(line(1) + line(2) + half)
    with closing(Archive(tmp_path, keep=None)) as it:
        it.add(line(4), DAY)

    assert line(1) + line(2) + line(4) == path.read_bytes()


def test_days_that_are_over_are_packed(tmp_path: Path) -> None:
    """At the turn of the day, and what a stop left unpacked; what is too old goes, and nothing else is touched."""
    (tmp_path / "events-2026-01-01.jsonl").write_bytes(line(1))
    (tmp_path / "events-2026-01-21.jsonl.gz").write_bytes(gzip.compress(line(2)))
    (tmp_path / "events-2026-01-20.jsonl.gz").write_bytes(gzip.compress(line(3)))
    (tmp_path / "events-notes.txt").write_bytes(b"mine")
    it = Archive(tmp_path, keep=11)
    it.add(line(4), DAY)
    it.add(line(5), DAY + timedelta(1))
    it.add(line(6), DAY)  # the clock was set back: it goes where it can
    it.close()

    assert {
        "events-2026-01-21.jsonl.gz": line(2),
        "events-2026-01-31.jsonl.gz": line(4),
        "events-2026-02-01.jsonl": line(5) + line(6),
        "events-notes.txt": b"mine",
    } == files(tmp_path)


async def test_a_folder_has_one_archive(tmp_path: Path) -> None:
    """A second daemon in the same folder is refused, with what helps; after the first one it may."""
    async with archiving(folder=tmp_path):
        with pytest.raises(RuntimeError, match="is another daemon's archive; give each a folder of its own"):
            async with archiving(folder=tmp_path):
                pass
    async with archiving(folder=tmp_path) as handle:
        assert Done() == (await handle(EVENT)).outcome


def test_what_does_not_fit_leaves_no_half_line(tmp_path: Path) -> None:
    """When the disk is full it is an error, and so another try; then the line stands whole behind the others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(Archive(tmp_path, keep=None)) as it:
        it.add(line(1), DAY)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(line(1)) + 5, hard))
        try:
            for _ in range(2):
                with pytest.raises(OSError, match="no room for the whole line"):
                    it.add(line(2), DAY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        it.add(line(2), DAY)

    assert {f"events-{DAY}.jsonl": line(1) + line(2)} == files(tmp_path)
