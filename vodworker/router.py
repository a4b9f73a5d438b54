"""The door for plug-ins: `@on` marks a handler, a `Router` collects and runs them.

Importing a handler has no effect but the mark. What a plug-in does wrong becomes a value here: a problem when it is
loaded, an outcome when it runs.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, cast

from vodworker.cloud.ledger import Deadline
from vodworker.config import nearest
from vodworker.door import plugin_door
from vodworker.errors import ConfigError
from vodworker.events import EVENTS, Event, Unknown
from vodworker.handler import MARK, MARKED, Context, Marked, Middleware, Run
from vodworker.options import NO_OPTIONS, read_options
from vodworker.outcome import Outcome, Reject, describe
from vodworker.plugins import in_directories, in_packages
from vodworker.shape import misshapen
from vodworker.threads import in_thread

is_coroutine_function = functools.cache(inspect.iscoroutinefunction)  # of a handler, in each of its runs


@dataclass(frozen=True, slots=True)
class Route:
    """A handler and what `@on` says of it. where: file and line of its definition; around: the outermost first."""

    name: str
    marked: Marked
    handler: Callable[[Any, Any], Any]
    where: str
    around: tuple[Middleware, ...] = ()

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
        if not isinstance(event, self.marked.hears):
            return Reject(f"{self.name} does not hear {event.type} any more")
        outcome: object = None
        with plugin_door(our_end) as failure:
            async with ctx.deadline:
                run: Run = self.handler if is_coroutine_function(self.handler) else self._in_thread
                for middleware in reversed(self.around):
                    run = functools.partial(within, middleware, run)
                outcome = await run(event, ctx)
        return outcome if failure.error is None else uncovered(failure.error)

    async def _in_thread(self, event: Event, ctx: Context[Any, Any]) -> Any:
        outcome = await in_thread(functools.partial(self.handler, event, ctx))
        return await outcome if inspect.isawaitable(outcome) else outcome  # of a plain decorator around a coroutine


async def within(middleware: Middleware, run: Run, event: Event, ctx: Context[Any, Any]) -> Outcome:
    """One run inside a middleware."""
    return await middleware(event, ctx, run)


class Router:
    """All handlers, by name; says who hears an event without running anything."""

    def __init__(self, routes: Iterable[Route], middleware: Sequence[Middleware] = ()) -> None:
        self.middleware = tuple(middleware)
        around = {route.name: replace(route, around=self.middleware) for route in routes}
        self.routes: Mapping[str, Route] = MappingProxyType(around)
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
    def of(cls, *handlers: Callable[[Any, Any], Any] | ModuleType, middleware: Sequence[Middleware] = ()) -> "Router":
        """A router of functions that `@on` has marked, and of modules that hold such functions."""
        found: list[Route] = []
        problems: list[str] = []
        for handler in handlers:
            found += marked(handler, problems) if isinstance(handler, ModuleType) else [Route.of(handler)]
        if problems := [*problems, *wrong(found)]:
            raise ConfigError(problems)
        return cls(found, middleware)

    @classmethod
    def load(
        cls,
        directories: Sequence[Path],
        *,
        enabled: Sequence[str] | None = None,
        options: Mapping[str, Mapping[str, Any]] = NO_OPTIONS,
        middleware: Sequence[str] = (),
    ) -> "Router":
        """A router of all handlers in these directories and behind the entry-point group; None enabled means all.

        options: what the settings give to handlers, each of which must exist. middleware: as `module:function`. Raises
        `ConfigError` with every problem: a missing directory, a file that does not import (file, line, cause) or holds
        no handler, one that cannot work, two of one name, wrong options, an unknown name.
        """
        problems: list[str] = []
        routes: list[Route] = []
        for source in [*in_directories(directories, problems), *in_packages(problems)]:
            found: list[Route] = []
            with plugin_door() as failure:
                found = marked(source.load(), problems)
            routes += found
            if failure.error is not None:
                problems.append(source.trouble(failure.error))
            elif not found:
                or_hide = ", or begin the file's name with _" if source.path else ""
                problems.append(f"{source.name}: no handler is in it; put @on(…) above the function{or_hide}")
        problems += wrong(routes)
        around = [it for name in middleware if (it := surrounding(name, problems))]
        known = {route.name for route in routes}
        if not problems:  # else a name that is missing may be in the file that did not import
            for name in [it for it in dict.fromkeys([*(enabled or ()), *options]) if it not in known]:
                near = nearest(name, known)
                remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known)) or 'none'}"
                problems.append(f"{name} is not a handler; {remedy}")
        router = cls((route for route in routes if enabled is None or route.name in enabled), around)
        try:
            router.options(options)
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(problems)
        return router


def surrounding(name: str, problems: list[str]) -> Middleware | None:
    """The middleware of this name, from the modules that are installed or lie beside handlers."""
    it = f"handlers.middleware: {name}"
    module, _, function = name.partition(":")
    found: Any = None
    with plugin_door() as failure:
        found = functools.reduce(getattr, function.split("."), import_module(module)) if function else None
    call = found if inspect.isfunction(found) else getattr(found, "__call__", None)  # noqa: B004  # it is looked into
    if failure.error is not None:
        problems.append(f"{it} cannot be loaded: {describe(failure.error)}")
    elif not function:
        problems.append(f"{it} is no function; name it as module:function")
    elif not inspect.iscoroutinefunction(call):
        problems.append(f"{it} is no `async def`; let it be async def {function}(event, ctx, run)")
    else:
        with suppress(TypeError):
            inspect.signature(found).bind("event", "ctx", "run")
            return cast("Middleware", found)  # what was just looked at
        problems.append(f"{it} takes {inspect.signature(found)}; let it take (event, ctx, run)")
    return None


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


def our_end(error: BaseException) -> bool:
    """Whether an error is the end of this task by us, and not a plug-in's own doing."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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
