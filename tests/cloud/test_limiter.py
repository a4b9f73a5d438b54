"""The line before a bucket: who goes and when, and what is left of those who give up."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from vodworker.cloud.gate import FIRST_PAUSE
from vodworker.cloud.limiter import LINGER, START, WINDOW, Limiter, Turn
from vodworker.errors import BadReply, CallError, JournalError, Refused, Throttled, Unreachable
from vodworker.journal.port import Store, Token
from vodworker.journal.sqlite import open_sqlite
from vodworker.testing import in_virtual_time

TIMEOUT = 15.0
HOLD = START + TIMEOUT + WINDOW


class Day:
    """A clock that goes on while the loop's stands still, because the machine sleeps."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slept = 0.0

    def __call__(self) -> float:
        """Seconds, of sleep too."""
        return self._loop.time() + self._slept

    def sleep(self, seconds: float) -> None:
        """The machine sleeps."""
        self._slept += seconds


@asynccontextmanager
async def memory(clock: Callable[[], float] | None = None) -> AsyncGenerator[Store]:
    """A store that goes by this clock, or by the loop's."""
    clock = clock or asyncio.get_running_loop().time
    async with open_sqlite(":memory:", now=lambda: 1000.0 + clock()) as store:
        yield store


@asynccontextmanager
async def limiter(limit: int = 3, *, burst: int | None = None, clock: Day | None = None) -> AsyncGenerator[Limiter]:
    """A limiter of one ceiling for all actions, on a store of its own."""
    async with (
        memory(clock) as store,
        Limiter(store, limit=lambda _: limit, burst=lambda _: burst or limit, hold=TIMEOUT, clock=clock) as line,
    ):
        yield line


class Busy:
    """A store's tokens, and how often they were asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked = 0
        self.given = 0
        self.free = store.free

    async def take(self, action: str, *, limit: int, hold: float, most: int = 1) -> list[Token] | float:
        """As the store; counted."""
        self.asked += 1
        return await self._store.take(action, limit=limit, hold=hold, most=most)

    async def give(self, rests: Mapping[Token, float]) -> None:
        """As the store; counted."""
        self.given += 1
        await self._store.give(rests)


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


async def spend(
    line: Limiter,
    *,
    lasting: float = 0.0,
    log: list[float] | None = None,
    action: str = "ProcessFile",
    ends: Exception | None = None,
    turn: Turn | None = None,
) -> None:
    """One call of `lasting` seconds; notes when it starts."""
    with suppress(CallError), await line.token(action, turn=turn):
        if log is not None:
            log.append(now())
        await asyncio.sleep(lasting)
        if ends:
            raise ends


# How a token comes back


@in_virtual_time
async def test_a_full_burst_goes_at_once() -> None:
    """As many calls as the ceiling allows wait for nothing."""
    async with limiter(3) as line:
        for _ in range(3):
            await spend(line)

        assert 0.0 == now()


@pytest.mark.parametrize(
    "ends", [None, Refused("ProcessFile", code=10008), Unreachable("ProcessFile", "no connection", sent=False)]
)
def test_a_token_returns_a_window_after_its_call_ended(ends: Exception | None) -> None:
    """A spent token comes back when the window after the end of its call has passed, not after its start."""

    @in_virtual_time
    async def scenario() -> float:
        async with limiter(1) as line:
            await spend(line, lasting=7.0, ends=ends)
            await spend(line)
            return now()

    assert 7.0 + WINDOW == pytest.approx(scenario(), abs=0.01)


@pytest.mark.parametrize("ends", [Unreachable("ProcessFile", "it broke"), BadReply("ProcessFile", "no JSON")])
def test_a_call_without_an_answer_may_arrive_until_its_timeout(ends: Exception) -> None:
    """Where nobody saw an answer the window begins at the latest instant at which the call may have arrived."""

    @in_virtual_time
    async def scenario() -> float:
        async with limiter(1) as line:
            await spend(line, lasting=2.0, ends=ends)
            await spend(line)
            return now()

    assert HOLD == pytest.approx(scenario(), abs=0.01)


@in_virtual_time
async def test_a_call_that_was_given_up_may_arrive_until_its_timeout() -> None:
    """So it is with a call that was cancelled on its way."""
    async with limiter(1) as line:
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await spend(line, lasting=TIMEOUT)
        await spend(line)

        assert HOLD == pytest.approx(now(), abs=0.01)


class Preparing:
    """A call that gets ready for so long each time, and then maybe fails; notes what it is told."""

    def __init__(self, *lasting: float, fails: Exception | None = None) -> None:
        self.told: list[str] = []
        self._lasting = list(lasting)
        self._fails = fails

    async def waits(self) -> None:
        """Noted."""
        self.told.append("waits")

    async def lingers(self) -> None:
        """Noted."""
        self.told.append("lingers")

    async def goes(self) -> None:
        """Get ready."""
        self.told.append("goes")
        await asyncio.sleep(self._lasting.pop(0))
        if self._fails:
            raise self._fails


@in_virtual_time
async def test_a_call_that_gets_ready_too_late_does_not_go() -> None:
    """Its token may be another's by then, because the store was away while it was to be noted: it takes a new one."""
    starts: list[float] = []
    slow = Preparing(HOLD + 10, START)
    async with (
        memory() as store,
        Limiter(store, limit=lambda _: 1, hold=TIMEOUT) as one,
        Limiter(store, limit=lambda _: 1, hold=TIMEOUT) as other,
        asyncio.TaskGroup() as group,
    ):
        late = group.create_task(spend(one, turn=slow, log=starts))
        await asyncio.sleep(1)
        group.create_task(spend(other, log=starts))
        await asyncio.wait((late,))

    assert [HOLD, HOLD + WINDOW + START] == pytest.approx(starts, abs=0.01)
    assert ["waits", "goes", "waits", "lingers", "goes"] == slow.told


