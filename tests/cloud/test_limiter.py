"""Ceilings: never more than the allowed calls of an action in any 60 s at the service, and nearly all of them used."""

import asyncio
import random
from bisect import bisect_right
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from vodworker.cloud.limiter import FIRST_PAUSE, WINDOW, Limiter
from vodworker.errors import CallError, Refused, Throttled, Unreachable
from vodworker.journal.port import Store, Token
from vodworker.journal.sqlite import open_sqlite
from vodworker.testing import in_virtual_time

TIMEOUT = 15.0


@asynccontextmanager
async def memory() -> AsyncGenerator[Store]:
    """A store whose clock is the loop's."""
    clock = asyncio.get_running_loop().time
    async with open_sqlite(":memory:", now=lambda: 1000.0 + clock()) as store:
        yield store


@asynccontextmanager
async def limiter(limit: int = 3) -> AsyncGenerator[Limiter]:
    """A limiter of one ceiling for all actions, on a store of its own."""
    async with memory() as store, Limiter(store, limit=lambda _: limit, hold=TIMEOUT) as line:
        yield line


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


def most_in_window(arrivals: list[float]) -> int:
    """The most arrivals in any span of 60 s, its beginning not counted."""
    ordered = sorted(arrivals)
    return max((bisect_right(ordered, at) - bisect_right(ordered, at - WINDOW) for at in ordered), default=0)


async def spend(line: Limiter, *, lasting: float = 0.0, log: list[float] | None = None) -> None:
    """One call of `lasting` seconds; notes when it starts."""
    async with line.token("ProcessFile"):
        if log is not None:
            log.append(now())
        await asyncio.sleep(lasting)


@in_virtual_time
async def test_a_full_burst_goes_at_once() -> None:
    """As many calls as the ceiling allows wait for nothing."""
    async with limiter(3) as line:
        for _ in range(3):
            await spend(line)

        assert 0.0 == now()


@in_virtual_time
async def test_a_token_returns_a_window_after_its_call_ended() -> None:
    """A spent token comes back 60 s after the end of the call that spent it, not after its start."""
    async with limiter(1) as line:
        await spend(line, lasting=7.0)
        await spend(line)

        assert 7.0 + WINDOW == pytest.approx(now(), abs=0.01)


@in_virtual_time
async def test_a_token_whose_call_was_never_seen_to_end_returns_after_its_timeout() -> None:
    """What a crash left out comes back 60 s after the latest instant at which the call could have arrived."""
    async with memory() as store:
        assert isinstance(await store.take("ProcessFile", limit=1, hold=TIMEOUT + WINDOW), Token)
        async with Limiter(store, limit=lambda _: 1, hold=TIMEOUT) as line:
            await spend(line)

            assert TIMEOUT + WINDOW == pytest.approx(now(), abs=0.01)


@in_virtual_time
async def test_the_token_of_a_cancelled_call_returns_after_its_timeout() -> None:
    """A call that is given up on the way may still arrive: its token stays out as long as after a crash."""
    async with limiter(1) as line:
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await spend(line, lasting=TIMEOUT)
        await spend(line)

        assert 2.0 + TIMEOUT + WINDOW == pytest.approx(now(), abs=0.01)


@in_virtual_time
async def test_a_restart_forgets_no_token() -> None:
    """A limiter that is opened on the same store waits for the calls of the one before it."""
    async with memory() as store:
        for due in (0.0, WINDOW):
            async with Limiter(store, limit=lambda _: 2, hold=TIMEOUT) as line:
                await spend(line)
                await spend(line)

                assert due == pytest.approx(now(), abs=0.01)


@in_virtual_time
async def test_waiters_are_served_in_the_order_they_came() -> None:
    """First come, first served, also when some of those who wait give up."""
    served: list[int] = []

    async def call(line: Limiter, number: int) -> None:
        async with line.token("ProcessFile"):
            served.append(number)

    async with limiter(2) as line, asyncio.TaskGroup() as group:
        tasks = [group.create_task(call(line, number)) for number in range(8)]
        await asyncio.sleep(1)
        tasks[3].cancel()
        tasks[6].cancel()

    assert [0, 1, 2, 4, 5, 7] == served


@in_virtual_time
async def test_a_waiter_that_gives_up_leaves_no_trace() -> None:
    """The token that a cancelled waiter would have had is free for the next at once, whenever it gives up."""
    for patience in (0.0, 0.5, 1.0, 1.5, 59.9999, 60.0, 60.0001):
        async with limiter(1) as line:
            await spend(line)
            begun = now()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await spend(line, lasting=1000)
            if now() - begun < WINDOW - 0.01:
                await spend(line)

                assert begun + WINDOW == pytest.approx(now(), abs=0.01)


@in_virtual_time
async def test_actions_do_not_share_tokens() -> None:
    """A full bucket harms nobody else."""
    async with limiter(1) as line:
        await spend(line)
        async with line.token("ConcatVideo"):
            pass

        assert 0.0 == now()


@in_virtual_time
async def test_a_long_wait_is_told_once() -> None:
    """A wait of more than a second says the place in the line and the expected wait."""
    async with limiter(1) as line:
        await spend(line)
        with capture_logs() as told:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(spend(line))

    facts = [(line["event"], line["place"], round(line["expected"])) for line in told]
    assert [("call.waiting", 1, 59), ("call.waiting", 2, 119)] == facts


