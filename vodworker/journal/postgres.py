"""The journal in a PostgreSQL database: the whole port, for replicas on several machines. SQLite is its twin for one.

How the tables keep replicas out of each other's way is told in `tables.py`; how verbs share a commit, in `thread.py`;
what happens while the database is away, in `server.py`.
"""

import random as chance
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

import structlog

from vodworker.journal import postgres_desk as reading
from vodworker.journal import postgres_tasks as tasks
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
from vodworker.journal.server import Address, Server
from vodworker.journal.session import Locked, Session, Work, columns
from vodworker.journal.tables import digest, lane_of, lock_of, locks_of, writable
from vodworker.journal.thread import Thread
from vodworker.outcome import Again, Dead, Ending, Finished

SWEEP_STEP = 1000  # events forgotten in one transaction: some 20 ms, so that nobody waits long behind it
SOON = 0.001  # seconds: the least wait that is told, because a timer may fire early by about as much
LOOK = 1.0  # seconds, half as long or half as long again: when to ask anew, because other replicas change things too


# record, mark
KNOWN = """
SELECT 'copy', id, body FROM waiting JOIN events ON id = event
WHERE digest = ANY (%s) AND (sent IS NULL OR sent >= %s)
UNION ALL SELECT 'busy', lane, NULL FROM entries WHERE lane = ANY (%s) AND state IN ('ready', 'running')
UNION ALL SELECT 'number', nextval('event_numbers'), NULL FROM generate_series(1, %s)
"""
ADD = """
WITH asked AS (SELECT %s::float8 AS now),
added AS (
    INSERT INTO events (id, recorded, type, key, body) SELECT id, now, type, key, body
    FROM asked, unnest(%s::bigint[], %s::text[], %s::text[], %s::bytea[]) AS new (id, type, key, body)
),
awaited AS (INSERT INTO waiting (event, digest) SELECT * FROM unnest(%s::bigint[], %s::bigint[])),
counted AS (INSERT INTO tally (events, entries) VALUES (%s, %s))
INSERT INTO entries (id, handler, key, lane, state, since, due) SELECT id, handler, key, lane, state, now, now
FROM asked,
    unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::text[]) AS new (id, handler, key, lane, state)
"""
MARK_SENT = "UPDATE waiting SET before = sent, sent = %s WHERE event = ANY (%s)"
MARK_VOID = "UPDATE waiting SET sent = before WHERE event = ANY (%s)"
MARK_ACCEPTED = "DELETE FROM waiting WHERE event = ANY (%s)"

