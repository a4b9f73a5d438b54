"""Reads what shall go wrong, from a file or a request, and says what is wrong with that itself."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
from pydantic import ValidationError

from vodworker.emulator.faults import KINDS, Plan, meant
from vodworker.errors import ConfigError


def read(file: Path) -> Plan:
    """The plan in a file, TOML or (by its name) JSON; `ConfigError` with every problem."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError([f"{file} cannot be read: {why}; name another file with --faults"]) from error
    try:
        told: object = orjson.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        kind = "JSON" if file.suffix == ".json" else "TOML"
        raise ConfigError([f"{file} is not {kind}: {error}; mend it there"]) from error
    return plan(told, where=f"{file}: ")


def plan(told: object, *, where: str = "") -> Plan:
    """A plan from what JSON or TOML say; `ConfigError` with every problem, each beginning with `where`."""
    try:
        return Plan.model_validate(told)
    except ValidationError as error:
        raise ConfigError([f"{where}{problem}" for problem in _problems(error)]) from None


def _problems(error: ValidationError) -> Iterator[str]:
    """Each problem in a sentence: the fault, its key, and how it must be."""
    for problem in error.errors(include_url=False):
        place, kind, key = _place(problem["loc"])
        names = KINDS[kind].model_fields if kind else Plan.model_fields
        match problem["type"]:
            case "extra_forbidden":
                of = f"a {kind} fault" if kind else "a plan"
                yield f"{place}{key} is not a key of {of}{meant(key, names) or listed(names)}"
            case "missing":
                yield f"{place}{key} is missing"
            case "union_tag_not_found":
                yield f"{place}kind is missing{listed(KINDS)}"
            case "union_tag_invalid":
                named = str(problem["input"]["kind"])
                yield f"{place}{named} is not a kind of fault{meant(named, KINDS) or listed(KINDS)}"
            case _:
                value, must = problem["input"], problem["msg"]
                for theirs, ours in WORDS.items():
                    must = must.replace(theirs, ours)
                yield f"{place}{f'{key} is {value!r}; ' if key else ''}{must}"


WORDS = {  # pydantic's into ours
    "Value error, ": "",
    "Input should": "it must",
    "a valid dictionary or object to extract fields from": "a table",
    "a valid dictionary or instance of Plan": "a table",
    "a valid tuple": "a list",
    ", unable to parse string as a number": "",
    ", unable to parse string as an integer": "",
}


def _place(loc: tuple[int | str, ...]) -> tuple[str, str, str]:
    """Where a problem is: words for the fault, its kind, and the key in it; "" for what it is not in."""
    match loc:
        case ("faults", int(number), str(kind), *rest) if kind in KINDS:
            return f"fault {number + 1} ({kind}): ", kind, ".".join(map(str, rest))
        case ("faults", int(number), *_):
            return f"fault {number + 1}: ", "", ""
        case _:
            return "", "", ".".join(map(str, loc))


def listed(names: Iterable[str]) -> str:
    """What there is to choose from."""
    return f"; there are {', '.join(names)}"
