"""Real daemons, real signals, a real emulator: what only a process of its own can show."""

import asyncio
import signal
import sys
from pathlib import Path

import orjson
import pytest

from tests.daemons import BUSY, mixed, site, upload
from vodworker.emulator.server import Emulator
from vodworker.events import decode
from vodworker.journal.port import Filter
from vodworker.journal.sqlite import open_sqlite
from vodworker.stop import HARD_STOP

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

GRACE = 1.0

REFUSES = "while True:\n    try:\n        await asyncio.sleep(1000)\n    except BaseException:\n        pass"


def waiting(emulator: Emulator) -> set[str]:
    """The keys of the events that nobody has confirmed: they will be handed out again."""
    return {decode(event.content).key for event in emulator.queue}


async def test_an_idle_daemon_stops_at_once(tmp_path: Path) -> None:
    """SIGTERM ends a daemon whose long polls are open, with exit code 0, and takes no event with it."""
    async with site(tmp_path, hold=9.0) as (emulator, place):
        place.handler("pass")
        async with place.daemon() as daemon:
            await daemon.said("worker.ready")
            code, took = await daemon.stopped()
        emulator.emit(upload(1))

        assert 0 == code
        assert took < BUSY
        assert 1 == emulator.queue.waiting


async def test_a_handler_that_ends_within_the_grace_is_finished(tmp_path: Path) -> None:
    """SIGTERM lets a running handler finish, when it does so within the grace."""
    async with site(tmp_path) as (emulator, place):
        place.handler("await asyncio.sleep(0.5)\npathlib.Path('heard').open('a').write(event.key + '\\n')")
        async with place.daemon() as daemon:
            emulator.emit(upload(1))
            await daemon.said("event.confirmed")
            code, _ = await daemon.stopped()

        assert 0 == code
        assert ["f1"] == place.heard()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("await asyncio.sleep(1000)", id="sleeps"),
        pytest.param(REFUSES, id="refuses"),
        pytest.param("time.sleep(1000)", id="blocks"),
    ],
)
async def test_a_stop_ends_whatever_a_handler_does(tmp_path: Path, body: str) -> None:
    """The process is gone within grace + 2 s, whatever a handler does to the loop; its work stays open."""
    async with site(tmp_path, grace=GRACE) as (emulator, place):
        place.handler(f"ctx.log.info('began')\n{body}")
        async with place.daemon() as daemon:
            emulator.emit(upload(1))
            await daemon.said("began")
            _, took = await daemon.stopped()
        async with open_sqlite(tmp_path / "vodworker.db") as store:
            (entry,) = await store.list(Filter(state="open"))

    assert HARD_STOP < 2
    assert took < GRACE + HARD_STOP + BUSY
    assert "f1" == entry["key"]


@pytest.mark.parametrize(
    "body,then",
    [
        pytest.param("await asyncio.sleep(1000)", "worker.stopping", id="waits"),
        # In many steps: of two signals at the same moment, the kernel may give both to a thread that is not asleep.
        pytest.param("while True: time.sleep(0.01)", "loop.blocked", id="blocks"),
    ],
)
async def test_a_second_signal_stops_at_once(tmp_path: Path, body: str, then: str) -> None:
    """Who asks twice does not want to wait for the grace, whatever a handler does; the log has the last word."""
    async with site(tmp_path) as (emulator, place):
        place.handler(f"ctx.log.info('began')\n{body}")
        async with place.daemon() as daemon:
            emulator.emit(upload(1))
            await daemon.said("began")
            daemon.process.send_signal(signal.SIGTERM)
            await daemon.said(then)
            daemon.process.send_signal(signal.SIGINT)
            await daemon.said("worker.cut")
            code = await daemon.process.wait()

        assert (1, "a second signal") == (code, daemon.last("worker.cut")["why"])


async def test_a_stop_is_heard_while_the_journal_is_waited_for(tmp_path: Path) -> None:
    """A daemon that waits for its database at the start ends at a signal like any other, with exit code 0."""
    async with site(tmp_path) as (_, place):
        place.handler("pass")
        async with place.daemon({"VODWORKER_JOURNAL__URL": "postgresql://nobody@127.0.0.1:9/nowhere"}) as daemon:
            await daemon.said("journal.lost")
            code, _ = await daemon.stopped()
            await daemon.said("worker.stopped")

        assert 0 == code


async def test_a_broken_journal_ends_the_daemon_whatever_a_handler_does(tmp_path: Path) -> None:
    """When the journal breaks it is told at once, and a handler that refuses its end does not keep the process."""
    async with site(tmp_path) as (emulator, place):
        place.handler(f"ctx.log.info('began')\n{REFUSES}")
        async with place.daemon() as daemon:
            emulator.emit(upload(1))
            await daemon.said("began")
            (place.folder / "vodworker.db").unlink()
            await daemon.said("worker.cut")
            code = await daemon.process.wait()

        assert (1, 1, 1) == (code, daemon.count("journal.failed"), daemon.count("worker.cut"))


@pytest.mark.timeout(180)
async def test_a_killed_daemon_loses_nothing(tmp_path: Path) -> None:
    """After a SIGKILL in the middle of 1,000 events of all types, the next daemon handles the rest; none is lost."""
    events = [mixed(number) for number in range(1000)]
    everything = {decode(orjson.dumps(event)).key for event in events}
    async with site(tmp_path) as (emulator, place):
        place.handler("await asyncio.sleep(0.02)\npathlib.Path('heard').open('a').write(event.key + '\\n')")
        for event in events[:750]:
            emulator.emit(event)
        async with place.daemon() as daemon:
            await daemon.said("handler.done", 300)
            await daemon.stopped(signal.SIGKILL)
        before = len(place.heard())
        async with place.daemon() as daemon:
            await daemon.said("worker.ready")
            for event in events[750:]:
                emulator.emit(event)
            while not everything <= {*place.heard()} | waiting(emulator):
                await daemon.said("handler.done", daemon.count("handler.done") + 1)
            code, _ = await daemon.stopped()
        async with open_sqlite(tmp_path / "vodworker.db") as store:  # what it took in just before its end
            left = {entry["key"] for entry in await store.list(Filter(state="open", limit=1000))}

        assert 0 == code
        assert 1000 == len(everything)
        assert before < 750
        assert everything == {*place.heard()} | waiting(emulator) | left
        assert emulator.audit.smallest_margin >= 25


async def test_a_daemon_waits_for_the_cloud(tmp_path: Path) -> None:
    """A daemon that starts while the service is away begins to work when it comes."""
    async with site(tmp_path) as (emulator, place):
        port = int(emulator.origin.rpartition(":")[2])
    place.handler("pass")
    async with place.daemon() as daemon:
        await daemon.said("pull.failed")
        async with Emulator.serve(port=port) as emulator:
            emulator.emit(upload(1))
            await daemon.said("handler.done")
            code, _ = await daemon.stopped()

    assert 0 == code
    assert 1 == daemon.count("pull.recovered")


async def test_a_handler_file_that_does_not_import_stops_the_start(tmp_path: Path) -> None:
    """The start ends with code 78 and one line: the file, the line in it, and the cause; no traceback."""
    async with site(tmp_path) as (_, place):
        (place.folder / "handlers" / "broken.py").write_text("import os\nimport nothing_of_that_name\n")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vodworker", "run"),
            cwd=place.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()

    assert 78 == process.returncode
    assert "handlers/broken.py: line 2: ModuleNotFoundError: No module named 'nothing_of_that_name'" == (
        said.decode().strip()
    )
