"""Flows by the name of their template, on sources of every kind and in buckets; and the keys of what they encrypt."""

from base64 import b64decode
from typing import Any

import orjson
import pytest

from tests.emulator.conftest import Caller, account
from tests.emulator.test_processing import processed
from tests.emulator.world import put_picture
from vodworker.emulator import Emulator, Settings
from vodworker.events import ProcedureStateChanged, decode

FLOW = "QCVB_SimpleProcessFile(20,0,0,10)"
BUCKETS = {
    "input": {"bucket": "in-1250000001", "region": "ap-guangzhou", "path": "/a/film.MOV"},
    "output": {"bucket": "out-1250000001", "dir": "/b/"},
}


async def run(call: Caller, kind: str, **source: object) -> dict[str, Any]:
    """Run a procedure on a source; the data of the event that tells the end."""
    task = (await call.good("RunProcedure", inputType=kind, procedure=FLOW, **source))["vodTaskId"]
    [event] = await call.events(1, type="ProcedureStateChanged")
    told = decode(orjson.dumps(event))
    assert isinstance(told, ProcedureStateChanged)
    assert (task, True, {}) == (told.vod_task_id, told.finished, told.model_extra)
    return dict(event["data"])


def kinds(data: dict[str, Any]) -> list[str]:
    """The types of a flow's sub-tasks."""
    return [step["taskType"] for step in data["processTaskList"]]


async def test_flow_runs_on_the_file_itself(emulator: Emulator, call: Caller) -> None:
    """A single file that is not cut is worked on as it is."""
    file_id = await call.upload("a.mp4")
    data = await run(call, "SingleFile", file={"id": file_id})

    assert (file_id, ["Transcode", "SampleSnapshot"]) == (data["fileId"], kinds(data))
    assert {file_id} == set(emulator.state.files)


async def test_flow_runs_on_a_piece(emulator: Emulator, call: Caller) -> None:
    """A single file that is cut becomes a new file, which the flow works on."""
    file_id = await call.upload("a.mp4")
    data = await run(call, "SingleFile", file={"id": file_id, "startTimeOffset": 1, "endTimeOffset": 4})
    video = emulator.state.files[data["fileId"]]

    assert file_id != video.id
    assert (3.0, "a.mp4", "mp4", 3) == (
        video.footage.duration,
        video.name,
        video.container,
        data["metaData"]["duration"],
    )
    assert ["Transcode", "SampleSnapshot"] == kinds(data) == [made.type for made in video.made]


async def test_flow_runs_on_joined_pieces(emulator: Emulator, call: Caller) -> None:
    """Several files are cut and joined, in order, into the one that the flow works on."""
    one, two = await call.upload("a.mp4"), await call.upload("b.mp4", b"other")
    files = [{"id": one, "startTimeOffset": 1, "endTimeOffset": 3}, {"id": two, "endTimeOffset": 2}]
    data = await run(call, "MultiFile", fileList=files)

    assert 4.0 == emulator.state.files[data["fileId"]].footage.duration
    assert [data["vodTaskId"]] == [
        task["vodTaskId"] for task in (await call.good("GetTaskList", status="FINISH", fileId=two))["data"]["taskList"]
    ]


async def test_flow_runs_on_recordings(emulator: Emulator, call: Caller) -> None:
    """What was recorded of streams is joined, in the time that is asked for."""
    one = await call.upload("record-live1.flv", b"one")
    two = await call.upload("record-live2.flv", b"two")
    first, second = emulator.state.files[one], emulator.state.files[two]
    until = int(first.created - first.footage.duration + 3)
    streams = [{"streamId": "live1", "endTimeStamp": until}, {"streamId": "live2"}]
    data = await run(call, "MultiStream", streamList=streams)
    part = until - (first.created - first.footage.duration)

    assert pytest.approx(part + second.footage.duration, abs=0.01) == (
        emulator.state.files[data["fileId"]].footage.duration
    )


async def test_flow_runs_on_a_whole_recording(emulator: Emulator, call: Caller) -> None:
    """The one recording of a stream is worked on as it is; its upload was told as a recording."""
    file_id = await call.upload("record-live_7.flv")
    [event] = await call.events(1)
    since = int(emulator.state.files[file_id].created) - 10_000
    data = await run(call, "Stream", stream={"streamId": "live_7", "startTimeStamp": since})

    assert ("Record", "live_7") == (event["data"]["sourceType"], event["data"]["streamId"])
    assert file_id == data["fileId"]


