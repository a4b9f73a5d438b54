"""Tasks of one purpose: clips, transcoding by the account's settings, screenshots, sprites; and how each fails."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.conftest import Caller, account
from vodworker.emulator import Emulator, Settings
from vodworker.emulator.footage import footage, piece
from vodworker.events import ClipComplete, TranscodeComplete, decode


async def ended(call: Caller, action: str, **own: object) -> dict[str, Any]:
    """Call an action that starts a task, and the event that tells its end."""
    task = (await call.good(action, **own))["vodTaskId"]
    while True:
        for event in await call.events(1):
            if event["data"].get("vodTaskId") == task:
                return event


async def test_piece_is_cut_out(emulator: Emulator, call: Caller) -> None:
    """A clip is a new mp4 file with the name that is asked for, as long as the piece, its size in proportion."""
    source = await call.upload("a.flv", bytes(10_000))
    event = await ended(call, "ClipVideo", fileId=source, newFileName="piece", startTimeOffset=1, endTimeOffset=3)
    told = decode(orjson.dumps(event))

    assert isinstance(told, ClipComplete)
    assert told.file_info
    assert (source, False, "mp4") == (told.src_file_id, told.failed, told.file_info.file_type)
    video = emulator.state.files[told.file_info.file_id or ""]
    whole = emulator.state.files[source].footage.duration
    assert ("piece", "mp4", 2.0, told.file_info.file_url) == (
        video.name,
        video.container,
        video.footage.duration,
        video.url,
    )
    assert int(10_000 * 2 / whole) == video.size


@pytest.mark.parametrize(
    "start, end, left", [(2, 10, 8), (2, -5, 93), (0, -10, 90), (2, None, 98), (-10, None, 10), (-200, 500, 100)]
)
def test_times_count_from_either_end(start: float, end: float | None, left: float) -> None:
    """Times below 0 count from the end; what lies outside of the video is not there."""
    whole = footage("md5", name="a.mp4")
    found = piece(type(whole)(100, 640, 360, 25, 1000), start, end)

    assert found
    assert left == found.duration


@given(start=st.integers(-200, 200), end=st.integers(-200, 200) | st.none())
def test_piece_is_never_longer_than_the_video(start: int, end: int | None) -> None:
    """Whatever the times are, a piece has some length, at most the video's, or there is none."""
    whole = footage("md5", name="a.mp4")
    found = piece(whole, start, end)

    assert found is None or 0 < found.duration <= whole.duration


@pytest.mark.parametrize("own", [{"startTimeOffset": 5000}, {"startTimeOffset": 3, "endTimeOffset": 3}])
async def test_empty_piece_is_refused(call: Caller, own: dict[str, int]) -> None:
    """A piece of which nothing is left is refused at once."""
    assert 1000 == (await call("ClipVideo", fileId=await call.upload("a.mp4"), newFileName="n", **own))["code"]


async def test_clip_fails_with_its_source(call: Caller) -> None:
    """A source that is bad on purpose fails the clip, and no file comes of it."""
    event = await ended(call, "ClipVideo", fileId=await call.upload("fail-43001.mp4"), newFileName="n")

    assert -43001 == event["data"]["fileInfo"]["status"]
    assert "fileId" not in event["data"]["fileInfo"]


async def test_file_is_transcoded_by_the_accounts_settings(call: Caller) -> None:
    """All outputs are told in one event, the source among them, and the screenshots that were asked for are there."""
    file_id = await call.upload("a.mp4", coverType="jpg")
    event = await ended(call, "ConvertVodFile", fileId=file_id, isScreenshot=1, isWatermark=1)
    told = decode(orjson.dumps(event))
    info = await call.good("GetVideoInfo", fileId=file_id)

    assert isinstance(told, TranscodeComplete)
    assert (file_id, "a.mp4", info["basicInfo"]["coverUrl"]) == (told.file_id, told.file_name, told.cover_url)
    assert [0, 20, 30, 220] == [one.definition for one in told.play_set]
    assert 10 == len(info["sampleSnapshotInfo"][0]["imageUrls"])
    assert [one.url for one in told.play_set] == [one["url"] for one in info["transcodeInfo"]["transcodeList"]]


