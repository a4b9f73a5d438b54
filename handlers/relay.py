"""Publish every event to your own broker: Redis Streams, NATS, RabbitMQ or Kafka.

    [handlers.options.relay]
    url = "nats://localhost:4222"     # or redis://, amqp://, kafka://; without it nothing is published
    to = "vod.events"                 # the stream (Redis), subject (NATS), queue (RabbitMQ) or topic (Kafka)
    stream = "VOD"                    # NATS only: the JetStream stream that keeps it
    types = ["NewFileUpload"]         # only these; all unless it is given
    timeout = 10                      # seconds

It needs `pip install 'vodworker[relay]'`. The message is the event's JSON, as the service sent it; its headers are
`Vodworker-Event-Id`, `Vodworker-Event-Type` and `Vodworker-Key`. Kafka's key is the event's, so that the events of a
video stay in order. An entry of a Redis stream has one field, `__data__`: JSON with `data` (a text) and `headers`.

An event is done when the broker has it, and tried again while it has not; after a crash it may come twice, with the
same id. Without JetStream, NATS keeps nothing: who does not listen just then misses it. A RabbitMQ queue must exist.
"""

import asyncio
import json
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from vodworker import Context, Done, on
from vodworker.events import Event

# ruff: noqa: PLC0415  # each broker's library is loaded where it is wanted

LOG = logging.getLogger("relay")  # of the brokers' libraries; the daemon's log has what they warn of


@dataclass(frozen=True, slots=True)
class Message:
    """What is published."""

    body: bytes
    key: str
    headers: dict[str, str]


Publish = Callable[[Message], Awaitable[object]]


class Options(BaseModel, frozen=True):
    """What can be set. The url is a secret: there may be a password in it."""

    url: SecretStr | None = None
    to: str = Field(default="vod.events", min_length=1)
    stream: str | None = None
    types: frozenset[str] | None = None
    timeout: float = Field(default=10.0, gt=0)

    @field_validator("url")
    @classmethod
    def _known(cls, url: SecretStr | None) -> SecretStr | None:
        if url and scheme(url.get_secret_value()) not in BROKERS:
            raise ValueError(f"must begin with {', '.join(f'{it}://' for it in BROKERS)}")
        return url


def scheme(url: str) -> str:
    """What a url begins with."""
    return urlsplit(url).scheme


def redis(url: str, options: Options) -> tuple[Any, Publish]:
    """A Redis stream, whose entries everybody can read, and FastStream too."""
    from faststream.redis import BinaryMessageFormatV1, RedisBroker

    class Envelope(BinaryMessageFormatV1):
        @classmethod
        async def encode(cls, *, message: Any, headers: Mapping[str, Any] | None, **_: Any) -> bytes:
            return json.dumps({"data": message.decode(), "headers": dict(headers or {})}, ensure_ascii=False).encode()

    broker = RedisBroker(url, logger=LOG, message_format=Envelope)
    return broker, lambda it: broker.publish(it.body, stream=options.to, headers=it.headers)


def nats(url: str, options: Options) -> tuple[Any, Publish]:
    """A subject of NATS; with a stream its JetStream says that it has it, and takes the same id only once."""
    from faststream.nats import NatsBroker

    broker = NatsBroker(url, logger=LOG, max_reconnect_attempts=-1, connect_timeout=math.ceil(options.timeout))

    async def publish(it: Message) -> object:
        once = {"Nats-Msg-Id": f"vodworker-{it.headers['Vodworker-Event-Id']}"} if options.stream else {}
        return await broker.publish(it.body, options.to, headers={**it.headers, **once}, stream=options.stream)

    return broker, publish


def rabbit(url: str, options: Options) -> tuple[Any, Publish]:
    """A queue of RabbitMQ, by the default exchange; one that is not there is an error."""
    from faststream.rabbit import Channel, RabbitBroker

    broker = RabbitBroker(url, logger=LOG, default_channel=Channel(on_return_raises=True))
    return broker, lambda it: broker.publish(it.body, options.to, headers={**it.headers}, persist=True)


def kafka(url: str, options: Options) -> tuple[Any, Publish]:
    """A topic of Kafka."""
    from faststream.kafka import KafkaBroker

    broker = KafkaBroker(urlsplit(url).netloc.split(","), logger=LOG, acks="all", enable_idempotence=True)
    return broker, lambda it: broker.publish(it.body, options.to, key=it.key.encode() or None, headers=it.headers)


BROKERS: Mapping[str, Callable[[str, Options], tuple[Any, Publish]]] = {
    "redis": redis,
    "rediss": redis,
    "nats": nats,
    "tls": nats,
    "amqp": rabbit,
    "amqps": rabbit,
    "kafka": kafka,
}


class Relay:
    """A broker, reached when the first event is to go: the daemon starts without it, too."""

    def __init__(self, options: Options, url: str) -> None:
        self._options = options
        self._url = url
        self._reaching = asyncio.Lock()
        self._publish: Publish | None = None
        self._broker = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<Relay to {self._options.to}{'' if self._publish else ', not connected'}>"

    async def send(self, message: Message) -> None:
        """Publish it; returns when the broker has it."""
        async with asyncio.timeout(self._options.timeout):
            async with self._reaching:
                publish = self._publish or await self._reach()
            await publish(message)

    async def close(self) -> None:
        """Leave the broker."""
        await self._broker.aclose()

    async def _reach(self) -> Publish:
        broker, publish = BROKERS[scheme(self._url)](self._url, self._options)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(broker)
            self._broker = stack.pop_all()
        self._publish = publish
        return publish


@asynccontextmanager
async def relayed(options: Options) -> AsyncGenerator[Relay | None]:
    """The way to the broker, while the daemon works."""
    if options.url is None:
        yield None
        return
    url = options.url.get_secret_value()
    try:
        BROKERS[scheme(url)](url, options)
    except ImportError as missing:
        raise RuntimeError(f"{missing}; run: pip install 'vodworker[relay]'") from missing
    it = Relay(options, url)
    try:
        yield it
    finally:
        await it.close()


@on(Event, options=Options, resources=relayed)
async def relay(event: Event, ctx: Context[Options, Relay | None]) -> Done:
    """It hears everything, and is done at once with what is not to be published."""
    if ctx.resources is None or (ctx.options.types is not None and event.type not in ctx.options.types):
        return Done()
    headers = {
        "Vodworker-Event-Id": str(ctx.event_id),
        "Vodworker-Event-Type": event.type,
        "Vodworker-Key": event.key,
    }
    await ctx.resources.send(Message(event.raw, event.key, headers))
    return Done()
