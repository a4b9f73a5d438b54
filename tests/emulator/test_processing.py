"""Flows on a file and joined files: what they make, what they tell, and how they fail."""

from typing import Any

import orjson
import pytest

from tests.emulator.conftest import Caller, account
from vodworker.emulator import Emulator, Settings
from vodworker.events import ConcatComplete, FileDeleted, NewFileUpload, ProcedureStateChanged, decode

EVERYTHING = {
    "transcode": {
        "definition": [210, 20],
        "watermark": 1,
        "hlsMasterPlaylist": 1,
        "drm": {"definition": 10},
        "mosaicList": [{"width": "10%"}],
    },
    "animatedGraphics": {"definition": [20000], "startTime": 3, "endTime": 8},
    "sampleSnapshot": {"definition": 10},
    "coverBySnapshot": {"definition": 10, "positionType": "Percent", "position": 50},
    "snapshotByTimeOffset": {"definition": 10, "timeOffset": [0, 1000]},
    "imageSprite": {"definition": 10},
    "classificationAIAnalysis": {"definition": 10},
    "tagAIAnalysis": {"definition": 10},
    "pornReview": {"definition": 10},
}


async def processed(call: Caller, file_id: str, **parts: object) -> dict[str, Any]:
    """Process a file, and the data of the event that tells the end."""
    await call.good("ProcessFile", fileId=file_id, **parts)
    [event] = await call.events(1, type="ProcedureStateChanged")
    return dict(event["data"])


async def test_flow_makes_everything_that_is_asked_for(emulator: Emulator, call: Caller) -> None:
    """A flow has a sub-task for everything that is asked for, and tells what each made."""
    file_id = await call.upload("a.mp4")
    folder = emulator.state.files[file_id].folder

    data = await processed(call, file_id, **EVERYTHING)

    steps = data["processTaskList"]
    assert ("FINISH", 0, file_id) == (data["status"], data["errCode"], data["fileId"])
    assert {("SUCCESS", 0)} == {(step["status"], step["errCode"]) for step in steps}
    assert [
        ("Transcode", 210, f"{folder}/f210.m3u8"),
        ("Transcode", 20, f"{folder}/f20.mp4"),
        ("Transcode", 10000, f"{folder}/f10000.m3u8"),
        ("AnimatedGraphics", 20000, f"{folder}/f20000.gif"),
        ("SampleSnapshot", 10, None),
        ("CoverBySnapshot", 10, None),
        ("SnapshotByTimeOffset", 10, None),
        ("ImageSprites", 10, None),
    ] == [(step["taskType"], step["input"]["definition"], step["output"].get("url")) for step in steps]
    assert [0, 1000] == [picture["timeOffset"] for picture in steps[6]["output"]["imgInfo"]]
    assert ["Classification", "Tag"] == [step["taskType"] for step in data["aIAnalysisList"]]
    assert ["Porn"] == [step["taskType"] for step in data["contentReviewList"]]
    assert (10, "VodBuildInKMS") == (data["drm"]["definition"], data["drm"]["keySource"])
    assert {"width": "10%"} == steps[0]["input"]["mosaicList"][0]


async def test_events_are_in_their_vocabulary(emulator: Emulator, call: Caller) -> None:
    """Every event that comes out is read as the type that it says, with all its parts."""
    file_id = await call.upload("a.mp4", coverType="jpg")
    await call.good("ProcessFile", fileId=file_id, **EVERYTHING)
    await call.good("ConcatVideo", srcFileList=[{"fileId": file_id}], name="joined", dstType=["mp4"])
    events = [decode(orjson.dumps(event)) for event in await call.events(3)]
    await call.good("DeleteVodFile", fileId=file_id, priority=0)
    events += [decode(orjson.dumps(event)) for event in await call.events(1)]

    assert {NewFileUpload, ConcatComplete, ProcedureStateChanged, FileDeleted} == {type(event) for event in events}
    assert [{}] * 4 == [event.model_extra for event in events]
    [flow] = [event for event in events if isinstance(event, ProcedureStateChanged)]
    assert [True] * 8 == [step.ok for step in flow.process_task_list]
    assert (2, 1, True) == (len(flow.ai_analysis_list), len(flow.content_review_list), flow.finished)


