"""The ledger: what was sent is not sent again, and equal calls are told apart."""

import asyncio
from contextlib import suppress

import pytest

from tests.cloud.desk import concat, desk, process
from vodworker.api import CreateClass, GetVideoInfo
from vodworker.cloud.ledger import Deadline, Ledger
from vodworker.emulator.faults import Code, Cut, Latency
from vodworker.errors import CallError, InvalidCall, JournalError, Overtaken, Refused, Unreachable
from vodworker.testing import in_virtual_time


@in_virtual_time
async def test_equal_calls_of_one_run_are_calls_of_their_own() -> None:
    """The second equal call of a run is sent; in the next run both give their own replies."""
    async with desk() as it:
        call = process(it.video(), 210)
        runs: list[list[str | None]] = []
        for _ in range(2):
            async with it.run() as ledger:
                runs.append([(await ledger.call(call)).vod_task_id for _ in range(2)])

        assert runs[0] == runs[1]
        assert 2 == len(set(runs[0])) == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_named_call_is_the_same_whatever_its_content() -> None:
    """A call named with `once` is sent once, also within one run."""
    async with desk() as it:
        file_id = it.video()
        async with it.run() as ledger:
            first = await ledger.call(process(file_id, 210), once="it")
            second = await ledger.call(process(file_id, 220), once="it")

        assert first.vod_task_id == second.vod_task_id
        assert 1 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_what_is_no_action_is_not_tried_again() -> None:
    """A call of something that is no action, such as a class, fails in words, and as nothing that passes."""
    async with desk() as it, it.run() as ledger:
        with pytest.raises(InvalidCall, match="takes an action") as caught:
            await ledger.call(CreateClass)  # type: ignore[arg-type]  # the slip that it is about

        assert not caught.value.retryable


@in_virtual_time
async def test_reading_is_not_recorded() -> None:
    """A safe call is sent each time."""
    async with desk() as it:
        call = GetVideoInfo(file_id=it.video())
        for _ in range(2):
            await it.call(call)

        assert 2 == it.emulator.audit.arrivals("GetVideoInfo")


@in_virtual_time
async def test_a_run_that_was_overtaken_sends_nothing() -> None:
    """A run that woke after another worker had taken the entry pays for nothing, and leaves that one's notes alone."""
    async with desk() as it:
        call = process(it.video(), 210)
        async with it.run() as late:
            await it.store.release([it.entry])
            (it.entry,) = (await it.store.claim({"h": 1}, lease=1e6)).entries
            task = (await it.call(call)).vod_task_id
            with pytest.raises(Overtaken, match="another worker has the entry"):
                await late.call(call, once="something else")

        assert 1 == it.emulator.audit.arrivals("ProcessFile")
        assert task == (await it.call(call)).vod_task_id


@in_virtual_time
async def test_a_refused_call_may_be_sent_again() -> None:
    """What the service refused had no effect: the next run sends it again."""
    async with desk() as it:
        for _ in range(2):
            with pytest.raises(Refused):
                await it.call(process("no-such-file", 210))

        assert 2 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_run_that_is_over_calls_no_more() -> None:
    """A thread that outlives its run cannot spend money any more."""
    async with desk() as it:
        deadline = Deadline(5.0)
        async with deadline:
            pass
        with pytest.raises(CallError, match="the run of this handler is over"):
            await Ledger(it.vod, it.store, lambda: it.entry, deadline).call(process(it.video(), 210))

        assert 0 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_call_is_noted_before_it_leaves() -> None:
    """While the request is on its way to the service, the journal has its note already."""
    async with desk(Latency(action="ProcessFile", seconds=5)) as it:
        call = process(it.video(), 210)
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(it.call(call, once="a"))
            await asyncio.sleep(1)
            under_way = (await it.noted("a"), it.emulator.audit.arrivals("ProcessFile"))

        assert (True, 0) == under_way
        assert sending.result().vod_task_id in it.emulator.state.tasks


@in_virtual_time
async def test_a_call_that_was_only_throttled_leaves_no_note() -> None:
    """A call that the service throttled did nothing: a stop while it waits to go again leaves nothing in doubt."""
    async with desk(Code(action="ProcessFile", code=4400)) as it:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await it.call(process(it.video(), 210), once="a")

        assert it.emulator.audit.arrivals("ProcessFile")
        assert not await it.noted("a")


