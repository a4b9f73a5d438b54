"""The library: what is known of a file, its words and tags, its end."""

from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import Caller, account
from tests.emulator.test_processing import EVERYTHING, processed
from vodworker.api import GetVideoInfo
from vodworker.emulator import Emulator, Settings
from vodworker.emulator.state import Category

PARTS = {
    "basicInfo",
    "metaData",
    "drm",
    "transcodeInfo",
    "animatedGraphicsInfo",
    "sampleSnapshotInfo",
    "imageSpriteInfo",
    "snapshotByTimeOffsetInfo",
    "keyFrameDescInfo",
    "aiAnalysisInfo",
    "contentReviewInfo",
}


async def info(call: Caller, file_id: str, **own: object) -> dict[str, Any]:
    """What is known of a file: the parts of the reply."""
    reply = await call.good("GetVideoInfo", fileId=file_id, **own)
    return {name: part for name, part in reply.items() if name not in {"code", "message", "codeDesc"}}


async def test_new_file_has_basic_info_and_metadata(emulator: Emulator, call: Caller) -> None:
    """Of a file of which nothing was made only its basic information and its metadata are told."""
    file_id = await call.upload("a.mp4", b"bytes", coverType="jpg")
    video = emulator.state.files[file_id]

    told = await info(call, file_id)

    assert {"basicInfo", "metaData"} == set(told)
    assert {
        "name": "a.mp4",
        "size": 5,
        "duration": int(video.footage.duration),
        "description": "",
        "status": "normal",
        "createTime": int(video.created),
        "updateTime": int(video.updated),
        "classificationId": 0,
        "classificationName": "其他",
        "playerId": 0,
        "coverUrl": video.cover,
        "type": "mp4",
        "sourceVideoUrl": video.url,
    } == told["basicInfo"]
    assert ("mp4", 5, 5) == tuple(told["metaData"][name] for name in ("container", "size", "totalSize"))


async def test_what_flows_made_is_told(emulator: Emulator, call: Caller) -> None:
    """After a flow each of its results is told in its part, with the template that made it, and the cover is set."""
    file_id = await call.upload("a.mp4")
    await call.good("AddKeyFrameDesc", fileId=file_id, keyFrameDesc=[{"timeOffset": 1, "content": "x"}])
    data = await processed(call, file_id, **EVERYTHING)
    steps = {step["taskType"]: step["output"] for step in data["processTaskList"]}

    told = await info(call, file_id)

    assert set(told) == PARTS
    assert [0, 210, 20, 10000] == [one["definition"] for one in told["transcodeInfo"]["transcodeList"]]
    assert steps["AnimatedGraphics"]["url"] == told["animatedGraphicsInfo"]["animatedGraphicsList"][0]["url"]
    assert steps["SampleSnapshot"]["imageUrls"] == told["sampleSnapshotInfo"][0]["imageUrls"]
    assert steps["ImageSprites"]["urlList"] == told["imageSpriteInfo"]["imageSpriteList"][0]["imageUrls"]
    assert [{**picture, "watermarkDefinition": []} for picture in steps["SnapshotByTimeOffset"]["imgInfo"]] == told[
        "snapshotByTimeOffsetInfo"
    ]["snapshotByTimeOffsetList"][0]["picInfoList"]
    assert {"classificationList", "tagList"} == set(told["aiAnalysisInfo"])
    assert "pass" == told["contentReviewInfo"]["pornList"][0]["suggestion"]
    assert ("SingleKey", 10) == (told["drm"]["encryptType"], told["drm"]["definition"])
    assert steps["CoverBySnapshot"]["imageUrl"] == told["basicInfo"]["coverUrl"]


async def test_info_fits_its_declaration(call: Caller) -> None:
    """Everything that is told of a file is read by the declared reply, and nothing is left over."""
    file_id = await call.upload("a.mp4")
    await processed(call, file_id, **EVERYTHING)

    reply = GetVideoInfo.reply.model_validate(await call.good("GetVideoInfo", fileId=file_id))

    assert {} == reply.model_extra
    assert reply.model_fields_set >= {"basic_info", "drm", "transcode_info", "ai_analysis_info"}


