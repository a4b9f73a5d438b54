"""What handlers keep open: opened before the first event, closed after the last, and nobody else's trouble."""

import asyncio
import io
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from vodworker import Context, on
from vodworker.errors import PluginError
from vodworker.events import Event, NewFileUpload
from vodworker.log import setup
from vodworker.resources import opened
from vodworker.router import Router
from vodworker.testing import Stage, in_virtual_time


@pytest.fixture(autouse=True)
def stream(logging_restored: None) -> io.BytesIO:
    """What is logged."""
    stream = io.BytesIO()
    setup("json", stream=stream)
    return stream


class Options(BaseModel):
    """What the pools of these tests are made with."""

    size: int = 1


LIFE: list[str] = []


@pytest.fixture(autouse=True)
def life() -> Iterator[list[str]]:
    """What happened to the pools, in order."""
    yield LIFE
    LIFE.clear()


@asynccontextmanager
async def pool(options: Options) -> AsyncGenerator[list[str]]:
    """A pool of this size."""
    LIFE.append(f"opened {options.size}")
    yield LIFE
    LIFE.append("closed")


@on(NewFileUpload, options=Options, resources=pool)
async def swims(event: NewFileUpload, ctx: Context[Options, list[str]]) -> None:
    """A handler with a pool."""
    ctx.resources.append(f"swam in {ctx.options.size}")


def test_resources_are_open_while_events_are_handled(stage: Stage, life: list[str]) -> None:
    """They are opened once, with the options, before the first event, and closed after the last."""
    for name in ("one", "two"):
        stage.upload(name)

    stage.work(swims, options={"swims": {"size": 3}}, seconds=5)

    assert ["opened 3", "swam in 3", "swam in 3", "closed"] == life


def handler(resources: Any) -> Any:
    """A handler with these resources."""

    @on(Event, resources=resources)
    async def dry(event: Event, ctx: Context[Any, Any]) -> None: ...

    return dry


@asynccontextmanager
async def empty(_options: Any) -> AsyncGenerator[None]:
    """A pool that has no water."""
    if LIFE:
        raise ConnectionRefusedError("no water")
    yield


@asynccontextmanager
async def endless(_options: Any) -> AsyncGenerator[None]:
    """A pool that never fills."""
    await asyncio.Event().wait()
    yield


@pytest.mark.parametrize(
    "resources,why",
    [
        (empty, "ConnectionRefusedError: no water"),
        (endless, "they took more than 300 s"),
        (dict, "TypeError: 'builtins.dict' object does not support the asynchronous context manager protocol"),
    ],
)
def test_resources_that_cannot_be_opened_stop_the_start(resources: Any, why: str, life: list[str]) -> None:
    """The handler, its place and the reason are told; what was opened is closed again."""
    router = Router.of(swims, dry := handler(resources))

    @in_virtual_time
    async def start() -> None:
        async with opened(router, router.options({}), limit=300):
            life.append("begun")

    with pytest.raises(PluginError) as caught:
        start()

    where = f"{__file__}:{dry.__code__.co_firstlineno}"
    assert f"handler dry at {where}: its resources cannot be opened: {why}" == str(caught.value)
    assert ["opened 1", "closed"] == life


@asynccontextmanager
async def leaking(_options: Any) -> AsyncGenerator[None]:
    """A pool with a task of its own, which fails."""

    async def leak() -> None:
        raise OSError("a leak")

    async with asyncio.TaskGroup() as group:
        group.create_task(leak())
        yield


@asynccontextmanager
async def sticky(_options: Any) -> AsyncGenerator[None]:
    """A pool that cannot be emptied."""
    yield
    raise SystemExit


@pytest.mark.parametrize("resources,told", [(leaking, "ExceptionGroup"), (sticky, "SystemExit")])
async def test_resources_that_fail_later_end_nothing(resources: Any, told: str, stream: io.BytesIO) -> None:
    """What goes wrong while they are open or being closed is told, and nothing else ends of it."""
    router = Router.of(handler(resources))

    async with opened(router, router.options({}), limit=300) as found:
        assert {"dry": None} == found
        for _ in range(3):
            await asyncio.sleep(0)

    (line,) = map(orjson.loads, stream.getvalue().splitlines())
    assert ("resources.failed", "dry", told) == (line["event"], line["handler"], line["why"].partition(":")[0])
