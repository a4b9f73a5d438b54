"""An account in which there is something of everything, and for each action a call that is good there."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.emulator.conftest import Caller, account
from vodworker.api import ACTIONS
from vodworker.emulator import Settings, snapshot
from vodworker.emulator.calendar import DAY, begin, day_of
from vodworker.emulator.state import Saved

ENDLESS = dict.fromkeys(ACTIONS, 10**6)  # no test here is about ceilings
SETTINGS = Settings(hold=0.0, handle_life=3600.0, seed=1, ceilings=ENDLESS)  # the clock is moved, nothing is waited for

DRM = {"definition": 10}
EVERYTHING: dict[str, Any] = {
    "transcode": {
        "definition": [210, 510],
        "watermark": 1,
        "hlsMasterPlaylist": 1,
        "idrAlignment": 0,
        "drm": DRM,
        "mosaicList": [{"width": "10%", "startTimeOffset": 1.5, "endTimeOffset": 3}],
    },
    "animatedGraphics": {"definition": [20000], "startTime": 3, "endTime": 8},
    "sampleSnapshot": {"definition": 10, "watermarkDefinition": [1]},
    "coverBySnapshot": {"definition": 10, "positionType": "Percent", "position": 50},
    "snapshotByTimeOffset": {"definition": 10, "timeOffset": [0, 1000], "watermarkDefinition": [1]},
    "imageSprite": {"definition": 10},
    "classificationAIAnalysis": {"definition": 10},
    "tagAIAnalysis": {"definition": 10},
    "pornReview": {"definition": 10},
}
TEMPLATE: dict[str, Any] = {
    "name": "mine",
    "container": "mp4",
    "comment": "small",
    "isFiltrateVideo": 0,
    "isFiltrateAudio": 0,
    "video": {
        "codec": "libx264",
        "fps": 24,
        "resolutionSelfAdapting": "open",
        "width": 640,
        "height": 360,
        "bitrate": 512,
        "minGop": 1,
        "maxGop": 10,
        "videoProfile": "main",
        "colorSpace": "yuv420p",
        "deinterlaced": 1,
        "videoRateControl": 1,
        "denoise": {"enable": 1},
    },
    "audio": {
        "codec": "libfdk_aac",
        "bitrate": 48,
        "soundSystem": 2,
        "sampleRate": 44100,
        "audioProfile": "aac_lc",
        "audioResampler": "soxr",
        "audioDownmixMode": 1,
    },
}
PROCEDURE = "QCVB_SimpleProcessFile({210},1,10,10)"


NOON = begin(date(2026, 3, 2)) + DAY // 2


def set_clock(call: Caller, moment: float = NOON) -> None:
    """Make it always the same time in the emulator: what is played depends on the day."""
    call.emulator.clock.step(moment - call.emulator.clock.now())


@dataclass(frozen=True)
class World:
    """What there is, by its id or address. `plain` is a file of which nothing was made, `now` the emulator's clock."""

    file: str
    plain: str
    class_id: int
    empty_class: int
    template: int
    watermark: int
    picture: str
    task: str
    session: str
    edk: str
    vid: str
    shot: str
    host: str
    now: float

    def day(self, ago: int) -> date:
        """A day of Beijing's, so many before today."""
        return day_of(self.now) - timedelta(days=ago)

    @property
    def days(self) -> dict[str, str]:
        """The last two days as parameters."""
        return {"startDate": str(self.day(1)), "endDate": str(self.day(0))}


