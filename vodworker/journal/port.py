"""The journal's ports: what the rest of the house asks of a store, and what a store promises.

One store implements them all (`sqlite.py`; PostgreSQL is its twin). Each verb is atomic and durable when it returns: a
`kill -9` or a power cut after that changes nothing, before it leaves no trace. A verb that is cancelled has either
happened whole or not at all; what a cancelled `claim` or `take` had got, it gives back by itself. Times are the store's
own clock in Unix seconds; callers pass and get durations. A store that cannot do its work raises `JournalError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from vodworker.outcome import Ending


class Arrival(NamedTuple):
    """An event as it came off the queue, to be recorded.

    body: the event's JSON in the canonical form of `wire.dumps`; `type` and `key` are read from it ("" = no key).
    handlers: the names of the handlers that hear it; one entry is made for each.
    ends: the task that ended with this event; "" when it ends none.
    found: the event did not come off the queue: the service was asked how the task ended.
    """

    body: bytes
    type: str
    key: str
    handlers: tuple[str, ...]
    ends: str = ""
    found: bool = False


class Receipt(NamedTuple):
    """What became of an arrival: the event it was recorded as, or the one it is a copy of."""

    event_id: int
    copy: bool


class Entry(NamedTuple):
    """One (event, handler) pair, claimed: the holder may run it until its lease ends.

    attempt: from 1, this claim counted. fence: grows with each claim; a settlement with an older one settles nothing.
    age: seconds since the event was recorded. lost: how many of the claims before were neither settled nor released:
    their process died, or lost the entry. outages: how many of the attempts before an outage ended.
    """

    id: int
    event_id: int
    handler: str
    key: str
    body: bytes
    attempt: int
    fence: int
    age: float
    lost: int = 0
    outages: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought.

    wait: seconds, more than 0, until an entry of the handlers with room comes due that is not yet, because its backoff
    or a lease ends, the caller's own leases included; None: none will by itself. Entries that are due already and found
    no room do not count: the caller knows when it has room again.
    """

    entries: tuple[Entry, ...]
    wait: float | None


Mark: TypeAlias = Literal["sent", "void", "accepted"]


