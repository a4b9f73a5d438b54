"""The token buckets: never more than the allowed calls of an action in any minute, as the service counts them.

The service counts a call when it arrives: somewhere between the moment we send it and the moment we have its answer.
So the token that a call spends comes back `WINDOW` after the call *ended*. Were it stamped when the call starts, a slow
request could arrive late, beside those of the next window; were it dripped back at an even rate, as a plain token
bucket does, a full bucket and its refill would both go out in one minute. A call whose answer nobody saw, because it
was given up, or the connection broke, or the process was killed, may arrive until its timeout: its token comes back
`WINDOW` after that.

Tokens live in the journal's store, so a restart or a second process forgets none. In this process one asker for each
action asks the store, and serves those who wait in the order they came. It keeps a count of its own, too: whatever
becomes of the store's clock, and however long the loop was blocked or the machine slept in the middle of a call, this
process alone never goes over a ceiling.
"""

import asyncio
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Mapping
from math import inf
from types import TracebackType
from typing import Protocol, Self

import structlog

from vodworker.alarm import Alarm, alarmed
from vodworker.cloud.gate import Gate
from vodworker.errors import Refused, Throttled, Unreachable
from vodworker.journal.port import Token, Tokens

MINUTE = 60.0  # the service counts the calls of a minute, by its own clock
DRIFT = 0.06  # its clock and ours may each be wrong by 500 ppm, which is as much as NTP slews one
WINDOW = MINUTE + DRIFT
START = 5.0  # a token is used for a call that starts sooner than this after it was taken, or not at all
LINGER = 1.0  # a token that is to rest is written this late at most: a process that dies before has it rest longer
PATIENCE = 1.0  # a wait longer than this is worth a line in the log

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Turn(Protocol):
    """Who wants to know how far a call is. A call that the service throttled waits and goes again."""

    async def waits(self) -> None:
        """It waits for a token from here on; whatever was sent of it before had no effect."""
        ...

    async def lingers(self) -> None:
        """It has waited for longer than a moment."""
        ...

    async def goes(self) -> None:
        """It has its token, and may leave when this returns; when this takes long, or raises, it does not."""
        ...


def asleep(clock: Callable[[], float]) -> float:
    """How far the loop's timers are behind the clock, which goes on while the machine sleeps."""
    return clock() - asyncio.get_running_loop().time()


class Limiter:
    """The buckets of all actions, alive inside its `async with`.

    limit: the ceiling of an action in calls a minute.
    hold: seconds after its start until which a call may arrive at the service: the longest timeout.
    burst: how many calls of an action may go at once, the others following evenly; by default all of the ceiling.
    clock: seconds that go on while the machine sleeps; by default the loop's, which may stand still then.
    alarm: is told of a broken journal at once, while what runs inside may still refuse its end.
    """

    def __init__(
        self,
        tokens: Tokens,
        *,
        limit: Callable[[str], int],
        hold: float,
        burst: Callable[[str], int] | None = None,
        clock: Callable[[], float] | None = None,
        alarm: Alarm = lambda _: None,
    ) -> None:
        self._tokens = tokens
        self._limit = limit
        self._hold = hold
        self._burst = burst or limit
        self._clock = clock or asyncio.get_running_loop().time
        self._slept = asleep(self._clock)
        self._alarm = alarm
        self._buckets: dict[str, Bucket] = {}
        self._askers = asyncio.TaskGroup()

    def __repr__(self) -> str:
        return f"<Limiter {' '.join(map(repr, self._buckets.values())) or 'unused'}>"

    async def __aenter__(self) -> Self:
        await self._askers.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bucket in self._buckets.values():
            bucket.close()
        if isinstance(error, asyncio.CancelledError):  # it may be the askers' own: one of them failed
            await self._askers.__aexit__(kind, error, trace)
        else:  # what the block raised is its own affair, and is not to be wrapped into a group
            await self._askers.__aexit__(None, None, None)

    def _bucket(self, action: str) -> "Bucket":
        """The bucket of one action, made at its first use."""
        bucket = self._buckets.get(action)
        if bucket is None:
            limit, burst = self._limit(action), self._burst(action)
            bucket = Bucket(self._tokens, action, limit=limit, burst=burst, hold=self._hold, clock=self._clock)
            self._buckets[action] = bucket
            self._askers.create_task(alarmed(self._alarm, bucket.serve), name=f"asker of {action}")
        return bucket

    async def token(self, action: str, *, turn: Turn | None = None) -> "Call":
        """Wait for a token of the action; it is spent on the call that is made inside the block of what this returns.

        A `Throttled` that leaves the block means that someone else spends the allowance too, or that it was lowered:
        the bucket closes for a while. Any other answer of the service opens it again.
        """
        slept = asleep(self._clock)
        if slept > self._slept + PATIENCE:  # tokens came back meanwhile, and the timers of those who wait are late
            for bucket in self._buckets.values():
                bucket.look()
        self._slept = slept
        return await self._bucket(action).token(turn)

    def waiting(self) -> Mapping[str, int]:
        """How many callers wait for a token of each action."""
        return {action: len(bucket) for action, bucket in self._buckets.items()}


