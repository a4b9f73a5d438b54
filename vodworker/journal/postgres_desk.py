"""What an operator asks of a PostgreSQL journal, and the handlers that rest by his order."""

from typing import Any

from vodworker.journal import desk
from vodworker.journal.port import PLACES, STATES, Filter
from vodworker.journal.session import Session
from vodworker.journal.tables import writable

COUNTS = """
SELECT 'events', coalesce(sum(events), 0)::bigint FROM tally
UNION ALL SELECT 'entries', coalesce(sum(entries), 0)::bigint FROM tally
UNION ALL SELECT 'unconfirmed', count(*) FROM waiting
UNION ALL SELECT state, count(*) FROM entries WHERE state IN ('ready', 'running') GROUP BY state
UNION ALL SELECT state, count(*) FROM entries WHERE state = 'blocked' GROUP BY state
UNION ALL SELECT state, count(*) FROM entries WHERE state IN ('dead', 'discarded') GROUP BY state
"""
AGE_OF_OLDEST = f"""
SELECT %s - min(recorded) FROM events WHERE id IN (
    SELECT min(id) / {PLACES} FROM entries WHERE state IN ('ready', 'running')
    UNION ALL SELECT min(id) / {PLACES} FROM entries WHERE state = 'blocked'
)
"""
ROWS = f"""
SELECT entries.id, events.id, type, entries.key, handler, state, attempt, due, entries.since, entries.why, recorded, (
    SELECT ahead.id / {PLACES} FROM entries AS ahead
    WHERE ahead.lane = entries.lane AND ahead.state IN ('ready', 'running')
), (SELECT paused.why FROM paused WHERE paused.handler = entries.handler), waits.action, waits.since
FROM entries JOIN events ON events.id = entries.id / {PLACES}
LEFT JOIN waits ON waits.entry = entries.id AND waits.fence = entries.fence
"""
ROWS_WHERE = {
    "type": "type = %s",
    "key": "entries.key = %s",
    "handler": "handler = %s",
    "older": "recorded <= %s",
    "newer": "recorded > %s",
}
ROWS_STATE = {state: f"state = '{state}'" for state in STATES} | {"open": "state IN ('blocked', 'ready', 'running')"}
SHOW_EVENT = """
SELECT id, type, key, recorded, body, event IS NOT NULL, sent FROM events LEFT JOIN waiting ON event = id WHERE id = %s
"""
SHOW_CALLS = """
SELECT entry, handler, identity, action, request, reply, made FROM calls JOIN entries ON entries.id = entry
WHERE entry BETWEEN %s AND %s ORDER BY calls.id
"""
SHOW_ENTRIES = f"{ROWS} WHERE entries.id BETWEEN %s AND %s ORDER BY entries.id"
SHOW_ATTEMPTS = """
SELECT entry, attempt, ended, how, why FROM attempts WHERE entry BETWEEN %s AND %s ORDER BY entry, fence
"""
PAUSE = """
INSERT INTO paused (handler, since, why) VALUES (%s, %s, %s)
ON CONFLICT (handler) DO UPDATE SET since = excluded.since, why = excluded.why
"""
RESUME = "DELETE FROM paused WHERE handler = %s"
LIST_PAUSED = "SELECT handler, why, %s - since FROM paused ORDER BY handler"


def oldest(db: Session, now: float) -> float | None:
    """See `Desk`."""
    (age,) = db.one(AGE_OF_OLDEST, now)
    return None if age is None else float(age)


def counts(db: Session, _now: float) -> dict[str, int]:
    """See `Desk`."""
    counted: dict[str, int] = dict(db.rows(COUNTS))
    states = {state: counted.get(state, 0) for state in STATES}
    states["done"] = counted["entries"] - sum(states.values())
    return {"events": counted["events"], "unconfirmed": counted["unconfirmed"], **states}


def listed(db: Session, now: float, which: Filter) -> list[dict[str, Any]]:
    """See `Desk`."""
    texts = {"type": which.type, "key": which.key, "handler": which.handler}
    terms: dict[str, object] = {ROWS_WHERE[name]: writable(it) for name, it in texts.items() if it is not None}
    ages = {"older": which.older, "newer": which.newer}
    terms |= {ROWS_WHERE[name]: now - age for name, age in ages.items() if age is not None}
    state = [] if which.state is None else [ROWS_STATE.get(which.state, "false")]
    where = f" WHERE {' AND '.join([*terms, *state])}" if terms or state else ""
    rows = db.rows(f"{ROWS}{where} ORDER BY entries.id DESC LIMIT %s", *terms.values(), which.limit)
    return [desk.Row(*row).told(now) for row in rows]


def shown(db: Session, now: float, event_id: int) -> dict[str, Any] | None:
    """See `Desk`."""
    found = db.rows(SHOW_EVENT, event_id)
    if not found:
        return None
    reach = event_id * PLACES, event_id * PLACES + PLACES - 1
    attempts, entries, calls = (db.rows(query, *reach) for query in (SHOW_ATTEMPTS, SHOW_ENTRIES, SHOW_CALLS))
    return desk.told(found[0], attempts=attempts, entries=entries, calls=calls, now=now)


def pause(db: Session, now: float, handler: str, why: str) -> None:
    """See `Pauses`."""
    db.do(PAUSE, handler, now, why)


def resume(db: Session, handler: str) -> bool:
    """See `Pauses`."""
    return db.do(RESUME, handler) > 0


def paused(db: Session, now: float) -> list[dict[str, Any]]:
    """See `Pauses`."""
    return [{"handler": handler, "why": why, "age": round(age, 3)} for handler, why, age in db.rows(LIST_PAUSED, now)]
