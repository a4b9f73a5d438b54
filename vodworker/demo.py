"""The demo: an emulator here, a real daemon beside it with the shipped handlers, real uploads, and a report.

The daemon is a process of its own and is killed in the middle of the work. What the report says comes from three
witnesses that do not know of each other: the emulator's audit, the journal, and the daemon's log.
"""

import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from vodworker.api import ACTIONS, ConcatVideo, SourceFile
from vodworker.app import Service, service, shipped_handlers
from vodworker.cloud.upload import upload
from vodworker.config import load
from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings as Emulated
from vodworker.emulator.state import Video

LESSONS = 8  # uploads: enough to join pairs, and to kill the daemon between them
GRACE = 5.0
MARGIN = 25.0  # seconds of a handle's 30 that must be left when it is confirmed
PATIENCE = 60.0  # seconds for all of it, several times what a small machine takes
LAST_WORDS = 12  # lines of the daemon's log that are shown when something went wrong
TAGS = ("lesson", "joined")

CONFIG = """\
[account]
endpoint = "{endpoint}"
secret_id = "{secret_id}"
secret_key_file = "{folder}/secret_key"

[journal]
url = "sqlite:///{folder}/vodworker.db"

[work]
grace = {grace}

[log]
format = "json"

[handlers]
directories = ["{handlers}"]
enabled = ["process_upload", "follow_procedure", "publish_concat"]

[handlers.options.process_upload]
templates = [210, 220]

[handlers.options.publish_concat]
tags = ["lesson", "joined"]
"""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, as the report tells it. kept: whether what was measured agrees with it."""

    words: str
    measured: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Way:
    """What became of one file."""

    name: str
    file_id: str
    steps: str
    joined: str


class Daemon:
    """A `vodworker run` of our own, and what it said."""

    def __init__(
        self, process: asyncio.subprocess.Process, lines: list[dict[str, Any]], said: asyncio.Condition
    ) -> None:
        self.process = process
        self._lines = lines
        self._said = said

    @staticmethod
    @asynccontextmanager
    async def started(
        folder: Path, lines: list[dict[str, Any]], environ: Mapping[str, str]
    ) -> AsyncGenerator["Daemon"]:
        """Start it in `folder`; its log lines are added to `lines`. It is gone when the block ends.

        environ: its environment, but for settings that were meant for another daemon.
        """
        own = {name: value for name, value in environ.items() if not name.startswith("VODWORKER_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vodworker", "run"), cwd=folder, env=own, stdout=asyncio.subprocess.PIPE
        )
        said = asyncio.Condition()
        async with asyncio.TaskGroup() as group:
            group.create_task(listen(process, lines, said))
            try:
                yield Daemon(process, lines, said)
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def said(self, event: str, times: int = 1, **facts: object) -> None:
        """Wait until it has said this so often; its earlier lines count."""

        def enough() -> bool:
            return len(list(told(self._lines, event, **facts))) >= times

        async with self._said:
            await self._said.wait_for(enough)


async def listen(process: asyncio.subprocess.Process, lines: list[dict[str, Any]], said: asyncio.Condition) -> None:
    """Collect what a daemon says until it is gone."""
    assert process.stdout  # noqa: S101  # it was opened as a pipe
    async for line in process.stdout:
        async with said:
            lines.append(orjson.loads(line))
            said.notify_all()


def told(lines: Sequence[dict[str, Any]], event: str, **facts: object) -> Iterator[dict[str, Any]]:
    """The log lines of this event with these facts."""
    return (line for line in lines if line["event"] == event and facts.items() <= line.items())


async def demo(console: Console, environ: Mapping[str, str]) -> int:
    """Run the demo and print its report; 0 only if every promise that it can see was kept."""
    with tempfile.TemporaryDirectory(prefix="vodworker-demo-") as name:
        folder = Path(name)
        lines: list[dict[str, Any]] = []
        stage = Stage(console)
        try:
            async with asyncio.timeout(PATIENCE):
                promises, ways = await play(folder, lines, environ, stage)
        except TimeoutError:
            console.print(f"[red]failed[/]: still not done after {PATIENCE:g} s: {stage.name}")
            for line in lines[-LAST_WORDS:]:
                console.print_json(data=line)
            return 1
    report(console, promises, ways)
    return 0 if all(promise.kept for promise in promises) else 1


class Stage:
    """What the demo does now, told in a line each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.name = "nothing yet"

    def enter(self, name: str) -> None:
        """Begin with this."""
        self.name = name
        self._console.print(f"· {name}")


