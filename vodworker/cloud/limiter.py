"""The token buckets: never more than the allowed calls of an action in any 60 s, as the service counts them.

The service counts a call when it arrives: somewhere between the moment we send it and the moment we have its reply.
So the token that a call spends comes back `WINDOW` after the call *ended*. Were it stamped when the call starts, a slow
request could arrive late, beside those of the next window; were it dripped back at an even rate, as a plain token
bucket does, a full bucket and its refill would both go out in one minute. A call whose end nobody saw (a crash) gives
its token back `WINDOW` after its timeout, the latest instant at which it could have been counted.

Tokens live in the journal's store, so a restart or a second process forgets none. In this process one asker for each
action asks the store, and serves those who wait in the order they came.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import takewhile
from types import TracebackType
from typing import Self

import structlog

from vodworker.errors import CallError, Refused, Throttled
from vodworker.journal.port import Token, Tokens

WINDOW = 60.0  # the service counts the calls of a minute
PATIENCE = 1.0  # a wait longer than this is worth a line in the log
FIRST_PAUSE = (
    5.0  # after the service said 4400: someone else spends the allowance, and only trying tells when it is free
)
LONGEST_PAUSE = 60.0  # by then the whole window has passed

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Limiter:
    """The buckets of all actions, alive inside its `async with`.

    limit: the ceiling of an action in calls per `WINDOW`.
    burst: how many calls of an action may go at once, the others following evenly; by default all of the ceiling.
    hold: seconds after which a call that was never given back can no longer arrive at the service: the longest timeout.
    """

    def __init__(
        self,
        tokens: Tokens,
        *,
        limit: Callable[[str], int],
        hold: float,
        burst: Callable[[str], int] | None = None,
    ) -> None:
        self._tokens = tokens
        self._limit = limit
        self._hold = hold
        self._burst = burst or limit
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
            bucket = Bucket(self._tokens, action, limit=limit, burst=burst, hold=self._hold)
            self._buckets[action] = bucket
            self._askers.create_task(bucket.serve(), name=f"asker of {action}")
        return bucket

    @asynccontextmanager
    async def token(self, action: str) -> AsyncGenerator[None]:
        """Wait for a token of the action and spend it on the call inside the block.

        A `Throttled` that leaves the block means that someone else spends the allowance too, or that it was lowered:
        the bucket closes for a while. Any other answer of the service opens it again.
        """
        bucket = self._bucket(action)
        async with bucket.token():
            try:
                yield
            except Throttled as error:
                log.warning("call.throttled", action=action, code=error.code, pause=bucket.shut())
                raise
            except Refused:
                bucket.reopen()
                raise
            bucket.reopen()

    def waiting(self) -> Mapping[str, int]:
        """How many callers wait for a token of each action."""
        return {action: len(bucket) for action, bucket in self._buckets.items()}


class Bucket:
    """The tokens of one action: a queue of those who wait, and one asker that serves them."""

    def __init__(self, tokens: Tokens, action: str, *, limit: int, burst: int, hold: float) -> None:
        self._tokens = tokens
        self._action = action
        self._limit = limit
        # Calls that follow each other evenly would come at `_even`, a step apart; a burst may be ahead of that.
        self._step = WINDOW / limit if burst < limit else 0.0
        self._ahead = (burst - 1) * self._step
        self._even = 0.0
        self._hold = hold + WINDOW
        self._waiting: deque[asyncio.Future[Token]] = deque()
        self._returned: deque[tuple[Token, float]] = deque()
        self._work = asyncio.Event()
        self._closing = False
        self._pause = 0.0
        self._shut_until = 0.0
        self._trial: Token | None = None
        self._due = 0.0

    def __repr__(self) -> str:
        return f"<Bucket {self._action} of {self._limit}, {len(self)} waiting>"

    def __len__(self) -> int:
        return sum(not waiter.done() for waiter in self._waiting)

    @asynccontextmanager
    async def token(self) -> AsyncGenerator[None]:
        """Wait in line for a token; it comes back `WINDOW` after the block ended, at once when it never began.

        A block that was cancelled is a call whose end nobody saw: its token stays out as after a crash.
        """
        waiter: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._work.set()
        began = ended = False
        try:
            await asyncio.wait((waiter,), timeout=PATIENCE)
            if not waiter.done():
                log.info(
                    "call.waiting", action=self._action, place=self._place(waiter), expected=self._expected(waiter)
                )
            await waiter
            began = True
            try:
                yield
            except CallError:
                ended = True
                raise
            ended = True
        finally:
            if waiter.done() and not waiter.cancelled():
                self._returned.append((waiter.result(), (WINDOW if ended else self._hold) if began else 0.0))
                self._work.set()
            waiter.cancel()

    def shut(self) -> float:
        """Let nobody through for a while, longer each time; then one call at a time until the service takes one."""
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
        self._shut_until = asyncio.get_running_loop().time() + self._pause
        return self._pause

    def reopen(self) -> None:
        """The service took a call."""
        self._pause = 0.0

    def close(self) -> None:
        """Serve nobody any more; tokens that came back are still written."""
        self._closing = True
        self._work.set()

    async def serve(self) -> None:
        """The asker: write back what was returned, hand out what is free, sleep until either can have changed."""
        while self._returned or not self._closing:
            self._work.clear()
            await self._take_back()
            wait = await self._hand_out()
            if not self._closing:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._work.wait()

    async def _take_back(self) -> None:
        while self._returned:
            token, rest = self._returned.popleft()
            await self._tokens.give(token, rest=rest)
            if token == self._trial:
                self._trial = None

    async def _hand_out(self) -> float | None:
        """Serve the line while tokens are free; the seconds until it is worth asking again, None: until told."""
        while self._first() and not self._trial and not self._closing:
            now = asyncio.get_running_loop().time()
            early = max(self._shut_until, self._even - self._ahead) - now
            if early > 0:
                self._due = now + early
                return early
            answer = await self._tokens.take(self._action, limit=self._limit, hold=self._hold)
            if not isinstance(answer, Token):
                self._due = asyncio.get_running_loop().time() + answer
                return answer
            waiter = self._first()
            if waiter is None:  # who stood here has gone while the store was asked
                self._returned.append((answer, 0.0))
                self._work.set()
                break
            waiter.set_result(answer)
            self._waiting.popleft()
            self._even = max(now, self._even) + self._step
            if self._pause:
                self._trial = answer
        return None

    def _first(self) -> "asyncio.Future[Token] | None":
        """The first in line who has not gone."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return self._waiting[0] if self._waiting else None

    def _place(self, waiter: "asyncio.Future[Token]") -> int:
        """The waiter's place in the line, from 1."""
        return 1 + sum(not other.done() for other in takewhile(lambda other: other is not waiter, self._waiting))

    def _expected(self, waiter: "asyncio.Future[Token]") -> float:
        """Seconds that the waiter may still wait: until the next token is due, then a token for each one before it."""
        now = asyncio.get_running_loop().time()
        ahead = (self._place(waiter) - 1) * WINDOW / self._limit
        return round(max(self._due, now) - now + ahead, 1)
