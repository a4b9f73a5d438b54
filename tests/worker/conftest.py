"""A whole world in one event loop: an emulator, a journal on a real file, and workers that come and go."""

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import Limiter
from vodworker.cloud.queue import Queue
from vodworker.emulator import library
from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings
from vodworker.emulator.state import Footage
from vodworker.journal.port import Store
from vodworker.journal.sqlite import open_sqlite
from vodworker.router import Context, Router
from vodworker.sign import nonces
from vodworker.worker import Rules, Worker

Handler = Callable[[Any, Context], Any]


class World:
    """An emulator, and the path of a journal; `worker` runs a daemon's loop between them."""

    def __init__(self, emulator: Emulator, path: Path) -> None:
        self.emulator = emulator
        self.path = path
        self.watch: Callable[[Any], None] = lambda _call: None  # told of every call that the emulator has answered

    def video(self, name: str) -> str:
        """Put a video into the library, without an event; its file id."""
        shows = Footage(duration=10, width=640, height=360, fps=25, bitrate=500_000)
        return library.add(self.emulator.service, name=name, container="mp4", size=1, md5=name, shows=shows).id

    @asynccontextmanager
    async def journal(self, *, ahead: float = 0.0) -> AsyncGenerator[Store]:
        """The journal, as an operator sees it beside the worker; its clock may be ahead of the worker's."""
        clock = asyncio.get_running_loop().time
        async with open_sqlite(self.path, now=lambda: 1e9 + clock() + ahead, sole=False) as store:
            yield store

    @asynccontextmanager
    async def worker(
        self,
        *handlers: Handler,
        rules: Rules | None = None,
        limits: dict[str, int] | None = None,
        secret_key: str | None = None,
        **options: Any,
    ) -> AsyncGenerator[Worker]:
        """A worker that is stopped when the block ends, as by SIGTERM."""
        limits = {"PullEvent": 1000, "ConfirmEvent": 1000, **(limits or {})}

        def limit(action: str) -> int:
            return limits.get(action, 100)

        account = Account(
            endpoint=self.emulator.url,
            secret_id=self.emulator.secret_id,
            secret_key=secret_key or self.emulator.secret_key,
        )
        chance = random.Random(7)
        stop = asyncio.Event()
        async with (
            self.journal() as store,
            Limiter(store, limit=limit, hold=15.0) as limiter,
            aiohttp.ClientSession() as session,
        ):
            vod = Vod(session, account, limiter=limiter, nonces=nonces(chance.random).__next__, random=chance.random)
            queue = Queue(vod, limiter=limiter, limit=limit)
            worker = Worker(queue, store, vod, Router.of(*handlers), rules or Rules(), random=chance.random, **options)
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run(stop))
                try:
                    yield worker
                finally:
                    stop.set()


Worlds = Callable[..., Any]


@pytest.fixture
def world(tmp_path: Path) -> Worlds:
    """Make worlds to enter, each with an emulator of these settings."""
    number = itertools.count()

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncGenerator[World]:
        def watch(call: Any) -> None:
            it.watch(call)

        async with Emulator.serve(settings=Settings(**settings), watch=watch) as emulator:
            it = World(emulator, tmp_path / f"{next(number)}.db")
            yield it

    return opened
