"""The promises of follow_procedure."""

from typing import Any

import pytest

from handlers.follow_procedure import follow_procedure
from vodworker import Done, Reject, Retry
from vodworker.api import GetTaskInfo, RedoTask, TaskInfo
from vodworker.codes import explain
from vodworker.events import ProcedureStateChanged
from vodworker.testing import Recorder, run


def ended(*tasks: dict[str, Any], status: str = "FINISH", **more: Any) -> ProcedureStateChanged:
    """A procedure with these tasks."""
    data = {"vodTaskId": "p1", "fileId": "f1", "status": status, "processTaskList": list(tasks), **more}
    return ProcedureStateChanged.model_validate(data)


def version(definition: int, status: str = "SUCCESS", code: int = 0, message: str = "") -> dict[str, Any]:
    """A transcoding."""
    output = {"url": f"http://host/f{definition}.mp4", "size": 7} if status == "SUCCESS" else None
    return {
        "taskType": "Transcode",
        "status": status,
        "errCode": code,
        "message": message,
        "input": {"definition": definition},
        **({"output": output} if output else {}),
    }


def said(what: str, code: int) -> str:
    """What is said of a fault."""
    return f"{what} (code {code}: {explain(code).cause}; {explain(code).remedy})"


ILL = version(220, "FAIL", 30010, "system")
DAMAGED = version(230, "FAIL", 30009, "source")


def service(
    *tasks: dict[str, Any], status: str = "FINISH", created: int | None = 1000, finished: int | None = 1300
) -> Recorder:
    """A service that says this of the procedure."""
    data = {"vodTaskId": "p1", "status": status, "processTaskList": list(tasks)}
    times = {"createTime": created, "finishTime": finished}
    return Recorder({GetTaskInfo: TaskInfo.model_validate({"status": status, **times, "data": data})})


def test_each_task_is_told() -> None:
    """The log has a line for each task that ended: what was asked, and what was made of it or why nothing was."""
    unknown = {"taskType": "Dubbing", "status": "SUCCESS", "input": {"voice": "low"}}
    ran = run(follow_procedure, ended(version(210), ILL, version(240, "PROCESSING"), unknown, status="PROCESSING"))

    assert Done() == ran.outcome
    assert [
        {
            "level": "info",
            "event": "output.made",
            "task_id": "p1",
            "task": "Transcode",
            "asked": {"definition": 210},
            "made": {"url": "http://host/f210.mp4", "size": 7},
        },
        {
            "level": "warning",
            "event": "output.failed",
            "task_id": "p1",
            "task": "Transcode",
            "asked": {"definition": 220},
            "code": 30010,
            "error": "system",
            "cause": explain(30010).cause,
        },
        {
            "level": "info",
            "event": "output.made",
            "task_id": "p1",
            "task": "Dubbing",
            "asked": {"voice": "low"},
            "made": {},
        },
    ] == ran.told
    assert [] == ran.vod.calls


@pytest.mark.parametrize(
    "event",
    [
        ended(version(210)),
        ended(version(210), err_code=1000),
        ended(),
        ended({"taskType": "Transcode", "status": "SUCCESS"}, errCode=1000),
    ],
)
def test_success_is_done(event: ProcedureStateChanged) -> None:
    """A procedure in which no task failed is done, whatever its own code: one is left out where it makes no sense."""
    assert Done() == run(follow_procedure, event).outcome


@pytest.mark.parametrize(
    "event,faults",
    [
        (ended(version(210), DAMAGED), [("Transcode: source", 30009)]),
        (
            ended(version(210, "FAIL", -45089), DAMAGED),
            [("Transcode: no message", -45089), ("Transcode: source", 30009)],
        ),
        (ended(ILL, DAMAGED), [("Transcode: system", 30010), ("Transcode: source", 30009)]),
        (ended(version(210, "FAIL")), [("Transcode: no message", 0)]),
        (ended(errCode=70014, message="gone"), [("gone", 70014)]),
        (ended(ILL, vodTaskId=None), [("Transcode: system", 30010)]),
    ],
)
def test_lasting_fault_is_rejected(event: ProcedureStateChanged, faults: list[tuple[str, int]]) -> None:
    """What trying again cannot mend is dead with the reasons; nothing is run again, not even beside an ill service."""
    ran = run(follow_procedure, event)

    assert Reject("; ".join(said(*fault) for fault in faults)) == ran.outcome
    assert [] == ran.vod.calls


@pytest.mark.parametrize("event", [ended(version(210), ILL), ended(errCode=30010, message="system")])
def test_ill_service_is_waited_for_and_asked_again(event: ProcedureStateChanged) -> None:
    """A fault of the service's own: wait as long as the procedure is old, then run it again."""
    vod = service(version(210), ILL)

    first = run(follow_procedure, event, vod=vod).outcome
    assert isinstance(first, Retry)
    assert 300 == first.after

    ran = run(follow_procedure, event, vod=vod, attempt=2)

    assert Done() == ran.outcome
    asked = GetTaskInfo(vod_task_id="p1")
    assert [asked, asked, RedoTask(vod_task_id="p1")] == vod.calls
    assert "procedure.redone" == ran.told[-1]["event"]


def test_another_try_is_not_another_run() -> None:
    """A handler that is run again after it ran the procedure again does not do so twice."""
    vod = service(ILL)

    run(follow_procedure, ended(ILL), vod=vod, attempt=2)
    run(follow_procedure, ended(ILL), vod=vod, attempt=3)

    assert 1 == vod.calls.count(RedoTask(vod_task_id="p1"))


def test_quick_failure_is_not_hammered_at() -> None:
    """A procedure that failed at once is run again after ten seconds at the earliest."""
    outcome = run(follow_procedure, ended(ILL), vod=service(ILL, finished=1000)).outcome

    assert isinstance(outcome, Retry)
    assert 10 == outcome.after


@pytest.mark.parametrize("now", [service(status="PROCESSING"), service(version(220)), service()])
def test_old_news_is_done(now: Recorder) -> None:
    """A procedure that runs again, or has ended well by now, is left alone."""
    assert Done() == run(follow_procedure, ended(ILL), vod=now, attempt=2).outcome
    assert [GetTaskInfo(vod_task_id="p1")] == now.calls


@pytest.mark.parametrize(
    "vod,options,age",
    [
        (service(ILL, finished=1000 + 21600), {}, "21600"),
        (service(ILL), {"redo_for": 300}, "300"),
        (service(ILL), {"redo_for": 0}, "300"),
        (service(ILL, finished=None), {}, "21600"),
        (service(ILL, created=0), {}, "21600"),
    ],
)
def test_running_again_has_an_end(vod: Recorder, options: dict[str, Any], age: str) -> None:
    """A procedure that is older than redo_for, or of unknown age, is not run again."""
    outcome = run(follow_procedure, ended(ILL), vod=vod, attempt=2, options=options).outcome

    expected = f"{said('Transcode: system', 30010)}; not run again, since the first try was {age} s ago"
    assert Reject(expected) == outcome
    assert [GetTaskInfo(vod_task_id="p1")] == vod.calls


def test_runs_are_few() -> None:
    """A procedure that fails for ever after a minute's work is run about ten times in the six hours, not hundreds."""
    age, runs = 60.0, 0
    while True:
        vod = service(ILL, finished=1000 + int(age))
        outcome = run(follow_procedure, ended(ILL), vod=vod).outcome
        if not isinstance(outcome, Retry):
            break
        assert outcome.after is not None
        run(follow_procedure, ended(ILL), vod=vod, attempt=2)
        runs += 1
        age += outcome.after + 60.0

    assert 8 == runs