async def test_failed_transcoding_tells_little(call: Caller) -> None:
    """When one output fails the event has the code and the two ids, and nothing else."""
    file_id = await call.upload("fail-45089.mp4")
    event = await ended(call, "ConvertVodFile", fileId=file_id)

    assert {"status", "message", "vodTaskId", "fileId"} == set(event["data"])
    assert (-45089, file_id) == (event["data"]["status"], event["data"]["fileId"])


async def test_screenshots_succeed_one_by_one(call: Caller) -> None:
    """A screenshot behind the end of the video fails, those before it are taken and known of the file."""
    file_id = await call.upload("a.mp4")
    event = await ended(
        call, "CreateSnapshotByTimeOffset", fileId=file_id, definition=10, timeOffset=[0, 5000, 86_400_000]
    )
    pictures = event["data"]["picInfo"]
    info = await call.good("GetVideoInfo", fileId=file_id)
    taken = info["snapshotByTimeOffsetInfo"]["snapshotByTimeOffsetList"][0]["picInfoList"]

    assert [(0, 0), (0, 5000), (-46204, 86_400_000)] == [(one["status"], one["timeOffset"]) for one in pictures]
    assert [one.get("url") for one in pictures] == [*(one["url"] for one in taken), None]


async def test_screenshots_of_a_bad_source_fail(call: Caller) -> None:
    """Of a source that is bad on purpose every screenshot fails with its code."""
    file_id = await call.upload("fail-44001.mp4")
    event = await ended(call, "CreateSnapshotByTimeOffset", fileId=file_id, definition=10, timeOffset=[0, 1])

    assert [{"status": -44001, "timeOffset": 0}, {"status": -44001, "timeOffset": 1}] == event["data"]["picInfo"]


async def test_sprites_are_made(call: Caller) -> None:
    """The event of sprites has what GetVideoInfo tells of them; of a bad source, only how it failed."""
    good, bad = await call.upload("a.mp4"), await call.upload("fail-44029.mp4")
    event = await ended(call, "CreateImageSprite", fileId=good, definition=10)
    failed = await ended(call, "CreatImageSprite", fileId=bad, definition=10)  # as the manual's example spells it
    [told] = (await call.good("GetVideoInfo", fileId=good))["imageSpriteInfo"]["imageSpriteList"]

    assert (10, told["totalCount"], told["imageUrls"], told["webVttUrl"]) == tuple(
        event["data"][name] for name in ("definition", "totalCount", "imageSpriteUrl", "webVttUrl")
    )
    assert (-44029, bad) == (failed["data"]["status"], failed["data"]["fileId"])
    assert "imageSpriteUrl" not in failed["data"]


async def test_deleted_file_fails_its_tasks() -> None:
    """A file that goes while its task waits fails it with 10008."""
    async with account(Settings(hold=0.0, seed=1)) as call:
        file_id = await call.upload("a.mp4")
        await call.good("ConvertVodFile", fileId=file_id)
        await call.good("DeleteVodFile", fileId=file_id)
        call.emulator.clock.advance(3600)
        [event] = await call.events(1, type="TranscodeComplete")

    assert 10008 == event["data"]["status"]


async def test_suspicious_file_is_found_by_reviews(call: Caller) -> None:
    """A review finds something in a file whose name begins with `porn-`, and tells where."""
    file_id = await call.upload("porn-1.mp4")
    await call.good("ProcessFile", fileId=file_id, pornReview={"definition": 20})
    await call.events(2)
    [found] = (await call.good("GetVideoInfo", fileId=file_id))["contentReviewInfo"]["pornList"]

    assert ("block", 98.0) == (found["suggestion"], found["confidence"])
    assert [0.0] == [segment["startTimeOffset"] for segment in found["segments"]]
