"""The event queue as the client sees it: three forms of nothing, and whatever an event may look like."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodworker.cloud.queue import HANDLE_LIFE, delivery
from vodworker.errors import BadReply, Refused
from vodworker.testing import in_virtual_time
from vodworker.wire import dumps

NO_EVENT = '{"code":4000,"message":"(1600018)没有事件通知","codeDesc":"InvalidParameter"}'.encode()


@pytest.mark.parametrize(
    "body", [NO_EVENT, b'{"code":0,"eventList":[]}', b'{"code":0}', b'{"code":0,"eventList":null}']
)
def test_an_empty_queue_is_no_error(line: Any, body: bytes) -> None:
    """Each of the ways in which the service says that there is no event gives no deliveries."""

    @in_virtual_time
    async def pull() -> list[Any]:
        async with line({"body": body}) as it:
            return list(await it.queue.pull())

    assert [] == pull()


@pytest.mark.parametrize(
    "body,error", [(b'{"code":4000,"message":"(1)bad"}', Refused), (b'{"code":4100}', Refused), (b"nonsense", BadReply)]
)
def test_an_error_is_not_an_empty_queue(line: Any, body: bytes, error: type[Exception]) -> None:
    """A 4000 with other words, or any other failure of a pull, is raised."""

    @in_virtual_time
    async def pull() -> None:
        async with line({"body": body}) as it:
            with pytest.raises(error, match="PullEvent"):
                await it.queue.pull()

    pull()


@in_virtual_time
async def test_a_pull_gives_deliveries(line: Any) -> None:
    """Each event comes with its handle, the end of the handle's life, its type, its key and its canonical JSON."""
    content = {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": "7", "size": 2**70}}
    body = dumps({"code": 0, "eventList": [{"msgHandle": "h", "eventContent": content}]})
    async with line({"body": body}) as it:
        (got,) = await it.queue.pull()

    assert ("h", "NewFileUpload", "7", dumps(content)) == (got.handle, got.type, got.key, got.body)
    assert HANDLE_LIFE == pytest.approx(got.expires, abs=0.1)


@in_virtual_time
async def test_handles_are_confirmed_by_number(line: Any) -> None:
    """A confirmation numbers its handles from 0."""
    async with line({}) as it:
        await it.queue.confirm(["a", "b"])

    assert ("a", "b") == (it.asked[0]["msgHandle.0"], it.asked[0]["msgHandle.1"])


@in_virtual_time
async def test_pulls_are_paced(line: Any) -> None:
    """No more pulls than the limit start within 60 s and the timeout, however many streams ask."""
    starts: list[float] = []

    async def stream(it: Any) -> None:
        for _ in range(5):
            await it.queue.pull()
            starts.append(asyncio.get_running_loop().time())

    async with line({}, limit=5) as it, asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(stream(it))

    starts.sort()
    assert all(later - earlier >= 60 for earlier, later in zip(starts, starts[5:], strict=False))


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(item=json)
def test_whatever_the_queue_holds_is_a_delivery(item: object) -> None:
    """No element of eventList is dropped or raises, whatever it is."""
    got = delivery(item, 30.0)

    assert isinstance(got.body, bytes)
    assert isinstance(got.handle, str)


def test_an_event_that_was_encoded_twice_is_opened() -> None:
    """An event that comes as a text of JSON is the event."""
    content = {"eventType": "NewFileUpload", "data": {"fileId": "7"}}

    got = delivery({"msgHandle": 5, "eventContent": orjson.dumps(content).decode()}, 30.0)

    assert ("5", "NewFileUpload", "7") == (got.handle, got.type, got.key)


def test_an_event_that_is_any_text_is_kept() -> None:
    """A text that is no JSON is kept as it is, as an event of no type."""
    got = delivery({"msgHandle": "h", "eventContent": "no json"}, 30.0)

    assert ("", "", b'"no json"') == (got.type, got.key, got.body)
