"""Several daemons on one PostgreSQL, killed, stopped and cut off at random: is every promise kept, and at what rate?

Uploads come by the thousand, a handler submits one task for each, and a ceiling makes the submissions wait. Then the
witnesses are asked: the journal (all done, each key in its order), the emulator (one task for each event, never over
the ceiling), and the daemons' logs.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import psycopg
from rich.console import Console

from bench._kept import keep
from bench.ceilings.lost import Trouble, lost
from tests.postgresql import Cluster, cluster
from vodworker.cloud.limiter import MINUTE
from vodworker.emulator import library
from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings
from vodworker.emulator.state import Footage
from vodworker.errors import THROTTLED

LEAST_USE = 0.98  # of a ceiling, is promised while work waits
AWAY, STILL, DEAD = TROUBLES = ("the database was away", "a replica stood still", "a replica was dead")

CONFIG = """\
[account]
endpoint = "{endpoint}"
secret_id = "test-secret-id"
secret_key = "test-secret-key"
[journal]
url = "{url}"
[work]
grace = 1
lease = 3
[limits]
ProcessFile = {ceiling}
[calls]
timeout = 5
[log]
format = "json"
"""

HANDLER = """\
from vodworker import on
from vodworker.api import ProcessFile, Transcode
from vodworker.events import NewFileUpload


@on(NewFileUpload)
async def process(event, ctx):
    await ctx.vod.call(ProcessFile(file_id=event.file_id, transcode=Transcode(definition=[210])))
"""

OUT_OF_ORDER = """
SELECT count(*) FROM (
    SELECT since, lag(since) OVER (PARTITION BY lane ORDER BY id) AS before FROM {schema}.entries
) AS settled WHERE before > since
"""
STATES = "SELECT state, count(*) FROM {schema}.entries GROUP BY state"
DEADLOCKS = "SELECT sum(deadlocks)::int FROM pg_stat_database"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to happen. ceiling: submissions in 60 s; the rest: how many, spread over the work at random."""

    events: int
    keys: int
    ceiling: int
    replicas: int = 3
    kills: int = 1
    pauses: int = 1
    restarts: int = 1
    pause: float = 5.0  # seconds that a replica is stopped: longer than its lease
    handle_life: float = 30.0
    seed: int = 1


@dataclass(slots=True)
class Report:
    """What was seen.

    wrongly_submitted: by how many the tasks of a file are more than its events. use: the part of the ceiling that was
    used while work waited; lost: the other parts, by what was wrong then. used: calls in each full minute, by the
    ceiling. said: what the daemons logged, by event.
    """

    states: dict[str, int]
    out_of_order: int
    wrongly_submitted: dict[str, int]
    refused: int
    most: dict[str, int]
    use: float
    lost: dict[str, float]
    used: list[float]
    margin: float
    redelivered: int
    deadlocks: int
    seconds: float
    said: dict[str, int]
    done_by: dict[str, int]


class Seat:
    """A place for one replica: a daemon sits there, and when it is killed, the next one."""

    def __init__(self, name: str, folder: Path, said: Counter[str], done: Callable[[str], None]) -> None:
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self._folder = folder
        self._said = said
        self._done = done

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
        """Somebody sits there as long as the block lasts."""
        async with asyncio.TaskGroup() as group:
            sitting = group.create_task(self._sit())
            try:
                yield
            finally:
                sitting.cancel()

    async def _sit(self) -> None:
        while True:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "vodworker", "run"),
                cwd=self._folder,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 24,
            )
            try:
                assert self.process.stdout  # noqa: S101  # it was opened as a pipe
                async for line in self.process.stdout:
                    self._hear(line)
                await self.process.wait()
            finally:
                with suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()

    def _hear(self, line: bytes) -> None:
        try:
            event = orjson.loads(line)["event"]
        except orjson.JSONDecodeError:  # the last words of one that was killed
            return
        self._said[event] += 1
        if event == "worker.ready":
            self.ready.set()
        if event == "handler.done":
            self._done(self.name)


