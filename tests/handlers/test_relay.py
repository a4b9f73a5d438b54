"""The promises of relay, kept towards real brokers on the loopback."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from redis.asyncio import Redis

from handlers.relay import BROKERS, Options, relay, relayed
from vodworker import Done
from vodworker.errors import ConfigError
from vodworker.events import Event, FileDeleted, NewFileUpload, decode
from vodworker.testing import Run, run, sample

EVENT = decode('{"eventType":"FileDeleted","data":{"fileInfo":[{"fileId":"f1"}],"name":"动物"}}'.encode())
HEADERS = {"Vodworker-Event-Id": "17", "Vodworker-Event-Type": "FileDeleted", "Vodworker-Key": "f1"}
BIN = Path(sys.executable).parent


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def process(*command: str, says: bytes) -> AsyncGenerator[None]:
    """A server, from when it says that it is ready."""
    server = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert server.stdout
    try:
        async for line in server.stdout:
            if says in line:
                break
        yield
    finally:
        server.kill()
        await server.communicate()


def nats_server(port: int, folder: Path) -> Any:
    """A NATS server with JetStream."""
    words = ("-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder))
    return process(str(BIN / "nats-server"), *words, says=b"Server is ready")


def redis_server(port: int, folder: Path) -> Any:
    """A Redis server."""
    words = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder))
    return process(str(BIN / "redis-server"), *words, says=b"eady to accept connections")


@asynccontextmanager
async def relaying(url: str, **more: Any) -> AsyncGenerator[Any]:
    """A function that runs the handler beside its way to the broker."""
    options = Options(url=url, **more)  # type: ignore[arg-type]  # pydantic makes a secret of it
    async with relayed(options) as way:

        async def handle(event: Event, **facts: Any) -> Run:
            return await run(relay, event, options=options, resources=way, **facts)

        yield handle


@pytest.mark.process
async def test_redis_stream_gets_the_event(tmp_path: Path) -> None:
    """An entry of the stream for each event, in their order, readable without a library: its bytes and its headers."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    async with redis_server(port, tmp_path), relaying(url, to="vod") as handle, Redis.from_url(url) as reader:
        assert Done() == (await handle(EVENT, event_id=17)).outcome
        await handle(sample(NewFileUpload), event_id=18)
        entries: Any = await reader.xrange("vod")

    first, second = (json.loads(fields[b"__data__"]) for _, fields in entries)
    assert {"data": EVENT.raw.decode(), "headers": HEADERS} == first
    assert "18" == second["headers"]["Vodworker-Event-Id"]


@pytest.mark.process
async def test_nats_gets_the_event(tmp_path: Path) -> None:
    """Who listens gets the event's bytes and headers; a stream keeps it, and the same event only once."""
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    async with nats_server(port, tmp_path):
        reader = await nats.connect(url)
        heard = await reader.subscribe("vod.events")
        await reader.flush()
        async with relaying(url) as handle:
            await handle(EVENT, event_id=17)
        message = await heard.next_msg(timeout=10)
        store = reader.jetstream()
        await store.add_stream(name="VOD", subjects=["vod.kept"])
        async with relaying(url, to="vod.kept", stream="VOD") as handle:
            for attempt in (1, 2):
                assert Done() == (await handle(EVENT, event_id=17, attempt=attempt)).outcome
        kept = (await store.stream_info("VOD")).state.messages
        await reader.close()

    assert EVENT.raw == message.data
    assert HEADERS == {name: value for name, value in (message.headers or {}).items() if name in HEADERS}
    assert 1 == kept


@pytest.mark.process
async def test_absent_broker_is_tried_again(tmp_path: Path) -> None:
    """The daemon starts without its broker; an event fails while it is away, and goes when it is there."""
    port = free_port()
    async with relaying(f"redis://127.0.0.1:{port}", timeout=5) as handle:
        with pytest.raises(Exception, match="onnect"):
            await handle(EVENT)
        async with redis_server(port, tmp_path):
            assert Done() == (await handle(EVENT)).outcome


async def test_silent_broker_is_tried_again() -> None:
    """A broker that takes connections and says nothing is a failure after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        async with relaying(f"redis://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.05) as handle:
            with pytest.raises(TimeoutError):
                await handle(EVENT)


async def test_only_what_is_asked_for_is_published() -> None:
    """Without a url nothing is, with types only those."""
    async with relayed(Options()) as way:
        assert None is way
        assert Done() == (await run(relay, EVENT)).outcome
    async with relaying("redis://127.0.0.1:1", types=["NewFileUpload"]) as handle:
        assert Done() == (await handle(sample(FileDeleted))).outcome


@pytest.mark.parametrize("scheme", BROKERS)
async def test_every_broker_can_be_made(scheme: str) -> None:
    """Whether its library is there is known at the start, and the start does not wait for the broker."""
    async with relaying(f"{scheme}://127.0.0.1:1") as handle:
        assert callable(handle)


@pytest.mark.parametrize("options", [{"url": "http://me:s3cret@localhost"}, {"to": ""}, {"timeout": 0}])
def test_wrong_option_is_told(options: dict[str, Any]) -> None:
    """An option that makes no sense stops the start and names itself; a password is not shown."""
    with pytest.raises(ConfigError, match=rf"^handlers\.options\.relay\.{next(iter(options))} is ") as caught:
        run(relay, EVENT, options=options)

    assert "s3cret" not in str(caught.value)
