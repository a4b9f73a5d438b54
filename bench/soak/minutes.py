"""Real minutes at 200 events a second: an emulator here, a daemon in a process of its own."""

import asyncio
import signal
import socket
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from bench.soak.growth import Series, descriptors, differing, size
from tests.daemons import Daemon, Site
from vodworker.emulator import library
from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings
from vodworker.emulator.state import Footage
from vodworker.journal.sound import unsound

RATE = 200  # events a second
TASK_EVERY = 50  # one event in so many is an upload that starts a task, which ends in an event of its own
SAMPLE_EVERY = 5.0  # seconds
KEEP = 60.0  # seconds, so that the journal's size is settled within the first quarter
CEILING = 100_000  # of submissions: the rate is what is tried here
KIB = 1024
PATIENCE = 60.0  # seconds for the rest to be worked off
OPEN = ("blocked", "ready", "running")

CONFIG = """\
level = "warning"
[journal]
keep = {keep}
[limits]
ProcessFile = {ceiling}
[http]
listen = "{address}"
"""

HANDLERS = """\
from vodworker import Retry, on
from vodworker.api import ProcessFile, Transcode
from vodworker.events import FileDeleted, NewFileUpload, ProcedureStateChanged


@on(NewFileUpload)
async def submit(event, ctx):
    await ctx.vod.call(ProcessFile(file_id=event.file_id, transcode=Transcode(definition=[210])))


@on(ProcedureStateChanged)
async def follow(event, ctx):
    return Retry(after=1.0, why="not yet") if ctx.attempt == 1 else None


@on(FileDeleted)
async def note(event, ctx):
    ctx.log.debug("noted")
"""


def _resources(process: int, folder: Path) -> dict[str, float]:
    """What the daemon holds: memory in MB, and counts."""
    status = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    told = dict(line.split(":", 1) for line in status if ":" in line)
    return {
        "rss": round(int(told["VmRSS"].split()[0]) / KIB, 1),
        "threads": int(told["Threads"]),
        "descriptors": descriptors(process),
        "journal": size(folder),
    }


async def _emit(emulator: Emulator, seconds: float) -> int:
    """So many events a second, evenly; returns the number of uploads."""
    clock = asyncio.get_running_loop().time
    shows = Footage(duration=1, width=64, height=36, fps=25, bitrate=50_000)
    begun, number, uploads = clock(), 0, 0
    while (at := clock() - begun) < seconds:
        while number < at * RATE:
            number += 1
            data: dict[str, object] = {"fileIdSet": [f"gone-{number}"]}
            if number % TASK_EVERY == 0:
                uploads += 1
                it = library.add(
                    emulator.service, name=f"{number}.mp4", container="mp4", size=1, md5=f"{number}", shows=shows
                )
                data = {"fileId": it.id}
            kind = "FileDeleted" if "fileIdSet" in data else "NewFileUpload"
            emulator.emit({"version": "4.0", "eventType": kind, "data": data})
        await asyncio.sleep(0.05)
    return uploads


async def _sample(daemon: Daemon, folder: Path, series: Series) -> None:
    while True:
        await asyncio.sleep(SAMPLE_EVERY)
        series.samples.append(_resources(daemon.process.pid, folder))


def _counted(text: str) -> dict[str, float]:
    """Counters of /metrics by name, whatever their labels: events that came, runs that ended well, calls."""
    sums: defaultdict[str, float] = defaultdict(float)
    for line in text.splitlines():
        name, _, number = line.rpartition(" ")
        if name.startswith("vodworker_events_total") and 'state="duplicate"' not in name:
            sums["received"] += float(number)
        if name.startswith("vodworker_handler_runs_total") and 'outcome="done"' in name:
            sums["handled"] += float(number)
        if name.startswith("vodworker_confirmations_total") and 'result="confirmed"' in name:
            sums["confirmed"] += float(number)
        if name.startswith("vodworker_entries{") and any(f'"{state}"' in name for state in OPEN):
            sums["open"] += float(number)
    return dict(sums)


async def _worked_off(address: str, events: Callable[[], int]) -> dict[str, float]:
    """The counters when as many events were handled as there were, or when PATIENCE is over."""
    counted: dict[str, float] = {}
    async with aiohttp.ClientSession() as session:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while counted.get("handled", 0) < events() or counted.get("confirmed", 0) < events():
                    await asyncio.sleep(1.0)
                    async with session.get(f"http://{address}/metrics") as reply:
                        counted = _counted(await reply.text())
    return counted


async def _soaked(folder: Path, seconds: float) -> tuple[Series, dict[str, Any], list[str]]:
    series = Series()
    address = f"127.0.0.1:{_free_port()}"
    settings = Settings(queued=0.5, worked=1.0, seed=1, ceilings={"ProcessFile": CEILING})
    async with Emulator.serve(settings=settings) as emulator:
        place = Site(folder, emulator.url)
        place.set(CONFIG.format(keep=KEEP, ceiling=CEILING, address=address))
        (folder / "handlers" / "soak.py").write_text(HANDLERS)
        audit, tasks = emulator.audit, emulator.state.tasks
        async with place.daemon() as daemon:
            async with asyncio.TaskGroup() as group:
                sampling = group.create_task(_sample(daemon, folder, series))
                uploads = await _emit(emulator, seconds)
                sampling.cancel()
            counted = await _worked_off(address, lambda: audit.emitted)
            code, _ = await daemon.stopped(signal.SIGTERM)
        facts: dict[str, Any] = {
            "seconds": seconds,
            "events_emitted": audit.emitted,
            "events_confirmed": audit.confirmations,
            "counted_by_the_daemon": counted,
            "uploads": uploads,
            "tasks_started": len(tasks),
            "smallest_margin": round(audit.smallest_margin, 2),
            "most_in_60_s": {name: audit.most_in_60s(name) for name in audit.actions},
            "exit_code": code,
        }
    wrong = unsound(folder / "vodworker.db")
    wrong += differing({name: counted.get(name, 0) for name in ("received", "handled", "confirmed")}, of=audit.emitted)
    wrong += differing({"confirmations at the service": audit.confirmations}, of=audit.emitted)
    wrong += differing({"tasks": len(tasks)}, of=uploads)
    wrong += differing({"exit code": code}, of=0)
    return series, facts, wrong


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def minutes(seconds: float = 600.0) -> tuple[Series, dict[str, Any], list[str]]:
    """The samples, what was counted, and what is wrong, in words."""
    with TemporaryDirectory(prefix="vodworker-soak-") as folder:
        return asyncio.run(_soaked(Path(folder), seconds))
