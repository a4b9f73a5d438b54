"""What an event and a replica cost: CPU seconds, bytes and transactions of real daemons and of a real PostgreSQL."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from os import sysconf
from pathlib import Path
from typing import Any

import psycopg

from bench.replicas import CONFIG, Seat
from tests.postgresql import Cluster, cluster
from vodworker.emulator import library
from vodworker.emulator.server import Emulator
from vodworker.emulator.settings import Settings
from vodworker.emulator.state import Footage

TICKS = sysconf("SC_CLK_TCK")
IDLE = 30.0  # seconds for which an idle daemon is watched
CEILING = 100_000  # calls in 60 s: none waits here
STARTED = 200  # events that pass before anything is counted: imports, first connections, caches

HANDLERS = {
    "nothing": "pass",
    "a task": "await ctx.vod.call(ProcessFile(file_id=event.file_id, transcode=Transcode(definition=[210])))",
}
HANDLER = """\
from vodworker import on
from vodworker.api import ProcessFile, Transcode
from vodworker.events import NewFileUpload


@on(NewFileUpload)
async def handle(event, ctx):
    {body}
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent up to now. daemon, database: CPU seconds. written: bytes of the write-ahead log."""

    daemon: float
    database: float
    transactions: int
    written: int

    def since(self, before: "Spent", share: float) -> dict[str, float]:
        """What came after, divided by so many events or seconds."""
        then = asdict(before)
        return {name: round((it - then[name]) / share, 7) for name, it in asdict(self).items()}


def cpu(pid: int, *, with_ended: bool = False) -> float:
    """CPU seconds of a process, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_ended else 13])) / TICKS


def memory(pid: int) -> int:
    """Bytes of a process's own, what it shares counted by its share."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))


def children(pid: int) -> list[int]:
    """The processes that this one has started and that live."""
    return [int(it) for it in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Till:
    """Adds up what one daemon and the database have spent."""

    def __init__(self, database: Cluster, seat: Seat, look: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self.database = database
        self.seat = seat
        self.look = look

    def daemon(self) -> int:
        """Its process."""
        assert self.seat.process  # noqa: S101  # somebody sits there
        return self.seat.process.pid

    def spent(self) -> Spent:
        """Up to now."""
        ((transactions, written),) = self.look.execute(
            # By their numbers, of which each gets one; the server's statistics come later.
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, (pg_current_wal_lsn() - '0/0')::bigint"
        ).fetchall()
        server = self.database.pid
        database = cpu(server, with_ended=True) + sum(map(cpu, children(server)))
        return Spent(cpu(self.daemon()), database, transactions, written)


async def measured(database: Cluster, handler: str, events: int, *, sqlite: bool = False) -> dict[str, Any]:
    """One daemon with this handler: what an event costs it and the database, and what it costs while nothing comes."""
    done = Counter[str]()
    news = asyncio.Event()

    def handled(name: str) -> None:
        done[name] += 1
        news.set()

    async def until(count: int) -> None:
        while done.total() < count:
            news.clear()
            await news.wait()

    schema = f"cost_{'_'.join(handler.split())}"
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cost-")))
        emulated = Settings(ceilings={"ProcessFile": CEILING}, queued=0.1, worked=1e6)
        emulator = await stack.enter_async_context(Emulator.serve(settings=emulated))
        shows = Footage(duration=1, width=64, height=36, fps=25, bitrate=50_000)
        files = [
            library.add(emulator.service, name=f"{n}.mp4", container="mp4", size=1, md5=f"{n}", shows=shows).id
            for n in range(500)
        ]

        def emit(count: int) -> None:
            for number in range(count):
                data = {"fileId": files[number % len(files)], "number": f"{done.total()} {number}"}
                emulator.emit({"eventType": "NewFileUpload", "data": data})

        (folder / "handlers").mkdir()
        (folder / "handlers" / "handle.py").write_text(HANDLER.format(body=HANDLERS[handler]))
        url = f"sqlite:///{folder}/journal.db" if sqlite else database.url(schema=schema)
        (folder / "vodworker.toml").write_text(CONFIG.format(endpoint=emulator.url, url=url, ceiling=CEILING))
        look = stack.enter_context(psycopg.connect(database.dsn, autocommit=True))
        seat = Seat(handler, folder, Counter(), handled)
        await stack.enter_async_context(seat.taken())
        emit(STARTED)
        await until(STARTED)
        till = Till(database, seat, look)
        before = till.spent()
        emit(events)
        await until(STARTED + events)
        busy = till.spent().since(before, events)
        idle: Mapping[str, float] = {}
        if handler == "nothing":
            await asyncio.sleep(2.0)  # the last confirmations are still written
            before = till.spent()
            await asyncio.sleep(IDLE)
            idle = till.spent().since(before, IDLE)
        room = {"daemon": memory(till.daemon())}
        if not sqlite:
            backends = look.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'vodworker%'")
            room["connections"] = sum(memory(pid) for (pid,) in backends.fetchall())
            kept = look.execute(
                "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables WHERE schemaname = %s",
                (schema,),
            )
            room["on disk, an event"] = int(kept.fetchall()[0][0] / (STARTED + events))
        return {"an event": busy, "a second of idleness": idle, "bytes": room}


async def costs(events: int) -> dict[str, Any]:
    """All that is measured."""
    with cluster(fsync="on", full_page_writes="on", wal_level="replica") as database:
        found = {f"PostgreSQL, {handler}": await measured(database, handler, events) for handler in HANDLERS}
        found["SQLite, nothing"] = await measured(database, "nothing", events, sqlite=True)
    return found
