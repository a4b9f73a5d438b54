"""Stores to test: one conformance suite for the port, run on every adapter. A new adapter is one more `Place`."""

import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.postgresql import Cluster
from vodworker.journal.port import Arrival, Entry, Store
from vodworker.journal.postgres import open_postgres
from vodworker.journal.sqlite import open_sqlite
from vodworker.outcome import Ending


@dataclass
class Clock:
    """The store's clock, moved by hand."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Place(Protocol):
    """Where a store under test is kept; opened again, it has what was written."""

    clock: Clock

    def open(self, *, sole: bool = False) -> AbstractAsyncContextManager[Store]:
        """The store, opened by one more process or daemon."""
        ...

    def brief(self) -> AbstractAsyncContextManager[Store]:
        """A store that is gone when it is closed; where that is quicker, not on the disk."""
        ...


class SqlitePlace:
    """A file in the test's own folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.path = folder / "journal.db"

    def open(self, *, sole: bool = False) -> AbstractAsyncContextManager[Store]:
        """The store in the file."""
        return open_sqlite(self.path, now=self.clock, sole=sole)

    def brief(self) -> AbstractAsyncContextManager[Store]:
        """A store in memory: the same statements, and nothing to wait for."""
        return open_sqlite(":memory:", now=self.clock)


class PostgresPlace:
    """A schema of the test's own."""

    def __init__(self, cluster: Cluster) -> None:
        self.clock = Clock()
        self.url = cluster.url(schema=f"s{next(SCHEMAS)}")

    def open(self, *, sole: bool = False) -> AbstractAsyncContextManager[Store]:  # noqa: ARG002  # there is no such
        """The store in the schema, whoever else uses it."""
        return open_postgres(self.url, now=self.clock, look=None, patient=False)

    def brief(self) -> AbstractAsyncContextManager[Store]:
        """The same: the server does not wait for its disk."""
        return self.open()


SCHEMAS = itertools.count(1)
ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], Place]] = {
    "sqlite": lambda request: SqlitePlace(request.getfixturevalue("tmp_path")),
    "postgres": lambda request: PostgresPlace(request.getfixturevalue("cluster")),
}


@pytest.fixture(params=ADAPTERS)
def place(request: pytest.FixtureRequest) -> Place:
    """Where the store of this test is."""
    return ADAPTERS[request.param](request)


@pytest.fixture
def clock(place: Place) -> Clock:
    """The clock of the store."""
    return place.clock


@pytest.fixture
async def store(place: Place) -> AsyncGenerator[Store]:
    """A store with a sole user."""
    async with place.brief() as store:
        yield store


def arrival(name: str = "a", *, key: str = "", handlers: Sequence[str] = ("h",), type: str = "T") -> Arrival:  # noqa: A002  # the field's own name
    """An event told apart by its name."""
    return Arrival(body=f'{{"name":"{name}"}}'.encode(), type=type, key=key, handlers=tuple(handlers))


async def record(store: Store, *arrivals: Arrival) -> list[int]:
    """Record them; their numbers."""
    return [receipt.event_id for receipt in await store.record(arrivals)]


async def claim(store: Store, most: int = 10, *, handler: str = "h", lease: float = 60.0) -> list[Entry]:
    """Claim entries of one handler."""
    return list((await store.claim({handler: most}, lease=lease)).entries)


async def claim_one(store: Store, *, handler: str = "h", lease: float = 60.0) -> Entry:
    """Claim the one entry that is due."""
    (entry,) = await claim(store, handler=handler, lease=lease)
    return entry


async def settle(store: Store, entry: Entry, ending: Ending) -> bool:
    """Settle this one; whether it was its holder's."""
    (ours,) = await store.settle([(entry, ending)])
    return ours


async def rows(store: Store, event: int) -> list[dict[str, Any]]:
    """The entries of an event, as an operator sees them."""
    shown = await store.show(event)
    assert shown is not None
    found: list[dict[str, Any]] = shown["entries"]
    return found


async def states(store: Store, event: int = 1) -> list[str]:
    """The states of an event's entries."""
    return [row["state"] for row in await rows(store, event)]


def names(entries: Sequence[Entry]) -> list[str]:
    """The names of the events behind these entries."""
    return [entry.body.decode().removeprefix('{"name":"').removesuffix('"}') for entry in entries]
