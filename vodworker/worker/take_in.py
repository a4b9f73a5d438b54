"""Take in: long polls → record in the journal → confirm the handles, however slow the handlers are."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from vodworker.cloud.queue import CONFIRM_BATCH, Confirm, Delivery, Queue
from vodworker.errors import CallError, Denied, Refused, Throttled, Unreachable
from vodworker.journal.port import Arrival, Journal
from vodworker.log import log
from vodworker.outcome import backoff, describe
from vodworker.router import Router
from vodworker.worker.backlog import Backlog

CONFIRMERS = 4  # confirmations in flight at once: a slow one does not hold up the next batch
LONGEST_PULL_RETRY = 30.0  # the cloud's absence is waited for; half a minute after it is back, so are we
DENIED_RETRY = 5.0  # wrong keys do not mend themselves: loud, and slower
CONFIRM_RETRY = 0.5  # the handle's life is running: three tries and their timeouts must fit into it
REFUSED_HANDLE = 4000  # the code for a handle that has expired, among other things


class Handle(NamedTuple):
    """A handle to be confirmed: its event is in the journal. `expires` by the loop's clock."""

    handle: str
    expires: float
    event_id: int


class TakeIn:
    """The streams that pull and record, and the senders that confirm."""

    def __init__(
        self, queue: Queue, journal: Journal, router: Router, backlog: Backlog, *, random: Callable[[], float]
    ) -> None:
        self._queue = queue
        self._journal = journal
        self._router = router
        self._backlog = backlog
        self._random = random
        self._polls: set[asyncio.Timeout] = set()
        self._handles: deque[Handle] = deque()
        self._more = asyncio.Event()
        self._stopping = False
        self._all_recorded = False  # no handle comes any more
        self._pulled = False
        self._failures = 0
        self._failing_since = 0.0

    def __repr__(self) -> str:
        return f"<TakeIn {len(self._polls)} polls, {len(self._handles)} handles to confirm>"

    async def run(self, stop: asyncio.Event, *, streams: int, grace: float) -> None:
        """Pull on so many streams until `stop`; then confirm what was recorded, for at most `grace` seconds."""
        async with asyncio.TaskGroup() as group:
            pulling = [group.create_task(self._stream(streams), name=f"stream {n}") for n in range(streams)]
            confirming = [group.create_task(self._confirm(), name=f"confirmer {n}") for n in range(CONFIRMERS)]
            await stop.wait()
            self._stopping = True
            for poll in self._polls:
                poll.reschedule(asyncio.get_running_loop().time())
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await asyncio.wait(pulling)
                    self._all_recorded = True
                    self._more.set()
                    await asyncio.wait(confirming)
            for task in (*pulling, *confirming):
                task.cancel()

    async def _stream(self, streams: int) -> None:
        while not self._stopping:
            deliveries: list[Delivery] = []
            # A timeout without an end is a scope that a stop can cut short: the wait and the poll, never the record.
            poll = asyncio.timeout(None)
            self._polls.add(poll)
            with suppress(TimeoutError):
                async with poll:
                    await self._backlog.room()
                    deliveries = await self._pull(streams)
            self._polls.discard(poll)
            if deliveries:
                await self._record(deliveries)

    async def _pull(self, streams: int) -> list[Delivery]:
        """One long poll; a failure is told and waited out here, with a backoff that all streams share."""
        clock = asyncio.get_running_loop().time
        try:
            deliveries = await self._queue.pull()
        except Throttled:
            return []  # its bucket is closed and has said so: the next poll waits there
        except CallError as error:
            self._failing_since = self._failing_since if self._failures else clock()
            self._failures += 1
            first = DENIED_RETRY if isinstance(error, Denied) else 1.0
            after = backoff(-(-self._failures // streams), self._random, first=first, most=LONGEST_PULL_RETRY)
            name = "pull.denied" if isinstance(error, Denied) else "pull.failed"
            code = error.code if isinstance(error, Refused) else None
            told = log.error if isinstance(error, Denied) else log.warning
            told(name, code=code, error=describe(error), failures=self._failures, after=round(after, 1))
            await asyncio.sleep(after)
            return []
        log.debug("pull.done", events=len(deliveries))
        if self._failures:
            log.info("pull.recovered", failures=self._failures, outage=round(clock() - self._failing_since, 1))
            self._failures = 0
        if not self._pulled:
            self._pulled = True
            log.info("worker.ready", open=self._backlog.open)
        return deliveries

    async def _record(self, deliveries: Sequence[Delivery]) -> None:
        arrivals = [Arrival(d.body, d.type, d.key, self._router.hears(d.type), d.ends) for d in deliveries]
        self._backlog.news.set()
        receipts = await self._journal.record(arrivals)
        opened = 0
        for delivery, arrival, receipt in zip(deliveries, arrivals, receipts, strict=True):
            facts = {"event_id": receipt.event_id, "event_type": delivery.type, "key": delivery.key}
            if receipt.copy:
                log.info("event.duplicate", **facts)
            elif arrival.handlers:
                opened += len(arrival.handlers)
                log.info("event.received", **facts, handlers=arrival.handlers)
            else:
                log.warning("event.unheard", **facts)
            if delivery.handle:
                self._handles.append(Handle(delivery.handle, delivery.expires, receipt.event_id))
        self._more.set()
        self._backlog.changed(opened)

    async def _confirm(self) -> None:
        """Confirm what is recorded, in batches as large as have gathered, oldest first."""
        while True:
            while not self._handles:
                if self._all_recorded:
                    return
                self._more.clear()
                await self._more.wait()
            batch = [self._handles.popleft() for _ in range(min(CONFIRM_BATCH, len(self._handles)))]
            await self._confirm_batch(batch)

    async def _confirm_batch(self, batch: Sequence[Handle]) -> None:
        """Confirm these handles, trying again while they live; a batch that is refused is taken apart."""
        clock = asyncio.get_running_loop().time
        now = clock()
        failures = 0
        while batch := living(batch, now):
            first = min(handle.expires for handle in batch)
            try:
                async with (
                    asyncio.timeout_at(first) as line,
                    self._queue.confirming() as confirm,
                ):
                    line.reschedule(None)  # it is the call's own time that counts from here on
                    await self._send(batch, confirm)
                    return
            except TimeoutError:
                now = first  # it died in line, though the clock may not say so yet: a timer can be early
            except CallError as error:
                code = error.code if isinstance(error, Refused) else None
                if code == REFUSED_HANDLE and len(batch) > 1:
                    half = len(batch) // 2
                    await self._confirm_batch(batch[:half])
                    await self._confirm_batch(batch[half:])
                    return
                failures += 1
                after = backoff(failures, self._random, first=CONFIRM_RETRY)
                left = max(handle.expires for handle in batch) - clock()
                facts = {"handles": len(batch), "code": code, "error": describe(error)}
                if code == REFUSED_HANDLE or left < after:
                    log.warning("confirm.expired", **facts)
                    return
                log.warning("confirm.failed", **facts, margin=round(left, 1), after=round(after, 1))
                await asyncio.sleep(after)
                now = clock()

    async def _send(self, batch: Sequence[Handle], confirm: Confirm) -> None:
        """One try. The journal learns of it before it is sent, because from then on it may have been accepted.

        And when it surely was not, it learns that: an outage does not count as a confirmation.
        """
        clock = asyncio.get_running_loop().time
        events = [handle.event_id for handle in batch]
        await self._journal.mark(events, "sent")
        sent = clock()
        margin = min(handle.expires for handle in batch) - sent
        try:
            await confirm([handle.handle for handle in batch])
        except CallError as error:
            if void(error, handles=len(batch)):
                await self._journal.mark(events, "void")
            raise
        request_ms = round((clock() - sent) * 1000, 1)
        await self._journal.mark(events, "accepted")
        log.info("event.confirmed", handles=len(batch), margin=round(margin, 1), request_ms=request_ms)


def living(batch: Sequence[Handle], now: float) -> Sequence[Handle]:
    """The handles that can still be confirmed; a dead one would have the whole batch refused, and is told here."""
    live = [handle for handle in batch if handle.expires > now]
    if dead := len(batch) - len(live):
        log.warning("confirm.expired", handles=dead, code=None, error="too old to be sent")
    return live


def void(error: CallError, *, handles: int) -> bool:
    """Whether a confirmation of so many handles that failed like this surely confirmed none of them."""
    if isinstance(error, Refused):  # of several, one dead, it is not known whether the others are confirmed
        return error.code != REFUSED_HANDLE or handles == 1
    return isinstance(error, Unreachable) and not error.sent
