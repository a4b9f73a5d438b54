"""The spelling of v2: camelCase names, dotted and numbered parameters, `code` in the reply. Nothing else may know it.

Pure: no clock, no I/O.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, TypeAlias, cast
from urllib.parse import quote_plus

import orjson
from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json

from vodworker.errors import BadReply, Unreachable, refusal


def camel(name: str) -> str:
    """The service's name for one of ours: `vod_task_id` is `vodTaskId`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


class Params(BaseModel):
    """A group of parameters: an action itself, or an object inside one. Frozen; an unknown name is an error.

    Python names are snake_case, `camel` gives the name on the wire, and a field whose wire name follows no rule says it
    with an alias. Both names are accepted.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=camel,
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=True,
    )


class Part(BaseModel):
    """A piece of a reply or of an event. Frozen; unknown fields are kept, documented ones may be missing."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=camel,
        validate_by_name=True,
        validate_by_alias=True,
        coerce_numbers_to_str=True,
        defer_build=True,
    )


DEPTH = 200  # levels of nesting that are read: `from_json` has this bound, and what is read can then always be written
DIGITS = 4300  # of an integer that is read: Python's own bound


def flatten(params: Mapping[str, object]) -> dict[str, str]:
    """Parameters as they are sent: `{"transcode": {"definition": [210]}}` is `{"transcode.definition.0": "210"}`.

    Names are the wire's already. None is left out, in a list too (the numbers close up); an empty list or object leaves
    no trace; an empty text is sent. TypeError names a value that has no spelling.
    """
    return dict(_leaves("", params))


def _leaves(name: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case Mapping():
            for key, inner in cast("Mapping[str, object]", value).items():
                yield from _leaves(f"{name}.{key}" if name else key, inner)
        case list() | tuple():
            present = (inner for inner in cast("list[object]", value) if inner is not None)
            for number, inner in enumerate(present):
                yield from _leaves(f"{name}.{number}", inner)
        case _:
            yield name, _text(name, value)


def _text(name: str, value: object) -> str:
    match value:
        case Enum():
            return _text(name, value.value)
        case str():
            return value
        case bool():
            return str(int(value))
        case int():
            return str(value)
        case float() if value - value == 0:  # neither infinite nor NaN
            return format(Decimal(repr(value)).normalize(), "f")
        case _:
            raise TypeError(
                f"{name}: {value!r} cannot be sent; use text, a finite number, a boolean, a list or an object"
            )


def form(params: Mapping[str, str]) -> bytes:
    """Flat parameters as the body of a request. Most values are letters and digits, which go as they are."""
    return "&".join(
        [
            f"{_name(name)}={value if value.isascii() and value.isalnum() else _quoted(value)}"
            for name, value in params.items()
        ]
    ).encode()


def _quoted(text: str) -> str:
    return text.translate(_SPELLED) if text.isascii() else quote_plus(text)


_SPELLED = {code: quote_plus(chr(code)) for code in range(128)}  # a signature takes half of what `quote_plus` takes
_name = lru_cache(maxsize=1000)(_quoted)  # names are few, and the same again and again


_Branch: TypeAlias = "str | dict[str, _Branch]"  # a tree with names on its branches and texts on its leaves

_NUMBER = re.compile(r"[0-9]{1,9}")


def unflatten(flat: Mapping[str, str]) -> dict[str, Any]:
    """The inverse of `flatten`, as far as texts tell: leaves stay text.

    A level whose names are all numbers is a list in their order, from wherever they count and with gaps closed up.
    ValueError names a parameter that is both a value and an object. A `_` in a name stays: it is only in the signed
    text that it reads as a dot.
    """
    tree: dict[str, _Branch] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        if len(path) > DEPTH:
            raise ValueError(f"{name[:40]}…: nested more than {DEPTH} levels")
        level = tree
        for depth, part in enumerate(path, start=1):
            branch = level.setdefault(part, {})
            if isinstance(branch, str):
                clash = ".".join(path[:depth])
                raise ValueError(f"{clash}: a value and an object at once")  # noqa: TRY004  # the request is wrong
            level = branch
        if last in level:
            raise ValueError(f"{name}: a value and an object at once")
        level[last] = value
    return {name: _grown(branch) for name, branch in tree.items()}


def _grown(branch: _Branch) -> Any:
    if isinstance(branch, str):
        return branch
    if all(map(_NUMBER.fullmatch, branch)):
        return [_grown(branch[number]) for number in sorted(branch, key=int)]
    return {name: _grown(inner) for name, inner in branch.items()}


def loads(data: bytes) -> Any:
    """The value that JSON stands for, read leniently and exactly; ValueError when it is no JSON.

    Integers of up to `DIGITS` digits are exact; a longer one, and what is nested deeper than `DEPTH`, is read as the
    text that it is written in: an odd event must not hide the others of its batch. NaN, infinities, lone surrogates and
    raw control characters are read, bytes that are not UTF-8 become U+FFFD, of two equal names the last counts.
    """
    try:
        return from_json(data)
    except ValueError:
        return json.loads(_tamed(data.decode("utf-8-sig", "replace")), strict=False)


_PIECES = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]|[-+.0-9eE]++', re.DOTALL)


