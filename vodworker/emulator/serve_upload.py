"""Serves uploads: a place in the store is promised, and what was sent there becomes a file of the library."""

import re
from dataclasses import replace

from vodworker.api.upload import (
    ApplyUpload,
    CommittedUpload,
    CommitUpload,
    MultiPullVodFile,
    Pull,
    PullTask,
    PullTasks,
    StoragePlace,
    StoredFile,
    UploadSession,
)
from vodworker.emulator import library, pull, tasks
from vodworker.emulator.flow import preset_steps
from vodworker.emulator.footage import footage
from vodworker.emulator.refusal import MISSING_OBJECT, NO_WATERMARK, SESSION_KEY, TOO_MANY_PULLS, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Step, Upload
from vodworker.media import FINISH

MEMORY = 24 * 3600.0  # how long a session may be committed: a choice, facts are silent


async def apply_upload(service: Service, call: ApplyUpload) -> UploadSession:
    """Promise a place for the video, and one for the cover if there is to be one."""
    if call.procedure:
        preset_steps(call.procedure)  # a name that is not known is refused now, not after the bytes
    _forget(service)
    file_id = service.new_file_id()
    folder = service.folder(file_id)
    signed = service.settings.signed_places
    upload = Upload(
        key=service.secret(),
        file_id=file_id,
        name=call.video_name or f"{file_id}.{call.video_type}",
        container=call.video_type,
        video_path=f"{folder}/f0.{call.video_type}",
        video_signature=service.secret() if signed else "",
        cover_path=f"{folder}/cover.{call.cover_type}" if call.cover_type else "",
        cover_signature=service.secret() if signed and call.cover_type else "",
        procedure=call.procedure or "",
        applied=service.clock.now(),
    )
    service.state.uploads[upload.key] = upload
    cover = StoragePlace(storage_path=upload.cover_path, storage_signature=upload.cover_signature or None)
    return UploadSession(
        video=StoragePlace(storage_path=upload.video_path, storage_signature=upload.video_signature or None),
        cover=cover if call.cover_type else None,
        storage_app_id=str(service.settings.app_id),
        storage_bucket=service.bucket,
        storage_region="gzp",
        storage_region_v5="ap-guangzhou",
        vod_session_key=upload.key,
    )


async def commit_upload(service: Service, call: CommitUpload) -> CommittedUpload:
    """Make a file of what was sent. A session that is committed again gets the same answer, and no other event."""
    upload = service.state.uploads.get(call.vod_session_key)
    if upload is None:
        raise Refusal(SESSION_KEY, "this vodSessionKey was not given out, or not within a day")
    for path in filter(None, (upload.video_path, upload.cover_path)):
        if path not in service.storage:
            raise Refusal(MISSING_OBJECT, f"{path} was not uploaded")
    if not upload.committed:
        service.state.uploads[upload.key] = replace(upload, committed=True)
        _enter(service, upload)
    url = f"{service.origin}{upload.video_path}"
    cover = StoredFile(url=f"{service.origin}{upload.cover_path}") if upload.cover_path else None
    return CommittedUpload(file_id=upload.file_id, video=StoredFile(url=url), cover=cover)


def _enter(service: Service, upload: Upload) -> None:
    stored = service.storage[upload.video_path]
    recorded = RECORDED.search(upload.name)
    stream = recorded[1] if recorded else ""
    video = library.add(
        service,
        name=upload.name,
        container=upload.container,
        size=stored.size,
        md5=stored.md5,
        shows=footage(stored.md5, name=upload.name),
        file_id=upload.file_id,
        cover=f"{service.origin}{upload.cover_path}" if upload.cover_path else "",
        stream=stream,
    )
    told = {
        "fileId": video.id,
        "fileName": video.name,
        "fileUrl": video.url,
        "coverUrl": video.cover,
        "author": "",
        "sourceType": "Record" if stream else "ServerUpload",
        "sourceContext": "",
        "streamId": stream,
    }
    if upload.procedure:
        steps = preset_steps(upload.procedure)
        task_id = f"{service.settings.app_id}-mango"
        told["procedureTaskId"] = tasks.start(service, "procedure", steps, task_id=task_id, file_id=video.id).id
    service.emit("NewFileUpload", told)


RECORDED = re.compile(r"record-(\w{1,64})")  # there is no live system here: a file with such a name is its recording


def _forget(service: Service) -> None:
    """Drop the sessions that are too old to be committed; the oldest are in front."""
    horizon, uploads = service.clock.now() - MEMORY, service.state.uploads
    while uploads and (oldest := next(iter(uploads.values()))).applied < horizon:
        del uploads[oldest.key]


async def multi_pull_vod_file(service: Service, call: MultiPullVodFile) -> PullTasks:
    """Start a task for each file, all of them or none."""
    for one in call.pullset:
        library.check_class(service, one.class_id)
        if one.watermark and not service.state.watermark_templates:
            raise Refusal(NO_WATERMARK, "a watermark is asked for, and there is none")
    running = sum(task.kind == "pull" and task.status != FINISH for task in service.state.tasks.values())
    if running + len(call.pullset) > PULLS:
        raise Refusal(TOO_MANY_PULLS, f"{running} files are being pulled, and {PULLS} at once is all")
    return PullTasks(data=tuple(_pulled(service, one) for one in call.pullset))


PULLS = 1000  # at once: the service has such a limit, and does not say which


def _pulled(service: Service, one: Pull) -> PullTask:
    file_id = service.new_file_id()
    steps: tuple[Step, ...] = (pull.pull_step(one.url, one.file_name, one.file_md5),)
    if one.screenshot and not one.transcode:
        steps = (*steps, Step("SampleSnapshot", {"definition": 10}))
    detail = pull.detail(file_id, class_id=one.class_id, tags=tuple(one.tags or ()))
    if one.transcode:
        detail["then"] = {"screenshot": one.screenshot, "watermark": one.watermark}
    task = tasks.start(service, "pull", steps, task_id="pull", file_id=file_id, detail=detail)
    return PullTask(source_url=one.url, file_id=file_id, file_name=one.file_name, vod_task_id=task.id)


SERVES: Serves = {
    ApplyUpload: apply_upload,
    CommitUpload: commit_upload,
    MultiPullVodFile: multi_pull_vod_file,
}
