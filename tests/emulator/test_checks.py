"""Who is let in, and with which code the others are turned away: over the wire, and with the time passed in."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.emulator.conftest import Caller
from vodworker import sign
from vodworker.emulator import Emulator, Settings
from vodworker.emulator.checks import PATH, TOLERANCE, Guard
from vodworker.emulator.refusal import Refusal

Params = dict[str, str]


@pytest.mark.parametrize("method", [None, *sign.METHODS])
async def test_signed_call_is_let_in(call: Caller, method: str | None) -> None:
    """A call signed by either method is served, by POST and by GET; without a method it is HmacSHA1."""
    for send, verb in ((call.post, "POST"), (call.get, "GET")):
        params = call.params("GetTaskList", status="FINISH")
        del params["SignatureMethod"]
        named = params | ({"SignatureMethod": method} if method else {})
        assert 0 == (await send(call.sign(named, method=verb)))["code"]


async def test_host_is_signed_with_its_port_or_without(call: Caller) -> None:
    """Clients differ in whether the host that they sign has the port; both are right."""
    reply = await call.post(call.sign(call.params("GetTaskList", status="FINISH"), host="127.0.0.1"))

    assert 0 == reply["code"]


async def test_values_are_signed_raw(call: Caller) -> None:
    """Values with spaces, signs and Chinese in them are signed as they are, and sent URL-encoded."""
    params = call.params("GetTaskList", status="FINISH", fileId="期末 a=b+c&d/%20")

    assert 0 == (await call.post(call.sign(params)))["code"]
    params["Nonce"] = "1" + params["Nonce"]
    assert 0 == (await call.get(call.sign(params, method="GET")))["code"]


def without(name: str) -> Callable[[Params], Params]:
    """The call, this parameter left out."""
    return lambda params: {key: value for key, value in params.items() if key != name}


def changed(name: str, value: str) -> Callable[[Params], Params]:
    """The call, this parameter being another."""
    return lambda params: params | {name: value}


@pytest.mark.parametrize(
    "change, code",
    [
        *((without(name), 4000) for name in ("Action", "Region", "Timestamp", "Nonce", "SecretId")),
        (changed("Timestamp", "soon"), 4000),
        (changed("Timestamp", "9" * 5000), 4000),
        (changed("Nonce", "-1"), 4000),
        (changed("Nonce", "0"), 4000),
        (changed("SubAppId", "main"), 4000),
        (changed("SignatureMethod", "MD5"), 4000),
        (changed("SecretId", "test-other-id"), 4104),
        (changed("Token", "test-token"), 4105),
        (changed("Timestamp", "1"), 4500),
        (changed("Action", "DropDatabase"), 6100),
        (changed("SubAppId", "1500001234"), 0),
    ],
)
async def test_common_parameters_are_checked(call: Caller, change: Callable[[Params], Params], code: int) -> None:
    """Each common parameter that is missing or wrong is answered with the service's code for it, in an HTTP 200."""
    params = change(call.params("GetTaskList", status="FINISH"))
    try:
        signed = call.sign(params)
    except ValueError:  # no signature can be made by a method that is none
        signed = params | {"Signature": "none"}

    assert code == (await call.post(signed))["code"]


async def test_refusal_says_why(call: Caller) -> None:
    """A refusal has a code, a message that begins with a number in brackets, and the name of the code."""
    reply = await call.post(call.params("PullEvent"))

    assert {"code": 4000, "message": "(4000) Signature is missing", "codeDesc": "InvalidParameter"} == reply


async def test_wrong_signature(call: Caller) -> None:
    """A call that is signed with another key, or changed on its way, is refused with 4100."""
    stranger = replace(call, secret_key="test-other-key")
    tampered = call.sign(call.params("GetTaskList", status="FINISH")) | {"status": "WAITING"}

    assert [4100, 4100] == [(await stranger("PullEvent"))["code"], (await call.post(tampered))["code"]]


async def test_get_and_post_are_not_mixed(call: Caller) -> None:
    """Of a POST the query is passed over, of a GET the body."""
    signed = call.sign(call.params("GetTaskList", status="FINISH"))
    async with call.http.post(call.emulator.url, params=signed) as response:
        assert 4000 == (await response.json())["code"]
    signed = call.sign(call.params("GetTaskList", status="FINISH"), method="GET")
    async with call.http.get(call.emulator.url, data=signed) as response:
        assert 4000 == (await response.json())["code"]


