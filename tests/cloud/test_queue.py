"""The event queue as the client sees it: three forms of nothing, and whatever an event may look like."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from statistics import fmean
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import WINDOW, Limiter
from vodworker.cloud.queue import CONFIRM_TIMEOUT, HANDLE_LIFE, PULL_TIMEOUT, Queue, delivery
from vodworker.emulator.faults import Latency, Plan
from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings
from vodworker.errors import BadReply, CallError, Refused
from vodworker.journal.sqlite import open_sqlite
from vodworker.sign import nonces
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
    async with line({}) as it, it.queue.confirming() as confirm:
        await confirm(["a", "b"])

    assert ("a", "b") == (it.asked[0]["msgHandle.0"], it.asked[0]["msgHandle.1"])


# Their ceilings


@in_virtual_time
async def test_pulls_are_paced(line: Any) -> None:
    """No more pulls than the limit start within 60 s and the timeout, however many streams ask; a long wait is told."""
    starts: list[float] = []

    async def stream(it: Any) -> None:
        for _ in range(5):
            await it.queue.pull()
            starts.append(asyncio.get_running_loop().time())

    with capture_logs() as told:
        async with line({}, limit=5) as it, asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(stream(it))

    starts.sort()
    assert all(
        later - earlier > WINDOW + PULL_TIMEOUT - 0.1 for earlier, later in zip(starts, starts[5:], strict=False)
    )
    waits = [(line["action"], line["place"], round(line["expected"])) for line in told]
    assert [("PullEvent", 1, round(WINDOW + PULL_TIMEOUT))] == waits[:1]


@in_virtual_time
async def test_a_poll_that_is_given_up_leaves_no_trace(line: Any) -> None:
    """Polls that a stop cuts while they wait for a token cost later ones nothing."""

    async def give_up(it: Any) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await it.queue.pull()

    async with line({}, limit=2) as it:
        for _ in range(2):
            with await it.vod._limiter.token("PullEvent"):
                pass
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(give_up(it))
        for _ in range(2):
            await it.queue.pull()

        assert WINDOW == pytest.approx(asyncio.get_running_loop().time(), abs=0.1)


@pytest.mark.no_cover
@pytest.mark.timeout(60)
@in_virtual_time
async def test_the_queue_is_paced_as_the_service_counts() -> None:
    """Slow polls and confirmations, and a restart, bring no more to the service than it allows, and nearly that."""
    limit = 30
    slow = [
        Latency(action=action, seconds=seconds, least=least, shape="uniform", rate=rate)
        for action, timeout in (("PullEvent", PULL_TIMEOUT), ("ConfirmEvent", CONFIRM_TIMEOUT))
        for rate, least, seconds in ((0.03, 0.060, timeout), (1.0, 0.005, 0.060))
    ]
    clock = asyncio.get_running_loop().time

    async def confirm(queue: Queue) -> None:
        async with queue.confirming() as send:
            await send(["h"])

    async def ask_on(ask: Callable[[], Awaitable[object]], until: float) -> None:
        while clock() < until:
            with suppress(CallError):
                await ask()

    async with (
        Emulator.serve(settings=Settings(hold=0.01, faults=Plan(faults=tuple(slow)))) as emulator,
        open_sqlite(":memory:", now=lambda: 1e9 + clock()) as store,
        aiohttp.ClientSession() as session,
    ):
        account = Account(emulator.url, secret_id=emulator.secret_id, secret_key=emulator.secret_key)
        for until in (100.0, 400.0):
            async with Limiter(store, limit=lambda _: limit, hold=15.0) as limiter, asyncio.TaskGroup() as group:
                chance = random.Random(until)
                vod = Vod(
                    session, account, limiter=limiter, nonces=nonces(chance.random).__next__, random=chance.random
                )
                queue = Queue(vod, limiter=limiter, limit=lambda _: limit)
                for _ in range(3):
                    group.create_task(ask_on(queue.pull, until))
                    group.create_task(ask_on(partial(confirm, queue), until))

        for action, timeout in (("PullEvent", PULL_TIMEOUT), ("ConfirmEvent", CONFIRM_TIMEOUT)):
            assert emulator.audit.most_in_60s(action) <= limit
            calls = sorted(call.at for call in emulator.audit.calls(action) if call.at > 100.0 + WINDOW)
            apart = fmean(later - earlier for earlier, later in zip(calls, calls[limit:], strict=False))
            assert apart <= (WINDOW + timeout) / 0.98


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


@pytest.mark.parametrize(
    "handle,expected",
    [
        ("123", "123"),
        (123456789012345, "123456789012345"),
        (None, ""),
        (True, ""),
        (1.5, ""),
        ("half \ud83d", ""),
        ("a\nb", ""),
        (["1"], ""),
    ],
)
def test_only_what_can_be_sent_back_is_a_handle(handle: object, expected: str) -> None:
    """A number or a printable text is a handle; beside anything else the event is kept, and has none."""
    got = delivery({"msgHandle": handle, "eventContent": {"eventType": "NewFileUpload"}}, 30.0)

    assert (expected, "NewFileUpload") == (got.handle, got.type)


@pytest.mark.parametrize("odd", [b"9" * 5000, b'{"a":' * 300 + b"1" + b"}" * 300])
def test_an_odd_event_hides_no_other(line: Any, odd: bytes) -> None:
    """An event that no reader takes is kept as the text that it is, and the others of its batch are as ever."""
    plain = b'{"msgHandle":"%d","eventContent":{"eventType":"NewFileUpload","data":{"fileId":"7"}}}'
    body = b'{"code":0,"eventList":[%b,{"msgHandle":"1","eventContent":%b},%b]}' % (plain % 0, odd, plain % 2)

    @in_virtual_time
    async def pull() -> list[Any]:
        async with line({"body": body}) as it:
            return list(await it.queue.pull())

    got = pull()

    assert ["0", "1", "2"] == [it.handle for it in got]
    assert ["NewFileUpload", "", "NewFileUpload"] == [it.type for it in got]
    assert odd[-100:] in got[1].body.replace(b"\\", b"")