@pytest.mark.parametrize("own", [{"streamId": "other"}, {"streamId": "live", "startTimeStamp": 4_000_000_000}])
async def test_stream_without_recordings_is_refused(call: Caller, own: dict[str, object]) -> None:
    """A stream of which nothing was recorded, or not in this time, is 10008."""
    await call.upload("record-live.flv")

    assert 10008 == (await call("RunProcedure", inputType="Stream", stream=own, procedure=FLOW))["code"]


async def test_flow_runs_on_a_pulled_file(emulator: Emulator, call: Caller) -> None:
    """A file is fetched first, as a sub-task that is told, and the flow works on it."""
    class_id = int((await call.good("CreateClass", className="课堂"))["newClassId"])
    pull = {"url": "http://example.com/a.flv", "fileName": "testVideo", "classId": class_id}
    data = await run(call, "PullFile", pull=pull)
    video = emulator.state.files[data["fileId"]]
    fetched = data["processTaskList"][0]

    listed = (await call.good("GetTaskList", status="FINISH", fileId=video.id))["data"]["taskList"]
    assert [data["vodTaskId"]] == [task["vodTaskId"] for task in listed]
    assert ["PullFile", "Transcode", "SampleSnapshot"] == kinds(data)
    assert (video.id, video.size, video.url) == tuple(fetched["output"][name] for name in ("fileId", "fileSize", "url"))
    assert (class_id, "testVideo") == (video.class_id, video.name)


async def test_flow_without_a_source_fails_whole(call: Caller) -> None:
    """When the source cannot be fetched every sub-task fails with its code."""
    data = await run(call, "PullFile", pull={"url": "http://example.com/a.flv", "fileName": "fail-43001"})

    assert [-43001, -43001, -43001] == [step["errCode"] for step in data["processTaskList"]]
    assert ("", 0) == (data["fileId"], data["errCode"])


async def test_flow_on_sources_that_cannot_be_joined_fails_whole(call: Caller) -> None:
    """When the sources cannot be joined the flow has the code, and so has every sub-task."""
    files = [{"id": await call.upload("640x360.mp4")}, {"id": await call.upload("1280x720.mp4")}]
    data = await run(call, "MultiFile", fileList=files)

    assert -47301 == data["errCode"]
    assert [-47301, -47301] == [step["errCode"] for step in data["processTaskList"]]


async def test_piece_must_have_some_length(call: Caller) -> None:
    """A piece of which nothing is left is refused at once."""
    file = {"id": await call.upload("a.mp4"), "startTimeOffset": 100_000}

    assert 1000 == (await call("RunProcedure", inputType="SingleFile", file=file, procedure=FLOW))["code"]


async def test_same_flow_does_not_run_twice_at_once() -> None:
    """While a flow runs on a file the same is refused with 50005; another flow, file, or a later time is not."""
    async with account(Settings(seed=1)) as call:
        one, two = await call.upload("a.mp4"), await call.upload("b.mp4")

        async def code(file_id: str, procedure: str = FLOW) -> int:
            file = {"id": file_id}
            reply = await call("RunProcedure", inputType="SingleFile", file=file, procedure=procedure)
            return int(reply["code"])

        codes = [await code(one), await code(one), await code(two), await code(one, "QCVB_SimpleProcessFile")]
        codes.append((await call("ProcessFileByProcedure", fileId=two, procedure=FLOW))["code"])
        call.emulator.clock.advance(60)
        codes.append(await code(one))

    assert [0, 50005, 0, 0, 50005, 0] == codes


async def test_older_way_starts_the_same_flow(call: Caller) -> None:
    """ProcessFileByProcedure names its task for the flow, and for the transcoding if there is one."""
    file_id = await call.upload("a.mp4")
    both = await call.good("ProcessFileByProcedure", fileId=file_id, procedure=FLOW)
    one = await call.good("ProcessFileByProcedure", fileId=file_id, procedure="QCVB_SimpleProcessFile(0,0,10,10)")
    done = {event["data"]["vodTaskId"] for event in await call.events(2, type="ProcedureStateChanged")}

    assert both["procedureTaskId"] == both["transcodeTaskId"]
    assert "transcodeTaskId" not in one
    assert {both["procedureTaskId"], one["procedureTaskId"]} == done


@pytest.mark.parametrize("own", [{}, {"procedure": "SomeProcedure"}, {"procedure": "QCVB_SimpleProcessFile(0,0,0,0)"}])
async def test_flow_that_is_not_known_is_refused(call: Caller, own: dict[str, str]) -> None:
    """A procedure that is missing, unknown, or asks for nothing is 50007."""
    file_id = await call.upload("a.mp4")

    assert 50007 == (await call("ProcessFileByProcedure", fileId=file_id, **own))["code"]


