"""A transaction on a PostgreSQL server, as works see it: statements in, rows out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import psycopg

T = TypeVar("T")
A = TypeVar("A")

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"


class Session:
    """What a work does its statements on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return f"<Session {self._connection.info.transaction_status.name}>"

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows that the statement brings."""
        cursor = self._connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def one(self, statement: str, *values: object) -> tuple[Any, ...]:
        """The one row that the statement brings."""
        (row,) = self.rows(statement, *values)
        return row

    def do(self, statement: str, *values: object) -> int:
        """The number of rows that the statement touched."""
        return self._connection.execute(statement.encode(), values or None).rowcount

    def each(self, statement: str, subjects: Sequence[tuple[object, ...]], *values: object) -> list[tuple[Any, ...]]:
        """All rows that the statement brings for these subjects: its last values are their columns, as arrays."""
        return self.rows(statement, *values, *columns(subjects, len(subjects[0]))) if subjects else []


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


@dataclass(frozen=True, slots=True)
class Shared(Generic[A, T]):
    """A work that is done together with the others of its kind: once for all that are in the transaction.

    works: is given the subjects of all of them, and returns the answer for each.
    """

    locks: frozenset[int]
    works: Callable[[Session, float, Sequence[A]], Sequence[T]]
    subject: A

    def __call__(self, db: Session, now: float) -> T:
        """Do it alone."""
        return self.works(db, now, [self.subject])[0]


def locks(works: Iterable[Work[Any]]) -> list[int]:
    """All rows that these works want held, in the one order in which everybody takes them."""
    return sorted({lock for work in works if isinstance(work, Locked | Shared) for lock in work.locks})


def answers(db: Session, now: float, works: Sequence[Work[Any]]) -> list[Any]:
    """Do the works in their order, but those that are shared after the others, kind by kind, and the last after all."""
    given: dict[int, Any] = {}
    kinds: dict[Any, list[int]] = {}
    last: list[int] = []
    for place, work in enumerate(works):
        if isinstance(work, Shared):
            kinds.setdefault(work.works, []).append(place)
        elif isinstance(work, Locked) and work.last:
            last.append(place)
        else:
            given[place] = work(db, now)
    for together, places in kinds.items():
        subjects = [work.subject for place in places if isinstance(work := works[place], Shared)]
        given |= zip(places, together(db, now, subjects), strict=True)
    for place in last:
        given[place] = works[place](db, now)
    return [given[place] for place in range(len(works))]