class Call:
    """A call that has its token: it is made inside `with`, which is told how long it waited."""

    def __init__(self, bucket: "Bucket", token: Token, waited: float, since: int, slept: float) -> None:
        self._bucket = bucket
        self._token = token
        self._waited = waited
        self._since = since
        self._slept = slept

    def __enter__(self) -> float:
        return self._waited

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._bucket.ended(self._token, error, self._since, self._slept)


class Bucket:
    """The tokens of one action: a queue of those who wait, and one asker that serves them."""

    def __init__(
        self, tokens: Tokens, action: str, *, limit: int, burst: int, hold: float, clock: Callable[[], float]
    ) -> None:
        self._tokens = tokens
        self._action = action
        self._limit = limit
        self._hold = START + hold + WINDOW
        self._clock = clock
        self._gate = Gate(limit=limit, burst=burst, span=WINDOW)
        self._waiting: deque[asyncio.Future[Token]] = deque()
        self._out: dict[Token, float] = {}  # those of calls under way, and when they come back if nobody says more
        self._resting: list[float] = []  # when those of calls that ended here come back, in order
        self._returned: dict[Token, float] = {}  # to be written: when each comes back
        self._late = False  # whether a timer runs, after which what was returned is written
        self._trial: Token | None = None
        self._due = -inf  # when the first in line is served, as far as the asker knows
        self._work, self._back = asyncio.Event(), asyncio.Event()
        self._closing = False

    def __repr__(self) -> str:
        return f"<Bucket {self._action} of {self._limit}, {len(self)} waiting>"

    def __len__(self) -> int:
        return len(self._waiting)

    async def token(self, turn: Turn | None) -> Call:
        """Wait in line for a token, to be spent on a call."""
        asked = self._clock()
        token, served = await self._ready(turn)
        return Call(self, token, served - asked, self._gate.closings, asleep(self._clock))

    async def _ready(self, turn: Turn | None) -> tuple[Token, float]:
        """A token and when it came, once the call is ready to go with it; who gets ready too late stands in line again.

        A call that was overtaken, or was cancelled while its note could not be written, never goes: others may.
        """
        while True:
            if turn:
                await turn.waits()
            token, served = await self._served(turn), self._clock()
            starts_by = self._out[token] - self._hold + START
            ready = False
            try:
                if turn:
                    await turn.goes()
                ready = self._clock() <= starts_by
            finally:
                if not ready:
                    self._unused(token)
            if ready:
                return token, served

    async def _served(self, turn: Turn | None) -> Token:
        """Wait in line; who gives up is out of it at once."""
        waiter: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self.look()
        served = False
        try:
            # `asyncio.wait` leaves the future alone when it is cancelled: the waiter has a token, or stands in line.
            done, _ = await asyncio.wait((waiter,), timeout=PATIENCE)
            if not done:
                place = self._waiting.index(waiter) + 1
                log.info("call.waiting", action=self._action, place=place, expected=self._expected(place))
                if turn:
                    await turn.lingers()
                await asyncio.wait((waiter,))
            served = True
        finally:
            if not served and waiter.done():
                self._unused(waiter.result())
            elif not served:
                self._waiting.remove(waiter)
        return waiter.result()

    def ended(self, token: Token, error: BaseException | None, since: int, slept: float) -> None:
        """The call ended, which went after so many closings of the gate, when the machine had slept for so long."""
        until = self._out.pop(token) + asleep(self._clock) - slept  # its timeout stood still while the machine slept
        back = self._clock() + WINDOW
        back = back if self._answered(error, since) else max(back, until)
        insort(self._resting, back)
        self._give_back(token, back)

    def _answered(self, error: BaseException | None, since: int) -> bool:
        """Whether the service has answered, or surely never will; an answer opens or shuts the gate."""
        match error:
            case Throttled():
                pause = self._gate.shut(self._clock(), since=since)
                log.warning("call.throttled", action=self._action, code=error.code, pause=round(pause, 1))
            case None | Refused():
                self._gate.reopen(self._clock(), since=since)
            case Unreachable(sent=False):
                pass
            case _:
                return False
        return True

    def _unused(self, token: Token) -> None:
        """There will be no call."""
        self._out.pop(token, None)
        self._give_back(token, self._clock())

    def _give_back(self, token: Token, back: float) -> None:
        if token == self._trial:
            self._trial = None
        self._returned[token] = back
        if self._waiting or self._closing or back <= self._clock():
            self.look()
        elif not self._late:  # nobody misses it before it has rested: it is written with the next that is taken
            self._late = True
            asyncio.get_running_loop().call_later(LINGER, self._lingered)

    def _lingered(self) -> None:
        self._late = False
        self._back.set()

    def look(self) -> None:
        """There may be news that no timer tells: have what was returned written, and then the asker look, at once."""
        if self._returned:
            self._back.set()
        self._work.set()

    def close(self) -> None:
        """Serve nobody any more; tokens that came back are still written."""
        self._closing = True
        self._back.set()
        self._work.set()

    async def serve(self) -> None:
        """The asker, and beside it who writes back: what both ask for at once is one commit, where the store can."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._write_back(), name=f"giver of {self._action}")
            await self._ask()

    async def _ask(self) -> None:
        """Hand out what is free, and sleep until more can be."""
        later = asyncio.get_running_loop().call_later
        while not self._closing:
            self._work.clear()
            wait = await self._hand_out()
            timer = None if wait is None else later(wait, self._work.set)
            await self._work.wait()
            if timer:
                timer.cancel()

    async def _write_back(self) -> None:
        """Write back what was returned, as often as somebody may miss it."""
        while self._returned or not self._closing:
            await self._back.wait()
            self._back.clear()
            if self._returned:
                now, returned = self._clock(), self._returned
                self._returned = {}
                await self._tokens.give({token: max(0.0, back - now) for token, back in returned.items()})
                if min(returned.values()) <= now:  # free again, and what was asked meanwhile did not see it
                    self._work.set()

    async def _hand_out(self) -> float | None:
        """Serve the line while tokens are free; the seconds until it is worth asking again, None: until told."""
        while self._waiting and not self._trial and not self._closing:
            now = self._clock()
            self._due = max(self._gate.opens(now), self._room(now))
            if self._due <= now:
                answer = await self._tokens.take(self._action, limit=self._limit, hold=self._hold, most=self._most(now))
                if isinstance(answer, list):
                    for token in answer:
                        self._hand(token, asked=now)
                    continue
                # Calls of other processes may end now and give their tokens back sooner than the store knows of.
                self._due = self._clock() + min(answer, WINDOW)
            return None if self._due == inf else self._due - self._clock()
        return None

    def _room(self, now: float) -> float:
        """When a call may go by our own count: with those under way and those that ended, never more than the limit."""
        del self._resting[: bisect_right(self._resting, now)]
        over = len(self._out) + len(self._resting) - self._limit
        if over < 0:
            return -inf
        return self._resting[over] if over < len(self._resting) else inf

    def _most(self, now: float) -> int:
        """How many of those who wait may go now, by the gate and by our own count."""
        if self._gate.ajar:
            return 1
        places = range(1, 1 + min(len(self._waiting), self._limit - len(self._out) - len(self._resting)))
        return bisect_right(places, now, key=lambda place: self._gate.opens(now, place=place))

    def _hand(self, token: Token, *, asked: float) -> None:
        now = self._clock()
        # Who stood here may have gone, the machine may have slept, and the service may have said 4400 meanwhile.
        if not self._waiting or now > asked + START or self._trial or self._gate.opens(now) > now:
            self._unused(token)
            return
        self._out[token] = asked + self._hold
        self._gate.went(now)
        if self._gate.ajar:
            self._trial = token
        self._waiting.popleft().set_result(token)

    def _expected(self, place: int) -> float:
        """Seconds that the waiter at this place may still wait, if nobody else draws on the allowance."""
        now = self._clock()
        laps, ahead = divmod(place - 1, self._limit)
        known = [*self._resting, *(now + WINDOW for _ in self._out)]
        due = known[ahead] if 0 < ahead < len(known) else self._due + ahead * WINDOW / self._limit
        due = max(due, self._due) + laps * WINDOW
        return round(max(due, self._gate.opens(now, place=place), now) - now, 1)
