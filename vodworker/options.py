"""The options of handlers: `[handlers.options.NAME]` read into the model that the handler declares."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from vodworker.config import must, nearest, variable
from vodworker.door import plugin_door
from vodworker.outcome import describe

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


def read_options(
    handler: str, model: type[BaseModel] | None, given: Mapping[str, Any], problems: list[str]
) -> BaseModel | Mapping[str, Any]:
    """What is given, as the model; as it is where there is none. With a mistake in it, `problems` grows.

    An option that the model does not have is a mistake even where the model says nothing of such, unless it says that
    it allows them.
    """
    if model is None:
        return MappingProxyType(dict(given))
    where = f"handlers.options.{handler}"
    names = list(_names(model))
    strange = [] if model.model_config.get("extra") == "allow" else [name for name in given if name not in names]
    problems += [f"{where}.{name} is not an option; {_meant(name, names)}" for name in strange]
    known = {name: value for name, value in given.items() if name not in strange}
    with plugin_door() as failure:
        try:
            return model.model_validate(known)
        except ValidationError as error:
            problems += _told(where, error)
    if failure.error is not None:  # a validator of the author's own
        problems.append(f"{where} cannot be read: {describe(failure.error)}")
    return NO_OPTIONS


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        alias = field.validation_alias or field.alias
        if alias is None or model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name"):
            yield name
        if isinstance(alias, str):
            yield alias


def _meant(name: str, names: list[str]) -> str:
    near = nearest(name, names)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}"


def _told(where: str, error: ValidationError) -> Iterator[str]:
    """Each problem: where, what, and how it must be. No text is shown: it may be a secret."""
    for problem in error.errors(include_url=False):
        at = ".".join((where, *map(str, problem["loc"])))
        match problem["type"]:
            case "missing":
                path = (*where.split("."), *map(str, problem["loc"]))
                yield f"{at} is missing; set it in the settings file or as {variable(*path)}"
            case "extra_forbidden":
                yield f"{at} is not an option; remove it"
            case _:
                value = problem["input"]
                shown = repr(value) if isinstance(value, int | float) else "wrong"
                yield f"{at} is {shown}; {must(problem['msg'])}"