# claim, keep, settle, release
# How many rows a LIMIT brings that is not a constant, PostgreSQL guesses from the table: a tenth of all that is due. It
# would then rather read all entries and events than look up sixteen. Of an array it expects ten, whatever there is.
DUE = """
SELECT id, due, fence, attempt FROM entries
WHERE state = '{state}' AND entries.handler = room.handler AND due <= (SELECT now FROM asked)
ORDER BY due, id LIMIT {most} FOR UPDATE SKIP LOCKED
"""
CLAIM = f"""
WITH asked AS (SELECT %s::float8 AS now, %s::float8 AS lease),
room AS (
    SELECT * FROM unnest(%s::text[], %s::bigint[]) AS room (handler, most)
    WHERE handler NOT IN (SELECT handler FROM paused)
),
lost AS MATERIALIZED (
    SELECT handler, true AS lost, found.* FROM room, LATERAL ({DUE.format(state="running", most="room.most")}) AS found
),
fresh AS MATERIALIZED (
    SELECT handler, false AS lost, found.* FROM room, LATERAL (
        {DUE.format(state="ready", most="room.most - (SELECT count(*) FROM lost WHERE lost.handler = room.handler)")}
    ) AS found
),
taken AS (SELECT * FROM lost UNION ALL SELECT * FROM fresh),
noted AS (
    INSERT INTO attempts (entry, fence, attempt, ended, how) SELECT id, fence, attempt, now, 'lost' FROM lost, asked
    ON CONFLICT DO NOTHING
),
claimed AS (
    UPDATE entries SET state = 'running', since = now, due = now + lease, attempt = entries.attempt + 1,
        fence = entries.fence + 1, lost = entries.lost + taken.lost::integer
    FROM taken JOIN events ON events.id = taken.id / {PLACES}, asked
    WHERE entries.id = taken.id AND entries.id = ANY (ARRAY (SELECT id FROM taken))
    AND events.id = ANY (ARRAY (SELECT id / {PLACES} FROM taken))
    RETURNING taken.lost, taken.due,
        entries.id, events.id AS event, entries.handler, entries.key, body, entries.attempt, entries.fence,
        now - recorded AS age, entries.lost AS losses, entries.outages
),
later AS (
    SELECT min(next.due) AS due FROM room, asked, LATERAL (
        SELECT min(due) AS due FROM entries WHERE state = 'ready' AND entries.handler = room.handler AND due > now
        UNION ALL
        SELECT min(due) FROM entries WHERE state = 'running' AND entries.handler = room.handler AND due > now
    ) AS next
)
SELECT later.due, claimed.* FROM later LEFT JOIN claimed ON true
"""
DROP_OLD_LOSSES = f"""
DELETE FROM attempts USING unnest(%s::bigint[], %s::bigint[]) AS mine (id, fence)
WHERE entry = mine.id AND attempts.fence < mine.fence - {KEPT_ATTEMPTS}
"""
KEEP = """
UPDATE entries SET due = %s FROM unnest(%s::bigint[], %s::bigint[]) AS mine (id, fence)
WHERE entries.id = mine.id AND entries.fence = mine.fence AND state = 'running' RETURNING entries.id, entries.fence
"""
SETTLE = f"""
WITH asked AS (SELECT %s::float8 AS now),
ended AS (
    SELECT * FROM unnest(
        %s::bigint[], %s::bigint[], %s::text[], %s::float8[], %s::text[], %s::text[], %s::integer[]
    ) AS ended (id, fence, state, after, why, how, outage)
),
settled AS (
    UPDATE entries SET state = ended.state, since = now, due = now + after, why = ended.why,
        outages = outages + outage
    FROM asked, ended
    WHERE entries.id = ended.id AND entries.fence = ended.fence AND entries.state = 'running'
    RETURNING entries.id, entries.fence, attempt, now, how, ended.why, lane
),
noted AS (
    INSERT INTO attempts (entry, fence, attempt, ended, how, why)
    SELECT id, fence, attempt, now, how, why FROM settled WHERE how <> ''
    ON CONFLICT DO NOTHING
),
bounded AS (
    DELETE FROM attempts USING settled
    WHERE settled.how <> '' AND attempts.entry = settled.id AND attempts.fence <= settled.fence - {KEPT_ATTEMPTS}
)
SELECT id, fence, CASE WHEN EXISTS (
    SELECT FROM entries WHERE entries.lane = settled.lane AND state = 'blocked'
) THEN lane END FROM settled
"""
RELEASE = f"""
UPDATE entries SET state = 'ready', since = now, attempt = attempt - 1, due = least(now, recorded)
FROM (SELECT %s::float8 AS now) AS asked, unnest(%s::bigint[], %s::bigint[]) AS mine (id, fence)
JOIN events ON events.id = mine.id / {PLACES}
WHERE entries.id = mine.id AND entries.fence = mine.fence AND state = 'running'
"""
FIRST_BLOCKED = """
unnest(%s::bigint[]) AS moving (lane), LATERAL (
    SELECT id FROM entries WHERE entries.lane = moving.lane AND state = 'blocked' ORDER BY id LIMIT 1
) AS first
"""
STEP_BACK = f"""
UPDATE entries SET state = 'blocked' FROM {FIRST_BLOCKED}
WHERE entries.lane = moving.lane AND state = 'ready' AND entries.id > first.id
"""
STEP_UP = f"""
UPDATE entries SET state = 'ready' FROM {FIRST_BLOCKED}
WHERE entries.id = first.id
AND NOT EXISTS (SELECT FROM entries WHERE entries.lane = moving.lane AND state IN ('ready', 'running'))
"""

