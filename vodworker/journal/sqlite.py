"""The journal in one SQLite file: the whole port, for one machine. PostgreSQL is its twin for several.

How the tables keep every verb cheap is told in `schema.py`; how verbs share a commit, in `thread.py`.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from sqlite3 import Connection
from time import perf_counter
from typing import Any, cast

import structlog

from vodworker.errors import ConfigError
from vodworker.journal import sqlite_desk as reading
from vodworker.journal import tasks
from vodworker.journal.clock import Machine, here
from vodworker.journal.file import File, Work
from vodworker.journal.port import (
    COPY_SPAN,
    KEPT_ATTEMPTS,
    PLACES,
    Arrival,
    Claim,
    Entry,
    Filter,
    Mark,
    Origin,
    Out,
    Receipt,
    Recorded,
    Standing,
    Token,
)
from vodworker.journal.schema import writable
from vodworker.journal.thread import Thread
from vodworker.outcome import Again, Dead, Ending, Finished

SCHEME = "sqlite:///"
ADD_STEP = 16  # rows inserted by one statement: as many events as a poll brings
SWEEP_STEP = 1000  # events forgotten in one transaction: some 20 ms, so that nobody waits long behind it
SOON = 0.001  # seconds: the least wait that is told, because a timer may fire early by about as much


# record, mark
LAST_EVENT = "SELECT last FROM journal"
FIND_COPIES = (
    "SELECT id, body FROM waiting JOIN events ON id = event WHERE (sent IS NULL OR sent >= ?) AND digest IN (?)"
)
FIND_TURNS = "SELECT turn FROM entries WHERE handler = ? AND turn IN (?)"
FIND_TURN = "SELECT id, state FROM entries WHERE handler = ? AND turn = ?"
ADD_EVENT = "INSERT INTO events (id, recorded, type, key, body) VALUES (?, ?, ?, ?, ?)"
ADD_WAITING = "INSERT INTO waiting (event, digest) VALUES (?, ?)"
ADD_ENTRY = "INSERT INTO entries (id, handler, key, turn, state, since, due) VALUES (?, ?, ?, ?, ?, ?, ?)"
COUNT_UP = "UPDATE journal SET last = ?, events = events + ?, entries = entries + ?"
MARK_SENT = "UPDATE waiting SET before = sent, sent = ? WHERE event IN (?)"
MARK_VOID = "UPDATE waiting SET sent = before WHERE event IN (?)"
MARK_ACCEPTED = "DELETE FROM waiting WHERE event IN (?)"
MARKS: Mapping[Mark, str] = {"sent": MARK_SENT, "void": MARK_VOID, "accepted": MARK_ACCEPTED}

# claim, keep, settle, release, adopt
FIND_DUE, FIND_EXPIRED = (
    f"""
    SELECT entries.id, events.id, handler, entries.key, body, attempt + 1, fence + 1, ? - recorded,
        lost + (state = 'running'), outages
    FROM entries CROSS JOIN events ON events.id = entries.id / {PLACES}
    WHERE state = '{state}' AND handler = ? AND due <= ? ORDER BY due, entries.id LIMIT ?
    """
    for state in ("ready", "running")
)
CLAIM = """
UPDATE entries SET state = 'running', since = ?, due = ?, attempt = attempt + 1, fence = fence + 1,
    lost = lost + (state = 'running')
WHERE id = ?
"""
NEXT_DUE = """
SELECT min(due) FROM (
    SELECT min(due) AS due FROM entries WHERE state = 'ready' AND handler = :handler AND due > :now
    UNION ALL SELECT min(due) FROM entries WHERE state = 'running' AND handler = :handler AND due > :now
)
"""
KEEP = "UPDATE entries SET due = ? WHERE id = ? AND fence = ? AND state = 'running'"
END = """
UPDATE entries SET state = ?, turn = NULL, since = ?, why = ? WHERE id = ? AND fence = ? AND state = 'running'
"""
AGAIN = """
UPDATE entries SET state = 'ready', since = ?, due = ?, why = ?, outages = outages + ?
WHERE id = ? AND fence = ? AND state = 'running'
"""
RELEASE = f"""
UPDATE entries SET state = 'ready', since = :now, attempt = attempt - 1,
    due = min(:now, (SELECT recorded FROM events WHERE id = entries.id / {PLACES}))