async def furnished(call: Caller) -> World:
    """Put something of everything into the account."""
    emulator = call.emulator
    set_clock(call)
    file = await call.upload("record-77.m3u8", bytes(100_000), coverType="jpg")
    plain = await call.upload("b.mp4", bytes(5000))
    emulator.clock.advance(3 * DAY)
    top = (await call.good("CreateClass", className="课堂"))["newClassId"]
    child = (await call.good("CreateClass", className="数学", parentId=top))["newClassId"]
    now = emulator.clock.now()
    await call.good("ModifyVodInfo", fileId=file, fileIntro="words", classId=top, expireTimeStamp=int(now + 365 * DAY))
    await call.good("CreateVodTags", fileId=file, tags=["期末"])
    await call.good("AddKeyFrameDesc", fileId=file, keyFrameDesc=[{"timeOffset": 100, "content": "a&b"}])
    template = (await call.good("CreateTranscodeTemplate", **TEMPLATE))["data"]["definition"]
    picture = await put_picture(call)
    watermark = (await call.good("CreateWatermarkTemplate", type="image", url=picture, width="10%"))["definition"]
    task = (await call.good("ProcessFile", fileId=file, **EVERYTHING))["vodTaskId"]
    emulator.clock.advance(3600)
    session = await call.good("ApplyUpload", videoType="mp4", coverType="png")
    for part in ("video", "cover"):
        await call.send(session, part, b"bytes")
    emulator.emit({"version": "4.0", "eventType": "Unheard", "data": {"fileId": file}})
    info = await call.good("GetVideoInfo", fileId=file)
    [old] = (await call.good("DescribeVodInfo", fileIds=[file]))["fileSet"]
    return World(
        file=file,
        plain=plain,
        class_id=int(top),
        empty_class=int(child),
        template=template,
        watermark=watermark,
        picture=picture,
        task=task,
        session=session["vodSessionKey"],
        edk=info["drm"]["edkList"][0],
        vid=old["vid"],
        shot=info["sampleSnapshotInfo"][0]["imageUrls"][0],
        host=(await call.good("DescribeVodHosts"))["data"]["hostList"][1]["host"],
        now=emulator.clock.now(),
    )


@dataclass(frozen=True)
class Scene:
    """A running emulator with such an account; what tests do to it can be undone."""

    call: Caller
    world: World
    saved: Saved

    def restore(self) -> None:
        """Make the account what it was at first."""
        snapshot.put_back(self.call.emulator.service, self.saved)

    async def good(self, action: str) -> dict[str, Any]:
        """Parameters of a good call, and the account as it was at first, but for an event to be confirmed."""
        self.restore()
        handle = (await self.call.good("PullEvent"))["eventList"][0]["msgHandle"] if action == "ConfirmEvent" else ""
        return good_calls(self.world, handle)[action]


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    """Furnish an account, once for many tests."""
    async with account(SETTINGS) as call:
        world = await furnished(call)
        yield Scene(call, world, snapshot.taken(call.emulator.service))


async def put_picture(call: Caller, body: bytes = b"picture") -> str:
    """Apply for a place for a watermark's picture and put it there; its address."""
    url = str((await call.good("ApplyUploadWatermark", type="png"))["uploadUrl"])
    async with call.http.put(url, data=body) as response:
        assert 200 == response.status
    return url


