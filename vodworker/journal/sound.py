"""Whether a journal's file is sound: read by whoever has a reason to doubt it. Nothing is written."""

import sqlite3
from contextlib import closing
from pathlib import Path

from vodworker.journal.port import PLACES

PAIRS = {  # what must be equal, in words: two counts
    "events that are kept, and counted": ("SELECT events FROM journal", "SELECT count(*) FROM events"),
    "entries that are kept, and counted": ("SELECT entries FROM journal", "SELECT count(*) FROM entries"),
    "entries, and entries of a known event": (
        "SELECT count(*) FROM entries",
        f"SELECT count(*) FROM entries JOIN events ON events.id = entries.id / {PLACES}",
    ),
    "recorded calls, and calls of a known entry": (
        "SELECT count(*) FROM calls",
        "SELECT count(*) FROM calls JOIN entries ON entries.id = calls.entry",
    ),
    "keys with work waiting, and keys whose turn it is": (
        "SELECT count(*) FROM (SELECT DISTINCT handler, key FROM entries WHERE state = 'blocked')",
        """
        SELECT count(*) FROM (SELECT DISTINCT handler, key FROM entries WHERE state = 'blocked') AS blocked
        JOIN entries ON entries.handler = blocked.handler AND entries.turn = blocked.key
        """,
    ),
}


def unsound(file: Path) -> list[str]:
    """What is wrong with a journal that no daemon uses just now: a sentence each, none when it is sound."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        found = [
            f"SQLite: {' '.join(told.split())}" for (told,) in db.execute("PRAGMA integrity_check") if told != "ok"
        ]
        for words, (one, other) in PAIRS.items():
            counts = [db.execute(count).fetchone()[0] for count in (one, other)]
            if counts[0] != counts[1]:
                found.append(f"{words}: {counts[0]} and {counts[1]}")
        return found
