"""The promises of webhook, kept towards a real server on the loopback."""

import hashlib
import hmac
import inspect
import re
import socket
import textwrap
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from handlers.webhook import webhook
from vodworker import Done, Reject, Retry
from vodworker.errors import ConfigError
from vodworker.events import Event, FileDeleted, decode
from vodworker.router import Router
from vodworker.testing import run

EVENT = decode('{"eventType":"FileDeleted","data":{"fileInfo":[{"fileId":"f1"}],"name":"动物"}}'.encode())
SECRET = "a long random text"


@dataclass
class Receiver:
    """A user's server: takes notes, and answers as it is told to. silent: it never answers."""

    url: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    silent: bool = False
    got: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list[tuple[Mapping[str, str], bytes]])

    async def answer(self, request: web.Request) -> web.Response:
        """Take a note, and answer."""
        self.got.append((request.headers, await request.read()))
        if self.silent and request.transport:
            request.transport.abort()
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A server on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}/vod")
    app = web.Application()
    app.router.add_post("/vod", receiver.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    yield receiver
    await runner.cleanup()


async def test_event_is_posted(receiver: Receiver) -> None:
    """The event goes out byte for byte as the service sent it, with the number that it has in the journal."""
    outcome = (await run(webhook, EVENT, event_id=17, options={"url": receiver.url})).outcome

    assert Done() == outcome
    ((headers, body),) = receiver.got
    assert EVENT.raw == body
    assert ("application/json", "17") == (headers["Content-Type"], headers["Vodworker-Event-Id"])
    assert "Vodworker-Signature" not in headers


async def test_receiver_can_check_who_sent_it(shipped: Router, receiver: Receiver) -> None:
    """The lines that the handler's own text gives to receivers accept what it sends and nothing else."""
    module = inspect.getmodule(shipped.routes["webhook"].handler)
    assert module is not None
    (snippet,) = re.findall(r"^    stamp, .*?(?=\n\"?$|\Z)", module.__doc__ or "", re.DOTALL | re.MULTILINE)
    check = compile(textwrap.dedent(f"    {snippet.lstrip()}"), "docstring", "exec")
    await run(webhook, EVENT, options={"url": receiver.url, "secret": SECRET})
    ((headers, body),) = receiver.got

    def verify(**changed: Any) -> None:
        names = {"hmac": hmac, "hashlib": hashlib, "time": time, "secret": SECRET, "headers": headers, "body": body}
        exec(check, {**names, **changed})  # noqa: S102  # the documented lines are the thing under test

    verify()
    stamp = str(int(headers["Vodworker-Timestamp"]) - 301)
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    old = {"Vodworker-Timestamp": stamp, "Vodworker-Signature": digest}
    for wrong in ({"body": body + b" "}, {"secret": "guessed"}, {"headers": {**headers, "Vodworker-Timestamp": "1"}}):
        with pytest.raises(PermissionError, match="not from our worker"):
            verify(**wrong)
    with pytest.raises(PermissionError, match="too old"):
        verify(headers=old)


@pytest.mark.parametrize("options", [{}, {"types": ["FileDeleted"]}, {"secret": SECRET}])
async def test_without_an_address_nothing_is_sent(options: dict[str, Any]) -> None:
    """Without a url every event is done at once."""
    assert Done() == (await run(webhook, EVENT, options=options)).outcome


async def test_only_the_types_asked_for_are_sent(receiver: Receiver) -> None:
    """With types, other events are done without being sent; types that are not known here are sent too."""
    new = decode(b'{"eventType":"VideoDubbed"}')
    for event in (EVENT, FileDeleted(), new, Event()):
        assert Done() == (await run(webhook, event, options={"url": receiver.url, "types": ["VideoDubbed"]})).outcome

    assert [new.raw] == [body for _, body in receiver.got]


@pytest.mark.parametrize(
    "status,headers,expected",
    [
        (200, {}, Done()),
        (204, {}, Done()),
        (299, {}, Done()),
        (301, {"Location": "/elsewhere"}, Retry(None, "the server answered 301")),
        (400, {}, Reject("the server answered 400")),
        (404, {"Retry-After": "5"}, Reject("the server answered 404")),
        (410, {}, Reject("the server answered 410")),
        (408, {}, Retry(None, "the server answered 408")),
        (425, {}, Retry(None, "the server answered 425")),
        (429, {"Retry-After": "7"}, Retry(7.0, "the server answered 429")),
        (500, {}, Retry(None, "the server answered 500")),
        (503, {"Retry-After": "86400"}, Retry(3600.0, "the server answered 503")),
        (503, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, Retry(None, "the server answered 503")),
        (503, {"Retry-After": "-1"}, Retry(None, "the server answered 503")),
    ],
)
async def test_answer_decides(receiver: Receiver, status: int, headers: dict[str, str], expected: object) -> None:
    """2xx is done, a 4xx that does not pass is dead, anything else is tried again, when the server says so."""
    receiver.status, receiver.headers = status, headers

    assert expected == (await run(webhook, EVENT, options={"url": receiver.url})).outcome
    assert 1 == len(receiver.got)


async def test_silence_is_tried_again(receiver: Receiver) -> None:
    """A server that breaks off, and one that is not there, are tried again."""
    receiver.silent = True
    broken = (await run(webhook, EVENT, options={"url": receiver.url})).outcome
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    absent = (await run(webhook, EVENT, options={"url": f"http://127.0.0.1:{port}"})).outcome

    assert isinstance(broken, Retry)
    assert "no answer: ServerDisconnectedError Server disconnected" == broken.why
    assert isinstance(absent, Retry)
    assert absent.why.startswith("no answer: ClientConnectorError")


async def test_slow_server_is_tried_again() -> None:
    """A server that does not answer within the timeout is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # it takes connections and says nothing
        outcome = (
            await run(webhook, EVENT, options={"url": f"http://127.0.0.1:{deaf.getsockname()[1]}", "timeout": 0.05})
        ).outcome

    assert isinstance(outcome, Retry)
    assert outcome.why.startswith("no answer: ")
    assert "Timeout" in outcome.why


@pytest.mark.parametrize("options", [{"url": "example.com"}, {"url": "ftp://example.com"}, {"timeout": 0}])
def test_wrong_option_is_told(options: dict[str, Any]) -> None:
    """An option that makes no sense stops the start and names itself; the secret is not shown."""
    with pytest.raises(ConfigError, match=rf"^handlers\.options\.webhook\.{next(iter(options))} is ") as caught:
        run(webhook, EVENT, options={"secret": SECRET, **options})

    assert SECRET not in str(caught.value)