# sweep
FIND_OLD = f"""
SELECT id, recorded, CASE WHEN recorded < horizon THEN NOT EXISTS (
    SELECT FROM entries WHERE entries.id BETWEEN events.id * {PLACES} AND events.id * {PLACES} + {PLACES - 1}
    AND (state NOT IN ('done', 'discarded') OR since >= horizon)
) AND NOT EXISTS (
    SELECT FROM waiting WHERE event = events.id AND (sent IS NULL OR sent >= span)
) END
FROM events, (SELECT %s::float8 AS horizon, %s::float8 AS span) AS asked WHERE id > %s ORDER BY id LIMIT {SWEEP_STEP}
"""
DROP_EVENTS = "DELETE FROM events WHERE id = ANY (%s)"
DROP_ENTRIES, DROP_CALLS, DROP_ATTEMPTS, DROP_WAITS = (
    f"""
    DELETE FROM {table} USING unnest(%s::bigint[]) AS over (event)
    WHERE {table}.{entry} BETWEEN over.event * {PLACES} AND over.event * {PLACES} + {PLACES - 1}
    """
    for table, entry in (("entries", "id"), ("calls", "entry"), ("attempts", "entry"), ("waits", "entry"))
)
SUM_UP = """
WITH told AS (DELETE FROM tally RETURNING events, entries)
INSERT INTO tally (events, entries) SELECT coalesce(sum(events), 0) - %s, coalesce(sum(entries), 0) - %s FROM told
"""
COUNT_OPEN = """
SELECT (SELECT count(*) FROM entries WHERE state IN ('ready', 'running'))
     + (SELECT count(*) FROM entries WHERE state = 'blocked')
"""

# tokens
TAKE = """
WITH asked AS (SELECT %s::float8 AS now, %s::text AS action, %s::bigint AS ceiling, %s::float8 AS hold),
back AS (DELETE FROM tokens USING asked WHERE tokens.action = asked.action AND back <= now),
spent AS (SELECT count(*) AS count FROM tokens, asked WHERE tokens.action = asked.action AND back > now)
INSERT INTO tokens (action, taken, back) SELECT action, now, now + hold
FROM asked, spent, generate_series(1, least(%s, ceiling - spent.count)) RETURNING id
"""
NEXT_BACK = "SELECT back FROM tokens WHERE action = %s AND back > %s ORDER BY back DESC LIMIT 1 OFFSET %s"
COUNT_OUT = "SELECT count(*) FROM tokens WHERE action = %s AND back > %s"
SET_BACK = """
INSERT INTO tokens (id, action, taken, back) SELECT id, action, now, now + rest
FROM (SELECT %s::float8 AS now) AS asked, unnest(%s::bigint[], %s::text[], %s::float8[]) AS used (id, action, rest)
ON CONFLICT (id) DO UPDATE SET back = excluded.back
"""
DROP_OUT = "DELETE FROM tokens WHERE id = ANY (%s)"

# calls
FIND_CALL = "SELECT action, reply, %s - made, %s - sent FROM calls WHERE entry = %s AND digest = %s"
IS_HELD = (
    "SELECT id FROM entries WHERE id = %s AND fence = %s AND state = 'running' FOR SHARE"  # no claim comes between
)
ADD_CALL = """
INSERT INTO calls (entry, digest, identity, action, request, made, sent) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (entry, digest) DO UPDATE SET sent = excluded.sent WHERE calls.reply IS NULL
"""
KEEP_REPLY = "UPDATE calls SET reply = %s, task = %s, replied = %s WHERE entry = %s AND digest = %s"
KEEP_FOUND = f"{KEEP_REPLY} AND reply IS NULL AND NOT EXISTS (SELECT FROM calls WHERE task = %s)"
DROP_CALL = "DELETE FROM calls WHERE entry = %s AND digest = %s AND reply IS NULL"
FIND_TASKS = "SELECT task FROM calls WHERE task = ANY (%s)"
COUNT_DOUBTFUL = """
SELECT count(*) FROM calls JOIN entries ON entries.id = entry
WHERE action = %s AND reply IS NULL AND state IN ('blocked', 'ready', 'running')
"""
TELL_DOUBTS = "UPDATE calls SET replied = %s WHERE entry = %s AND reply IS NULL"  # an operator learns that none came
DROP_TOLD = "DELETE FROM calls WHERE entry = %s AND reply IS NULL AND replied IS NOT NULL"

ADD_WAIT = """
INSERT INTO waits (entry, fence, action, since) VALUES (%s, %s, %s, %s)
ON CONFLICT (entry) DO UPDATE SET fence = excluded.fence, action = excluded.action, since = excluded.since
"""
DROP_WAIT = "DELETE FROM waits WHERE entry = %s AND fence = %s"