async def test_same_template_again_replaces_what_it_made(call: Caller) -> None:
    """A flow that is run again with the same template replaces what the first made."""
    file_id = await call.upload("a.mp4")
    for _ in range(2):
        await processed(call, file_id, transcode={"definition": [20]})

    told = await info(call, file_id, infoFilter=["transcodeInfo"])

    assert [0, 20] == [one["definition"] for one in told["transcodeInfo"]["transcodeList"]]


async def test_filter_chooses_parts(call: Caller) -> None:
    """With a filter only the parts that it names are told, if there is something to tell."""
    file_id = await call.upload("a.mp4")

    assert {"metaData"} == set(await info(call, file_id, infoFilter=["metaData", "drm"]))


async def test_file_is_changed_as_asked(emulator: Emulator, call: Caller) -> None:
    """ModifyVodInfo changes what is given and nothing else; -1 takes a file's end away again."""
    file_id = await call.upload("a.mp4")
    emulator.state.classes[7] = Category(7, "课堂")
    await call.good("ModifyVodInfo", fileId=file_id, fileName="b", classId=7, expireTimeStamp=4000000000)
    first = (await info(call, file_id))["basicInfo"]
    await call.good("ModifyVodInfo", fileId=file_id, fileIntro="words", expireTimeStamp=-1)
    second = (await info(call, file_id))["basicInfo"]

    names = ("name", "description", "classificationId", "classificationName", "expireTime")
    assert ("b", "", 7, "课堂", 4000000000) == tuple(first[name] for name in names)
    assert ("b", "words", 7, "课堂", None) == tuple(second.get(name) for name in names)


async def test_tags_are_added_and_taken_off(emulator: Emulator, call: Caller) -> None:
    """A tag is on a file once; taking off one that it does not have changes nothing."""
    file_id = await call.upload("a.mp4")
    await call.good("CreateVodTags", fileId=file_id, tags=["a", "期末"])
    await call.good("CreateVodTags", fileId=file_id, tags=["b", "a"])
    await call.good("DeleteVodTags", fileId=file_id, tags=["a", "c"])

    assert ("期末", "b") == emulator.state.files[file_id].tags


async def test_deleted_file_is_gone_with_its_bytes(emulator: Emulator, call: Caller) -> None:
    """A deleted file is unknown from then on, its bytes are gone, and an event tells of it."""
    file_id = await call.upload("a.mp4")
    url = emulator.state.files[file_id].url
    await call.good("DeleteVodFile", fileId=file_id, priority=0)
    _, event = await call.events(2)

    assert 10008 == (await call("GetVideoInfo", fileId=file_id))["code"]
    assert ("FileDeleted", [{"fileId": file_id}]) == (event["eventType"], event["data"]["fileInfo"])
    async with call.http.get(url) as response:
        assert 404 == response.status
    assert [] == list(emulator.service.storage.folder.iterdir())


@pytest.mark.parametrize(
    "action, own, code",
    [
        ("GetVideoInfo", {}, 10008),
        ("ModifyVodInfo", {}, 10008),
        ("CreateVodTags", {"tags": ["a"]}, 10008),
        ("DeleteVodTags", {"tags": ["a"]}, 10008),
        ("DeleteVodFile", {"priority": 0}, 10009),
        ("CreateVodTags", {"tags": ["longer than eight"]}, 1000),
        ("CreateVodTags", {}, 4000),
    ],
)
async def test_missing_file_and_bad_value_have_the_actions_code(
    call: Caller, action: str, own: dict[str, object], code: int
) -> None:
    """A file that does not exist, a bad value and a missing one are refused with the codes that the action knows."""
    assert code == (await call(action, fileId="1", **own))["code"]


async def test_unknown_class_is_refused(call: Caller) -> None:
    """A file cannot go to a class that does not exist."""
    assert 1000 == (await call("ModifyVodInfo", fileId=await call.upload("a.mp4"), classId=7))["code"]


async def marks(call: Caller, file_id: str) -> list[tuple[int, str]]:
    """The marks in a file."""
    told = await info(call, file_id, infoFilter=["keyFrameDescInfo"])
    return [
        (mark["timeOffset"], mark["content"]) for mark in told.get("keyFrameDescInfo", {}).get("keyFrameDescList", [])
    ]


