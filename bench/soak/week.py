"""Seven days of mixed work in virtual time, in one process: emulator, journal and worker."""

import asyncio
import gc
import io
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.soak.growth import Series, descriptors, differing, size
from vodworker import Context, Reject, Retry, on
from vodworker.api import ProcessFile, Transcode
from vodworker.emulator.faults import Code, Cut, Duplicate, Http, Latency, Lost, Plan, Reorder
from vodworker.events import FileDeleted, NewFileUpload, ProcedureStateChanged
from vodworker.journal.sound import unsound
from vodworker.log import setup
from vodworker.testing import VirtualLoop, World

DAY = 86400.0
UPLOAD_EVERY = 90.0  # seconds of virtual time; each upload makes two to four events
SAMPLE_EVERY = DAY / 8
SHM = "/dev/shm"  # noqa: S108  # a folder of our own is made in it
MEMORY = SHM if Path(SHM).is_dir() else None  # durability is proved elsewhere: a week of commits needs no disk
KEEP = DAY / 2  # so that the journal's size is settled within the first quarter
OURS = ("vodworker.cloud", "vodworker.journal", "vodworker.router", "vodworker.worker", "vodworker.events")

FAULTS = Plan(
    seed=1,
    faults=(
        Latency(shape="exponential", seconds=0.2, most=4.0, rate=0.2),
        Http(rate=0.005),
        Cut(rate=0.005, when="after"),
        Code(rate=0.005, code=6000, message="internal error"),
        Duplicate(rate=0.05),
        Reorder(rate=0.2),
        Lost(event="ProcedureStateChanged", rate=0.02),  # found by asking for the task
    ),
)


@on(NewFileUpload)
async def submit(event: NewFileUpload, ctx: Context) -> None:
    """One task for each upload."""
    await ctx.vod.call(ProcessFile(file_id=event.file_id or "", transcode=Transcode(definition=[210])))


@on(ProcedureStateChanged)
async def follow(_: ProcedureStateChanged, ctx: Context) -> Retry | None:
    """One in five fails the first time, and takes a while."""
    await asyncio.sleep(2.0)
    return Retry(after=30.0, why="not yet") if ctx.attempt == 1 and ctx.event_id % 5 == 0 else None


@on(FileDeleted)
async def refuse(_: FileDeleted, ctx: Context) -> Reject | None:
    """One in a hundred is dead, and stays in the journal."""
    return Reject("as arranged") if ctx.event_id % 100 == 0 else None


async def _upload(world: World, days: float) -> int:
    chance = random.Random(2)  # noqa: S311  # chance that can be had again
    clock, number = asyncio.get_running_loop().time, 0
    end = clock() + days * DAY
    while clock() < end - DAY / 24:  # the last hour is for the rest to end
        number += 1
        file = world.video(f"{number}.mp4")
        world.emulator.emit({"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": file}})
        if number % 3 == 0:
            world.emulator.emit(
                {"version": "4.0", "eventType": "FileDeleted", "data": {"fileIdSet": [f"gone-{number}"]}}
            )
        if number % 50 == 0:
            world.emulator.emit({"version": "4.0", "eventType": "NobodyKnows", "data": {"number": number}})
        await asyncio.sleep(chance.expovariate(1 / UPLOAD_EVERY))
    await asyncio.sleep(end - clock())
    return number


async def _sample(world: World, series: Series) -> None:
    while True:
        await asyncio.sleep(SAMPLE_EVERY)
        gc.collect()
        series.samples.append(
            {
                "tasks": len(asyncio.all_tasks()),
                "descriptors": descriptors(),
                "objects": sum(str(type(it).__module__).startswith(OURS) for it in gc.get_objects()),
                "journal": size(world.path.parent),
            }
        )


async def _soaked(folder: Path, days: float) -> tuple[Series, dict[str, Any], list[str]]:
    series = Series()
    async with World.open(folder / "journal.db", queued=5.0, worked=20.0, seed=1, faults=FAULTS) as world:
        emulator = world.emulator
        tasks: set[str] = set()  # the emulator forgets them after three days, as the service does
        world.watch = lambda call: tasks.add(call.task_id) if call.action == "ProcessFile" and call.code == 0 else None
        async with world.worker(submit, follow, refuse, keep=KEEP, streams=1):
            async with asyncio.TaskGroup() as group:
                sampling = group.create_task(_sample(world, series))
                uploads = await _upload(world, days)
                sampling.cancel()
            async with world.journal() as store:
                counts = await store.counts()
        facts = {
            "simulated_seconds": round(asyncio.get_running_loop().time()),
            "uploads": uploads,
            "tasks_started": len(tasks),
            "events_emitted": emulator.audit.emitted,
            "events_confirmed": emulator.audit.confirmations,
            "smallest_margin": round(emulator.audit.smallest_margin, 2),
            "most_in_60_s": {name: emulator.audit.most_in_60s(name) for name in emulator.audit.actions},
            "left": {state: counts[state] for state in ("blocked", "ready", "running", "dead")},
            "unconfirmed": counts["unconfirmed"],
        }
    wrong = unsound(folder / "journal.db")
    wrong += differing({state: counts[state] for state in ("blocked", "ready", "running")}, of=0)
    wrong += differing({"tasks": len(tasks)}, of=uploads)
    return series, facts, wrong


def week(days: float = 7.0) -> tuple[Series, dict[str, Any], list[str]]:
    """The samples, what was counted, and what is wrong, in words."""
    setup("json", stream=io.BytesIO())
    with (
        TemporaryDirectory(prefix="vodworker-soak-", dir=MEMORY) as folder,
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        return runner.run(_soaked(Path(folder), days))
