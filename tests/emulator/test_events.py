"""The event queue over the wire."""

import asyncio
from contextlib import suppress

import pytest

from tests.emulator.conftest import Caller, account
from vodworker.emulator import Empty, Emulator, Settings
from vodworker.testing import in_virtual_time

EVENT = {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": "7", "fileName": "期末"}}


def handles(reply: dict[str, list[dict[str, str]]]) -> list[str]:
    """The handles in a reply of PullEvent."""
    return [one["msgHandle"] for one in reply["eventList"]]


async def test_event_is_pulled_and_confirmed(emulator: Emulator, call: Caller) -> None:
    """An event that was put in comes out as it was with a handle, and is gone when that is confirmed."""
    emulator.emit(EVENT)

    reply = await call.good("PullEvent")
    await call.good("ConfirmEvent", msgHandle=handles(reply))

    assert [EVENT] == [one["eventContent"] for one in reply["eventList"]]
    assert (0, 1, 1, 1) == (
        len(emulator.queue),
        emulator.audit.emitted,
        emulator.audit.pulled,
        emulator.audit.confirmations,
    )
    assert 29 < emulator.audit.smallest_margin <= 30


async def test_handles_are_counted_from_nought_or_one(emulator: Emulator, call: Caller) -> None:
    """Older pages count msgHandle from 1: that is taken too."""
    emulator.emit(EVENT)
    [handle] = handles(await call.good("PullEvent"))
    params = call.params("ConfirmEvent") | {"msgHandle.1": handle}

    assert 0 == (await call.post(call.sign(params)))["code"]


async def test_reply_holds_sixteen_events(emulator: Emulator, call: Caller) -> None:
    """A reply holds 16 events at most, the rest follow in the next."""
    for _ in range(17):
        emulator.emit(EVENT)

    assert [16, 1] == [len((await call.good("PullEvent"))["eventList"]) for _ in range(2)]


async def test_handle_is_confirmed_once(emulator: Emulator, call: Caller) -> None:
    """A handle that is unknown, or confirmed already, is a wrong parameter; so is no handle at all."""
    emulator.emit(EVENT)
    [handle] = handles(await call.good("PullEvent"))
    await call.good("ConfirmEvent", msgHandle=[handle])

    replies = [await call("ConfirmEvent", msgHandle=names) for names in ([handle], ["1"], [])]

    assert [4000, 4000, 4000] == [reply["code"] for reply in replies]
    assert f"(4000) msgHandle {handle} is unknown" == replies[0]["message"]


@in_virtual_time
async def test_held_poll_wakes() -> None:
    """A poll that is held returns as soon as an event is put in, and after 5 s without one."""
    loop = asyncio.get_running_loop()
    async with account() as call:
        loop.call_later(2, call.emulator.emit, EVENT)
        first, at = await call.good("PullEvent"), loop.time()
        second = await call("PullEvent")

    assert [EVENT] == [one["eventContent"] for one in first["eventList"]]
    assert 4000 == second["code"]
    assert (2.0, 5.0) == (round(at, 1), round(loop.time() - at, 1))


@in_virtual_time
async def test_client_that_hung_up_gets_nothing() -> None:
    """A client that goes away while it waits takes no event with it: the next one is for who is still there."""
    async with account() as call:
        audit = call.emulator.audit
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await call("PullEvent")
        asyncio.get_running_loop().call_later(1, call.emulator.emit, EVENT)
        reply = await call.good("PullEvent")

    assert 1 == len(reply["eventList"])
    assert (1, 0) == (audit.pulled, audit.redelivered)
    assert [(None, 1.0), (0, 1.0)] == [(one.code, round(one.duration, 1)) for one in audit.calls("PullEvent")]


class TestShortLives:
    """Handles that live a hundredth of a second."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Nobody confirms in time."""
        return Settings(hold=5.0, handle_life=0.01, return_after=0.01)

    async def test_late_confirmation_is_refused_and_the_event_redelivered(
        self, emulator: Emulator, call: Caller
    ) -> None:
        """An event that was not confirmed in time comes again to the poll that waits, and its old handle is refused."""
        emulator.emit(EVENT)
        [first] = handles(await call.good("PullEvent"))
        [second] = handles(await call.good("PullEvent"))

        reply = await call("ConfirmEvent", msgHandle=[first])

        assert (4000, f"(4000) msgHandle {first} is expired") == (reply["code"], reply["message"])
        assert first != second
        assert (1, 1, 1) == (emulator.audit.pulled, emulator.audit.redelivered, emulator.audit.late)


class TestPartialConfirmation:
    """An account where the live handles of a batch count."""

    @pytest.fixture
    def settings(self) -> Settings:
        """As is said."""
        return Settings(partial_confirm=True)

    async def test_live_handles_are_confirmed(self, emulator: Emulator, call: Caller) -> None:
        """The batch is refused with 4000 all the same, but its live handles are confirmed."""
        emulator.emit(EVENT)
        [handle] = handles(await call.good("PullEvent"))

        reply = await call("ConfirmEvent", msgHandle=["1", handle])

        assert (4000, 1, 0) == (reply["code"], emulator.audit.confirmations, len(emulator.queue))


@pytest.mark.parametrize(
    "empty, expected",
    [
        (Empty.REFUSED, {"code": 4000, "message": "(4000) PullEvent: 没有事件通知", "codeDesc": "InvalidParameter"}),
        (Empty.EMPTY, {"code": 0, "message": "", "codeDesc": "Success", "eventList": []}),
        (Empty.MISSING, {"code": 0, "message": "", "codeDesc": "Success"}),
    ],
)
class TestEmptyQueue:
    """The three ways in which an empty queue was seen to answer."""

    @pytest.fixture
    def settings(self, empty: Empty) -> Settings:
        """One of the three."""
        return Settings(hold=0.01, empty=empty)

    async def test_empty_queue_is_answered_as_set(self, call: Caller, expected: dict[str, object]) -> None:
        """Without an event, PullEvent waits its hold out and answers as the settings say."""
        assert expected == await call("PullEvent")


class TestLowCeilings:
    """An account that may call little."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Two polls a minute."""
        return Settings(hold=0.01, ceilings={"PullEvent": 2}, empty=Empty.EMPTY)

    async def test_call_above_the_ceiling_is_refused(self, emulator: Emulator, call: Caller) -> None:
        """The call above an action's ceiling is refused with 4400, counted in the audit, and harms no other action."""
        codes = [(await call("PullEvent"))["code"] for _ in range(3)]

        assert [0, 0, 4400] == codes
        assert 0 == (await call("GetTaskList", status="FINISH"))["code"]
        assert (3, 1) == (emulator.audit.most_in_60s("PullEvent"), emulator.audit.codes["PullEvent", 4400])

    async def test_ceiling_can_be_raised(self, emulator: Emulator, call: Caller) -> None:
        """A ceiling that is changed counts from the next call on."""
        emulator.ceilings["PullEvent"] = 3

        assert [0, 0, 0, 4400] == [(await call("PullEvent"))["code"] for _ in range(4)]


async def test_ceilings_are_the_actions_own(emulator: Emulator, call: Caller) -> None:
    """Without a setting, the ceiling of an action is the rate that its declaration states: 100 a minute, mostly."""
    codes = [(await call("GetTaskList", status="FINISH"))["code"] for _ in range(101)]

    assert [0] * 100 + [4400] == codes
    assert 101 == emulator.audit.most_in_60s("GetTaskList")
