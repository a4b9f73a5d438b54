"""What is PostgreSQL's own: reaching the database and losing it, its schema, its rights, its troubles in words."""

import asyncio
import itertools
import signal
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from click.testing import CliRunner

from tests import postgresql
from tests.journal.conftest import SCHEMAS, PostgresPlace, arrival, claim_one, names, record, settle
from tests.journal.test_cancel import Gate
from tests.pooler import Pooler, pooler
from tests.postgresql import Cluster
from vodworker.cli import cli
from vodworker.errors import ConfigError, JournalError
from vodworker.journal.port import Entry, Receipt, Store, Token
from vodworker.journal.postgres import open_postgres
from vodworker.journal.server import ABSENCE, Address, Server, is_absence
from vodworker.journal.session import Session, written
from vodworker.journal.tables import MIGRATIONS
from vodworker.outcome import Finished

PASSWORD = "s3cret-p@ss/word"


@pytest.fixture
def schema() -> str:
    """A schema of the test's own."""
    return f"s{next(SCHEMAS)}"


@pytest.fixture(scope="module")
def fragile() -> Generator[Cluster]:
    """A server that tests may stop."""
    with postgresql.cluster() as cluster:
        yield cluster


async def refusal(url: str) -> str:
    """Why this journal cannot be opened."""
    with pytest.raises(JournalError) as refused:
        async with open_postgres(url, patient=False):
            pass
    assert isinstance(refused.value, JournalError)
    return str(refused.value)


# where it is