@in_virtual_time
async def test_a_throttled_bucket_closes_and_reopens_gently() -> None:
    """After a 4400 nobody goes for a while; then one call at a time, until the service takes one."""
    starts: list[float] = []

    async def throttled(line: Limiter) -> None:
        with suppress(Throttled):
            async with line.token("ProcessFile"):
                starts.append(now())
                await asyncio.sleep(0.1)
                raise Throttled("ProcessFile", code=4400)

    async with limiter(100) as line:
        await throttled(line)
        await throttled(line)
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(spend(line, lasting=2.0, log=starts))

    first = FIRST_PAUSE + 0.1
    second = first + 2 * FIRST_PAUSE + 0.1
    assert [0.0, first, second, second + 2.0, second + 2.0] == pytest.approx(starts, abs=0.01)


@in_virtual_time
async def test_an_answer_that_refuses_the_call_reopens_the_bucket() -> None:
    """Any answer but 4400 shows that the ceiling is no longer in the way; no answer shows nothing."""
    starts: list[float] = []
    errors: list[Exception] = [
        Throttled("ProcessFile", code=4400),
        Unreachable("ProcessFile", "the connection broke"),
        Refused("ProcessFile", code=10008),
    ]
    async with limiter(100) as line:
        for error in errors:
            with suppress(CallError):
                async with line.token("ProcessFile"):
                    starts.append(now())
                    raise error
        await spend(line, log=starts)

    assert [0.0, FIRST_PAUSE, FIRST_PAUSE, FIRST_PAUSE] == pytest.approx(starts, abs=0.01)


@in_virtual_time
async def test_a_burst_is_smoothed() -> None:
    """With a burst of 2 of 60 a minute, two calls go at once and the others follow one a second, up to the ceiling."""
    starts: list[float] = []
    async with (
        memory() as store,
        Limiter(store, limit=lambda _: 60, burst=lambda _: 2, hold=TIMEOUT) as line,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(62):
            group.create_task(spend(line, log=starts))

    assert [0.0, *map(float, range(59)), 60.0] == pytest.approx(starts[:61], abs=0.01)
    assert most_in_window(starts) <= 60


@in_virtual_time
async def test_it_shows_who_waits() -> None:
    """Its repr and `waiting` name the buckets and the length of their lines."""
    async with limiter(1) as line:
        assert "<Limiter unused>" == repr(line)

        await spend(line)
        with suppress(TimeoutError):
            async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                group.create_task(spend(line))
                await asyncio.sleep(1)
                assert {"ProcessFile": 1} == line.waiting()
                assert "<Limiter <Bucket ProcessFile of 1, 1 waiting>>" == repr(line)


class Storm:
    """Callers that call without a pause, over a network as it is, in processes that are killed now and then.

    Most requests take 5 to 60 ms, three in a hundred up to their timeout; each arrives at some instant of its life, and
    some are cancelled. A process that is killed leaves its tokens out, and another one begins on the same store.
    """

    def __init__(self, seed: int, *, limit: int, callers: int, span: float) -> None:
        self.chance = random.Random(seed)
        self.limit = limit
        self.callers = callers
        self.span = span
        self.arrivals: list[float] = []

    async def call(self, line: Limiter) -> None:
        """One call, as long as the network makes it."""
        async with line.token("ProcessFile"):
            slow = self.chance.random() < 0.03
            lasting = self.chance.uniform(0.060, TIMEOUT) if slow else self.chance.uniform(0.005, 0.060)
            self.arrivals.append(now() + self.chance.random() * lasting)
            await asyncio.sleep(lasting)

    async def caller(self, line: Limiter, cancelled: float) -> None:
        """Call again and again; this part of the calls is given up at some time."""
        while now() < self.span:
            patience = self.chance.expovariate(1 / 20) if self.chance.random() < cancelled else None
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self.call(line)

    async def process(self, store: Store, *, cancelled: float, lasting: float | None) -> None:
        """One process with all its callers, that ends after some time."""
        async with Limiter(store, limit=lambda _: self.limit, hold=TIMEOUT) as line:
            with suppress(TimeoutError):
                async with asyncio.timeout(lasting), asyncio.TaskGroup() as group:
                    for _ in range(self.callers):
                        group.create_task(self.caller(line, cancelled))

    async def killed(self, store: Store) -> None:
        """What a kill leaves: tokens taken for calls whose ends nobody sees."""
        for _ in range(self.chance.randrange(self.limit)):
            if isinstance(await store.take("ProcessFile", limit=self.limit, hold=TIMEOUT + WINDOW), Token):
                self.arrivals.append(now() + self.chance.uniform(0, TIMEOUT))

    @in_virtual_time
    async def rage(self) -> None:
        """Processes, one after the other, some of them killed."""
        async with memory() as store:
            while now() < self.span:
                await self.process(store, cancelled=0.1, lasting=self.chance.uniform(0, self.span))
                if self.chance.random() < 0.5:
                    await self.killed(store)

    @in_virtual_time
    async def calm(self) -> None:
        """One process that lives on."""
        async with memory() as store:
            await self.process(store, cancelled=0.0, lasting=None)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), limit=st.integers(1, 12), callers=st.integers(1, 16))
def test_never_over_the_ceiling_as_the_service_counts(seed: int, limit: int, callers: int) -> None:
    """Whatever the network, cancellations and kills do, no 60 s at the service see more calls than allowed."""
    storm = Storm(seed, limit=limit, callers=callers, span=200.0)
    storm.rage()

    assert most_in_window(storm.arrivals) <= limit


def test_nearly_all_of_the_ceiling_is_used() -> None:
    """With work always waiting, at least 98 % of the allowance is used in the long run."""
    minutes = 20
    storm = Storm(7, limit=100, callers=30, span=minutes * WINDOW)
    storm.calm()
    arrivals = [at for at in storm.arrivals if at < storm.span]

    assert most_in_window(arrivals) <= 100
    assert 0.98 <= len(arrivals) / (100 * minutes)
