"""The vendor's own client as the witness: it knows nothing of us, and the emulator must be the service to it.

What it does follows from the declarations and from one good call of each action, which `tests.emulator.world` has.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any

import pytest
import pytest_asyncio
from QcloudApi.modules.vod import Vod

from tests.emulator.conftest import Caller, account
from tests.emulator.world import Scene, scene
from tests.replies import ABSENT, unread, unsaid
from vodworker import sign
from vodworker.api import ACTIONS, Action, Reply
from vodworker.api.describe import Parameter, parameters
from vodworker.emulator import Emulator, Settings
from vodworker.wire import flatten

Sdk = Any  # it ships no types
NAMES = sorted(ACTIONS)
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.no_cover]


class Plain(HTTPConnection):
    """What the client uses to send, without TLS; it wants to know how long the request was."""

    request_length = 0


def client(emulator: Emulator, *, key: str = "test-secret-key", port: bool = True, **config: str) -> Sdk:
    """The vendor's client, pointed at the emulator over plain HTTP. port: whether the host that it signs has it."""
    host = emulator.origin.removeprefix("http://")
    sdk: Sdk = Vod({"secretId": "test-secret-id", "secretKey": key, "Region": "gz", **config})
    sdk.requestHost = host if port else host.rpartition(":")[0]
    sdk.apiRequest.conn = Plain(host)
    return sdk


