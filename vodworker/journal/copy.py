"""Carry a journal from one store to another, whole: while nobody works with either, in one transaction of each.

Numbers stay as they are. Instants are moved by what the clocks of the stores differ, so that a lease, a backoff or a
token ends as many seconds from now as before.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import random
from sqlite3 import Connection
from typing import Any, Protocol, TypeAlias, cast

from vodworker.errors import JournalError
from vodworker.journal.clock import here
from vodworker.journal.file import File
from vodworker.journal.server import Address, Server
from vodworker.journal.session import Session
from vodworker.journal.sqlite import path_of
from vodworker.journal.tables import digest, lane_of, writable
from vodworker.journal.thread import Medium

Row: TypeAlias = tuple[Any, ...]

PAGE = 2000  # rows at a time
INSTANT = "instant"  # seconds of the store's clock


@dataclass(frozen=True, slots=True)
class Table:
    """What both stores have of a table: its columns and their types; the first of them tells the rows apart."""

    name: str
    columns: Mapping[str, str]

    @classmethod
    def of(cls, name: str, columns: str) -> "Table":
        """A table whose columns are written as `name type, name type`."""
        pairs = (column.partition(" ") for column in columns.split(", "))
        return cls(name, {column: kind for column, _, kind in pairs})

    @property
    def key(self) -> str:
        """The column that tells the rows apart."""
        return next(iter(self.columns))

    @property
    def before_all(self) -> int | str:
        """What every key is greater than."""
        return "" if self.columns[self.key] == "text" else -1

    def moved(self, row: Row, by: float) -> Row:
        """The row with its instants so much later."""
        kinds = self.columns.values()
        return tuple(
            value + by if kind == INSTANT and value is not None else value
            for value, kind in zip(row, kinds, strict=True)
        )


TABLES = (
    Table.of("events", "id bigint, recorded instant, type text, key text, body bytea"),
    Table.of("waiting", "event bigint, digest bigint, sent instant, before instant"),
    Table.of(
        "entries",
        "id bigint, handler text, key text, state text, since instant, due instant, attempt integer, fence bigint,"
        " why text, lost integer, outages integer",
    ),
    Table.of(
        "calls",
        "id bigint, entry bigint, identity text, action text, made instant, sent instant, request bytea,"
        " replied instant, reply bytea, task text",
    ),
    Table.of(
        "tasks",
        "id text, event bigint, handler text, action text, ends_in text, started instant, asked integer, ask instant,"
        " ended bigint, found boolean",
    ),
    Table.of("attempts", "id bigint, entry bigint, fence bigint, attempt integer, ended instant, how text, why text"),
    Table.of("waits", "entry bigint, fence bigint, action text, since instant"),
    Table.of("paused", "handler text, since instant, why text"),
    Table.of("tokens", "id bigint, action text, taken instant, back instant"),
)
DERIVED = {"entries": {"turn", "lane"}, "calls": {"digest"}}  # columns that each store makes for itself


class Side(Protocol):
    """A store to be read or written, inside a transaction that nobody else is in."""

    def rows(self, table: Table, after: int | str) -> list[Row]:
        """The next rows after this one, by their key."""
        ...

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Write these rows."""
        ...

    def counts(self) -> dict[str, int]:
        """How many rows each table has, and how many entries are in each state."""
        ...

    def last(self) -> int:
        """The highest number that an event ever had."""
        ...

    def go_on(self, last: int) -> None:
        """All is written: the next event has a higher number."""
        ...


class SqliteSide:
    """A file."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def rows(self, table: Table, after: int | str) -> list[Row]:
        """See `Side`."""
        columns = ", ".join(table.columns)
        query = f"SELECT {columns} FROM {table.name} WHERE {table.key} > ? ORDER BY {table.key} LIMIT {PAGE}"
        return self._db.execute(query, (after,)).fetchall()

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """See `Side`."""
        columns = [*table.columns]
        if table.name == "entries":
            key, state = columns.index("key"), columns.index("state")
            columns.append("turn")
            rows = [(*row, (row[key] or None) if row[state] in ("ready", "running") else None) for row in rows]
        marks = ", ".join("?" * len(columns))
        self._db.executemany(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})", rows)

    def counts(self) -> dict[str, int]:
        """See `Side`."""
        return counted(lambda query: self._db.execute(query).fetchall())

    def last(self) -> int:
        """See `Side`."""
        return int(self._db.execute("SELECT last FROM journal").fetchone()[0])

    def go_on(self, last: int) -> None:
        """See `Side`."""
        self._db.execute(
            "UPDATE journal SET last = ?,"
            " events = (SELECT count(*) FROM events), entries = (SELECT count(*) FROM entries)",
            (last,),
        )


IN_USE = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = current_setting('application_name') AND datname = current_database()
AND pid <> pg_backend_pid()
"""
LOOK_AGAIN = "SELECT pg_stat_clear_snapshot(), pg_sleep(0.1)"  # else a transaction sees who was there at its begin
LOOKS = 30  # three seconds: the server's process of a connection that was closed ends a moment later
OF_ITS_OWN = """
SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0;
LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE
"""
LAST = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_numbers"
GO_ON = """
WITH told AS (
    INSERT INTO tally (events, entries) SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM entries)
)
SELECT setval('event_numbers', %s), setval(pg_get_serial_sequence('calls', 'id'), (SELECT max(id) FROM calls)),
    setval(pg_get_serial_sequence('attempts', 'id'), (SELECT max(id) FROM attempts)),
    setval(pg_get_serial_sequence('tokens', 'id'), (SELECT max(id) FROM tokens))
"""


