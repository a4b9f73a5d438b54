"""Long polls: they wait for the queue, first come first served, and are woken by the event itself."""

import asyncio
from collections import deque

from vodworker.emulator.queue import Delivered, Queue

Batch = tuple[Delivered, ...]


class Hold:
    """The polls that wait for `queue`. Nothing is polled: an event that comes or comes back wakes the one in front."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._loop = asyncio.get_running_loop()
        self._polls: deque[asyncio.Future[Batch]] = deque()
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Hold {len(self._polls)} polls waiting for {self.queue!r}>"

    @property
    def polls(self) -> int:
        """How many polls wait now."""
        return len(self._polls)

    async def pull(self, hold: float) -> Batch:
        """The next events, waiting up to `hold` seconds for the first; empty when none came.

        Cancelled, the poll leaves every event to the others.
        """
        if not self._polls and (batch := self.queue.pull(self._loop.time())):
            return batch
        if self._closed:
            return ()
        poll: asyncio.Future[Batch] = self._loop.create_future()
        self._polls.append(poll)
        self._arm()
        patience = self._loop.call_later(hold, self._dismiss, poll)
        kept: Batch = ()
        try:
            kept = await asyncio.shield(poll)  # so that hanging up leaves the future to be looked at
            return kept
        finally:
            patience.cancel()
            if not poll.done():
                self._polls.remove(poll)
            elif poll.result() is not kept:  # handed out and hung up in the same turn of the loop
                self.queue.take_back(poll.result())
                self.wake()

    def _dismiss(self, poll: asyncio.Future[Batch]) -> None:
        self._hand_out()  # what comes in the last moment still counts
        if not poll.done():
            self._polls.remove(poll)
            poll.set_result(())

    def wake(self) -> None:
        """Events may be there. They go out in the loop's next turn, so that what comes in one turn is one batch."""
        if self._soon is None:
            self._soon = self._loop.call_soon(self._hand_out)

    def close(self) -> None:
        """Send every poll home with nothing; later ones do not wait."""
        self._closed = True
        for timer in (self._soon, self._later):
            if timer is not None:
                timer.cancel()
        while self._polls:
            self._polls.popleft().set_result(())

    def _hand_out(self) -> None:
        self._soon = None
        while self._polls and (batch := self.queue.pull(self._loop.time())):
            self._polls.popleft().set_result(batch)
        self._arm()

    def _arm(self) -> None:
        """One timer, for the moment when an event comes back: a poll that waits then must not wait longer."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        due = self.queue.due()
        if self._polls and due is not None:
            self._later = self._loop.call_at(due, self._hand_out)
