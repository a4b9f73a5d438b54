"""Serves flows by the name of their template, on sources of every kind, and flows on files in buckets."""

from collections.abc import Sequence

from vodworker.api.action import Action, Reply
from vodworker.api.procedures import FilePiece, ProcessCosMedia, PulledFile, RunProcedure, StreamPiece
from vodworker.api.processing import StartedTask
from vodworker.api.retired import ProcedureStarted, ProcessFileByProcedure
from vodworker.emulator import cutting, library, pull, tasks
from vodworker.emulator.cutting import Piece
from vodworker.emulator.flow import bucket_steps, preset_steps
from vodworker.emulator.procedure import EDIT, in_bucket
from vodworker.emulator.refusal import BAD_FILE, BAD_PROCEDURE, MISSING_FILE, SAME_FLOW, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Json, Step
from vodworker.media import FINISH


async def run_procedure(service: Service, call: RunProcedure) -> StartedTask:
    """Start a flow; what it works on is cut, joined or fetched first, if it is not there as it is."""
    steps = preset_steps(call.procedure, code=BAD_PROCEDURE)
    more: Json = {"procedure": call.procedure}
    file_id, first = "", tuple[Step, ...]()
    if call.input_type == "PullFile" and call.pull:
        library.check_class(service, call.pull.class_id)
        first, more = _fetched(service, call.pull, more)
    elif (pieces := _pieces(service, call)) == [Piece(pieces[0].file_id)]:
        file_id = pieces[0].file_id
        _check_new(service, file_id, call.procedure)
    else:
        for piece in pieces:
            cutting.cut(service.state.files[piece.file_id], piece.start, piece.end)
        name = service.state.files[pieces[0].file_id].name
        first, more = (Step(EDIT, {}),), more | cutting.detail(name, pieces)
    task = tasks.start(
        service,
        "procedure",
        (*first, *steps),
        task_id="procedure",
        file_id=file_id,
        notify=call.notify_mode,
        detail=more,
    )
    return StartedTask(vod_task_id=task.id)


def _fetched(service: Service, source: PulledFile, more: Json) -> tuple[tuple[Step, ...], Json]:
    step = pull.pull_step(source.url, source.file_name, source.file_md5)
    return (step,), more | pull.detail(service.new_file_id(), class_id=source.class_id)


def _pieces(service: Service, call: RunProcedure) -> list[Piece]:
    """The pieces of files that the flow's source is made of, of recordings those that fall into the time."""
    if call.input_type == "SingleFile" and call.file:
        return _of_files(service, call, [call.file])
    if call.input_type == "MultiFile" and call.file_list:
        return _of_files(service, call, call.file_list)
    streams = [call.stream] if call.input_type == "Stream" and call.stream else call.stream_list or ()
    return [piece for stream in streams for piece in _of_stream(service, stream)]


def _of_files(service: Service, call: Action[Reply], files: Sequence[FilePiece]) -> list[Piece]:
    for file in files:
        library.find(service, file.id, call)
    return [Piece(file.id, file.start_time_offset or 0, file.end_time_offset) for file in files]


def _of_stream(service: Service, stream: StreamPiece) -> list[Piece]:
    """A recording ends when its file is made, and began its length before."""
    first, last = stream.start_time_stamp, stream.end_time_stamp
    pieces = list[Piece]()
    for video in library.recordings(service, stream.stream_id):
        began = video.created - video.footage.duration
        start = max(0.0, first - began) if first else 0
        end = last - began if last and last < video.created else None
        if start < video.footage.duration and (end is None or end > start):
            pieces.append(Piece(video.id, start, end))
    if not pieces:
        raise Refusal(MISSING_FILE, f"nothing was recorded of stream {stream.stream_id} in this time")
    return pieces


def _check_new(service: Service, file_id: str, procedure: str) -> None:
    """Refuse a flow that runs on this file already."""
    for task in service.state.tasks.values():
        same = (task.file_id, task.detail.get("procedure")) == (file_id, procedure)
        if same and task.status != FINISH:
            raise Refusal(SAME_FLOW, f"task {task.id} does the same on file {file_id}")


async def process_file_by_procedure(service: Service, call: ProcessFileByProcedure) -> ProcedureStarted:
    """Start a flow on a file. One task does all of it, whatever name it is told by."""
    library.find(service, call.file_id, call)
    if not call.procedure:
        raise Refusal(BAD_PROCEDURE, "procedure is missing")
    steps = preset_steps(call.procedure, code=BAD_PROCEDURE)
    _check_new(service, call.file_id, call.procedure)
    task = tasks.start(
        service,
        "procedure",
        steps,
        task_id=f"{service.settings.app_id}-Procedure",
        file_id=call.file_id,
        detail={"procedure": call.procedure},
    )
    types = {step.type for step in steps}
    return ProcedureStarted(
        procedure_task_id=task.id,
        transcode_task_id=task.id if "Transcode" in types else None,
    )


async def process_cos_media(service: Service, call: ProcessCosMedia) -> StartedTask:
    """Start a flow on a file in a bucket; buckets but the emulator's own are taken on trust."""
    place = {
        "bucket": call.input.bucket,
        "region": call.input.region,
        "path": call.input.path,
        "output": call.output.bucket,
        "dir": call.output.dir,
    }
    if in_bucket(service, place) is None:
        raise Refusal(BAD_FILE, f"{call.input.path} is not in bucket {call.input.bucket}")
    task = tasks.start(
        service,
        "procedure",
        bucket_steps(call),
        task_id=f"{service.settings.app_id}-procedurev2",
        notify=call.task_attribute.notify_mode if call.task_attribute else "Finish",
        detail=place,
    )
    return StartedTask(vod_task_id=task.id)


SERVES: Serves = {
    RunProcedure: run_procedure,
    ProcessFileByProcedure: process_file_by_procedure,
    ProcessCosMedia: process_cos_media,
}