class PostgresSide:
    """A database. Where a replica's connection is to be seen, it is refused."""

    def __init__(self, db: Session) -> None:
        looks = 0
        while users := db.one(IN_USE)[0]:
            if looks == LOOKS:
                raise JournalError(f"{users} others use it; stop all daemons and commands first")
            looks += 1
            db.rows(LOOK_AGAIN)
        db.do(OF_ITS_OWN.format(tables=", ".join(table.name for table in TABLES)))
        self._db = db

    def rows(self, table: Table, after: int | str) -> list[Row]:
        """See `Side`."""
        columns = ", ".join(table.columns)
        query = f"SELECT {columns} FROM {table.name} WHERE {table.key} > %s ORDER BY {table.key} LIMIT {PAGE}"
        return self._db.rows(query, after)

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """See `Side`."""
        columns = dict(table.columns)
        place = {name: n for n, name in enumerate(columns)}
        held: list[Row] = [tuple(writable(it) if isinstance(it, str) else it for it in row) for row in rows]
        if table.name == "entries":
            columns["lane"] = "bigint"
            held = [(*row, lane_of(row[place["handler"]], row[place["key"]])) for row in held]
        if table.name == "calls":
            columns["digest"] = "bigint"
            held = [(*row, digest(row[place["identity"]])) for row in held]
        if table.name == "tasks":
            held = [(*row[:-1], bool(row[-1])) for row in held]
        arrays = ", ".join(f"%s::{kind.replace(INSTANT, 'double precision')}[]" for kind in columns.values())
        self._db.each(f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({arrays})", held)

    def counts(self) -> dict[str, int]:
        """See `Side`."""
        return counted(self._db.rows)

    def last(self) -> int:
        """See `Side`."""
        return int(self._db.one(LAST)[0])

    def go_on(self, last: int) -> None:
        """See `Side`."""
        self._db.rows(GO_ON, last or None)


def counted(ask: Callable[[str], list[Row]]) -> dict[str, int]:
    """How many rows each table has, and how many entries are in each state."""
    counts = {table.name: int(ask(f"SELECT count(*) FROM {table.name}")[0][0]) for table in TABLES}
    return counts | dict(ask("SELECT state, count(*) FROM entries GROUP BY state"))


def carry(source: Side, target: Side, *, later: float) -> dict[str, int]:
    """Copy everything, all instants so much later; returns what was counted on both sides. Raises a `JournalError`."""
    there = target.counts()
    if any(there.values()):
        held = ", ".join(f"{number} {name}" for name, number in there.items() if number)
        raise JournalError(f"it is not empty ({held}); name an empty one")
    for table in TABLES:
        after = table.before_all
        while rows := source.rows(table, after):
            target.add(table, [table.moved(row, later) for row in rows])
            after = rows[-1][0]
    target.go_on(max(source.last(), target.last()))
    expected, there = source.counts(), target.counts()
    if expected != there:
        raise JournalError(f"it has {there}, and not {expected}; nothing was written; this is a fault of vodworker")
    return expected


def copy(source: str, target: str) -> dict[str, int]:
    """Copy the journal at one url to the other, which must be empty; returns how many rows of each kind.

    Raises a `JournalError`; then nothing was written.
    """
    file = None if "://" in source and not source.startswith("sqlite:") else Path(path_of(source))
    if file and not file.exists():
        raise JournalError(f"{file}: there is no journal")
    if file and file.resolve() == Path(path_of(target)).resolve():
        raise JournalError(f"{file}: it is the same journal; name another one to copy it to")
    with opened(source) as (reading, read_side), opened(target) as (writing, written_side):

        def read(db: Any, now: float) -> object:
            rows = read_side(db)
            (answer,) = writing.run([lambda there, later: carry(rows, written_side(there), later=later - now)])
            return answer  # an error is one: it is not this side's

        (answer,) = reading.run([read])
    if isinstance(answer, Exception):
        raise answer
    return cast("dict[str, int]", answer)  # what `carry` returned


@contextmanager
def opened(url: str) -> Generator[tuple[Medium[Any], Callable[[Any], Side]]]:
    """What a journal is written on, for as long as the block lasts, and how to get at its rows."""
    medium: Medium[Any]
    side: Callable[[Any], Side]
    if url.startswith("sqlite:") or "://" not in url:
        medium, side = File(path_of(url), now=None, sole=True, machine=here()), SqliteSide
    else:
        medium, side = Server(Address.of(url), patient=False, random=random), PostgresSide
    try:
        medium.open()
        yield medium, side
    finally:
        medium.close()
