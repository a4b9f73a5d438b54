"""The time limit of a run: waits for tokens do not count, it can be read in a thread, and after it nothing is sent."""

import asyncio
from typing import Any

import pytest

from vodworker.api import GetTaskInfo, RedoTask
from vodworker.cloud.ledger import MOMENT, Deadline, Ledger
from vodworker.errors import CallError
from vodworker.journal.port import Arrival
from vodworker.journal.sqlite import open_sqlite
from vodworker.testing import in_virtual_time


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_limit_ends_the_block() -> None:
    """What takes longer than the limit is ended with words that name the limit."""
    with pytest.raises(TimeoutError, match="not finished within its time limit of 10 s"):
        async with Deadline(10):
            await asyncio.Event().wait()

    assert 10 == now()


@in_virtual_time
async def test_who_ends_the_run_goes_before_its_limit() -> None:
    """A run that is cancelled while it cleans up after its limit is cancelled, and not a failure of its handler."""

    async def run() -> None:
        async with Deadline(10):
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(5)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run())
        await asyncio.sleep(12)
        running.cancel()

    assert (True, 12) == (running.cancelled(), now())


@in_virtual_time
async def test_waits_do_not_count() -> None:
    """The clock stands while any wait lasts, several at once included, and goes on where it stood."""

    async def run() -> None:
        async with Deadline(10) as deadline:
            await asyncio.sleep(4)
            deadline.pause()
            await asyncio.sleep(100)
            deadline.pause()
            deadline.resume()
            await asyncio.sleep(100)
            assert "<Deadline 6.0 of 10 s left>" == repr(deadline)
            deadline.resume()
            await asyncio.sleep(2)
            assert 4 == deadline.left
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await run()

    assert 210 == now()


@in_virtual_time
async def test_rest_can_be_read_in_a_thread() -> None:
    """What is left can be asked where no loop runs."""
    async with Deadline(10) as deadline:
        await asyncio.sleep(3)
        assert [7] == [await asyncio.to_thread(lambda: deadline.left)]


@in_virtual_time
async def test_wait_may_outlast_the_run() -> None:
    """A wait that ends after its run was cut short does no harm."""
    async with Deadline(10) as deadline:
        deadline.pause()
    deadline.resume()

    assert deadline.over


@in_virtual_time
async def test_wait_may_begin_after_the_run() -> None:
    """What a run left behind may come to its wait when the run is over; it will send nothing, and does no harm."""
    async with Deadline(10) as deadline:
        pass
    deadline.pause()
    deadline.resume()

    assert deadline.over


@in_virtual_time
async def test_a_stop_ends_a_long_wait_at_once() -> None:
    """When the daemon stops, a run that has waited for more than a moment is cancelled then and there."""

    async def run(deadline: Deadline) -> None:
        async with deadline:
            await asyncio.sleep(3)
            deadline.pause()
            await asyncio.Event().wait()

    deadline = Deadline(10)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run(deadline))
        await asyncio.sleep(100)
        deadline.hurry()

    assert (True, 100) == (running.cancelled(), now())


@in_virtual_time
async def test_after_a_stop_a_wait_may_last_a_moment() -> None:
    """Within the grace a token that is free can be had; a wait that turns out to be longer ends the run."""

    async def run(deadline: Deadline) -> None:
        async with deadline:
            for wait in (0.5, 0.9, 2.0):
                deadline.pause()
                await asyncio.sleep(wait)
                deadline.resume()
                await asyncio.sleep(1)

    deadline = Deadline(10)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run(deadline))
        deadline.hurry()

    assert running.cancelled()
    assert 0.5 + 1 + 0.9 + 1 + MOMENT == pytest.approx(now())


@in_virtual_time
async def test_a_stop_gives_up_no_call_that_is_under_way() -> None:
    """Where a run waits for one token while another of its calls is under way, it is cut after that has ended."""

    async def run(deadline: Deadline) -> None:
        async with deadline:
            deadline.pause()
            deadline.calls(+1)
            await asyncio.sleep(5)
            deadline.calls(-1)
            await asyncio.Event().wait()

    deadline = Deadline(10)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run(deadline))
        await asyncio.sleep(2)
        deadline.hurry()

    assert (True, 5) == (running.cancelled(), now())


@in_virtual_time
async def test_a_stop_lets_a_run_that_does_not_wait_finish() -> None:
    """What does something is given the grace."""

    async def run(deadline: Deadline) -> None:
        async with deadline:
            await asyncio.sleep(8)

    deadline = Deadline(10)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run(deadline))
        await asyncio.sleep(2)
        deadline.hurry()

    assert (False, 8) == (running.cancelled(), now())


@in_virtual_time
async def test_nothing_is_sent_after_the_run(line: Any) -> None:
    """What a run leaves behind, such as a thread that hangs, can call no more: its entry may run elsewhere by now."""
    clock = asyncio.get_running_loop().time  # the store asks it in a thread
    async with line({}) as it, open_sqlite(":memory:", now=lambda: 1e9 + clock()) as store:
        await store.record([Arrival(b"{}", "Event", "", ("handler",))])
        (entry,) = (await store.claim({"handler": 1}, lease=60)).entries
        deadline = Deadline(10)
        ledger = Ledger(it.vod, store, lambda: entry, deadline)
        async with deadline:
            await ledger.call(RedoTask(vod_task_id="t"))

        for action in (RedoTask(vod_task_id="t"), GetTaskInfo(vod_task_id="t")):
            with pytest.raises(CallError, match="nothing was sent, because the run of this handler is over"):
                await ledger.call(action)

    assert ["RedoTask"] == it.actions()
