"""A journal's file: who may open it, what is refused, and what is said when it cannot do its work."""

# A test has nothing else to do while its disk is busy.
# ruff: noqa: ASYNC240

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.journal.conftest import Clock, arrival, claim, record
from vodworker.errors import ConfigError, JournalError
from vodworker.journal.clock import here
from vodworker.journal.file import TROUBLES, File
from vodworker.journal.lock import Lock
from vodworker.journal.port import Arrival
from vodworker.journal.schema import APPLICATION, MIGRATIONS, migrate
from vodworker.journal.sqlite import SqliteStore, _count_open, _write, open_sqlite, opened, path_of
from vodworker.journal.thread import Thread


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "journal.db"


async def fill(path: Path) -> None:
    """Make a journal with something in it."""
    async with open_sqlite(path) as store:
        await record(store, *(arrival(f"{number}") for number in range(100)))


async def refusal(path: Path | str, *, sole: bool = True) -> str:
    """What is said when this is opened."""
    with pytest.raises(JournalError) as caught:
        async with open_sqlite(path, sole=sole):
            pass
    return str(caught.value)


# where it is


@pytest.mark.parametrize(
    "where,path",
    [
        ("journal.db", "journal.db"),
        (Path("/var/lib/journal.db"), "/var/lib/journal.db"),
        ("sqlite:///journal.db", "journal.db"),
        ("sqlite:////var/lib/journal.db", "/var/lib/journal.db"),
        ("sqlite:///:memory:", ":memory:"),
        (":memory:", ":memory:"),
    ],
)
def test_a_url_names_a_file(where: str | Path, path: str) -> None:
    """Three slashes and a relative path, or four; a path is taken as it is."""
    assert path == path_of(where)


@pytest.mark.parametrize("where", ["sqlite://journal.db", "sqlite:journal.db", "sqlite:///"])
def test_a_url_without_a_file_is_refused(where: str) -> None:
    """What is written otherwise is named, with the way to write it."""
    with pytest.raises(ConfigError, match=r"names no file; write sqlite:///relative\.db"):
        path_of(where)


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    """Nothing is made but the file itself."""
    assert f"its directory {tmp_path / 'no'} does not exist; create it" in await refusal(tmp_path / "no" / "journal.db")


async def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that changes its directory keeps its journal."""
    monkeypatch.chdir(tmp_path)
    async with open_sqlite("sqlite:///journal.db") as store:
        monkeypatch.chdir("/")

        assert [1] == await record(store, arrival("a"))


async def test_a_new_file_may_be_opened_by_several_at_once(path: Path) -> None:
    """Whoever is first makes the tables, the others wait for them."""

    async def events(number: int) -> int:
        async with open_sqlite(path, sole=False) as store:
            await record(store, arrival(f"{number}"))
            return (await store.counts())["events"]

    async with asyncio.TaskGroup() as group:
        told = [group.create_task(events(number)) for number in range(4)]

    assert 4 == max(task.result() for task in told)


async def test_a_store_in_memory_needs_no_lock() -> None:
    """Any number of stores in memory stand side by side."""
    async with open_sqlite(":memory:") as one, open_sqlite(":memory:") as two:
        await record(one, arrival("a"))

        assert (1, 0) == ((await one.counts())["events"], (await two.counts())["events"])


async def test_a_store_says_what_it_is(path: Path) -> None:
    """Its picture in a log or a debugger names the file."""
    file = File(str(path), now=None, sole=True, machine=here())
    async with open_sqlite(":memory:") as store, open_sqlite(path, sole=False) as shared:
        assert "<SqliteStore :memory:>" == repr(store)
        assert f"<SqliteStore {path}, shared>" == repr(shared)
        assert "<Thread :memory:, 0 waiting>" == repr(store._thread)
    assert "<Thread :memory:, 0 waiting, closed>" == repr(store._thread)
    assert f"<File {path} closed>" == repr(file)
    file.open()
    assert f"<File {path} open>" == repr(file)
    file.close()
    assert f"<Lock {path}.lock free>" == repr(file._lock)


# who may use it


async def test_a_second_daemon_is_refused(path: Path) -> None:
    """It is told the pid of the first."""
    async with open_sqlite(path):
        said = await refusal(path)

    assert f"{path}: another daemon uses it, pid {os.getpid()}; stop that one" in said


async def test_the_next_daemon_is_let_in(path: Path) -> None:
    """The lock is free when its holder is gone, and also when opening it failed."""
    path.write_bytes(b"SQLite format 3\0" + b"no database" * 100)
    await refusal(path)
    path.unlink()
    async with open_sqlite(path):
        pass
    async with open_sqlite(path) as store:
        assert 0 == (await store.counts())["events"]


@pytest.mark.parametrize("content", [b"my notes", b"no database" * 100, None], ids=["short", "long", "folder"])
async def test_what_is_no_journal_is_left_alone(path: Path, content: bytes | None) -> None:
    """A file of somebody else's, or a folder, is refused, and nothing is left beside it."""
    path.mkdir() if content is None else path.write_bytes(content)
    said = await refusal(path)

    assert f"{path}: it is no SQLite database; set journal.url to a file of its own" == said
    assert [path] == list(path.parent.iterdir())
    assert content is None or content == path.read_bytes()


