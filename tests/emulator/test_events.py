"""The event queue over the wire."""

from tests.emulator.conftest import Caller
from vodworker.emulator import Emulator


async def test_event_is_pulled_and_confirmed(emulator: Emulator, call: Caller) -> None:
    """An event that was put in comes out with a handle, and is gone when that is confirmed."""
    event = {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": "7", "fileName": "期末"}}
    emulator.emit(event)

    reply = await call.good("PullEvent")
    await call.good("ConfirmEvent", msgHandle=[one["msgHandle"] for one in reply["eventList"]])

    assert [event] == [one["eventContent"] for one in reply["eventList"]]
    assert (0, 1) == (len(emulator.queue), emulator.audit.confirmations)