@in_virtual_time
async def test_a_call_that_never_left_leaves_no_note() -> None:
    """Where no connection came about nothing was done, also when the run is cut before the next try."""
    async with desk(endpoint="http://127.0.0.1:1/") as it:
        call = process("7", 210)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await it.call(call, once="cut")
        with pytest.raises(Unreachable) as caught:
            await it.call(call, once="tried")

        assert not caught.value.sent
        assert [False, False] == [await it.noted(once) for once in ("cut", "tried")]


@in_virtual_time
async def test_a_lost_reply_keeps_its_note() -> None:
    """A call that may have had its effect stays noted, also when it is sent again as asked and then refused."""
    cut, refused = Cut(action="CreateClass", when="after", count=1), Code(action="CreateClass", code=1000)
    async with desk(cut, refused) as it:
        call = CreateClass(class_name="x", parent_id=-1)
        with pytest.raises(Unreachable):
            await it.call(call, once="a")
        lost = await it.noted("a")
        with pytest.raises(Refused):
            await it.call(call, once="a", on_doubt="resend")

        assert (True, True) == (lost, await it.noted("a"))


@in_virtual_time
async def test_a_call_that_failed_and_is_made_again_is_the_same_call() -> None:
    """A handler that tries again in the same run, after a lost reply, gets the task that it has paid for."""
    async with desk(Cut(action="ProcessFile", when="after", count=1)) as it:
        call = process(it.video(), 210)
        replies: list[str | None] = []
        async with it.run() as ledger:
            for _ in range(3):
                with suppress(Unreachable):
                    replies.append((await ledger.call(call)).vod_task_id)

        first, second = it.emulator.state.tasks  # of three tries the first failed, and the third was a new call
        assert [first, second] == replies


@in_virtual_time
async def test_equal_calls_at_once_are_two() -> None:
    """Two equal calls that are under way together are calls of their own, in the next run, too."""
    async with desk(Latency(action="ProcessFile", seconds=5)) as it:
        call = process(it.video(), 210)
        runs: list[set[str | None]] = []
        for _ in range(2):
            async with it.run() as ledger, asyncio.TaskGroup() as group:
                both = [group.create_task(ledger.call(call)) for _ in range(2)]
            runs.append({each.result().vod_task_id for each in both})

        assert [{*it.emulator.state.tasks}] * 2 == runs
        assert 2 == len(runs[0])


@in_virtual_time
async def test_a_name_is_one_call_also_at_once() -> None:
    """Of two calls under one name, made together, one is sent; both have its reply."""
    async with desk(Latency(action="ProcessFile", seconds=5)) as it:
        call = process(it.video(), 210)
        async with it.run() as ledger, asyncio.TaskGroup() as group:
            both = [group.create_task(ledger.call(call, once="it")) for _ in range(2)]

        assert [*it.emulator.state.tasks] * 2 == [each.result().vod_task_id for each in both]


@in_virtual_time
async def test_a_name_is_of_one_action() -> None:
    """A name that another action has is refused in words; nothing is sent, and trying again would not help."""
    async with desk() as it:
        file_id = it.video()
        async with it.run() as ledger:
            await ledger.call(process(file_id, 210), once="it")
            with pytest.raises(CallError, match="ConcatVideo: once='it' names a ProcessFile already") as caught:
                await ledger.call(concat(file_id), once="it")

        assert not caught.value.retryable
        assert 0 == it.emulator.audit.arrivals("ConcatVideo")


@in_virtual_time
async def test_a_cleanup_after_the_time_limit_calls_no_more() -> None:
    """What a handler calls in its `finally` after the time limit is not sent, and the limit is why the run ended."""
    async with desk() as it:

        async def run() -> None:
            async with it.run(limit=5.0) as ledger:
                try:
                    await asyncio.Event().wait()
                finally:
                    await ledger.call(process(it.video(), 210))

        with pytest.raises(TimeoutError, match="not finished within its time limit of 5 s") as caught:
            await run()

        assert "the run of this handler is over" in str(caught.value.__cause__)
        assert 0 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_broken_journal_is_remembered() -> None:
    """Whatever a handler makes of an error of the journal, the ledger raises it again for who runs the handler."""
    async with desk() as it:
        async with it.run() as ledger:
            ledger.check()
            await it.store.close()
            with pytest.raises(JournalError):
                await ledger.call(process("7", 210))
        with pytest.raises(JournalError):
            ledger.check()
