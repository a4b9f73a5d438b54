"""Transcode every new upload, once for each template, and give it a cover.

    [handlers.options.process_upload]
    templates = [210, 220]      # what to make: 210 and 220 are HLS, 320 and 640 pixels wide
    watermark = 1               # the watermark template to put on; none unless it is given
    cover = 10                  # make the picture at so many per cent of the video its cover; not unless it is given
    skip_procedure = true       # leave alone what was uploaded with a procedure of its own, which is at work already
    sources = ["ClientUpload", "ServerUpload"]  # only what came so, no recordings (Record); all unless it is given

What ConcatVideo and ClipVideo make does not come here, and is so not transcoded again: the service announces it in
ConcatComplete and ClipComplete. A file that it pulled comes in PullComplete.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from vodworker import Context, Done, Outcome, Reject, on
from vodworker.api import CoverBySnapshot, ProcessFile, Transcode
from vodworker.events import NewFileUpload


class Options(BaseModel, frozen=True):
    """What can be set."""

    templates: Annotated[tuple[int, ...], Field(min_length=1)] = (210, 220)
    watermark: int | None = None
    cover: Annotated[int | None, Field(ge=0, le=100)] = None
    skip_procedure: bool = True
    sources: frozenset[str] | None = None


@on(NewFileUpload, options=Options)
async def process_upload(event: NewFileUpload, ctx: Context[Options]) -> Outcome:
    """One task makes all outputs, so that there is one event at their end."""
    options = ctx.options
    if event.status or not event.file_id:
        return Reject(f"an upload without a file: {event.message or 'no message'} (status {event.status})")
    at_work = event.procedure_task_id or event.transcode_task_id
    if (options.skip_procedure and at_work) or (options.sources and event.source_type not in options.sources):
        ctx.log.info("upload.skipped", source=event.source_type, task_id=at_work)
        return Done()
    task = await ctx.vod.call(
        ProcessFile(
            file_id=event.file_id,
            transcode=Transcode(definition=options.templates, watermark=options.watermark),
            cover_by_snapshot=None
            if options.cover is None
            else CoverBySnapshot(definition=10, position_type="Percent", position=options.cover),
        ),
        once="process",  # an upload is processed once, even when the options change between two tries
    )
    ctx.log.info("upload.processing", task_id=task.vod_task_id)
    return Done()
