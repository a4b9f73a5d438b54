"""For real: an emulator with a slow tail, a daemon with 300 uploads waiting, three minutes, and one `kill -9`."""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.ceilings.network import LIMIT, MINUTE, QUICK, SLOW, TIMEOUT, most_in_a_minute, use
from tests.daemons import Site
from vodworker.emulator import library
from vodworker.emulator.audit import Call
from vodworker.emulator.faults import Latency, Plan, When
from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings
from vodworker.emulator.state import Footage

UPLOADS = 300
SPAN = 3 * MINUTE
ACTION = "ProcessFile"

HANDLER = """\
from vodworker import on
from vodworker.api import ProcessFile, Transcode
from vodworker.events import NewFileUpload


@on(NewFileUpload)
async def process(event, ctx):
    await ctx.vod.call(ProcessFile(file_id=event.file_id, transcode=Transcode(definition=[210])))
"""


def slow_tail() -> Plan:
    """Most requests take 5 to 60 ms, three in a hundred up to their timeout: half of it there, half of it back."""
    ways: tuple[When, ...] = ("before", "after")
    quick = [
        Latency(action=ACTION, when=when, least=QUICK[0] / 2, seconds=QUICK[1] / 2, shape="uniform") for when in ways
    ]
    most = TIMEOUT - 2 * QUICK[1]
    slow = [Latency(action=ACTION, when=when, rate=SLOW / 2, seconds=most, shape="uniform") for when in ways]
    return Plan(seed=1, faults=(*quick, *slow))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the emulator counted.

    killed: at what second. under_way: calls that had their token then, and whose end the daemon had not seen.
    most: arrivals in any 60 s. shortest: seconds in which 101 calls arrived, at least. tasks: started, for `files`.
    margin: seconds of a handle's life that were left, at least, when it was confirmed.
    """

    killed: float
    under_way: int
    arrivals: int
    most: int
    shortest: float
    use: float
    throttled: int
    tasks: int
    files: int
    margin: float


class Scene:
    """An emulator with its uploads, a folder for the daemons, and a count of the calls that came so far."""

    def __init__(self, emulator: Emulator, folder: Path, ended: asyncio.Semaphore) -> None:
        self.emulator = emulator
        self.place = Site(folder, emulator.url)
        self._ended = ended
        (folder / "handlers" / "process.py").write_text(HANDLER)
        shows = Footage(duration=1, width=64, height=36, fps=25, bitrate=50_000)
        for n in range(UPLOADS):
            file = library.add(emulator.service, name=f"{n}.mp4", container="mp4", size=1, md5=f"{n}", shows=shows)
            emulator.emit({"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": file.id}})

    async def play(self, *, seconds: float, calls: int) -> Seen:
        """A daemon that is killed after so many seconds and calls, and another one for the rest of the time."""
        clock = asyncio.get_running_loop().time
        async with self.place.daemon() as daemon:
            await daemon.said("worker.ready")
            begun = clock()
            await asyncio.sleep(seconds)
            for _ in range(calls):
                await self._ended.acquire()
            daemon.process.kill()
            await daemon.process.wait()
            killed = clock() - begun
        ended = sum(it["event"] in {"call.done", "call.failed"} for it in daemon.lines)
        under_way = self.emulator.audit.arrivals(ACTION) - ended
        async with self.place.daemon() as daemon:
            await asyncio.sleep(begun + SPAN - clock())
            await daemon.stopped(signal.SIGTERM)
        return self._seen(killed, under_way)

    def _seen(self, killed: float, under_way: int) -> Seen:
        audit = self.emulator.audit
        done = [call for call in audit.calls(ACTION) if call.code == 0]
        at = sorted(call.at for call in audit.calls(ACTION))
        return Seen(
            killed=round(killed, 1),
            under_way=under_way,
            arrivals=len(at),
            most=max(audit.most_in_60s(ACTION), most_in_a_minute(at)),
            shortest=round(min(later - earlier for earlier, later in zip(at, at[LIMIT:], strict=False)), 3),
            use=round(use(at), 4),
            throttled=audit.codes[ACTION, 4400],
            tasks=len({call.task_id for call in done}),
            files=len({call.file_id for call in done}),
            margin=round(audit.smallest_margin, 1),
        )


async def played(*, seconds: float = 0.0, calls: int = 0) -> Seen:
    """Three minutes of it."""
    ended = asyncio.Semaphore(0)

    def watch(call: Call) -> None:
        if call.action == ACTION:
            ended.release()

    settings = Settings(faults=slow_tail(), queued=0.1, worked=0.2, seed=1)
    with TemporaryDirectory(prefix="vodworker-bench-") as folder:
        async with Emulator.serve(settings=settings, watch=watch) as emulator:
            return await Scene(emulator, Path(folder), ended).play(seconds=seconds, calls=calls)
