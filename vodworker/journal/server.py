"""A PostgreSQL server, reached: its transactions, its clock, its absence, its troubles in words. For one thread alone.

What a pooler in transaction mode takes away is not used: no prepared statements, no settings of a session, no
notifications, no locks beyond a transaction.
"""

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from vodworker.errors import ConfigError, JournalError
from vodworker.journal.session import Session, Work, answers, locks
from vodworker.journal.tables import MIGRATIONS, migrate
from vodworker.outcome import backoff

OLDEST = 13  # the release that first tells what became of a transaction by the number used here
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
SCHEMA = "vodworker"
PORTS = re.compile(r"[0-9,]*")
DEFAULTS = {  # of the connection; the url may say otherwise
    "application_name": SCHEMA,
    "connect_timeout": "5",
    "target_session_attrs": "read-write",  # of several hosts the one that can be written, whichever that is today
    # A host that is gone says nothing: after some ten seconds of silence it counts as away.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

# The settings are the transaction's. A replica that is stopped in the middle of one holds up the others no longer than
# `idle_in_transaction_session_timeout`: its session is ended, nothing of it is written, and on waking it begins anew.
BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL search_path = {schema};
SET LOCAL synchronous_commit = on;
SET LOCAL idle_in_transaction_session_timeout = '2s';
SET LOCAL lock_timeout = '15s';
SET LOCAL statement_timeout = '30s';
"""
# Two statements, because a statement does not see what was committed while it waited for a lock. The time is read when
# all locks are held, so that it does not run backwards from one holder to the next.
HOLD = "SELECT FROM locks WHERE name = ANY ('{{{names}}}') ORDER BY name FOR UPDATE;"
NOW = """
SELECT extract(epoch FROM clock_timestamp())::float8, pg_current_xact_id()::text,
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
"""
FATE = "SELECT pg_xact_status(%s::xid8), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds before the next try to connect: a restart takes one or two

# SQLSTATEs, or their classes, that pass by themselves: no connection, shutting down or starting, too many connections,
# a standby, a timeout of ours, disk or memory full, an I/O error.
ABSENCE = ("08", "57", "25006", "25P03", "55P03", "53", "58")
CONTENTION = ("40001", "40P01")  # lost against another transaction: the same again, at once
UNREADABLE = (
    "journal.url cannot be read; write postgresql://USER:PASSWORD@HOST:PORT/NAME?schema=NAME, with %XX for special"
    " characters, and only parameters that libpq knows"
)
FAULT = "it cannot keep this; this is a fault of vodworker, report it"
TROUBLES = {  # what the database calls it, what that means and what helps
    "28": "it does not accept this user; look at the user and the password in journal.url and at pg_hba.conf",
    "3D000": "there is no such database; create it, in UTF-8",
    "42501": "this user lacks a right; let it own the database or the schema",
    "53100": "the disk is full; make room on it",
    "25006": "it cannot be written, being a standby; name the primary in journal.url",
    "08": "it cannot be reached; look at host and port in journal.url, and whether the database runs",
}

FAILURES = (psycopg.Error, JournalError, ValueError, ArithmeticError)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Transaction:
    """Tells a transaction apart for ever: its number, and the timeline, which another primary begins anew."""

    number: str
    timeline: str


@dataclass(frozen=True, slots=True)
class Address:
    """Where a journal is. The password is in `conninfo` alone, which nobody may show."""

    conninfo: str
    schema: str
    shown: str

    def __repr__(self) -> str:
        return f"<Address {self.shown}>"

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read a `journal.url`: libpq's, and `schema=` among its parameters; `ConfigError` without a word of it."""
        url, _, query = url.partition("?")
        given = [part for part in query.split("&") if part]
        schema = next((part.removeprefix("schema=") for part in given if part.startswith("schema=")), SCHEMA)
        rest = "&".join(part for part in given if not part.startswith("schema="))
        if not NAME.fullmatch(schema):
            raise ConfigError([f"journal.url: schema={schema} must be lower-case letters, digits and _"])
        try:
            parts = {name: str(part) for name, part in conninfo_to_dict(f"{url}?{rest}" if rest else url).items()}
        except psycopg.ProgrammingError:
            raise ConfigError([UNREADABLE]) from None
        user, host, port, database = (parts.get(part, "") for part in ("user", "host", "port", "dbname"))
        if not PORTS.fullmatch(port) or "@" in host + database:  # pieces of a password with an @, a : or a /
            raise ConfigError([UNREADABLE])
        place = f"{user}{'@' * bool(user)}{host}{':' * bool(port.strip(','))}{port.strip(',')}/{database}"
        named = f"{DEFAULTS['application_name']} {schema}"
        return cls(
            make_conninfo(**{**DEFAULTS, "application_name": named, **parts, "client_encoding": "UTF8"}),
            schema,
            f"postgresql://{place}{'' if schema == SCHEMA else f'?schema={schema}'}",
        )


class Server:
    """A journal's database, not connected at first. While it is away a `patient` one waits, others fail.

    random: a number in [0, 1), for the pauses between tries. back: is called when it was away and is back, in the
    server's thread. now: replaces the database's clock.
    """

    def __init__(
        self,
        address: Address,
        *,
        patient: bool,
        random: Callable[[], float],
        back: Callable[[], None] = lambda: None,
        now: Callable[[], float] | None = None,
        migrations: Sequence[Sequence[str]] = MIGRATIONS,
    ) -> None:
        self.path = address.shown
        self._address = address
        self._patient = patient
        self._random = random
        self._back = back
        self._now = now
        self._migrations = migrations
        self._begun = BEGIN.format(schema=address.schema)
        self._session: Session | None = None
        self._hurried = False
        self._news = threading.Event()
        self._failures = 0
        self._lost = 0.0

    def __repr__(self) -> str:
        return f"<Server {self.path} {'connected' if self._session else 'not connected'}>"

    def open(self) -> tuple[int, int]:
        """Connect, and bring the schema up to date; returns the schema found and the one made."""
        (schema,) = self.run([lambda db, _: migrate(db, self._address.schema, self._migrations)])
        if isinstance(schema, JournalError):
            raise schema
        return cast("tuple[int, int]", schema)  # what `migrate` returned

    def hurry(self) -> None:
        """Wait for an absent database no longer. May be called from another thread."""
        self._hurried = True
        self._news.set()

    def look(self) -> None:
        """Try an absent database at once: it may be back. May be called from another thread."""
        self._news.set()

    def close(self) -> None:
        """End the connection, in whatever state it is."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def run(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Do the works in one transaction; returns the answer of each, a `JournalError` in its place where one failed.

        Where one work alone fails, its neighbours are done without it.
        """
        try:
            return self._done(works)
        except FAILURES as error:
            if len(works) == 1 or isinstance(error, JournalError) or is_absence(error):
                return [self._trouble(error) for _ in works]
        return [answer for work in works for answer in self.run([work])]

    def _done(self, works: Sequence[Work[Any]]) -> list[Any]:
        """The answers, once all is written; what is lost on the way is done again."""
        while True:
            ended = False
            try:
                db = self._connected()
                now, transaction = self._begin(db, works)
                given = answers(db, now, works)
                written = self._commit(db, transaction)
            except FAILURES as error:
                ended = True
                self._give_up(error)
                if is_absence(error):
                    self._wait(error)
                elif not matches(error, CONTENTION):
                    raise
            else:
                ended = True
                if written:
                    return given
            finally:
                if not ended:  # a fault of ours: what it has begun must not be in the next commit
                    self.close()

    def _begin(self, db: Session, works: Sequence[Work[Any]]) -> tuple[float, Transaction]:
        """Begin, hold what the works want held, and read the clock."""
        names = ",".join(map(str, locks(works)))
        hold = HOLD.format(names=names) if names else ""
        now, number, timeline = db.one(self._begun + hold + NOW)
        return self._now() if self._now else now, Transaction(number, timeline)

    def _commit(self, db: Session, transaction: Transaction) -> bool:
        """Write it; False when it is known not to be written. Where no answer comes, the database is asked later."""
        try:
            db.do("COMMIT")
            written = True
        except psycopg.Error as error:
            if not is_absence(error):
                raise
            self._give_up(error)
            written = self._was_written(transaction, error)
        if self._failures:
            log.info("journal.back", journal=self.path, outage=round(perf_counter() - self._lost, 1))
            self._failures = 0
            self._back()
        return written

    def _was_written(self, transaction: Transaction, error: psycopg.Error) -> bool:
        while True:
            self._wait(error)
            try:
                fate, timeline = self._connected().one(FATE, transaction.number)
            except psycopg.errors.InvalidParameterValue:  # a number of the future: this primary never heard of it
                return False
            except psycopg.Error as again:
                self._give_up(again)
                if not is_absence(again):
                    raise
                error = again
            else:
                if fate != "in progress":
                    return bool(fate == "committed" and timeline == transaction.timeline)
                error = psycopg.OperationalError("its last transaction has not ended yet")

    def _connected(self) -> Session:
        if self._session is None:
            connection = psycopg.connect(self._address.conninfo, autocommit=True, prepare_threshold=None)
            encoding = connection.info.parameter_status("server_encoding")
            release = connection.info.server_version // 10000
            if release < OLDEST or encoding != "UTF8":
                connection.close()
                raise JournalError(f"it is PostgreSQL {release} in {encoding}; it must be {OLDEST} or newer, in UTF8")
            self._session = Session(connection)
        return self._session

    def _wait(self, error: Exception) -> None:
        """Wait a while for it to come back, longer each time. Raises the error when nobody is to wait."""
        if not self._patient or self._hurried:
            raise error
        self._lost = self._lost if self._failures else perf_counter()
        self._failures += 1
        after = backoff(self._failures, self._random, first=FIRST_PAUSE, most=LONGEST_PAUSE)
        log.error("journal.lost", journal=self.path, error=said(error), failures=self._failures, after=round(after, 1))
        self._news.wait(after)
        self._news.clear()

    def _give_up(self, error: Exception) -> None:
        """End what has begun."""
        if self._session is None:
            return
        if not is_absence(error):
            with suppress(psycopg.Error):
                self._session.give_up()
                return
        self.close()

    def _trouble(self, error: Exception) -> JournalError:
        """What went wrong and what helps, in our words."""
        match error:
            case JournalError():
                words = str(error)
            case psycopg.Error():
                remedy = next((TROUBLES[code] for code in TROUBLES if matches(error, (code,))), None)
                unreached = TROUBLES["08"] if is_absence(error) else FAULT
                words = f"{remedy or unreached} ({said(error)})"
            case _:
                words = f"{FAULT} ({type(error).__name__}: {error})"
        trouble = JournalError(f"{self.path}: {words}")
        trouble.__cause__ = error
        return trouble


def matches(error: Exception, codes: Iterable[str]) -> bool:
    """Whether the database gave one of these codes, or one of these classes of codes."""
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    return code is not None and code.startswith(tuple(codes))


def is_absence(error: Exception) -> bool:
    """Whether the database is away, or cannot do anything now; without a code, the connection itself failed."""
    unreached = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    return unreached or matches(error, ABSENCE)


def said(error: Exception) -> str:
    """What the database said, in a line. libpq names host, port, user and database, and never the password."""
    return " ".join(str(error).split())
