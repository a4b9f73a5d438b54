"""The event queue: pull what waits, confirm what is safe."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, TypeAlias

import structlog
from asyncio_throttle.throttler import Throttler

from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import PATIENCE, WINDOW, Call, Limiter
from vodworker.errors import Refused
from vodworker.events import peek
from vodworker.wire import dumps, loads

HANDLE_LIFE = 30.0  # the service accepts no confirmation of a handle that is older
PULL_TIMEOUT = 10.0  # the service holds an empty poll for 5 s and advises twice that
CONFIRM_TIMEOUT = 8.0  # three tries fit into the life of a handle
CONFIRM_BATCH = 16  # handles in one confirmation: as many as one pull brings, so neither ceiling is reached first
NO_EVENT = 4000  # shared with expired handles and wrong parameters; only the words tell an empty queue
NO_EVENT_WORDS = "没有事件通知"

Confirm: TypeAlias = Callable[[Sequence[str]], Awaitable[None]]
"""Confirms up to `CONFIRM_BATCH` handles in one call. Raises `CallError`: then none is known to be confirmed."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Delivery(NamedTuple):
    """An event as the queue handed it out. No handle: "".

    expires: the loop's time at which its handle dies. ends: the task whose end it tells, "" when it tells none.
    """

    handle: str
    expires: float
    type: str
    key: str
    body: bytes
    ends: str


class Queue:
    """The account's event queue. Pulls and confirmations are paced each by a throttle of their own."""

    def __init__(self, vod: Vod, *, limiter: Limiter, limit: Callable[[str], int]) -> None:
        self._vod = vod
        self._pulls = Pace(limiter, "PullEvent", limit("PullEvent"), PULL_TIMEOUT)
        self._confirms = Pace(limiter, "ConfirmEvent", limit("ConfirmEvent"), CONFIRM_TIMEOUT)

    async def pull(self) -> list[Delivery]:
        """A long poll: what waits, or nothing when nothing came within the service's 5 s. Raises `CallError`."""
        try:
            with await self._pulls.turn():
                reply = await self._vod.ask("PullEvent", {}, within=PULL_TIMEOUT)
        except Refused as error:
            if error.code == NO_EVENT and NO_EVENT_WORDS in error.text:
                return []
            raise
        expires = asyncio.get_running_loop().time() + HANDLE_LIFE
        items = reply.get("eventList")
        return [delivery(item, expires) for item in items] if isinstance(items, list) else []

    @asynccontextmanager
    async def confirming(self) -> AsyncGenerator[Confirm]:
        """Wait until a confirmation may go; inside the block it leaves at once."""
        with await self._confirms.turn():
            yield self._confirm

    async def _confirm(self, handles: Sequence[str]) -> None:
        params = {f"msgHandle.{n}": handle for n, handle in enumerate(handles)}
        await self._vod.ask("ConfirmEvent", params, within=CONFIRM_TIMEOUT)


class Throttle(Throttler):
    """asyncio-throttle's sliding log, on the loop's clock, which tests can move.

    Its own way of waiting looks every 10 ms, and notes calls that are given up before they start; so it is only asked.
    """

    def flush(self) -> None:
        """Forget the calls that started longer than the period ago."""
        oldest = asyncio.get_running_loop().time() - self.period
        while self._task_logs and self._task_logs[0] <= oldest:
            self._task_logs.popleft()

    def wait(self) -> float:
        """Seconds until a call may start; 0 or less: now."""
        self.flush()
        if len(self._task_logs) < self.rate_limit:
            return 0.0
        due: float = self._task_logs[0] + self.period
        return due - asyncio.get_running_loop().time()

    def start(self) -> None:
        """Note a call that starts now."""
        self._task_logs.append(asyncio.get_running_loop().time())


class Pace:
    """One of the queue's two actions, kept under its ceiling.

    The throttle counts calls by their start; its period is stretched by the timeout, because a call may arrive that
    much later than it started. It knows no order among those who ask, so a lock lets them in one at a time. The bucket
    behind it knows what other processes and an earlier run have spent.
    """

    def __init__(self, limiter: Limiter, action: str, limit: int, timeout: float) -> None:
        self._limiter = limiter
        self._action = action
        self._throttle = Throttle(rate_limit=limit, period=WINDOW + timeout)
        self._turn = asyncio.Lock()

    async def turn(self) -> Call:
        """Wait until a call of the action may go; it is made inside the block of what this returns."""
        async with self._turn:
            while (wait := self._throttle.wait()) > 0:
                if wait > PATIENCE:
                    log.info("call.waiting", action=self._action, place=1, expected=round(wait, 1))
                await asyncio.sleep(wait)
            call = await self._limiter.token(self._action)
            self._throttle.start()
        return call


def delivery(item: object, expires: float) -> Delivery:
    """Read one element of eventList, whatever it is: nothing that the queue holds may be dropped."""
    handle: object = None
    content: object = item
    if isinstance(item, dict):
        handle = item.get("msgHandle")
        content = item.get("eventContent", item)
    if isinstance(content, str):  # an event that was encoded twice
        with suppress(ValueError):
            content = loads(content.encode("utf-8", "surrogatepass"))
    kind, key, ended = peek(content)
    return Delivery(readable(handle), expires, kind, key, dumps(content), ended)


def readable(handle: object) -> str:
    """A handle as it can be sent back: a number, or a printable text. What is neither is none: ""."""
    match handle:
        case int() if not isinstance(handle, bool):
            return str(handle)
        case str() if handle.isprintable():
            return handle
        case _:
            return ""
