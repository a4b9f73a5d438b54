"""Real daemons for tests: processes with a folder of their own, that work with an emulator of the test's."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings
from vodworker.testing.samples import FILE, SAMPLES, TASK

NEVER = 600.0  # seconds: a grace that no test outlives, so that a busy machine cuts no daemon that was about to end
BUSY = 5.0  # seconds that a busy machine may take for what takes none


class Daemon:
    """A `vodworker run` of the test's own, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.raw: list[bytes] = []
        self.lines: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._said = asyncio.Condition()
        self._ended = False

    async def listen(self) -> None:
        """Collect its log until it ends."""
        assert self.process.stdout
        async for line in self.process.stdout:
            async with self._said:
                self.raw.append(line)
                self.lines.append(orjson.loads(line))
                self._counts[self.lines[-1]["event"]] += 1
                self._said.notify_all()
        async with self._said:
            self._ended = True
            self._said.notify_all()

    def count(self, event: str) -> int:
        """How often it has said this."""
        return self._counts[event]

    async def said(self, event: str, times: int = 1) -> None:
        """Wait until it has said this so often; an error, when it has ended before that."""
        async with self._said:
            await self._said.wait_for(lambda: self._ended or self.count(event) >= times)
        assert self.count(event) >= times, f"it ended without {event}: {b''.join(self.raw[-5:]).decode()}"

    def last(self, event: str) -> dict[str, Any]:
        """The last line that says this."""
        return next(line for line in reversed(self.lines) if line["event"] == event)

    async def stopped(self, name: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and wait for the end; the exit code, and how long it took."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        self.process.send_signal(name)
        return await self.process.wait(), clock() - asked


class Site:
    """A folder with settings and handlers, for daemons that work with one emulator."""

    def __init__(self, folder: Path, url: str, *, grace: float = NEVER) -> None:
        self.folder = folder
        self.url = url
        (folder / "handlers").mkdir()
        (folder / "vodworker.toml").write_text(
            f'[account]\nendpoint = "{url}"\nsecret_id = "test-secret-id"\nsecret_key = "test-secret-key"\n'
            f'[work]\ngrace = {grace}\n[log]\nformat = "json"\n'
        )

    def set(self, text: str) -> None:
        """Add to the settings."""
        with (self.folder / "vodworker.toml").open("a") as file:
            file.write(f"{text}\n")

    def handler(self, body: str) -> None:
        """Write the only handler: `hear`, of every event."""
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        imports = "import asyncio, pathlib, time\nfrom vodworker import on\nfrom vodworker.events import Event\n\n"
        (self.folder / "handlers" / "hear.py").write_text(
            f"{imports}\n@on(Event)\nasync def hear(event, ctx):\n{lines}"
        )

    @asynccontextmanager
    async def daemon(self, environ: Mapping[str, str] | None = None) -> AsyncGenerator[Daemon]:
        """A daemon in this folder, gone when the block ends; its stderr is in the file `errors`.

        environ: what its environment has beside ours.
        """
        with (self.folder / "errors").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "vodworker", "run"),
                cwd=self.folder,
                env={**os.environ, **(environ or {})},  # noqa: TID251  # a process inherits it
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        daemon = Daemon(process)
        async with asyncio.TaskGroup() as group:
            group.create_task(daemon.listen())
            try:
                yield daemon
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def heard(self) -> list[str]:
        """What handlers have written into the file `heard`, a line each."""
        return (self.folder / "heard").read_text().splitlines()


@asynccontextmanager
async def site(folder: Path, *, grace: float = NEVER, **settings: float | str) -> AsyncGenerator[tuple[Emulator, Site]]:
    """An emulator, and a folder for its daemons."""
    async with Emulator.serve(settings=Settings(**settings)) as emulator:  # type: ignore[arg-type]  # as the test says
        yield emulator, Site(folder, emulator.url, grace=grace)


def upload(number: int) -> dict[str, object]:
    """A NewFileUpload as the service writes it."""
    return {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": f"f{number}"}}


def mixed(number: int) -> dict[str, object]:
    """An event with a key of its own: of every type in turn, also of one that nobody knows."""
    kind = list(SAMPLES)[number % len(SAMPLES)]
    data = orjson.dumps(SAMPLES[kind]).replace(FILE.encode(), b"f%d" % number).replace(TASK.encode(), b"t%d" % number)
    return {"version": "4.0", "eventType": kind, "data": orjson.loads(data)}
