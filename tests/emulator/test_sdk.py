"""The vendor's own client as the witness: it knows nothing of us, and the emulator must be the service to it."""

import asyncio
import json
from http.client import HTTPConnection
from typing import Any

import pytest
from QcloudApi.modules.vod import Vod

from tests.emulator.conftest import Caller
from vodworker import sign
from vodworker.emulator import Emulator

Sdk = Any  # it ships no types


def client(emulator: Emulator, *, key: str = "test-secret-key", port: bool = True, **config: str) -> Sdk:
    """The vendor's client, pointed at the emulator over plain HTTP. port: whether the host that it signs has it."""
    host = emulator.origin.removeprefix("http://")
    sdk: Sdk = Vod({"secretId": "test-secret-id", "secretKey": key, "Region": "gz", **config})
    sdk.requestHost = host if port else host.rpartition(":")[0]
    sdk.apiRequest.conn = Plain(host)
    return sdk


class Plain(HTTPConnection):
    """What the client uses to send, without TLS; it wants to know how long the request was."""

    request_length = 0


async def asked(sdk: Sdk, action: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call an action with the vendor's client, in a thread of its own; the reply."""
    return dict(json.loads(await asyncio.to_thread(sdk.call, action, params or {})))


@pytest.mark.parametrize("port", [True, False])
@pytest.mark.parametrize("secret_method", sign.METHODS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_vendors_client_is_let_in(emulator: Emulator, method: str, secret_method: str, port: bool) -> None:  # noqa: FBT001  # a case
    """The vendor's client is let in by GET and POST, with either signature, the port signed or not."""
    sdk = client(emulator, method=method, SignatureMethod=secret_method, port=port)

    reply = await asked(sdk, "GetTaskList", {"status": "FINISH", "fileId": "期末 a+b&c"})

    assert (0, "Success", []) == (reply["code"], reply["codeDesc"], reply["data"]["taskList"])


async def test_vendors_client_is_refused(emulator: Emulator) -> None:
    """The vendor's client gets the service's codes, in replies that it can read."""
    good, wrong = client(emulator), client(emulator, key="test-other-key")

    assert [4100, 6100, 4000, 10008] == [
        (await asked(wrong, "PullEvent"))["code"],
        (await asked(good, "DropDatabase"))["code"],
        (await asked(good, "GetVideoInfo"))["code"],
        (await asked(good, "GetVideoInfo", {"fileId": "1"}))["code"],
    ]


async def test_vendors_client_goes_the_whole_way(emulator: Emulator, call: Caller) -> None:
    """Upload, flow, joining, naming and deleting, each told by its event, all by the vendor's client but the bytes."""
    sdk = client(emulator, method="POST", SignatureMethod="HmacSHA256")

    async def do(action: str, **params: Any) -> dict[str, Any]:
        reply = await asked(sdk, action, params)
        assert 0 == reply["code"], reply
        return reply

    async def told() -> dict[str, Any]:
        [one] = (await do("PullEvent"))["eventList"]
        await do("ConfirmEvent", msgHandle=[one["msgHandle"]])
        return dict(one["eventContent"])

    session = await do("ApplyUpload", videoType="mp4", videoName="a.mp4")
    await call.send(session, "video", b"bytes")
    file_id = (await do("CommitUpload", vodSessionKey=session["vodSessionKey"]))["fileId"]
    upload = await told()
    await do("ProcessFile", fileId=file_id, transcode={"definition": [210, 220]}, notifyMode="Finish")
    flow = await told()
    await do("ConcatVideo", srcFileList=[{"fileId": file_id}, {"fileId": file_id}], name="joined", dstType=["mp4"])
    concat = await told()
    joined = concat["data"]["fileInfo"][0]["fileId"]
    await do("ModifyVodInfo", fileId=joined, fileName="one")
    await do("CreateVodTags", fileId=joined, tags=["期末"])
    info = await do("GetVideoInfo", fileId=joined, infoFilter=["basicInfo"])
    await do("DeleteVodFile", fileId=file_id, priority=0)
    deleted = await told()

    assert ["NewFileUpload", "ProcedureStateChanged", "ConcatComplete", "FileDeleted"] == [
        event["eventType"] for event in (upload, flow, concat, deleted)
    ]
    assert ["SUCCESS", "SUCCESS"] == [step["status"] for step in flow["data"]["processTaskList"]]
    assert ("one", ("期末",)) == (info["basicInfo"]["name"], emulator.state.files[joined].tags)
    assert 0 == len(emulator.queue)
