"""A journal that is carried from one store to another is the same journal."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from tests.journal.conftest import SCHEMAS, arrival, claim, names, record, settle
from tests.postgresql import Cluster
from vodworker.cli import cli
from vodworker.errors import JournalError
from vodworker.journal.copy import DERIVED, TABLES, copy
from vodworker.journal.port import Filter, Receipt, Store
from vodworker.journal.postgres import open_postgres
from vodworker.journal.sqlite import open_sqlite
from vodworker.outcome import Again, Dead, Finished

KEYS = ("k", "a\x00b", "half \ud83d", "文" * 2000)


def opened(url: str) -> AbstractAsyncContextManager[Store]:
    """The store at this url."""
    return open_sqlite(url) if url.startswith("sqlite:") else open_postgres(url, look=None)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file of the test's own."""
    return f"sqlite:///{tmp_path}/journal.db"


@pytest.fixture
def database(cluster: Cluster) -> str:
    """A schema of the test's own."""
    return cluster.url(schema=f"s{next(SCHEMAS)}")


async def fill(store: Store) -> None:
    """Something of everything that a journal can hold."""
    await record(store, *(arrival(f"{key!r}{n}", key=key, handlers=("h", "g")) for key in KEYS for n in range(3)))
    await store.mark([1, 2, 3], "sent")
    await store.mark([3], "accepted")
    done, dead, later, running = await claim(store, 4, lease=600)
    await settle(store, done, Finished())
    await settle(store, dead, Dead("no such file \udcff"))
    await settle(store, later, Again(600, "the cloud is away"))
    await store.intend(running, action="ProcessFile", identity="x" * 5000, request=b"{}")
    await store.replied(running, identity="x" * 5000, reply=b"[1]", task="task-1", ends_in="ProcedureStateChanged")
    await store.intend(running, action="ConcatVideo", identity="in doubt", request=b"{}")
    await store.wait(running, action="ConcatVideo")
    await store.pause("g", why="the shop is closed \udcff")
    await store.record([arrival("end")._replace(ends="task-1", found=True)])
    (row,) = await store.list(Filter(key="k", state="blocked", handler="g", limit=1))
    await store.discard([row["id"]], why="not needed")
    for hold in (60.0, 600.0):
        await store.take("A", limit=5, hold=hold)
    spent = await store.take("B", limit=1, hold=1)
    assert isinstance(spent, list)
    await store.give(dict.fromkeys(spent, 0.0))


MOMENTARY = ("age", "due_in", "why", "next_ask", "confirmation", "recorded")  # the last is moved, as all instants are


async def told(store: Store) -> list[Any]:
    """Everything that a store tells, but for what depends on the moment."""

    def steady(row: Any) -> Any:
        if isinstance(row, dict):
            return {name: steady(it) for name, it in row.items() if name not in MOMENTARY}
        if isinstance(row, str):
            return row.replace("\0", "\\x00")  # no database holds a zero in a text
        return [steady(it) for it in row] if isinstance(row, list) else row

    events = {row["event_id"] for row in await store.list(Filter(limit=1000))}
    return [
        await store.counts(),
        await store.free({"A": 5, "B": 1}),
        steady(await store.tasks()),
        steady(await store.paused()),
        *[steady(await store.show(event)) for event in sorted(events)],
    ]


async def left(store: Store) -> tuple[float, float]:
    """How long a backoff lasts, and a token."""
    (row,) = await store.list(Filter(state="ready", handler="h", key="half \ud83d"))
    wait = await store.take("A", limit=1, hold=1)
    assert isinstance(wait, float)
    return row["due_in"], wait


@pytest.mark.parametrize("there", ["file", "database"])
@pytest.mark.parametrize("here", ["file", "database"])
async def test_everything_is_carried(file: str, database: str, here: str, there: str) -> None:
    """In each direction, the copy tells what the first journal tells, and all that waited waits as long as before."""
    source = {"file": file, "database": database}[here]
    target = {"file": f"{file}_copy", "database": f"{database}_copy"}[there]
    async with opened(source) as store:
        await fill(store)
        before, waits = await told(store), await left(store)
    counts = await asyncio.to_thread(copy, source, target)
    async with opened(target) as store:
        after, later = await told(store), await left(store)

    assert before == after
    assert waits == pytest.approx(later, abs=5)
    expected = {"events": 13, "waiting": 11, "entries": 25, "calls": 2, "tasks": 1, "tokens": 2}
    assert {**expected, "attempts": 2, "waits": 1, "paused": 1} == {table.name: counts[table.name] for table in TABLES}


@pytest.mark.parametrize("back", [False, True])
async def test_work_goes_on_in_the_copy(file: str, database: str, back: bool) -> None:  # noqa: FBT001  # a parameter
    """Copies are recognised, keys keep their order, recorded calls are found, and numbers are never given twice."""
    async with opened(file) as store:
        await record(store, *(arrival(name, key="k") for name in "abc"), arrival("last"))
        entry = (await claim(store, 1))[0]
        await store.intend(entry, action="A", identity="x", request=b"1")
        await store.replied(entry, identity="x", reply=b"2")
        await store.mark([4], "accepted")
        (last,) = await claim(store)
        await settle(store, last, Finished())
        await store.sweep(keep=1e-9)
    await asyncio.to_thread(copy, file, database)
    if back:
        await asyncio.to_thread(copy, database, f"{file}_back")
    async with opened(f"{file}_back" if back else database) as store:
        copied = await store.record([arrival("b", key="k")])
        (fresh,) = await record(store, arrival("d", key="k"))
        found = await store.find(entry, identity="x")
        held = await settle(store, entry, Finished())
        order: list[str] = []
        while entries := await claim(store):
            order += names(entries)
            await settle(store, entries[0], Finished())

    assert ([Receipt(2, copy=True)], True) == (copied, fresh > 4)  # a number may be skipped
    assert (b"2", True) == (found and found.reply, held)
    assert ["b", "c", "d"] == order


