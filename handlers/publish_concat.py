"""Give joined files a name, a class and tags.

    [handlers.options.publish_concat]
    name = "{date} highlights"  # {date}, {task} (its id), {type} (mp4, m3u8); else its name stays
    class_id = 12               # the class that it goes to; else its class stays
    tags = ["joined", "daily"]  # letters, digits and Chinese characters, at most 8 in one; none unless they are given

A join can make several files, one of each type, and each can fail on its own: what there is is published, and what
failed makes the event dead with the reason. All calls here can be repeated freely, so another try does no harm.
"""

from datetime import UTC, datetime

from pydantic import BaseModel

from vodworker import Context, Done, Outcome, Reject, on
from vodworker.api import CreateVodTags, ModifyVodInfo
from vodworker.codes import explain
from vodworker.events import ConcatComplete


class Options(BaseModel, frozen=True):
    """What can be set."""

    name: str | None = None
    class_id: int | None = None
    tags: tuple[str, ...] = ()


@on(ConcatComplete, options=Options)
async def publish_concat(event: ConcatComplete, ctx: Context[Options]) -> Outcome:
    """Every file that was made is published, whatever became of the others."""
    options = ctx.options
    today = datetime.now(UTC).astimezone().date()  # where this machine stands; the event carries no time
    failed: list[str] = []
    for file in event.file_info:
        if file.failed or not file.file_id:
            failed.append(f"{file.file_type}: {file.message or explain(file.status or 0).cause} (code {file.status})")
            continue
        name = options.name and options.name.format(date=today, task=event.vod_task_id, type=file.file_type)
        if name or options.class_id is not None:
            await ctx.vod.call(ModifyVodInfo(file_id=file.file_id, file_name=name, class_id=options.class_id))
        if options.tags:
            await ctx.vod.call(CreateVodTags(file_id=file.file_id, tags=options.tags))
        ctx.log.info("concat.published", file_id=file.file_id, type=file.file_type, name=name, tags=options.tags)
    if event.failed and not failed:
        failed.append(f"{event.message or 'nothing was made'} (code {event.status})")
    return Reject("; ".join(failed)) if failed else Done()
