"""A peer on the same path: FastStream on Redis Streams, with the same events, handler and JSON log line."""

import asyncio
import logging
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import orjson
import structlog
from faststream.redis import RedisBroker, StreamSub
from redis.asyncio import Redis

from bench.path.play import DAEMON, SOURCE, Case, Seen, cpu, environment, memory, running
from bench.path.source import AT_ONCE, body
from vodworker.log import setup

STREAM, GROUP = "events", "workers"
READY = b"ready\n"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def play_peer(case: Case) -> Seen:
    """Run it: a Redis that writes nothing to disk, and the peer on one core, which is ready when events come."""
    with tempfile.TemporaryDirectory(prefix="peer-") as place:
        folder = Path(place)
        socket, pipe = folder / "redis", folder / "started"
        os.mkfifo(pipe)
        redis = (
            f"{Path(sys.executable).parent}/redis-server",
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--save",
            "",
        )
        words = (sys.executable, "-m", "bench.path.peer", str(socket), str(case.events), str(pipe))
        with (folder / "log").open("wb") as log_file:
            began = time.monotonic()
            async with (
                running(*redis, cores=SOURCE, stdout=PIPE) as server,
                running(*words, cores=DAEMON, env=environment(), stdout=log_file, stderr=PIPE) as it,
                Redis(unix_socket_path=str(socket)) as client,
            ):
                assert server.stdout and it.stderr  # noqa: S101, PT018  # pipes
                async for line in it.stderr:
                    if line == READY:
                        break
                up = time.monotonic() - began
                events = [body(number, case.size) for number in range(case.events)]
                before, available = cpu(it.pid), time.monotonic()
                async with client.pipeline(transaction=False) as batch:
                    for event in events:
                        batch.xadd(STREAM, {"__data__": event})
                    await batch.execute()
                started = sorted(orjson.loads(await asyncio.to_thread(pipe.read_bytes)).values())
                return Seen(
                    up=up,
                    idle_cpu=0.0,
                    idle_memory=0.0,
                    cpu=cpu(it.pid) - before,
                    seconds=started[-1] - available,
                    memory=memory(it.pid, "VmHWM"),
                    started=(),
                    confirmed=(),
                )


async def work(socket: str, events: int) -> dict[str, float]:
    """Handle so many events; when each was started."""
    started: dict[str, float] = {}
    over = asyncio.Event()
    broker = RedisBroker(f"unix://{socket}", log_level=logging.CRITICAL)  # its own lines; the handler's is the one

    @broker.subscriber(stream=StreamSub(STREAM, group=GROUP, consumer="one", max_records=AT_ONCE), persistent=True)
    async def handle(event: dict[str, Any]) -> None:
        number = event["data"]["fileId"]
        started[number] = time.monotonic()
        log.info("handler.done", event_type=event["eventType"], key=number)
        if len(started) == events:
            over.set()

    assert handle  # noqa: S101  # the broker has it
    async with broker:
        await broker.start()
        os.write(2, READY)
        await over.wait()
    return started


if __name__ == "__main__":
    setup("json")
    times = asyncio.run(work(sys.argv[1], int(sys.argv[2])))
    Path(sys.argv[3]).write_bytes(orjson.dumps(times))
