"""A stop is heard whatever the process does, and it ends; real signals, to this process."""

import asyncio
import io
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from vodworker.errors import JournalError
from vodworker.log import setup
from vodworker.stop import ECHO, HARD_STOP, Stop


@pytest.fixture(autouse=True)
def log(logging_restored: None) -> io.BytesIO:
    """What is logged."""
    stream = io.BytesIO()
    setup("json", stream=stream)
    return stream


class Cuts:
    """Where the process would end: notes why, and lets the test wait for it."""

    def __init__(self) -> None:
        self.why = ""
        self.over = threading.Event()

    def __call__(self, why: str) -> None:
        """Be ended."""
        self.why = why
        self.over.set()


def test_a_second_signal_is_heard_without_the_loop() -> None:
    """Who asks twice is heard though no loop runs, as when a handler blocks it; the first is told to the supervisor."""
    told: list[float] = []
    with Stop(7, told=told.append, cut=(cuts := Cuts())).on_signals():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        cuts.over.wait()

    assert ([7 + HARD_STOP], "a second signal") == (told, cuts.why)


def interrupted(stop: Stop, at: int) -> bool:
    """Have SIGTERM heard, and SIGINT at that step of Python in the middle of it; False: there are fewer steps."""
    steps = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal steps
        if frame.f_code is not Stop.heard.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            steps += 1
            if steps == at:
                stop.heard(signal.SIGINT, None)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        stop.heard(signal.SIGTERM, None)
    finally:
        sys.settrace(before)
    return steps >= at


def test_a_signal_in_the_middle_of_another_is_a_second_one() -> None:
    """Two that come together are two, whatever the first is just about; a handler that blocks may hold them both up."""
    step = 1
    while interrupted(stop := Stop(7, cut=(cuts := Cuts())), step):
        with stop.on_signals():
            assert cuts.over.wait(6), step
            assert "a second signal" == cuts.why
        step += 1

    assert step > 10


def test_an_echo_of_the_first_signal_is_no_second() -> None:
    """Whoever signals a process and then its group asks once; the same signal a while later is a second one."""
    now = [5.0]
    stop = Stop(7, cut=(cuts := Cuts()), now=lambda: now[0])
    for later in (0, 0.5 * ECHO):
        now[0] += later
        stop.heard(signal.SIGTERM, None)
    with stop.on_signals():
        cut = cuts.over.wait(0.05)
        now[0] += ECHO
        signal.raise_signal(signal.SIGTERM)
        cuts.over.wait()

    assert (False, "a second signal") == (cut, cuts.why)


def test_a_hangup_is_no_stop() -> None:
    """Who asks for new settings while the daemon opens or closes does not end it, and is heard as before afterwards."""
    usual = signal.getsignal(signal.SIGHUP)
    with Stop(7).on_signals() as stop:
        signal.raise_signal(signal.SIGHUP)

    assert ("<Stop not asked for>", usual) == (repr(stop), signal.getsignal(signal.SIGHUP))


def test_a_signal_before_the_loop_counts() -> None:
    """A stop that was asked for while the settings were read is found by the loop that begins."""

    async def begin() -> bool:
        stop.listen()
        return stop.asked.is_set()

    with Stop(7).on_signals() as stop:
        assert "<Stop not asked for>" == repr(stop)
        signal.raise_signal(signal.SIGTERM)
        assert asyncio.run(begin())
        assert "<Stop asked for>" == repr(stop)


@pytest.mark.parametrize("early", [False, True])
async def test_what_is_being_opened_is_given_up(*, early: bool) -> None:
    """A stop ends the wait for a journal, whether it comes before or in the middle of it."""
    opening = asyncio.timeout(None)
    with Stop(7).on_signals() as stop:
        stop.listen()
        if early:
            signal.raise_signal(signal.SIGTERM)
            await stop.asked.wait()
        with suppress(TimeoutError):
            async with opening:
                with stop.giving_up(opening):
                    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM) if not early else None
                    await asyncio.Event().wait()

    assert opening.expired()


async def test_what_is_open_is_not_given_up() -> None:
    """A stop after the opening leaves alone what was opened: that ends by itself."""
    async with asyncio.timeout(None) as opening:
        with Stop(7).on_signals() as stop:
            stop.listen()
            with stop.giving_up(opening):
                pass
            signal.raise_signal(signal.SIGTERM)
            await stop.asked.wait()

    assert not opening.expired()


def test_a_process_that_does_not_end_is_cut() -> None:
    """When the grace and a little more are over, the process is cut, and says why."""
    with Stop(-HARD_STOP, cut=(cuts := Cuts())).on_signals():
        signal.raise_signal(signal.SIGTERM)
        cuts.over.wait()

    assert f"it did not end within its grace of {-HARD_STOP:g} s" == cuts.why


def test_a_broken_journal_is_told_once(log: io.BytesIO) -> None:
    """However many parts find the journal broken, it is one line."""
    with Stop(7).on_signals() as stop:
        for _ in range(2):
            stop.broken(JournalError("the disk is full"), journal="sqlite:///a.db")

    (line,) = log.getvalue().splitlines()
    assert b"the disk is full" in line
