"""What the declarations say, in words: for help on the command line and for the reference page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from inspect import cleandoc
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic import PlainSerializer
from pydantic.fields import FieldInfo

from vodworker.api.action import Action, Group
from vodworker.api.bounds import AnyOf, Ceiling, Code, Octets, Unit, Within
from vodworker.codes import explain
from vodworker.texts import documented


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as a reader of help wants it.

    name: as on the wire; `.n` stands for 0, 1, 2 … of a list. kind: its type or its choices. default: None when the
    service is left to choose. code: the service's own for a value that it refuses.
    """

    name: str
    kind: str
    required: bool
    default: str | None
    bounds: str
    unit: str
    code: int | None
    text: str


def parameters(group: type[Group], *, prefix: str = "") -> Iterator[Parameter]:
    """The parameters of an action in their order, those of its objects after each."""
    texts = documented(group)
    for name, field in group.model_fields.items():
        base, facts, many = peeled(field.annotation, field.metadata)
        inner = base if isinstance(base, type) and issubclass(base, Group) else None
        path = f"{prefix}{field.alias}" + (".n" if many else "")
        yield Parameter(
            name=path,
            kind="object" if inner else kind(base, facts),
            required=field.is_required(),
            default=shown(field),
            bounds=", ".join(bounds(facts)),
            unit=next((fact.name for fact in facts if isinstance(fact, Unit)), ""),
            code=next((fact.number for fact in facts if isinstance(fact, Code) and not fact.on), None),
            text=texts.get(name, ""),
        )
        if inner:
            yield from parameters(inner, prefix=f"{path}.")


def peeled(annotation: Any, facts: Sequence[Any] = ()) -> tuple[Any, list[Any], bool]:
    """The type in an annotation, all facts on it, and whether there may be several."""
    origin, arguments, known = get_origin(annotation), get_args(annotation), list(facts)
    if origin is Annotated:
        own = [fact for each in arguments[1:] for fact in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return peeled(arguments[0], known + own)
    if origin in {Union, UnionType}:
        return peeled(next(each for each in arguments if each is not type(None)), known)
    if origin is Sequence:
        base, known, _ = peeled(arguments[0], known)
        joined = any(isinstance(fact, PlainSerializer) for fact in known)
        return base, known, not joined
    return annotation, known, False


def kind(base: Any, facts: Sequence[Any]) -> str:
    """A type's name, or its choices."""
    if get_origin(base) is Literal:
        return " | ".join(get_args(base))
    if base is bool:
        return "open | close" if any(isinstance(fact, PlainSerializer) for fact in facts) else "0 | 1"
    if issubclass(base, IntEnum):
        return " | ".join(f"{each.value} {each.name.lower()}" for each in base)
    return {int: "integer", float: "number", str: "text", date: "yyyy-mm-dd"}[base]


def bounds(facts: Sequence[Any]) -> Iterator[str]:
    """The bounds among some facts, in words."""
    for fact in facts:
        match fact:
            case Ge(ge):
                yield f"≥ {ge}"
            case Le(le):
                yield f"≤ {le}"
            case MaxLen(length):
                yield f"at most {length} items"
            case Octets(most):
                yield f"at most {most} bytes"
            case Ceiling(least, most, zero):
                yield f"{least:g} to {most:g}, or the negative" + (", or 0" if zero else "")
            case AnyOf(numbers, negatives):
                yield f"one of {', '.join(map(str, numbers))}" + (", or the negative" if negatives else "")
            case Within(days):
                yield f"in the last {days} days"
            case _ if pattern := getattr(fact, "pattern", None):
                yield str(pattern)
            case _:
                pass


def shown(field: FieldInfo) -> str | None:
    """A default as it is sent."""
    value = field.get_default()
    if field.is_required() or value is None:
        return None
    return str(int(value)) if isinstance(value, int) else str(value)


HEAD = """# Actions

Every action that the client sends and the emulator serves, from the declarations in `vodworker/api/`; written by
`make docs`. Names are those on the wire: `.n` is 0, 1, 2 …, and Python's names are the same in snake_case. `rate` is
the calls that the service allows in 60 s. Errors are those that the service documents for the action, beside the common
ones; `vodworker explain CODE` says more.
"""


def page(actions: Mapping[str, type[Action[Any]]]) -> str:
    """The reference of these actions in Markdown, in the order of their names."""
    return "\n".join([HEAD, *("\n".join(section(actions[name])) for name in sorted(actions))])


def section(action: type[Action[Any]]) -> Iterator[str]:
    """One action: what it does, its facts, its parameters, its errors."""
    harm = "harmless to repeat" if action.harmless else "not to be repeated blindly"
    facts = [f"rate {action.rate}", "may be repeated freely" if action.safe else harm]
    if action.starts_task:
        facts.append(f"ends in {action.starts_task}")
    if action.pages:
        facts.append("read with `vod.pages`")
    if action.deprecated is not None:
        facts.append(f"retired{f', use {action.deprecated}' if action.deprecated else ''}")
    yield f"## {action.__name__}\n\n{cleandoc(action.__doc__ or '')}\n\n*{'; '.join(facts)}*\n"
    rows = [row(parameter) for parameter in parameters(action)]
    if rows:
        yield "\n".join(["| parameter | type | default | bounds | |", "|---|---|---|---|---|", *rows, ""])
    if action.errors:
        told = (f"{code} ({explain(code).cause})" for code in sorted(action.errors))
        yield f"Errors: {'; '.join(told)}.\n"


def row(it: Parameter) -> str:
    """A parameter as a row of a table."""
    bound = ", ".join(filter(None, (it.bounds, it.unit, f"else {it.code}" if it.code else "")))
    default = "required" if it.required else f"`{it.default}`" if it.default is not None else ""
    return (
        "| "
        + " | ".join(text.replace("|", "\\|") for text in (f"`{it.name}`", it.kind, default, bound, it.text))
        + " |"
    )
