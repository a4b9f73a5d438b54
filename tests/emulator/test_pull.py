"""Files that the service fetches from addresses."""

from typing import Any

import pytest

from tests.emulator.conftest import Caller, account
from tests.emulator.world import put_picture
from vodworker.emulator import Emulator, Settings

MD5 = "4b3a6218bb3e3a7303e8a171a60fcf92"  # of b"bytes"
GOOD = {"url": "http://example.com/a.flv?b=c", "fileName": "copy"}


async def pulled(call: Caller, **own: object) -> dict[str, Any]:
    """Let a file be pulled; the data of the event that tells the end."""
    [told] = (await call.good("MultiPullVodFile", pullset=[{**GOOD, **own}]))["data"]
    [event] = await call.events(1, type="PullComplete")
    assert (told["file_id"], told["vod_task_id"]) == (event["data"]["fileId"], event["data"]["vodTaskId"])
    return dict(event["data"])


async def test_file_of_elsewhere_is_made_up(emulator: Emulator, call: Caller) -> None:
    """A file from an address that is not the emulator's is made up of the address, always the same."""
    one, two, other = [await pulled(call, url=f"http://example.com/{name}.flv") for name in ("a", "a", "b")]
    videos = [emulator.state.files[data["fileId"]] for data in (one, two, other)]

    assert ("copy", "flv", one["fileUrl"]) == (videos[0].name, videos[0].container, videos[0].url)
    assert videos[0].md5 == videos[1].md5 != videos[2].md5
    assert videos[0].footage == videos[1].footage
    assert "transcodeTaskId" not in one


async def test_file_of_the_emulator_is_fetched(emulator: Emulator, call: Caller) -> None:
    """From an address of the emulator itself the bytes are taken, and stay when the original goes."""
    source = await call.upload("期末.mp4")
    data = await pulled(call, url=emulator.state.files[source].url, fileMd5=MD5.upper())
    await call.good("RedoTask", vodTaskId=data["vodTaskId"])
    await call.events(1, type="PullComplete")
    await call.good("DeleteVodFile", fileId=source)

    assert (5, MD5) == ((video := emulator.state.files[data["fileId"]]).size, video.md5)
    async with call.http.get(data["fileUrl"]) as response:
        assert b"bytes" == await response.read()


@pytest.mark.parametrize(
    "own, status",
    [
        ({"url": "ftp://example.com/a.mp4"}, 30009),
        ({"url": "ORIGIN/nothing.mp4"}, 30009),
        ({"url": "PICTURE", "fileMd5": "0" * 32}, 30009),
        ({"fileName": "fail-43001"}, -43001),
        ({"url": "http://example.com/fail-47400.mp4"}, -47400),
    ],
)
async def test_file_that_cannot_be_fetched_is_told(call: Caller, own: dict[str, str], status: int) -> None:
    """An address that leads nowhere, an MD5 that differs, or a name that asks for it fails the pull: no file comes."""
    url = own.get("url", GOOD["url"]).replace("ORIGIN", call.emulator.origin)
    data = await pulled(call, **own | {"url": await put_picture(call) if url == "PICTURE" else url})

    assert status == data["status"]
    assert "fileUrl" not in data
    assert 10008 == (await call("GetVideoInfo", fileId=data["fileId"]))["code"]


async def test_pulled_file_is_sorted_and_transcoded(emulator: Emulator, call: Caller) -> None:
    """A file goes to its class with its tags; its transcoding is named in the event, and ends in another."""
    class_id = int((await call.good("CreateClass", className="课堂"))["newClassId"])
    wanted = {"classId": class_id, "tags": "a,期末", "isTranscode": 1, "isScreenshot": 1}
    await call.good("MultiPullVodFile", pullset=[{**GOOD, **wanted}])
    told, coded = await call.events(2)
    data, video = told["data"], emulator.state.files[told["data"]["fileId"]]

    assert (class_id, ("a", "期末")) == (video.class_id, video.tags)
    assert (data["transcodeTaskId"], data["fileId"]) == (coded["data"]["vodTaskId"], coded["data"]["fileId"])
    assert ["Transcode", "Transcode", "Transcode", "SampleSnapshot"] == [made.type for made in video.made]


async def test_screenshots_alone_are_part_of_the_pull(emulator: Emulator, call: Caller) -> None:
    """Screenshots without transcoding are taken before the pull's event."""
    data = await pulled(call, isScreenshot=1)

    assert ["SampleSnapshot"] == [made.type for made in emulator.state.files[data["fileId"]].made]


async def test_failed_pull_is_not_transcoded(call: Caller) -> None:
    """What was not fetched is not transcoded."""
    data = await pulled(call, fileName="fail-43001", isTranscode=1)

    assert "transcodeTaskId" not in data


async def test_watermark_must_be_there(call: Caller) -> None:
    """Asking for a watermark without having one is refused with 1163."""
    pull = {**GOOD, "isWatermark": 1, "isTranscode": 1}
    early = await call("MultiPullVodFile", pullset=[pull])
    await call.good("CreateWatermarkTemplate", url=await put_picture(call), width="10%")

    assert [1163, 0] == [early["code"], (await call("MultiPullVodFile", pullset=[pull]))["code"]]


async def test_pulls_at_once_are_limited() -> None:
    """More than a thousand pulls under way are refused with 1018, all of a call's files or none."""
    async with account(Settings(queued=3600)) as call:
        fifty = [{**GOOD, "fileName": str(number)} for number in range(50)]
        codes = [(await call("MultiPullVodFile", pullset=fifty))["code"] for _ in range(21)]

        assert [*([0] * 20), 1018] == codes
        assert 1000 == len(call.emulator.state.tasks)


async def test_class_that_goes_meanwhile_is_not_missed() -> None:
    """A file whose class was deleted while it was fetched is in the default class."""
    async with account(Settings(queued=60)) as call:
        class_id = int((await call.good("CreateClass", className="课堂"))["newClassId"])
        [told] = (await call.good("MultiPullVodFile", pullset=[{**GOOD, "classId": class_id}]))["data"]
        await call.good("DeleteClass", classId=class_id)
        call.emulator.clock.advance(3600)
        info = await call.good("GetVideoInfo", fileId=told["file_id"])

    assert (0, "其他") == tuple(info["basicInfo"][name] for name in ("classificationId", "classificationName"))
