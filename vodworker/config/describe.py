"""The reference page of the settings, from their tree."""

from collections.abc import Iterator, Sequence
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from vodworker.config.reading import PLACES
from vodworker.config.tree import BURST, LIMITS, Address, Section, Settings, variable
from vodworker.texts import documented
from vodworker.wire import dumps

HEAD = f"""\
# Settings

Every key of the settings file, from the classes in `vodworker/config`; written by `make docs`. The file is TOML: the
one that `--config` or `$VODWORKER_CONFIG` names, else {" or ".join(f"`{place}`" for place in PLACES)}. Each key can be
a variable of the environment instead. The nearer wins: a flag of the command line, the variable, the file, the default.

A name that is none stops the start and is told with the nearest real one; all mistakes are told at once. Lengths of
time are seconds, or like `90s`, `15m`, `36h`, `7d`. In a variable, a list is `a, b` or JSON.

`secret_id`, `secret_key`, `token` and `journal_url` are also read from files of these names: in the directory of
systemd's credentials, and with `vodworker_` before the name in `/run/secrets`.
"""
WORDS = {
    str: "text",
    int: "integer",
    float: "seconds",
    Path: "path",
    SecretStr: "text, never shown",
    Address: "`HOST:PORT`, or `off`",
}


def page() -> str:
    """The reference in Markdown."""
    return HEAD + "".join(line for name in Settings.model_fields for line in section(name))


def section(name: str) -> Iterator[str]:
    """A table of the settings file."""
    default = Settings.model_fields[name].default
    keyed = isinstance(default, Section)
    text = cleandoc(default.__doc__ or "").partition("\n")[0] if keyed else documented(Settings)[name]
    yield f"\n## {name}\n\n{text}\n\n| key, and its variable | type | default | |\n|---|---|---|---|\n"
    if keyed:
        texts = documented(type(default))
        for key, field in type(default).model_fields.items():
            yield row(name, key, kind(field.annotation, field.metadata), shown(field.default), texts[key])
    else:
        for key, allowed in {**LIMITS, "ACTION": None, BURST: None}.items():
            yield row(name, key, "integer, ≥ 1", shown(allowed), "")


def row(section: str, key: str, kind: str, default: str, text: str) -> str:
    """A key as a row of a table."""
    return f"| `{key}`<br>`{variable(section, key)}` | {kind} | {default} | {text} |\n"


def kind(annotation: Any, facts: Sequence[Any] = ()) -> str:
    """A type in words, with its bounds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [fact for each in arguments[1:] for fact in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return kind(arguments[0], [*facts, *inner])
    if origin in {Union, UnionType}:
        return kind(next(each for each in arguments if each is not NoneType), facts)
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin is tuple:
        return f"list of {kind(arguments[0])}s"
    return ", ".join([WORDS.get(annotation, "table"), *bounds(facts)])


def bounds(facts: Sequence[Any]) -> Iterator[str]:
    """The bounds among some facts, in signs."""
    for fact in facts:
        match fact:
            case Ge(least):
                yield f"≥ {least}"
            case Gt(less):
                yield f"> {less}"
            case Le(most):
                yield f"≤ {most}"
            case _:
                pass


def shown(default: object) -> str:
    """A default as the settings file would have it; nothing for none."""
    match default:
        case None:
            return ""
        case float():
            return f"`{default:g}`"
        case dict():
            return ""
        case tuple():
            return "`" + dumps([str(each) for each in cast("tuple[object, ...]", default)]).decode() + "`"
        case _:
            return f"`{default}`"