# redrive, discard
FIND_KEYS = "SELECT key FROM entries WHERE id = ANY (%s)"
REDRIVE = """
UPDATE entries SET state = CASE key WHEN '' THEN 'ready' ELSE 'blocked' END, since = %s, due = %s,
    attempt = 0, lost = 0, outages = 0
WHERE id = %s AND state = 'dead' RETURNING lane
"""
DISCARD = """
UPDATE entries SET state = 'discarded', since = now, why = %s FROM (SELECT %s::float8 AS now) AS asked
WHERE id = %s AND (state IN ('blocked', 'ready', 'dead') OR state = 'running' AND due <= now) RETURNING lane
"""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@asynccontextmanager
async def open_postgres(
    url: str,
    *,
    patient: bool = True,
    now: Callable[[], float] | None = None,
    look: float | None = LOOK,
    random: Callable[[], float] = chance.random,
) -> AsyncGenerator["PostgresStore"]:
    """The journal in this database, made when there is none, for as long as the block lasts.

    url: libpq's, `postgresql://user@host/name`, and with `?schema=` one of several journals in a database.
    patient: wait while the database is away; False: fail then. now: replaces the database's clock. look: seconds
    after which to look for what other replicas did, about; None: there are none. Raises a `JournalError` that says
    what to do.
    """
    address = Address.of(url)
    began = perf_counter()
    async with AsyncExitStack() as stack:
        # Tokens have a connection of their own: all replicas take those of PullEvent all the time, one after the other,
        # and whatever stands in one group with such a taking would wait with it.
        servers: list[Server] = []

        def back() -> None:
            for server in servers:  # else one might sleep on in its pause, while the other says that all is well
                server.look()

        servers += [Server(address, patient=patient, random=random, back=back, now=now) for _ in range(2)]
        journal, tokens = map(Thread, servers)
        for thread, server in zip((journal, tokens), servers, strict=True):
            stack.push_async_callback(thread.close)
            stack.callback(server.hurry)
        found, made = await journal.open()
        if found not in (0, made):
            log.info("journal.migrated", journal=address.shown, version=made, took=round(perf_counter() - began, 3))
        yield PostgresStore(servers, journal, tokens, look=look, random=random)