async def test_a_target_must_be_empty(file: str, database: str) -> None:
    """Two journals are not made into one; what is there stays as it was."""
    for url in (file, database):
        async with opened(url) as store:
            await record(store, arrival("a"))

    for source, target in ((file, database), (database, file)):
        with pytest.raises(JournalError, match=r"it is not empty \(1 events, 1 waiting, 1 entries, 1 ready\)"):
            await asyncio.to_thread(copy, source, target)


async def test_nobody_may_use_a_file_that_is_carried(file: str, database: str) -> None:
    """A daemon that runs is named."""
    async with opened(file):
        with pytest.raises(JournalError, match="another daemon uses it, pid"):
            await asyncio.to_thread(copy, file, database)


async def test_who_is_just_letting_go_is_waited_for(file: str, database: str, cluster: Cluster) -> None:
    """A journal is carried right after its daemon has stopped: the server may not have noticed yet."""
    waits = "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
    async with opened(file) as store:
        await record(store, arrival("a"))
    async with (
        opened(database) as store,
        await psycopg.AsyncConnection.connect(cluster.dsn, autocommit=True) as db,
        asyncio.TaskGroup() as group,
    ):
        carried = group.create_task(asyncio.to_thread(copy, file, database))
        while await (await db.execute(waits)).fetchone() is None:
            pass
        await store.close()

    assert 1 == carried.result()["events"]


@pytest.mark.parametrize("forth", [True, False])
async def test_nobody_may_use_a_database_that_is_carried(file: str, database: str, forth: bool) -> None:  # noqa: FBT001
    """A replica that runs is seen."""
    async with opened(file):
        pass
    async with opened(database):
        with pytest.raises(JournalError, match="1 others use it; stop all daemons"):
            await asyncio.to_thread(copy, *((file, database) if forth else (database, file)))


async def test_what_does_not_arrive_is_noticed(file: str, database: str) -> None:
    """A count that differs is an error, and nothing is written."""
    async with opened(file) as store:
        await record(store, arrival("a"))
    async with opened(database):
        pass
    schema = database.partition("schema=")[2]
    with psycopg.connect(database.partition("&schema")[0], autocommit=True) as db:
        rule = f"CREATE RULE lose AS ON INSERT TO {schema}.waiting DO INSTEAD NOTHING"
        db.execute(rule.encode())
    with pytest.raises(JournalError, match="nothing was written"):
        await asyncio.to_thread(copy, file, database)

    async with opened(database) as store:
        assert 0 == (await store.counts())["events"]


def test_no_journal_is_made_to_be_copied(tmp_path: Path, database: str) -> None:
    """A file that is not there is no journal."""
    with pytest.raises(JournalError, match="there is no journal"):
        copy(f"sqlite:///{tmp_path}/none.db", database)
    assert [] == [*tmp_path.iterdir()]


def test_a_journal_is_not_copied_onto_itself(tmp_path: Path) -> None:
    """Two names of one file are one journal; it is told so, and not that somebody uses it."""
    path = tmp_path / "journal.db"

    async def make() -> None:
        async with open_sqlite(path):
            pass

    asyncio.run(make())
    with pytest.raises(JournalError, match="the same journal"):
        copy(f"sqlite:///{path}", f"sqlite:///{tmp_path}/../{tmp_path.name}/journal.db")


def columns(ask: Callable[[str], Any]) -> dict[str, set[str]]:
    """The columns of each table, but for those that a store makes for itself."""
    return {
        table.name: {column[0] for column in ask(f"SELECT * FROM {table.name} LIMIT 0").description}
        - DERIVED.get(table.name, set())
        for table in TABLES
    }


def test_every_column_is_carried(tmp_path: Path, cluster: Cluster, database: str) -> None:
    """A column that a migration adds to a store is carried, too."""
    path = str(tmp_path / "journal.db")

    async def make() -> None:
        async with open_sqlite(path), open_postgres(database):
            pass

    asyncio.run(make())
    declared = {table.name: {*table.columns} for table in TABLES}
    file = sqlite3.connect(path)
    with psycopg.connect(cluster.dsn) as db:
        db.execute(f"SET search_path = {database.partition('schema=')[2]}".encode())
        assert declared == columns(lambda query: db.execute(query.encode()))
    assert declared == columns(file.execute)
    file.close()


def test_the_command_tells_what_was_copied(file: str, database: str) -> None:
    """`journal copy` ends well with the counts, and with a message when it cannot."""

    async def make() -> None:
        async with opened(file) as store:
            await record(store, arrival("a"), arrival("b"))

    asyncio.run(make())
    shell = CliRunner()
    done = shell.invoke(cli, ["journal", "copy", file, database])
    again = shell.invoke(cli, ["journal", "copy", file, database])
    empty = shell.invoke(cli, ["journal", "copy", f"{database}_a", f"{database}_b"])

    assert (0, "2 events, 2 waiting, 2 entries, 2 ready\n") == (done.exit_code, done.stdout)
    assert (1, True) == (again.exit_code, "it is not empty" in again.stderr)
    assert (0, "nothing to copy\n") == (empty.exit_code, empty.stdout)
