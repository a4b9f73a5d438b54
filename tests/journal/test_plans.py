"""No verb that a daemon uses looks through a table: its cost is the same beside a million rows.

The plans are asked of SQLite for every statement in `sqlite.py` and `sqlite_desk.py`; then the steps of its machine are
counted, because a plan alone does not show how many rows a search passes. PostgreSQL plans by what it knows of tables,
so it is asked what it has read.
"""

import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import get_args

import psycopg
import pytest

from bench import flat
from tests.journal.conftest import SCHEMAS, arrival, record, settle
from tests.postgresql import Cluster
from vodworker.journal import schema, sqlite, sqlite_desk
from vodworker.journal.port import Arrival, Mark
from vodworker.journal.postgres import open_postgres
from vodworker.journal.sqlite import open_sqlite
from vodworker.outcome import Again, Dead, Ending, Finished

pytestmark = pytest.mark.no_cover

STATEMENTS = {
    name: value
    for name, value in {**vars(sqlite), **vars(sqlite_desk)}.items()
    if name.isupper() and isinstance(value, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", value)
}
SCANS = {  # statements that go through many rows, and which
    "ROWS": "an operator's list, filtered by whatever is asked, is read from its newest row on",
    "ANY_BLOCKED": "reads the first entry that is blocked, if there is one",
    "FIND_PAUSED": "reads the few handlers that are paused",
    "LIST_PAUSED": "reads the few handlers that are paused",
    "SHOW_CALLS": "sorts the few calls of one event",
    "COUNT_OPEN": "counts the open entries, from indexes alone",
    "COUNT_STATE": "counts the open and the dead entries, from indexes alone",
    "COUNT_WAITING": "counts the events that wait for a confirmation",
}
SMALL = re.compile(r"SCAN (journal|CONSTANT ROW|\(subquery-\d+\))")  # one row each


@pytest.fixture
def db() -> Generator[sqlite3.Connection]:
    """An empty journal."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(db, schema.MIGRATIONS)
    yield db
    db.close()


def plan(db: sqlite3.Connection, statement: str) -> list[str]:
    """What SQLite means to do."""
    names = re.findall(r":(\w+)", statement)
    values: dict[str, int] | list[int] = dict.fromkeys(names, 1) if names else [1] * statement.count("?")
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


def looks_through(step: str) -> bool:
    """Whether a step passes rows that are not asked for."""
    return ("SCAN" in step or "TEMP B-TREE" in step or "AUTOMATIC" in step) and not SMALL.search(step)


def test_the_statements_are_found() -> None:
    """The table of statements is the module's."""
    assert set() == {"ADD_ENTRY", "FIND_DUE", "FIND_EXPIRED", "NEXT_DUE", "FIND_OLD"} - set(STATEMENTS)


@pytest.mark.parametrize("name", STATEMENTS)
def test_nothing_is_looked_through(db: sqlite3.Connection, name: str) -> None:
    """Each statement finds its rows by an index, but for those that say why not."""
    found = [step for step in plan(db, STATEMENTS[name]) if looks_through(step)]

    assert (name in SCANS) == bool(found), found


@pytest.mark.parametrize("name", ["COUNT_OPEN", "COUNT_STATE", "COUNT_WAITING"])
def test_counts_read_no_rows(db: sqlite3.Connection, name: str) -> None:
    """What is counted is counted in an index, which is small beside its table."""
    steps = [step for step in plan(db, STATEMENTS[name]) if step.startswith(("SCAN", "SEARCH"))]

    assert [] == [step for step in steps if "COVERING INDEX" not in step and not SMALL.search(step)]


class Steps:
    """Counts the steps of SQLite's machine."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.count = 0

    @contextmanager
    def counted(self) -> Generator[None]:
        """Count what happens inside."""
        self.count = 0
        self._db.set_progress_handler(self._step, 1)
        yield
        self._db.set_progress_handler(None, 0)

    def _step(self) -> int:
        self.count += 1
        return 0


def fill(db: sqlite3.Connection, *, one_key: int, open_entries: int, finished: int, dead: int) -> None:
    """Put entries of all kinds in the journal."""

    def arrivals(number: int, kind: str) -> list[Arrival]:
        key = "busy" if kind == "one" else ""
        return [Arrival(f"{kind}{i}".encode(), "T", key or f"{kind}{i}", ("h",)) for i in range(number)]

    ended: tuple[tuple[str, int, Ending], ...] = (("done", finished, Finished()), ("dead", dead, Dead("no")))
    for kind, number, end in ended:
        receipts = sqlite._record(db, 0.0, arrivals(number, kind))
        db.executemany(sqlite.MARK_ACCEPTED, [(receipt.event_id,) for receipt in receipts])
        for entry in sqlite._claim(db, 0.0, [("h", number)], 60.0).entries:
            sqlite._settle(db, 0.0, [(entry, end)])
    sqlite._record(db, 1.0, arrivals(open_entries, "open"))
    sqlite._record(db, 2.0, arrivals(one_key, "one"))


def cost(db: sqlite3.Connection) -> dict[str, int]:
    """Steps of each verb that a daemon uses all the time."""
    steps = Steps(db)
    cost: dict[str, int] = {}
    fresh = [Arrival(b"new", "T", "busy", ("h",)), Arrival(b"other", "T", "new", ("h",))]
    with steps.counted():
        receipts = sqlite._record(db, 3.0, fresh)
    cost["record"] = steps.count
    with steps.counted():
        db.execute(sqlite.MARK_SENT, (3.0, receipts[0].event_id))
        db.execute(sqlite.MARK_ACCEPTED, (receipts[0].event_id,))
    cost["mark"] = steps.count
    with steps.counted():
        entries = sqlite._claim(db, 10.0, [("h", 5)], 60.0).entries
    cost["claim"] = steps.count
    assert len(entries) == 5
    ends: tuple[Ending, ...] = (Finished(), Dead("no"), Again(5.0, ""), Finished())
    with steps.counted():
        assert all(sqlite._settle(db, 11.0, [*zip(entries, ends, strict=False)]))
    cost["settle"] = steps.count
    with steps.counted():
        sqlite._releasing(entries[4:])(db, 12.0)
    cost["release"] = steps.count
    (busy,) = [entry for entry in sqlite._claim(db, 12.0, [("h", 100_000)], 60.0).entries if entry.key == "busy"]
    with steps.counted():
        assert [True] == sqlite._settle(db, 13.0, [(busy, Finished())])
    cost["settle one of many of a key"] = steps.count
    return cost


def test_the_cost_is_flat(db: sqlite3.Connection) -> None:
    """Beside thousands of open, blocked, finished and dead entries, no verb takes more steps than beside a few."""
    other = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(other, schema.MIGRATIONS)
    fill(db, one_key=20, open_entries=20, finished=20, dead=20)
    fill(other, one_key=3000, open_entries=3000, finished=3000, dead=3000)

    few, many = cost(db), cost(other)
    other.close()

    assert few == many


async def test_a_batch_takes_no_more_statements_than_one_event() -> None:
    """Sixteen events are looked up, written and marked together, and not one after the other."""
    told: list[str] = []
    async with open_sqlite(":memory:") as store:
        await store._ask(lambda db, _: db.set_trace_callback(told.append))

        async def statements(batch: str, events: int) -> int:
            told.clear()
            numbers = await record(store, *(arrival(f"{batch}{n}", key=f"{batch}{n}") for n in range(events)))
            for how in get_args(Mark):
                await store.mark(numbers, how)
            return len(told)

        assert await statements("one", 1) == await statements("many", 16)


READ = (
    "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE schemaname = %s AND seq_tup_read > 0 ORDER BY relname"
)
STILL_THERE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
FULL = {"events", "entries", "attempts"}


@pytest.mark.timeout(60)
async def test_a_server_reads_no_table_through(cluster: Cluster) -> None:
    """Knowing a full journal's statistics, PostgreSQL finds by indexes what daemons look for all the time."""
    schema = f"s{next(SCHEMAS)}"
    url = cluster.url(schema=schema)
    flat.fill(url, 2_000, 10_000)
    with psycopg.connect(cluster.dsn, autocommit=True) as db:
        db.execute("VACUUM ANALYZE")
        before: dict[str, int] = dict(db.execute(READ, (schema,)).fetchall())
        async with open_postgres(url, patient=False) as store:
            receipts = await store.record([arrival(f"{number}", key=f"k{number}") for number in range(16)])
            for how in get_args(Mark):
                await store.mark([receipt.event_id for receipt in receipts], how)
            entries = (await store.claim({"h": 16}, lease=60)).entries
            await store.keep(entries, lease=60)
            await store.intend(entries[0], action="A", identity="a", request=b"{}")
            await store.replied(entries[0], identity="a", reply=b"{}", task="task", ends_in="T")
            endings: tuple[Ending, ...] = (Finished(), Again(1.0, "later"), Dead("no"))
            for entry, ending in zip(entries[:3], endings, strict=True):
                await settle(store, entry, ending)
            await store.release(entries[3:])
            tokens = await store.take("A", limit=2, hold=60, most=2)
            assert isinstance(tokens, list)
            await store.give(dict(zip(tokens, (0.0, 60.0), strict=True)))
        while db.execute(STILL_THERE, (f"vodworker {schema}",)).fetchall() != [(0,)]:
            pass  # it tells what it has read when it is gone
        read = {table: rows - before.get(table, 0) for table, rows in db.execute(READ, (schema,)).fetchall()}

    assert {} == {table: rows for table, rows in read.items() if rows and table in FULL}
