"""One SQLite file, opened: its lock, its clock, its transactions, and its troubles in words. For one thread alone."""

import os
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from vodworker.errors import JournalError
from vodworker.journal.clock import Anchor, Machine, anchored, doubtful
from vodworker.journal.lock import Lock
from vodworker.journal.schema import MIGRATIONS, migrate

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection, float], T]  # what to do in a transaction, and at what time it is done

MEMORY = ":memory:"
HEAD = b"SQLite format 3\0"  # of every database; a file that is just being made is empty
PATIENCE = 5.0  # seconds for another process to end its transaction: ours take milliseconds, so it must be stuck
STATEMENTS = 256  # kept prepared: all there are, and some for each number of values up to 16

SETTINGS = (
    "PRAGMA journal_mode = WAL",  # readers and the writer do not wait for each other
    "PRAGMA synchronous = FULL",  # what is committed outlives a power cut
    "PRAGMA cache_size = -8000",  # 8 MB: the hot ends of all tables and indexes
    "PRAGMA journal_size_limit = 67108864",  # a burst may grow the WAL file; afterwards it is cut to 64 MB
)
ANCHOR = "SELECT boot, uptime, wall FROM journal WHERE boot IS NOT NULL"
KEEP_ANCHOR = "UPDATE journal SET boot = ?, uptime = ?, wall = ?"
HOLD_TOKENS = "UPDATE tokens SET back = back + ? WHERE back > ?"
LATEST = """
SELECT max(stamp) FROM (
    SELECT recorded AS stamp FROM (SELECT recorded FROM events ORDER BY id DESC LIMIT 1)
    UNION ALL SELECT made FROM (SELECT made FROM calls ORDER BY id DESC LIMIT 1)
    UNION ALL SELECT max(taken) FROM tokens
)
"""

_RIGHTS = "give this user the right to write the file and its directory"
# What SQLite calls it, what that means, what helps. These befall the whole file; other errors are a statement's own.
TROUBLES = {
    sqlite3.SQLITE_FULL: ("the disk is full", "make room on it"),
    sqlite3.SQLITE_IOERR: ("the disk failed to read or write", "look at the system's log and the disk's health"),
    sqlite3.SQLITE_READONLY: ("it cannot be written", _RIGHTS),
    sqlite3.SQLITE_PERM: ("it may not be opened", _RIGHTS),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", _RIGHTS),
    sqlite3.SQLITE_BUSY: (f"another process has kept it locked for {PATIENCE:g} s", "find and stop that process"),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", "move it away, and save what can be saved with .recover of sqlite3"),
    sqlite3.SQLITE_NOTADB: ("it is no SQLite database", "set journal.url to a file of its own"),
}


class File:
    """A journal's file, closed at first. `now` replaces its clock; `sole` keeps a second daemon out."""

    def __init__(
        self,
        path: str,
        *,
        now: Callable[[], float] | None,
        sole: bool,
        machine: Machine,
        migrations: Sequence[Sequence[str]] = MIGRATIONS,
    ) -> None:
        self.path = path
        self.sole = sole
        self._migrations = migrations
        self._machine = machine
        self._now = now
        self._place = Path(path).absolute()  # whatever directory the process may change to
        self._lock = Lock(self._place)
        self._identity: os.stat_result | None = None
        self._db: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"<File {self.path} {'closed' if self._db is None else 'open'}>"

    def open(self) -> tuple[int, int]:
        """Lock it, open it, bring its schema and its clock up to date; returns the schema found and the one made."""
        try:
            return self._open()
        except FAILURES as error:
            raise self._trouble(error) from error

    def _open(self) -> tuple[int, int]:
        folder = self._place.parent
        if not folder.is_dir():
            raise JournalError(f"its directory {folder} does not exist; create it, or set journal.url elsewhere")
        if self.path != MEMORY and self._place.exists():
            self._refuse_foreign()
        if self.sole and self.path != MEMORY:
            self._lock.take()
        self._db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, cached_statements=STATEMENTS)
        for setting in SETTINGS:
            self._db.execute(setting)
        with self._transaction(self._db):
            schema = migrate(self._db, self._migrations)
            self._now = self._now or self._clock(self._db)
        self._identity = None if self.path == MEMORY else self._place.stat()
        return schema

    def _refuse_foreign(self) -> None:
        """What is no database is left alone, and no lock is put beside it."""
        head = b"a folder"
        if self._place.is_file():
            with self._place.open("rb") as file:
                head = file.read(len(HEAD))
        if head not in (b"", HEAD):
            what, remedy = TROUBLES[sqlite3.SQLITE_NOTADB]
            raise JournalError(f"{what}; {remedy}")

    def close(self) -> None:
        """Close it and give the lock back, in whatever state it is."""
        if self._db is not None:
            self._db.close()
            self._db = None
        self._lock.give()

    def run(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Do the works in one transaction; returns the answer of each, a `JournalError` in its place where one failed.

        A trouble of the file is everyone's. Where one work alone fails, its neighbours are done without it.
        """
        assert self._db is not None and self._now is not None  # noqa: PT018, S101  # both are since it was opened
        try:
            with self._transaction(self._db):
                now = self._now()  # read under the lock: time does not run backwards from one commit to the next
                return [work(self._db, now) for work in works]
        except FAILURES as error:
            if len(works) == 1 or _everyones(error):
                return [self._trouble(error) for _ in works]
        return [answer for work in works for answer in self.run([work])]

    @contextmanager
    def _transaction(self, db: sqlite3.Connection) -> Generator[None]:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._look()
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _look(self) -> None:
        """SQLite writes on into a file that was deleted, and says that all is well."""
        if self._identity is None:
            return
        try:
            there = os.path.samestat(self._identity, os.stat(self._place))  # noqa: PTH116  # quicker, and in each commit
        except FileNotFoundError:
            there = False
        if not there:
            raise JournalError("it was deleted or replaced while in use; put it back, or start anew")

    def _clock(self, db: sqlite3.Connection) -> Callable[[], float]:
        row = db.execute(ANCHOR).fetchone()
        known = Anchor(*row) if row else None
        latest = db.execute(LATEST).fetchone()[0] or 0.0
        anchor = anchored(known, self._machine, latest=latest)
        if anchor != known:
            db.execute(KEEP_ANCHOR, (anchor.boot, anchor.uptime, anchor.wall))
        if known and anchor != known:  # a ceiling is not opened on the word of a clock that may be wrong
            db.execute(HOLD_TOKENS, (doubtful(anchor, known, self._machine, latest=latest), latest))
        return lambda: anchor.at(self._machine.uptime())

    def _trouble(self, error: Exception) -> JournalError:
        """What went wrong and what helps, in our words."""
        match error:
            case JournalError():
                said = str(error)
            case sqlite3.Error() if _code(error) in TROUBLES:
                what, remedy = TROUBLES[_code(error)]
                said = f"{what}; {remedy} ({error})"
            case OSError():
                said = f"{error.strerror} ({error.filename}); {_RIGHTS}"
            case _:
                said = f"it cannot keep this ({type(error).__name__}: {error}); this is a fault of vodworker, report it"
        trouble = JournalError(f"{self.path}: {said}")
        trouble.__cause__ = error
        return trouble


FAILURES = (sqlite3.Error, JournalError, OSError, ValueError, ArithmeticError)


def _everyones(error: Exception) -> bool:
    return isinstance(error, JournalError | OSError) or _code(error) in TROUBLES


def _code(error: Exception) -> int:
    """SQLite's primary code of an error; the refinement in its upper bits is in the message. -1: not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", -1)
    return code & 0xFF if code >= 0 else code
