"""The spelling of v2, there and back."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vodworker.errors import BadReply, CallError, Denied, Refused, Throttled, Unreachable
from vodworker.wire import DEPTH, DIGITS, Part, camel, dumps, excerpt, flatten, form, loads, read_reply, unflatten

NAMES = st.text(st.sampled_from("abcXYZ_é视"), min_size=1, max_size=5)
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        st.text(max_size=5),
        lambda inner: st.lists(inner, min_size=1, max_size=12) | st.dictionaries(NAMES, inner, min_size=1, max_size=4),
        max_leaves=20,
    ),
    max_size=5,
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
    max_leaves=10,
)
patient = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Priority(Enum):
    """A value of the domain with a value on the wire."""

    LOW = -10


def reversed_names(value: Any) -> Any:
    """The same value, its names in another order."""
    match value:
        case dict():
            return {name: reversed_names(inner) for name, inner in reversed(value.items())}
        case list():
            return [reversed_names(inner) for inner in value]
        case _:
            return value


@pytest.mark.parametrize(
    "name, expected", [("file_id", "fileId"), ("vod_task_id", "vodTaskId"), ("next", "next"), ("Action", "Action")]
)
def test_names_are_camel_case(name: str, expected: str) -> None:
    """A name of ours becomes the service's."""
    assert expected == camel(name)


def test_part_reads_both_names_and_keeps_unknown_ones() -> None:
    """A part accepts the wire's name and ours, and what it does not know stays with it."""

    class Cover(Part):
        image_url: str | None = None

    assert Cover(image_url="u") == Cover.model_validate({"imageUrl": "u"})
    assert {"depth": 3} == Cover.model_validate({"depth": 3}).model_extra


def test_parameters_are_flattened() -> None:
    """Objects are dotted, lists numbered from 0, None is nothing, an empty text is something."""
    params = {
        "fileId": "74",
        "transcode": {"definition": [210, 220], "drm": {"definition": 10}, "watermark": None},
        "snapshots": ({"at": 1.5}, {"at": 2.0}),
        "handles": [None, "h1", None, "h2"],
        "isFlushCdn": True,
        "deep": False,
        "intro": "",
        "priority": Priority.LOW,
        "gone": [],
        "void": {},
    }

    assert {
        "fileId": "74",
        "transcode.definition.0": "210",
        "transcode.definition.1": "220",
        "transcode.drm.definition": "10",
        "snapshots.0.at": "1.5",
        "snapshots.1.at": "2",
        "handles.0": "h1",
        "handles.1": "h2",
        "isFlushCdn": "1",
        "deep": "0",
        "intro": "",
        "priority": "-10",
    } == flatten(params)


@pytest.mark.parametrize(
    "number, expected", [(1e-7, "0.0000001"), (1e22, "1" + "0" * 22), (0.1, "0.1"), (10**30, "1" + "0" * 30)]
)
def test_numbers_are_plain_decimals(number: float, expected: str) -> None:
    """No number is sent with an exponent."""
    assert {"n": expected} == flatten({"n": number})


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), b"bytes", object()])
def test_what_has_no_spelling_is_named(value: object) -> None:
    """A value that cannot be sent is an error that says where it stands."""
    with pytest.raises(TypeError, match=r"^drm\.key\.0: .* cannot be sent"):
        flatten({"drm": {"key": [value]}})


@given(params=st.dictionaries(st.text(max_size=9), st.text(max_size=9)))
def test_a_form_is_url_encoded(params: dict[str, str]) -> None:
    """Any name and any value reaches whoever reads the form, spelled as Python's library spells it."""
    assert urlencode(params).encode() == form(params)
    assert [*params.items()] == parse_qsl(form(params).decode(), keep_blank_values=True, max_num_fields=99)


@pytest.mark.no_cover
@given(TREES)
@settings(patient, max_examples=50)  # trees are large
def test_unflatten_is_the_inverse(tree: Mapping[str, object]) -> None:
    """What was flattened comes back as it was, as far as texts tell."""
    assert tree == unflatten(flatten(tree))


