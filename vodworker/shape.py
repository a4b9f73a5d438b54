"""Whether a function can be a handler: what it takes and gives back, and what its annotations say of it. Pure."""

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from vodworker.door import plugin_door
from vodworker.events import EVENTS, Event, Unknown
from vodworker.handler import Context, Marked
from vodworker.outcome import Done, Reject, Retry

READ: tuple[type[Event], ...] = (*EVENTS.values(), Unknown)  # what events are ever read as
OUTCOMES = (Done, Retry, Reject, types.NoneType)


def misshapen(handler: Callable[..., Any], marked: Marked) -> Iterator[str]:
    """What keeps a function from ever handling what `@on` says, each as it goes on from its name."""
    takes = inspect.signature(handler)
    try:
        takes.bind("event", "ctx")
    except TypeError:
        yield f"takes {takes}; let it take (event, ctx)"
        return
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        yield "yields; let it return its outcome"
        return
    for kind in marked.hears:
        if not any(issubclass(event, kind) for event in READ):
            yield f"hears {kind.__name__}, which no event is read as"
    hints: Mapping[str, Any] = {}
    with plugin_door():  # a name that only a type checker knows: then there is nothing to compare
        hints = typing.get_type_hints(handler)
    names = [name for name, it in takes.parameters.items() if it.kind is not it.KEYWORD_ONLY]
    event, ctx = (hints.get(name, Any) for name in (*names, "", "")[:2])
    yield from _event(event, marked)
    yield from _context(ctx, marked)
    for kind in _classes(hints.get("return", Any)):
        if not issubclass(kind, (*OUTCOMES, Awaitable)):
            yield f"returns {kind.__name__}; let it return Done(), Retry(…), Reject(…) or None"


def _event(hint: object, marked: Marked) -> Iterator[str]:
    kinds = _classes(hint)
    for heard in marked.hears if kinds else ():
        if not any(issubclass(heard, kind) for kind in kinds):
            named = " | ".join(kind.__name__ for kind in kinds)
            yield f"hears {heard.__name__} and takes {named}; let it take {heard.__name__}"


def _context(hint: object, marked: Marked) -> Iterator[str]:
    """A context of other options than the handler has."""
    if hint is Context:
        takes: list[type] = [Mapping]
    elif typing.get_origin(hint) is Context:
        takes = _classes(typing.get_args(hint)[0])
    else:
        return
    has = marked.options or dict
    if takes and not any(issubclass(has, kind) for kind in takes):
        named = " | ".join(kind.__name__ for kind in takes)
        yield (
            f"has options of {has.__name__} and takes a context of {named}; let it take Context[{has.__name__}]"
            if marked.options
            else f"takes Context[{named}]; let @on say options={named}"
        )


def _classes(hint: object) -> list[type]:
    """The classes that an annotation allows; none when it allows anything, or what only a type checker can tell."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        found = [_classes(it) for it in typing.get_args(hint)]
        return [kind for kinds in found for kind in kinds] if all(found) else []
    it = types.NoneType if hint is None else typing.get_origin(hint) or hint
    return [it] if isinstance(it, type) and it not in (object, Any) else []
