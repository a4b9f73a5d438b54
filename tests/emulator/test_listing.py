"""The older ways to tell of files: playable versions, lists, recordings, covers, and simple clips."""

from typing import Any

import pytest

from tests.emulator.conftest import Caller, account
from tests.emulator.test_processing import processed
from vodworker.emulator import Emulator, Settings
from vodworker.emulator.calendar import clock_time


async def listed(call: Caller, **own: object) -> list[str]:
    """The names of the files that DescribeVodInfo tells."""
    return [file["fileName"] for file in (await call.good("DescribeVodInfo", **own))["fileSet"]]


async def test_source_is_playable_before_it_is_transcoded(emulator: Emulator, call: Caller) -> None:
    """The playable versions of a file are its source, as definition 0, and what it was transcoded to."""
    file_id = await call.upload("640x360.mp4")
    alone = (await call.good("DescribeVodPlayUrls", fileId=file_id))["playSet"]
    data = await processed(call, file_id, transcode={"definition": [10]}, sampleSnapshot={"definition": 10})
    both = (await call.good("DescribeVodPlayUrls", fileId=file_id))["playSet"]
    made = data["processTaskList"][0]["output"]

    assert [(0, emulator.state.files[file_id].url, 640, 360)] == [
        (one["definition"], one["url"], one["vwidth"], one["vheight"]) for one in alone
    ]
    assert [
        *alone,
        {"url": made["url"], "definition": 10, "vbitrate": made["bitrate"], "vheight": 180, "vwidth": 320},
    ] == both


async def test_files_are_found_by_the_beginning_of_their_names(call: Caller) -> None:
    """Files whose names begin so are found piece by piece, and counted; when there are none the list is empty."""
    for name in ("a1.mp4", "b.mp4", "a2.mp4", "a3.mp4"):
        await call.upload(name)
    found = [await call.good("DescribeVodPlayInfo", fileName="a", pageNo=number, pageSize=2) for number in (1, 2, 3)]
    none = await call.good("DescribeVodPlayInfo", fileName="c")

    assert [["a1.mp4", "a2.mp4"], ["a3.mp4"], []] == [[file["fileName"] for file in one["fileSet"]] for one in found]
    assert [3, 3, 3, 0] == [one["totalCount"] for one in (*found, none)]


async def test_file_says_when_something_is_made_of_it() -> None:
    """A file's state is 4 while a task works on it, and 2 otherwise; files can be asked for by it."""
    async with account(Settings(seed=1)) as call:
        busy = await call.upload("busy.mp4")
        await call.upload("idle.mp4")
        await call.good("ConvertVodFile", fileId=busy)
        during = [await listed(call, status=status) for status in (4, 2, 100)]
        call.emulator.clock.advance(60)
        after = [await listed(call, status=status) for status in (4, 2)]

    assert [["busy.mp4"], ["idle.mp4"], []] == during
    assert [[], ["busy.mp4", "idle.mp4"]] == after


async def test_files_are_found_by_class_time_and_id() -> None:
    """Files are found by what they are asked for together, oldest first or last, ten at a time."""
    async with account(Settings(seed=1)) as call:
        class_id = int((await call.good("CreateClass", className="课堂"))["newClassId"])
        ids = list[str]()
        for number in range(12):
            ids.append(await call.upload(f"{number}.mp4"))
            call.emulator.clock.advance(60)
        await call.good("ModifyVodInfo", fileId=ids[3], classId=class_id)
        third = clock_time(call.emulator.state.files[ids[3]].created)
        times = {"from": third, "to": clock_time(call.emulator.state.files[ids[5]].created + 1)}
        found = [
            await listed(call, classId=class_id),
            await listed(call, **times),
            await listed(call, **times, orderby=1),
            await listed(call, fileIds=[ids[7]]),
            await listed(call, pageNo=2),
        ]
        [one] = (await call.good("DescribeVodInfo", classId=class_id))["fileSet"]

    assert [
        ["3.mp4"],
        ["3.mp4", "4.mp4", "5.mp4"],
        ["5.mp4", "4.mp4", "3.mp4"],
        ["7.mp4"],
        ["10.mp4", "11.mp4"],
    ] == found
    assert ("课堂", class_id, third) == (one["className"], one["classId"], one["createTime"])


async def test_recording_is_found_by_its_name_in_the_live_system(call: Caller) -> None:
    """The name of a file in systems of the first generation finds it and no other."""
    file_id = await call.upload("a.mp4")
    await call.upload("b.mp4")
    [told] = (await call.good("DescribeVodInfo", fileIds=[file_id]))["fileSet"]
    found = (await call.good("DescribeRecordPlayInfo", vid=told["vid"]))["fileSet"]

    assert [file_id] == [file["fileId"] for file in found]
    assert [] == (await call.good("DescribeRecordPlayInfo", vid="1200_c5997fa0"))["fileSet"]


@pytest.mark.parametrize("kind", ["sampleSnapshot", "imageSprite"])
async def test_screenshot_becomes_the_cover(call: Caller, kind: str) -> None:
    """A picture that was made of the file can be its cover; one from elsewhere cannot."""
    file_id = await call.upload("a.mp4")
    data = await processed(call, file_id, **{kind: {"definition": 10}})
    output: dict[str, Any] = data["processTaskList"][0]["output"]
    picture = output["imageUrls"][3] if "imageUrls" in output else output["urlList"][0]
    await call.good("DescribeVodCover", fileId=file_id, para=picture, type=1)
    elsewhere = await call("DescribeVodCover", fileId=file_id, para="http://example.com/1.jpg", type=1)

    assert picture == (await call.good("GetVideoInfo", fileId=file_id))["basicInfo"]["coverUrl"]
    assert 4000 == elsewhere["code"]


async def test_recording_in_hls_is_cut_at_once(emulator: Emulator, call: Caller) -> None:
    """A live recording in HLS is cut without a task or an event: the new file is there with the reply."""
    source = await call.upload("record-live.m3u8", bytes(1000))
    await call.events(1)
    piece = {"newFileName": "piece", "startTimeOffset": 2, "endTimeOffset": -3}
    reply = await call.good("SimpleClipHls", srcFileId=source, **piece)
    video, whole = emulator.state.files[reply["newFileId"]], emulator.state.files[source]

    assert ("piece", "m3u8", reply["newFileUrl"]) == (video.name, video.container, video.url)
    assert pytest.approx(whole.footage.duration - 5) == video.footage.duration
    assert (0, {}) == (len(emulator.queue), emulator.state.tasks)
    async with call.http.get(whole.url) as response:
        assert bytes(1000) == await response.read()


@pytest.mark.parametrize("name, code", [("record-live.mp4", 10009), ("a.m3u8", 10009), ("record-live.m3u8", 1000)])
async def test_only_recordings_in_hls_are_cut_so(call: Caller, name: str, code: int) -> None:
    """What is no recording, or not in HLS, is refused with 10009; a piece without length with 1000."""
    piece = {"newFileName": "piece", "startTimeOffset": 5, "endTimeOffset": 5}

    assert code == (await call("SimpleClipHls", srcFileId=await call.upload(name), **piece))["code"]
