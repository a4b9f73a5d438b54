"""A whole world in one event loop: an emulator, a journal on a real file, and workers that come and go."""

import asyncio
import random
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import Limiter
from vodworker.cloud.queue import Queue
from vodworker.emulator import Emulator, Settings, library
from vodworker.emulator.state import Footage
from vodworker.events import Event, NewFileUpload
from vodworker.handler import Context
from vodworker.journal.port import Filter, Store
from vodworker.journal.sqlite import open_sqlite
from vodworker.resources import opened
from vodworker.router import Router
from vodworker.sign import nonces
from vodworker.testing.clock import VirtualLoop
from vodworker.testing.samples import sample
from vodworker.worker import Rules, Worker

Handler = Callable[[Any, Context[Any, Any]], Any]

EPOCH = 1e9  # Unix seconds at which virtual time begins
ALL = 100_000  # entries: more than any test makes


class World:
    """An emulator, and the path of a journal; `worker` runs a daemon's loop between them, in the test's own loop.

    watch: told of every call that the emulator has answered. through: what the worker sees its journal through. slept:
    seconds by which the journal's clock is ahead of the loop's, as after a sleep of the machine. vod: the worker's.
    """

    vod: Vod

    def __init__(self, emulator: Emulator, path: Path) -> None:
        self.emulator = emulator
        self.path = path
        self.watch: Callable[[Any], None] = lambda _call: None
        self.through: Callable[[Store], Store] = lambda store: store
        self.slept = 0.0
        # The same in each test, and one for all workers: a nonce of the first would be refused to the next.
        self._chance = random.Random(7)  # noqa: S311  # tests are to be repeated

    def __repr__(self) -> str:
        return f"<World of {self.emulator!r}>"

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, **settings: Any) -> AsyncGenerator["World"]:
        """An empty world whose journal is that file. settings: the emulator's."""

        def watch(call: Any) -> None:
            it.watch(call)

        async with Emulator.serve(settings=Settings(**settings), watch=watch) as emulator:
            it = cls(emulator, path)
            yield it

    def video(self, name: str) -> str:
        """Put a video into the library, without an event; its file id."""
        shows = Footage(duration=10, width=640, height=360, fps=25, bitrate=500_000)
        return library.add(self.emulator.service, name=name, container="mp4", size=1, md5=name, shows=shows).id

    def upload(self, name: str, **changes: Any) -> str:
        """Put a video into the library, and an event that tells of it into the queue; its file id."""
        file_id = self.video(name)
        self.emit(sample(NewFileUpload, file_id=file_id, file_name=name, **changes))
        return file_id

    def emit(self, event: Event | Mapping[str, object]) -> None:
        """Put an event into the queue."""
        if isinstance(event, Event):
            self.emulator.emit({"version": event.version, "eventType": event.type, "data": event.data})
        else:
            self.emulator.emit(event)

    @asynccontextmanager
    async def journal(self, *, ahead: float = 0.0) -> AsyncGenerator[Store]:
        """The journal, as an operator sees it beside the worker; its clock may be ahead of the worker's."""
        clock = asyncio.get_running_loop().time
        async with open_sqlite(self.path, now=lambda: EPOCH + clock() + self.slept + ahead, sole=False) as store:
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
        chance = self._chance
        stop = asyncio.Event()
        async with (
            self.journal() as store,
            Limiter(store, limit=limit, hold=15.0) as limiter,
            aiohttp.ClientSession() as session,
            AsyncExitStack() as stack,
        ):
            self.vod = vod = Vod(
                session, account, limiter=limiter, nonces=nonces(chance.random).__next__, random=chance.random
            )
            queue = Queue(vod, limiter=limiter, limit=limit)
            router, rules = Router.of(*handlers), rules or Rules()
            read = router.options(rules.options)
            resources = await stack.enter_async_context(opened(router, read, limit=rules.timeout))
            rules = replace(rules, options=read, resources=resources)
            worker = Worker(queue, self.through(store), vod, router, rules, random=chance.random, **options)
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run(stop))
                try:
                    yield worker
                finally:
                    stop.set()


class Stage:
    """A world for synchronous tests: its clock stands still between their lines, and waiting takes no time.

    emulator: the service; `emulator.faults` are what goes wrong, `emulator.state` is what there is.
    """

    def __init__(self, world: World, runner: asyncio.Runner) -> None:
        self._world = world
        self._run = runner.run
        self.emulator = world.emulator
        self.video, self.upload, self.emit = world.video, world.upload, world.emit

    def __repr__(self) -> str:
        return f"<Stage of {self.emulator!r}>"

    @classmethod
    @contextmanager
    def open(cls, **settings: Any) -> Generator["Stage"]:
        """An empty stage. settings: the emulator's."""
        with (
            tempfile.TemporaryDirectory(prefix="vodworker-stage-") as folder,
            asyncio.Runner(loop_factory=VirtualLoop) as runner,
        ):
            world = World.open(Path(folder) / "journal.db", **settings)
            opened = runner.run(world.__aenter__())
            try:
                yield cls(opened, runner)
            finally:
                runner.run(world.__aexit__(None, None, None))

    def work(
        self,
        *handlers: Handler,
        seconds: float = 60.0,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        limits: dict[str, int] | None = None,
        attempts: int = 8,
    ) -> list[dict[str, Any]]:
        """Let a worker with these handlers live for so many seconds; all entries of the journal, oldest first.

        options: each handler's own settings, by its name. limits: calls in 60 s, by action. The journal stays: another
        worker goes on where this one was stopped.
        """
        rules = Rules(options=options or {}, attempts=attempts)

        async def lived() -> list[dict[str, Any]]:
            async with self._world.worker(*handlers, rules=rules, limits=limits):
                await asyncio.sleep(seconds)
            async with self._world.journal() as store:
                return (await store.list(Filter(limit=ALL)))[::-1]

        return self._run(lived())

    def wait(self, seconds: float) -> None:
        """Let time pass without a worker."""
        self._run(asyncio.sleep(seconds))