async def test_picture_is_scaled_by_the_template(call: Caller) -> None:
    """A template scales the picture to its width, or in later ones its height; an unknown one leaves it as it is."""
    file_id = await call.upload("film-1920x1080.mp4")
    data = await processed(call, file_id, transcode={"definition": [210, 70, 530, 9, 123456]})

    sizes = [(step["output"]["width"], step["output"]["height"]) for step in data["processTaskList"]]
    assert [(320, 180), (2560, 1440), (1280, 720), (1920, 1080), (1920, 1080)] == sizes
    assert (1920, 1080) == (data["metaData"]["width"], data["metaData"]["height"])


async def test_no_master_playlist_without_hls(call: Caller) -> None:
    """A master playlist is made of HLS outputs only: without one there is none."""
    data = await processed(call, await call.upload("a.mp4"), transcode={"definition": [20], "hlsMasterPlaylist": 1})

    assert [20] == [step["input"]["definition"] for step in data["processTaskList"]]


async def test_same_bytes_show_the_same(call: Caller) -> None:
    """What is found in a file depends on its bytes alone."""
    one, two, other = [await call.upload("a.mp4", body) for body in (b"x", b"x", b"y")]
    metadata = [(await call.good("GetVideoInfo", fileId=file))["metaData"] for file in (one, two, other)]

    assert metadata[0] == metadata[1] != metadata[2]


async def test_every_change_is_told_when_it_is_asked_for(call: Caller) -> None:
    """With notifyMode Change the start of the flow and the end of each sub-task are told, FINISH but once."""
    file_id = await call.upload("a.mp4")
    await call.good("ProcessFile", fileId=file_id, transcode={"definition": [10, 20]}, notifyMode="Change")

    data = [event["data"] for event in await call.events(3, type="ProcedureStateChanged")]

    assert ["PROCESSING", "PROCESSING", "FINISH"] == [one["status"] for one in data]
    assert [["PROCESSING", "PROCESSING"], ["SUCCESS", "PROCESSING"], ["SUCCESS", "SUCCESS"]] == [
        [step["status"] for step in one["processTaskList"]] for one in data
    ]


async def test_nothing_is_told_when_it_is_not_wanted(emulator: Emulator, call: Caller) -> None:
    """With notifyMode None no event tells of the flow; its task does."""
    file_id = await call.upload("a.mp4")
    task = await call.good("ProcessFile", fileId=file_id, sampleSnapshot={"definition": 10}, notifyMode="None")
    await call.good("ProcessFile", fileId=file_id, sampleSnapshot={"definition": 10})
    _, event = await call.events(2)

    assert task["vodTaskId"] != event["data"]["vodTaskId"]
    assert "FINISH" == (await call.good("GetTaskInfo", vodTaskId=task["vodTaskId"]))["status"]


@pytest.mark.parametrize(
    "name, codes",
    [
        ("fail-45089.mp4", [-45089, 0]),
        ("fail-44001.mp4", [0, -44001]),
        ("fail-43001.mp4", [-43001, -43001]),
        ("fail-30009.mp4", [30009, 30009]),
        ("failure.mp4", [0, 0]),
    ],
)
async def test_bad_source_fails_as_its_name_says(call: Caller, name: str, codes: list[int]) -> None:
    """A file called `fail-` and a code fails its sub-tasks with that code: those of the code's stage."""
    file_id = await call.upload(name)
    data = await processed(call, file_id, transcode={"definition": [20]}, sampleSnapshot={"definition": 10})

    steps = data["processTaskList"]
    assert codes == [step["errCode"] for step in steps]
    assert [code == 0 for code in codes] == ["output" in step for step in steps]
    assert [("SUCCESS" if code == 0 else "FAIL") for code in codes] == [step["status"] for step in steps]
    assert "FINISH" == data["status"]


