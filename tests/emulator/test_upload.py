"""Uploads: applied for, sent, committed, told of."""

from collections.abc import Callable
from io import BytesIO

import aiohttp
import pytest

from tests.emulator.conftest import Caller
from vodworker.emulator import Emulator
from vodworker.emulator.flow import preset_steps
from vodworker.emulator.serve_upload import MEMORY


async def test_upload_becomes_a_file(emulator: Emulator, call: Caller) -> None:
    """What is applied for, sent and committed is a file of the library; its event says the same as the reply."""
    session = await call.good("ApplyUpload", videoType="mp4", videoName="课.mp4", coverType="jpg")
    assert [200, 200] == [await call.send(session, part, part.encode()) for part in ("video", "cover")]
    file = await call.good("CommitUpload", vodSessionKey=session["vodSessionKey"])
    [event] = await call.events(1)

    assert {
        "version": "4.0",
        "eventType": "NewFileUpload",
        "data": {
            "fileId": file["fileId"],
            "fileName": "课.mp4",
            "fileUrl": file["video"]["url"],
            "coverUrl": file["cover"]["url"],
            "author": "",
            "sourceType": "ServerUpload",
            "sourceContext": "",
            "streamId": "",
        },
    } == event
    assert (5, "mp4") == ((video := emulator.state.files[file["fileId"]]).size, video.container)
    assert [b"video", b"cover"] == [await fetched(call, file[part]["url"]) for part in ("video", "cover")]


async def fetched(call: Caller, url: str) -> bytes:
    """The bytes at an address."""
    async with call.http.get(url) as response:
        return await response.read()


async def test_file_without_a_name_is_called_by_its_id(emulator: Emulator, call: Caller) -> None:
    """An upload without a name gets one."""
    session = await call.good("ApplyUpload", videoType="flv")
    await call.send(session, "video", b"")
    file_id = (await call.good("CommitUpload", vodSessionKey=session["vodSessionKey"]))["fileId"]

    assert "cover" not in session
    assert f"{file_id}.flv" == emulator.state.files[file_id].name


async def test_object_can_be_sent_again(emulator: Emulator, call: Caller) -> None:
    """What is sent to the same place a second time replaces what was there."""
    session = await call.good("ApplyUpload", videoType="mp4")
    await call.send(session, "video", b"first")
    await call.send(session, "video", b"second time")
    file_id = (await call.good("CommitUpload", vodSessionKey=session["vodSessionKey"]))["fileId"]

    assert 11 == emulator.state.files[file_id].size
    assert b"second time" == await fetched(call, emulator.state.files[file_id].url)


async def test_commit_may_be_repeated(emulator: Emulator, call: Caller) -> None:
    """A session that is committed twice is one file and one event, and is answered alike."""
    session = await call.good("ApplyUpload", videoType="mp4")
    await call.send(session, "video", b"bytes")
    first, second = [await call.good("CommitUpload", vodSessionKey=session["vodSessionKey"]) for _ in range(2)]

    assert first == second
    assert (1, 1) == (len(emulator.state.files), emulator.audit.emitted)


async def test_unknown_session_is_refused(call: Caller) -> None:
    """A session key that was not given out is refused with 31001."""
    assert 31001 == (await call("CommitUpload", vodSessionKey="guessed"))["code"]


@pytest.mark.parametrize("sent", [[], ["video"], ["cover"]])
async def test_missing_object_is_refused(call: Caller, sent: list[str]) -> None:
    """A session whose video or cover was not sent is refused with 31003, and can be committed when it is there."""
    session = await call.good("ApplyUpload", videoType="mp4", coverType="png")
    for part in sent:
        await call.send(session, part, b"bytes")
    assert 31003 == (await call("CommitUpload", vodSessionKey=session["vodSessionKey"]))["code"]

    for part in ("video", "cover"):
        await call.send(session, part, b"bytes")
    assert 0 == (await call("CommitUpload", vodSessionKey=session["vodSessionKey"]))["code"]


async def test_session_lives_a_day(emulator: Emulator, call: Caller) -> None:
    """A session that is a day old is forgotten when the next one is applied for."""
    old = await call.good("ApplyUpload", videoType="mp4")
    emulator.clock.advance(MEMORY + 1)
    await call.good("ApplyUpload", videoType="mp4")

    assert 31001 == (await call("CommitUpload", vodSessionKey=old["vodSessionKey"]))["code"]