async def test_marks_are_set_and_taken_out(call: Caller) -> None:
    """Marks are told in their order with their words URL-encoded; one takes the place of another at its time."""
    file_id = await call.upload("a.mp4")
    frames = [{"timeOffset": 2000, "content": "期末 a&b"}, {"timeOffset": 1000, "content": "old"}]
    await call.good("AddKeyFrameDesc", fileId=file_id, keyFrameDesc=frames)
    await call.good("AddKeyFrameDesc", fileId=file_id, keyFrameDesc=[{"timeOffset": 1000, "content": "new"}])
    both = await marks(call, file_id)
    await call.good("DeleteKeyFrameDesc", fileId=file_id, keyFrameDescTimeOffset=[1000, 5])
    one = await marks(call, file_id)
    await call.good("DeleteKeyFrameDesc", fileId=file_id)

    assert [(1000, "new"), (2000, "%E6%9C%9F%E6%9C%AB%20a%26b")] == both
    assert [(2000, "%E6%9C%9F%E6%9C%AB%20a%26b")] == one
    assert [] == await marks(call, file_id)


async def test_file_has_a_hundred_marks(call: Caller) -> None:
    """A file can have 100 marks in all: one more is refused, one in the place of another is not."""
    file_id = await call.upload("a.mp4")
    hundred = [{"timeOffset": at, "content": "x"} for at in range(100)]
    await call.good("AddKeyFrameDesc", fileId=file_id, keyFrameDesc=hundred)

    assert [1000, 0] == [
        (await call("AddKeyFrameDesc", fileId=file_id, keyFrameDesc=[{"timeOffset": at, "content": "y"}]))["code"]
        for at in (100, 99)
    ]


class TestSlowTime:
    """Files that end, on a clock that the test moves."""

    @pytest.fixture
    def settings(self) -> Settings:
        """A clock as fast as the wall's."""
        return Settings(hold=0.01)

    async def test_file_ends_when_its_time_has_come(self, emulator: Emulator, call: Caller) -> None:
        """A file with an end is deleted then, and told; one whose end was put off or taken away stays."""
        ends, later, never = [await call.upload(name) for name in ("a.mp4", "b.mp4", "c.mp4")]
        await call.events(3)
        soon = int(emulator.clock.now()) + 3600
        for file_id in (ends, later, never):
            await call.good("ModifyVodInfo", fileId=file_id, expireTimeStamp=soon)
        await call.good("ModifyVodInfo", fileId=later, expireTimeStamp=soon + 3600)
        await call.good("ModifyVodInfo", fileId=never, expireTimeStamp=-1)
        emulator.clock.advance(3601)
        first = await call.events(1)
        left = set(emulator.state.files)
        emulator.clock.advance(3600)

        assert [[{"fileId": ends}]] == [event["data"]["fileInfo"] for event in first]
        assert {later, never} == left
        assert {never} == set(emulator.state.files)

    async def test_time_that_is_over_ends_a_file_at_once(self, emulator: Emulator, call: Caller) -> None:
        """An end that lies in the past is now."""
        file_id = await call.upload("a.mp4")
        await call.good("ModifyVodInfo", fileId=file_id, expireTimeStamp=1)
        emulator.clock.advance(1)

        assert 10008 == (await call("GetVideoInfo", fileId=file_id))["code"]


async def test_file_ends_after_a_restart_too(tmp_path: Path) -> None:
    """The end of a file is kept with it."""
    file = tmp_path / "state.json"
    async with account(Settings(hold=0.01), file) as call:
        file_id = await call.upload("a.mp4")
        end = int(call.emulator.clock.now()) + 3600
        await call.good("ModifyVodInfo", fileId=file_id, expireTimeStamp=end)
    async with account(Settings(hold=0.01), file) as call:
        there = (await call("GetVideoInfo", fileId=file_id))["code"]
        call.emulator.clock.advance(3601)
        gone = (await call("GetVideoInfo", fileId=file_id))["code"]

    assert (0, 10008) == (there, gone)


@pytest.mark.parametrize("name", ["expireTimeStamp", "classId"])
async def test_number_that_is_too_large_is_refused(call: Caller, name: str) -> None:
    """A number of more than 64 bits is no number that the service knows."""
    reply = await call("ModifyVodInfo", fileId=await call.upload("a.mp4"), **{name: 2**70})

    assert 4000 == reply["code"]