async def test_flaky_source_succeeds_when_it_is_tried_again(call: Caller) -> None:
    """A file called `flaky-` and a code fails once; RedoTask runs the task again under its id, and it succeeds."""
    data = await processed(call, await call.upload("flaky-30010.mp4"), transcode={"definition": [20]})
    await call.good("RedoTask", vodTaskId=data["vodTaskId"])
    [event] = await call.events(1)

    assert ([30010], [0]) == (
        [step["errCode"] for step in data["processTaskList"]],
        [step["errCode"] for step in event["data"]["processTaskList"]],
    )
    assert data["vodTaskId"] == event["data"]["vodTaskId"]


async def test_file_that_goes_fails_its_flow() -> None:
    """A file that is deleted while it waits for its flow fails every sub-task."""
    async with account(Settings(hold=0.0, seed=1)) as call:
        file_id = await call.upload("a.mp4")
        await call.good("ProcessFile", fileId=file_id, transcode={"definition": [20]})
        await call.good("DeleteVodFile", fileId=file_id, priority=0)
        call.emulator.clock.advance(3600)
        data = (await call.events(1, type="Procedure"))[0]["data"]

    assert [("FAIL", 10008)] == [(step["status"], step["errCode"]) for step in data["processTaskList"]]
    assert "metaData" not in data


async def test_flow_needs_a_file_and_something_to_do(call: Caller) -> None:
    """A flow on a file that does not exist is refused with 10008, one without any sub-task with 4000."""
    file_id = await call.upload("a.mp4")

    assert [10008, 4000] == [
        (await call("ProcessFile", fileId="1", imageSprite={"definition": 10}))["code"],
        (await call("ProcessFile", fileId=file_id))["code"],
    ]


async def concatenated(call: Caller, *names: str, kinds: tuple[str, ...] = ("mp4",)) -> dict[str, Any]:
    """Join uploads of these names, and the data of the event that tells the end."""
    files = [{"fileId": await call.upload(name)} for name in names]
    await call.good("ConcatVideo", srcFileList=files, name="joined", dstType=list(kinds))
    [event] = await call.events(1, type="ConcatComplete")
    return dict(event["data"])


async def test_files_are_joined_into_new_ones(emulator: Emulator, call: Caller) -> None:
    """Files are joined into a new one of each container that is asked for, as long as they are together."""
    data = await concatenated(call, "a.mp4", "b.mp4", kinds=("m3u8", "mp4"))
    sources = [video.footage.duration for video in emulator.state.files.values()][:2]

    assert (0, "") == (data["status"], data["message"])
    assert [("m3u8", 0), ("mp4", 0)] == [(file["fileType"], file["status"]) for file in data["fileInfo"]]
    for told in data["fileInfo"]:
        video = emulator.state.files[told["fileId"]]
        assert ("joined", told["fileUrl"], told["fileType"]) == (video.name, video.url, video.container)
        assert pytest.approx(sum(sources)) == video.footage.duration
        assert 10 == video.size


@pytest.mark.parametrize(
    "names, code", [(["a.mp4", "fail-47302.mp4"], -47302), (["a-640x360.mp4", "b-1280x720.mp4"], -47301)]
)
async def test_bad_sources_are_not_joined(call: Caller, names: list[str], code: int) -> None:
    """Sources that are bad, or whose pictures differ in size, fail each new file with the code for it."""
    data = await concatenated(call, *names, kinds=("m3u8", "mp4"))

    assert code == data["status"]
    assert [code, code] == [file["status"] for file in data["fileInfo"]]
    assert [False, False] == ["fileId" in file for file in data["fileInfo"]]


async def test_missing_source_is_refused(call: Caller) -> None:
    """ConcatVideo knows no code for a file that does not exist but 10009."""
    reply = await call("ConcatVideo", srcFileList=[{"fileId": "1"}], name="joined", dstType=["mp4"])

    assert 10009 == reply["code"]


async def test_wrong_value_has_the_actions_own_code(call: Caller) -> None:
    """A value that makes no sense is refused with 1000 by an action that documents it, a missing one with 4000."""
    assert [1000, 4000] == [
        (await call("ConcatVideo", srcFileList=[{"fileId": "1"}], name="joined", dstType=["avi"]))["code"],
        (await call("ConcatVideo", srcFileList=[{"fileId": "1"}], dstType=["mp4"]))["code"],
    ]
