"""Tasks: what can be asked of them, for how long, and their second try."""

from typing import Any

import pytest

from tests.emulator.conftest import Caller
from vodworker.emulator import Emulator, Settings
from vodworker.emulator.tasks import MEMORY


async def started(call: Caller, **own: object) -> str:
    """Upload a file and start a flow on it; the task's id."""
    file_id = await call.upload("a.mp4")
    reply = await call.good("ProcessFile", fileId=file_id, imageSprite={"definition": 10}, **own)
    return str(reply["vodTaskId"])


async def listed(call: Caller, **own: object) -> list[dict[str, Any]]:
    """Every piece of the list of tasks."""
    pieces = [(await call.good("GetTaskList", **own))["data"]]
    while pieces[-1]["next"]:
        pieces.append((await call.good("GetTaskList", **own, next=pieces[-1]["next"]))["data"])
    return pieces


class TestSlowTasks:
    """Tasks that take their time: the test moves the clock."""

    @pytest.fixture
    def settings(self) -> Settings:
        """A task starts after 10 s, and each sub-task takes 20 s."""
        return Settings(hold=0.01, queued=10.0, worked=20.0)

    async def test_task_lives_through_three_states(self, emulator: Emulator, call: Caller) -> None:
        """A task waits, is worked on, and finishes; its data is told once it has begun."""
        task_id = await started(call)
        infos = list[dict[str, Any]]()
        for seconds in (0, 10, 20):
            emulator.clock.advance(seconds)
            infos.append(await call.good("GetTaskInfo", vodTaskId=task_id))
        waits, works, ends = infos

        assert ["WAITING", "PROCESSING", "FINISH"] == [info["status"] for info in infos]
        assert [False, True, True] == ["data" in info for info in infos]
        assert (0, 0) == (waits["beginProcessTime"], waits["finishTime"])
        assert (10, 0) == (works["beginProcessTime"] - works["createTime"], works["finishTime"])
        assert (10, 30) == tuple(ends[name] - ends["createTime"] for name in ("beginProcessTime", "finishTime"))
        assert "procedure" == ends["type"]
        assert ["PROCESSING", "SUCCESS"] == [info["data"]["processTaskList"][0]["status"] for info in (works, ends)]

    async def test_task_that_has_not_ended_is_not_redone(self, emulator: Emulator, call: Caller) -> None:
        """RedoTask takes ended tasks only: 70034 for one that waits or is worked on."""
        task_id = await started(call)
        codes = [(await call("RedoTask", vodTaskId=task_id))["code"]]
        emulator.clock.advance(10)
        codes.append((await call("RedoTask", vodTaskId=task_id))["code"])
        emulator.clock.advance(20)
        codes.append((await call("RedoTask", vodTaskId=task_id))["code"])
        again = await call.good("GetTaskInfo", vodTaskId=task_id)

        assert [70034, 70034, 0] == codes
        assert ("WAITING", 0, 0) == (again["status"], again["beginProcessTime"], again["finishTime"])

    async def test_tasks_are_remembered_for_72_hours(self, emulator: Emulator, call: Caller) -> None:
        """A task of more than 72 hours ago is unknown: 70014, and in no list."""
        task_id = await started(call)
        emulator.clock.advance(MEMORY - 1)
        assert 0 == (await call("GetTaskInfo", vodTaskId=task_id))["code"]

        emulator.clock.advance(2)
        assert [[]] == [piece["taskList"] for piece in await listed(call, status="FINISH")]
        assert [70014, 70014] == [
            (await call(action, vodTaskId=task_id))["code"] for action in ("GetTaskInfo", "RedoTask")
        ]


async def test_list_is_read_piece_by_piece(emulator: Emulator, call: Caller) -> None:
    """The tasks in a state are listed oldest first, at most maxCount at a time; an empty `next` is the end."""
    file_id = await call.upload("a.mp4")
    ids = [
        (await call.good("ProcessFile", fileId=file_id, imageSprite={"definition": 10}))["vodTaskId"] for _ in range(20)
    ]
    await call.events(20, type="Procedure")

    pieces = await listed(call, status="finish", maxCount=10)

    assert ids == [task["vodTaskId"] for piece in pieces for task in piece["taskList"]]
    assert [10, 10] == [len(piece["taskList"]) for piece in pieces]
    assert {"FINISH"} == {piece["status"] for piece in pieces}
    assert [[]] == [piece["taskList"] for piece in await listed(call, status="WAITING")]


async def test_list_is_of_one_file_and_of_a_time(emulator: Emulator, call: Caller) -> None:
    """The list can be narrowed to a file, the sources of a concatenation included, and to a time."""
    one, two = await call.upload("a.mp4"), await call.upload("b.mp4")
    await call.good("ProcessFile", fileId=one, imageSprite={"definition": 10})
    await call.good("ConcatVideo", srcFileList=[{"fileId": one}, {"fileId": two}], name="joined", dstType=["mp4"])
    await call.events(4)
    now = int(emulator.clock.now())

    def kinds(pieces: list[dict[str, Any]]) -> list[str]:
        return [task["type"] for piece in pieces for task in piece["taskList"]]

    assert ["procedure", "concat"] == kinds(await listed(call, status="FINISH", fileId=one))
    assert ["concat"] == kinds(await listed(call, status="FINISH", fileId=two))
    assert [] == kinds(await listed(call, status="FINISH", startTime=now + 3600))
    assert [] == kinds(await listed(call, status="FINISH", endTime=now - 3600))
    assert ["procedure", "concat"] == kinds(
        await listed(call, status="FINISH", startTime=now - 3600, endTime=now + 3600)
    )


async def test_strange_cursor_starts_from_the_beginning(call: Caller) -> None:
    """A cursor that was not given out is taken for none."""
    await started(call)
    await call.events(2)

    assert [1] == [len(piece["taskList"]) for piece in await listed(call, status="FINISH", next="nowhere")]


async def test_unknown_task_and_state(call: Caller) -> None:
    """A task that never was is 70014; a state that there is not, and too long a list, are 1000."""
    replies = [
        await call("GetTaskInfo", vodTaskId="1-Procedure-0"),
        await call("GetTaskList", status="SLEEPING"),
        await call("GetTaskList", status="FINISH", maxCount=101),
    ]

    assert [70014, 1000, 1000] == [reply["code"] for reply in replies]


async def test_task_is_in_the_audit(emulator: Emulator, call: Caller) -> None:
    """The audit knows which file and which task a call was about, from its parameters or from its reply."""
    task_id = await started(call)
    await call.good("GetTaskInfo", vodTaskId=task_id)
    [upload] = emulator.audit.calls("CommitUpload")
    [process] = emulator.audit.calls("ProcessFile")
    [info] = emulator.audit.calls("GetTaskInfo")

    assert (upload.file_id, task_id, 0) == (process.file_id, process.task_id, process.code)
    assert ("", task_id) == (info.file_id, info.task_id)
    assert "" != upload.file_id
