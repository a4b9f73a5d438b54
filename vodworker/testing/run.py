"""One handler and one event, without a network."""

import asyncio
from collections.abc import Callable, Generator, Mapping, MutableMapping
from typing import Any, TypeVar, cast

import structlog
from pydantic import BaseModel

from vodworker.cloud.ledger import Deadline
from vodworker.events import Event
from vodworker.handler import Caller, Context, Options, Resources
from vodworker.journal.port import Origin
from vodworker.options import NO_OPTIONS
from vodworker.outcome import Done, Outcome, Reject, Retry
from vodworker.router import Route, Router
from vodworker.testing.clock import in_virtual_time
from vodworker.testing.service import Recorder

E = TypeVar("E", bound=Event)


def context(
    vod: Caller | None = None,
    *,
    options: Options = cast("Any", NO_OPTIONS),  # noqa: B008  # what a handler without options has
    resources: Resources = cast("Any", None),  # noqa: B008  # what a handler without resources has
    handler: str = "handler",
    attempt: int = 1,
    event_id: int = 1,
    limit: float = 300.0,
    told: list[dict[str, Any]] | None = None,
    origin: Origin | None = None,
) -> Context[Options, Resources]:
    """What a handler is given beside the event.

    vod: a `Recorder` of its own when it is None. options: an object of the handler's model, else a mapping. resources:
    what the handler's resources would have given. limit: seconds that the run may take. told: gets a dict for each line
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
        handler=handler,
        event_id=event_id,
        attempt=attempt,
        options=options,
        resources=resources,
        deadline=Deadline(limit),
        loop=running_loop(),
        origin=origin,
    )


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs here, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Run:
    """A run of a handler, as `run` begins it. vod: what it was given to call; told: a dict for each line it logged."""

    def __init__(
        self, handler: Callable[[Any, Any], Any], event: Event, vod: Recorder, facts: Mapping[str, Any]
    ) -> None:
        self.vod = vod
        self.told: list[dict[str, Any]] = []
        self._route = Route.of(handler)
        self._event = event
        self._facts = facts
        self._outcome: Outcome = None

    def __repr__(self) -> str:
        return f"<Run of {self._route.name}: {self._outcome or 'to be awaited'}>"

    def __await__(self) -> Generator[Any, None, "Run"]:
        return self.begun().__await__()

    @property
    def outcome(self) -> Outcome:
        """How it ended; `Done()` also where the handler returned nothing."""
        if self._outcome is None:
            raise RuntimeError("the run has not begun; in an async test it is awaited: await run(…)")
        return self._outcome

    async def begun(self) -> "Run":
        """Run the handler. Raises what it raises, and `TypeError` when it returns what is no outcome."""
        outcome = await self._route.run(
            self._event, context(self.vod, handler=self._route.name, told=self.told, **self._facts)
        )
        if isinstance(outcome, BaseException):
            raise outcome
        if not isinstance(outcome, Done | Retry | Reject | None):
            raise TypeError(f"{self._route.name} returned {outcome!r}, which is no outcome")
        self._outcome = outcome or Done()
        return self


def run(
    handler: Callable[[E, Context[Any, Any]], Any],
    event: E,
    /,
    *,
    vod: Recorder | None = None,
    options: BaseModel | Mapping[str, Any] = NO_OPTIONS,
    resources: Any = None,
    attempt: int = 1,
    event_id: int = 1,
    limit: float = 300.0,
    origin: Origin | None = None,
) -> Run:
    """Run one handler on one event, as the daemon would.

    In a synchronous test it has run when this returns, in virtual time: waiting takes none. In an async test it runs
    when it is awaited, in the test's own loop: `ran = await run(…)`. vod: one `Recorder` for two runs makes the second
    the later run of the first. options: a mapping is read into the handler's model; `ConfigError` tells what is
    wrong. The rest is as in `context`. Raises what the handler raises.
    """
    if not isinstance(options, BaseModel):
        (options,) = Router.of(handler).options({handler.__name__: options}).values()
    facts = {
        "options": options,
        "resources": resources,
        "attempt": attempt,
        "event_id": event_id,
        "limit": limit,
        "origin": origin,
    }
    it = Run(handler, event, Recorder() if vod is None else vod, facts)
    if running_loop() is None:
        in_virtual_time(it.begun)()
    return it
