"""The emulator as a whole: its life, its state on disk, its clock."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.emulator.conftest import Caller, account
from vodworker.api import ACTIONS
from vodworker.emulator import Emulator, Settings, run, serve_tasks
from vodworker.emulator.audit import Audit, Call
from vodworker.emulator.checks import Guard
from vodworker.emulator.clock import Clock
from vodworker.emulator.door import Door
from vodworker.emulator.limits import Ceilings
from vodworker.emulator.queue import Queue
from vodworker.emulator.server import FAMILIES
from vodworker.errors import ConfigError
from vodworker.testing import in_virtual_time

QUICK = Settings(hold=0.05, speed=1000.0)
EVENT = {"version": "4.0", "eventType": "Unheard", "data": {"fileId": "期末"}}


async def test_emulator_says_where_it_is(emulator: Emulator) -> None:
    """An emulator knows its address, its account, and says in a line how it is."""
    assert emulator.url == f"{emulator.origin}/v2/index.php"
    assert ("test-secret-id", "test-secret-key") == (emulator.secret_id, emulator.secret_key)
    assert (
        f"<Emulator {emulator.url}, <State 0 files, 0 uploads, 0 tasks>, <Queue 0 waiting, 0 out, 0 lapsed>>"
        == repr(emulator)
    )
    assert f"<Storage {emulator.service.storage.folder}, 0 objects>" == repr(emulator.service.storage)


async def test_emulator_leaves_nothing_behind() -> None:
    """When the block ends the port is free again and the bytes are gone."""
    async with account(QUICK) as call:
        await call.upload("a.mp4")
        folder, port = call.emulator.service.storage.folder, int(call.emulator.origin.rpartition(":")[2])

    assert not folder.exists()
    async with Emulator.serve(port=port) as emulator:
        assert f"http://127.0.0.1:{port}" == emulator.origin


async def test_open_polls_do_not_hold_up_the_end() -> None:
    """An emulator that ends does not wait for the polls that it holds."""
    async with account() as call, asyncio.TaskGroup() as group:
        poll = group.create_task(call("PullEvent"))
        while not call.emulator.service.hold.polls:  # noqa: ASYNC110  # what is waited for is a request on its way
            await asyncio.sleep(0)
        call.emulator.service.hold.close()

    assert 4000 == poll.result()["code"]


async def test_emulator_listens_on_ipv6() -> None:
    """The loopback of IPv6 will do as well."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        async with Emulator.serve("::1") as emulator, aiohttp.ClientSession() as http:
            await Caller(emulator, http).good("GetTaskList", status="FINISH")
            assert emulator.url.startswith("http://[::1]:")
    except OSError:
        pytest.skip("IPv6 is switched off here")


async def test_state_outlives_the_emulator(tmp_path: Path) -> None:
    """Files with their bytes, tags, tasks and events that nobody confirmed are there again, at the new address."""
    file = tmp_path / "state.json"
    async with account(QUICK, file) as call:
        file_id = await call.upload("a.mp4", b"bytes")
        await call.good("CreateVodTags", fileId=file_id, tags=["期末"])
        task = await call.good("ProcessFile", fileId=file_id, imageSprite={"definition": 10})
        await call.events(2)
        call.emulator.emit(EVENT)
        old = call.emulator
    async with account(QUICK, file) as call:
        emulator = call.emulator

        for then, now in ((old.state.files, emulator.state.files), (old.state.tasks, emulator.state.tasks)):
            assert repr(then).replace(old.origin, emulator.origin) == repr(now)
        assert "FINISH" == (await call.good("GetTaskInfo", vodTaskId=task["vodTaskId"]))["status"]
        assert [EVENT] == await call.events(1)
        assert emulator.clock.now() >= old.clock.now() - QUICK.speed
        assert emulator.queue.last_handle > old.queue.last_handle
        async with call.http.get(f"{emulator.origin}/{emulator.service.bucket}/{file_id}/f0.mp4") as response:
            assert b"bytes" == await response.read()


async def test_unfinished_task_goes_on_after_a_restart(tmp_path: Path) -> None:
    """A task that the end of the emulator interrupts is finished by the next one, and told then."""
    file = tmp_path / "state.json"
    async with account(Settings(hold=0.05, worked=3600.0, queued=0.0), file) as call:
        file_id = await call.upload("a.mp4")
        await call.events(1)
        task = await call.good("ProcessFile", fileId=file_id, imageSprite={"definition": 10})
    async with account(QUICK, file) as call:
        [event] = await call.events(1)

    assert (task["vodTaskId"], "FINISH") == (event["data"]["vodTaskId"], event["data"]["status"])


