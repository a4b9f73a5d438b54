"""Flows of several sub-tasks on one file: what each makes of it, and how the flow tells of itself."""

from collections.abc import Mapping

from vodworker.emulator import pull
from vodworker.emulator.cutting import assemble, pieces_of
from vodworker.emulator.footage import digest, footage, metadata
from vodworker.emulator.kind import Kind, usable
from vodworker.emulator.making import encrypt, make
from vodworker.emulator.refusal import Refusal
from vodworker.emulator.service import Service
from vodworker.emulator.state import Json, Step, Stored, Task, Video
from vodworker.media import FAIL, FINISH, SUCCESS

EDIT = "Edit"  # the sub-task that cuts and joins the flow's source; the service does not tell of it
PULL = "PullFile"  # the one that fetches it


def _work(service: Service, task: Task, step: Step) -> Json:
    if step.type == EDIT:
        video = assemble(service, task, step, pieces_of(task), name=task.detail["name"], container="mp4")
        return {"fileId": video.id, "url": video.url}
    if step.type == PULL:
        video = pull.fetch(service, task, step)
        return {"fileId": video.id, "fileSize": video.size, "url": video.url}
    if unmade := next((one for one in task.steps if one.type in {EDIT, PULL} and one.code), None):
        raise Refusal(unmade.code, f"there is no source: {unmade.message}")
    [video] = usable(task, step, [source(service, task)])
    output = make(service, video, step)
    if step.type == "Transcode" and "drm" in task.detail:
        encrypt(service, service.state.files[video.id], task.detail["drm"])
    return output


def source(service: Service, task: Task) -> Video | None:
    """What the flow works on: a file of the library, or one in a bucket of the user's."""
    return in_bucket(service, task.detail) if "bucket" in task.detail else service.state.files.get(file_of(task))


def file_of(task: Task) -> str:
    """The id of the file that the flow works on; "" as long as it has not been made, and when it is in a bucket."""
    made = (step.output["fileId"] for step in task.steps if step.type in {EDIT, PULL} and step.output)
    return task.file_id or next(made, "")


def in_bucket(service: Service, place: Mapping[str, str]) -> Video | None:
    """A file in a bucket, with what is made of it in another; None when the bucket is the emulator's and has no such.

    What other buckets have is made up.
    """
    path = f"/{place['bucket']}/{place['path'].lstrip('/')}"
    own = path.startswith(f"/{service.bucket}/")
    if own and path not in service.storage:
        return None
    md5 = digest(path)
    stored = service.storage[path] if own else Stored(int(md5[8:16], 16) % 100_000_000, md5)
    name = path.rpartition("/")[2]
    folder = f"https://{place['output']}.cos.{place['region']}.myqcloud.com/{place['dir'].strip('/')}"
    return Video(
        id="",
        name=name,
        container=name.rpartition(".")[2],
        folder=folder,
        url=f"{folder}/{name}",
        size=stored.size,
        md5=stored.md5,
        footage=footage(stored.md5, name=name),
        created=0.0,
        updated=0.0,
    )


def _data(service: Service, task: Task) -> Json:
    video = source(service, task)
    data: Json = {
        "vodTaskId": task.id,
        "status": task.status,
        "message": "",
        "errCode": 0,  # of the flow: each sub-task says for itself how it ended
        "fileId": file_of(task),
    }
    if video:
        data["metaData"] = _said("metaData", metadata(video))
    if video and video.drm and "drm" in task.detail and task.status == FINISH:
        data["drm"] = {name: value for name, value in video.drm.items() if name != "encryptType"}
    for step in task.steps:
        if step.type == EDIT:
            data |= {"errCode": step.code, "message": step.message}
        else:
            data.setdefault(LISTS.get(step.type, "processTaskList"), []).append(told(step))
    return data


LISTS = {"Classification": "aIAnalysisList", "Tag": "aIAnalysisList", "Porn": "contentReviewList"}


def told(step: Step) -> Json:
    """A sub-task as events tell of it; an output only when there is one."""
    entry: Json = {
        "taskType": step.type,
        "status": step.status,
        "errCode": step.code,
        "message": "SUCCESS" if step.status == SUCCESS else step.message if step.status == FAIL else "",
        "input": step.input,
    }
    return entry | ({"output": _said(step.type, step.output)} if step.output is not None else {})


def _said(what: str, facts: Json) -> Json:
    """The same without what only GetVideoInfo tells."""
    return {name: value for name, value in facts.items() if name not in UNSAID.get(what, ())}


UNSAID = {
    "metaData": {"floatDuration"},
    "Transcode": {"floatDuration"},
    "AnimatedGraphics": {"bitrate", "size", "md5", "startTime", "endTime"},
    "SampleSnapshot": {"watermarkDefinition"},
    "SnapshotByTimeOffset": {"watermarkDefinition"},
}


KIND = Kind("ProcedureStateChanged", _work, _data)
