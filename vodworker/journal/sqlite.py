"""The journal in one SQLite file: the whole port, for one machine. PostgreSQL is its twin for several.

How the tables keep every verb cheap is told in `schema.py`; how verbs share a commit, in `thread.py`.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path
from sqlite3 import Connection
from time import perf_counter
from typing import Any

import structlog

from vodworker.errors import ConfigError
from vodworker.journal import desk
from vodworker.journal.clock import Machine, here
from vodworker.journal.file import File, Work
from vodworker.journal.port import (
    COPY_SPAN,
    STATES,
    Arrival,
    Claim,
    Entry,
    Filter,
    Receipt,
    Recorded,
    Token,
)
from vodworker.journal.thread import Thread
from vodworker.outcome import Again, Dead, Ending, Finished

SCHEME = "sqlite:///"
SWEEP_STEP = 1000  # events forgotten in one transaction: some 20 ms, so that nobody waits long behind it
SOON = 0.001  # seconds: the least wait that is told, because a timer may fire early by about as much

# record, mark
FIND_COPY = """
SELECT id, body FROM events JOIN bodies ON event = id
WHERE digest = ? AND (sent IS NULL OR sent >= ?) ORDER BY id DESC
"""
ADD_EVENT = "INSERT INTO events (type, key, recorded, digest, ended) VALUES (?, ?, ?, ?, ?)"
ADD_BODY = "INSERT INTO bodies (event, body) VALUES (?, ?)"
ADD_ENTRY = """
INSERT INTO entries (event, handler, key, since, due, state)
SELECT :event, :handler, :key, :now, :now, CASE WHEN :key <> '' AND EXISTS (
    SELECT 1 FROM entries WHERE handler = :handler AND key = :key AND key <> '' AND state IN ('ready', 'running')
) THEN 'blocked' ELSE 'ready' END
"""
MARK_SENT = "UPDATE events SET sent = ? WHERE id = ? AND accepted IS NULL"
MARK_ACCEPTED = "UPDATE events SET accepted = ?, digest = NULL WHERE id = ? AND accepted IS NULL"

# claim, keep, settle, release, adopt. A running entry's `due` is the end of its lease.
FIND_DUE = """
SELECT entries.id, entries.event, handler, entries.key, body, attempt + 1, fence + 1, ? - recorded
FROM entries CROSS JOIN events ON events.id = entries.event CROSS JOIN bodies ON bodies.event = entries.event
WHERE handler = ? AND state IN ('ready', 'running') AND due <= ? ORDER BY due, entries.id LIMIT ?
"""
TAKE = """
UPDATE entries SET state = 'running', since = ?, due = ?, attempt = attempt + 1, fence = fence + 1 WHERE id = ?
"""
NEXT_DUE = "SELECT min(due) FROM entries WHERE handler = ? AND state IN ('ready', 'running') AND due > ?"
KEEP = "UPDATE entries SET due = ? WHERE id = ? AND fence = ? AND state = 'running'"
SETTLE = """
UPDATE entries SET state = ?, since = ?, due = ?, why = ? WHERE id = ? AND fence = ? AND state = 'running'
"""
RELEASE = """
UPDATE entries SET state = 'ready', since = :now, attempt = attempt - 1,
    due = min(:now, (SELECT recorded FROM events WHERE id = event))
WHERE id = :id AND fence = :fence AND state = 'running'
"""
FIND_RUNNING = "SELECT id, handler, key FROM entries WHERE handler IS NOT NULL AND state = 'running'"
ADOPT = "UPDATE entries SET state = 'ready', since = ?, due = ?, why = 'its daemon died' WHERE id = ?"
FIRST_BLOCKED = "SELECT min(id) FROM entries WHERE handler = ? AND key = ? AND state = 'blocked'"
FRONT = "SELECT id, state FROM entries WHERE handler = ? AND key = ? AND key <> '' AND state IN ('ready', 'running')"
SET_STATE = "UPDATE entries SET state = ? WHERE id = ?"
END_EVENT = """
UPDATE events SET ended = ? WHERE id = ? AND NOT EXISTS (
    SELECT 1 FROM entries WHERE event = events.id AND state NOT IN ('done', 'discarded')
)
"""

# sweep
SWEEP = """
DELETE FROM events WHERE id IN (
    SELECT id FROM events WHERE ended < ? AND (accepted IS NOT NULL OR sent < ?) ORDER BY ended LIMIT ?
)
"""
COUNT_OPEN = """
SELECT (SELECT count(*) FROM entries WHERE state IN ('ready', 'running'))
     + (SELECT count(*) FROM entries WHERE state = 'blocked')