@in_virtual_time
async def test_a_call_that_does_not_go_spends_nothing() -> None:
    """Of one that was overtaken, or given up before it was noted, the token is free at once."""
    starts: list[float] = []
    async with limiter(1) as line:
        await spend(line, turn=Preparing(1, fails=CallError("ProcessFile", "another worker has the entry")), log=starts)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await spend(line, turn=Preparing(2), log=starts)
        await spend(line, log=starts)

    assert [2.0] == pytest.approx(starts, abs=0.01)


@in_virtual_time
async def test_a_token_that_came_back_late_is_not_waited_for() -> None:
    """What one call leaves unused is another's as soon as it is written, also where that had to wait for a writing."""
    starts: list[float] = []

    class Slow(Busy):
        async def give(self, rests: Mapping[Token, float]) -> None:
            await asyncio.sleep(1)
            await super().give(rests)

    async with (
        memory() as store,
        Limiter(Slow(store), limit=lambda _: 2, hold=TIMEOUT) as line,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(spend(line, lasting=2.0))
        overtaken = CallError("ProcessFile", "another worker has the entry")
        group.create_task(spend(line, turn=Preparing(2.5, fails=overtaken)))
        group.create_task(spend(line, log=starts))

    assert [4.0] == pytest.approx(starts, abs=0.01)


@in_virtual_time
async def test_what_a_crash_left_out_returns_after_the_timeout() -> None:
    """A token that nobody will ever give back comes back by itself."""
    async with memory() as store:
        assert isinstance(await store.take("ProcessFile", limit=1, hold=HOLD), list)
        async with Limiter(store, limit=lambda _: 1, hold=TIMEOUT) as line:
            await spend(line)

            assert HOLD == pytest.approx(now(), abs=0.01)


@pytest.mark.parametrize("ends", [None, Unreachable("ProcessFile", "it broke")])
def test_a_call_counts_until_it_ends(ends: Exception | None) -> None:
    """A call that lasts longer than any should counts all the same, and for a window after its end."""
    starts: list[float] = []

    @in_virtual_time
    async def scenario() -> None:
        async with limiter(1) as line, asyncio.TaskGroup() as group:
            group.create_task(spend(line, lasting=200.0, log=starts, ends=ends))
            group.create_task(spend(line, log=starts))

    scenario()

    assert [0.0, 200.0 + WINDOW] == pytest.approx(starts, abs=0.01)


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
async def test_actions_do_not_share_tokens() -> None:
    """A full bucket harms nobody else."""
    async with limiter(1) as line:
        await spend(line)
        await spend(line, action="ConcatVideo")

        assert 0.0 == now()


# The line


@in_virtual_time
async def test_waiters_are_served_in_the_order_they_came() -> None:
    """First come, first served, also when some of those who wait give up."""
    served: list[int] = []

    async def call(line: Limiter, number: int) -> None:
        with await line.token("ProcessFile"):
            served.append(number)

    async with limiter(2) as line, asyncio.TaskGroup() as group:
        tasks = [group.create_task(call(line, number)) for number in range(8)]
        await asyncio.sleep(1)
        tasks[3].cancel()
        tasks[6].cancel()

    assert [0, 1, 2, 4, 5, 7] == served


@in_virtual_time
async def test_a_waiter_that_gives_up_leaves_no_trace() -> None:
    """It is out of the line at once, and the token that it would have had is free for the next one."""
    for patience in (0.0, 0.5, 1.0, 1.5, WINDOW - 0.0001, WINDOW, WINDOW + 0.0001):
        async with limiter(1) as line:
            await spend(line)
            begun, starts = now(), list[float]()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await spend(line, lasting=1000, log=starts)

            assert {"ProcessFile": 0} == line.waiting()
            if not starts:  # else it was served in its last instant, and its call counts
                await spend(line)
                assert begun + WINDOW == pytest.approx(now(), abs=0.01)


@in_virtual_time
async def test_giving_up_while_being_served_loses_no_token() -> None:
    """Who gives up between being handed a token and its call leaves the token to others at once."""

    async def wait(line: Limiter) -> None:
        with await line.token("ProcessFile"):
            pytest.fail("it was to give up before")

    async with memory() as store:
        async with Limiter(store, limit=lambda _: 3, hold=TIMEOUT) as line, asyncio.TaskGroup() as group:
            for turn in range(20):
                waiter = group.create_task(wait(line))
                await asyncio.sleep(0)
                while turn % 2 and line.waiting()["ProcessFile"]:  # noqa: ASYNC110  # no event tells just this instant
                    await asyncio.sleep(0)
                waiter.cancel()

        assert (0.0, {"ProcessFile": 3}) == (now(), await store.free({"ProcessFile": 3}))


@in_virtual_time
async def test_a_token_that_rests_is_written_with_the_next_that_is_taken() -> None:
    """Or soon: nobody misses it before it has rested, and each writing costs a commit."""
    async with memory() as store:
        tokens = Busy(store)
        async with Limiter(tokens, limit=lambda _: 3, hold=TIMEOUT) as line:
            given: list[int] = []
            for _ in range(2):
                await spend(line)
                given.append(tokens.given)
            await asyncio.sleep(LINGER + 0.01)
            given.append(tokens.given)

    assert [0, 1, 2] == given


@in_virtual_time
async def test_nobody_polls() -> None:
    """However many wait, the store is asked when somebody comes and when a token is due, and not in between."""
    async with memory() as store:
        tokens = Busy(store)
        spent = await store.take("ProcessFile", limit=1, hold=HOLD)
        assert isinstance(spent, list)
        await store.give(dict.fromkeys(spent, WINDOW))
        async with Limiter(tokens, limit=lambda _: 1, hold=TIMEOUT) as line, asyncio.TaskGroup() as group:
            waiters = [group.create_task(spend(line)) for _ in range(1000)]
            await asyncio.sleep(WINDOW - 0.1)
            before = tokens.asked
            await asyncio.sleep(0.2)
            for waiter in waiters:
                waiter.cancel()

            assert (1, 2) == (before, tokens.asked)


@in_virtual_time
async def test_a_line_is_served_with_one_question() -> None:
    """Those who wait together have their tokens from one taking and one giving back, whose lock all replicas want."""
    async with memory() as store:
        tokens = Busy(store)
        async with Limiter(tokens, limit=lambda _: 100, hold=TIMEOUT) as line, asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(spend(line, lasting=1.0))

        assert (1, 1) == (tokens.asked, tokens.given)


@pytest.mark.parametrize("burst, at_once", [(100, 40), (7, 7)])
def test_no_more_is_taken_than_can_go(burst: int, at_once: int) -> None:
    """A process takes no tokens from the others that its line, its burst or its own count lets it not use."""
    taken: list[int] = []

    class Watched(Busy):
        async def take(self, action: str, *, limit: int, hold: float, most: int = 1) -> list[Token] | float:
            taken.append(most)
            return await super().take(action, limit=limit, hold=hold, most=most)

    def ceiling(_: str) -> int:
        return 100

    def smooth(_: str) -> int:
        return burst

    @in_virtual_time
    async def scenario() -> list[float]:
        starts = list[float]()
        async with memory() as store:
            tokens = Watched(store)
            async with (
                Limiter(tokens, limit=ceiling, burst=smooth, hold=TIMEOUT) as line,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(40):
                    group.create_task(spend(line, log=starts))
        return starts

    starts = scenario()

    assert (at_once, at_once) == (taken[0], starts.count(0.0))
    assert 40 == sum(taken)


@in_virtual_time
async def test_a_token_of_another_process_is_not_waited_for_too_long() -> None:
    """Who asked while another process was in a call is woken when its token is due, not when it would be after a crash.

    The store knew the latter only, and nobody tells this process that the call has ended.
    """
    starts: list[float] = []
    async with (
        memory() as store,
        Limiter(store, limit=lambda _: 1, hold=TIMEOUT) as one,
        Limiter(store, limit=lambda _: 1, hold=TIMEOUT) as other,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(spend(one, lasting=1.0, log=starts))
        await asyncio.sleep(0.5)
        group.create_task(spend(other, log=starts))

    assert [0.0, 1.0 + WINDOW] == pytest.approx(starts, abs=0.01)


@in_virtual_time
async def test_a_long_wait_is_told_once() -> None:
    """A wait of more than a second says the place in the line and the expected wait."""
    async with limiter(1) as line:
        await spend(line)
        with capture_logs() as told:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(spend(line))

    facts = {(line["event"], line["place"], round(line["expected"])) for line in told}
    assert {("call.waiting", 1, 59), ("call.waiting", 2, 119)} == facts


@pytest.mark.parametrize("burst,begin", [(20, 29.0), (3, 56.0)])
def test_the_expected_wait_is_how_long_it_takes(burst: int, begin: float) -> None:
    """Where nobody else calls, each one waits as long as it was told, in the next minute and in those after it."""
    told: dict[int, float] = {}
    took: dict[int, float] = {}

    async def wait(line: Limiter, place: int) -> None:
        await spend(line)
        took[place] = now() - begin - 1

    @in_virtual_time
    async def scenario() -> None:
        async with limiter(20, burst=burst) as line, asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(spend(line, lasting=number / 10))
            await asyncio.sleep(begin)
            with capture_logs() as lines:
                for place in range(1, 51):
                    group.create_task(wait(line, place))
                await asyncio.sleep(1.5)
            told.update({it["place"]: it["expected"] for it in lines})

    scenario()

    assert len(told) >= 48
    assert {place: took[place + 50 - len(told)] for place in told} == pytest.approx(told, abs=0.2)


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


# What the clocks do


@in_virtual_time
async def test_after_a_sleep_of_the_machine_tokens_are_free_at_once() -> None:
    """Timers stand still while the machine sleeps: the next call of any action wakes all whose tokens came back."""
    day, starts = Day(), list[float]()
    async with limiter(1, clock=day) as line, asyncio.TaskGroup() as group:
        await spend(line)
        group.create_task(spend(line, log=starts))
        await asyncio.sleep(10)
        day.sleep(3600)
        await asyncio.sleep(5)
        await spend(line, action="PullEvent")

    assert [15.0] == pytest.approx(starts, abs=0.01)


@in_virtual_time
async def test_a_call_that_slept_with_the_machine_still_counts() -> None:
    """What was under way may arrive after the sleep, although the store takes its tokens for those of a crash."""
    day, starts = Day(), list[float]()
    async with limiter(3, clock=day) as line, asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(spend(line, lasting=10.0))
        await asyncio.sleep(5)
        day.sleep(3600)
        group.create_task(spend(line, log=starts))

    assert [10.0 + WINDOW] == pytest.approx(starts, abs=0.01)


@in_virtual_time
async def test_the_timeout_of_a_call_does_not_run_while_the_machine_sleeps() -> None:
    """A call that nobody answered may arrive so much later as the machine slept while it was under way."""
    day, starts = Day(), list[float]()
    async with limiter(1, clock=day) as line, asyncio.TaskGroup() as group:
        group.create_task(spend(line, lasting=2.0, ends=Unreachable("ProcessFile", "it broke")))
        await asyncio.sleep(1)
        day.sleep(20)
        await asyncio.sleep(2)
        await spend(line, log=starts)

    assert [HOLD] == pytest.approx(starts, abs=0.01)


@in_virtual_time
async def test_a_token_that_came_too_late_is_not_used() -> None:
    """Where the machine slept while the store was asked, the token may be another's by now, and a new one is taken."""
    day, starts = Day(), list[float]()

    class Slow(Busy):
        async def take(self, action: str, *, limit: int, hold: float, most: int = 1) -> list[Token] | float:
            answer = await super().take(action, limit=limit, hold=hold, most=most)
            if self.asked == 1:
                day.sleep(HOLD + 1)
            return answer

    async with memory(day) as store:
        tokens = Slow(store)
        async with Limiter(tokens, limit=lambda _: 1, hold=TIMEOUT, clock=day) as line:
            await spend(line, log=starts)

        assert ([0.0], 2, {"ProcessFile": 0}) == (starts, tokens.asked, await store.free({"ProcessFile": 1}))


@in_virtual_time
async def test_a_store_that_forgets_does_not_open_the_gate() -> None:
    """Whatever the store says, this process counts what it spent: its clock may be set, or its last minute be lost."""
    leap, starts = Day(), list[float]()
    async with memory(leap) as store, Limiter(store, limit=lambda _: 3, hold=TIMEOUT) as line:
        for _ in range(3):
            await spend(line, lasting=2.0, log=starts)
        leap.sleep(86400)
        for _ in range(3):
            await spend(line, log=starts)

    assert [0.0, 2.0, 4.0, 2.0 + WINDOW, 4.0 + WINDOW, 6.0 + WINDOW] == pytest.approx(starts, abs=0.01)


# When the service says no


async def refused(line: Limiter, starts: list[float], *, lasting: float = 0.1) -> None:
    """One call that the service counts as one too many."""
    await spend(line, lasting=lasting, log=starts, ends=Throttled("ProcessFile", code=4400))


@in_virtual_time
async def test_a_throttled_bucket_closes_and_reopens_gently() -> None:
    """After a 4400 nobody goes for a while, then one call at a time until the service takes one, then all go evenly."""
    starts: list[float] = []
    async with limiter(60) as line:
        with capture_logs() as told:
            await refused(line, starts)
            await refused(line, starts)
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(spend(line, lasting=2.0, log=starts))

    first = FIRST_PAUSE + 0.1
    second = first + 2 * FIRST_PAUSE + 0.1
    assert [0.0, first, second, second + 2.0, second + 3.0, second + 4.0] == pytest.approx(starts, abs=0.02)
    facts = [(it["code"], it["pause"]) for it in told if it["event"] == "call.throttled"]
    assert [(4400, FIRST_PAUSE), (4400, 2 * FIRST_PAUSE)] == facts


@in_virtual_time
async def test_a_refused_burst_closes_the_bucket_once() -> None:
    """Calls that were under way when the bucket closed neither close it for longer nor open it."""
    starts: list[float] = []
    async with limiter(60) as line, asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(refused(line, starts, lasting=0.1 + number / 100))
        group.create_task(spend(line, lasting=1.0))
        await asyncio.sleep(2)
        group.create_task(spend(line, lasting=3.0, log=starts))
        group.create_task(spend(line, log=starts))

    first = 0.1 + FIRST_PAUSE
    assert [first, first + 3.0] == pytest.approx(starts[10:], abs=0.02)


@in_virtual_time
async def test_an_answer_that_refuses_the_call_reopens_the_bucket() -> None:
    """Any answer but 4400 shows that the ceiling is no longer in the way; no answer shows nothing."""
    starts: list[float] = []
    async with limiter(60) as line:
        await refused(line, starts, lasting=0.0)
        await spend(line, log=starts, ends=Unreachable("ProcessFile", "the connection broke"))
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(spend(line, lasting=0.5, log=starts, ends=Refused("ProcessFile", code=10008)))

    first = FIRST_PAUSE
    assert [0.0, first, first, first + 2.0, first + 3.0] == pytest.approx(starts, abs=0.02)


# Bursts


@in_virtual_time
async def test_a_burst_is_smoothed() -> None:
    """With a burst of 2 of 60 a minute, two calls go at once and the others follow one a second, up to the ceiling."""
    starts: list[float] = []
    async with limiter(60, burst=2) as line, asyncio.TaskGroup() as group:
        for _ in range(62):
            group.create_task(spend(line, log=starts))

    step = WINDOW / 60
    assert [0.0, *(step * n for n in range(59)), WINDOW, WINDOW] == pytest.approx(starts, abs=0.01)


# A broken journal


@in_virtual_time
async def test_broken_journal_is_told_before_the_end() -> None:
    """When the journal breaks under a bucket it is told at once, and not when those who draw on it have ended."""
    broken = JournalError("the disk is full")
    told: list[str] = []

    class Broken(Busy):
        async def take(self, *_: object, **__: object) -> list[Token] | float:
            raise broken

    async def draw(store: Store) -> None:
        tokens = Broken(store)
        async with Limiter(tokens, limit=lambda _: 1, hold=TIMEOUT, alarm=lambda it: told.append(str(it))) as line:
            try:
                await spend(line)
            finally:
                told.append("ended")

    async with memory() as store:
        with pytest.raises(ExceptionGroup):
            await draw(store)

    assert ["the disk is full", "ended"] == told