async def test_commands_work_beside_a_daemon(path: Path) -> None:
    """Whoever does not ask to be alone is let in, before and after."""
    async with open_sqlite(path, sole=False) as one, open_sqlite(path), open_sqlite(path, sole=False) as two:
        await record(one, arrival("a"))

        assert 1 == len(await claim(two))


def test_a_lock_whose_holder_left_no_name(path: Path) -> None:
    """A holder that has not written its pid yet is a holder all the same."""
    lock, other = Lock(path).take(), Lock(path)
    path.with_name("journal.db.lock").write_bytes(b"")

    with pytest.raises(JournalError, match="pid unknown"):
        other.take()
    lock.give()
    lock.give()
    assert f"<Lock {path}.lock held>" == repr(other.take())
    other.give()


# what it is


async def test_another_programs_database_is_refused(path: Path) -> None:
    """Neither a database with foreign tables nor one with a foreign number is touched."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE contacts (name TEXT)")
    db.close()
    tables = await refusal(path)
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA application_id = 77")
    db.close()

    assert "it is another program's database" in tables
    assert "it is another program's database" in await refusal(path)


async def test_a_newer_schema_is_refused(path: Path) -> None:
    """A journal of a later version is left as it is, and both schemas are named."""
    await fill(path)
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()

    said = await refusal(path)

    assert f"a newer vodworker wrote it (schema {len(MIGRATIONS) + 1}, this one knows {len(MIGRATIONS)})" in said


async def test_what_is_no_database_is_refused(path: Path) -> None:
    """A file of another kind is left as it is."""
    path.write_bytes(b"something else entirely\n" * 1000)

    assert f"{path}: it is no SQLite database; set journal.url" in await refusal(path)


async def test_a_lock_that_cannot_be_made_is_told(path: Path) -> None:
    """The file that stands in the way is named."""
    path.with_name("journal.db.lock").mkdir()

    assert f"Is a directory ({path}.lock)" in await refusal(path)


LATER: Sequence[Sequence[str]] = (
    *MIGRATIONS,
    ("ALTER TABLE events ADD COLUMN note TEXT", "UPDATE events SET note = 'old'"),
    ("UPDATE events SET note = note || '!'",),
)


def test_each_migration_leads_one_schema_on(path: Path) -> None:
    """From any older schema, what is missing is done, in order; what is up to date is left alone."""
    db = sqlite3.connect(path, isolation_level=None)
    made = [migrate(db, MIGRATIONS)]
    db.execute("INSERT INTO events (id, recorded, type, key, body) VALUES (1, 0, '', '', '')")
    made += [migrate(db, LATER), migrate(db, LATER)]
    facts = db.execute("SELECT note FROM events").fetchall(), db.execute("PRAGMA application_id").fetchone()
    db.close()

    now = len(MIGRATIONS)
    assert [(0, now), (now, now + 2), (now + 2, now + 2)] == made
    assert ([("old!",)], (APPLICATION,)) == facts


async def test_an_older_journal_is_migrated_when_it_is_opened(path: Path) -> None:
    """Its events are there afterwards, and the log tells of it once; new and current journals are no news."""
    file = partial(File, str(path), now=None, sole=True, machine=here())
    with capture_logs() as logs:
        await fill(path)
        await fill(path)
        async with opened(file(migrations=LATER)) as store:
            events = (await store.counts())["events"]
        async with opened(file(migrations=LATER)):
            pass

    assert (100, [("journal.migrated", len(LATER))]) == (events, [(line["event"], line["version"]) for line in logs])


async def test_a_migration_that_fails_leaves_the_journal_as_it_was(path: Path) -> None:
    """All of it or nothing: the old version can still open the file."""
    await fill(path)
    bad = (*LATER, ("UPDATE events SET note = missing",))
    with pytest.raises(JournalError, match="no such column: missing"):
        async with opened(File(str(path), now=None, sole=True, machine=here(), migrations=bad)):
            pass

    async with open_sqlite(path) as store:
        assert 100 == (await store.counts())["events"]


# what befalls it


def test_what_is_committed_outlives_a_power_cut(path: Path) -> None:
    """Each commit is on the disk when it returns, and readers do not wait for it."""

    def settings(db: sqlite3.Connection, _now: float) -> list[object]:
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]

    file = File(str(path), now=None, sole=True, machine=here())
    file.open()
    told = file.run([settings])
    file.close()

    assert [[2, "wal"]] == told  # 2 is FULL


async def trouble(path: Path, spoil: str) -> str:
    """What a recording says after this statement was run on the store's own connection."""
    async with open_sqlite(path) as store:
        await store._ask(lambda db, _: db.execute(spoil).fetchall())
        with pytest.raises(JournalError) as caught:
            await record(store, *(arrival("x" * 5000 + f"{number}") for number in range(50)))
    return str(caught.value)