async def test_flow_runs_on_a_file_in_a_bucket(emulator: Emulator, call: Caller) -> None:
    """What is made of a file in a bucket goes to the other bucket, and the library has nothing of it."""
    process = {
        "transcode": {"definition": [20, 30], "watermarkDefinition": [1]},
        "snapshotByTimeOffset": {"definition": [10], "timeOffset": [0]},
        "imageSprite": {"definition": 10},
    }
    own = {
        "mediaProcess": process,
        "contentReview": {"porn": {"definition": 10}},
        "aiAnalysis": {"tag": {"definition": 10}},
    }
    task = (await call.good("ProcessCosMedia", **BUCKETS, **own))["vodTaskId"]
    [event] = await call.events(1)
    data = event["data"]

    assert task.startswith("1250000001-procedurev2-")
    assert (task, "", "FINISH") == (data["vodTaskId"], data["fileId"], data["status"])
    assert ["Transcode", "Transcode", "SnapshotByTimeOffset", "ImageSprites"] == kinds(data)
    assert ("Porn", "Tag") == (data["contentReviewList"][0]["taskType"], data["aIAnalysisList"][0]["taskType"])
    url = data["processTaskList"][0]["output"]["url"]
    assert "https://out-1250000001.cos.ap-guangzhou.myqcloud.com/b/f20.mp4" == url
    assert ({}, "MOV") == (emulator.state.files, data["metaData"]["container"])


async def test_flow_on_a_bucket_tells_changes_when_asked(call: Caller) -> None:
    """The notify mode of a flow on a bucket is in its attributes."""
    own = {
        "mediaProcess": {"transcode": {"definition": [20]}},
        "taskAttribute": {"notifyMode": "Change", "priority": 1},
    }
    await call.good("ProcessCosMedia", **BUCKETS, **own)

    assert ["PROCESSING", "FINISH"] == [event["data"]["status"] for event in await call.events(2)]


async def test_emulators_own_bucket_is_looked_into(emulator: Emulator, call: Caller) -> None:
    """A file in the emulator's own bucket must be there, at first and as long as the flow works on it."""
    own = {"mediaProcess": {"transcode": {"definition": [20]}}}
    file_id = await call.upload("a.mp4")
    path = emulator.state.files[file_id].url.removeprefix(f"{emulator.origin}/{emulator.service.bucket}")
    place = {"bucket": emulator.service.bucket, "region": "ap-guangzhou", "path": path}
    missing = {**place, "path": "/nothing.mp4"}
    assert 10009 == (await call("ProcessCosMedia", **{**BUCKETS, "input": missing}, **own))["code"]
    task = (await call.good("ProcessCosMedia", **{**BUCKETS, "input": place}, **own))["vodTaskId"]
    [first] = await call.events(1, type="Procedure")
    await call.good("DeleteVodFile", fileId=file_id)
    await call.good("RedoTask", vodTaskId=task)
    [second] = await call.events(1, type="Procedure")

    assert (0, 5) == (first["data"]["processTaskList"][0]["errCode"], first["data"]["metaData"]["size"])
    assert [10008] == [step["errCode"] for step in second["data"]["processTaskList"]]


async def test_flow_on_a_bucket_needs_something_to_do(call: Caller) -> None:
    """A flow on a bucket without any sub-task is refused."""
    assert 4000 == (await call("ProcessCosMedia", **BUCKETS))["code"]


async def test_keys_of_encrypted_outputs_are_told(call: Caller) -> None:
    """The keys that come with the event of an encrypting flow can be had in the clear, 16 bytes each, in base64."""
    edks = list[str]()
    for name in ("a.mp4", "b.mp4"):
        flow = {"definition": [210], "drm": {"definition": 10}}
        data = await processed(call, await call.upload(name), transcode=flow)
        edks += data["drm"]["edkList"]
    keys = (await call.good("DescribeDrmDataKey", edkList=edks))["data"]["keyList"]

    assert edks == [key["edk"] for key in keys]
    assert [16, 16] == [len(b64decode(key["dk"])) for key in keys]
    assert keys[0]["dk"] != keys[1]["dk"]
    assert 10009 == (await call("DescribeDrmDataKey", edkList=[*edks, "232abc30"]))["code"]


async def test_pictures_of_watermarks_are_no_files(call: Caller) -> None:
    """A watermark's picture is not in the library."""
    await put_picture(call)

    assert 0 == (await call.good("DescribeVodInfo"))["totalCount"]
