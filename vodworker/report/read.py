"""Reading logs: our JSON lines, as they are or inside what a supervisor made of them. Others are passed by."""

import gzip
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

STDIN = Path("-")
INSIDE = ("MESSAGE", "log", "message")  # where `journalctl -o json`, Docker and others put a line of ours


@dataclass(frozen=True, slots=True)
class Line:
    """A line of our log. at: Unix seconds."""

    at: float
    event: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A log to be read. size: bytes, as they lie on the disk; None: nobody knows."""

    name: str
    size: int | None
    raw: BinaryIO

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """Each line, and how many bytes of the source were read by then."""
        packed = self.name.endswith(".gz")
        file = cast("BinaryIO", gzip.GzipFile(fileobj=self.raw)) if packed else self.raw
        read = 0
        for line in file:
            read += len(line)
            yield line, self.raw.tell() if packed else read


def sources(paths: tuple[Path, ...]) -> Iterator[Source]:
    """The logs at these paths, each open while it is the current one; `-`, or none at all, is stdin. Raises OSError."""
    for path in paths or (STDIN,):
        if path == STDIN:
            yield Source("stdin", None, sys.stdin.buffer)
        else:
            with path.open("rb") as file:
                yield Source(path.name, path.stat().st_size, file)


def lines(text: bytes) -> Line | None:
    """The line of ours in a line of text, wherever in it; None when there is none."""
    start = text.find(b"{")
    if start < 0:
        return None
    try:
        facts = cast("dict[str, Any]", orjson.loads(text[start:]))  # what begins with a brace is nothing else
    except ValueError:
        return None
    return told(facts) or inner(facts)


def inner(wrapped: dict[str, Any]) -> Line | None:
    """The line of ours in what a supervisor wrote."""
    for name in INSIDE:
        match wrapped.get(name):
            case str(text) if text.startswith("{"):
                return lines(text.encode(errors="replace"))
            case [int(), *_] as data if all(isinstance(byte, int) and 0 <= byte < 256 for byte in data):  # noqa: PLR2004  # bytes
                return lines(bytes(data))  # journald's form for what is not plain text
            case _:
                pass
    return None


def told(facts: dict[str, Any]) -> Line | None:
    """The line that these facts are, if they are one."""
    event, time = facts.get("event"), facts.get("time")
    if not isinstance(event, str) or not isinstance(time, str):
        return None
    try:
        return Line(_second(time[:19]) + float(f"0{time[19:].rstrip('Z') or '.0'}"), event, facts)
    except ValueError:
        return None


@lru_cache(maxsize=16)  # many lines fall into one second
def _second(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
