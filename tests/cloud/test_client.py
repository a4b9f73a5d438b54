"""The client: what it sends, what it makes of every kind of answer, and when it dares to ask again."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from vodworker.api import ConcatVideo, GetTaskInfo, GetTaskList, SourceFile
from vodworker.cloud.account import Account
from vodworker.errors import BadReply, Denied, Refused, Unreachable
from vodworker.sign import signature
from vodworker.testing import in_virtual_time
from vodworker.wire import dumps

COSTLY = ConcatVideo(src_file_list=[SourceFile(file_id="1"), SourceFile(file_id="2")], name="x", dst_type=["mp4"])
SAFE = GetTaskInfo(vod_task_id="t")


@in_virtual_time
async def test_a_call_is_signed_and_flat(line: Any) -> None:
    """Parameters go out dotted and numbered, with the common ones and a signature over all of them."""
    async with line({"body": b'{"code":0,"message":"","vodTaskId":"concat-1"}'}) as it:
        reply = await it.vod.call(COSTLY)

    (form,) = it.asked
    host = it.vod.account.endpoint.split("/")[2]
    expected = signature(form, secret_key="test-secret-key", method="POST", host=host, path="/v2/index.php")
    assert "concat-1" == reply.vod_task_id
    assert expected == form["Signature"]
    assert ("1", "2", "mp4") == (form["srcFileList.0.fileId"], form["srcFileList.1.fileId"], form["dstType.0"])
    assert ("ConcatVideo", "gz", "HmacSHA256") == (form["Action"], form["Region"], form["SignatureMethod"])


@in_virtual_time
async def test_a_nonce_is_never_used_twice(line: Any) -> None:
    """A hundred calls within one second have a hundred nonces."""
    async with line({}) as it:
        for _ in range(100):
            await it.vod.call(SAFE)

    assert 100 == len({form["Nonce"] for form in it.asked})


def test_optional_common_parameters_are_sent_when_they_are_set() -> None:
    """Token and SubAppId are among the parameters, and so are signed, only when the account has them."""
    plain = Account("https://x", "test-secret-id", "test-secret-key")
    full = Account("https://x", "test-secret-id", "test-secret-key", token="test-token", sub_app_id=15)

    assert not {"Token", "SubAppId"} & plain.common("PullEvent", timestamp=1, nonce=2).keys()
    assert ("test-token", "15") == tuple(
        full.common("PullEvent", timestamp=1, nonce=2)[name] for name in ("Token", "SubAppId")
    )
    assert "test-secret" not in repr(full)


@pytest.mark.parametrize(
    "answer,error,code",
    [
        ({"body": b'{"code":4000,"message":"(100004)bad"}'}, Refused, 4000),
        ({"body": b'{"code":"5100","message":"bad"}'}, Refused, 5100),
        ({"body": b'{"code":4104,"message":"who?","codeDesc":"AuthFailure"}'}, Denied, 4104),
        ({"body": b"<html>sorry</html>"}, BadReply, None),
        ({"body": b'{"code":0,"mess'}, BadReply, None),
        ({"body": b"<html>bad gateway</html>", "status": 502}, Unreachable, None),
        ({"body": b'{"code":0,"message":"long"}', "cut": 9}, Unreachable, None),
        ({"late": 20.0}, Unreachable, None),
    ],
)
def test_each_kind_of_answer_has_its_error(line: Any, answer: Any, error: type[Exception], code: int | None) -> None:
    """What is no good reply is raised as the error that says whether the call may have had its effect; once."""

    @in_virtual_time
    async def ask() -> None:
        async with line(answer) as it:
            with pytest.raises(error, match="ConcatVideo") as raised, capture_logs() as told:
                await it.vod.call(COSTLY)
            assert code == getattr(raised.value, "code", None)
            assert getattr(raised.value, "sent", True)
            assert ["call.failed"] == [line["event"] for line in told]
            assert 1 == len(it.asked)

    ask()


@in_virtual_time
async def test_a_safe_call_is_sent_again(line: Any) -> None:
    """A call that may be repeated freely survives failures on the way, as often as `retries` says."""
    failing = [{"status": 503, "body": b""}, {"body": b'{"code":6000,"message":"internal"}'}]
    async with line(*failing, {"body": b'{"code":0,"status":"FINISH"}'}) as it:
        reply = await it.vod.call(SAFE)

        assert 3 == len(it.asked)
        assert "FINISH" == reply.status

    async with line({"status": 503, "body": b""}, retries=1) as it:
        with pytest.raises(Unreachable):
            await it.vod.call(SAFE)

        assert 2 == len(it.asked)


@in_virtual_time
async def test_a_safe_call_that_was_refused_for_good_is_not_sent_again(line: Any) -> None:
    """An answer that trying again cannot change is raised at once."""
    async with line({"body": b'{"code":4000,"message":"no such task"}'}) as it:
        with pytest.raises(Refused):
            await it.vod.call(SAFE)

        assert 1 == len(it.asked)


@in_virtual_time
async def test_a_call_that_never_left_is_sent_again_even_when_it_costs(line: Any) -> None:
    """Without a connection nothing was sent, so that even a costly call may be tried again; the error says so."""
    async with line({}, endpoint="http://127.0.0.1:9/v2/index.php", retries=3) as it:
        with pytest.raises(Unreachable) as raised, capture_logs() as told:
            await it.vod.call(COSTLY)

    assert not raised.value.sent
    assert 4 == len([line for line in told if line["event"] == "call.failed"])


@in_virtual_time
async def test_a_throttled_call_waits_and_goes_again(line: Any) -> None:
    """A 4400 means that nothing happened: the call, however costly, goes again when its bucket reopens."""
    throttled = {"body": b'{"code":4400,"message":"too many"}'}
    async with line(throttled, throttled, {"body": b'{"code":0,"vodTaskId":"t"}'}) as it:
        with capture_logs() as told:
            reply = await it.vod.call(COSTLY)

        assert "t" == reply.vod_task_id
        assert [5.0, 10.0] == [line["pause"] for line in told if line["event"] == "call.throttled"]
        assert 15.0 == pytest.approx(asyncio.get_running_loop().time(), abs=0.5)


@in_virtual_time
async def test_a_long_list_is_read_to_its_end(line: Any) -> None:
    """`pages` gives the items of every piece, and asks for each piece from where the one before it ended."""
    pieces = [{"next": "b", "taskList": [{"vodTaskId": "a"}, {"vodTaskId": "b"}]}, {"taskList": [{"vodTaskId": "c"}]}]
    async with line(*({"body": dumps({"code": 0, "data": piece})} for piece in pieces)) as it:
        tasks = [task.vod_task_id async for task in it.vod.pages(GetTaskList(status="FINISH"))]

    assert ["a", "b", "c"] == tasks
    assert [None, "b"] == [form.get("next") for form in it.asked]


@pytest.mark.parametrize("language,cause", [("en", "signature"), ("zh", "签名")])
def test_a_refusal_is_explained_in_the_log(line: Any, language: str, cause: str) -> None:
    """The log says what a refused call's code means, in the operator's language; an unknown code is not explained."""

    @in_virtual_time
    async def ask() -> list[Any]:
        async with line({"body": b'{"code":4100}'}, {"body": b'{"code":77777}'}, language=language) as it:
            with capture_logs() as told:
                for _ in range(2):
                    with pytest.raises(Refused):
                        await it.vod.call(SAFE)
        return told

    causes = [told["cause"] for told in ask()]
    assert cause in causes[0]
    assert causes[1] is None


@in_virtual_time
async def test_nothing_secret_is_told(line: Any) -> None:
    """No key and no signature is in a log line, an error or a repr."""
    async with line({"body": b"<html>Signature=abc</html>"}) as it:
        with pytest.raises(BadReply) as raised, capture_logs() as told:
            await it.vod.call(COSTLY)

        everything = f"{told} {raised.value!r} {it.vod!r} {it.vod.account!r}"
        assert "test-secret-key" not in everything
        assert all(form["Signature"] not in everything for form in it.asked)