async def test_a_full_disk_is_told(path: Path) -> None:
    """Nothing is written, and the operator reads what to do."""
    await fill(path)

    assert f"{path}: the disk is full; make room on it" in await trouble(path, "PRAGMA max_page_count = 1")
    async with open_sqlite(path) as store:
        assert 100 == (await store.counts())["events"]


async def test_a_file_that_became_read_only_is_told(path: Path) -> None:
    """The right to write is what helps."""
    assert "it cannot be written; give this user the right" in await trouble(path, "PRAGMA query_only = 1")


async def test_a_lock_that_is_not_given_back_is_told(path: Path) -> None:
    """Another process that stays inside a transaction is waited for, then named as what it is."""
    async with open_sqlite(path) as store:
        await store._ask(lambda db, _: db.execute("PRAGMA busy_timeout = 1").fetchall())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(failing(store, number)) for number in range(3)]
        other.close()
        await record(store, arrival("a"))

    assert {f"{path}: another process has kept it locked for 5 s; find and stop that process (database is locked)"} == {
        task.result() for task in asked
    }


async def failing(store: SqliteStore, number: int) -> str:
    """What is said to one of several."""
    with pytest.raises(JournalError) as caught:
        await record(store, arrival(f"{number}"))
    return str(caught.value)


async def test_a_damaged_file_is_told(path: Path) -> None:
    """Damage is not worked around."""
    await fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))

    async with open_sqlite(path, now=Clock()) as store:
        with pytest.raises(JournalError, match="it is damaged; move it away"):
            await store.claim({"h": 100}, lease=60)


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_is_gone_is_told(path: Path, replaced: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Deleted or replaced under the daemon, it takes nothing more, where SQLite would say that all is well."""
    await fill(path)
    async with open_sqlite(path) as store:
        path.unlink()
        if replaced:
            path.touch()
        with pytest.raises(JournalError, match="it was deleted or replaced while in use"):
            await record(store, arrival("a"))


@pytest.mark.parametrize("code", TROUBLES)
def test_each_trouble_has_its_remedy(path: Path, code: int) -> None:
    """What SQLite reports of the file, refined or not, is told in words, with the file and what helps."""
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code | 3 << 8

    said = str(File(str(path), now=None, sole=True, machine=here())._trouble(error))

    what, remedy = TROUBLES[code]
    assert f"{path}: {what}; {remedy} (as SQLite says)" == said


# one bad work among others


async def test_one_failure_does_not_spoil_its_neighbours(path: Path) -> None:
    """Of several that share a commit, only the one that cannot be kept fails."""
    async with open_sqlite(path) as store, asyncio.TaskGroup() as group:
        good = [group.create_task(record(store, arrival(f"{number}"))) for number in range(3)]
        bad = group.create_task(failing_by_number(store))
        more = group.create_task(record(store, arrival("more")))

    assert [[1], [2], [3], [4]] == [task.result() for task in (*good, more)]
    assert "it cannot keep this (OverflowError" in bad.result()


async def failing_by_number(store: SqliteStore) -> str:
    """What is said to one that asks for a number that SQLite has not."""
    with pytest.raises(JournalError) as caught:
        await store.show(2**70)
    return str(caught.value)


async def test_a_bug_reaches_its_askers(path: Path) -> None:
    """An error that nobody foresaw ends the group's transaction, and all who share it hear of it; the store goes on."""

    def broken(*_: object) -> None:
        raise TypeError("a bug")

    async with open_sqlite(path) as store:
        with pytest.raises(TypeError, match="a bug"):
            await store._ask(broken)

        assert [1] == await record(store, arrival("a"))


async def test_an_undo_that_fails_is_nobodys_trouble(path: Path) -> None:
    """Who was cancelled does not hear of what could not be taken back."""

    def broken(*_: object) -> None:
        raise ValueError("a bug")

    async with open_sqlite(path) as store:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(store._ask(_count_open, undo=lambda _: broken))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asked.cancel()

        assert [1] == await record(store, arrival("a"))


async def test_what_no_future_takes_is_heard_all_the_same(path: Path) -> None:
    """A work that ends as an iterator does fails in words, and the store goes on."""

    def exhausted(*_: object) -> None:
        next(iter(()))

    async with open_sqlite(path) as store:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await store._ask(exhausted)

        assert [1] == await record(store, arrival("a"))


async def test_a_file_that_did_not_open_is_closed(path: Path) -> None:
    """Closing what never opened is no error."""
    thread = Thread(File(str(path), now=None, sole=True, machine=here()))

    await thread.close()

    assert "<Thread" in repr(thread)


# what it keeps


async def test_a_digest_alone_makes_no_copy(path: Path) -> None:
    """Bodies are compared whole: should two have one digest, both are events."""
    async with open_sqlite(path) as store:
        await record(store, arrival("a"))
        (digest,) = await store._ask(lambda db, _: db.execute("SELECT digest FROM waiting").fetchone())
        await store.mark([1], "accepted")
        await record(store, arrival("b"))
        await store._ask(lambda db, _: _write(db, "UPDATE waiting SET digest = ?", (digest,)))
        again = await store.record([arrival("a"), arrival("c")])

    assert [3, 4] == [receipt.event_id for receipt in again]


async def test_what_is_no_json_is_shown_as_text(path: Path) -> None:
    """A body or a reply that cannot be read is shown all the same."""
    async with open_sqlite(path) as store:
        await store.record([Arrival(b"\xffnot JSON", "T", "", ())])

        assert "\ufffdnot JSON" == (await store.show(1) or {})["body"]
