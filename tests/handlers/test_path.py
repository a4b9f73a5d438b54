"""The shipped handlers at work: a real worker, the real client, the emulated service, in virtual time."""

from typing import Any

import pytest

from vodworker import Context, on
from vodworker.api import ConcatVideo, SourceFile
from vodworker.codes import explain
from vodworker.events import Unknown
from vodworker.router import Router
from vodworker.testing import Stage, sample

pytestmark = pytest.mark.no_cover


def handlers(shipped: Router) -> list[Any]:
    """All of them."""
    return [route.handler for route in shipped.routes.values()]


def made(stage: Stage, file_id: str) -> list[tuple[str, int]]:
    """What was derived from a file."""
    return [(one.type, one.definition) for one in stage.emulator.state.files[file_id].made]


def test_uploads_are_processed_and_followed(stage: Stage, shipped: Router) -> None:
    """Uploads get their versions and cover; what an ill service did not make it makes at last; a bad source is told."""
    good, ill, bad = (stage.upload(name) for name in ("lesson", "flaky-30010", "fail-45089"))
    recording = stage.upload("talk", source_type="Record")
    options = {"process_upload": {"templates": [210, 20], "cover": 10, "sources": ["ServerUpload"]}}

    entries = stage.work(*handlers(shipped), options=options, seconds=600)

    whole = [("Transcode", 210), ("Transcode", 20), ("CoverBySnapshot", 10)]
    assert [whole, whole, whole[2:], []] == [made(stage, file_id) for file_id in (good, ill, bad, recording)]
    assert [3, 1] == [stage.emulator.audit.arrivals(action) for action in ("ProcessFile", "RedoTask")]
    (dead,) = [entry for entry in entries if entry["state"] != "done"]
    assert ("follow_procedure", "dead", bad) == (dead["handler"], dead["state"], dead["key"])
    assert explain(-45089).cause in dead["why"]


def test_joined_file_is_published(stage: Stage, shipped: Router) -> None:
    """A file that was joined from others has the name, the class and the tags of the options, and is not transcoded."""

    @on(Unknown)
    async def join(event: Unknown, ctx: Context) -> None:
        sources = [SourceFile(file_id=file_id) for file_id in event.data["files"]]
        await ctx.vod.call(ConcatVideo(src_file_list=sources, name="joined", dst_type=["mp4", "m3u8"]))

    files = [stage.video("one"), stage.video("two")]
    stage.emit(sample(Unknown, files=files))
    options = {"publish_concat": {"name": "best of ({type})", "class_id": 0, "tags": ["best", "joined"]}}

    entries = stage.work(*handlers(shipped), join, options=options)

    joined = [file for file in stage.emulator.state.files.values() if file.id not in files]
    expected = [("best of (mp4)", ("best", "joined")), ("best of (m3u8)", ("best", "joined"))]
    assert expected == [(file.name, file.tags) for file in joined]
    assert {"done"} == {entry["state"] for entry in entries}
    assert 0 == stage.emulator.audit.arrivals("ProcessFile")
