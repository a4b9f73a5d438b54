"""What the author of a handler writes with: `@on`, and the context that a handler is given."""

# pyright: reportInvalidTypeVarUse=false
# Where `on` is given no options or no resources, the type variable's own default is what is meant.

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, cast, overload

from pydantic import BaseModel
from structlog.typing import FilteringBoundLogger
from typing_extensions import TypeVar

from vodworker.api.action import Action, Page, Reply
from vodworker.cloud.ledger import Deadline, OnDoubt
from vodworker.door import shown
from vodworker.events import Event
from vodworker.journal.port import Origin
from vodworker.outcome import Outcome

E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
E1 = TypeVar("E1", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
Ending = TypeVar("Ending", bound=Outcome)
R = TypeVar("R", bound=Reply)
Item = TypeVar("Item")
T = TypeVar("T")
O_co = TypeVar("O_co", bound=BaseModel | Mapping[str, Any], covariant=True, default=Mapping[str, Any])
R_co = TypeVar("R_co", covariant=True, default=None)
Options = TypeVar("Options", bound=BaseModel | Mapping[str, Any], default=Mapping[str, Any])
Resources = TypeVar("Resources", default=None)
Opens: TypeAlias = Callable[[Options], AbstractAsyncContextManager[Resources]]

MARK = "vodworker_mark"  # the attribute that `@on` leaves on a function
MARKED = "vodworker_marked"  # the name in a module under which `@on` leaves all that it marked there


class Caller(Protocol):
    """What a handler may ask of the service."""

    async def call(self, action: Action[R], *, once: str | None = None, on_doubt: OnDoubt | None = None) -> R:
        """Send an action and return its reply; see `vodworker.cloud.ledger.Ledger.call`."""
        ...

    def pages(self, action: Action[Page[Item]]) -> AsyncIterator[Item]:
        """Every item of a list that may be longer than one reply; see `vodworker.cloud.client.Vod.pages`."""
        ...


@dataclass(slots=True)  # to make a frozen one takes seven times as long, and there is one for each run
class Context(Generic[O_co, R_co]):
    """What a handler is given beside the event.

    vod: the service; what it submits is recorded, and a later run gets the recorded reply.
    log: a logger on which event, key, handler and attempt are bound.
    handler: the handler's name. attempt: the number of this run, from 1.
    options: the handler's own settings: an object of the model that `@on` declares, else a mapping.
    resources: what the handler's resources gave when they were opened; None where it declares none.
    deadline: the time limit of this run; `deadline.left` in seconds.
    origin: for an event of a task that a handler of ours started: the event, the handler and the action it came from.
    """

    vod: Caller
    log: FilteringBoundLogger
    handler: str
    event_id: int
    attempt: int
    options: O_co
    resources: R_co
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


Run: TypeAlias = Callable[[Event, Context[Any, Any]], Awaitable[Outcome]]
Middleware: TypeAlias = Callable[[Event, Context[Any, Any], Run], Awaitable[Outcome]]  # does what it will around a run


@dataclass(frozen=True, slots=True)
class Marked:
    """What `@on` says of a function; see there."""

    hears: tuple[type[Event], ...]
    options: type[BaseModel] | None = None
    resources: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None

    def __or__(self, other: "Marked") -> "Marked":
        """Both; where they differ, the other."""
        return Marked(
            tuple(dict.fromkeys((*self.hears, *other.hears))),
            other.options or self.options,
            other.resources or self.resources,
        )


class Mark(Generic[E_contra, Options, Resources]):
    """The decorator that `on` gives: it accepts a function of these events, and returns it unchanged."""

    def __init__(self, says: Marked) -> None:
        self._says = says

    @overload
    def __call__(
        self, handler: Callable[[E_contra, Context[Options, Resources]], Coroutine[Any, Any, Ending]]
    ) -> Callable[[E_contra, Context[Options, Resources]], Coroutine[Any, Any, Ending]]: ...
    @overload
    def __call__(
        self, handler: Callable[[E_contra, Context[Options, Resources]], Ending]
    ) -> Callable[[E_contra, Context[Options, Resources]], Ending]: ...
    def __call__(self, handler: Any) -> Any:
        """Mark the function, and do nothing else; a function that is marked twice hears the events of both."""
        if not inspect.isfunction(handler):
            raise TypeError(f"@on marks functions (event, ctx), not {handler!r}")
        setattr(handler, MARK, getattr(handler, MARK, Marked(())) | self._says)
        if "<locals>" not in handler.__qualname__:  # else whoever makes it has it
            handler.__globals__.setdefault(MARKED, {})[handler] = None
        return handler


@overload
def on(
    event: type[E1], /, *, options: type[Options] = ..., resources: Opens[Options, Resources] = ...
) -> Mark[E1, Options, Resources]: ...
@overload
def on(
    event: type[E1],
    other: type[E2],
    /,
    *,
    options: type[Options] = ...,
    resources: Opens[Options, Resources] = ...,
) -> Mark[E1 | E2, Options, Resources]: ...
@overload
def on(
    event: type[E1],
    other: type[E2],
    third: type[E3],
    /,
    *more: type[Event],
    options: type[Options] = ...,
    resources: Opens[Options, Resources] = ...,
) -> Mark[E1 | E2 | E3, Options, Resources]: ...
def on(*events: Any, options: Any = None, resources: Any = None) -> Mark[Any, Any, Any]:
    """Mark a function `(event, ctx)` as the handler of these events and of all their subclasses.

    `on(Event)` hears everything, `on(Unknown)` what has no class of its own. The handler's name is the function's. It
    returns `Done()` or None, `Retry(…)` or `Reject(…)`; an exception is a retry. A coroutine function runs in the loop,
    a plain one in a thread, which nothing can stop: past its time limit its result is dropped and its calls fail.

    options: a pydantic model of `[handlers.options.NAME]`, checked at the start; `ctx: Context[Options]` has one of it.
    resources: called with the options, gives an asynchronous context manager that is open for as long as the daemon
    works; what it yields is `ctx.resources` of `ctx: Context[Options, Pool]`.
    """
    if not events or not all(isinstance(event, type) and issubclass(event, Event) for event in events):
        raise TypeError("@on takes the events that are to be heard, as in @on(NewFileUpload)")
    if not (options is None or (isinstance(options, type) and issubclass(options, BaseModel))):
        raise TypeError(f"@on takes a pydantic model as options, not {shown(options)}")
    if not (resources is None or callable(resources)):
        raise TypeError(f"@on takes a function of the options as resources, not {shown(resources)}")
    return Mark(Marked(events, options, cast("Any", resources)))  # whether it can be opened, opening it tells