async def play(
    folder: Path, lines: list[dict[str, Any]], environ: Mapping[str, str], stage: Stage
) -> tuple[list[Promise], list[Way]]:
    """The whole way: upload, transcode, kill, restart, join, publish, stop."""
    emulated = Emulated(queued=0.3, worked=0.4)
    async with Emulator.serve(settings=emulated) as emulator:
        stage.enter(f"an emulator of the service answers at {emulator.url}")
        settings = configure(folder, emulator)
        async with service(settings, sole=False) as cloud:
            files: list[str] = []
            half = LESSONS // 2
            async with Daemon.started(folder, lines, environ) as daemon:
                await daemon.said("worker.ready")
                stage.enter(
                    f"a daemon is ready (process {daemon.process.pid}); {half} videos are uploaded and transcoded"
                )
                files += [await send(cloud, folder, number) for number in range(half)]
                await daemon.said("handler.done", half, handler="follow_procedure")
                stage.enter("the next video is uploaded, and the daemon is killed with SIGKILL while it is transcoded")
                files.append(await send(cloud, folder, half))
                await daemon.said("handler.done", half + 1, handler="process_upload")
                daemon.process.kill()
            stage.enter("more videos are uploaded while no daemon runs")
            files += [await send(cloud, folder, number) for number in range(half + 1, LESSONS)]
            async with Daemon.started(folder, lines, environ) as daemon:
                stage.enter(f"another daemon starts on the same journal (process {daemon.process.pid})")
                await daemon.said("handler.done", LESSONS, handler="follow_procedure")
                stage.enter(f"{half} pairs of videos are joined")
                for first, second in zip(files[::2], files[1::2], strict=True):
                    pair = [SourceFile(file_id=first), SourceFile(file_id=second)]
                    name = f"{emulator.state.files[first].name} and the next"
                    await cloud.vod.call(ConcatVideo(src_file_list=pair, name=name, dst_type=["mp4"]))
                await daemon.said("handler.done", half, handler="publish_concat")
                stage.enter("the daemon is stopped with SIGTERM")
                clock = asyncio.get_running_loop().time
                asked = clock()
                daemon.process.send_signal(signal.SIGTERM)
                code = await daemon.process.wait()
                took = clock() - asked
            counts = await cloud.store.counts()
            return promises(emulator, counts, lines, code, took), list(ways(emulator, files))


def configure(folder: Path, emulator: Emulator) -> Any:
    """Write the daemon's settings file, and read it for ourselves."""
    (folder / "secret_key").write_text(emulator.secret_key)
    file = folder / "vodworker.toml"
    file.write_text(
        CONFIG.format(
            endpoint=emulator.url,
            secret_id=emulator.secret_id,
            folder=folder,
            grace=GRACE,
            handlers=shipped_handlers(),
        )
    )
    return load(file=file, environ={}, actions=ACTIONS)


async def send(cloud: Service, folder: Path, number: int) -> str:
    """Upload a video; its file id."""
    path = folder / f"lesson-{number + 1}.mp4"
    path.write_bytes(random.Random(number).randbytes(100_000 + number))  # noqa: S311  # no two files are alike
    uploaded = await upload(cloud.vod, cloud.session, path, name=f"Lesson {number + 1}")
    return uploaded.file_id