@pytest.mark.parametrize(
    "flat, expected",
    [
        ({"h.0": "a", "h.1": "b"}, {"h": ["a", "b"]}),
        ({"h.1": "a", "h.2": "b"}, {"h": ["a", "b"]}),
        ({"h.10": "c", "h.2": "b", "h.0": "a"}, {"h": ["a", "b", "c"]}),
        ({"h.0": "a", "h.x": "b"}, {"h": {"0": "a", "x": "b"}}),
        ({"h." + "9" * 5000: "a"}, {"h": {"9" * 5000: "a"}}),
        ({"0": "a"}, {"0": "a"}),
        ({"fileIds_0": "a"}, {"fileIds_0": "a"}),
    ],
)
def test_numbered_names_are_lists(flat: dict[str, str], expected: dict[str, Any]) -> None:
    """Numbers make a list in their order, whether they count from 0, from 1 or with gaps; an underscore makes none."""
    assert expected == unflatten(flat)


@pytest.mark.parametrize(
    "flat, name",
    [
        ({"a": "1", "a.b": "2"}, "a"),
        ({"a.b": "1", "a": "2"}, "a"),
        ({"x.a.b": "1", "x.a": "2"}, r"x\.a"),
        ({"x.a": "1", "x.a.b.c": "2"}, r"x\.a"),
    ],
)
def test_value_and_object_at_once_is_refused(flat: dict[str, str], name: str) -> None:
    """A name that has both a value and parts is an error that says which."""
    with pytest.raises(ValueError, match=f"^{name}: a value and an object at once$"):
        unflatten(flat)


def test_endless_nesting_of_parameters_is_refused() -> None:
    """A parameter with thousands of dots is an error, not a stack overflow."""
    with pytest.raises(ValueError, match="nested more than 200 levels"):
        unflatten({"a." * 5000: "1"})


@pytest.mark.parametrize(
    "data, expected",
    [
        (b'{"a":[1,2.5,null,true,"\xe8\xa7\x86"]}', {"a": [1, 2.5, None, True, "视"]}),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b'"\\ud800"', "\ud800"),
        (b'["\xff"]', ["�"]),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'"a\x01b\nc"', "a\x01b\nc"),
        (b"1e400", float("inf")),
        (b"-Infinity", float("-inf")),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'["\\ud800",{"a":[123456789012345678901234567890]}]', ["\ud800", {"a": [123456789012345678901234567890]}]),
    ],
)
def test_json_is_read_leniently_and_exactly(data: bytes, expected: object) -> None:
    """What strict readers refuse or round is read as it was meant."""
    assert expected == loads(data)


def test_nan_is_read_and_written() -> None:
    """NaN is not turned into null on its way."""
    assert b"[NaN,null]" == dumps(loads(b"[NaN, null]"))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"<html>", b"[1,]", b"[" * 100_000, b"[" * 300 + b"}" * 300, b'["' + b"\\" * 99, b"\x00"]
)
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    """Nothing but ValueError comes out, whatever goes in."""
    with pytest.raises(ValueError):  # noqa: PT011  # the text is the parser's
        loads(data)


def test_what_no_reader_takes_is_read_as_text() -> None:
    """An integer of thousands of digits and a nest of thousands of levels are texts; what is beside them is itself."""
    nest = b'{"a":' * 5000 + b'"]"' + b"}" * 5000
    value: Any = loads(b'{"b":[1,' + b"9" * 5000 + b',"' + b"9" * 5000 + b'",-' + b"1" * 4301 + b'],"d":' + nest + b"}")
    deep = value.pop("d")
    for _ in range(DEPTH - 1):
        deep = deep["a"]

    assert {"b": [1, "9" * 5000, "9" * 5000, "-" + "1" * 4301]} == value
    assert nest.decode()[5 * (DEPTH - 1) : -(DEPTH - 1)] == deep
    assert value == loads(dumps(value))


@pytest.mark.parametrize("odd", [b"9" * 5000, b"[" * 9999 + b"]" * 9999])
def test_reading_slowly_is_reading_the_same(odd: bytes) -> None:
    """What is as deep and as long as can be is read the same beside something odd: a copy is known by that."""
    full = b"[" * (DEPTH - 1) + b"9" * DIGITS + b"]" * (DEPTH - 1)

    assert loads(b"[" + full + b"]")[0] == loads(b"[" + full + b"," + odd + b"]")[0]


@given(st.binary())
@patient
def test_any_bytes_are_read_or_a_value_error(data: bytes) -> None:
    """Arbitrary bytes are a value that can be written again, or a ValueError."""
    try:
        value = loads(data)
    except ValueError:
        return

    assert dumps(value) == dumps(loads(dumps(value)))


