"""An action's declaration as a person at a shell meets it: its parameters in words, and values read by it. Pure."""

import ast
import inspect
import json
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import Unit, facts_of
from vodworker.config import nearest
from vodworker.wire import flatten, unflatten

OURS = __name__.partition(".")[0]
WORDS: Mapping[Any, str] = {int: "integer", float: "number", str: "text", bool: "true|false", date: "yyyy-mm-dd"}


def sentence(action: type[Action[Reply]]) -> str:
    """What the action does, in a sentence."""
    return (action.__doc__ or "").partition("\n")[0].partition(". ")[0].removesuffix(".") + "."


def notes(action: type[Action[Reply]]) -> Iterator[str]:
    """What else to know before calling it."""
    yield f"The service allows {action.rate} calls in 60 s."
    if action.starts_task:
        yield f"It starts work, which costs money and ends in the event {action.starts_task}."
    if action.deprecated is not None:
        yield f"It is retired; use {action.deprecated}." if action.deprecated else "It is retired."


class Parameter(NamedTuple):
    """A parameter: its dotted name with N for a number, and what to know about it."""

    name: str
    told: str


def parameters(group: type[BaseModel], prefix: str = "") -> Iterator[Parameter]:
    """All parameters of an action, those inside of others after them."""
    docs = documented(group)
    for name, field in group.model_fields.items():
        inner = group_in(field.annotation)
        told = docs.get(name, "")
        yield Parameter(prefix + name, " ".join(filter(None, (told, facts(field, group=inner is not None)))))
        if inner:
            yield from parameters(inner, f"{prefix}{name}.{'N.' if items(field.annotation) else ''}")


def facts(field: FieldInfo, *, group: bool) -> str:
    """What a value must be, in brackets."""
    default = None if field.is_required() else field.default
    return "[{}]".format(
        "; ".join(
            filter(
                None,
                (
                    "" if group else kind(field.annotation),
                    *bounds(field),
                    "required" if field.is_required() else "",
                    f"default {json.dumps(default)}" if default not in (None, "") else "",
                ),
            )
        )
        or "optional"
    )


def kind(annotation: Any) -> str:
    """The kind of value that an annotation means."""
    arguments = get_args(annotation)
    match get_origin(annotation):
        case None if isinstance(annotation, type) and issubclass(annotation, Enum):
            return "|".join(f"{it.value} {it.name.lower()}" for it in annotation)
        case None:
            return WORDS.get(annotation, "object")
        case origin if origin in (Union, types.UnionType):
            return kind(next(it for it in arguments if it is not types.NoneType))
        case origin if origin is Literal:
            return "|".join(map(str, arguments))
        case origin if origin is Annotated:
            return kind(arguments[0])
        case _:
            return f"list of {kind(arguments[0])}"


def bounds(field: FieldInfo) -> Iterator[str]:
    """The unit and the range of a number."""
    known = [*field.metadata, *facts_of(field.annotation)]
    known += [inner for it in known if isinstance(it, FieldInfo) for inner in it.metadata]
    yield from (it.name for it in known if isinstance(it, Unit))
    for sign, name in ((">=", "ge"), ("<=", "le")):
        yield from (f"{sign} {it}" for fact in known if (it := getattr(fact, name, None)) is not None)


def documented(group: type[BaseModel]) -> dict[str, str]:
    """The texts that stand below the fields in the source, by field; pydantic would read them at every start."""
    docs: dict[str, str] = {}
    for parent in reversed(group.__mro__):
        written = "[" not in parent.__name__  # Action[Reply] is made at run time
        if written and issubclass(parent, BaseModel) and parent.__module__.startswith(OURS):
            (body,) = ast.parse(textwrap.dedent(inspect.getsource(parent))).body
            docs |= dict(below(body.body if isinstance(body, ast.ClassDef) else []))
    return docs


