"""Tasks of one purpose on one file: transcoding by the account's settings, screenshots at given times, sprites."""

from vodworker.emulator.kind import Kind, ended, usable
from vodworker.emulator.library import plays
from vodworker.emulator.making import make
from vodworker.emulator.service import Service
from vodworker.emulator.state import Json, Step, Task

CONSOLE = (20, 30, 220)  # the account's settings: transcoding templates that are chosen in the console
BEHIND_THE_END = -46204  # what the service says of a screenshot that cannot be taken, in a sample and in no table


def coding_steps(*, screenshot: bool, watermark: bool) -> tuple[Step, ...]:
    """The sub-tasks of transcoding by the account's settings."""
    more = {"watermark": 1} if watermark else {}
    codings = tuple(Step("Transcode", {"definition": number, **more}) for number in CONSOLE)
    return (*codings, Step("SampleSnapshot", {"definition": 10})) if screenshot else codings


def _work(service: Service, task: Task, step: Step) -> Json:
    [video] = usable(task, step, [service.state.files.get(task.file_id)])
    return make(service, video, step)


def _transcoded(service: Service, task: Task) -> Json:
    data = {**ended(task), "fileId": task.file_id}
    video = service.state.files.get(task.file_id)
    if data["status"] or video is None:
        return data
    return data | {
        "fileName": video.name,
        "duration": int(video.footage.duration),
        "coverUrl": video.cover,
        "playSet": plays(video),
    }


def _snapshots(_: Service, task: Task) -> Json:
    [step] = task.steps
    taken = {one["timeOffset"]: one["url"] for one in step.output["imgInfo"]} if step.output else {}
    pictures = [
        {"status": 0, "timeOffset": offset, "url": taken[offset]}
        if offset in taken
        else {"status": step.code or BEHIND_THE_END, "timeOffset": offset}
        for offset in step.input["timeOffset"]
    ]
    return {
        "vodTaskId": task.id,
        "fileId": task.file_id,
        "definition": step.input["definition"],
        "picInfo": pictures,
    }


def _sprites(_: Service, task: Task) -> Json:
    [step] = task.steps
    data = {**ended(task), "fileId": task.file_id}
    if step.output is None:
        return data
    return data | {
        "definition": step.input["definition"],
        "totalCount": step.output["totalCount"],
        "imageSpriteUrl": step.output["urlList"],
        "webVttUrl": step.output["webVttUrl"],
    }


TRANSCODE = Kind("TranscodeComplete", _work, _transcoded)
SNAPSHOTS = Kind("CreateSnapshotByTimeOffsetComplete", _work, _snapshots)
SPRITE = Kind("CreateImageSpriteComplete", _work, _sprites)
