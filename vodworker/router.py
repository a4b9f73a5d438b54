"""The door for plug-ins: `@on` marks a handler, a `Router` collects and runs them.

Importing a handler has no effect but the mark. What a plug-in does wrong becomes a value here: a problem when it is
loaded, an outcome when it runs.
"""

import asyncio
import contextvars
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from structlog.typing import FilteringBoundLogger

from vodworker.api.action import Action, Page, Reply
from vodworker.cloud.ledger import Deadline, OnDoubt
from vodworker.config import nearest
from vodworker.errors import ConfigError
from vodworker.events import EVENTS, Event, Unknown
from vodworker.journal.port import Origin
from vodworker.outcome import Outcome, Reject
from vodworker.plugins import in_directories, in_packages

E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
E1 = TypeVar("E1", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
Ending = TypeVar("Ending", bound=Outcome)
R = TypeVar("R", bound=Reply)
Item = TypeVar("Item")
P = ParamSpec("P")
T = TypeVar("T")

READ: tuple[type[Event], ...] = (*EVENTS.values(), Unknown)  # what events are ever read as
MARK = "vodworker_hears"  # the attribute that `@on` leaves on a function


class Caller(Protocol):
    """What a handler may ask of the service."""

    async def call(self, action: Action[R], *, once: str | None = None, on_doubt: OnDoubt = "reject") -> R:
        """Send an action and return its reply; see `vodworker.cloud.ledger.Ledger.call`."""
        ...

    def pages(self, action: Action[Page[Item]]) -> AsyncIterator[Item]:
        """Every item of a list that may be longer than one reply; see `vodworker.cloud.client.Vod.pages`."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler is given beside the event.

    vod: the service; what it submits is recorded, and a later run gets the recorded reply.
    log: a logger on which event, key, handler and attempt are bound.
    attempt: the number of this run, from 1. options: the handler's own settings.
    deadline: the time limit of this run; `deadline.left` in seconds.
    origin: for an event of a task that a handler of ours started: the event, the handler and the action it came from.
    """

    vod: Caller
    log: FilteringBoundLogger
    event_id: int
    attempt: int
    options: Mapping[str, Any]
    deadline: Deadline
    loop: asyncio.AbstractEventLoop | None  # None: none runs; then each `wait` runs one
    origin: Origin | None = None

    def wait(self, call: Coroutine[Any, Any, T]) -> T:
        """In a plain `def` handler, which runs in a thread: the result of a call such as `vod.call(…)`."""
        with suppress(RuntimeError):  # no loop runs in a thread: as it should be
            asyncio.get_running_loop()
            call.close()
            raise TypeError("ctx.wait(…) is for plain `def` handlers; in an `async def` write await")
        if self.loop is None:
            return asyncio.run(call)
        return asyncio.run_coroutine_threadsafe(call, self.loop).result()


class Mark(Generic[E_contra]):
    """The decorator that `on` gives: it accepts a function of these events, and returns it unchanged."""

    def __init__(self, hears: tuple[type[Event], ...]) -> None:
        self.hears = hears

    @overload
    def __call__(
        self, handler: Callable[[E_contra, Context], Coroutine[Any, Any, Ending]]
    ) -> Callable[[E_contra, Context], Coroutine[Any, Any, Ending]]: ...
    @overload
    def __call__(self, handler: Callable[[E_contra, Context], Ending]) -> Callable[[E_contra, Context], Ending]: ...
    def __call__(self, handler: Callable[[E_contra, Context], Any]) -> Callable[[E_contra, Context], Any]:
        """Mark the function, and do nothing else; a function that is marked twice hears the events of both."""
        if not inspect.isfunction(handler):
            raise TypeError(f"@on marks functions (event, ctx), not {handler!r}")
        setattr(handler, MARK, (*getattr(handler, MARK, ()), *self.hears))
        return handler


@overload
def on(event: type[E1], /) -> Mark[E1]: ...
@overload
def on(event: type[E1], other: type[E2], /) -> Mark[E1 | E2]: ...
@overload
def on(event: type[E1], other: type[E2], third: type[E3], /, *more: type[Event]) -> Mark[E1 | E2 | E3]: ...
def on(*events: Any) -> Mark[Any]:
    """Mark a function `(event, ctx)` as the handler of these events and of all their subclasses.

    `on(Event)` hears everything, `on(Unknown)` what has no class of its own. The handler's name is the function's. It
    returns `Done()` or None, `Retry(…)` or `Reject(…)`; an exception is a retry. A coroutine function runs in the loop,
    a plain one in a thread, which nothing can stop: past its time limit its result is dropped and its calls fail.
    """
    if not events or not all(isinstance(event, type) and issubclass(event, Event) for event in events):
        raise TypeError("@on takes the events that are to be heard, as in @on(NewFileUpload)")
    return Mark(events)


@dataclass(frozen=True, slots=True)
class Route:
    """A handler and what it hears. where: file and line of its definition."""

    name: str
    hears: tuple[type[Event], ...]
    handler: Callable[[Any, Context], Any]
    where: str

    @classmethod
    def of(cls, handler: Callable[[Any, Context], Any]) -> "Route":
        """The route of a function that `@on` has marked."""
        if not hasattr(handler, MARK):
            raise TypeError(f"{handler!r} is no handler; put @on(…) above it")
        code = inspect.unwrap(handler).__code__
        return cls(handler.__name__, getattr(handler, MARK), handler, f"{code.co_filename}:{code.co_firstlineno}")

    @property
    def problems(self) -> Iterator[str]:
        """What keeps it from ever handling an event."""
        it = f"handler {self.name} at {self.where}"
        takes = inspect.signature(self.handler)
        try:
            takes.bind("event", "ctx")
        except TypeError:
            yield f"{it} takes {takes}; let it take (event, ctx)"
        if inspect.isgeneratorfunction(self.handler) or inspect.isasyncgenfunction(self.handler):
            yield f"{it} yields; let it return its outcome"
        for kind in self.hears:
            if not any(issubclass(event, kind) for event in READ):
                yield f"{it} hears {kind.__name__}, which no event is read as"

    async def run(self, event: Event, ctx: Context) -> object:
        """The outcome of one run: what the handler returned, or the exception that it raised."""
        if not isinstance(event, self.hears):
            return Reject(f"{self.name} does not hear {event.type} any more")
        outcome: object = None
        with plugin_door() as failure:
            async with ctx.deadline:
                outcome = await self._outcome(event, ctx)
        return outcome if failure.error is None else uncovered(failure.error)

    async def _outcome(self, event: Event, ctx: Context) -> object:
        if inspect.iscoroutinefunction(self.handler):
            return await self.handler(event, ctx)
        outcome = await in_thread(functools.partial(self.handler, event, ctx))
        return await outcome if inspect.isawaitable(outcome) else outcome  # of a plain decorator around a coroutine


class Router:
    """All handlers, by name; says who hears an event without running anything."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes: Mapping[str, Route] = MappingProxyType({route.name: route for route in routes})
        self._heard = {name: self._hearing(kind) for name, kind in EVENTS.items()}
        self._unknown = self._hearing(Unknown)

    def __repr__(self) -> str:
        return f"<Router {' '.join(self.routes) or 'without handlers'}>"

    def hears(self, event_type: str) -> tuple[str, ...]:
        """The names of the handlers that hear events of this type."""
        return self._heard.get(event_type, self._unknown)

    def _hearing(self, kind: type[Event]) -> tuple[str, ...]:
        return tuple(name for name, route in self.routes.items() if issubclass(kind, route.hears))

    @classmethod
    def of(cls, *handlers: Callable[[Any, Context], Any] | ModuleType) -> "Router":
        """A router of functions that `@on` has marked, and of modules that hold such functions."""
        found: list[Route] = []
        for handler in handlers:
            found += marked(handler) if isinstance(handler, ModuleType) else [Route.of(handler)]
        if problems := wrong(found):
            raise ConfigError(problems)
        return cls(found)

    @classmethod
    def load(
        cls, directories: Sequence[Path], *, enabled: Sequence[str] | None = None, named: Iterable[str] = ()
    ) -> "Router":
        """A router of all handlers in these directories and behind the entry-point group; None enabled means all.

        named: handlers that the settings speak of; each must exist. Raises `ConfigError` with every problem: a missing
        directory, a file that does not import (file, line, cause) or holds no handler, one that cannot work, two of one
        name, an unknown name.
        """
        problems: list[str] = []
        routes: list[Route] = []
        for source in [*in_directories(directories, problems), *in_packages()]:
            found: list[Route] = []
            with plugin_door() as failure:
                found = marked(source.load())
            routes += found
            if failure.error is not None:
                problems.append(source.trouble(failure.error))
            elif not found:
                problems.append(f"{source.name}: no handler is in it; put @on(…) above the function")
        problems += wrong(routes)
        known = {route.name for route in routes}
        if not problems:  # else a name that is missing may be in the file that did not import
            for name in [it for it in dict.fromkeys([*(enabled or ()), *named]) if it not in known]:
                near = nearest(name, known)
                remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known)) or 'none'}"
                problems.append(f"{name} is not a handler; {remedy}")
        if problems:
            raise ConfigError(problems)
        return cls(route for route in routes if enabled is None or route.name in enabled)


def marked(module: ModuleType) -> list[Route]:
    """The routes of the handlers that this module or package defines; those it only imports belong to another."""
    functions = dict.fromkeys(value for value in vars(module).values() if inspect.isfunction(value))
    own = [function for function in functions if f"{function.__module__}.".startswith(f"{module.__name__}.")]
    return [Route.of(function) for function in own if hasattr(function, MARK)]


def wrong(routes: Sequence[Route]) -> list[str]:
    """A problem for each handler that cannot be one, and for each name that two share: the journal knows only names."""
    first: dict[str, Route] = {}
    doubles = [
        f"handler {route.name} is defined twice, at {first[route.name].where} and at {route.where}; rename one"
        for route in routes
        if first.setdefault(route.name, route) is not route
    ]
    return [problem for route in routes for problem in route.problems] + doubles


@dataclass(slots=True)
class Failure:
    """What came through the plug-in door, if anything did."""

    error: BaseException | None = None


@contextmanager
def plugin_door() -> Generator[Failure]:
    """Code of others runs inside: whatever it raises, `sys.exit()` too, is a value to us; only our own end goes up."""
    failure = Failure()
    try:
        yield failure
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # the one broad catch in here
        if isinstance(error, asyncio.CancelledError) and cancelled():
            raise
        failure.error = error


DOORS = frozenset({__name__, Deadline.__module__})  # the frames between the loop and a handler


def uncovered(error: BaseException) -> BaseException:
    """The same error; its traceback, and those of what led to it, begin in the handler and not in here."""
    chain = [error]
    for link in chain:
        while (trace := link.__traceback__) is not None and trace.tb_frame.f_globals.get("__name__") in DOORS:
            link.__traceback__ = trace.tb_next
        known = {id(it) for it in chain}
        chain += [it for it in (link.__cause__, link.__context__) if it is not None and id(it) not in known]
    return error


def cancelled() -> bool:
    """Whether somebody asked this task to end; in a thread of its own there is no task."""
    with suppress(RuntimeError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return False


async def in_thread(function: Callable[[], object]) -> object:
    """Run a plain function in a thread of its own; returns what it returned, or raises what it raised."""
    outcome: object = None

    def run() -> BaseException | None:
        nonlocal outcome
        with plugin_door() as failure:
            outcome = function()
        return failure.error

    context, loop = contextvars.copy_context(), asyncio.get_running_loop()
    error = await loop.run_in_executor(DAEMON_THREADS, functools.partial(context.run, run))
    if error is not None:
        raise error
    return outcome


class DaemonThreads(Executor):
    """A daemon thread for each call and no pool: at its end the interpreter waits for a pool's threads, hung or not."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start the function, which must not raise, at once."""
        future = Future[T]()
        future.set_running_or_notify_cancel()  # from here on nobody can cancel it: a thread cannot be stopped
        threading.Thread(
            target=lambda: future.set_result(function(*args, **kwargs)), name="handler", daemon=True
        ).start()
        return future


DAEMON_THREADS = DaemonThreads()
