"""The shipped handlers at work: a real worker, the real client, the emulated service, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.worker.conftest import World
from vodworker import Context, on
from vodworker.api import ConcatVideo, SourceFile
from vodworker.codes import explain
from vodworker.emulator import Emulator, Settings
from vodworker.events import Unknown
from vodworker.journal.port import Filter
from vodworker.router import Router
from vodworker.testing import in_virtual_time
from vodworker.worker import Rules


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    """An emulator, and a journal."""
    async with Emulator.serve(settings=Settings(speed=60)) as emulator:
        yield World(emulator, tmp_path / "journal.db")


def upload(it: World, name: str, source: str = "ServerUpload") -> str:
    """Let a video of this name be there, and tell of it; its file id."""
    file_id = it.video(name)
    it.emulator.emit({"eventType": "NewFileUpload", "data": {"fileId": file_id, "sourceType": source}})
    return file_id


async def work(it: World, shipped: Router, options: dict[str, dict[str, Any]], *more: Any) -> list[dict[str, Any]]:
    """Run the shipped handlers, and others, until all is long done; the entries, oldest first."""
    handlers = [route.handler for route in shipped.routes.values()]
    async with it.worker(*handlers, *more, rules=Rules(options=options)):
        await asyncio.sleep(60)
    async with it.journal() as store:
        return (await store.list(Filter(limit=1000)))[::-1]


def made(it: World, file_id: str) -> list[tuple[str, int]]:
    """What was derived from a file."""
    return [(one.type, one.definition) for one in it.emulator.service.state.files[file_id].made]


def test_uploads_are_processed_and_followed(tmp_path: Path, shipped: Router) -> None:
    """Uploads get their versions and cover; what an ill service did not make it makes at last; a bad source is told."""

    @in_virtual_time
    async def scenario() -> None:
        async with world(tmp_path) as it:
            good = upload(it, "lesson")
            ill = upload(it, "flaky-30010")
            bad = upload(it, "fail-45089")
            recording = upload(it, "talk", source="Record")
            options = {"process_upload": {"templates": [210, 20], "cover": 10, "sources": ["ServerUpload"]}}
            entries = await work(it, shipped, options)

            whole = [("Transcode", 210), ("Transcode", 20), ("CoverBySnapshot", 10)]
            assert [whole, whole, whole[2:], []] == [made(it, file_id) for file_id in (good, ill, bad, recording)]
            assert [3, 1] == [it.emulator.audit.arrivals(action) for action in ("ProcessFile", "RedoTask")]
            (dead,) = [entry for entry in entries if entry["state"] != "done"]
            assert ("follow_procedure", "dead", bad) == (dead["handler"], dead["state"], dead["key"])
            assert explain(-45089).cause in dead["why"]

    scenario()


def test_joined_file_is_published(tmp_path: Path, shipped: Router) -> None:
    """A file that was joined from others has the name, the class and the tags of the options, and is not transcoded."""

    @on(Unknown)
    async def join(event: Unknown, ctx: Context) -> None:
        sources = [SourceFile(file_id=file_id) for file_id in event.data["files"]]
        await ctx.vod.call(ConcatVideo(src_file_list=sources, name="joined", dst_type=["mp4", "m3u8"]))

    @in_virtual_time
    async def scenario() -> None:
        async with world(tmp_path) as it:
            files = [it.video("one"), it.video("two")]
            it.emulator.emit({"eventType": "Join", "data": {"files": files}})
            options = {"publish_concat": {"name": "best of ({type})", "class_id": 0, "tags": ["best", "joined"]}}
            entries = await work(it, shipped, options, join)

            joined = [file for file in it.emulator.service.state.files.values() if file.id not in files]
            expected = [("best of (mp4)", ("best", "joined")), ("best of (m3u8)", ("best", "joined"))]
            assert expected == [(file.name, file.tags) for file in joined]
            assert {"done"} == {entry["state"] for entry in entries}
            assert 0 == it.emulator.audit.arrivals("ProcessFile")

    scenario()
