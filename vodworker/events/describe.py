"""The reference page of the events, from their classes."""

from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc, get_annotations
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from vodworker.events import EVENTS, Event, Unknown
from vodworker.media import Detail
from vodworker.texts import documented

HEAD = """\
# Events

Every type of event that the service is known to send, from the classes in `vodworker/events`; written by `make docs`.
Import them from `vodworker.events`, and hear them with `@on(…)`: one of them, a family (`TaskEvent`: news of a task;
`TaskComplete`: the end of one), or `Event`, which is all.

The service does not send every field each time: what it left out is `None`, or an empty list. What it sends and nobody
knows is kept in `model_extra`. Beside its own fields each event has `type`, `key` (what its events are put in order
by), `data` (all that came, by the service's names, which are these in camelCase) and `raw` (its JSON, byte for byte).
"""
WORDS = {str: "text", int: "integer", float: "number", bool: "yes or no", Any: "anything"}


def page(causes: Mapping[str, Sequence[str]]) -> str:
    """The reference in Markdown. causes: the actions after which each type of event comes."""
    pieces: list[type[Detail]] = []
    parts = [HEAD, "\n| event | tells |\n|---|---|\n"]
    parts += [f"| [`{name}`](#{name.lower()}) | {summary(EVENTS[name])} |\n" for name in sorted(EVENTS)]
    for name in sorted(EVENTS):
        parts.append(f"\n## {name}\n\n{cleandoc(EVENTS[name].__doc__ or '')}\n\n")
        facts = [f"Key: {key(EVENTS[name])}"]
        if causes.get(name):
            facts.append("comes after " + ", ".join(f"[{it}](actions.md#{it.lower()})" for it in sorted(causes[name])))
        parts.append(f"*{'; '.join(facts)}.*\n\n{table(EVENTS[name], pieces)}")
    parts.append(f"\n## Unknown\n\n{cleandoc(Unknown.__doc__ or '')}\n\n## Pieces\n\nWhat events are made of.\n")
    for piece in pieces:  # grows meanwhile: a piece may have pieces
        parts.append(f"\n### {piece.__name__}\n\n{cleandoc(piece.__doc__ or '')}\n\n{table(piece, pieces)}")
    return "".join(parts)


def summary(kind: type[Event]) -> str:
    """What a type of event tells, in a sentence."""
    return cleandoc(kind.__doc__ or "").partition("\n")[0]


def table(model: type[Detail], pieces: list[type[Detail]]) -> str:
    """The fields of a model and what can be asked of it; pieces: gets those that are not there yet."""
    texts = documented(model)
    rows = [
        (name, spelled(field.annotation, pieces), texts.get(name, "")) for name, field in model.model_fields.items()
    ]
    rows += [(name, spelled(kind, pieces), text) for name, kind, text in asked(model)]
    return "| field | type | |\n|---|---|---|\n" + "".join(
        f"| `{name}` | {kind} | {text} |\n" for name, kind, text in rows
    )


def asked(model: type[Detail]) -> Iterator[tuple[str, Any, str]]:
    """What a model computes from its fields: name, type, meaning; without what every event has."""
    found: dict[str, property] = {}
    for family in reversed(model.__mro__):
        if issubclass(family, Detail) and family is not Event:
            found |= {name: it for name, it in vars(family).items() if isinstance(it, property)}
    for name, it in found.items():
        yield name, get_annotations(it.fget)["return"] if it.fget else Any, cleandoc(it.__doc__ or "")


def spelled(annotation: Any, pieces: list[type[Detail]]) -> str:
    """A type in words, its pieces as links."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return spelled(arguments[0], pieces)
    if origin in {Union, UnionType}:
        return " or ".join(spelled(each, pieces) for each in arguments if each is not NoneType)
    if origin is tuple:
        return f"list of {spelled(arguments[0], pieces)}"
    if annotation in WORDS:
        return WORDS[annotation]
    if annotation not in pieces:
        pieces.append(annotation)
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})"


def key(kind: type[Event]) -> str:
    """Where a type's key comes from, tried with an event that has everything, then with less and less of it."""
    data = {
        field.alias: [{"fileId": f"{name}.file_id"}] if get_origin(field.annotation) is tuple else name
        for name, field in kind.model_fields.items()
        if field.alias
    }
    found: list[str] = []
    while name := kind.key_of(data):
        found.append(f"`{name}`")
        data = {alias: value for alias, value in data.items() if name not in str(value)}
    return ", else ".join(found)
