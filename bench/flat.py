"""What a journal's verbs cost while it grows: on both stores, from a thousand finished entries to a million.

Beside the finished entries stand a hundred thousand open ones: a third due, a third behind others of their key, a third
backing off. Then a worker records, claims and settles, one verb at a time, and each is timed.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import psycopg
from rich.console import Console
from rich.table import Table

from bench._kept import draw, keep
from tests.postgresql import cluster
from vodworker.journal.copy import TABLES, Row, Side, opened
from vodworker.journal.port import PLACES, Arrival, Store
from vodworker.journal.postgres import open_postgres
from vodworker.journal.sqlite import open_sqlite
from vodworker.outcome import Finished
from vodworker.report.plot import Bar, bars

T = TypeVar("T")

SIZES = (1_000, 10_000, 100_000, 1_000_000)
OPEN = 100_000
KEYS = 1_000  # of the third that has one: the first of each is due, the others are behind it
ROUNDS = 60
BATCH = 16  # entries claimed at once
FLAT = 2.0  # times the smallest size's cost is still flat: trees get a level deeper, caches colder
PAGE = 5_000

TABLE = {table.name: table for table in TABLES}
NOTHING = {"bigint": 0, "integer": 0, "instant": 0.0, "text": "", "bytea": b"", "boolean": False}


def row(table: str, **values: object) -> Row:
    """A row, with nothing in the columns that are not named."""
    return tuple(values.get(column, NOTHING[kind]) for column, kind in TABLE[table].columns.items())


def rows(number: int, finished: int, now: float) -> dict[str, Row]:
    """An event, its entry, and what it says of its end: finished ones first, then the open ones by turns."""
    key, state, due = "", "done", now - 100.0
    if number > finished:
        turn = number - finished
        match turn % 3:
            case 0:
                state = "ready"
            case 1:
                state = "ready" if turn <= 3 * KEYS else "blocked"
                key = f"k{turn // 3 % KEYS}"
            case _:
                state, due = "ready", now + 1e6
    entry = number * PLACES
    body = b'{"eventType":"NewFileUpload","data":{"fileId":"%d"}}' % number
    made = {
        "entries": row("entries", id=entry, handler="h", key=key, state=state, since=now - 100.0, due=due, fence=1),
        "events": row("events", id=number, recorded=now - 100.0, type="T", key=key, body=body),
    }
    if state == "done":
        made["attempts"] = row("attempts", id=number, entry=entry, fence=1, attempt=1, ended=now - 100.0, how="done")
    return made


def fill(url: str, finished: int, unfinished: int = OPEN) -> None:
    """Make a journal of this size."""

    def write(side: Side, now: float) -> None:
        last = finished + unfinished
        for start in range(1, last + 1, PAGE):
            made = [rows(number, finished, now) for number in range(start, min(start + PAGE, last + 1))]
            for table in ("events", "entries", "attempts"):
                side.add(TABLE[table], [it[table] for it in made if table in it])
        side.go_on(last)

    with opened(url) as (medium, side):
        for answer in medium.run([lambda db, now: write(side(db), now)]):
            if isinstance(answer, Exception):
                raise answer


async def timed(verb: Awaitable[T], times: list[float]) -> T:
    """The verb's answer; its milliseconds are noted."""
    began = perf_counter()
    answer = await verb
    times.append((perf_counter() - began) * 1000)
    return answer


Times = dict[str, list[float]]


async def once(store: Store, number: int, times: Times) -> None:
    """A round: a batch is recorded, claimed and settled; the milliseconds of each verb are noted."""
    arrivals = [Arrival(b"%d-%d" % (number, n), "T", f"new {number}-{n}", ("h",)) for n in range(BATCH)]
    await timed(store.record(arrivals), times["record"])
    claim = await timed(store.claim({"h": BATCH}, lease=60), times["claim"])
    await timed(store.settle([(it, Finished()) for it in claim.entries]), times["settle"])


Open = Callable[[str], AbstractAsyncContextManager[Store]]


async def measured(place: str, sizes: Sequence[int], open_store: Open) -> dict[int, dict[str, float]]:
    """Milliseconds of each verb at each size, in one of the quick rounds: what else a machine does only adds.

    The sizes take turns, so that a busy minute of the machine is one for all of them.
    """
    times: dict[int, Times] = {size: {"record": [], "claim": [], "settle": []} for size in sizes}
    async with AsyncExitStack() as stack:
        stores = {size: await stack.enter_async_context(open_store(place.format(size))) for size in sizes}
        for number in range(ROUNDS):
            for size, store in stores.items():
                await once(store, number, times[size])
    return {size: {verb: sorted(them)[ROUNDS // 10] for verb, them in verbs.items()} for size, verbs in times.items()}


async def compare(sizes: tuple[int, ...], tell: Callable[[str, int, dict[str, float]], None]) -> float:
    """Measure both stores at each size; the worst growth of any verb."""
    with tempfile.TemporaryDirectory(prefix="flat-") as folder, cluster(shared_buffers="256MB") as database:
        worst = 0.0
        for name, place, open_store in (
            ("SQLite", f"sqlite:///{Path(folder)}/{{}}.db", open_sqlite),
            ("PostgreSQL", f"{database.url(schema='flat')}_{{}}", open_postgres),
        ):
            for size in sizes:
                await asyncio.to_thread(fill, place.format(size), size)
            with psycopg.connect(database.dsn, autocommit=True) as db:
                db.execute("VACUUM ANALYZE")  # else it would begin by itself, amid the rounds
            found = await measured(place, sizes, open_store)
            for size, costs in found.items():
                tell(name, size, costs)
                worst = max(worst, *(costs[verb] / found[sizes[0]][verb] for verb in ("claim", "settle")))
        return worst


def drawn(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """The plot: for each store and verb a bar for each size."""
    rows = [
        Bar(f"{store}: {verb}, {size} finished", costs[verb], told=f"{costs[verb]:.1f} ms")
        for store, sizes in found.items()
        for verb in ("claim", "settle")
        for size, costs in sizes.items()
    ]
    return bars(rows, unit=f"milliseconds for {BATCH} entries")


def main() -> int:
    """Print what each size costs; 0 when claim and settle are flat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="the greatest size to measure")
    most = parser.parse_args().most
    console = Console(highlight=False)
    found: dict[str, dict[str, dict[str, float]]] = {}
    table = Table("store", "finished", f"record {BATCH}", f"claim {BATCH}", f"settle {BATCH}", title="milliseconds")

    def tell(name: str, size: int, costs: dict[str, float]) -> None:
        found.setdefault(name, {})[f"{size:,}"] = {verb: round(it, 2) for verb, it in costs.items()}
        table.add_row(name, f"{size:,}", *(f"{it:6.2f} {'▇' * round(it)}" for it in costs.values()))

    worst = asyncio.run(compare(tuple(size for size in SIZES if size <= most), tell))
    console.print(table)
    keep("flat", "milliseconds", {"growth": round(worst, 2), **found})
    draw("flat", drawn(found))
    console.print(f"worst growth of claim and settle: {worst:.2f} times; up to {FLAT:g} is flat")
    return 0 if worst <= FLAT else 1


if __name__ == "__main__":
    sys.exit(main())
