"""The library: what is known of a file, its words and tags, its end."""

from typing import Any

import pytest

from tests.emulator.conftest import Caller
from tests.emulator.test_processing import EVERYTHING, processed
from vodworker.api import GetVideoInfo
from vodworker.emulator import Emulator
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