async def test_call_cannot_be_replayed(call: Caller) -> None:
    """The same call sent twice is refused the second time, with 4500."""
    signed = call.sign(call.params("GetTaskList", status="FINISH"))

    assert [0, 4500] == [(await call.post(signed))["code"] for _ in range(2)]


@pytest.mark.parametrize(
    "body, code",
    [
        (b"Action=\xff", 4000),
        (b"a=1&" * 5000, 4000),
        (b"", 4000),
        (b'{"Action": "PullEvent"}', 4000),
        (b"Action=PullEvent&Action=ConfirmEvent", 4000),
    ],
)
async def test_strange_bodies_are_refused(call: Caller, body: bytes, code: int) -> None:
    """A body that is not a form of UTF-8 texts is a wrong parameter, not a crash."""
    async with call.http.post(call.emulator.url, data=body) as response:
        assert (200, code) == (response.status, (await response.json())["code"])


async def test_account_can_be_disabled(emulator: Emulator, call: Caller) -> None:
    """When an account is taken away its calls are refused from then on, and let in again when it is back."""
    accounts = dict(emulator.accounts)
    emulator.accounts.clear()
    assert 4104 == (await call("GetTaskList", status="FINISH"))["code"]

    emulator.accounts.update(accounts)
    assert 0 == (await call("GetTaskList", status="FINISH"))["code"]


class TestTemporaryCredentials:
    """An account whose credentials are temporary."""

    @pytest.fixture
    def settings(self) -> Settings:
        """With a token."""
        return Settings(token="test-token")

    @pytest.mark.parametrize("token, code", [({}, 4105), ({"Token": "old"}, 4105), ({"Token": "test-token"}, 0)])
    async def test_token_is_expected(self, call: Caller, token: Params, code: int) -> None:
        """A call without the token, or with another, is refused with 4105."""
        params = call.params("GetTaskList", status="FINISH") | token

        assert code == (await call.post(call.sign(params)))["code"]


def signed(**changes: str) -> Params:
    """A call at 1000 s with Nonce 7, changed so."""
    params = {"Action": "A", "Region": "gz", "Timestamp": "1000", "Nonce": "7", "SecretId": "id"} | changes
    return sign.signed(params, secret_key="test-secret-key", method="GET", host="h", path=PATH)


def admit(guard: Guard, now: float, **changes: str) -> int:
    """The code with which the call is answered at this time."""
    try:
        guard.admit(signed(**changes), method="GET", host="h", now=now)
    except Refusal as refusal:
        return refusal.code
    return 0


def guard() -> Guard:
    """A guard of two accounts that have the same key."""
    return Guard(dict.fromkeys(("id", "id2"), "test-secret-key"))


@pytest.mark.parametrize("now, code", [(699, 4500), (700, 0), (1300, 0), (1301, 4500)])
def test_timestamp_may_be_five_minutes_off(now: float, code: int) -> None:
    """A Timestamp is taken up to 5 minutes off in either direction."""
    assert code == admit(guard(), now)


def test_nonce_is_used_once_with_each_timestamp() -> None:
    """A Nonce is refused only together with the Timestamp and the SecretId that it was seen with."""
    doorkeeper = guard()

    assert [0, 4500, 0, 0, 0] == [
        admit(doorkeeper, 1000),
        admit(doorkeeper, 1000),
        admit(doorkeeper, 1000, Nonce="8"),
        admit(doorkeeper, 1000, Timestamp="1001"),
        admit(doorkeeper, 1000, SecretId="id2"),
    ]


def test_refused_call_uses_up_no_nonce() -> None:
    """A stranger who guesses a Nonce cannot keep its owner from using it."""
    doorkeeper = guard()
    with pytest.raises(Refusal):
        doorkeeper.admit(signed() | {"Signature": "guessed"}, method="GET", host="h", now=1000)

    assert 0 == admit(doorkeeper, 1000)


def test_old_nonces_are_forgotten() -> None:
    """What the Timestamp alone refuses is no longer remembered: the guard's memory is bounded by time."""
    doorkeeper = guard()
    for second in range(1000, 2000):
        admit(doorkeeper, second, Timestamp=str(second))

    assert f"<Guard of 2 accounts, {TOLERANCE + 1} calls remembered>" == repr(doorkeeper)