@pytest.mark.no_cover
@given(JSON)
@patient
def test_canonical_json_keeps_the_value(value: Any) -> None:
    """Writing and reading give the same value, and the order of names leaves no trace in the bytes."""
    assert value == loads(dumps(value))
    assert dumps(value) == dumps(reversed_names(value))
    assert value == loads(json.dumps(value).encode())


def test_deepest_value_can_be_written() -> None:
    """As deep as can be read can be written."""
    deepest = b"[" * DEPTH + b"]" * DEPTH

    assert deepest == dumps(loads(deepest))


def test_canonical_json_is_compact_and_sorted() -> None:
    """Names are sorted by code point and nothing is wasted."""
    assert b'{"a":"\\ud800","b":18446744073709551616}' == dumps({"b": 2**64, "a": "\ud800"})
    assert '{"B":[1,{"x":true}],"a":"视","b":2.0}'.encode() == dumps({"b": 2.0, "a": "视", "B": [1, {"x": True}]})


@pytest.mark.parametrize(
    "body, expected",
    [
        (b'{"code":0,"fileId":"1"}', {"code": 0, "message": "", "codeDesc": "", "fileId": "1"}),
        (b'{"code":"0","message":null}', {"code": 0, "message": "", "codeDesc": ""}),
        (
            b'{"code":0,"message":"ok","codeDesc":"Success"}',
            {"code": 0, "message": "ok", "codeDesc": "Success"},
        ),
        (b'{"code":0,"message":17}', {"code": 0, "message": "17", "codeDesc": ""}),
    ],
)
def test_good_reply_is_read(body: bytes, expected: dict[str, Any]) -> None:
    """Code 0 is success as number and as text, and the head of a reply is always complete."""
    assert expected == read_reply("PullEvent", 200, body)


def test_reply_counts_more_than_the_status() -> None:
    """A reply of the service is one whatever HTTP says."""
    with pytest.raises(Refused, match="code 6000"):
        read_reply("PullEvent", 500, b'{"code":6000}')


@pytest.mark.parametrize(
    "body, kind, code, text, desc",
    [
        ('{"code":4100,"codeDesc":"AuthFailure","message":"no"}', Denied, 4100, "no", "AuthFailure"),
        ('{"code":"4400"}', Throttled, 4400, "", ""),
        ('{"code":-46204,"message":"(20014)失败"}', Refused, -46204, "(20014)失败", ""),
        ('{"code":" 5100 ","message":"m"}', Refused, 5100, "m", ""),
    ],
)
def test_other_codes_are_raised(body: str, kind: type[Refused], code: int, text: str, desc: str) -> None:
    """Another code than 0 is the error of that code, with what the service said."""
    with pytest.raises(Refused) as caught:
        read_reply("ProcessFile", 200, body.encode())

    assert (kind, code, text, desc) == (type(caught.value), caught.value.code, caught.value.text, caught.value.desc)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><title>busy</title></html>",
        b'{"code":0,"eventLi',
        b"[]",
        b"{}",
        b"null",
        b"",
        b'{"code":null}',
        b'{"code":true}',
        b'{"code":"none"}',
        b'{"code":1.5}',
        b'{"code":"' + b"9" * 5000 + b'"}',
    ],
)
@pytest.mark.parametrize("status, kind", [(200, BadReply), (502, Unreachable)])
def test_what_is_no_reply_is_told_apart_by_status(body: bytes, status: int, kind: type[CallError]) -> None:
    """A body that is no reply is a bad reply under HTTP 200, and nobody there under any other status."""
    with pytest.raises(kind, match=f"^PullEvent: .*HTTP {status}: ") as caught:
        read_reply("PullEvent", status, body)

    assert caught.value.retryable


@pytest.mark.parametrize(
    "body, expected",
    [
        (b"", "(empty)"),
        (b"<html>\r\n  <b>\x1b[31mbusy\xff</b>", "<html> <b> [31mbusy�</b>"),
        (b"x" * 300, "x" * 200 + "…"),
        (b"GET /v2?SecretId=AKID&Signature=abc%3D&Nonce=1 failed", "GET /v2?SecretId=…&Signature=…&Nonce=1 failed"),
        (b'href="?Token%3Dabc"', 'href="?Token=…"'),
    ],
)
def test_excerpt_is_short_and_safe(body: bytes, expected: str) -> None:
    """An excerpt is one printable line without credentials."""
    text = excerpt(body)

    assert expected == text
    assert text.isprintable()