async def asked(sdk: Sdk, action: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call an action with the vendor's client, in a thread of its own; the reply."""
    return dict(json.loads(await asyncio.to_thread(sdk.call, action, params or {})))


@dataclass(frozen=True)
class Stage:
    """An account with something of everything, and two of the vendor's clients: making one takes long.

    sdk: one that may do everything. stranger: one with another key.
    """

    scene: Scene
    sdk: Sdk
    stranger: Sdk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """One stage for all tests; each begins with the account as it was."""
    async with scene() as place:
        emulator = place.call.emulator
        yield Stage(place, client(emulator, method="POST"), client(emulator, key="test-other-key"))


# Who is let in


@pytest.mark.parametrize("port", [True, False])
@pytest.mark.parametrize("secret_method", sign.METHODS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_vendors_client_is_let_in(stage: Stage, method: str, secret_method: str, port: bool) -> None:  # noqa: FBT001  # a case
    """The vendor's client is let in by GET and POST, with either signature, the port signed or not."""
    stage.scene.restore()
    sdk = client(stage.scene.call.emulator, method=method, SignatureMethod=secret_method, port=port)

    reply = await asked(sdk, "GetTaskList", {"status": "FINISH", "fileId": "期末 a+b&c"})

    assert (0, "Success", []) == (reply["code"], reply["codeDesc"], reply["data"]["taskList"])


async def test_unknown_action_is_refused(stage: Stage) -> None:
    """An action that does not exist is refused with 6100."""
    assert 6100 == (await asked(stage.sdk, "DropDatabase"))["code"]


# Every action


@pytest.mark.parametrize("name", NAMES)
async def test_good_call_succeeds(stage: Stage, name: str) -> None:
    """A good call gives code 0 and the documented fields."""
    good = await stage.scene.good(name)
    told = await asked(stage.sdk, name, good)
    reply = ACTIONS[name].reply.model_validate(told)

    assert (0, "", "Success") == (told["code"], told["message"], told["codeDesc"])
    assert [] == list(unread(told, reply))
    assert ABSENT.get(name, set()) == set(unsaid(reply))


@pytest.mark.parametrize("name", NAMES)
async def test_wrong_key_is_refused(stage: Stage, name: str) -> None:
    """A call that is signed with another key is refused with 4100, and does nothing."""
    good = await stage.scene.good(name)

    assert 4100 == (await asked(stage.stranger, name, good))["code"]


@pytest.mark.parametrize("name", NAMES)
async def test_missing_parameter_is_refused(stage: Stage, name: str) -> None:
    """A call without a required parameter is refused, with the parameter's own code where it has one, else 4000."""
    codes, expected = dict[str, int](), dict[str, int]()
    for parameter in parameters(ACTIONS[name]):
        good = flatten(await stage.scene.good(name))
        less = {key: value for key, value in good.items() if not belongs(key, parameter.name)}
        if parameter.required and is_asked_for(parameter.name.removesuffix(".n").rpartition(".")[0], less):
            codes[parameter.name] = (await asked(stage.sdk, name, less))["code"]
            expected[parameter.name] = own_code(ACTIONS[name], parameter) or 4000

    assert expected == codes


def belongs(key: str, name: str) -> bool:
    """Whether a flat name is this parameter, or a part of it; `n` in its name stands for any number."""
    steps, wanted = key.split("."), name.removesuffix(".n").split(".")
    return len(steps) >= len(wanted) and all(w in {"n", s} for s, w in zip(steps, wanted, strict=False))


def is_asked_for(name: str, flat: dict[str, str]) -> bool:
    """Whether an object is in a call; the call itself, "", always is."""
    return not name or any(belongs(key, name) for key in flat)


def own_code(action: type[Action[Reply]], parameter: Parameter) -> int | None:
    """The code that the manual has for this parameter, else for the object that it is a part of."""
    codes = {one.name: one.code for one in parameters(action)}
    while (code := codes.get(parameter.name)) is None and "." in parameter.name:
        parameter = replace(parameter, name=parameter.name.rpartition(".")[0])
    return code


NONSENSE = {  # what cannot be read, by the kind of a parameter as its description has it
    "integer": "x",
    "number": "x",
    "0 | 1": "2",
    "open | close": "ajar",
    "yyyy-mm-dd": "yesterday",
}


@pytest.mark.parametrize("name", NAMES)
async def test_nonsense_is_refused(stage: Stage, name: str) -> None:
    """A value that makes no sense is refused: with the parameter's code, else 1000 if it is documented, else 4000."""
    codes, expected = dict[str, int](), dict[str, int]()
    for parameter in parameters(ACTIONS[name]):
        good = flatten(await stage.scene.good(name))
        path = ".".join("0" if step == "n" else step for step in parameter.name.split("."))
        choice = parameter.kind in NONSENSE or " | " in parameter.kind
        if choice and is_asked_for(path.removesuffix(".0").rpartition(".")[0], good):
            bad = good | {path: NONSENSE.get(parameter.kind, "no such")}
            codes[path] = (await asked(stage.sdk, name, bad))["code"]
            expected[path] = own_code(ACTIONS[name], parameter) or (1000 if 1000 in ACTIONS[name].errors else 4000)

    assert expected == codes


GONE = "5285890789999999999"


@pytest.mark.parametrize(
    "name, change, code",
    [
        *((name, {"fileId": GONE}, 10008) for name in (
            "AddKeyFrameDesc", "CreateVodTags", "DeleteKeyFrameDesc", "DeleteVodTags", "DescribeVodCover",
            "DescribeVodPlayUrls", "GetVideoInfo", "ModifyVodInfo", "ProcessFile", "ProcessFileByProcedure",
        )),
        *((name, {"fileId": GONE}, 10009) for name in (
            "ClipVideo", "ConvertVodFile", "CreateImageSprite", "CreateSnapshotByTimeOffset", "DeleteVodFile",
        )),
        ("AddKeyFrameDesc", {f"keyFrameDesc.{n}": {"timeOffset": n, "content": "x"} for n in range(100)}, 1000),
        ("AddKeyFrameDesc", {f"keyFrameDesc.{n}": {"timeOffset": n, "content": "x"} for n in range(101)}, 1000),
        ("ClipVideo", {"startTimeOffset": 10_000}, 1000),
        ("CommitUpload", {"vodSessionKey": "guessed"}, 31001),
        ("ConcatVideo", {"srcFileList.1.fileId": GONE}, 10009),
        ("ConfirmEvent", {"msgHandle.1": "123"}, 4000),
        ("CreateClass", {"parentId": 0}, 1903),
        ("CreateClass", {"parentId": 999}, 1000),
        ("CreateTranscodeTemplate", {"video.height": 641}, 10734),
        ("CreateVodTags", {"tags.0": "123456789"}, 1000),
        ("CreateWatermarkTemplate", {"url": "http://example.com/1.png"}, 10801),
        ("CreateWatermarkTemplate", {"left": "10"}, 10803),
        ("CreateWatermarkTemplate", {"top": "1%%"}, 10804),
        ("CreateWatermarkTemplate", {"width": ""}, 10810),
        ("CreateWatermarkTemplate", {"height": "px"}, 10811),
        ("DeleteClass", {"classId": 999}, 1905),
        ("DeleteTranscodeTemplate", {"definition": 10}, 1000),
        ("DeleteWatermarkTemplate", {"definition": 999}, 1000),
        ("DescribeCdnDetailStat", {"startDate": "2018-03-01"}, 17015),
        ("DescribeCdnRegionIspDetailStat", {"date": "2018-03-01"}, 17015),
        ("DescribeCdnStat", {"hosts.0": "elsewhere.example.com"}, 17010),
        ("DescribeCdnStat", {f"hosts.{n}": "h" for n in range(21)}, 17011),
        ("DescribeCdnStat", {"startDate": "2018-03-01"}, 17013),
        ("DescribeDrmDataKey", {"edkList.0": "guessed"}, 10009),
        ("DescribePlayStatTopFiles", {"date": "2018-03-01"}, 1000),
        ("DescribeStorage", {"startDate": "2018-03-01"}, 17013),
        ("DescribeTranscodeStat", {"startDate": "2018-03-01"}, 17015),
        ("DescribeVodInfo", {"fileIds.0": GONE}, 10008),
        ("DescribeVodInfo", {"from": "yesterday"}, 1000),
        ("GetCdnLogList", {"startTime": 0}, 17013),
        ("GetPlayStatLogList", {"from": "2018-03-01"}, 1000),
        ("GetTaskInfo", {"vodTaskId": "guessed"}, 70014),
        ("ModifyClass", {"classId": 999}, 1905),
        ("MultiPullVodFile", {"pullset.0.classId": 999}, 1000),
        ("MultiPullVodFile", {f"pullset.{n}": {"url": "http://a/b", "fileName": "c"} for n in range(51)}, 1000),
        ("ProcessCosMedia", {"input.bucket": "6c0f1c00vodgzp1250000001"}, 10009),
        ("QueryTranscodeTemplate", {"definition": 999}, 10704),
        ("QueryWatermarkTemplate", {"definition": 999}, 10704),
        ("RedoTask", {"vodTaskId": "guessed"}, 70014),
        ("RunProcedure", {"file.id": GONE}, 10008),
        ("RunProcedure", {"procedure": "SomeProcedure"}, 50007),
        ("SimpleClipHls", {"srcFileId": GONE}, 10009),
        ("UpdateTranscodeTemplate", {"definition": 10}, 10735),
        ("UpdateTranscodeTemplate", {"definition": 999}, 10704),
        ("UpdateTranscodeTemplate", {"video.codec": "libx265"}, 10734),
        ("UpdateWatermarkTemplate", {"definition": 999}, 10807),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused(stage: Stage, name: str, change: dict[str, Any], code: int) -> None:
    """A call about something that is not there, or beyond a bound, is refused with the code that the action has."""
    good = flatten(await stage.scene.good(name))
    reply = await asked(stage.sdk, name, good | flatten(change))

    assert code == reply["code"], reply


# The story


async def test_vendors_client_goes_the_whole_way() -> None:
    """Upload, process, clip, join, screenshots, sprites, transcode, pull and delete: each is followed to its event."""
    async with account(Settings(hold=5.0, seed=1, speed=1000.0)) as call:
        story = Story(client(call.emulator, method="POST", SignatureMethod="HmacSHA256"), call)
        session = await story.do("ApplyUpload", videoType="mp4", videoName="a.mp4")
        await call.send(session, "video", b"bytes")
        upload = await story.told("CommitUpload", vodSessionKey=session["vodSessionKey"])
        source = {"fileId": upload["fileId"]}
        flow = await story.told("ProcessFile", **source, transcode={"definition": [210, 220]})
        clip = await story.told("ClipVideo", **source, newFileName="piece", startTimeOffset=1, endTimeOffset=3)
        sources = [source, {"fileId": clip["fileInfo"]["fileId"]}]
        concat = await story.told("ConcatVideo", srcFileList=sources, name="joined", dstType=["mp4"])
        joined = {"fileId": concat["fileInfo"][0]["fileId"]}
        shots = await story.told("CreateSnapshotByTimeOffset", **joined, definition=10, timeOffset=[0, 1000])
        sprite = await story.told("CreateImageSprite", **joined, definition=10)
        coded = await story.told("ConvertVodFile", **joined)
        pulled = await story.told("MultiPullVodFile", pullset=[{"url": upload["fileUrl"], "fileName": "copy"}])
        info = await story.do("GetVideoInfo", **joined)
        copy = await story.do("GetVideoInfo", fileId=pulled["fileId"])
        deleted = await story.told("DeleteVodFile", **joined, priority=0)
        gone = await asked(story.sdk, "GetVideoInfo", joined)

    whole = flow["metaData"]["duration"]
    assert ["SUCCESS", "SUCCESS"] == [step["status"] for step in flow["processTaskList"]]
    assert [0, 0] == [picture["status"] for picture in shots["picInfo"]]
    assert ("joined", whole + 2) == (info["basicInfo"]["name"], info["basicInfo"]["duration"])
    assert sprite["imageSpriteUrl"] == info["imageSpriteInfo"]["imageSpriteList"][0]["imageUrls"]
    assert [one["url"] for one in coded["playSet"]] == [one["url"] for one in info["transcodeInfo"]["transcodeList"]]
    assert (5, flow["metaData"]["md5"]) == (copy["metaData"]["size"], copy["metaData"]["md5"])
    assert ([joined], 10008) == (deleted["fileInfo"], gone["code"])


class Story:
    """Calls by the vendor's client, all but the bytes of uploads, and the events that tell how they ended."""

    def __init__(self, sdk: Sdk, call: Caller) -> None:
        self.sdk = sdk
        self._call = call

    async def do(self, action: str, **params: Any) -> dict[str, Any]:
        """Call an action; its good reply."""
        reply = await asked(self.sdk, action, params)
        assert 0 == reply["code"], reply
        return reply

    async def told(self, action: str, **params: Any) -> dict[str, Any]:
        """Call an action, and pull and confirm the one event that comes of it: the one that is declared; its data."""
        await self.do(action, **params)
        [one] = (await self.do("PullEvent"))["eventList"]
        await self.do("ConfirmEvent", msgHandle=[one["msgHandle"]])
        assert ACTIONS[action].starts_task == one["eventContent"]["eventType"]
        return dict(one["eventContent"]["data"])
