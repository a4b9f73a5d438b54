"""The pulse of the event loop: how late it is, told from inside; who holds it up, seen by a thread beside it."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from traceback import walk_stack
from types import FrameType

from vodworker.log import log

BEAT = 0.5  # seconds between two beats
BLOCKED = 1.0  # seconds late from which on somebody is to blame: a handle lives 30, a stop must end within 2
DEEPEST = 30  # frames that are told


class Pulse:
    """Beats in the loop. `on_beat` is called at each beat with the seconds that it came late."""

    def __init__(self, on_beat: Callable[[float], None]) -> None:
        self._on_beat = on_beat
        self._last = time.monotonic()
        self._over = threading.Event()

    def __repr__(self) -> str:
        return f"<Pulse, the last beat {time.monotonic() - self._last:.1f} s ago>"

    async def run(self) -> None:
        """Beat until cancelled, watched from a thread of its own. Real time counts, whatever the loop's clock is."""
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        with self._watched(loop, thread):
            while True:
                self._last = time.monotonic()
                await asyncio.sleep(BEAT)
                late = max(0.0, time.monotonic() - self._last - BEAT)
                if late > BLOCKED:
                    log.info("loop.free", took=round(late, 1))
                self._on_beat(late)

    @contextmanager
    def _watched(self, loop: asyncio.AbstractEventLoop, thread: int) -> Generator[None]:
        watcher = threading.Thread(target=self._watch, args=(loop, thread), name="pulse", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        told = 0.0
        while not self._over.wait(BEAT):
            last = self._last
            late = time.monotonic() - last - BEAT
            if late > BLOCKED and told != last:
                told = last  # once for each time that it is held up
                task = asyncio.current_task(loop)  # of another thread's loop; None when it is between two tasks
                stack = frames(sys._current_frames().get(thread))  # noqa: SLF001  # the documented way to another thread
                log.warning("loop.blocked", task=task.get_name() if task else "", stack=stack, took=round(late, 1))


def frames(innermost: FrameType | None) -> list[str]:
    """Where a thread is, the innermost frame last, from where the loop called on."""
    found = [(frame.f_code, line) for frame, line in walk_stack(innermost)] if innermost else []  # of None: of this one
    for depth, (code, _) in enumerate(found):
        if (code.co_filename, code.co_name) == (asyncio.events.__file__, "_run"):
            del found[depth:]
            break
    return [f"{code.co_filename}:{line} {code.co_name}" for code, line in reversed(found[:DEEPEST])]