@pytest.mark.parametrize(
    "url,shown",
    [
        ("postgresql://me:secret@db.example:6432/jobs", "postgresql://me@db.example:6432/jobs"),
        ("postgres://me:secret@db.example/jobs?schema=acct_7", "postgresql://me@db.example/jobs?schema=acct_7"),
        ("postgresql:///jobs?host=/run/pg&user=me&password=secret&schema=a", "postgresql://me@/run/pg/jobs?schema=a"),
        ("postgresql://me:se%40cret@one,two/jobs?sslmode=require", "postgresql://me@one,two/jobs"),
        ("postgresql://", "postgresql:///"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """What is shown tells the user, the place and the schema."""
    address = Address.of(url)

    assert (shown, f"<Address {shown}>") == (address.shown, repr(address))
    assert "secret" not in repr(Server(address, patient=False, random=lambda: 0.0))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@db.example/jobs?no_such=secret",
        "postgresql://me:sec/ret@db.example/jobs",
        "postgresql://me:sec@ret@db.example/jobs",
        "postgresql://me:secret@db.example:port/jobs?x",
        "postgresql://me:secret%zz@db.example/jobs",
    ],
)
def test_an_unreadable_url_is_not_repeated(url: str) -> None:
    """Its remedy is told, and no part of it: what looks like a port may be a password."""
    with pytest.raises(ConfigError) as refused:
        Address.of(url)

    assert "cannot be read" in str(refused.value)
    assert not {"secret", "ret@", "sec/"} & {*str(refused.value).split()}
    assert "sec" not in "".join(traceback.format_exception(refused.value)).replace("secret_", "").partition("Error")[2]


@pytest.mark.parametrize("name", ["Accounts", "a-b", "1st", "a;drop", ""])
def test_a_schema_has_a_plain_name(name: str) -> None:
    """A schema that would need quotes is refused."""
    with pytest.raises(ConfigError, match=f"schema={name} must be"):
        Address.of(f"postgresql://me@db.example/jobs?schema={name}")


async def test_a_store_says_what_it_is(cluster: Cluster, schema: str) -> None:
    """By its address."""
    async with open_postgres(cluster.url(schema=schema)) as store:
        assert f"<PostgresStore {Address.of(cluster.url(schema=schema)).shown}>" == repr(store)


async def test_a_wrong_password_is_told_without_it(cluster: Cluster, schema: str) -> None:
    """Neither the message nor the traceback has it."""
    host = cluster.folder
    with psycopg.connect(cluster.dsn, autocommit=True) as db:
        db.execute("DROP ROLE IF EXISTS guarded")
        db.execute("CREATE ROLE guarded LOGIN PASSWORD 'another'")
        rules = (cluster.folder / "data" / "pg_hba.conf").read_text()
        (cluster.folder / "data" / "pg_hba.conf").write_text(f"local all guarded scram-sha-256\n{rules}")
        db.execute("SELECT pg_reload_conf()")
    with pytest.raises(JournalError) as refused:
        async with open_postgres(
            f"postgresql://guarded:{'s3cret-p%40ss%2Fword'}@/postgres?host={host}&schema={schema}", patient=False
        ):
            pass

    assert "password authentication failed" in str(refused.value)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


async def test_nobody_there_is_told() -> None:
    """A command does not wait for a database that is away."""
    said = await refusal("postgresql://me:secret@127.0.0.1:1/jobs")

    assert "postgresql://me@127.0.0.1:1/jobs: it cannot be reached; look at host and port" in said


async def test_a_missing_database_is_told(cluster: Cluster) -> None:
    """And what to do about it."""
    assert 'database "nowhere" does not exist' in await refusal(cluster.url("nowhere"))


async def test_a_database_in_another_encoding_is_refused(cluster: Cluster) -> None:
    """A key may be any text."""
    with psycopg.connect(cluster.dsn, autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS latin")
        db.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")

    assert "in LATIN1; it must be 13 or newer, in UTF8" in await refusal(cluster.url("latin"))


# the schema


async def test_several_make_the_schema_once(cluster: Cluster, schema: str) -> None:
    """Replicas that start together find one another's tables."""

    async def uses() -> int:
        async with open_postgres(cluster.url(schema=schema)) as store:
            return (await record(store, arrival()))[0]

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(uses()) for _ in range(5)]

    assert {1} == {task.result() for task in asked}


async def test_a_schema_that_is_there_is_used(cluster: Cluster, schema: str) -> None:
    """An operator may make the schema; who owns it needs no right on the database."""
    with psycopg.connect(cluster.dsn, autocommit=True) as db:
        db.execute("DROP ROLE IF EXISTS owner")
        db.execute("CREATE ROLE owner LOGIN")
        db.execute(f"CREATE SCHEMA {schema} AUTHORIZATION owner".encode())
    async with open_postgres(cluster.url(schema=schema, user="owner")) as store:
        assert [1] == await record(store, arrival())


async def test_a_missing_right_is_told(cluster: Cluster, schema: str) -> None:
    """Who may not make the schema is told what he lacks."""
    with psycopg.connect(cluster.dsn, autocommit=True) as db:
        db.execute("DROP ROLE IF EXISTS guest")
        db.execute("CREATE ROLE guest LOGIN")

    assert "this user lacks a right; let it own" in await refusal(cluster.url(schema=schema, user="guest"))


async def test_rights_on_every_table_are_proved(cluster: Cluster, schema: str) -> None:
    """Who may use the schema but not write a table of it is told which, before anything is taken in."""
    async with open_postgres(cluster.url(schema=schema)):
        pass
    with psycopg.connect(cluster.dsn, autocommit=True) as db:
        db.execute("DROP ROLE IF EXISTS reader")
        db.execute("CREATE ROLE reader LOGIN")
        db.execute(f"GRANT USAGE ON SCHEMA {schema} TO reader".encode())
        db.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO reader".encode())
        db.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO reader".encode())
        db.execute(f"REVOKE UPDATE ON {schema}.entries, {schema}.tokens FROM reader".encode())
        said = await refusal(cluster.url(schema=schema, user="reader"))
        db.execute("DROP OWNED BY reader")

    assert f"may not read and write entries, tokens in {schema}; let it own the schema" in said


def test_a_check_proves_the_journal(cluster: Cluster, schema: str, tmp_path: Path) -> None:
    """`vodworker check` opens the journal, and tells in a line what keeps it from being used."""
    settings = tmp_path / "vodworker.toml"
    account = '[account]\nsecret_id = "test-secret-id"\nsecret_key = "test-secret-key"\n'
    told: list[str] = []
    for url in (cluster.url(schema=schema), "postgresql://me:secret@127.0.0.1:1/jobs"):
        settings.write_text(f'{account}[handlers]\ndirectories = []\n[journal]\nurl = "{url}"\n')
        told += CliRunner().invoke(cli, ["check", "--config", str(settings)]).stdout.splitlines()
    ok, wrong = (line for line in told if "journal " in line)

    assert f"schema={schema} with 0 events, 0 entries dead" in ok
    assert "wrong  journal   postgresql://me@127.0.0.1:1/jobs: it cannot be reached" in wrong
    assert "secret" not in wrong


async def test_another_programs_tables_are_refused(cluster: Cluster, schema: str) -> None:
    """A schema with tables and without a journal is somebody else's."""
    with psycopg.connect(cluster.dsn, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {schema} CREATE TABLE events (id int)".encode())

    assert f"the tables in {schema} are another program's" in await refusal(cluster.url(schema=schema))


async def test_a_newer_schema_is_refused(cluster: Cluster, schema: str) -> None:
    """What a newer vodworker wrote, an older one does not touch."""
    async with open_postgres(cluster.url(schema=schema)):
        pass
    with psycopg.connect(cluster.dsn, autocommit=True) as db:
        db.execute(f"UPDATE {schema}.journal SET version = 99".encode())

    assert "a newer vodworker wrote it (schema 99, this one knows" in await refusal(cluster.url(schema=schema))


def opened(cluster: Cluster, schema: str, *more: str) -> tuple[int, int]:
    """Open it with one more migration; the schema found and the one made."""
    address = Address.of(cluster.url(schema=schema))
    migrations = [*MIGRATIONS, *([more] if more else [])]
    server = Server(address, patient=False, random=lambda: 0.0, migrations=migrations)
    try:
        return server.open()
    finally:
        server.close()


def test_an_older_schema_is_migrated(cluster: Cluster, schema: str) -> None:
    """Each migration is done once, by who comes first; one that fails leaves nothing behind."""
    with pytest.raises(JournalError, match="syntax error"):
        opened(cluster, schema, "CREATE TABLE more (id int)", "SELEC 1")
    made = [opened(cluster, schema)]
    made += [opened(cluster, schema, "CREATE TABLE more (id int)") for _ in range(2)]

    newest = len(MIGRATIONS) + 1
    assert [(0, newest - 1), (newest - 1, newest), (newest, newest)] == made


# what is written into it

TEXTS = ["", "NULL", "a,b", "{a}", '"', "\\", '\\"', "\\x61", " a ", "line\n", "文件", "%s", "$1"]


async def test_a_fault_of_ours_leaves_nothing_behind(cluster: Cluster, schema: str) -> None:
    """What a broken work had begun is not in the commit of the next, who is served as ever."""

    def broken(db: Session, _: float) -> None:
        db.do("INSERT INTO paused (handler, since, why) VALUES ('h', 1, 'half')")
        raise KeyError("a bug")

    async with open_postgres(cluster.url(schema=schema), look=None) as store:
        with pytest.raises(KeyError, match="a bug"):
            await store._ask(broken)
        recorded = await record(store, arrival("a"))
        paused = await store.paused()

    assert (1, []) == (len(recorded), paused)


class Word(StrEnum):
    """Text of a class of its own, as a handler's reason may be."""

    YES = 'a "word"'


class Number(IntEnum):
    """A number of a class of its own."""

    ONE = 1


class Length(float):
    """Seconds of a class of its own."""

    def __repr__(self) -> str:
        return "a length"


@pytest.mark.parametrize("value", ["a\0b", Path("a"), ["a\0b"], [Path("a")]])
def test_a_value_without_a_form_is_refused(value: object) -> None:
    """What libpq would cut, or write as it likes, is an error of that statement alone."""
    with pytest.raises(ValueError, match=r"zero|PosixPath"):
        written(value)


def test_values_arrive_as_they_are(cluster: Cluster, schema: str) -> None:
    """Alone and in arrays, whatever characters they have, and whatever encoding the url asks for."""
    values: list[object] = [
        None,
        True,
        False,
        0,
        -(2**63),
        1e-300,
        1_700_000_000.123456,
        float("inf"),
        b"",
        b"\0\\x\xff",
    ]
    types = ["text", *["boolean"] * 2, *["bigint"] * 2, *["float8"] * 3, *["bytea"] * 2]
    values += [Word.YES, Number.ONE, Length(0.25)]
    types += ["text", "bigint", "float8"]
    arrays: list[tuple[str, list[Any]]] = [
        ("text", [*TEXTS, None, Word.YES]),
        ("bigint", [1, None, -(2**63)]),
        ("float8", [0.1, None, -1e300, Length(0.25)]),
        ("bytea", [b"", None, bytes(range(256))]),
        ("boolean", [True, False]),
        ("text", []),
    ]

    def work(db: Session, _: float) -> list[Any]:
        alone = [db.one(f"SELECT %s::{kind}", value)[0] for kind, value in zip(types, values, strict=True)]
        alone += [db.one("SELECT %s::text", text)[0] for text in TEXTS]
        return [*alone, *([it for (it,) in db.rows(f"SELECT unnest(%s::{kind}[])", held)] for kind, held in arrays)]

    server = Server(
        Address.of(f"{cluster.url(schema=schema)}&client_encoding=LATIN1"), patient=False, random=lambda: 0.0
    )
    try:
        (found,) = server.run([work])
    finally:
        server.close()

    assert [*values, *TEXTS, *(held for _, held in arrays)] == found


# a database that goes and comes


def told(lines: list[Any], event: str) -> int:
    """How often the log said this."""
    return sum(line["event"] == event for line in lines)


async def until_lost(lines: list[Any]) -> None:
    """Return when the database is missed."""
    while not told(lines, "journal.lost"):  # noqa: ASYNC110  # it is noticed in the store's thread
        await asyncio.sleep(0)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_an_absent_database_is_waited_for(fragile: Cluster, schema: str, how: signal.Signals) -> None:
    """What is asked while it is away is done when it is back, once; the log tells both."""
    with structlog.testing.capture_logs() as lines:
        async with open_postgres(fragile.url(schema=schema), random=lambda: 0.0) as store:
            before = await record(store, arrival("a"))
            entry = await claim_one(store)
            fragile.stop(how)
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(record(store, arrival("b"), arrival("c")))
                settled = group.create_task(settle(store, entry, Finished()))
                await until_lost(lines)
                await asyncio.to_thread(fragile.start)
            counts = await store.counts()

    assert (before, True) == ([1], settled.result())
    assert 1 < asked.result()[0] < asked.result()[1]  # a crash may skip numbers
    assert (3, 1, 2) == (counts["events"], counts["done"], counts["ready"])
    assert 1 == told(lines, "journal.back")


@pytest.mark.timeout(60)
async def test_both_connections_are_back_together(fragile: Cluster, schema: str) -> None:
    """Tokens, however long their pause between two tries, are given as soon as the journal has its database back."""
    pauses = itertools.chain([1e6], itertools.repeat(0.0))  # the first is the tokens'
    with structlog.testing.capture_logs() as lines:
        async with open_postgres(fragile.url(schema=schema), random=pauses.__next__) as store:
            fragile.stop()
            async with asyncio.TaskGroup() as group:
                taken = group.create_task(store.take("A", limit=1, hold=60))
                await until_lost(lines)
                recorded = group.create_task(record(store, arrival()))
                await asyncio.to_thread(fragile.start)

    assert isinstance(taken.result(), list)
    assert [1] == recorded.result()


@pytest.mark.timeout(60)
async def test_a_daemon_may_come_before_its_database(fragile: Cluster, schema: str) -> None:
    """A patient store opens when the database does."""
    fragile.stop()
    with structlog.testing.capture_logs() as lines:
        async with asyncio.TaskGroup() as group:

            async def opens() -> list[int]:
                async with open_postgres(fragile.url(schema=schema)) as store:
                    return await record(store, arrival())

            opened = group.create_task(opens())
            await until_lost(lines)
            await asyncio.to_thread(fragile.start)

    assert [1] == opened.result()


@pytest.mark.timeout(60)
async def test_a_stop_does_not_wait_for_the_database(fragile: Cluster, schema: str) -> None:
    """A store that is closed while the database is away gives up what it was asked."""
    with structlog.testing.capture_logs() as lines:
        async with open_postgres(fragile.url(schema=schema)) as store:
            fragile.stop()
            try:
                async with asyncio.TaskGroup() as group:
                    asked = group.create_task(record_or_not(store))
                    await until_lost(lines)
                    await store.close()
            finally:
                await asyncio.to_thread(fragile.start)

    assert "cannot be reached" in asked.result()


async def record_or_not(store: Store) -> str:
    """What becomes of an event."""
    try:
        await record(store, arrival())
    except JournalError as error:
        return str(error)
    return "recorded"


@asynccontextmanager
async def pooled(cluster: Cluster, schema: str) -> AsyncGenerator[tuple[Pooler, Store]]:
    """A pooler, and a store behind it."""
    async with (
        pooler(cluster) as (pool, url),
        open_postgres(f"{url}?schema={schema}", look=None, random=lambda: 0.0) as store,
    ):
        yield pool, store


Verb = Callable[[Store, Entry], Coroutine[Any, Any, object]]
VERBS: dict[str, tuple[Verb, object]] = {
    "record": (lambda store, _: store.record([arrival("b"), arrival("c")]), [Receipt(2, False), Receipt(3, False)]),
    "settle": (lambda store, entry: settle(store, entry, Finished()), True),
    "take": (lambda store, _: store.take("A", limit=1, hold=60), [Token(1, "A")]),
    "keep": (lambda store, entry: store.keep([entry], lease=60), []),
    "redrive": (lambda store, _: store.redrive([77]), 0),
}


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("verb", VERBS)
async def test_a_commit_without_an_answer_counts_once(cluster: Cluster, schema: str, verb: str, cut: str) -> None:
    """When the line breaks at the commit, what was written is not written again, and what was not, is."""
    ask, expected = VERBS[verb]
    async with pooled(cluster, schema) as (pool, store):
        await record(store, arrival("a"))
        entry = await claim_one(store)
        pool.breaks.append(cut)
        with structlog.testing.capture_logs() as lines:
            answer = await ask(store, entry)
        again = await ask(store, entry)

    assert [] == pool.breaks
    assert 1 == told(lines, "journal.back")
    if verb == "take" and cut == "before":
        assert isinstance(answer, list)  # a number may be skipped
    elif verb == "record" and cut == "before":
        assert [False, False] == [receipt.copy for receipt in answer]  # type: ignore[attr-defined]  # what it asked for
    else:
        assert expected == answer
    assert verb in ("keep", "redrive") or again != answer


async def test_a_claim_whose_commit_was_not_answered_is_held(cluster: Cluster, schema: str) -> None:
    """The entries that it got are its own, with the attempt counted once."""
    async with pooled(cluster, schema) as (pool, store):
        await record(store, arrival("a"))
        pool.breaks.append("after")
        entry = await claim_one(store)

        assert (1, True) == (entry.attempt, await settle(store, entry, Finished()))


async def test_nothing_lasts_longer_than_a_transaction(cluster: Cluster, schema: str) -> None:
    """Behind a pooler that gives each transaction another connection, everything works."""
    async with pooled(cluster, schema) as (pool, store):
        for number in range(10):
            await record(store, arrival(f"{number}", key="k"))
        order: list[str] = []
        while entries := (await store.claim({"h": 1}, lease=60)).entries:
            order += names(entries)
            await settle(store, entries[0], Finished())
        await store.sweep(keep=60)

    assert [f"{number}" for number in range(10)] == order
    assert 3 == len({*pool.transactions})


async def test_a_batch_waits_for_few_answers(cluster: Cluster, schema: str) -> None:
    """Each verb of a batch of videos is one statement, the recording two; beginning and commit come on top."""
    asked: dict[str, int] = {}
    async with pooled(cluster, schema) as (pool, store):

        @contextmanager
        def counted(verb: str) -> Generator[None]:
            before = pool.answers
            yield
            asked[verb] = pool.answers - before - 2

        with counted("record"):
            events = await record(store, *(arrival(f"{number}", key=f"k{number}") for number in range(16)))
        with counted("sent"):
            await store.mark(events, "sent")
        with counted("accepted"):
            await store.mark(events, "accepted")
        with counted("claim"):
            entries = (await store.claim({"h": 16}, lease=60)).entries
        with counted("settle"):
            settled = await store.settle([(entry, Finished()) for entry in entries])

    assert 16 == sum(settled)
    assert {"record": 2, "sent": 1, "accepted": 1, "claim": 1, "settle": 1} == asked


@pytest.mark.timeout(60)
async def test_a_replica_that_stands_still_holds_up_nobody_for_long(cluster: Cluster) -> None:
    """One that stops inside a transaction loses it after a few seconds; when it goes on, it does it over."""
    place = PostgresPlace(cluster)
    async with place.open() as other:
        place.clock = gate = Gate()
        async with open_postgres(place.url, now=gate, look=None) as still:
            gate.shut()
            with structlog.testing.capture_logs() as lines:
                async with asyncio.TaskGroup() as group:
                    late = group.create_task(record(still, arrival("late", key="k")))
                    await gate.reached()
                    early = await record(other, arrival("early", key="k"))
                    gate.open()
        claim = await other.claim({"h": 5}, lease=60)

    assert (["early"], True) == (names(claim.entries), early < late.result())
    assert 1 == told(lines, "journal.lost")


# troubles


@pytest.mark.parametrize("code", ABSENCE)
def test_what_passes_is_waited_for(code: str) -> None:
    """A database that is starting, stopping, full, a standby or too slow is away, and not broken."""
    found = [kind for kind in vars(psycopg.errors).values() if str(getattr(kind, "sqlstate", "")).startswith(code)]

    assert found
    assert all(is_absence(kind("no")) for kind in found)


async def test_one_failure_does_not_spoil_its_neighbours(cluster: Cluster, schema: str) -> None:
    """Of works in one transaction, one that cannot be done fails alone."""
    async with open_postgres(cluster.url(schema=schema)) as store, asyncio.TaskGroup() as group:
        asked = [group.create_task(record(store, arrival(name))) for name in "ab"]
        group.create_task(fails(store))
        asked += [group.create_task(record(store, arrival(name))) for name in "cd"]

    assert {1, 2, 3, 4} <= {event for task in asked for event in task.result()} | {*range(1, 5)}
    assert 4 == len({event for task in asked for event in task.result()})


async def fails(store: Store) -> None:
    """A work that no database can do."""
    with pytest.raises(JournalError, match="this is a fault of vodworker"):
        await store.claim({"h": 2**70}, lease=60)
