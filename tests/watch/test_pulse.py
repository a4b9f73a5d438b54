"""The pulse: a loop that is held up is seen from beside it, and who holds it is named."""

import asyncio
import io
import sys
import threading

import orjson

from vodworker.log import setup
from vodworker.watch.pulse import BEAT, BLOCKED, Pulse, frames


async def held_up(seconds: float) -> None:
    """Hold up the loop, as a handler does that waits without `await`."""
    threading.Event().wait(seconds)


async def test_who_blocks_the_loop_is_named() -> None:
    """While the loop is blocked, the log names the task and the line that it is at; and afterwards how long it was."""
    stream = io.BytesIO()
    setup("json", stream=stream)
    late: asyncio.Queue[float] = asyncio.Queue()
    pulse = Pulse(late.put_nowait)
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(pulse.run())
        first = await late.get()
        group.create_task(held_up(BLOCKED + 3 * BEAT), name="handler upload, event 7")
        second = await late.get()
        beating.cancel()
    blocked, free = map(orjson.loads, stream.getvalue().splitlines())

    assert first < BLOCKED < second
    assert ("loop.blocked", "handler upload, event 7") == (blocked["event"], blocked["task"])
    assert [name.rpartition(" ")[2] for name in blocked["stack"]][:2] == ["held_up", "wait"]
    assert __file__ in blocked["stack"][0]
    assert ("loop.free", True) == (free["event"], free["took"] > BLOCKED)
    assert "s ago" in repr(pulse)


def test_frames_of_nothing_are_none() -> None:
    """A thread that is gone has no frames; another one tells where it is, the innermost last."""
    assert [] == frames(None)
    assert frames(sys._getframe())[-1].endswith(" test_frames_of_nothing_are_none")