def promises(
    emulator: Emulator, counts: dict[str, int], lines: Sequence[dict[str, Any]], code: int, took: float
) -> list[Promise]:
    """Hold what was seen against what was promised."""
    audit = emulator.audit
    seen = (audit.emitted, audit.pulled, counts["events"], audit.confirmations, counts["done"])
    tasks = {"ProcessFile": LESSONS, "ConcatVideo": LESSONS // 2}
    started = {name: audit.arrivals(name) for name in tasks}
    busiest = max(audit.actions, key=audit.most_in_60s)
    over = [name for name in audit.actions if audit.most_in_60s(name) > ACTIONS[name].rate]
    published = [video for video in emulator.state.files.values() if set(TAGS) <= set(video.tags)]
    turns = turns_of(lines)
    in_turn = sum(turn[0] == "NewFileUpload" for turn in turns.values())
    return [
        Promise(
            "Nothing is lost: events queued = pulled = journaled = confirmed = handled",
            " = ".join(map(str, seen)),
            len(set(seen)) == 1,
        ),
        Promise(
            "Nothing is paid for twice, a SIGKILL in between",
            ", ".join(f"{count} {name} for {tasks[name]}" for name, count in started.items()),
            started == tasks,
        ),
        Promise(
            f"Confirmed in time: at least {MARGIN:g} of the 30 s of a handle's life left",
            f"the smallest margin was {audit.smallest_margin:.1f} s",
            audit.smallest_margin >= MARGIN,
        ),
        Promise(
            "Never over a ceiling",
            f"over it: {', '.join(over)}"
            if over
            else f"at most {audit.most_in_60s(busiest)} calls in 60 s ({busiest})",
            not over,
        ),
        Promise(
            "In order for each video: its upload is handled before its transcoding",
            f"{in_turn} of {len(turns)}",
            in_turn == len(turns) == LESSONS,
        ),
        Promise(
            f"A stop ends within {GRACE:g} + 2 s", f"{took:.1f} s, exit code {code}", took <= GRACE + 2 and code == 0
        ),
        Promise(
            "Every joined video is named and tagged",
            f"{len(published)} of {LESSONS // 2}",
            len(published) == LESSONS // 2,
        ),
    ]


def turns_of(lines: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """The types of the events that were handled for each uploaded video, in turn."""
    turns: dict[str, list[str]] = {}
    for line in told(lines, "handler.done"):
        if line["event_type"] != "ConcatComplete":
            turns.setdefault(line["key"], []).append(line["event_type"])
    return turns


def ways(emulator: Emulator, files: Sequence[str]) -> Iterator[Way]:
    """What became of each uploaded file, from the service's own state."""
    state = emulator.state
    for number, file_id in enumerate(files):
        video = state.files[file_id]
        made = ", ".join(f"{it.type} {it.definition}" for it in video.made)
        pair = files[number // 2 * 2]
        joined = [it for it in state.files.values() if it.name.startswith(state.files[pair].name) and it.tags]
        yield Way(video.name, file_id, made or "nothing", ", ".join(map(published, joined)) or "nothing")


def published(video: Video) -> str:
    """A joined file as a person would see it."""
    return f"{video.name} ({', '.join(video.tags)})"


def report(console: Console, promises: Sequence[Promise], ways: Sequence[Way]) -> None:
    """Print what was promised and seen, and each file's way."""
    table = Table("file", "id", "transcoded", "joined into", title="Each file's way", title_justify="left")
    for way in ways:
        table.add_row(way.name, way.file_id, way.steps, way.joined)
    console.print(table)
    table = Table("", "promise", "seen", title="The promises", title_justify="left")
    for promise in promises:
        table.add_row("[green]kept[/]" if promise.kept else "[red]BROKEN[/]", promise.words, promise.measured)
    console.print(table)
    broken = [promise.words for promise in promises if not promise.kept]
    console.print(f"[red]failed[/]: {'; '.join(broken)}" if broken else "[green]Every promise was kept.[/]")
