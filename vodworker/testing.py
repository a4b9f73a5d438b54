"""For tests of handlers, and our own: virtual time, a context, and a service that only takes notes."""

import asyncio
import functools
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, MutableMapping
from concurrent.futures import Executor
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar, cast

import structlog

from vodworker.api.action import Action, Page, Reply
from vodworker.cloud.client import Item, pages
from vodworker.cloud.ledger import Deadline, OnDoubt
from vodworker.errors import VodworkerError
from vodworker.journal.port import Origin
from vodworker.router import Caller, Context

P = ParamSpec("P")
R = TypeVar("R", bound=Reply)
T = TypeVar("T")

LONGEST_JOB = 20.0  # seconds of real time for which a thread may stop the clock
IN_TRANSIT = 0.001  # seconds of real time that bytes on the loopback may be under way, unseen by either end


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time: when nothing else can happen, the clock jumps to the next timer.

    `loop.time()` starts at 0. Sockets and threads stay real: while a thread started with `run_in_executor` works, or
    bytes are in transit, the clock stands still. Both ends of a connection must live in this loop.
    """

    def __init__(self, *, in_transit: float = IN_TRANSIT) -> None:
        self.now = 0.0
        self.jobs = 0
        super().__init__(JumpingSelector(self, in_transit))

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self.now

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]  # the stub's own type variables
        """As in every loop; the clock stands still until the job is done."""
        self.jobs += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _job: object) -> None:
        self.jobs = max(0, self.jobs - 1)


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
        if self._loop.jobs:
            ready = self._real.select(LONGEST_JOB)
            if not ready:
                self._loop.jobs = 0  # what was lost with a test that was cut short must not stop the clock for ever
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


class Recorder:
    """A service that is nowhere: it notes what a handler submits, and answers as it is told to.

    replies: a reply, or an error to be raised, for each type of action. An action without one is answered well and
    with nothing in it, but for a task id where it starts a task. What is not safe to repeat and asked again under the
    same `once` is answered as before and not noted again, as in a later run of a handler. No ceilings, no waiting.
    """

    def __init__(self, replies: Mapping[type[Action[Any]], Reply | VodworkerError] | None = None) -> None:
        self.replies = dict(replies or {})
        self.calls: list[Action[Reply]] = []
        self._once: dict[str, Reply] = {}

    def __repr__(self) -> str:
        return f"<Recorder of {len(self.calls)} calls>"

    async def call(
        self,
        action: Action[R],
        *,
        once: str | None = None,
        on_doubt: OnDoubt = "reject",  # noqa: ARG002  # nothing is ever in doubt here
    ) -> R:
        """The reply to this action; raises the error when it is told to."""
        once = None if action.safe else once
        if once is not None and once in self._once:
            return cast("R", self._once[once])  # the same name is the same action
        self.calls.append(action)
        reply = self.replies.get(type(action))
        if isinstance(reply, VodworkerError):
            raise reply
        if reply is None:
            starts = "vod_task_id" in action.reply.model_fields
            reply = action.reply.model_validate({"vodTaskId": f"task-{len(self.calls)}"} if starts else {})
        if once is not None:
            self._once[once] = reply
        return cast("R", reply)  # `replies` has the replies of its actions

    def pages(self, action: Action[Page[Item]]) -> AsyncIterator[Item]:
        """The items of what `call` replies."""
        return pages(self.call, action)


def context(
    vod: Caller | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    attempt: int = 1,
    event_id: int = 1,
    limit: float = 300.0,
    told: list[dict[str, Any]] | None = None,
    origin: Origin | None = None,
) -> Context:
    """What a handler is given beside the event. To be made while a loop runs.

    vod: a `Recorder` of its own when it is None. limit: seconds that the run may take. told: gets a dict for each line
    that the handler logs, with its `level` and `event`. origin: where the event's task is said to come from.
    """
    lines: list[dict[str, Any]] = [] if told is None else told

    def note(_logger: object, level: str, facts: MutableMapping[str, Any]) -> str:
        lines.append({"level": level, **facts})
        raise structlog.DropEvent

    return Context(
        vod=Recorder() if vod is None else vod,
        log=structlog.wrap_logger(
            None, processors=[note], wrapper_class=structlog.make_filtering_bound_logger("debug")
        ),
        event_id=event_id,
        attempt=attempt,
        options=MappingProxyType(dict(options or {})),
        deadline=Deadline(limit),
        loop=asyncio.get_running_loop(),
        origin=origin,
    )
