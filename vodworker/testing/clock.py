"""Virtual time: a loop in which waiting takes none."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeVar

from vodworker.journal.thread import jobs

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_JOB = 20.0  # seconds of real time for which a thread may stop the clock
IN_TRANSIT = 0.001  # seconds of real time that bytes on the loopback may be under way, unseen by either end


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time: when nothing else can happen, the clock jumps to the next timer.

    `loop.time()` starts at 0. Sockets and threads stay real: while a thread started with `run_in_executor` or a
    journal's thread works, or bytes are in transit, the clock stands still. Both ends of a connection must live in this
    loop.
    """

    def __init__(self, *, in_transit: float = IN_TRANSIT) -> None:
        self.now = 0.0
        jobs[self] = 0
        super().__init__(JumpingSelector(self, in_transit))

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self.now

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]  # the stub's own type variables
        """As in every loop; the clock stands still until the job is done."""
        jobs[self] += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _job: object) -> None:
        jobs[self] = max(0, jobs[self] - 1)


class JumpingSelector(selectors.BaseSelector):
    """A selector that lets the loop's clock jump instead of waiting for a timer."""

    def __init__(self, loop: VirtualLoop, in_transit: float) -> None:
        self._loop = loop
        self._in_transit = in_transit
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; else the clock jumps by `timeout`, unless something real is under way."""
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            return self._real.select(None)
        if jobs[self._loop]:
            ready = self._real.select(LONGEST_JOB)
            if not ready:
                jobs[self._loop] = 0  # what was lost with a test that was cut short must not stop the clock for ever
            return ready
        sockets = len(self._real.get_map()) > 1  # more than the loop's own, over which threads wake it
        ready = self._real.select(self._in_transit if sockets else 0)
        if not ready:
            self._loop.now += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """As the real one."""
        return self._real.get_map()

    def close(self) -> None:
        """As the real one."""
        self._real.close()


def in_virtual_time(scenario: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a synchronous function, a test for instance, of a coroutine function that is to run in virtual time."""

    @functools.wraps(scenario)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(scenario(*args, **kwargs))

    return run
