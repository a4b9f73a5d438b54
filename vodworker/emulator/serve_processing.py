"""Serves the actions that make something of a file: each starts a task, whose event tells what came of it."""

from vodworker.api.action import Action, Reply
from vodworker.api.processing import (
    ClipVideo,
    ConcatVideo,
    ConvertVodFile,
    CreateImageSprite,
    CreateSnapshotByTimeOffset,
    ProcessFile,
    StartedTask,
)
from vodworker.emulator import cutting, library, tasks
from vodworker.emulator.cutting import Piece
from vodworker.emulator.flow import asked_steps
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.single import coding_steps
from vodworker.emulator.state import Step


async def process_file(service: Service, call: ProcessFile) -> StartedTask:
    """Start a flow with a sub-task for everything that is asked for."""
    library.find(service, call.file_id, call)
    task = tasks.start(
        service,
        "procedure",
        asked_steps(call),
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
        detail=cutting.detail(call.name, [Piece(source.file_id) for source in call.src_file_list]),
    )
    return StartedTask(vod_task_id=task.id)


async def clip_video(service: Service, call: ClipVideo) -> StartedTask:
    """Start cutting a piece out; the new file comes with the event."""
    piece = Piece(call.file_id, call.start_time_offset, call.end_time_offset)
    cutting.cut(library.find(service, call.file_id, call), piece.start, piece.end)
    task = tasks.start(
        service,
        "clipVideo",
        (Step("Clip", {"fileType": "mp4"}),),
        task_id="clipVideo",
        detail=cutting.detail(call.new_file_name, [piece]),
    )
    return StartedTask(vod_task_id=task.id)


async def convert_vod_file(service: Service, call: ConvertVodFile) -> StartedTask:
    """Start transcoding by the account's settings."""
    steps = coding_steps(screenshot=bool(call.screenshot), watermark=bool(call.watermark))
    return _on_file(service, call, call.file_id, "transcode", "transcode", *steps)


async def create_snapshot_by_time_offset(service: Service, call: CreateSnapshotByTimeOffset) -> StartedTask:
    """Start taking screenshots."""
    step = Step("SnapshotByTimeOffset", {"definition": call.definition, "timeOffset": list(call.time_offset)})
    return _on_file(service, call, call.file_id, "createSnapshotByTimeOffset", "CreateSnapshotByTimeOffset", step)


async def create_image_sprite(service: Service, call: CreateImageSprite) -> StartedTask:
    """Start making sprites."""
    step = Step("ImageSprites", {"definition": call.definition})
    return _on_file(service, call, call.file_id, "createImageSprite", "CreateImageSprite", step)


def _on_file(service: Service, call: Action[Reply], file_id: str, kind: str, task_id: str, *steps: Step) -> StartedTask:
    library.find(service, file_id, call)
    return StartedTask(vod_task_id=tasks.start(service, kind, steps, task_id=task_id, file_id=file_id).id)


SERVES: Serves = {
    ProcessFile: process_file,
    ConcatVideo: concat_video,
    ClipVideo: clip_video,
    ConvertVodFile: convert_vod_file,
    CreateSnapshotByTimeOffset: create_snapshot_by_time_offset,
    CreateImageSprite: create_image_sprite,
}
