"""Take in: long polls → record in the journal → confirm the handles, however slow the handlers are."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vodworker.cloud.queue import CONFIRM_BATCH, Delivery, Queue
from vodworker.errors import CallError, Denied, Refused, Throttled
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


@dataclass(frozen=True, slots=True)
class Handle:
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
            await asyncio.wait(pulling, timeout=grace)
            self._more.set()
            await asyncio.wait(confirming, timeout=grace)
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
                if self._stopping and not self._polls:
                    return
                self._more.clear()
                await self._more.wait()
            batch = [self._handles.popleft() for _ in range(min(CONFIRM_BATCH, len(self._handles)))]
            await self._confirm_batch(batch)

    async def _confirm_batch(self, batch: Sequence[Handle]) -> None:
        """Confirm these handles, trying again while they live; a batch that is refused is taken apart.

        The journal learns of each attempt before it is sent, because from then on the service may have accepted it.
        """
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            live = [handle for handle in batch if handle.expires > clock()]
            if len(live) < len(batch):  # a dead one would have the whole batch refused
                log.warning("confirm.expired", handles=len(batch) - len(live), code=None, error="too old to be sent")
            if not live:
                return
            batch = live
            events = [handle.event_id for handle in batch]
            margin = min(handle.expires for handle in batch) - clock()
            await self._journal.mark(events, accepted=False)
            sent = clock()
            try:
                await self._queue.confirm([handle.handle for handle in batch])
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
            else:
                await self._journal.mark(events, accepted=True)
                request_ms = round((clock() - sent) * 1000, 1)
                log.info("event.confirmed", handles=len(batch), margin=round(margin, 1), request_ms=request_ms)
                return
