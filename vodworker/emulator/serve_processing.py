"""Serves the actions that make something of a file: each starts a task, whose event tells what came of it."""

from vodworker.api.processing import ConcatVideo, ProcessFile, StartedTask
from vodworker.emulator import library, procedure, tasks
from vodworker.emulator.refusal import PARAMETER, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Step


async def process_file(service: Service, call: ProcessFile) -> StartedTask:
    """Start a flow with a sub-task for everything that is asked for."""
    library.find(service, call.file_id, call)
    steps = procedure.steps(call)
    if not steps:
        raise Refusal(PARAMETER, "no sub-task is asked for")
    task = tasks.start(
        service,
        "procedure",
        steps,
        task_id=f"{service.settings.app_id}-Procedure",
        file_id=call.file_id,
        notify=call.notify_mode,
        detail={"drm": call.transcode.drm.definition} if call.transcode and call.transcode.drm else {},
    )
    return StartedTask(vod_task_id=task.id)


async def concat_video(service: Service, call: ConcatVideo) -> StartedTask:
    """Start joining files; the new ones come with the event."""
    for source in call.src_file_list:
        library.find(service, source.file_id, call)
    task = tasks.start(
        service,
        "concat",
        tuple(Step("Concat", {"fileType": kind}) for kind in dict.fromkeys(call.dst_type)),
        task_id="concat",
        detail={"name": call.name, "sources": [source.file_id for source in call.src_file_list]},
    )
    return StartedTask(vod_task_id=task.id)


SERVES: Serves = {ProcessFile: process_file, ConcatVideo: concat_video}
