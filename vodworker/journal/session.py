"""A transaction on a PostgreSQL server, as works see it: statements in, rows out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import psycopg

T = TypeVar("T")

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"


class Session:
    """What a work does its statements on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return f"<Session {self._connection.info.transaction_status.name}>"

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows that the statement brings."""
        return self._connection.execute(statement.encode(), values or None).fetchall()

    def one(self, statement: str, *values: object) -> tuple[Any, ...]:
        """The one row that the statement brings."""
        (row,) = self.rows(statement, *values)
        return row

    def do(self, statement: str, *values: object) -> int:
        """The number of rows that the statement touched."""
        return self._connection.execute(statement.encode(), values or None).rowcount

    def each(self, statement: str, rows: Sequence[tuple[object, ...]], *values: object) -> None:
        """Do the statement for many rows at once, if there are any: its last values are their columns, as arrays."""
        if rows:
            self.do(statement, *values, *([*column] for column in zip(*rows, strict=True)))


Work: TypeAlias = Callable[[Session, float], T]  # what to do in a transaction, and at what time it is done


@dataclass(frozen=True, slots=True)
class Locked(Generic[T]):
    """A work that wants rows of `locks` held: see `tables.py`."""

    locks: frozenset[int]
    work: Work[T]

    def __call__(self, db: Session, now: float) -> T:
        """Do it."""
        return self.work(db, now)
