"""One run of a worker over the path: a source, a daemon on one core, and what was seen of both."""

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

WITHIN = 180.0  # seconds for a run; what takes longer hangs
DAEMON, SOURCE = {0}, {1}  # the cores
PLENTY = 1_000_000  # calls in 60 s: what is measured here is the engine, and no ceiling

CONFIG = """\
[account]
endpoint = "http://127.0.0.1:{port}/v2/index.php"
secret_id = "test-secret-id"
secret_key = "test-secret-key"
[pull]
streams = {streams}
[limits]
PullEvent = {limit}
ConfirmEvent = {limit}
[journal]
url = "{url}"
[log]
format = "json"
level = "{level}"
"""
HANDLER = """\
import time
from pathlib import Path

from vodworker import on
from vodworker.events import NewFileUpload

STARTED = {{}}


@on(NewFileUpload)
async def handler_{number}(event, ctx):
    STARTED[event.file_id] = time.monotonic()
    if len(STARTED) == {events}:
        Path("started.{number}").write_text(" ".join(f"{{STARTED[f'{{n}}']:.6f}}" for n in range({events})))
"""
WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from vodworker.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Case:
    """What is run. url: of the journal, a file of its own when it is "". rate, group: of arrivals, as `source` says.

    idle: seconds for which it does nothing first.
    """

    events: int = 20_000
    size: int = 1024
    handlers: int = 1
    log: bool = True
    streams: int = 2
    rate: float = 0.0
    group: int = 1
    url: str = ""
    limit: int = PLENTY
    uvloop: bool = True
    idle: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of it. CPU in seconds, memory in MB, latencies in seconds from when an event was available.

    up: seconds from the start to the first poll.
    """

    up: float
    idle_cpu: float
    idle_memory: float
    cpu: float
    seconds: float
    memory: float
    started: Sequence[float]
    confirmed: Sequence[float]


def cpu(pid: int) -> float:
    """CPU seconds of a process so far: of its threads that live, to the nanosecond."""
    return sum(int(it.read_text().split()[0]) for it in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def memory(pid: int, of: str) -> float:
    """Megabytes: `VmRSS` now, `VmHWM` at most so far."""
    (line,) = (it for it in Path(f"/proc/{pid}/status").read_text().splitlines() if it.startswith(f"{of}:"))
    return int(line.split()[1]) / 1024


async def heard(process: Process) -> dict[str, Any]:
    """What the source says next."""
    assert process.stdout  # noqa: S101  # a pipe
    said: dict[str, Any] = orjson.loads(await process.stdout.readline())
    return said


def tell(process: Process) -> None:
    """Have the source go on."""
    assert process.stdin  # noqa: S101  # a pipe
    process.stdin.write(b"\n")


@asynccontextmanager
async def running(*words: str, cores: set[int], **how: Any) -> AsyncGenerator[Process]:
    """A process on these cores, ended with the block."""
    process = await asyncio.create_subprocess_exec(*words, **how)
    os.sched_setaffinity(process.pid, cores)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def play(case: Case, *, worker: Sequence[str] | None = None) -> Seen:
    """Run it. worker: the words that start another than ours; it is told the source's port by its last one."""
    options = {"events": case.events, "size": case.size, "rate": case.rate, "group": case.group}
    words = [f"--{name}={value}" for name, value in options.items()]
    with tempfile.TemporaryDirectory(prefix="path-") as place:
        folder = Path(place)
        pipes = [folder / f"started.{number}" for number in range(case.handlers)]
        for pipe in pipes:
            os.mkfifo(pipe)
        async with (
            asyncio.timeout(WITHIN + case.idle),
            running(
                *(sys.executable, "-m", "bench.path.source", *words),
                cores=SOURCE,
                stdin=PIPE,
                stdout=PIPE,
                limit=1 << 26,
            ) as source,
        ):
            port = (await heard(source))["port"]
            prepare(folder, case, port)
            began = time.monotonic()
            with (folder / "log").open("wb") as log:
                command = [*worker, str(port)] if worker else daemon(case)
                async with running(
                    *command, cores=DAEMON, cwd=folder, env=environment(), stdin=DEVNULL, stdout=log
                ) as it:
                    up = (await heard(source))["pulled"] - began
                    return await watched(case, source, it, pipes, up)


def prepare(folder: Path, case: Case, port: int) -> None:
    """Write the daemon's settings and handlers."""
    (folder / "handlers").mkdir()
    for number in range(case.handlers):
        text = HANDLER.format(number=number, events=case.events)
        (folder / "handlers" / f"handler_{number}.py").write_text(text)
    level = "info" if case.log else "warning"
    url = case.url or f"sqlite:///{folder}/journal.db"
    text = CONFIG.format(port=port, streams=case.streams, url=url, level=level, limit=case.limit)
    (folder / "vodworker.toml").write_text(text)


def daemon(case: Case) -> list[str]:
    """The words that start ours."""
    return [sys.executable, *(["-m", "vodworker"] if case.uvloop else ["-c", WITHOUT_UVLOOP]), "run"]


def environment() -> Mapping[str, str]:
    """With this repository in reach of whatever directory the process runs in."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}  # noqa: TID251  # what a child gets


async def watched(case: Case, source: Process, it: Process, pipes: Sequence[Path], up: float) -> Seen:
    """Let events come, wait for the last handler and the last confirmation, and look at the process."""
    before = cpu(it.pid)
    await asyncio.sleep(case.idle)
    idle, at_rest = cpu(it.pid) - before, memory(it.pid, "VmRSS")
    before = cpu(it.pid)
    tell(source)
    async with asyncio.TaskGroup() as group:
        told = group.create_task(heard(source))
        reading = [group.create_task(asyncio.to_thread(pipe.read_text)) for pipe in pipes]
    spent, most = cpu(it.pid) - before, memory(it.pid, "VmHWM")
    available, confirmed = told.result()["available"], told.result()["confirmed"]
    started = [max(map(float, times)) for times in zip(*(one.result().split() for one in reading), strict=True)]
    return Seen(
        up=up,
        idle_cpu=idle,
        idle_memory=at_rest,
        cpu=spent,
        seconds=max(started) - min(available),
        memory=most,
        started=[then - at for then, at in zip(started, available, strict=True)],
        confirmed=[then - at for then, at in zip(confirmed, available, strict=True)],
    )
