"""What plays together: the emulator, and one daemon after the other."""

import asyncio
import sys
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from vodworker.emulator import library
from vodworker.emulator.footage import footage
from vodworker.emulator.server import Emulator
from vodworker.media import FINISH
from vodworker.torture.course import Course

LAST_WORDS = 12  # lines of the log that are shown when something went wrong
LONGEST_START = 60.0  # seconds after which a daemon that does not come to work is killed all the same
OPEN = ("blocked", "ready", "running")  # states of an entry that has not ended


def nothing() -> None:
    """Nobody waits to be told."""


@dataclass
class Witness:
    """What the daemons said, one after the other, and how they ended. ready: told when one is at work."""

    counts: Counter[str] = field(default_factory=Counter[str])
    doubts: Counter[str] = field(default_factory=Counter[str])
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))
    exits: list[int] = field(default_factory=list[int])
    kills: int = 0
    ready: Callable[[], None] = nothing

    def hear(self, line: bytes) -> None:
        """Take note of a line; the last one of a killed daemon may be torn."""
        try:
            told: dict[str, Any] = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.last.append(line.decode(errors="replace").rstrip())
            return
        self.counts[told["event"]] += 1
        if told["event"] == "worker.ready":
            self.ready()
        if told["event"] == "call.doubtful":
            self.doubts[str(told.get("found"))] += 1
        if told["level"] == "error":
            self.last.append(line.decode().rstrip())


@dataclass(frozen=True, slots=True)
class Scene:
    """What plays together: the emulator, a folder for the daemons, what they say, and a bell that rings at any news."""

    course: Course
    emulator: Emulator
    folder: Path
    environ: Mapping[str, str]
    witness: Witness
    news: asyncio.Event

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds of the event loop."""
        return asyncio.get_running_loop().time

    @asynccontextmanager
    async def daemon(self) -> AsyncGenerator[asyncio.subprocess.Process]:
        """A `vodworker run`, gone when the block ends; `exits` tells of those that went by themselves."""
        own = {name: value for name, value in self.environ.items() if not name.startswith("VODWORKER_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vodworker", "run"),
            cwd=self.folder,
            env=own,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 24,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(process))
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout  # noqa: S101  # it was opened as a pipe
        with (self.folder / "daemon.log").open("ab") as kept:
            async for line in process.stdout:
                kept.write(line)
                self.witness.hear(line)
                self.news.set()

    async def torment(self) -> None:
        """Start the daemon, kill it when it is time, start it again."""
        for life in self.course.lives():
            alive = True
            while alive:
                async with self.daemon() as process:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(life.seconds if life.starting else LONGEST_START) as time:
                            if not life.starting:
                                self.witness.ready = partial(self._live, time, life.seconds)
                            try:
                                self.witness.exits.append(await process.wait())
                            finally:
                                self.witness.ready = nothing
                            continue  # it went by itself: another one has to be there for the kill
                    alive = False
                    self.witness.kills += 1

    def _live(self, time: asyncio.Timeout, seconds: float) -> None:
        if not time.expired():
            time.reschedule(self.clock() + seconds)

    async def upload(self, started: float) -> list[str]:
        """Let uploads come, in their time; the ids of their files."""
        files: list[str] = []
        for number, instant in enumerate(self.course.uploads()):
            await waited(started + instant - self.clock())
            name = f"{self.course.seed}-{number}.mp4"
            video = library.add(
                self.emulator.service,
                name=name,
                container="mp4",
                size=1000 + number,
                md5=f"{number:032x}",
                shows=footage(f"{number:032x}", name=name),
            )
            data = {"fileId": video.id, "fileName": name, "fileUrl": video.url, "sourceType": "ServerUpload"}
            self.emulator.service.emit("NewFileUpload", data)
            files.append(video.id)
        return files

    async def started(self, starts: int) -> None:
        """Wait until so many daemons have said that they started."""
        while self.witness.counts["worker.started"] < starts:
            self.news.clear()
            await self.news.wait()

    async def drained(self, counts: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        """Wait until the queue is empty, every task has ended, and the journal has nothing left to do."""
        while True:
            self.news.clear()
            tasks = self.emulator.state.tasks.values()
            if not self.emulator.queue and all(task.status == FINISH for task in tasks):
                entries = await counts()
                if not any(entries[state] for state in OPEN):
                    return
            await self.news.wait()


async def waited(seconds: float) -> None:
    """Let so much time pass."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await asyncio.Event().wait()