def _tamed(text: str) -> str:
    """JSON, with what no reader takes as texts in it. What is no JSON stays none."""
    pieces: list[str] = []
    depth = copied = deep = 0
    for piece in _PIECES.finditer(text):
        start, end = piece.span()
        match text[start]:
            case "[" | "{":
                depth += 1
                if depth == DEPTH + 1:
                    deep = start
            case "]" | "}":
                depth -= 1
                if depth == DEPTH:
                    pieces += [text[copied:deep], json.dumps(text[deep:end])]
                    copied = end
            case _ if depth <= DEPTH and end - start > DIGITS and piece[0].removeprefix("-").isdecimal():
                pieces += [text[copied:start], json.dumps(piece[0])]
                copied = end
            case _:
                pass
    if depth > DEPTH:
        raise ValueError(f"nested more than {DEPTH} levels, and never closed")
    return "".join((*pieces, text[copied:]))


def dumps(value: Any) -> bytes:
    """A value as canonical JSON: sorted names, no blanks. Whatever `loads` returns is written, equal values equally."""
    try:
        body = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # an integer of more than 64 bits, a lone surrogate
        return _dumps_slowly(value)
    return _dumps_slowly(value) if b"null" in body else body  # orjson writes NaN and infinities as null, too


def _dumps_slowly(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read_reply(action: str, status: int, body: bytes) -> dict[str, Any]:
    """The reply's object, its `code` the integer 0, its `message` and `codeDesc` texts.

    status: of HTTP; what counts is whether the body is a reply of the service. Raises the error that `errors.refusal`
    knows for another code; BadReply for a body that is no reply; Unreachable when the HTTP status says so as well.
    """
    reply = _object(body)
    code = _code(reply.get("code"))
    if code is None:
        kind, blame = (BadReply, "not a reply of the service") if status == OK else (Unreachable, "no reply")
        raise kind(action, f"{blame}, HTTP {status}: {excerpt(body)}")
    text, desc = _said(reply.get("message")), _said(reply.get("codeDesc"))
    if code != 0:
        raise refusal(action, code=code, text=text, desc=desc)
    return {**reply, "code": code, "message": text, "codeDesc": desc}


OK = 200  # the service answers everything with it, refusals too


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _code(value: object) -> int | None:
    """`code` as number: VOD's own pages print a number, the shared ones a text."""
    match value:
        case bool():
            return None
        case int():
            return value
        case str() if re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", value):
            return int(value)
        case _:
            return None


def _said(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else dumps(value).decode()


_SECRETS = re.compile(r"(?i)(signature|secretid|secretkey|token)(=|%3D)[^\s&\"'<>]*")


def excerpt(body: bytes, *, length: int = 200) -> str:
    """The first words of a body in one printable line, fit for a message: a proxy may echo the signed request in it."""
    text = _SECRETS.sub(r"\1=…", body[: 8 * length].decode("utf-8", "replace"))
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return f"{line[:length]}…" if len(line) > length else line or "(empty)"
