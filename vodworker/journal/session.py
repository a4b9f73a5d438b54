"""A transaction on a PostgreSQL server, as works see it: statements in, rows out.

It asks libpq itself, by the low-level part of psycopg: a cursor takes five times the CPU for the same answer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Generic, TypeAlias, TypeVar

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

T = TypeVar("T")

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"
WELL = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class Session:
    """What a work does its statements on. In them, `%s` stands for a value, whose type the statement tells.

    Statements without values may be several in one text; the answer is the last one's.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._line = connection.pgconn
        self._reader = Transformer(connection)

    def __repr__(self) -> str:
        return f"<Session {self._connection.info.transaction_status.name}>"

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows that the statement brings."""
        result = self._ask(statement, values)
        self._reader.set_pgresult(result)
        return self._reader.load_rows(0, result.ntuples, tuple)

    def one(self, statement: str, *values: object) -> tuple[Any, ...]:
        """The one row that the statement brings."""
        (row,) = self.rows(statement, *values)
        return row

    def do(self, statement: str, *values: object) -> int:
        """The number of rows that the statement touched."""
        return self._ask(statement, values).command_tuples or 0

    def each(self, statement: str, subjects: Sequence[tuple[object, ...]], *values: object) -> list[tuple[Any, ...]]:
        """All rows that the statement brings for these subjects: its last values are their columns, as arrays."""
        return self.rows(statement, *values, *columns(subjects, len(subjects[0]))) if subjects else []

    def _ask(self, statement: str, values: Sequence[object]) -> PGresult:
        if not values:
            return proved(self._line.exec_(statement.encode()))
        given = [written(value) for value in values]
        return proved(self._line.exec_params(numbered(statement), given, result_format=Format.BINARY))

    def give_up(self) -> None:
        """End what has begun."""
        self._connection.rollback()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def proved(result: PGresult) -> PGresult:
    """The result, where it is one; raises psycopg's error else. Without a code, the connection itself failed."""
    if result.status in WELL:
        return result
    if result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) is None:
        raise psycopg.OperationalError(result.get_error_message())
    raise psycopg.errors.error_from_result(result)


@cache
def numbered(statement: str) -> bytes:
    """The statement with its values numbered, as PostgreSQL wants them."""
    numbers = count(1)
    first, *rest = statement.split("%s")
    return "".join([first, *(f"${next(numbers)}{part}" for part in rest)]).encode()


def plain(text: str) -> str:
    """The text itself, whatever class it is of; libpq would cut it at a zero."""
    text = str.__str__(text)
    if "\0" in text:
        raise ValueError("a text with a zero in it")
    return text


FORMS: Mapping[type, Callable[[Any], str]] = {  # how PostgreSQL reads a value
    bool: str,
    int: int.__repr__,
    float: float.__repr__,
    str: plain,
    bytes: lambda data: rf"\x{data.hex()}",
}


def form(value: object) -> str:
    """A value as PostgreSQL reads it; what a handler returned may be of a class of its own. Raises ValueError."""
    kind = type(value)
    write = FORMS.get(kind) or next((FORMS[it] for it in kind.__mro__ if it in FORMS), None)
    if write is None:
        raise ValueError(f"a {kind.__name__}, which has no form in a statement")
    return write(value)


def element(value: object) -> str:
    """A value as an element of an array. Within quotes, a backslash comes before each quote and backslash."""
    if value is None:
        return "NULL"
    text = form(value)
    if not isinstance(value, str | bytes):
        return text
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def written(value: object) -> bytes | None:
    """A value as it is sent."""
    if value is None:
        return None
    return (f"{{{','.join(map(element, value))}}}" if isinstance(value, list) else form(value)).encode()


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """The columns of rows that are so wide, as a statement takes many rows at once; of no rows, too."""
    return [[row[place] for row in rows] for place in range(width)]


Work: TypeAlias = Callable[[Session, float], T]  # what to do in a transaction, and at what time it is done


@dataclass(frozen=True, slots=True)
class Locked(Generic[T]):
    """A work that wants rows of `locks` held: see `tables.py`. last: it is done after all others."""

    locks: frozenset[int]
    work: Work[T]
    last: bool = False

    def __call__(self, db: Session, now: float) -> T:
        """Do it."""
        return self.work(db, now)


def locks(works: Iterable[Work[Any]]) -> list[int]:
    """All rows that these works want held, in the one order in which everybody takes them."""
    return sorted({lock for work in works if isinstance(work, Locked) for lock in work.locks})


def answers(db: Session, now: float, works: Sequence[Work[Any]]) -> list[Any]:
    """Do the works in their order, but the last after all."""
    order = sorted(range(len(works)), key=lambda place: isinstance(work := works[place], Locked) and work.last)
    given = {place: works[place](db, now) for place in order}
    return [given[place] for place in range(len(works))]
