"""An action's declaration as a person at a shell meets it: its facts in words, and values read by it. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import facts_of
from vodworker.api.describe import Parameter
from vodworker.config import nearest
from vodworker.wire import flatten, unflatten


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


def facts(parameter: Parameter) -> str:
    """What a parameter is for, and what its value must be."""
    known = (
        parameter.kind,
        parameter.unit,
        parameter.bounds,
        "required" if parameter.required else "",
        f"default {parameter.default}" if parameter.default else "",
    )
    return f"{parameter.text} [{'; '.join(filter(None, known))}]".lstrip()


def group_in(annotation: Any) -> type[BaseModel] | None:
    """The group of parameters that an annotation holds, if any."""
    return next((it for it in facts_of(annotation) if isinstance(it, type) and issubclass(it, BaseModel)), None)


def items(annotation: Any) -> Any:
    """What a list holds; None for what is no list."""
    return next((get_args(it)[0] for it in facts_of(annotation) if get_origin(it) is Sequence), None)


def parsed(action: type[Action[Reply]], pairs: Sequence[str]) -> Action[Reply]:
    """The call that `name=value` pairs mean. ValueError with a line for each thing that is wrong.

    Names are dotted, in Python's or in the service's spelling. A list is written with commas, or its items with their
    numbers; lists and objects may be JSON.
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
            problems = [mistake(it["loc"], it["type"], it["msg"]) for it in error.errors()]
        except ValueError as error:
            problems = [str(error)]
    raise ValueError("\n".join(problems))


def place(action: type[BaseModel], name: str) -> tuple[str, Any]:
    """The wire's name of a parameter, and its annotation."""
    annotation: Any = action
    spelled: list[str] = []
    for part in name.split("."):
        prefix = "".join(f"{it}." for it in spelled)
        item = items(annotation)
        if item is not None and part.isdecimal():
            annotation = item
            spelled.append(part)
        else:
            if item is not None:
                raise ValueError(f"{prefix}{part}: {prefix[:-1]} is a list; write {prefix}0.{part}")
            group = group_in(annotation)
            fields = group.model_fields if group else {}
            known = {other.casefold(): field for it, field in fields.items() for other in (it, field.alias or it)}
            if part.casefold() not in known:
                raise ValueError(unknown(action, prefix, part, fields))
            field = known[part.casefold()]
            annotation = field.annotation
            spelled.append(field.alias or part)
    return ".".join(spelled), annotation


def unknown(action: type[BaseModel], prefix: str, part: str, fields: Mapping[str, FieldInfo]) -> str:
    """That there is no such parameter, and which was meant, in the spelling that it is nearest to."""
    names = [field.alias or it for it, field in fields.items()]
    meant = nearest(part, [*names, *fields])
    there = f"there are {', '.join(prefix + it for it in names)}" if names else "it takes none here"
    remedy = f"did you mean {prefix}{meant[0]}?" if meant else there
    return f"{prefix}{part} is not a parameter of {action.__name__}; {remedy}"


def value(name: str, annotation: Any, text: str) -> dict[str, str]:
    """A value as it is sent."""
    if text[:1] in ("[", "{") and (items(annotation) is not None or group_in(annotation)):
        try:
            return flatten({name: json.loads(text)})
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name} is not JSON that can be sent: {error}") from None
    if items(annotation) is not None:
        return {f"{name}.{number}": part.strip() for number, part in enumerate(text.split(","))}
    return {name: text}


def mistake(place: Sequence[int | str], kind: str, told: str) -> str:
    """What pydantic found wrong, with the parameter's name and what to do."""
    name = ".".join(map(str, place))
    if kind == "missing":
        return f"{name} is missing; give {name}=VALUE"
    must = told.replace("Input should", "it must").partition(", unable")[0]
    return f"{name}: {must}" if name else must
