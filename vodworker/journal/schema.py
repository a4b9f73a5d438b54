"""The tables of an SQLite journal, and the way from each older schema to this one."""

import sqlite3
from collections.abc import Sequence

from vodworker.errors import JournalError

APPLICATION = int.from_bytes(b"vodw")  # in the file's header: this database is a vodworker journal

# How the tables answer the hot questions without a scan:
#   is this body a copy?      events_waiting has the digests of bodies whose confirmation is not known to be accepted
#   what is due?              entries_due: ready entries by when they are due, running ones by when their lease ends
#   may this key go on?       of the unfinished entries of one key and handler only the first is ready or running, the
#                             others are blocked; entries_front lets no second one be, entries_line has the blocked
#   what can be forgotten?    events_ended
# Finished entries stand in none of them, so that a million of them cost a claim nothing.
# Bodies have a table of their own: an event's row is written three more times, and small rows share a page.
FIRST = (
    """
    CREATE TABLE clock (
        boot TEXT NOT NULL, uptime REAL NOT NULL, wall REAL NOT NULL
    )
    """,
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, key TEXT NOT NULL,
        recorded REAL NOT NULL, digest BLOB, sent REAL, accepted REAL, ended REAL
    )
    """,
    "CREATE INDEX events_waiting ON events (digest) WHERE digest IS NOT NULL",
    "CREATE INDEX events_ended ON events (ended) WHERE ended IS NOT NULL",
    """
    CREATE TABLE bodies (
        event INTEGER PRIMARY KEY REFERENCES events ON DELETE CASCADE, body BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, event INTEGER NOT NULL REFERENCES events ON DELETE CASCADE,
        handler TEXT NOT NULL, key TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('blocked', 'ready', 'running', 'done', 'dead', 'discarded')),
        since REAL NOT NULL, due REAL NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '',
        UNIQUE (event, handler)
    )
    """,
    "CREATE INDEX entries_due ON entries (handler, due) WHERE state IN ('ready', 'running')",
    "CREATE UNIQUE INDEX entries_front ON entries (handler, key) WHERE key <> '' AND state IN ('ready', 'running')",
    "CREATE INDEX entries_line ON entries (handler, key) WHERE state = 'blocked'",
    "CREATE INDEX entries_failed ON entries (state) WHERE state IN ('dead', 'discarded')",
    """
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY, entry INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE,
        identity TEXT NOT NULL, action TEXT NOT NULL, request BLOB NOT NULL, made REAL NOT NULL,
        reply BLOB, replied REAL,
        UNIQUE (entry, identity)
    )
    """,
    """
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, taken REAL NOT NULL, back REAL NOT NULL
    )
    """,
    "CREATE INDEX tokens_back ON tokens (action, back)",
)

MIGRATIONS: Sequence[Sequence[str]] = (FIRST,)  # number n leads from schema n to schema n + 1; none is ever changed


def migrate(db: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> tuple[int, int]:
    """Bring the tables up to date, inside a transaction of the caller's; returns the schema found and the one made.

    A `JournalError` refuses another program's database, and one that a newer vodworker has written.
    """
    application = _pragma(db, "application_id")
    found = _pragma(db, "user_version")
    strange = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] if not application else 0
    if application not in (0, APPLICATION) or strange:
        raise JournalError("it is another program's database; set journal.url to a file of its own")
    if found > len(migrations):
        raise JournalError(
            f"a newer vodworker wrote it (schema {found}, this one knows {len(migrations)}); install that version"
            " again, or set journal.url to another file"
        )
    for made, migration in enumerate(migrations[found:], start=found + 1):
        for statement in migration:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {made}")
    return found, len(migrations)


def _pragma(db: sqlite3.Connection, name: str) -> int:
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value