@pytest.mark.parametrize("content", ["", "{}", '{"version": 99, "now": 0, "handle": 1, "events": [], "state": {}}'])
async def test_strange_state_is_refused(tmp_path: Path, content: str) -> None:
    """A file that is no state, or one of another version, stops the start, named with the remedy."""
    file = tmp_path / "state.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"state\.json .*; move it away"):
        async with Emulator.serve(state_file=file):
            pass

    assert content == file.read_text()


async def test_runs_until_it_is_stopped(tmp_path: Path) -> None:
    """`run` serves until the event is set, and saves the state then."""
    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with asyncio.TaskGroup() as group, aiohttp.ClientSession() as http:
        group.create_task(run(("127.0.0.1", port), tmp_path / "state.json", stop=stop))
        url = f"http://127.0.0.1:{port}/v2/index.php"
        while await status(http, url) != 200:  # noqa: ASYNC110  # what is waited for is a server that starts
            await asyncio.sleep(0)
        stop.set()

    assert (tmp_path / "state.json").exists()


async def status(http: aiohttp.ClientSession, url: str) -> int:
    """The HTTP status at an address, 0 when nobody answers."""
    try:
        async with http.get(url) as response:
            return response.status
    except aiohttp.ClientConnectionError:
        return 0


async def test_every_call_is_shown_when_it_has_ended() -> None:
    """Whoever watches is shown each call with its code, and a refused one with the reason."""
    seen = list[Call]()
    async with Emulator.serve(watch=seen.append) as emulator, aiohttp.ClientSession() as http:
        await Caller(emulator, http).good("GetTaskList", status="FINISH")
        await Caller(emulator, http)("GetVideoInfo", fileId="1")

    assert [("GetTaskList", 0, ""), ("GetVideoInfo", 10008, "(10008) file 1 does not exist")] == [
        (call.action, call.code, call.error) for call in seen
    ]


async def test_elsewhere_is_nothing(call: Caller) -> None:
    """Another path is HTTP 404, another method HTTP 405."""
    async with call.http.get(f"{call.emulator.origin}/v3/index.php") as response:
        assert 404 == response.status
    async with call.http.put(call.emulator.url) as response:
        assert 405 == response.status


async def unserved(_: object) -> None:
    """Answer with success, and nothing else."""


async def test_door_says_how_much_is_behind_it() -> None:
    """The door says in a line how many actions it leads to, each spelling of a name counted."""
    queue = Queue(batch=16, handle_life=30.0, return_after=5.0)
    ceilings = Ceilings(lambda _: 1)
    door = Door(
        dict.fromkeys(serve_tasks.SERVES, unserved),
        guard=Guard({}),
        ceilings=ceilings,
        audit=Audit(queue),
        wall=lambda: 0.0,
    )

    assert "<Door to 3 actions>" == repr(door)


def test_served_actions_are_declared() -> None:
    """Everything that is served is an action of the table, and served once."""
    served = [action for family in FAMILIES for action in family]

    assert [] == [action for action in served if ACTIONS.get(action.__name__) is not action]
    assert len(served) == len(set(served))


@in_virtual_time
async def test_clock_runs_as_fast_as_is_said() -> None:
    """What is due after an hour is done after 3.6 s when the clock runs 1000 times as fast; in order, at its time."""
    loop, done = asyncio.get_running_loop(), list[tuple[str, float, float]]()
    clock = Clock(start=1_700_000_000.0, speed=1000.0)

    def note(name: str) -> None:
        done.append((name, round(loop.time(), 3), round(clock.now() - 1_700_000_000.0, 3)))

    clock.after(3600, lambda: note("late"))
    clock.after(1800, lambda: note("soon"))
    assert "<Clock at 1700000000.000, 1000 times as fast, 2 appointments>" == repr(clock)
    await asyncio.sleep(5)

    assert [("soon", 1.8, 1800.0), ("late", 3.6, 3600.0)] == done


@in_virtual_time
async def test_clock_can_be_moved() -> None:
    """Moving the clock does at once what falls into the time, each thing at its own; the rest keeps its distance."""
    loop, done = asyncio.get_running_loop(), list[tuple[float, float]]()
    clock = Clock(start=1000.0, speed=1.0)

    def note() -> None:
        done.append((loop.time(), clock.now()))

    def twice() -> None:
        note()
        clock.after(5, note)

    clock.after(10, twice)
    clock.after(30, note)
    clock.advance(20)
    assert 1020.0 == clock.now()
    await asyncio.sleep(60)

    assert [(0.0, 1010.0), (0.0, 1015.0), (10.0, 1030.0)] == done


@in_virtual_time
async def test_closed_clock_does_nothing_more() -> None:
    """A clock that is closed forgets what it was to do."""
    clock, done = Clock(start=0.0, speed=1.0), list[float]()
    clock.after(1, lambda: done.append(clock.now()))
    clock.close()
    await asyncio.sleep(5)

    assert [] == done
