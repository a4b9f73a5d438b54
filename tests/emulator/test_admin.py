"""The admin address: what a tester sees and does while the emulator runs."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest
from click.testing import CliRunner

from tests.emulator.conftest import Caller
from vodworker.cli import cli
from vodworker.emulator import Emulator, Plan, Settings
from vodworker.emulator.admin import Admin
from vodworker.emulator.faults import Http, Lost

EVENT = {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": "1"}}


class Desk(NamedTuple):
    """A client of the service, and of its admin address."""

    call: Caller
    emulator: Emulator

    async def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """The JSON of an answer."""
        url = f"{self.emulator.admin_url}/{path}"
        async with self.call.http.request(method, url, json=body) as response:
            assert status == response.status, await response.text()
            return await response.json()

    async def get(self, path: str) -> Any:
        """What stands there."""
        return await self.ask("GET", path)


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    """An emulator with an admin address."""
    async with Emulator.serve(settings=settings, admin=("127.0.0.1", 0)) as emulator, aiohttp.ClientSession() as http:
        yield Desk(Caller(emulator, http), emulator)


async def test_admin_has_a_port_of_its_own(desk: Desk) -> None:
    """The service's address answers like the service alone, and the admin's is another; without one there is none."""
    async with desk.call.http.get(f"{desk.emulator.origin}/admin/queue") as response:
        assert 404 == response.status
    async with desk.call.http.get(f"{desk.emulator.admin_url.removesuffix('/admin')}/v2/index.php") as response:
        assert 404 == response.status
    assert desk.emulator.admin_url.startswith("http://127.0.0.1:")
    assert f"<Admin of {desk.emulator.origin}>" == repr(Admin(desk.emulator.service))
    async with Emulator.serve() as plain:
        assert "" == plain.admin_url


async def test_faults_are_set_and_cleared_while_it_runs(desk: Desk) -> None:
    """A plan is put in force, tells how often it struck, can be sent again as it was told, and ends."""
    told = {"seed": 3, "faults": [{"kind": "http", "action": "GetTaskList", "skip": 1}]}
    await desk.ask("PUT", "faults", told)
    await desk.call("GetTaskList", status="FINISH")
    with pytest.raises(AssertionError):
        await desk.call("GetTaskList", status="FINISH")
    seen = await desk.get("faults")

    assert ([2], [1]) == (seen["asked"], seen["struck"])
    assert Plan(seed=3, faults=(Http(action="GetTaskList", skip=1),)) == desk.emulator.faults.plan
    assert [0] == (await desk.ask("PUT", "faults", seen["plan"]))["struck"]
    assert {"plan": {"seed": 0, "faults": []}, "asked": [], "struck": []} == await desk.ask("DELETE", "faults")
    await desk.call.good("GetTaskList", status="FINISH")


async def test_cleared_faults_set_the_clock_right(desk: Desk) -> None:
    """Clearing undoes a jump of the clock that Timestamps are held against."""
    await desk.ask("PUT", "faults", {"faults": [{"kind": "clock", "step": 900}]})
    refused = await desk.call("GetTaskList", status="FINISH")
    await desk.ask("DELETE", "faults")

    assert 4500 == refused["code"]
    await desk.call.good("GetTaskList", status="FINISH")


async def test_mistake_in_a_plan_is_told(desk: Desk) -> None:
    """A plan with mistakes is refused with all of them, and the one in force stays."""
    desk.emulator.faults.set(Plan(faults=(Lost(),)))
    answer = await desk.ask("PUT", "faults", {"faults": [{"kind": "cutt"}], "sed": 1}, status=400)

    assert {
        "sed is not a key of a plan; did you mean seed?",
        "fault 1: cutt is not a kind of fault; did you mean cut?",
    } == set(answer["problems"])
    assert Plan(faults=(Lost(),)) == desk.emulator.faults.plan


async def test_what_is_no_json_is_refused(desk: Desk) -> None:
    """A body that is no JSON is told as that."""
    async with desk.call.http.put(f"{desk.emulator.admin_url}/faults", data=b"seed = 1") as response:
        assert 400 == response.status
        assert (await response.json())["problems"][0].startswith("the request is not JSON: ")


async def test_audit_tells_every_call(desk: Desk) -> None:
    """Arrivals by action and by window, codes, calls one by one, and what was confirmed when."""
    desk.emulator.emit(EVENT)
    pulled = await desk.call.good("PullEvent")
    await desk.call.good("ConfirmEvent", msgHandle=[pulled["eventList"][0]["msgHandle"]])
    await desk.call("GetVideoInfo", fileId="1")
    audit = await desk.get("audit")

    assert ["ConfirmEvent", "GetVideoInfo", "PullEvent"] == list(audit["actions"])
    video = audit["actions"]["GetVideoInfo"]
    assert (1, 1, {"10008": 1}, [1]) == (
        video["arrivals"],
        video["most_in_60s"],
        video["codes"],
        list(video["windows"].values()),
    )
    assert (1, 1, 0, 1, 0, 0) == tuple(
        audit["events"][name] for name in ("emitted", "pulled", "redelivered", "confirmed", "late", "left")
    )
    assert ["PullEvent", "ConfirmEvent", "GetVideoInfo"] == [one["action"] for one in audit["calls"]]
    [confirmed] = audit["confirmations"]
    assert (pulled["eventList"][0]["msgHandle"], 0, "NewFileUpload") == (
        confirmed["handle"],
        confirmed["event"],
        confirmed["type"],
    )
    assert audit["calls"][0]["at"] <= confirmed["at"] <= audit["now"]


async def test_audit_can_be_narrowed(desk: Desk) -> None:
    """Of one action only, and so many of the last calls; a window as long as one likes."""
    for _ in range(3):
        await desk.call.good("GetTaskList", status="FINISH")
    await desk.call("PullEvent")
    audit = await desk.get("audit?action=GetTaskList&latest=2&span=3600")

    assert (["GetTaskList"], 2) == (list(audit["actions"]), len(audit["calls"]))
    assert 3 == sum(audit["actions"]["GetTaskList"]["windows"].values())
    assert None is (await desk.get("audit"))["events"]["smallest_margin"]
    assert "latest" in (await desk.ask("GET", "audit?latest=-1", status=400))["problems"][0]


async def test_queue_is_looked_at_and_not_touched(desk: Desk) -> None:
    """A look tells each event, where it is, under which handle and for how long; the next pull is none the wiser."""
    desk.emulator.emit(EVENT)
    waiting = await desk.get("queue")
    [pulled] = (await desk.call.good("PullEvent"))["eventList"]
    out = await desk.get("queue")

    assert {"waiting": 1} == waiting["count"]
    assert [{"event": 0, "state": "waiting", "handle": "", "left": 0.0, "sent": 0, "content": EVENT}] == waiting[
        "events"
    ]
    assert {"out": 1} == out["count"]
    assert ("out", pulled["msgHandle"], 1) == tuple(out["events"][0][name] for name in ("state", "handle", "sent"))
    assert 25 < out["events"][0]["left"] <= 30


async def test_events_can_be_emitted(desk: Desk) -> None:
    """Events of any content are queued, as often as one likes."""
    assert {"emitted": 4} == await desk.ask("POST", "events", {"events": [EVENT, {"eventType": "New"}], "times": 2})
    assert [EVENT, {"eventType": "New"}] * 2 == await desk.call.events(4)
    assert "events" in (await desk.ask("POST", "events", {"events": []}, status=400))["problems"][0]


async def test_clocks_can_be_moved(desk: Desk) -> None:
    """Tasks live on one clock, Timestamps are held against another; each can be moved by itself."""
    before = await desk.get("clock")
    await desk.ask("POST", "clock", {"clock": "tasks", "by": 3600})
    after = await desk.ask("POST", "clock", {"clock": "timestamp", "by": -900})

    assert 3600 <= after["tasks"] - before["tasks"] < 3600 + 60 * desk.emulator.clock.speed
    assert -900 == round(after["timestamp"] - before["timestamp"], -1)
    assert 4500 == (await desk.call("GetTaskList", status="FINISH"))["code"]
    assert "clock" in (await desk.ask("POST", "clock", {"clock": "moon", "by": 1}, status=400))["problems"][0]


async def test_account_can_be_put_back(desk: Desk) -> None:
    """A snapshot has files, tasks and events; what came later is gone when it is put back, what went is there again."""
    file_id = await desk.call.upload("a.mp4")
    kept = await desk.get("snapshot")
    [uploaded] = await desk.call.events(1)
    await desk.call.good("DeleteVodFile", fileId=file_id)
    later = await desk.call.upload("b.mp4")

    assert {"restored": {"events": 1, "tasks": 0}} == await desk.ask("PUT", "snapshot", kept)
    assert [uploaded] == await desk.call.events(1)
    assert "a" == (await desk.call.good("GetVideoInfo", fileId=file_id))["basicInfo"]["name"].removesuffix(".mp4")
    assert 10008 == (await desk.call("GetVideoInfo", fileId=later))["code"]
    assert kept["state"] == (await desk.get("snapshot"))["state"]
    assert later == await desk.call.upload("c.mp4"), "the count of files goes on where it was"


async def test_tasks_go_on_after_an_account_is_put_back(desk: Desk) -> None:
    """A task that was under way when the snapshot was taken is under way again, and is told when it ends."""
    file_id = await desk.call.upload("a.mp4")
    await desk.call.events(1)
    desk.emulator.clock.speed = 1e-3
    await desk.call.good("ProcessFile", fileId=file_id, imageSprite={"definition": 10})
    kept = await desk.get("snapshot")
    await desk.ask("POST", "clock", {"clock": "tasks", "by": 3600})
    first = await desk.call.events(1)
    await desk.ask("PUT", "snapshot", kept)
    assert ["WAITING"] == [task.status for task in desk.emulator.state.tasks.values()]
    assert abs(kept["now"] - desk.emulator.clock.now()) < 1
    await desk.ask("POST", "clock", {"clock": "tasks", "by": 3600})

    assert first == await desk.call.events(1)


async def test_handles_from_before_are_not_known(desk: Desk) -> None:
    """Handles that were out when an account is put back are void, and none is given twice."""
    desk.emulator.emit(EVENT)
    kept = await desk.get("snapshot")
    [before] = (await desk.call.good("PullEvent"))["eventList"]
    await desk.ask("PUT", "snapshot", kept)
    [after] = (await desk.call.good("PullEvent"))["eventList"]

    assert before["msgHandle"] < after["msgHandle"]
    assert 4000 == (await desk.call("ConfirmEvent", msgHandle=[before["msgHandle"]]))["code"]
    await desk.call.good("ConfirmEvent", msgHandle=[after["msgHandle"]])


@pytest.mark.parametrize("change", [{"version": 99}, {"state": 7}, {"now": "noon"}])
async def test_strange_snapshot_is_refused(desk: Desk, change: dict[str, object]) -> None:
    """What is no snapshot, or one of another version, changes nothing."""
    desk.emulator.emit(EVENT)
    answer = await desk.ask("PUT", "snapshot", {**await desk.get("snapshot"), **change}, status=400)

    assert next(iter(change)) in answer["problems"][0]
    assert 1 == len(desk.emulator.queue)


# From the command line


@pytest.mark.process
@pytest.mark.timeout(60)
async def test_emulator_is_started_with_faults(tmp_path: Path) -> None:
    """`vodworker emulator --faults FILE --admin HOST:PORT` has the plan in force, and says where it can be asked."""
    (tmp_path / "faults.toml").write_text('seed = 3\n[[faults]]\nkind = "lost"\n')
    options = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--faults", "faults.toml")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vodworker", "emulator", *options), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        started = orjson.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as http, http.get(f"{started['admin']}/faults") as response:
            assert [{"kind": "lost", "event": "*", "rate": 1.0, "skip": 0, "count": None}] == (
                (await response.json())["plan"]["faults"]
            )
        process.send_signal(signal.SIGTERM)
        assert 0 == await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    "options,code,said",
    [
        (("--admin", "0.0.0.0:8788"), 2, "it must be on the loopback, like 127.0.0.1:8788"),
        (("--admin", "here"), 2, "it must be HOST:PORT"),
        (("--faults", "nowhere.toml"), 78, "nowhere.toml cannot be read: No such file or directory"),
    ],
)
def test_wrong_option_stops_the_start(options: tuple[str, str], code: int, said: str) -> None:
    """An admin address that others could reach is refused, and so is a plan that cannot be read."""
    result = CliRunner().invoke(cli, ["emulator", *options])

    assert code == result.exit_code
    assert said in " ".join(result.output.split())
