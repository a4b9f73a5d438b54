"""The watch over one daemon: hears its log, feels its pulse, asks its journal, and tells systemd."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from vodworker.cloud.limiter import Limiter
from vodworker.journal.port import Store
from vodworker.log import heard
from vodworker.watch.health import ASK, HEARD, Health
from vodworker.watch.pulse import Pulse
from vodworker.watch.systemd import Systemd


class Watch:
    """Made while a loop runs. `pulse.run` and `ask` are to be run beside the work.

    asked: what is asked at the moment. on_beat: is told at each beat how many seconds late it came.
    """

    def __init__(self, systemd: Systemd) -> None:
        self._clock = asyncio.get_running_loop().time
        self._systemd = systemd
        self.asked: tuple[Store, Limiter] | None = None
        self.on_beat: Callable[[float], None] = lambda _: None
        self.health = Health(self._clock)
        self.pulse = Pulse(self._beat)

    def __repr__(self) -> str:
        return f"<Watch {self.health!r} {self.pulse!r}>"

    @contextmanager
    def listening(self) -> Generator[None]:
        """Hear what is logged inside."""
        with heard(self.health.hear, *HEARD):
            yield

    async def ask(self, store: Store, limiter: Limiter) -> None:
        """Ask the journal again and again whether it can write, until cancelled. It is free to take its time."""
        self.asked = store, limiter
        try:
            while True:
                await store.free({})  # a transaction, which only a journal that can be written begins
                self.health.journal_answered()
                await asyncio.sleep(ASK)
        finally:
            self.asked = None

    def _beat(self, late: float) -> None:
        self.health.lag = late
        self.on_beat(late)
        stalled, unready = self.health.stalled(), self.health.unready()
        status = "; ".join(unready) or "taking in events"
        self._systemd.beat(self._clock(), alive=not stalled, ready=not unready, status=status)