class PostgresStore:
    """A `Store` in a PostgreSQL database; `open_postgres` makes it."""

    def __init__(
        self,
        servers: Sequence[Server],
        journal: Thread[Session],
        tokens: Thread[Session],
        *,
        look: float | None,
        random: Callable[[], float],
    ) -> None:
        self._servers = servers
        self._threads = (journal, tokens)
        self._ask = journal.ask
        self._ask_tokens = tokens.ask
        self._look = look
        self._random = random

    def __repr__(self) -> str:
        return f"<PostgresStore {self._servers[0].path}>"

    async def close(self) -> None:
        """See `Store`; leaving the block of `open_postgres` does the same. An absent database is not waited for."""
        for server in self._servers:
            server.hurry()
        for thread in self._threads:
            await thread.close()

    async def record(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """See `Journal`."""
        locks = locks_of(arrival.ends for arrival in arrivals)
        locks |= {lock_of(arrival.key or arrival.body) for arrival in arrivals}
        return await self._ask(Locked(locks, lambda db, now: _record(db, now, arrivals)))

    async def mark(self, events: Sequence[int], how: Mark) -> None:
        """See `Journal`."""

        def work(db: Session, now: float) -> None:
            match how:
                case "sent":
                    db.do(MARK_SENT, now, [*events])
                case "void":
                    db.do(MARK_VOID, [*events])
                case "accepted":
                    db.do(MARK_ACCEPTED, [*events])

        await self._ask(work)

    async def claim(self, free: Mapping[str, int], *, lease: float) -> Claim:
        """See `Journal`. Cancelled, it releases what it took."""
        room = {handler: most for handler, most in free.items() if most > 0}
        if not room:
            return Claim((), None)
        claim = await self._ask(
            # Last, for it holds what it took until the end, and others would wait for that: it waits for nobody itself.
            Locked(frozenset(), lambda db, now: _claim(db, now, room, lease), last=True),
            undo=lambda claim: _releasing(claim.entries),
        )
        return replace(claim, wait=self._soon(claim.wait))

    async def keep(self, entries: Sequence[Entry], *, lease: float) -> list[Entry]:
        """See `Journal`."""

        def work(db: Session, now: float) -> list[Entry]:
            kept = {*db.each(KEEP, [(entry.id, entry.fence) for entry in entries], now + lease)}
            return [entry for entry in entries if (entry.id, entry.fence) not in kept]

        return await self._ask(work)

    async def settle(self, ended: Sequence[tuple[Entry, Ending]]) -> list[bool]:
        """See `Journal`."""
        return await self._ask(
            Locked(locks_of(entry.key for entry, _ in ended), lambda db, now: _settle(db, now, ended))
        )

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
        (open_entries,) = await self._ask(lambda db, _: db.one(COUNT_OPEN))
        if events:
            log.info("journal.swept", events=events, open=open_entries, took=round(perf_counter() - began, 3))
        return int(open_entries)

    async def take(self, action: str, *, limit: int, hold: float, most: int = 1) -> list[Token] | float:
        """See `Tokens`. Cancelled, it puts the tokens back."""
        answer = await self._ask_tokens(
            Locked(
                frozenset({lock_of(action)}), lambda db, now: _take(db, now, action, limit=limit, hold=hold, most=most)
            ),
            undo=_putting_back,
        )
        return self._soon(answer) or answer if isinstance(answer, float) else answer

    async def give(self, rests: Mapping[Token, float]) -> None:
        """See `Tokens`."""
        await self._ask_tokens(_giving(rests))

    async def free(self, limits: Mapping[str, int]) -> dict[str, int]:
        """See `Tokens`."""

        def work(db: Session, now: float) -> dict[str, int]:
            return {action: max(0, limit - db.one(COUNT_OUT, action, now)[0]) for action, limit in limits.items()}

        return await self._ask(work)

    async def find(self, entry: Entry, *, identity: str) -> Recorded | None:
        """See `Calls`."""
        found = await self._ask(lambda db, now: db.rows(FIND_CALL, now, now, entry.id, digest(identity)))
        return Recorded(*found[0]) if found else None

    async def intend(self, entry: Entry, *, action: str, identity: str, request: bytes) -> bool:
        """See `Calls`."""

        def work(db: Session, now: float) -> bool:
            held = _held(db, entry)
            if held:
                db.do(ADD_CALL, entry.id, digest(identity), writable(identity), action, request, now, now)
            return held

        return await self._ask(work)

    async def replied(
        self, entry: Entry, *, identity: str, reply: bytes, task: str = "", ends_in: str = "", found: bool = False
    ) -> bool:
        """See `Calls`."""

        def work(db: Session, now: float) -> bool:
            row = (reply, writable(task) or None, now, entry.id, digest(identity))
            kept = db.do(KEEP_FOUND, *row, row[1]) if found else db.do(KEEP_REPLY, *row)
            if task and kept:
                tasks.follow(db, now, writable(task), entry, ends_in)
            return kept > 0

        return await self._ask(Locked(locks_of([task]), work))

    async def withdraw(self, entry: Entry, *, identity: str) -> None:
        """See `Calls`."""

        def work(db: Session, _: float) -> None:
            if _held(db, entry):
                db.do(DROP_CALL, entry.id, digest(identity))

        await self._ask(work)

    async def standing(self, action: str, tasks: Sequence[str]) -> Standing:
        """See `Calls`."""
        named = {writable(task): task for task in tasks}

        def work(db: Session, _: float) -> Standing:
            claimed = frozenset(named[task] for (task,) in db.rows(FIND_TASKS, [*named]))
            return Standing(claimed, db.one(COUNT_DOUBTFUL, action)[0])

        return await self._ask(work)

    async def wait(self, entry: Entry, *, action: str | None) -> None:
        """See `Calls`."""
        row = (entry.id, entry.fence)
        await self._ask(lambda db, now: db.do(ADD_WAIT, *row, action, now) if action else db.do(DROP_WAIT, *row))

    async def overdue(self, *, first: float, limit: int) -> list[Out]:
        """See `Tasks`."""
        return await self._ask(lambda db, now: tasks.overdue(db, now, first, limit))

    async def unfollow(self, task: str) -> None:
        """See `Tasks`."""
        await self._ask(Locked(locks_of([task]), lambda db, _: tasks.unfollow(db, writable(task))))

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
        """See `Store`. Nothing is adopted: nobody can tell who is dead before the leases do."""
        return 0

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
        locks = await self._locks_of(entry_ids)
        return await self._ask(Locked(locks, lambda db, now: sum(_redrive(db, now, entry) for entry in entry_ids)))

    async def discard(self, entry_ids: Sequence[int], *, why: str) -> int:
        """See `Desk`."""
        locks = await self._locks_of(entry_ids)
        reason = writable(why)
        return await self._ask(
            Locked(locks, lambda db, now: sum(_discard(db, now, entry, reason) for entry in entry_ids))
        )

    def _soon(self, wait: float | None) -> float | None:
        """The wait, but no longer than until it is time to look what other replicas did."""
        if self._look is None:
            return wait
        look = self._look * (0.5 + self._random())
        return look if wait is None else min(wait, look)

    async def _locks_of(self, entry_ids: Sequence[int]) -> frozenset[int]:
        return locks_of(key for (key,) in await self._ask(lambda db, _: db.rows(FIND_KEYS, [*entry_ids])))


def _record(db: Session, now: float, arrivals: Sequence[Arrival]) -> list[Receipt]:
    digests = {arrival.body: digest(arrival.body) for arrival in arrivals}
    lanes = [lane_of(handler, arrival.key) for arrival in arrivals if arrival.key for handler in arrival.handlers]
    rows = db.rows(KNOWN, [*digests.values()], now - COPY_SPAN, lanes, len(digests))
    busy = {lane for what, lane, _ in rows if what == "busy"}
    copies = sorted((event, body) for what, event, body in rows if what == "copy" and body in digests)
    known: dict[bytes, int] = {body: event for event, body in copies}  # the newest of several
    numbers = (number for what, number, _ in rows if what == "number")  # those of copies are skipped for ever
    ends = tasks.ends_of(db, [writable(arrival.ends) for arrival in arrivals if arrival.ends])
    new_ends: dict[str, tuple[int | None, bool]] = {}
    receipts: list[Receipt] = []
    events: list[tuple[int, str, str, bytes]] = []
    waiting: list[tuple[int, int]] = []
    entries: list[tuple[int, str, str, int | None, str]] = []
    for arrival in arrivals:
        task = writable(arrival.ends)
        ended_by, was_found = ends.get(task, (None, False))
        if arrival.found and ended_by is not None:
            receipts.append(Receipt(ended_by, copy=True))
            continue
        original = known.get(arrival.body)
        event = original or next(numbers)
        receipts.append(Receipt(event, copy=original is not None or was_found))
        if original is not None:
            continue
        known[arrival.body] = event
        if task in ends:
            ends[task] = new_ends[task] = (event, arrival.found)
        key = writable(arrival.key)
        events.append((event, writable(arrival.type), key, arrival.body))
        if not arrival.found:
            waiting.append((event, digests[arrival.body]))
        if not was_found:  # else its end was handled before it came
            for entry, handler in enumerate(arrival.handlers, start=event * PLACES):
                lane = lane_of(handler, key)
                entries.append((entry, handler, key, lane, "blocked" if lane in busy else "ready"))
                busy |= {lane} - {None}
    if events:
        new = (*columns(events, 4), *columns(waiting, 2), len(events), len(entries), *columns(entries, 5))
        db.do(ADD, now, *new)
    tasks.ended(db, new_ends)
    return receipts


def _claim(db: Session, now: float, free: Mapping[str, int], lease: float) -> Claim:
    order = {handler: place for place, handler in enumerate(free)}
    rows = db.rows(CLAIM, now, lease, [*free], [*free.values()])
    later: float | None = rows[0][0]
    taken = [(lost, due, Entry(*entry)) for _, lost, due, *entry in rows if lost is not None]
    taken.sort(key=lambda it: (order[it[2].handler], not it[0], it[1], it[2].id))
    db.each(DROP_OLD_LOSSES, [(entry.id, entry.fence) for lost, _, entry in taken if lost])
    ends = [due for due in (later, now + lease if taken else None) if due is not None]
    return Claim(tuple(entry for *_, entry in taken), max(SOON, min(ends) - now) if ends else None)


def _settle(db: Session, now: float, ended: Sequence[tuple[Entry, Ending]]) -> list[bool]:
    rows: dict[tuple[int, int], tuple[int, int, str, float, str, str, int]] = {}
    for entry, ending in ended:
        outage = 0
        match ending:
            case Finished():
                state, after, why, how = "done", 0.0, "", ""
            case Dead(why):
                state, after, how = "dead", 0.0, "dead"
            case Again(after, why):
                state, how, outage = "ready", "again", int(ending.outage)
        row = (entry.id, entry.fence, state, after, writable(why), how, outage)
        rows.setdefault((entry.id, entry.fence), row)
    settled = {(entry, fence): lane for entry, fence, lane in db.each(SETTLE, [*rows.values()], now)}
    answers: list[bool] = []
    over: set[int | None] = set()  # lanes in which others wait
    again: set[int | None] = set()
    for entry, ending in ended:
        mine = (entry.id, entry.fence)
        answers.append(mine in settled)
        if mine in settled:
            (again if isinstance(ending, Again) else over).add(settled.pop(mine))
            if isinstance(ending, Dead) and ending.doubt:
                db.do(TELL_DOUBTS, now, entry.id)
    _move_up(db, over, stays=again)
    return answers


def _releasing(entries: Sequence[Entry]) -> Work[None]:
    def work(db: Session, now: float) -> None:
        db.each(RELEASE, [(entry.id, entry.fence) for entry in entries], now)
        _move_up(db, stays=[lane_of(entry.handler, entry.key) for entry in entries])

    return Locked(locks_of(entry.key for entry in entries), work)


def _move_up(db: Session, over: Iterable[int | None] = (), *, stays: Iterable[int | None] = ()) -> None:
    """Let the first unfinished entry of each lane be ready, unless one is running; None is no lane.

    over: lanes whose turn is free now. stays: lanes where one may be ready that came to its turn while the first was
    dead.
    """
    over, stays = {*over, *stays} - {None}, {*stays} - {None}
    if stays:
        db.do(STEP_BACK, [*stays])
    if over:
        db.do(STEP_UP, [*over])


def _sweeping(keep: float, *, after: int) -> Work[tuple[int, int | None]]:
    """Look at the next events after this one: how many were forgotten, and which was the last, None: no older ones."""

    def work(db: Session, now: float) -> tuple[int, int | None]:
        horizon = now - keep
        looked = db.rows(FIND_OLD, horizon, now - COPY_SPAN, after)
        old = [(event, over) for event, recorded, over in looked if recorded < horizon]
        over = [event for event, over in old if over]
        for statement in (DROP_CALLS, DROP_ATTEMPTS, DROP_WAITS, MARK_ACCEPTED, DROP_EVENTS):
            db.do(statement, over)
        db.do(SUM_UP, len(over), db.do(DROP_ENTRIES, over))
        return len(over), old[-1][0] if old and len(old) == len(looked) else None

    return Locked(frozenset({lock_of("sweep")}), work)


def _take(db: Session, now: float, action: str, *, limit: int, hold: float, most: int) -> list[Token] | float:
    if taken := db.rows(TAKE, now, action, limit, hold, most):
        return [Token(token, action) for (token,) in taken]
    back: float = db.one(NEXT_BACK, action, now, limit - 1)[0]  # several must come back where a limit was lowered
    return max(SOON, back - now)


def _giving(rests: Mapping[Token, float]) -> Work[None]:
    """Give tokens back. One whose hold has passed meanwhile is out again: its call ended only now."""

    def work(db: Session, now: float) -> None:
        if unused := [token.id for token, rest in rests.items() if rest <= 0]:
            db.do(DROP_OUT, unused)
        db.each(SET_BACK, [(token.id, token.action, rest) for token, rest in rests.items() if rest > 0], now)

    return Locked(frozenset(lock_of(token.action) for token in rests), work)


def _putting_back(answer: list[Token] | float) -> Work[None]:
    return _giving(dict.fromkeys(answer, 0.0) if isinstance(answer, list) else {})


def _held(db: Session, entry: Entry) -> bool:
    return bool(db.rows(IS_HELD, entry.id, entry.fence))


def _redrive(db: Session, now: float, entry: int) -> bool:
    lanes = db.rows(REDRIVE, now, now, entry)
    for (lane,) in lanes:
        db.do(DROP_TOLD, entry)
        _move_up(db, stays=[lane])
    return bool(lanes)


def _discard(db: Session, now: float, entry: int, why: str) -> bool:
    lanes = db.rows(DISCARD, why, now, entry)
    for (lane,) in lanes:
        _move_up(db, [lane])
    return bool(lanes)
