"""Joining files into new ones, one for each container that is asked for."""

from vodworker.emulator.footage import digest, joined
from vodworker.emulator.kind import Kind, failed, succeeded, trouble
from vodworker.emulator.library import add
from vodworker.emulator.service import Service
from vodworker.emulator.state import Json, Step, Task

UNLIKE = -47301  # the code for sources whose pictures differ in size


def _work(service: Service, task: Task, step: Step) -> Step:
    sources: list[str] = task.detail["sources"]
    if bad := trouble(service, task, step, *sources):
        return bad
    videos = [service.state.files[source] for source in sources]
    if len({(video.footage.width, video.footage.height) for video in videos}) > 1:
        return failed(step, UNLIKE, "the sources' pictures differ in size")
    video = add(
        service,
        name=task.detail["name"],
        container=step.input["fileType"],
        size=sum(video.size for video in videos),
        md5=digest(task.id, step.input["fileType"], *(video.md5 for video in videos)),
        shows=joined([video.footage for video in videos]),
    )
    return succeeded(step, {"fileId": video.id, "fileUrl": video.url})


def _data(_: Service, task: Task) -> Json:
    codes = [step.code for step in task.steps if step.code]
    return {
        "vodTaskId": task.id,
        "status": codes[0] if codes else 0,
        "message": next((step.message for step in task.steps if step.code), ""),
        "fileInfo": [told(step) for step in task.steps],
    }


def told(step: Step) -> Json:
    """A new file as events tell of it: what was asked, how it ended, and where it is."""
    return {"fileType": step.input["fileType"], "status": step.code, "message": step.message, **(step.output or {})}


KIND = Kind("ConcatComplete", _work, _data)
