"""The tables of an SQLite journal, and the way from each older schema to this one."""

import sqlite3
from collections.abc import Sequence

from vodworker.errors import JournalError

APPLICATION = int.from_bytes(b"vodw")  # in the file's header: this database is a vodworker journal

# How the tables answer the hot questions without a scan:
#   is this body a copy?     `waiting` holds the digests of events whose confirmation is not known to be accepted
#   what is due?             entries_due: ready entries by when they are due, running ones by when their lease ends
#   may this key go on?      of a key's unfinished entries only the first has the turn and is ready or running; the
#                            others are blocked. entries_turn keeps a second one out, entries_line has the blocked
#   how many are there?      the one row of `journal` counts what is kept
# Finished entries stand in no index at all, so that a million of them cost nothing. An event is written once and never
# changed; what changes is small and in pages of its own.
#
# An entry's number tells its event: event 12 has the entries 12000, 12001 and so on, in the order of its handlers. That
# spares an index, and numbers in the order of recording are the order of a key. They are never given twice.
FIRST = (
    """
    CREATE TABLE journal (
        last INTEGER NOT NULL,  -- number of the event recorded last
        events INTEGER NOT NULL, entries INTEGER NOT NULL,  -- how many are kept
        boot TEXT, uptime REAL, wall REAL  -- the clock's anchor
    )
    """,
    "INSERT INTO journal (last, events, entries) VALUES (0, 0, 0)",
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY, recorded REAL NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE waiting (
        event INTEGER PRIMARY KEY, digest INTEGER NOT NULL, sent REAL  -- NULL: the confirmation was never sent
    )
    """,
    "CREATE INDEX waiting_digest ON waiting (digest)",
    """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY, handler TEXT NOT NULL, key TEXT NOT NULL,
        turn TEXT,  -- the key again, where there is one and it is this entry's turn
        state TEXT NOT NULL,  -- blocked, ready, running, done, dead, discarded
        since REAL NOT NULL,  -- when it came into this state
        due REAL NOT NULL,  -- running: the end of its lease
        attempt INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX entries_due ON entries (state, handler, due) WHERE state = 'ready' OR state = 'running'",
    "CREATE UNIQUE INDEX entries_turn ON entries (handler, turn) WHERE turn IS NOT NULL",
    "CREATE INDEX entries_line ON entries (handler, key, state) WHERE state = 'blocked'",
    "CREATE INDEX entries_failed ON entries (state) WHERE state = 'dead' OR state = 'discarded'",
    """
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, identity TEXT NOT NULL, action TEXT NOT NULL,
        made REAL NOT NULL, sent REAL NOT NULL, request BLOB NOT NULL, replied REAL, reply BLOB,
        task TEXT,  -- the one that it started
        UNIQUE (entry, identity)
    )
    """,
    "CREATE INDEX calls_task ON calls (task) WHERE task IS NOT NULL",
    "CREATE INDEX calls_doubtful ON calls (action) WHERE reply IS NULL",
    """
    CREATE TABLE tasks (
        id TEXT PRIMARY KEY, event INTEGER NOT NULL, handler TEXT NOT NULL, action TEXT NOT NULL,
        ends_in TEXT NOT NULL, started REAL NOT NULL,
        asked INTEGER NOT NULL DEFAULT 0, ask REAL,  -- NULL: never asked for yet
        ended INTEGER, found INTEGER NOT NULL DEFAULT 0  -- the event that told its end, and whether that was found
    ) WITHOUT ROWID
    """,
    "CREATE INDEX tasks_out ON tasks (started) WHERE ended IS NULL",
    """
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- a late return must not find another's token under its number
        action TEXT NOT NULL, taken REAL NOT NULL, back REAL NOT NULL
    )
    """,
    "CREATE INDEX tokens_back ON tokens (action, back)",
)

# What an operator wants to know of an entry beyond its state. `attempts` has those that did not end well, so that what
# goes well writes nothing more; `waits` is a note for whom it concerns, good as long as its fence is the entry's.
STORY = (
    """
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, fence INTEGER NOT NULL, attempt INTEGER NOT NULL,
        ended REAL NOT NULL, how TEXT NOT NULL,  -- again, dead, lost
        why TEXT NOT NULL DEFAULT '',
        UNIQUE (entry, fence)
    )
    """,
    """
    CREATE TABLE waits (
        entry INTEGER PRIMARY KEY, fence INTEGER NOT NULL, action TEXT NOT NULL, since REAL NOT NULL
    )
    """,
    "CREATE TABLE paused (handler TEXT PRIMARY KEY, since REAL NOT NULL, why TEXT NOT NULL) WITHOUT ROWID",
)

LOSSES = (
    "ALTER TABLE waiting ADD COLUMN before REAL",  # what `sent` was until the last try
    "ALTER TABLE entries ADD COLUMN lost INTEGER NOT NULL DEFAULT 0",  # claims that were neither settled nor released
)

OUTAGES = ("ALTER TABLE entries ADD COLUMN outages INTEGER NOT NULL DEFAULT 0",)  # attempts that an outage ended

MIGRATIONS: Sequence[Sequence[str]] = (
    FIRST,
    STORY,
    LOSSES,
    OUTAGES,
)  # number n leads from schema n to schema n + 1; none is ever changed


def migrate(db: sqlite3.Connection, migrations: Sequence[Sequence[str]]) -> tuple[int, int]:
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


def writable(text: str) -> str:
    """Text that SQLite can hold: JSON may carry half of a surrogate pair, and so may the name of a file."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
