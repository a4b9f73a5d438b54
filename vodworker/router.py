"""The door for plug-ins: `@on` marks a handler, a `Router` collects and runs them.

Importing a handler has no effect but the mark. What a plug-in does wrong becomes a value here: a problem when it is
loaded, an outcome when it runs.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from vodworker.cloud.ledger import Deadline
from vodworker.config import nearest
from vodworker.door import plugin_door
from vodworker.errors import ConfigError
from vodworker.events import EVENTS, Event, Unknown
from vodworker.handler import MARK, MARKED, Context, Marked
from vodworker.options import NO_OPTIONS, read_options
from vodworker.outcome import Reject
from vodworker.plugins import in_directories, in_packages
from vodworker.shape import misshapen
from vodworker.threads import in_thread


@dataclass(frozen=True, slots=True)
class Route:
    """A handler and what `@on` says of it. where: file and line of its definition."""

    name: str
    marked: Marked
    handler: Callable[[Any, Any], Any]
    where: str

    @classmethod
    def of(cls, handler: Callable[[Any, Any], Any]) -> "Route":
        """The route of a function that `@on` has marked."""
        if not hasattr(handler, MARK):
            raise TypeError(f"{handler!r} is no handler; put @on(…) above it")
        return cls(handler.__name__, getattr(handler, MARK), handler, place(handler))

    @property
    def hears(self) -> tuple[type[Event], ...]:
        """The events, with all their subclasses."""
        return self.marked.hears

    @property
    def problems(self) -> Iterator[str]:
        """What keeps it from ever handling an event."""
        return (f"handler {self.name} at {self.where} {it}" for it in misshapen(self.handler, self.marked))

    async def run(self, event: Event, ctx: Context[Any, Any]) -> object:
        """The outcome of one run: what the handler returned, or the exception that it raised."""
        if not isinstance(event, self.hears):
            return Reject(f"{self.name} does not hear {event.type} any more")
        outcome: object = None
        with plugin_door(our_end()) as failure:
            async with ctx.deadline:
                outcome = await self._outcome(event, ctx)
        return outcome if failure.error is None else uncovered(failure.error)

    async def _outcome(self, event: Event, ctx: Context[Any, Any]) -> object:
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

    def options(self, given: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The options of every handler, read from what the settings give; `ConfigError` with every problem."""
        problems: list[str] = []
        options = {
            name: read_options(name, route.marked.options, given.get(name, NO_OPTIONS), problems)
            for name, route in self.routes.items()
        }
        if problems:
            raise ConfigError(problems)
        return options

    def _hearing(self, kind: type[Event]) -> tuple[str, ...]:
        return tuple(name for name, route in self.routes.items() if issubclass(kind, route.hears))

    @classmethod
    def of(cls, *handlers: Callable[[Any, Any], Any] | ModuleType) -> "Router":
        """A router of functions that `@on` has marked, and of modules that hold such functions."""
        found: list[Route] = []
        problems: list[str] = []
        for handler in handlers:
            found += marked(handler, problems) if isinstance(handler, ModuleType) else [Route.of(handler)]
        if problems := [*problems, *wrong(found)]:
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
                found = marked(source.load(), problems)
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


def marked(module: ModuleType, problems: list[str]) -> list[Route]:
    """The routes of the handlers that this module or package defines; those it only imports belong to another.

    What it marked and what no name leads to any more, because the name was given twice, is a problem.
    """
    functions = dict.fromkeys(value for value in vars(module).values() if inspect.isfunction(value))
    own = [function for function in functions if f"{function.__module__}.".startswith(f"{module.__name__}.")]
    reached = {inspect.unwrap(function) for function in functions}
    for lost in vars(module).get(MARKED, ()):
        if inspect.unwrap(lost) not in reached:
            instead = vars(module).get(lost.__name__)
            problems.append(
                f"handler {lost.__name__} at {place(lost)} "
                + (
                    f"is replaced by what has the same name at {place(instead)}; rename one"
                    if inspect.isfunction(instead)
                    else "is not found by its name; let @on stand above a function at the top level of its file"
                )
            )
    return [Route.of(function) for function in own if hasattr(function, MARK)]


def place(function: Callable[..., Any]) -> str:
    """File and line of its definition."""
    code = inspect.unwrap(function).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def wrong(routes: Sequence[Route]) -> list[str]:
    """A problem for each handler that cannot be one, and for each name that two share: the journal knows only names."""
    first: dict[str, Route] = {}
    doubles = [
        f"handler {route.name} is defined twice, at {first[route.name].where} and at {route.where}; rename one"
        for route in routes
        if first.setdefault(route.name, route) is not route
    ]
    return [problem for route in routes for problem in route.problems] + doubles


def our_end() -> Callable[[BaseException], bool]:
    """Whether an error is the end of this task by us, and not a plug-in's own doing: cancelled, or thrown away."""
    task = asyncio.current_task()

    def ours(error: BaseException) -> bool:
        if isinstance(error, asyncio.CancelledError):
            return task is not None and task.cancelling() > 0
        return isinstance(error, GeneratorExit) and running_task() is not task

    return ours


DOORS = frozenset(
    {__name__, Deadline.__module__, in_thread.__module__, plugin_door.__module__}
)  # the frames between the loop and a handler


def uncovered(error: BaseException) -> BaseException:
    """The same error; its traceback, and those of what led to it, begin in the handler and not in here."""
    chain = [error]
    for link in chain:
        while (trace := link.__traceback__) is not None and trace.tb_frame.f_globals.get("__name__") in DOORS:
            link.__traceback__ = trace.tb_next
        known = {id(it) for it in chain}
        chain += [it for it in (link.__cause__, link.__context__) if it is not None and id(it) not in known]
    return error


def running_task() -> asyncio.Task[Any] | None:
    """The task that runs here; None where there is no loop, too."""
    with suppress(RuntimeError):
        return asyncio.current_task()
    return None