class Scene:
    """An emulator, a database, and seats for replicas, in one folder."""

    def __init__(
        self, plan: Plan, emulator: Emulator, news: asyncio.Event, database: Cluster, folder: Path, *, schema: str
    ) -> None:
        self.plan = plan
        self.emulator = emulator
        self.news = news
        self.database = database
        self.schema = schema
        self.said = Counter[str]()
        self.done_by = Counter[str]()
        self.emitted = Counter[str]()
        self.troubles: list[Trouble] = []
        self.seats = [Seat(f"replica {n}", folder, self.said, self._done) for n in range(plan.replicas)]
        self._chance = random.Random(plan.seed)  # noqa: S311  # a seed, to be had again
        (folder / "handlers").mkdir()
        (folder / "handlers" / "process.py").write_text(HANDLER)
        url = database.url(schema=schema)
        (folder / "vodworker.toml").write_text(CONFIG.format(endpoint=emulator.url, url=url, ceiling=plan.ceiling))

    def _done(self, name: str) -> None:
        self.done_by[name] += 1
        self.news.set()

    async def reached(self, share: float) -> None:
        """Wait until so much of the work is submitted."""
        while self.submitted() < share * self.plan.events:
            await self._news()

    def submitted(self) -> int:
        """Tasks that the emulator has taken on."""
        return self.emulator.audit.codes["ProcessFile", 0]

    def emit(self) -> None:
        """Let all uploads come, over as many files as there are keys."""
        shows = Footage(duration=1, width=64, height=36, fps=25, bitrate=50_000)
        files = [
            library.add(self.emulator.service, name=f"{n}.mp4", container="mp4", size=1, md5=f"{n}", shows=shows).id
            for n in range(self.plan.keys)
        ]
        for number in range(self.plan.events):
            file = self._chance.choice(files)
            self.emitted[file] += 1
            self.emulator.emit({"eventType": "NewFileUpload", "data": {"fileId": file, "number": number}})

    async def torment(self) -> None:
        """Everything that goes wrong, at random parts of the work."""
        plan, chance = self.plan, self._chance
        mischief = [self.kill] * plan.kills + [self.pause] * plan.pauses + [self.restart] * plan.restarts
        chance.shuffle(mischief)
        shares = sorted(chance.uniform(0.05, 0.9) for _ in mischief)
        async with asyncio.TaskGroup() as group:  # one trouble does not wait for the end of another
            for share, what in zip(shares, mischief, strict=True):
                await self.reached(share)
                group.create_task(what())

    async def kill(self) -> None:
        """SIGKILL for a replica; another takes its seat."""
        seat = self._chance.choice(self.seats)
        seat.ready.clear()
        self._signal(seat, signal.SIGKILL)
        with self._noted(DEAD):
            await seat.ready.wait()

    async def pause(self) -> None:
        """A replica stands still for longer than its lease, and goes on."""
        seat = self._chance.choice(self.seats)
        process = seat.process
        self._signal(seat, signal.SIGSTOP)
        with self._noted(STILL):
            await asyncio.sleep(self.plan.pause)
        if process is seat.process:
            self._signal(seat, signal.SIGCONT)

    async def restart(self) -> None:
        """The database goes down, in order or not, and comes back."""
        with self._noted(AWAY):
            await asyncio.to_thread(self.database.stop, self._chance.choice([signal.SIGINT, signal.SIGQUIT]))
            await asyncio.to_thread(self.database.start)

    @contextmanager
    def _noted(self, what: str) -> Generator[None]:
        clock = asyncio.get_running_loop().time
        begin = clock()
        yield
        self.troubles.append(Trouble(what, begin, clock()))

    def _signal(self, seat: Seat, name: signal.Signals) -> None:
        if seat.process:
            with suppress(ProcessLookupError):
                seat.process.send_signal(name)

    def states(self) -> dict[str, int]:
        """The journal's entries by their states."""
        with psycopg.connect(self.database.dsn) as db:
            return dict(db.execute(STATES.format(schema=self.schema).encode()).fetchall())

    async def finished(self) -> None:
        """Wait until everything is confirmed and handled."""
        while len(self.emulator.queue) or self.open():
            await self._news()

    async def _news(self) -> None:
        """Wait for the next call to end, or handler to be done."""
        self.news.clear()
        await self.news.wait()

    def open(self) -> int:
        """Events that have no entry yet, and entries that are not over."""
        try:
            states = self.states()
        except psycopg.Error:
            return self.plan.events
        return self.plan.events - states.get("done", 0) - states.get("dead", 0)

    def report(self, seconds: float) -> Report:
        """Ask the witnesses."""
        audit = self.emulator.audit
        arrivals = [call.at for call in audit.calls("ProcessFile")]
        troubles = sorted(self.troubles, key=lambda trouble: TROUBLES.index(trouble.what))
        gone = lost(arrivals, self.plan.ceiling, troubles)
        with psycopg.connect(self.database.dsn) as db:
            ((out_of_order,),) = db.execute(OUT_OF_ORDER.format(schema=self.schema).encode()).fetchall()
            ((deadlocks,),) = db.execute(DEADLOCKS.encode()).fetchall()
        return Report(
            states=self.states(),
            out_of_order=out_of_order,
            wrongly_submitted=self._wrongly_submitted(),
            refused=sum(count for (_, code), count in audit.codes.items() if code == THROTTLED),
            most={action: audit.most_in_60s(action) for action in audit.actions},
            use=round(1 - sum(gone.values()), 3),
            lost={what: round(part, 4) for what, part in gone.items()},
            used=self._used(),
            margin=audit.smallest_margin,
            redelivered=audit.redelivered,
            deadlocks=deadlocks,
            seconds=seconds,
            said=dict(self.said),
            done_by=dict(self.done_by),
        )

    def _wrongly_submitted(self) -> dict[str, int]:
        """Files that have more tasks, or less, than they had events."""
        tasks = Counter(call.file_id for call in self.emulator.audit.calls("ProcessFile") if call.code == 0)
        return {file: tasks[file] - events for file, events in self.emitted.items() if tasks[file] != events}

    def _used(self) -> list[float]:
        """The part of the ceiling that was used in each full minute from the first submission on."""
        arrivals = sorted(call.at for call in self.emulator.audit.calls("ProcessFile"))
        if not arrivals:
            return []
        minutes = Counter(int((at - arrivals[0]) // MINUTE) for at in arrivals)
        full = int((arrivals[-1] - arrivals[0]) // MINUTE)
        return [minutes[minute] / self.plan.ceiling for minute in range(full)]


async def run(plan: Plan, *, schema: str = "replicas") -> Report:
    """Play it to the end."""
    clock = asyncio.get_running_loop().time
    emulated = Settings(
        ceilings={"ProcessFile": plan.ceiling},
        queued=0.1,
        worked=0.2,
        handle_life=plan.handle_life,
        return_after=1.0,
        seed=plan.seed,
    )
    news = asyncio.Event()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replicas-")))
        database = stack.enter_context(cluster())
        emulator = await stack.enter_async_context(Emulator.serve(settings=emulated, watch=lambda _: news.set()))
        scene = Scene(plan, emulator, news, database, folder, schema=schema)
        for seat in scene.seats:
            await stack.enter_async_context(seat.taken())
        for seat in scene.seats:
            await seat.ready.wait()  # else the first to come may have done it all before the last is there
        started = clock()
        scene.emit()
        await scene.torment()
        await scene.finished()
        return scene.report(clock() - started)


def broken(plan: Plan, report: Report) -> list[str]:
    """The promises that were not kept, in words."""
    wrong = {
        "not all is done": report.states != {"done": plan.events},
        "keys are out of order": report.out_of_order > 0,
        "not one task for each submission": bool(report.wrongly_submitted),
        "over the ceiling": report.most["ProcessFile"] > plan.ceiling or report.refused > 0,
        "too little of the ceiling is used": report.use < LEAST_USE,
        "a confirmation came late": report.margin <= 0,
        "replicas locked each other out": report.deadlocks > 0,
    }
    return [words for words, is_so in wrong.items() if is_so]


def main() -> int:
    """Run it at full length, keep and print what was seen; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("events", 5000), ("keys", 200), ("ceiling", 1000), ("replicas", 3), ("kills", 6)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("pauses", 4), ("restarts", 2), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--handle-life", type=float, default=30.0)
    plan = Plan(**vars(parser.parse_args()))
    report = asyncio.run(run(plan))
    keep("replicas", f"ceiling {plan.ceiling}", {"plan": asdict(plan), "report": asdict(report)})
    console = Console(highlight=False)
    for name in Report.__slots__:
        console.print(f"{name:18} {getattr(report, name)}", soft_wrap=True)
    for words in (problems := broken(plan, report)):
        console.print(f"not kept: {words}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