def below(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Each field that is followed by a text, and the text."""
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(told))):
                yield name, " ".join(told.split())
            case _:
                pass


def group_in(annotation: Any) -> type[BaseModel] | None:
    """The group of parameters that an annotation holds, if any."""
    return next((it for it in facts_of(annotation) if isinstance(it, type) and issubclass(it, BaseModel)), None)


def items(annotation: Any) -> Any:
    """What a list holds; None for what is no list."""
    return next((get_args(it)[0] for it in facts_of(annotation) if get_origin(it) is Sequence), None)


def parsed(action: type[Action[Reply]], pairs: Sequence[str]) -> Action[Reply]:
    """The call that `name=value` pairs mean. ValueError with a line for each thing that is wrong.

    Names are dotted, in Python's or in the service's spelling. A list is written with commas, or its items with their
    numbers; whatever begins with a bracket is JSON.
    """
    flat: dict[str, str] = {}
    problems: list[str] = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        try:
            if not equals:
                raise ValueError(f"{pair} has no value; write {pair}=VALUE")  # noqa: TRY301  # one of several
            flat |= value(*place(action, name), text)
        except ValueError as error:
            problems.append(str(error))
    if not problems:
        try:
            return action.model_validate(unflatten(flat))
        except ValidationError as error:
            problems = [mistake(action, it["loc"], it["type"], it["msg"]) for it in error.errors()]
        except ValueError as error:
            problems = [str(error)]
    raise ValueError("\n".join(problems))


def place(action: type[BaseModel], name: str) -> tuple[str, Any]:
    """The wire's name of a parameter, and its annotation."""
    annotation: Any = action
    spelled: list[str] = []
    natural = ""
    for part in name.split("."):
        item = items(annotation)
        if item is not None and part.isdecimal():
            annotation = item
            spelled.append(part)
        else:
            if item is not None:
                raise ValueError(f"{natural}{part}: {natural[:-1]} is a list; write {natural}0.{part}")
            group = group_in(annotation)
            fields = group.model_fields if group else {}
            known = {other.casefold(): it for it, field in fields.items() for other in (it, field.alias or it)}
            if part.casefold() not in known:
                raise ValueError(unknown(action, natural, part, list(fields)))
            part = known[part.casefold()]  # noqa: PLW2901  # from here on as it is declared
            annotation = fields[part].annotation
            spelled.append(fields[part].alias or part)
        natural += f"{part}."
    return ".".join(spelled), annotation


def unknown(action: type[BaseModel], prefix: str, part: str, names: Sequence[str]) -> str:
    """That there is no such parameter, and which was meant."""
    meant = nearest(part, names)
    there = f"there are {', '.join(prefix + it for it in names)}" if names else "it takes none here"
    remedy = f"did you mean {prefix}{meant[0]}?" if meant else there
    return f"{prefix}{part} is not a parameter of {action.__name__}; {remedy}"


def value(name: str, annotation: Any, text: str) -> dict[str, str]:
    """A value as it is sent."""
    if text[:1] in ("[", "{"):
        try:
            return flatten({name: json.loads(text)})
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name} is not JSON that can be sent: {error}") from None
    if items(annotation) is not None:
        return {f"{name}.{number}": part.strip() for number, part in enumerate(text.split(","))}
    return {name: text}


def mistake(action: type[BaseModel], place: Sequence[int | str], kind: str, told: str) -> str:
    """What pydantic found wrong, with the parameter's own name."""
    names: list[str] = []
    annotation: Any = action
    for part in place:
        group = group_in(annotation)
        fields = group.model_fields if group and isinstance(part, str) else {}
        name = next((it for it, field in fields.items() if part in (it, field.alias)), str(part))
        annotation = fields[name].annotation if name in fields else annotation
        names.append(name)
    shown = ".".join(names)
    if kind == "missing":
        return f"{shown} is missing; give {shown}=VALUE"
    return f"{shown}: {told}" if shown else told