WHERE id = :id AND fence = :fence AND state = 'running'
"""
FIND_RUNNING = "SELECT id, handler, key, attempt, fence FROM entries WHERE state = 'running'"
ADOPT = "UPDATE entries SET state = 'ready', since = ?, due = ?, why = 'its daemon died', lost = lost + 1 WHERE id = ?"
ANY_BLOCKED = "SELECT 1 FROM entries WHERE state = 'blocked' LIMIT 1"
FIRST_BLOCKED = "SELECT min(id) FROM entries WHERE handler = ? AND key = ? AND state = 'blocked'"
BLOCK = "UPDATE entries SET state = 'blocked', turn = NULL WHERE id = ?"
UNBLOCK = "UPDATE entries SET state = 'ready', turn = key WHERE id = ?"

FIND_PAUSED = "SELECT handler FROM paused"
ADD_ATTEMPT = """
INSERT INTO attempts (entry, fence, attempt, ended, how, why) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
DROP_OLD_ATTEMPTS = "DELETE FROM attempts WHERE entry = ? AND fence <= ?"

# sweep
FIND_OLD = f"""
SELECT id, recorded, CASE WHEN recorded < :horizon THEN NOT EXISTS (
    SELECT 1 FROM entries WHERE entries.id BETWEEN events.id * {PLACES} AND events.id * {PLACES} + {PLACES - 1}
    AND (state NOT IN ('done', 'discarded') OR since >= :horizon)
) AND NOT EXISTS (
    SELECT 1 FROM waiting WHERE event = events.id AND (sent IS NULL OR sent >= :span)
) END
FROM events WHERE id > :after ORDER BY id LIMIT :most
"""
DROP_EVENT = "DELETE FROM events WHERE id = ?"
DROP_ENTRIES = "DELETE FROM entries WHERE id BETWEEN ? AND ?"
DROP_CALLS, DROP_ATTEMPTS, DROP_WAITS = (
    f"DELETE FROM {table} WHERE entry BETWEEN ? AND ?" for table in ("calls", "attempts", "waits")
)
COUNT_DOWN = "UPDATE journal SET events = events - ?, entries = entries - ?"
COUNT_OPEN = """
SELECT (SELECT count(*) FROM entries WHERE state = 'ready' OR state = 'running')
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
FIND_CALL = "SELECT action, reply, ? - made, ? - sent FROM calls WHERE entry = ? AND identity = ?"
IS_HELD = "SELECT 1 FROM entries WHERE id = ? AND fence = ? AND state = 'running'"
ADD_CALL = """
INSERT INTO calls (entry, identity, action, request, made, sent) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (entry, identity) DO UPDATE SET sent = excluded.sent WHERE reply IS NULL
"""
KEEP_REPLY = "UPDATE calls SET reply = ?, task = ?, replied = ? WHERE entry = ? AND identity = ?"
KEEP_FOUND = f"{KEEP_REPLY} AND reply IS NULL AND NOT EXISTS (SELECT 1 FROM calls WHERE task = ?)"
DROP_CALL = "DELETE FROM calls WHERE entry = ? AND identity = ? AND reply IS NULL"
FIND_TASK = "SELECT 1 FROM calls WHERE task = ?"
COUNT_DOUBTFUL = """
SELECT count(*) FROM calls CROSS JOIN entries ON entries.id = entry
WHERE action = ? AND reply IS NULL AND state IN ('blocked', 'ready', 'running')
"""
TELL_DOUBTS = "UPDATE calls SET replied = ? WHERE entry = ? AND reply IS NULL"  # an operator learns that none came
DROP_TOLD = "DELETE FROM calls WHERE entry = ? AND reply IS NULL AND replied IS NOT NULL"

ADD_WAIT = "INSERT OR REPLACE INTO waits (entry, fence, action, since) VALUES (?, ?, ?, ?)"
DROP_WAIT = "DELETE FROM waits WHERE entry = ? AND fence = ?"

# redrive, discard
FIND_DEAD = "SELECT handler, key FROM entries WHERE id = ? AND state = 'dead'"
REDRIVE = "UPDATE entries SET state = ?, since = ?, due = ?, attempt = 0, lost = 0, outages = 0 WHERE id = ?"
FIND_IDLE = """
SELECT handler, key FROM entries
WHERE id = ? AND (state IN ('blocked', 'ready', 'dead') OR state = 'running' AND due <= ?)
"""
DISCARD = "UPDATE entries SET state = 'discarded', turn = NULL, since = ?, why = ? WHERE id = ?"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def open_sqlite(
    where: str | Path, *, now: Callable[[], float] | None = None, sole: bool = True, machine: Machine | None = None
) -> AbstractAsyncContextManager["SqliteStore"]:
    """The journal in this file, made when there is none, for as long as the `async with` lasts.

    where: a path, ":memory:", or a URL: `sqlite:///relative.db`, `sqlite:////absolute.db`.
    now: replaces the store's clock. sole: False lets other processes open the same file beside this one.
    Raises a `JournalError` that says what to do.
    """
    return opened(File(path_of(where), now=now, sole=sole, machine=machine or here()))


@asynccontextmanager
async def opened(file: File) -> AsyncGenerator["SqliteStore"]:
    """The store in this file."""
    began = perf_counter()
    thread = Thread(file)
    try:
        found, made = await thread.open()
        if found not in (0, made):
            log.info("journal.migrated", journal=file.path, version=made, took=round(perf_counter() - began, 3))
        yield SqliteStore(thread, name=file.path, sole=file.sole)
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

    def __init__(self, thread: Thread[Connection], *, name: str, sole: bool) -> None:
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
        return await self._ask(lambda db, now: _record(db, now, arrivals))

    async def mark(self, events: Sequence[int], how: Mark) -> None:
        """See `Journal`."""

        def work(db: Connection, now: float) -> None:
            db.execute(_several(MARKS[how], len(events)), [*[now] * (how == "sent"), *events])

        await self._ask(work)

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

    async def settle(self, ended: Sequence[tuple[Entry, Ending]]) -> list[bool]:
        """See `Journal`."""
        return await self._ask(lambda db, now: _settle(db, now, ended))

    async def release(self, entries: Sequence[Entry]) -> None:
        """See `Journal`."""
        await self._ask(_releasing(entries))

    async def sweep(self, *, keep: float) -> int:
        """See `Journal`. Each step is a transaction of its own, and other works get their turn in between."""
        began = perf_counter()
        events = 0
        last: int | None = 0
        while last is not None:
            forgotten, last = await self._ask(_sweeping(keep, after=last))
            events += forgotten
        await self._ask(tasks.forget_old)
        open_entries = await self._ask(_count_open)
        if events:
            log.info("journal.swept", events=events, open=open_entries, took=round(perf_counter() - began, 3))
        return open_entries

    async def take(self, action: str, *, limit: int, hold: float, most: int = 1) -> list[Token] | float:
        """See `Tokens`. Cancelled, it puts the tokens back."""
        return await self._ask(
            lambda db, now: _take(db, now, action, limit=limit, hold=hold, most=most), undo=_putting_back
        )

    async def give(self, rests: Mapping[Token, float]) -> None:
        """See `Tokens`."""
        await self._ask(_giving(rests))

    async def free(self, limits: Mapping[str, int]) -> dict[str, int]:
        """See `Tokens`."""

        def work(db: Connection, now: float) -> dict[str, int]:
            return {action: max(0, limit - _number(db, COUNT_OUT, (action, now))) for action, limit in limits.items()}

        return await self._ask(work)

    async def find(self, entry: Entry, *, identity: str) -> Recorded | None:
        """See `Calls`."""
        row = await self._ask(
            lambda db, now: db.execute(FIND_CALL, (now, now, entry.id, writable(identity))).fetchone()
        )
        return Recorded(*row) if row else None

    async def intend(self, entry: Entry, *, action: str, identity: str, request: bytes) -> bool:
        """See `Calls`."""

        def work(db: Connection, now: float) -> bool:
            held = _held(db, entry)
            if held:
                _write(db, ADD_CALL, (entry.id, writable(identity), action, request, now, now))
            return held

        return await self._ask(work)

    async def replied(
        self, entry: Entry, *, identity: str, reply: bytes, task: str = "", ends_in: str = "", found: bool = False
    ) -> bool:
        """See `Calls`."""

        def work(db: Connection, now: float) -> bool:
            row = (reply, writable(task) or None, now, entry.id, writable(identity))
            kept = db.execute(KEEP_FOUND, (*row, row[1])) if found else db.execute(KEEP_REPLY, row)
            if task and kept.rowcount:
                tasks.follow(db, now, writable(task), entry, ends_in)
            return kept.rowcount > 0

        return await self._ask(work)

    async def withdraw(self, entry: Entry, *, identity: str) -> None:
        """See `Calls`."""

        def work(db: Connection, _: float) -> None:
            if _held(db, entry):
                _write(db, DROP_CALL, (entry.id, writable(identity)))

        await self._ask(work)

    async def standing(self, action: str, tasks: Sequence[str]) -> Standing:
        """See `Calls`."""

        def work(db: Connection, _: float) -> Standing:
            claimed = frozenset(task for task in tasks if db.execute(FIND_TASK, (writable(task),)).fetchone())
            return Standing(claimed, _number(db, COUNT_DOUBTFUL, (action,)))

        return await self._ask(work)

    async def wait(self, entry: Entry, *, action: str | None) -> None:
        """See `Calls`."""
        row = (entry.id, entry.fence)
        await self._ask(
            lambda db, now: _write(db, ADD_WAIT, (*row, action, now)) if action else _write(db, DROP_WAIT, row)
        )

    async def overdue(self, *, first: float, limit: int) -> list[Out]:
        """See `Tasks`."""
        return await self._ask(lambda db, now: tasks.overdue(db, now, first, limit))

    async def unfollow(self, task: str) -> None:
        """See `Tasks`."""
        await self._ask(lambda db, _: tasks.unfollow(db, writable(task)))

    async def origin(self, task: str) -> Origin | None:
        """See `Tasks`."""
        return await self._ask(lambda db, _: tasks.origin(db, writable(task)))

    async def tasks(self) -> list[dict[str, Any]]:
        """See `Desk`."""
        return await self._ask(tasks.listed)

    async def pause(self, handler: str, *, why: str) -> None:
        """See `Pauses`."""
        await self._ask(lambda db, now: reading.pause(db, now, writable(handler), writable(why)))

    async def resume(self, handler: str) -> bool:
        """See `Pauses`."""
        return await self._ask(lambda db, _: reading.resume(db, writable(handler)))

    async def paused(self) -> list[dict[str, Any]]:
        """See `Pauses`."""
        return await self._ask(reading.paused)

    async def adopt(self) -> int:
        """See `Store`. Of a shared file nothing is adopted: nobody can tell who is dead before the leases do."""
        return await self._ask(_adopt) if self._sole else 0

    async def counts(self) -> dict[str, int]:
        """See `Desk`."""
        return await self._ask(reading.counts)

    async def oldest(self) -> float | None:
        """See `Desk`."""
        return await self._ask(reading.oldest)

    async def list(self, which: Filter) -> list[dict[str, Any]]:
        """See `Desk`."""
        return await self._ask(lambda db, now: reading.listed(db, now, which))

    async def show(self, event_id: int) -> dict[str, Any] | None:
        """See `Desk`."""
        return await self._ask(lambda db, now: reading.shown(db, now, event_id))

    async def redrive(self, entry_ids: Sequence[int]) -> int:
        """See `Desk`."""
        return await self._ask(lambda db, now: sum(_redrive(db, now, entry) for entry in entry_ids))

    async def discard(self, entry_ids: Sequence[int], *, why: str) -> int:
        """See `Desk`."""
        return await self._ask(lambda db, now: sum(_discard(db, now, entry, writable(why)) for entry in entry_ids))


def _record(db: Connection, now: float, arrivals: Sequence[Arrival]) -> list[Receipt]:
    last: int = _number(db, LAST_EVENT)
    digests = [int.from_bytes(blake2b(it.body, digest_size=8).digest(), signed=True) for it in arrivals]
    copies = db.execute(_several(FIND_COPIES, len(digests)), (now - COPY_SPAN, *digests))
    known: dict[bytes, int] = {body: event for event, body in sorted(copies)}  # the newest of several
    keys = [writable(arrival.key) for arrival in arrivals]
    turns = _several(FIND_TURNS, len(keys))
    hearing = {handler for arrival in arrivals for handler in arrival.handlers}
    busy = {(handler, key) for handler in hearing for (key,) in db.execute(turns, (handler, *keys))}
    receipts: list[Receipt] = []
    events: list[tuple[object, ...]] = []
    waiting: list[tuple[int, int]] = []
    entries: list[tuple[object, ...]] = []
    for arrival, key, digest in zip(arrivals, keys, digests, strict=True):
        end = tasks.end_of(db, writable(arrival.ends)) if arrival.ends else None
        if arrival.found and end and end[0] is not None:
            receipts.append(Receipt(end[0], copy=True))
            continue
        original = known.get(arrival.body)
        was_found = end is not None and end[1]  # its end was found before it came
        receipts.append(Receipt(original or last + 1, copy=original is not None or was_found))
        if original is not None:
            continue
        last += 1
        if end is not None:
            tasks.ended(db, writable(arrival.ends), last, found=arrival.found)
        known[arrival.body] = last
        events.append((last, now, writable(arrival.type), key, arrival.body))
        if not arrival.found:
            waiting.append((last, digest))
        for entry, handler in enumerate(() if was_found else arrival.handlers, start=last * PLACES):
            if (handler, key) in busy:
                entries.append((entry, handler, key, None, "blocked", now, now))
            else:
                entries.append((entry, handler, key, key or None, "ready", now, now))
            if key:
                busy.add((handler, key))
    _add(db, ADD_EVENT, events)
    _add(db, ADD_WAITING, waiting)
    _add(db, ADD_ENTRY, entries)
    db.execute(COUNT_UP, (last, len(events), len(entries)))
    return receipts


def _claim(db: Connection, now: float, wanted: Iterable[tuple[str, int]], lease: float) -> Claim:
    entries: list[Entry] = []
    waits: list[float] = []
    paused = {handler for (handler,) in db.execute(FIND_PAUSED)}
    for handler, most in wanted:
        if handler in paused:
            continue
        taken = [Entry(*row) for row in db.execute(FIND_EXPIRED, (now, handler, now, most))]
        for entry in taken:
            _note(db, now, (entry.id, entry.fence - 1, entry.attempt - 1), "lost")
        taken += [Entry(*row) for row in db.execute(FIND_DUE, (now, handler, now, most - len(taken)))]
        if taken:
            db.executemany(CLAIM, [(now, now + lease, entry.id) for entry in taken])
            entries += taken
        due = _number(db, NEXT_DUE, {"handler": handler, "now": now})
        if due is not None:
            waits.append(due - now)
    return Claim(tuple(entries), max(SOON, min(waits)) if waits else None)


def _settle(db: Connection, now: float, ended: Sequence[tuple[Entry, Ending]]) -> list[bool]:
    settled = [_end(db, now, entry, ending) for entry, ending in ended]
    if db.execute(ANY_BLOCKED).fetchone():
        for (entry, _), ours in zip(ended, settled, strict=True):
            if ours:
                _move_up(db, entry.handler, entry.key)
    return settled


def _end(db: Connection, now: float, entry: Entry, ending: Ending) -> bool:
    held = (entry.id, entry.fence)
    match ending:
        case Finished():
            return db.execute(END, ("done", now, "", *held)).rowcount > 0
        case Dead(why):
            how = "dead"
            done = db.execute(END, ("dead", now, writable(why), *held))
        case Again(after, why):
            how = "again"
            done = db.execute(AGAIN, (now, now + after, writable(why), ending.outage, *held))
    if not done.rowcount:
        return False
    _note(db, now, (*held, entry.attempt), how, why)
    if isinstance(ending, Dead) and ending.doubt:
        db.execute(TELL_DOUBTS, (now, entry.id))
    return True


def _note(db: Connection, now: float, attempt: tuple[int, int, int], how: str, why: str = "") -> None:
    """Keep how an attempt ended that did not end well; of an entry only the last ones are kept."""
    entry, fence, number = attempt
    db.execute(ADD_ATTEMPT, (entry, fence, number, now, how, writable(why)))
    db.execute(DROP_OLD_ATTEMPTS, (entry, fence - KEPT_ATTEMPTS))


def _releasing(entries: Iterable[Entry]) -> Work[None]:
    def work(db: Connection, now: float) -> None:
        for entry in entries:
            if db.execute(RELEASE, {"now": now, "id": entry.id, "fence": entry.fence}).rowcount:
                _move_up(db, entry.handler, entry.key)

    return work


def _move_up(db: Connection, handler: str, key: str) -> None:
    """Give the turn to the first unfinished entry of a key, unless one is running."""
    first = _number(db, FIRST_BLOCKED, (handler, key)) if key else None
    if first is None:
        return
    ahead = db.execute(FIND_TURN, (handler, key)).fetchone()
    if ahead is not None:
        entry, state = ahead
        if state == "running" or entry < first:
            return
        db.execute(BLOCK, (entry,))  # it came to its turn while the first one was dead
    db.execute(UNBLOCK, (first,))


def _sweeping(keep: float, *, after: int) -> Work[tuple[int, int | None]]:
    """Look at the next events after this one: how many were forgotten, and which was the last, None: no older ones."""

    def work(db: Connection, now: float) -> tuple[int, int | None]:
        horizon = now - keep
        last: int | None = None
        over: list[int] = []
        old = {"horizon": horizon, "span": now - COPY_SPAN, "after": after, "most": SWEEP_STEP}
        for event, recorded, forgettable in db.execute(FIND_OLD, old):
            if recorded >= horizon:
                last = None
                break
            last = event
            if forgettable:
                over.append(event)
        reach = [(event * PLACES, event * PLACES + PLACES - 1) for event in over]
        for statement in (DROP_CALLS, DROP_ATTEMPTS, DROP_WAITS):
            db.executemany(statement, reach)
        entries = db.executemany(DROP_ENTRIES, reach).rowcount
        db.executemany(MARK_ACCEPTED, [(event,) for event in over])
        db.executemany(DROP_EVENT, [(event,) for event in over])
        db.execute(COUNT_DOWN, (len(over), max(0, entries)))
        return len(over), last

    return work


def _count_open(db: Connection, _now: float) -> int:
    count: int = _number(db, COUNT_OPEN)
    return count


def _take(db: Connection, now: float, action: str, *, limit: int, hold: float, most: int) -> list[Token] | float:
    _write(db, DROP_BACK, (action, now))
    out = _number(db, COUNT_OUT, (action, now))
    if out >= limit:
        back: float = _number(db, NEXT_BACK, (action, out - limit))  # several must come back where a limit was lowered
        return max(SOON, back - now)
    added = [db.execute(ADD_OUT, (action, now, now + hold)).lastrowid for _ in range(min(most, limit - out))]
    return [Token(cast("int", token), action) for token in added]  # the numbers of the rows just made


def _giving(rests: Mapping[Token, float]) -> Work[None]:
    """Give tokens back. One whose hold has passed meanwhile is out again: its call ended only now."""

    def work(db: Connection, now: float) -> None:
        db.executemany(DROP_OUT, [(token.id,) for token, rest in rests.items() if rest <= 0])
        used = [(token.id, token.action, now, now + rest) for token, rest in rests.items() if rest > 0]
        db.executemany(SET_BACK, used)

    return work


def _putting_back(answer: list[Token] | float) -> Work[None]:
    return _giving(dict.fromkeys(answer, 0.0) if isinstance(answer, list) else {})


def _held(db: Connection, entry: Entry) -> bool:
    return db.execute(IS_HELD, (entry.id, entry.fence)).fetchone() is not None


def _adopt(db: Connection, now: float) -> int:
    running = db.execute(FIND_RUNNING).fetchall()
    for entry, handler, key, attempt, fence in running:
        db.execute(ADOPT, (now, now, entry))
        _note(db, now, (entry, fence, attempt), "lost")
        _move_up(db, handler, key)
    return len(running)


def _redrive(db: Connection, now: float, entry: int) -> bool:
    found = db.execute(FIND_DEAD, (entry,)).fetchone()
    if found is None:
        return False
    handler, key = found
    db.execute(REDRIVE, ("blocked" if key else "ready", now, now, entry))
    db.execute(DROP_TOLD, (entry,))
    _move_up(db, handler, key)
    return True


def _discard(db: Connection, now: float, entry: int, why: str) -> bool:
    found = db.execute(FIND_IDLE, (entry, now)).fetchone()
    if found is None:
        return False
    handler, key = found
    db.execute(DISCARD, (now, why, entry))
    _move_up(db, handler, key)
    return True


def _add(db: Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    for first in range(0, len(rows), ADD_STEP):
        some = rows[first : first + ADD_STEP]
        db.execute(_several(statement, len(some)), [*chain.from_iterable(some)])


@lru_cache
def _several(statement: str, number: int) -> str:
    """The statement for so many values in the list, or so many rows, that it ends with.

    What is found or written by one for sixteen costs a third, or three quarters, of sixteen.
    """
    start, _, last = statement.rpartition("(")
    if start.endswith("VALUES "):
        return f"{start}{', '.join([f'({last}'] * number)}"
    return f"{start}({', '.join('?' * number)})"


def _write(db: Connection, statement: str, *rows: Sequence[Any] | Mapping[str, Any]) -> None:
    """No cursor may leave its thread: letting go of one elsewhere would reset a statement that is in use."""
    db.executemany(statement, rows)


def _number(db: Connection, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> Any:
    return db.execute(query, values).fetchone()[0]
