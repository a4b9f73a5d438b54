"""Long polls, in virtual time."""

import asyncio

from vodworker.emulator.hold import Batch, Hold
from vodworker.emulator.queue import Queue
from vodworker.testing import in_virtual_time


def hold(*, batch: int = 16) -> Hold:
    """An empty queue with the service's own times, and who waits for it."""
    return Hold(Queue(batch=batch, handle_life=30.0, return_after=5.0))


def emit(polls: Hold, *events: str) -> None:
    """Put events into the queue and wake who waits."""
    for event in events:
        polls.queue.put(event.encode())
        polls.wake()


async def pulled(polls: Hold, seconds: float = 5.0) -> tuple[list[str], float]:
    """What a poll brings, and when."""
    batch: Batch = await polls.pull(seconds)
    return [one.event.content.decode() for one in batch], asyncio.get_running_loop().time()


@in_virtual_time
async def test_poll_returns_at_once_when_events_wait() -> None:
    """A poll does not wait when there is something to hand out."""
    polls = hold()
    emit(polls, "a")

    assert (["a"], 0.0) == await pulled(polls)


@in_virtual_time
async def test_poll_is_held_and_comes_back_empty() -> None:
    """A poll of an empty queue returns with nothing after the hold, and not before."""
    assert ([], 5.0) == await pulled(hold())


@in_virtual_time
async def test_event_wakes_the_poll() -> None:
    """An event that comes during the hold ends it at that moment; what comes at once comes in one batch."""
    polls = hold()
    asyncio.get_running_loop().call_later(2, emit, polls, "a", "b")

    assert (["a", "b"], 2.0) == await pulled(polls)


@in_virtual_time
async def test_polls_are_served_in_the_order_they_came() -> None:
    """Of several polls the first to come is the first to be served; the others wait on."""
    polls = hold(batch=1)
    loop = asyncio.get_running_loop()
    loop.call_later(1, emit, polls, "a", "b")
    loop.call_later(2, emit, polls, "c")
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(pulled(polls)) for _ in range(4)]

    assert [(["a"], 1.0), (["b"], 1.0), (["c"], 2.0), ([], 5.0)] == [answer.result() for answer in answers]


@in_virtual_time
async def test_late_comer_does_not_overtake() -> None:
    """A poll that comes while others wait takes no event from them, although one may just have been put in."""
    polls = hold(batch=1)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(pulled(polls))
        await asyncio.sleep(0)
        emit(polls, "a")
        second = group.create_task(pulled(polls))

    assert [(["a"], 0.0), ([], 5.0)] == [first.result(), second.result()]


@in_virtual_time
async def test_event_that_comes_back_wakes_the_poll() -> None:
    """A poll that waits when an unconfirmed event comes back gets it at that moment."""
    polls = hold()
    emit(polls, "a")
    await pulled(polls)

    assert (["a"], 35.0) == await pulled(polls, 60.0)


@in_virtual_time
async def test_last_moment_of_the_hold_counts() -> None:
    """A poll gets an event that comes back in the very moment in which its hold ends."""
    polls = hold()
    emit(polls, "a")
    await pulled(polls)

    assert (["a"], 35.0) == await pulled(polls, 35.0)


@in_virtual_time
async def test_timer_follows_what_is_confirmed() -> None:
    """A poll does not wake for an event that was confirmed in the meantime."""
    polls = hold()
    emit(polls, "a")
    [delivered] = await polls.pull(5)
    asyncio.get_running_loop().call_later(10, polls.queue.confirm, [delivered.handle], 10.0)

    assert ([], 60.0) == await pulled(polls, 60.0)


@in_virtual_time
async def test_client_that_hung_up_takes_nothing() -> None:
    """A poll that is cancelled while it waits leaves the next event to the others."""
    polls = hold()
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(pulled(polls))
        stays = group.create_task(pulled(polls))
        await asyncio.sleep(0)
        gone.cancel()
        asyncio.get_running_loop().call_later(1, emit, polls, "a")

    assert ((["a"], 1.0), 0) == (stays.result(), polls.polls)


@in_virtual_time
async def test_client_that_hangs_up_as_it_is_served_takes_nothing() -> None:
    """Events handed to a poll in the very turn in which it is cancelled go to the next one, and count once."""
    polls = hold()
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(pulled(polls))
        stays = group.create_task(pulled(polls))
        await asyncio.sleep(0)
        emit(polls, "a")
        asyncio.get_running_loop().call_soon(gone.cancel)

    assert (["a"], 0.0) == stays.result()
    assert (1, 0) == (polls.queue.pulled, polls.queue.redelivered)


@in_virtual_time
async def test_closed_hold_sends_everybody_home() -> None:
    """When the emulator closes, polls end with nothing, and later ones do not wait."""
    polls = hold()
    emit(polls, "a")
    await pulled(polls)
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(pulled(polls))
        await asyncio.sleep(0)
        assert "<Hold 1 polls waiting for <Queue 0 waiting, 1 out, 0 lapsed>>" == repr(polls)
        polls.close()

    assert [([], 0.0), ([], 0.0)] == [answer.result(), await pulled(polls)]