class Journal(Protocol):
    """The inbox: record, confirm, then work from here."""

    async def record(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Write the arrivals, in their order, and make their entries; a receipt for each.

        An arrival is a copy only while an event with the same body waits for a confirmation that is not known to have
        been accepted: one never sent, or sent at most `COPY_SPAN` ago. A copy makes no entry. Two equal bodies in one
        call: the second is a copy.

        An arrival that ends a followed task is the end of it. One that was found waits for no confirmation, and is a
        copy when the task has ended already. The first delivered end after a found one makes no entries either and is
        told as a copy, but it is recorded, because it waits for its confirmation.
        """
        ...

    async def mark(self, events: Sequence[int], how: Mark) -> None:
        """Note for these events how far their confirmation is.

        sent: it is about to be sent, and may be accepted from now on. void: what was sent last surely had no effect,
        and all is as before it. accepted: it was, and that is for ever.
        """
        ...

    async def claim(self, free: Mapping[str, int], *, lease: float) -> Claim:
        """Take up to `free[handler]` due entries of each handler, oldest first, and hold them for `lease` seconds.

        Oldest is what has been due longest: a fresh entry since it was recorded, a failed one since its backoff ended;
        entries whose lease has run out go before all others. Within one handler, entries of one key (other than "")
        are handed out in the order they were recorded, one at a time: the next only after the one before it is done,
        dead or discarded, its retries included. Each claim adds one to the attempt and to the fence. A handler that is
        paused gets nothing. It sees what was asked for before it, recordings and settlements that are still under way
        included, and may share their commit.
        """
        ...

    async def keep(self, entries: Sequence[Entry], *, lease: float) -> list[Entry]:
        """Hold these entries for `lease` seconds from now; returns those that are no longer the caller's."""
        ...

    async def settle(self, ended: Sequence[tuple[Entry, Ending]]) -> list[bool]:
        """Write how these entries ended; for each False, and nothing of it is written, when it is not the caller's.

        It may be another's by now, or nobody's. After its lease ran out it is still the caller's, until another claims
        it.
        """
        ...

    async def release(self, entries: Sequence[Entry]) -> None:
        """Give entries back, due at once and as old as they are, the attempt not counted.

        Those that are another's by now are left alone.
        """
        ...

    async def sweep(self, *, keep: float) -> int:
        """Forget events whose entries all ended well more than `keep` seconds ago; returns the number of open entries.

        Dead entries stay until an operator redrives or discards them. An event that still waits for its confirmation
        stays too (see `record`). Works in steps, each atomic, so that other verbs get their turn in between.
        """
        ...


class Token(NamedTuple):
    """A taken token."""

    id: int
    action: str


class Tokens(Protocol):
    """The allowance of each action: `limit` tokens that return a while after the call that took them ended."""

    async def take(self, action: str, *, limit: int, hold: float, most: int = 1) -> list[Token] | float:
        """All tokens that are free, up to `most`, each out for `hold` seconds unless given back earlier.

        If none is: the seconds until one may be. `limit` is at least 1, and may differ from one call to the next. The
        answer is the store's alone: callers ask again after the wait and never count for themselves.
        """
        ...

    async def give(self, rests: Mapping[Token, float]) -> None:
        """The calls of these tokens ended: each comes back so many seconds from now (0: it was never used).

        A call that outlasted its token's hold counts from now all the same.
        """
        ...

    async def free(self, limits: Mapping[str, int]) -> dict[str, int]:
        """How many tokens of each action are free now."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the journal knows of a call. `reply`: its JSON, or None while it is in doubt whether it had its effect.

    age: seconds since it was first about to be sent. quiet: seconds since it was so for the last time.
    """

    action: str
    reply: bytes | None
    age: float
    quiet: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Who else may have a claim. claimed: tasks that recorded calls started. doubtful: calls that may have started one.

    Those are calls without a reply, of entries that have not ended: of the others, operators have seen to it.
    """

    claimed: frozenset[str]
    doubtful: int


class Calls(Protocol):
    """The calls that a handler may not make twice: the intent before each is sent, the reply after.

    `identity` tells the calls of one entry apart; it is the same in every run of a handler on an event.
    """

    async def find(self, entry: Entry, *, identity: str) -> Recorded | None:
        """What an earlier run noted of this call, if any did."""
        ...

    async def intend(self, entry: Entry, *, action: str, identity: str, request: bytes) -> bool:
        """Note that the call is about to be sent. Noting it again tells only that it is sent again.

        False, and nothing is noted, when the entry is another's by now, or nobody's: then it must not be sent.
        """
        ...

    async def replied(
        self, entry: Entry, *, identity: str, reply: bytes, task: str = "", ends_in: str = "", found: bool = False
    ) -> bool:
        """Note the reply; from now on `find` returns it.

        A task that the call started is followed from now on, until an event of the type `ends_in` tells its end, if
        none has since the call was about to be sent; one that is run again is expected anew.
        found: the service was asked for the task, and nobody saw the reply. Then False, and nothing is noted, when the
        task belongs to a recorded call, or this call has its reply by now.
        """
        ...

    async def withdraw(self, entry: Entry, *, identity: str) -> None:
        """The service refused the call, or it was never sent: it had no effect, and the note is removed.

        Nothing is removed when the entry is another's by now, who may have sent the call again, nor where a reply is.
        """
        ...

    async def standing(self, action: str, tasks: Sequence[str]) -> Standing:
        """Which of these tasks belong to recorded calls, and how many calls of this action are in doubt."""
        ...

    async def wait(self, entry: Entry, *, action: str | None) -> None:
        """Note for the operator that the run of this entry waits for a token of this action; None: not any more."""
        ...


STATES = ("blocked", "ready", "running", "done", "dead", "discarded")  # of an entry; blocked: not its key's turn


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a task came from: the event whose handler started it, and with which action."""

    event_id: int
    handler: str
    action: str


@dataclass(frozen=True, slots=True)
class Out:
    """A task whose end nobody has told. ends_in: the type of the event that tells it; age: seconds since its start."""

    task: str
    ends_in: str
    origin: Origin
    age: float


class Tasks(Protocol):
    """The tasks that handlers started, followed to their end."""

    async def overdue(self, *, first: float, limit: int) -> list[Out]:
        """Tasks to be asked for now, at most `limit`, longest overdue first.

        The first time is `first` seconds after the start; each taking doubles the time to the next one.
        """
        ...

    async def unfollow(self, task: str) -> None:
        """The task will never be heard of again; expect nothing."""
        ...

    async def origin(self, task: str) -> Origin | None:
        """Where a followed task came from; None when it is not ours, or was forgotten (after `TASK_LIFE`)."""
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries an operator asks for; None means any.

    state: one of `STATES`, or "open": one that has not ended. older, newer: of events recorded at least, or less than,
    so many seconds ago.
    """

    state: str | None = None
    type: str | None = None
    key: str | None = None
    handler: str | None = None
    older: float | None = None
    newer: float | None = None
    limit: int = 50


class Desk(Protocol):
    """What an operator sees and does, safe beside a running daemon. Rows are plain JSON-like dicts, for printing."""

    async def counts(self) -> dict[str, int]:
        """The number of events, of events not yet confirmed, and of entries in each state."""
        ...

    async def oldest(self) -> float | None:
        """Seconds since the oldest entry that has not ended was recorded; None when all have."""
        ...

    async def tasks(self) -> list[dict[str, Any]]:
        """The tasks that are out, oldest first: task, action, handler, event_id, waits_for, age, asked, next_ask."""
        ...

    async def list(self, which: Filter) -> list[dict[str, Any]]:
        """Entries, newest first: id, event_id, type, key, handler, state, attempt, due_in, why, age.

        due_in: seconds until a ready entry is due, None for others. why: why it is not running, in words.
        """
        ...

    async def show(self, event_id: int) -> dict[str, Any] | None:
        """One event whole: its body, its confirmation, its entries and recorded calls.

        An entry has the reason why it is not running, and those of its attempts, `KEPT_ATTEMPTS` at most, that did not
        end well: number, how it ended (again, dead or lost: its worker never told), why, and seconds since.
        """
        ...

    async def redrive(self, entry_ids: Sequence[int]) -> int:
        """Open dead entries again, with their attempts at nought; returns how many were dead.

        Calls in doubt of which their end told (`Dead.doubt`) are forgotten, to be sent again; others are looked for.
        Where others of its key wait, an entry takes its old place before them, but a running one is not interrupted.
        """
        ...

    async def discard(self, entry_ids: Sequence[int], *, why: str) -> int:
        """End open or dead entries for good, with a reason; returns how many.

        A running one is left alone, as long as its lease lasts.
        """
        ...


class Pauses(Protocol):
    """Handlers that are to rest, in every process that works from this journal."""

    async def pause(self, handler: str, *, why: str) -> None:
        """Claim no entry of this handler any more; what runs goes on. A later reason replaces an earlier one."""
        ...

    async def resume(self, handler: str) -> bool:
        """Claim its entries again; False when it was not paused."""
        ...

    async def paused(self) -> list[dict[str, Any]]:
        """The handlers that are paused, by name: handler, why, age."""
        ...


KEPT_ATTEMPTS = 20  # of an entry: an outage may last for hundreds, which say all the same
TASK_LIFE = 4 * 86400.0  # the service forgets its tasks after 72 hours; a day more, so that nothing of ours ends sooner
PLACES = 1000  # an event's entries are numbered from its own number times this, in every store
COPY_SPAN = 600.0  # ten minutes: far longer than the service takes to hand an unconfirmed event out again


class Store(Journal, Tokens, Calls, Tasks, Desk, Pauses, Protocol):
    """A whole store, opened; `close` ends it."""

    async def adopt(self) -> int:
        """Open the entries that a dead daemon left running, the attempt counted; returns how many.

        Only the sole user of a store can know that they are left; others wait for the leases, and here it is 0.
        """
        ...

    async def close(self) -> None:
        """Finish what was asked and close the files; afterwards no verb works."""
        ...
