"""Uploads over the loopback, against the emulator."""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import Limiter
from vodworker.emulator import Emulator, Settings
from vodworker.journal.sqlite import open_sqlite
from vodworker.sign import nonces


@dataclass(frozen=True)
class World:
    """An emulator and a client of it."""

    emulator: Emulator
    vod: Vod

    async def fetch(self, url: str) -> bytes:
        """What a player gets from there."""
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert 200 == response.status
            return await response.read()


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    """An emulator in a hurry."""
    async with (
        Emulator.serve(settings=Settings(hold=0.05, seed=1, speed=1000.0)) as emulator,
        client(emulator.url) as vod,
    ):
        yield World(emulator, vod)


@asynccontextmanager
async def client(endpoint: str) -> AsyncGenerator[Vod]:
    """A client that waits little between its tries."""
    async with (
        open_sqlite(":memory:") as store,
        Limiter(store, limit=lambda _: 100, hold=15.0) as limiter,
        aiohttp.ClientSession() as http,
    ):
        account = Account(endpoint, "test-secret-id", "test-secret-key")
        yield Vod(http, account, limiter=limiter, nonces=nonces(random.random).__next__, random=lambda: 0.0)


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Writes files of bytes that repeat late, so that a part in the wrong place is seen."""

    def write(name: str = "lesson.mp4", size: int = 1_000_003) -> Path:
        path = tmp_path / name
        path.write_bytes(random.Random(size).randbytes(size))
        return path

    return write


async def test_file_arrives_whole(world: World, film: Callable[..., Path]) -> None:
    """An uploaded file is in the library under its name, byte for byte."""
    path = film()

    done = await world.vod.upload(path)

    assert "lesson" == world.emulator.state.files[done.file_id].name
    assert path.read_bytes() == await world.fetch(done.url)


async def test_cover_goes_beside_the_video(world: World, film: Callable[..., Path]) -> None:
    """A cover is uploaded with its video, and fetched from its own address."""
    cover = film("front.jpg", 70_001)

    done = await world.vod.upload(film(), name="第一课", cover=cover)

    assert cover.read_bytes() == await world.fetch(done.cover_url or "")
    assert "第一课" == world.emulator.state.files[done.file_id].name