def good_calls(world: World, handle: str) -> dict[str, dict[str, Any]]:
    """For each action parameters with which it does something in this account. handle: of an event to be confirmed."""
    file, plain, days = {"fileId": world.file}, {"fileId": world.plain}, world.days
    cdn = {**days, "hosts": [world.host], "statType": "flux"}
    piece = {"startTimeOffset": 1, "endTimeOffset": -1}
    return {
        "AddKeyFrameDesc": {**file, "keyFrameDesc": [{"timeOffset": 0, "content": "期末"}]},
        "ApplyUpload": {"videoType": "mp4", "videoSize": 5, "coverType": "jpg", "procedure": PROCEDURE},
        "ApplyUploadWatermark": {"type": "png"},
        "ClipVideo": {**plain, "newFileName": "piece", **piece},
        "CommitUpload": {"vodSessionKey": world.session},
        "ConcatVideo": {"srcFileList": [plain, plain], "name": "joined", "dstType": ["mp4", "m3u8"]},
        "ConfirmEvent": {"msgHandle": [handle]},
        "ConvertVodFile": {**plain, "isScreenshot": 1, "isWatermark": 1},
        "CreateClass": {"className": "物理", "parentId": world.class_id},
        "CreateImageSprite": {**plain, "definition": 10},
        "CreateSnapshotByTimeOffset": {**plain, "definition": 10, "timeOffset": [1, 20]},
        "CreateTranscodeTemplate": TEMPLATE,
        "CreateVodTags": {**file, "tags": ["testTag0", "课堂"]},
        "CreateWatermarkTemplate": {"type": "image", "url": world.picture, "left": "20px", "width": "10.5%"},
        "DeleteClass": {"classId": world.empty_class},
        "DeleteKeyFrameDesc": {**file, "keyFrameDescTimeOffset": [100]},
        "DeleteTranscodeTemplate": {"definition": world.template},
        "DeleteVodFile": {**file, "isFlushCdn": 1, "priority": 0},
        "DeleteVodTags": {**file, "tags": ["期末"]},
        "DeleteWatermarkTemplate": {"definition": world.watermark},
        "DescribeAllClass": {},
        "DescribeCdnDetailStat": {**cdn, "startDate": days["endDate"], "interval": 120},
        "DescribeCdnRegionIspDetailStat": {
            "hosts": [world.host],
            "date": str(world.day(1)),
            "statType": "requests",
            "regionNames": ["Guangdong"],
            "ispNames": ["China Mobile"],
        },
        "DescribeCdnStat": cdn,
        "DescribeClass": {},
        "DescribeDrmDataKey": {"edkList": [world.edk]},
        "DescribePlayStatTopFiles": {"date": str(world.day(2)), "host": world.host},
        "DescribeRecordPlayInfo": {"vid": world.vid},
        "DescribeStorage": {**days, "needDetail": 1},
        "DescribeTranscodeStat": days,
        "DescribeVodCover": {**file, "type": 1, "para": world.shot},
        "DescribeVodHosts": {},
        "DescribeVodInfo": {"fileIds": [world.file], "from": "1970-1-1 00:00:00", "to": "2038-1-1 00:00:00"},
        "DescribeVodPlayInfo": {"fileName": "record", "pageNo": 1, "pageSize": 10},
        "DescribeVodPlayUrls": file,
        "GetCdnLogList": {"startTime": int(world.now) - DAY, "endTime": int(world.now), "hosts": [world.host]},
        "GetPlayStatLogList": {"from": str(world.day(3)), "to": str(world.day(0))},
        "GetTaskInfo": {"vodTaskId": world.task},
        "GetTaskList": {"status": "Finish", **file, "maxCount": 10},
        "GetVideoInfo": file,
        "ModifyClass": {"classId": world.class_id, "className": "test"},
        "ModifyVodInfo": {**file, "fileName": "newName", "classId": 0},
        "MultiPullVodFile": {
            "pullset": [{"url": "http://example.com/1.mp4", "fileName": "MyTestVideo", "tags": "a,b"}]
        },
        "ProcessCosMedia": {
            "input": {"bucket": "in-1250000001", "region": "ap-guangzhou", "path": "/a.mp4"},
            "output": {"bucket": "out-1250000001", "dir": "/output/"},
            "mediaProcess": {
                "transcode": {"definition": [210, 220], "watermarkDefinition": [1]},
                "animatedGraphics": EVERYTHING["animatedGraphics"],
                "sampleSnapshot": {"definition": [10]},
                "snapshotByTimeOffset": {"definition": [10], "timeOffset": [0]},
                "imageSprite": {"definition": [10]},
            },
            "aiAnalysis": {"classification": {"definition": 10}, "tag": {"definition": 10}},
            "contentReview": {"porn": {"definition": 10}},
            "taskAttribute": {"priority": 1, "notifyMode": "Change"},
        },
        "ProcessFile": {**file, **EVERYTHING, "notifyMode": "Change", "priority": -10},
        "ProcessFileByProcedure": {**plain, "procedure": PROCEDURE},
        "PullEvent": {},
        "QueryTranscodeTemplate": {"definition": world.template},
        "QueryTranscodeTemplateList": {},
        "QueryWatermarkTemplate": {"definition": world.watermark},
        "QueryWatermarkTemplateList": {},
        "RedoTask": {"vodTaskId": world.task},
        "RunProcedure": {
            "inputType": "SingleFile",
            "file": {"id": world.plain, "startTimeOffset": 0},
            "fileList": [{"id": world.file, "startTimeOffset": 1}, {"id": world.plain}],
            "stream": {"streamId": "77", "startTimeStamp": 1},
            "streamList": [{"streamId": "77", "endTimeStamp": int(world.now)}],
            "pull": {"url": "http://example.com/2.mp4", "fileName": "testVideo", "classId": 0},
            "procedure": PROCEDURE,
        },
        "SimpleClipHls": {"srcFileId": world.file, "newFileName": "piece", **piece},
        "UpdateTranscodeTemplate": {"definition": world.template, "video": {"fps": -30}, "audio": {"bitrate": 64}},
        "UpdateWatermarkTemplate": {"definition": world.watermark, "width": "5%", "url": world.picture},
    }
