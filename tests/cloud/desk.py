"""A desk to try the ledger at: an emulator, a client of it, and a journal with one entry."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from vodworker.api import ConcatVideo, ProcessFile, SourceFile, Transcode
from vodworker.api.action import Action, Reply
from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.ledger import Deadline, Ledger, OnDoubt
from vodworker.cloud.limiter import Limiter
from vodworker.emulator import Emulator, Plan, Settings, library
from vodworker.emulator.faults import AnyFault
from vodworker.emulator.state import Footage
from vodworker.journal.port import Arrival, Entry, Store
from vodworker.journal.sqlite import open_sqlite
from vodworker.sign import nonces

R = TypeVar("R", bound=Reply)


@dataclass
class Desk:
    """An emulator, a client of it, and a journal with one entry."""

    emulator: Emulator
    vod: Vod
    store: Store
    entry: Entry

    @asynccontextmanager
    async def run(self, limit: float = 1000.0) -> AsyncGenerator[Ledger]:
        """Another run of the entry: its `ctx.vod`."""
        entry = self.entry
        async with Deadline(limit) as deadline:
            yield Ledger(self.vod, self.store, lambda: entry, deadline)

    async def call(self, action: Action[R], *, once: str | None = None, on_doubt: OnDoubt | None = None) -> R:
        """The only call of another run."""
        async with self.run() as ledger:
            return await ledger.call(action, once=once, on_doubt=on_doubt)

    def video(self) -> str:
        """A file of the library."""
        shows = Footage(duration=10, width=640, height=360, fps=25, bitrate=500_000)
        return library.add(self.emulator.service, name="v", container="mp4", size=1, md5="0", shows=shows).id

    async def doubt(self, action: Action[Any], once: str, *, effect: bool) -> str | None:
        """Leave behind what a crash does after the intent, or after the effect too; the task that was started."""
        name = type(action).__name__
        await self.store.intend(self.entry, action=name, identity=f"once:{once}", request=b"{}")
        return getattr(await self.vod.call(action), "vod_task_id", None) if effect else None

    async def noted(self, once: str) -> bool:
        """Whether the journal has a note of this call."""
        return await self.store.find(self.entry, identity=f"once:{once}") is not None


@asynccontextmanager
async def desk(*faults: AnyFault, queued: float = 3.0, endpoint: str | None = None) -> AsyncGenerator[Desk]:
    """All of it, in virtual time. endpoint: where the client looks for the service instead."""
    clock = asyncio.get_running_loop().time
    chance = random.Random(7)
    wall = 1_800_000_000.0

    def now() -> float:
        return wall + clock()

    async with (
        Emulator.serve(settings=Settings(queued=queued, faults=Plan(faults=faults)), wall=now) as emulator,
        open_sqlite(":memory:", now=now) as store,
        Limiter(store, limit=lambda _: 1000, hold=15.0) as limiter,
        aiohttp.ClientSession() as session,
    ):
        emulator.ceilings.update(dict.fromkeys(("ProcessFile", "ConcatVideo", "GetTaskList", "GetTaskInfo"), 1000))
        account = Account(endpoint or emulator.url, emulator.secret_id, emulator.secret_key)
        vod = Vod(
            session, account, limiter=limiter, nonces=nonces(chance.random).__next__, random=chance.random, now=now
        )
        await store.record([Arrival(b"{}", "T", "", ("h",))])
        (entry,) = (await store.claim({"h": 1}, lease=1e6)).entries
        yield Desk(emulator, vod, store, entry)


def process(file_id: str, *definitions: int) -> ProcessFile:
    """A call that costs money."""
    return ProcessFile(file_id=file_id, transcode=Transcode(definition=definitions))


def concat(file_id: str) -> ConcatVideo:
    """A call whose task tells nothing of its sources."""
    return ConcatVideo(src_file_list=[SourceFile(file_id=file_id)] * 2, name="x", dst_type=["mp4"])
