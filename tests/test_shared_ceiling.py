"""One bucket for all processes on a journal: real daemons beside real commands, and what the emulator counts."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.daemons import site, upload
from vodworker.journal.port import Filter
from vodworker.journal.sqlite import open_sqlite

pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.timeout(60)]

CALLS_TWICE = """\
from vodworker.api import DescribeVodInfo
for _ in range(2):
    await ctx.vod.call(DescribeVodInfo())
"""


async def call(folder: Path) -> int:
    """`vodworker call`; its exit code."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vodworker", "call", "DescribeVodInfo"), cwd=folder, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


async def test_a_command_and_a_daemon_draw_from_one_bucket(tmp_path: Path) -> None:
    """What `vodworker call` spends beside a daemon is missing there: the daemon waits for its return, and says so."""
    async with site(tmp_path) as (emulator, place):
        place.set("[limits]\nDescribeVodInfo = 2")
        place.handler(CALLS_TWICE)
        async with place.daemon() as daemon:
            await daemon.said("worker.ready")
            exit_code = await call(tmp_path)
            emulator.emit(upload(1))
            await daemon.said("call.waiting")
            waiting = daemon.last("call.waiting")
            arrived = emulator.audit.arrivals("DescribeVodInfo")
            code, _ = await daemon.stopped()  # at once: nobody would wait for the end of this grace
        async with open_sqlite(tmp_path / "vodworker.db") as store:
            (entry,) = await store.list(Filter())

    assert (0, 2) == (exit_code, arrived)
    assert ("DescribeVodInfo", 1) == (waiting["action"], waiting["place"])
    assert 0 < waiting["expected"] <= 61
    assert (0, "ready", 0) == (code, entry["state"], entry["attempt"])


async def test_a_killed_daemon_leaves_its_ceiling_behind(tmp_path: Path) -> None:
    """What a daemon spent before a SIGKILL is missing to the next one."""
    async with site(tmp_path) as (emulator, place):
        place.set("[limits]\nDescribeVodInfo = 2")
        place.handler(CALLS_TWICE)
        async with place.daemon() as daemon:
            emulator.emit(upload(1))
            await daemon.said("handler.done")
            daemon.process.kill()
            await daemon.process.wait()
        emulator.emit(upload(2))
        async with place.daemon() as daemon:
            await daemon.said("call.waiting")

    assert 2 == emulator.audit.arrivals("DescribeVodInfo")