async def test_upload_starts_its_procedure(emulator: Emulator, call: Caller) -> None:
    """An upload with a procedure tells the task in its event, and the task's end in another."""
    file_id = await call.upload("a.mp4", procedure="QCVB_SimpleProcessFile({210,220},1,10,10)")
    upload, flow = await call.events(2)

    assert upload["data"]["procedureTaskId"] == flow["data"]["vodTaskId"]
    assert f"{emulator.settings.app_id}-mango-" in flow["data"]["vodTaskId"]
    assert (file_id, "FINISH") == (flow["data"]["fileId"], flow["data"]["status"])
    assert [
        ("Transcode", {"definition": 210, "watermark": 1}),
        ("Transcode", {"definition": 220, "watermark": 1}),
        ("CoverBySnapshot", {"definition": 10, "positionType": "Percent", "position": 10}),
        ("SampleSnapshot", {"definition": 10}),
    ] == [(step["taskType"], step["input"]) for step in flow["data"]["processTaskList"]]


@pytest.mark.parametrize(
    "procedure, expected",
    [
        ("QCVB_SimpleProcessFile", ["Transcode", "CoverBySnapshot", "SampleSnapshot"]),
        ("QCVB_ProcessUGCFile(20, 0, 0, 10)", ["Transcode", "Porn"]),
        ("QCVB_SimpleProcessFile({0}, 0, 10, 0)", ["CoverBySnapshot"]),
    ],
)
def test_procedure_does_what_its_brackets_say(procedure: str, expected: list[str]) -> None:
    """What a preset flow does is said in brackets, 0 leaves something out; without brackets it does all it can."""
    assert expected == [step.type for step in preset_steps(procedure)]


@pytest.mark.parametrize("procedure", ["Mine(1)", "QCVB_SimpleProcessFile(all)", "QCVB_SimpleProcessFile({0},0,0,0)"])
async def test_unknown_procedure_is_refused_before_the_bytes(call: Caller, procedure: str) -> None:
    """A procedure that the service does not have, or that does nothing, is refused when the upload is applied for."""
    assert 4000 == (await call("ApplyUpload", videoType="mp4", procedure=procedure))["code"]


async def test_parameters_are_checked(call: Caller) -> None:
    """A parameter that is missing, of the wrong type or unknown is refused, by name."""
    replies = [
        await call("ApplyUpload"),
        await call("ApplyUpload", videoType="mp4", videoSize="large"),
        await call("ApplyUpload", videoType="mp4", videotype="mp4"),
        await call("ApplyUpload", **{"videoType": "mp4", "videoType.0": "mp4"}),
    ]

    assert [4000] * 4 == [reply["code"] for reply in replies]
    assert [True] * 4 == [
        name in reply["message"]
        for name, reply in zip(["videoType", "videoSize", "videotype", "videoType"], replies, strict=True)
    ]


async def test_store_takes_only_what_is_promised(call: Caller) -> None:
    """Bytes without the signature of their place are refused, and so is a place that was promised to nobody."""
    session = await call.good("ApplyUpload", videoType="mp4")
    elsewhere = session | {"video": session["video"] | {"storagePath": "/elsewhere.mp4"}}

    assert [401, 401, 401] == [
        await call.send(session, "video", b"bytes", signature="guessed"),
        await call.send(session, "video", b"bytes", signature=""),
        await call.send(elsewhere, "video", b"bytes"),
    ]


def nothing(_: aiohttp.FormData) -> None:
    """Leave the form as it is."""


def large(form: aiohttp.FormData) -> None:
    """Add more than the store takes in one piece."""
    form.add_field("filecontent", BytesIO(bytes(21 * 1024 * 1024)), filename="file")


@pytest.mark.parametrize("fill, status", [(nothing, 400), (large, 413)])
async def test_store_refuses_what_is_no_whole_file(
    call: Caller, fill: Callable[[aiohttp.FormData], None], status: int
) -> None:
    """A form without the bytes is refused, and one with more than 20 MB of them, which go in slices."""
    session = await call.good("ApplyUpload", videoType="mp4")
    form = aiohttp.FormData({"op": "upload"}, default_to_multipart=True)
    fill(form)

    assert status == await posted(call, session, form)


async def test_store_takes_multipart_only(call: Caller) -> None:
    """Bytes that do not come as multipart/form-data are refused."""
    session = await call.good("ApplyUpload", videoType="mp4")

    assert 400 == await posted(call, session, b"bytes")


async def posted(call: Caller, session: dict[str, dict[str, str]], body: object) -> int:
    """The HTTP status with which the store answers this body."""
    url = f"{call.emulator.origin}/files/v2/1/bucket{session['video']['storagePath']}"
    headers = {"Authorization": session["video"]["storageSignature"]}
    async with call.http.post(url, data=body, headers=headers) as response:
        return response.status


async def test_what_tasks_made_has_no_bytes(emulator: Emulator, call: Caller) -> None:
    """The address of a transcoded file leads nowhere: 404."""
    file_id = await call.upload("a.mp4")
    async with call.http.get(f"{emulator.state.files[file_id].folder}/f210.m3u8") as response:
        assert 404 == response.status
