"""The whole course: uploads, faults and kills, then peace, and the counting."""

import asyncio
import signal
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import orjson
from rich.console import Console

from vodworker.api import ACTIONS
from vodworker.emulator.audit import Call
from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings as Emulated
from vodworker.journal.sound import unsound
from vodworker.place import open_journal
from vodworker.torture.course import SLOWEST, Course
from vodworker.torture.scene import Scene, Witness
from vodworker.torture.site import CEILINGS, GRACE, prepare
from vodworker.torture.verdict import Tally, report, verdict

PATIENCE = 400.0  # seconds for the backlog to drain: kills count as attempts, and a failure after many waits for long


async def torture(console: Console, environ: Mapping[str, str], course: Course, *, keep: Path | None = None) -> int:
    """Run it and print the verdict; 0 only when it is clean. keep: a folder for journal and logs, else they vanish."""
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vodworker-torture-")))
        folder.mkdir(parents=True, exist_ok=True)
        tally = await play(console, folder, environ, course)
    promises = verdict(tally)
    report(console, tally, promises)
    return 0 if all(promise.kept for promise in promises) else 1


async def play(console: Console, folder: Path, environ: Mapping[str, str], course: Course) -> Tally:
    """The whole course: uploads, faults and kills, then peace, and the counting."""
    witness, news, clock = Witness(), asyncio.Event(), asyncio.get_running_loop().time
    emulated = Emulated(
        ceilings=CEILINGS,
        queued=0.3,
        worked=0.4,
        handle_life=course.handle_life,
        return_after=course.return_after,
        seed=course.seed,
        faults=course.faults(),
    )
    with (folder / "calls.log").open("ab") as calls:

        def watch(call: Call) -> None:
            calls.write(orjson.dumps(call) + b"\n")
            news.set()

        async with Emulator.serve(settings=emulated, watch=watch) as emulator:
            settings = prepare(folder, emulator)
            scene = Scene(course, emulator, folder, environ, witness, news)
            kills = len(course.lives())
            console.print(
                f"· seed {course.seed}: {course.seconds:g} s of uploads, faults, and {kills} kills with SIGKILL"
            )
            started = clock()
            async with asyncio.TaskGroup() as group:
                uploading = group.create_task(scene.upload(started))
                group.create_task(scene.torment())
            struck = Counter[str]()
            for it in emulator.faults.running:
                struck[getattr(it.fault, "kind", "")] += it.struck
            emulator.faults.clear()
            left = len(emulator.queue)
            console.print(
                f"· no more faults, no more kills: a last daemon works off the rest, {left} events in the queue"
            )
            calm, drain, code = clock(), None, None
            starts = witness.counts["worker.started"]
            async with open_journal(settings, sole=False) as store, scene.daemon() as process:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await scene.drained(store.counts)
                        drain = clock() - calm
                        await scene.started(starts + 1)  # while it is loaded, it cannot answer a signal yet
                with suppress(TimeoutError):
                    async with asyncio.timeout(GRACE + 5):
                        process.send_signal(signal.SIGTERM)
                        code = await process.wait()
                entries = await store.counts()
            file = settings.journal.file
            flaws = await asyncio.to_thread(unsound, file) if file else []
            return tally(scene, uploading.result(), entries=entries, flaws=flaws, struck=struck, code=code, drain=drain)


def tally(
    scene: Scene,
    uploads: Sequence[str],
    *,
    entries: Mapping[str, int],
    flaws: Sequence[str],
    struck: Mapping[str, int],
    code: int | None,
    drain: float | None,
) -> Tally:
    """Count what there is."""
    emulator, audit = scene.emulator, scene.emulator.audit
    tasks = emulator.state.tasks.values()
    lateness = emulator.queue.lateness
    ceilings = {name: CEILINGS.get(name, action.rate) for name, action in ACTIONS.items()}
    return Tally(
        uploads=uploads,
        tasks=Counter((task.file_id, task.steps[0].input["definition"]) for task in tasks),
        ids=[task.id for task in tasks],
        heard=Counter((scene.folder / "heard").read_text().split()),
        entries=entries,
        redelivered=audit.redelivered,
        flaws=flaws,
        most={name: (audit.most_in_60s(name), ceilings[name]) for name in audit.actions if name in ceilings},
        late=sum(late > SLOWEST for late in lateness),
        held_up=sum(late <= SLOWEST for late in lateness),
        margin=audit.smallest_margin,
        lost_replies=sum(call.lost and call.code == 0 for call in audit.calls("ProcessFile")),
        struck=struck,
        witness=scene.witness,
        code=code,
        drain=drain,
    )
