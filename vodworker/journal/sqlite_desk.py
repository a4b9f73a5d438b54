"""What an operator asks of an SQLite journal, and the handlers that rest by his order."""

from sqlite3 import Connection
from typing import Any

from vodworker.journal import desk
from vodworker.journal.port import PLACES, STATES, Filter
from vodworker.journal.schema import writable

COUNT_KEPT = "SELECT events, entries FROM journal"
COUNT_WAITING = "SELECT count(*) FROM waiting"
COUNT_STATE = """
SELECT state, count(*) FROM entries WHERE state = 'ready' OR state = 'running' GROUP BY state
UNION ALL SELECT state, count(*) FROM entries WHERE state = 'blocked' GROUP BY state
UNION ALL SELECT state, count(*) FROM entries WHERE state = 'dead' OR state = 'discarded' GROUP BY state
"""
AGE_OF_OLDEST = f"""
SELECT ? - min(recorded) FROM events WHERE id IN (
    SELECT min(id) / {PLACES} FROM entries WHERE state = 'ready'
    UNION ALL SELECT min(id) / {PLACES} FROM entries WHERE state = 'running'
    UNION ALL SELECT min(id) / {PLACES} FROM entries WHERE state = 'blocked'
)
"""
ROWS = f"""
SELECT entries.id, events.id, type, entries.key, handler, state, attempt, due, entries.since, entries.why, recorded, (
    SELECT ahead.id / {PLACES} FROM entries AS ahead WHERE ahead.handler = entries.handler AND ahead.turn = entries.key
), (SELECT paused.why FROM paused WHERE paused.handler = entries.handler), waits.action, waits.since
FROM entries CROSS JOIN events ON events.id = entries.id / {PLACES}
LEFT JOIN waits ON waits.entry = entries.id AND waits.fence = entries.fence
"""
ROWS_WHERE = {
    "type": "type = ?",
    "key": "entries.key = ?",
    "handler": "handler = ?",
    "older": "recorded <= ?",
    "newer": "recorded > ?",
}
ROWS_STATE = {state: f"state = '{state}' AND state = ?" for state in STATES} | {
    "open": "state IN ('blocked', 'ready', 'running') AND ? = 'open'"
}
SHOW_EVENT = """
SELECT id, type, key, recorded, body, event IS NOT NULL, sent FROM events LEFT JOIN waiting ON event = id WHERE id = ?
"""
SHOW_CALLS = """
SELECT entry, handler, identity, action, request, reply, made FROM calls JOIN entries ON entries.id = entry
WHERE entry BETWEEN ? AND ? ORDER BY calls.id
"""
SHOW_ENTRIES = f"{ROWS} WHERE entries.id BETWEEN ? AND ? ORDER BY entries.id"
SHOW_ATTEMPTS = """
SELECT entry, attempt, ended, how, why FROM attempts WHERE entry BETWEEN ? AND ? ORDER BY entry, fence
"""
PAUSE = "INSERT OR REPLACE INTO paused (handler, since, why) VALUES (?, ?, ?)"
RESUME = "DELETE FROM paused WHERE handler = ?"
LIST_PAUSED = "SELECT handler, why, ? - since FROM paused ORDER BY handler"


def oldest(db: Connection, now: float) -> float | None:
    """See `Desk`."""
    age: float | None = db.execute(AGE_OF_OLDEST, (now,)).fetchone()[0]
    return age


def counts(db: Connection, _now: float) -> dict[str, int]:
    """See `Desk`."""
    events, entries = db.execute(COUNT_KEPT).fetchone()
    states = dict.fromkeys(STATES, 0) | dict(db.execute(COUNT_STATE).fetchall())
    states["done"] = entries - sum(states.values())
    return {"events": events, "unconfirmed": db.execute(COUNT_WAITING).fetchone()[0], **states}


def listed(db: Connection, now: float, which: Filter) -> list[dict[str, Any]]:
    """See `Desk`."""
    texts = {"type": which.type, "key": which.key, "handler": which.handler}
    terms: dict[str, object] = {ROWS_WHERE[name]: writable(it) for name, it in texts.items() if it is not None}
    ages = {"older": which.older, "newer": which.newer}
    terms |= {ROWS_WHERE[name]: now - age for name, age in ages.items() if age is not None}
    if which.state is not None:
        terms[ROWS_STATE.get(which.state, "NULL IS ?")] = which.state
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    rows = db.execute(f"{ROWS}{where} ORDER BY entries.id DESC LIMIT ?", (*terms.values(), which.limit))
    return [desk.Row(*row).told(now) for row in rows]


def shown(db: Connection, now: float, event_id: int) -> dict[str, Any] | None:
    """See `Desk`."""
    row = db.execute(SHOW_EVENT, (event_id,)).fetchone()
    if row is None:
        return None
    reach = event_id * PLACES, event_id * PLACES + PLACES - 1
    attempts, entries, calls = (db.execute(query, reach) for query in (SHOW_ATTEMPTS, SHOW_ENTRIES, SHOW_CALLS))
    return desk.told(row, attempts=attempts, entries=entries, calls=calls, now=now)


def pause(db: Connection, now: float, handler: str, why: str) -> None:
    """See `Pauses`."""
    db.execute(PAUSE, (handler, now, why))


def resume(db: Connection, handler: str) -> bool:
    """See `Pauses`."""
    return db.execute(RESUME, (handler,)).rowcount > 0


def paused(db: Connection, now: float) -> list[dict[str, Any]]:
    """See `Pauses`."""
    rows = db.execute(LIST_PAUSED, (now,))
    return [{"handler": handler, "why": why, "age": round(age, 3)} for handler, why, age in rows]