"""

# tokens
DROP_BACK = "DELETE FROM tokens WHERE action = ? AND back <= ?"
COUNT_OUT = "SELECT count(*) FROM tokens WHERE action = ? AND back > ?"
ADD_OUT = "INSERT INTO tokens (action, taken, back) VALUES (?, ?, ?)"
NEXT_BACK = "SELECT back FROM tokens WHERE action = ? ORDER BY back LIMIT 1 OFFSET ?"
SET_BACK = """
INSERT INTO tokens (id, action, taken, back) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET back = excluded.back
"""
DROP_OUT = "DELETE FROM tokens WHERE id = ?"

# calls
FIND_CALL = "SELECT reply FROM calls WHERE entry = ? AND identity = ?"
ADD_CALL = """
INSERT INTO calls (entry, identity, action, request, made) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (entry, identity) DO NOTHING
"""
KEEP_REPLY = "UPDATE calls SET reply = ?, replied = ? WHERE entry = ? AND identity = ?"
DROP_CALL = "DELETE FROM calls WHERE entry = ? AND identity = ?"

# the desk
COUNT_EVENTS = "SELECT count(*) FROM events"
COUNT_UNCONFIRMED = "SELECT count(*) FROM events WHERE digest IS NOT NULL"
COUNT_ENTRIES = "SELECT count(*) FROM entries"
COUNT_STATE = """
SELECT state, count(*) FROM entries WHERE state IN ('ready', 'running') GROUP BY state
UNION ALL SELECT state, count(*) FROM entries WHERE state = 'blocked' GROUP BY state
UNION ALL SELECT state, count(*) FROM entries WHERE state IN ('dead', 'discarded') GROUP BY state
"""
ROWS = """
SELECT entries.id, entries.event AS event_id, type, entries.key, handler, state, attempt, due, since, why, recorded, (
    SELECT front.event FROM entries AS front WHERE front.handler = entries.handler AND front.key = entries.key
    AND front.key <> '' AND front.state IN ('ready', 'running')
) AS ahead
FROM entries JOIN events ON events.id = entries.event
"""
ROWS_WHERE = {"type": "type = ?", "key": "entries.key = ?", "handler": "handler = ?"}
ROWS_STATE = {state: f"state = '{state}' AND state = ?" for state in STATES} | {
    "open": "state IN ('blocked', 'ready', 'running') AND ? = 'open'"
}
SHOW_EVENT = """
SELECT id, type, key, recorded, sent, accepted, body FROM events JOIN bodies ON event = id WHERE id = ?
"""
SHOW_CALLS = """
SELECT entry, handler, identity, action, request, reply, made FROM calls JOIN entries ON entries.id = entry
WHERE event = ? ORDER BY calls.id
"""
FIND_DEAD = "SELECT handler, key FROM entries WHERE id = ? AND state = 'dead'"
REDRIVE = "UPDATE entries SET state = ?, since = ?, due = ?, attempt = 0 WHERE id = ?"
FIND_IDLE = """
SELECT event, handler, key FROM entries
WHERE id = ? AND (state IN ('blocked', 'ready', 'dead') OR state = 'running' AND due <= ?)
"""
DISCARD = "UPDATE entries SET state = 'discarded', since = ?, why = ? WHERE id = ?"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@asynccontextmanager
async def open_sqlite(
    where: str | Path, *, now: Callable[[], float] | None = None, sole: bool = True, machine: Machine | None = None
) -> AsyncGenerator["SqliteStore"]:
    """The journal in this file, made when there is none, for as long as the block lasts.

    where: a path, ":memory:", or a URL: `sqlite:///relative.db`, `sqlite:////absolute.db`.
    now: replaces the store's clock. sole: False lets other processes open the same file beside this one.
    Raises a `JournalError` that says what to do.
    """
    file = File(path_of(where), now=now, sole=sole, machine=machine or here())
    thread = Thread(file)
    began = perf_counter()
    try:
        found, made = await thread.open()
        if found not in (0, made):
            log.info("journal.migrated", journal=file.path, version=made, took=round(perf_counter() - began, 3))
        yield SqliteStore(thread, name=file.path, sole=sole)
    finally:
        await thread.close()


def path_of(where: str | Path) -> str:
    """The file that a `journal.url` means."""
    place = str(where)
    if not place.startswith("sqlite:"):
        return place
    path = place.removeprefix(SCHEME)
    if path == place or not path:
        raise ConfigError([f"journal.url {place} names no file; write {SCHEME}relative.db or {SCHEME}/absolute.db"])
    return path


class SqliteStore:
    """A `Store` in one SQLite file; `open_sqlite` makes it."""

    def __init__(self, thread: Thread, *, name: str, sole: bool) -> None:
        self._thread = thread
        self._ask = thread.ask
        self._name = name
        self._sole = sole

    def __repr__(self) -> str:
        return f"<SqliteStore {self._name}{'' if self._sole else ', shared'}>"

    async def close(self) -> None:
        """See `Store`; leaving the block of `open_sqlite` does the same."""
        await self._thread.close()

    async def record(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """See `Journal`."""
        return await self._ask(lambda db, now: [_record(db, now, arrival) for arrival in arrivals])

    async def mark(self, events: Sequence[int], *, accepted: bool) -> None:
        """See `Journal`."""
        statement = MARK_ACCEPTED if accepted else MARK_SENT
        await self._ask(lambda db, now: _write(db, statement, *((now, event) for event in events)))

    async def claim(self, free: Mapping[str, int], *, lease: float) -> Claim:
        """See `Journal`. Cancelled, it releases what it took."""
        wanted = [(handler, most) for handler, most in free.items() if most > 0]
        return await self._ask(
            lambda db, now: _claim(db, now, wanted, lease), undo=lambda claim: _releasing(claim.entries)
        )

    async def keep(self, entries: Sequence[Entry], *, lease: float) -> list[Entry]:
        """See `Journal`."""

        def work(db: Connection, now: float) -> list[Entry]:
            return [entry for entry in entries if not db.execute(KEEP, (now + lease, entry.id, entry.fence)).rowcount]

        return await self._ask(work)

    async def settle(self, entry: Entry, ending: Ending) -> bool:
        """See `Journal`."""
        return await self._ask(lambda db, now: _settle(db, now, entry, ending))

    async def release(self, entries: Sequence[Entry]) -> None:
        """See `Journal`."""
        await self._ask(_releasing(entries))

    async def sweep(self, *, keep: float) -> int:
        """See `Journal`. Each step is a transaction of its own, and other works get their turn in between."""
        began = perf_counter()
        events = 0
        while step := await self._ask(_sweeping(keep)):
            events += step
        open_entries = await self._ask(_count_open)
        if events:
            log.info("journal.swept", events=events, open=open_entries, took=round(perf_counter() - began, 3))
        return open_entries

    async def take(self, action: str, *, limit: int, hold: float) -> Token | float:
        """See `Tokens`. Cancelled, it puts the token back."""
        return await self._ask(
            lambda db, now: _take(db, now, action, limit, hold), undo=lambda token: _giving(token, rest=0.0)
        )

    async def give(self, token: Token, *, rest: float) -> None:
        """See `Tokens`."""
        await self._ask(_giving(token, rest=rest))

    async def free(self, limits: Mapping[str, int]) -> dict[str, int]:
        """See `Tokens`."""

        def work(db: Connection, now: float) -> dict[str, int]:
            return {action: max(0, limit - _number(db, COUNT_OUT, action, now)) for action, limit in limits.items()}

        return await self._ask(work)

    async def find(self, entry: Entry, *, identity: str) -> Recorded | None:
        """See `Calls`."""
        row = await self._ask(lambda db, _: db.execute(FIND_CALL, (entry.id, _text(identity))).fetchone())
        return Recorded(reply=row[0]) if row else None

    async def intend(self, entry: Entry, *, action: str, identity: str, request: bytes) -> None:
        """See `Calls`."""
        call = (entry.id, _text(identity), action, request)
        await self._ask(lambda db, now: _write(db, ADD_CALL, (*call, now)))

    async def replied(self, entry: Entry, *, identity: str, reply: bytes) -> None:
        """See `Calls`."""
        await self._ask(lambda db, now: _write(db, KEEP_REPLY, (reply, now, entry.id, _text(identity))))

    async def withdraw(self, entry: Entry, *, identity: str) -> None:
        """See `Calls`."""
        await self._ask(lambda db, _: _write(db, DROP_CALL, (entry.id, _text(identity))))

    async def adopt(self) -> int:
        """See `Store`. Of a shared file nothing is adopted: nobody can tell who is dead before the leases do."""
        return await self._ask(_adopt) if self._sole else 0

    async def counts(self) -> dict[str, int]:
        """See `Desk`."""
        return await self._ask(_counts)

    async def list(self, which: Filter) -> list[dict[str, Any]]:
        """See `Desk`."""
        return await self._ask(lambda db, now: _list(db, now, which))

    async def show(self, event_id: int) -> dict[str, Any] | None:
        """See `Desk`."""
        return await self._ask(lambda db, now: _show(db, now, event_id))

    async def redrive(self, entry_ids: Sequence[int]) -> int:
        """See `Desk`."""
        return await self._ask(lambda db, now: sum(_redrive(db, now, entry) for entry in entry_ids))

    async def discard(self, entry_ids: Sequence[int], *, why: str) -> int:
        """See `Desk`."""
        return await self._ask(lambda db, now: sum(_discard(db, now, entry, _text(why)) for entry in entry_ids))


def _record(db: Connection, now: float, arrival: Arrival) -> Receipt:
    digest = blake2b(arrival.body, digest_size=16).digest()
    for original, body in db.execute(FIND_COPY, (digest, now - COPY_SPAN)):
        if body == arrival.body:
            return Receipt(original, copy=True)
    key = _text(arrival.key)
    ended = None if arrival.handlers else now
    event = db.execute(ADD_EVENT, (_text(arrival.type), key, now, digest, ended)).lastrowid
    assert event is not None  # noqa: S101  # a row was inserted
    db.execute(ADD_BODY, (event, arrival.body))
    db.executemany(
        ADD_ENTRY, [{"event": event, "handler": handler, "key": key, "now": now} for handler in arrival.handlers]
    )
    return Receipt(event, copy=False)


def _claim(db: Connection, now: float, wanted: Iterable[tuple[str, int]], lease: float) -> Claim:
    entries: list[Entry] = []
    waits: list[float] = []
    for handler, most in wanted:
        taken = [Entry(*row) for row in db.execute(FIND_DUE, (now, handler, now, most))]
        db.executemany(TAKE, [(now, now + lease, entry.id) for entry in taken])
        entries += taken
        due = db.execute(NEXT_DUE, (handler, now)).fetchone()[0]
        if due is not None:
            waits.append(due - now)
    return Claim(tuple(entries), max(SOON, min(waits)) if waits else None)


def _settle(db: Connection, now: float, entry: Entry, ending: Ending) -> bool:
    match ending:
        case Finished():
            state, due, why = "done", now, ""
        case Again(after, why):
            state, due = "ready", now + after
        case Dead(why):
            state, due = "dead", now
    if not db.execute(SETTLE, (state, now, due, _text(why), entry.id, entry.fence)).rowcount:
        return False
    _move_up(db, entry.handler, entry.key)
    if state == "done":
        db.execute(END_EVENT, (now, entry.event_id))
    return True


def _releasing(entries: Iterable[Entry]) -> Work[None]:
    def work(db: Connection, now: float) -> None:
        for entry in entries:
            if db.execute(RELEASE, {"now": now, "id": entry.id, "fence": entry.fence}).rowcount:
                _move_up(db, entry.handler, entry.key)

    return work


def _move_up(db: Connection, handler: str, key: str) -> None:
    """Let the first unfinished entry of a key be the one that may run, unless one is running."""
    first = _number(db, FIRST_BLOCKED, handler, key) if key else None
    if first is None:
        return
    front = db.execute(FRONT, (handler, key)).fetchone()
    if front is not None:
        entry, state = front
        if state == "running" or entry < first:
            return
        db.execute(SET_STATE, ("blocked", entry))  # a dead entry before it was redriven
    db.execute(SET_STATE, ("ready", first))


def _sweeping(keep: float) -> Work[int]:
    return lambda db, now: db.execute(SWEEP, (now - keep, now - COPY_SPAN, SWEEP_STEP)).rowcount


def _count_open(db: Connection, _now: float) -> int:
    count: int = _number(db, COUNT_OPEN)
    return count


def _take(db: Connection, now: float, action: str, limit: int, hold: float) -> Token | float:
    db.execute(DROP_BACK, (action, now))
    out = _number(db, COUNT_OUT, action, now)
    if out >= limit:
        back: float = _number(db, NEXT_BACK, action, out - limit)  # several must come back where a limit was lowered
        return max(SOON, back - now)
    token = db.execute(ADD_OUT, (action, now, now + hold)).lastrowid
    assert token is not None  # noqa: S101  # a row was inserted
    return Token(token, action)


def _giving(token: Token | float, *, rest: float) -> Work[None]:
    """Give a token back. One whose hold has passed meanwhile is out again: its call ended only now."""

    def work(db: Connection, now: float) -> None:
        if isinstance(token, Token):
            if rest > 0:
                db.execute(SET_BACK, (token.id, token.action, now, now + rest))
            else:
                db.execute(DROP_OUT, (token.id,))

    return work


def _adopt(db: Connection, now: float) -> int:
    running = db.execute(FIND_RUNNING).fetchall()
    for entry, handler, key in running:
        db.execute(ADOPT, (now, now, entry))
        _move_up(db, handler, key)
    return len(running)


def _counts(db: Connection, _now: float) -> dict[str, int]:
    states = dict.fromkeys(STATES, 0) | dict(db.execute(COUNT_STATE).fetchall())
    states["done"] = _number(db, COUNT_ENTRIES) - sum(states.values())
    return {"events": _number(db, COUNT_EVENTS), "unconfirmed": _number(db, COUNT_UNCONFIRMED), **states}


def _list(db: Connection, now: float, which: Filter) -> list[dict[str, Any]]:
    wanted: dict[str, object] = {"type": which.type, "key": which.key, "handler": which.handler}
    terms = {ROWS_WHERE[column]: _text(str(value)) for column, value in wanted.items() if value is not None}
    if which.state is not None:
        terms[ROWS_STATE.get(which.state, "NULL IS ?")] = which.state
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    rows = db.execute(f"{ROWS}{where} ORDER BY entries.id DESC LIMIT ?", (*terms.values(), which.limit))
    return [desk.Row(*row).told(now) for row in rows]


def _show(db: Connection, now: float, event_id: int) -> dict[str, Any] | None:
    row = db.execute(SHOW_EVENT, (event_id,)).fetchone()
    if row is None:
        return None
    event, kind, key, recorded, sent, accepted, body = row
    return {
        "id": event,
        "type": kind,
        "key": key,
        "age": round(now - recorded, 3),
        "confirmation": desk.confirmation(sent, accepted, now=now),
        "body": desk.readable(body),
        "entries": [
            desk.Row(*row).told(now)
            for row in db.execute(f"{ROWS} WHERE entries.event = ? ORDER BY entries.id", (event,))
        ],
        "calls": [
            {
                "entry_id": entry,
                "handler": handler,
                "identity": identity,
                "action": action,
                "request": desk.readable(request),
                "reply": desk.readable(reply),
                "state": "in doubt" if reply is None else "replied",
                "age": round(now - made, 3),
            }
            for entry, handler, identity, action, request, reply, made in db.execute(SHOW_CALLS, (event,))
        ],
    }


def _redrive(db: Connection, now: float, entry: int) -> bool:
    found = db.execute(FIND_DEAD, (entry,)).fetchone()
    if found is None:
        return False
    handler, key = found
    db.execute(REDRIVE, ("blocked" if key else "ready", now, now, entry))
    _move_up(db, handler, key)
    return True


def _discard(db: Connection, now: float, entry: int, why: str) -> bool:
    found = db.execute(FIND_IDLE, (entry, now)).fetchone()
    if found is None:
        return False
    event, handler, key = found
    db.execute(DISCARD, (now, why, entry))
    _move_up(db, handler, key)
    db.execute(END_EVENT, (now, event))
    return True


def _write(db: Connection, statement: str, *rows: Sequence[Any]) -> None:
    """No cursor may leave its thread: letting go of one elsewhere would reset a statement that is in use."""
    db.executemany(statement, rows)


def _number(db: Connection, query: str, *values: object) -> Any:
    return db.execute(query, values).fetchone()[0]


def _text(text: str) -> str:
    """Text that SQLite can hold: JSON may carry half of a surrogate pair, and so may the name of a file."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
