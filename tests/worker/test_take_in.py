"""Take in, step by step: what is written before what is sent, and what a confirmation that fails means."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.worker.conftest import Worlds
from vodworker.cloud.queue import HANDLE_LIFE
from vodworker.emulator import Plan
from vodworker.emulator.audit import Call
from vodworker.emulator.faults import Latency
from vodworker.errors import BadReply, CallError, Denied, Refused, Throttled, Unreachable
from vodworker.events import Event
from vodworker.handler import Context, on
from vodworker.journal.port import COPY_SPAN
from vodworker.testing import in_virtual_time
from vodworker.worker.take_in import void

OUTAGE = COPY_SPAN + 100.0


def event(name: str) -> dict[str, object]:
    """An event that its name tells apart."""
    return {"eventType": "SomethingNew", "data": {"fileId": name}}


class Ear:
    """A handler of everything, and what it heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @property
    def handler(self) -> Callable[[Any, Context], Any]:
        """The handler."""

        @on(Event)
        async def hear(event: Event, ctx: Context) -> None:
            self.heard.append(event.key)

        return hear


@in_virtual_time
async def test_an_event_is_written_before_it_is_confirmed(world: Worlds) -> None:
    """First the event is in the journal, then that it is about to be confirmed, and only then the service is told."""
    async with world() as it:
        it.emulator.emit(event("a"))
        async with it.worker(Ear().handler):
            await asyncio.sleep(1)

        steps = [note for note in it.notes if note in ("record", "ConfirmEvent") or note.startswith("mark")]
        assert ["record", "mark sent", "ConfirmEvent", "mark accepted"] == steps


@in_virtual_time
async def test_an_event_is_claimed_in_the_commit_that_records_it(world: Worlds) -> None:
    """Its claim is asked for while it is recorded: its handler waits for the disk once, and not twice."""
    async with world() as it, it.worker(Ear().handler):
        await asyncio.sleep(1)
        it.asked.clear()
        it.emulator.emit(event("a"))
        await asyncio.sleep(1)

        assert "claim" in it.asked[: it.asked.index("record …")]


@in_virtual_time
async def test_what_was_pulled_is_confirmed_before_the_end(world: Worlds) -> None:
    """A stop that comes while an event is on its way from the queue to the journal confirms it all the same."""
    async with world() as it:
        pulled = asyncio.Event()

        def tell(call: Call) -> None:
            if call.action == "PullEvent" and call.code == 0:
                pulled.set()

        it.watch = tell
        it.emulator.emit(event("a"))
        it.slow["record"] = 2.0
        async with it.worker(Ear().handler):
            await pulled.wait()
            await asyncio.sleep(1)

        assert (1, 0) == (it.emulator.audit.confirmations, len(it.emulator.queue))


@in_virtual_time
async def test_the_last_to_be_recorded_is_confirmed_too(world: Worlds) -> None:
    """At a stop, what one stream still records is confirmed, although all that the other brought already is."""
    async with world() as it:
        pulled = asyncio.Queue[None]()

        def tell(call: Call) -> None:
            if call.action == "PullEvent" and call.code == 0:
                pulled.put_nowait(None)

        it.watch = tell
        async with it.worker(Ear().handler, streams=2):
            for name, takes in (("a", 2.0), ("b", 6.0)):
                it.slow["record"] = takes
                it.emulator.emit(event(name))
                await pulled.get()
                await asyncio.sleep(0.5)

        assert (2, 0) == (it.emulator.audit.confirmations, len(it.emulator.queue))


@in_virtual_time
async def test_recording_and_confirming_share_the_grace(world: Worlds) -> None:
    """However slow the journal is at a stop, what is on its way is given the grace once."""
    clock = asyncio.get_running_loop().time
    async with world() as it:
        it.slow = {"record": 8.0, "mark": 8.0}
        it.emulator.emit(event("a"))
        async with it.worker(Ear().handler, grace=10.0):
            await asyncio.sleep(1)
            asked = clock()

        assert 10.0 == pytest.approx(clock() - asked, abs=0.5)


@in_virtual_time
async def test_margin_is_what_was_left_when_the_confirmation_left(world: Worlds) -> None:
    """The margin that is told is the one that the service saw, however long the journal and the token took."""
    async with world() as it:
        it.emulator.emit(event("a"))
        with capture_logs() as told:
            it.slow["mark"] = 5.0
            async with it.worker(Ear().handler):
                await asyncio.sleep(10)

        (line,) = [line for line in told if line["event"] == "event.confirmed"]
        assert 25.0 == pytest.approx(line["margin"], abs=0.2)
        assert it.emulator.audit.smallest_margin == pytest.approx(line["margin"], abs=0.2)


@pytest.mark.no_cover
@in_virtual_time
async def test_handle_that_died_in_line_is_not_sent(world: Worlds) -> None:
    """A handle that died while its confirmation waited for a token is told, and is not sent; its event comes again."""
    ear = Ear()
    async with world() as it:
        with capture_logs() as told:
            async with it.worker(ear.handler, limits={"ConfirmEvent": 1}):
                for name in ("a", "b"):
                    it.emulator.emit(event(name))
                    await asyncio.sleep(1)
                await asyncio.sleep(200)

        assert "too old to be sent" in [line.get("error") for line in told]
        assert (0, 0) == (it.emulator.queue.late, len(it.emulator.queue))
        assert ["a", "b"] == ear.heard


# Confirmations without effect


@pytest.mark.no_cover
@in_virtual_time
async def test_refused_confirmations_do_not_count(world: Worlds) -> None:
    """An event whose confirmations were all refused is a copy when it comes again, however late that is."""
    ear = Ear()
    async with world(return_after=OUTAGE) as it:
        it.emulator.ceilings["ConfirmEvent"] = 0
        it.emulator.emit(event("a"))
        async with it.worker(ear.handler, streams=1):
            await asyncio.sleep(HANDLE_LIFE + 10)
            it.emulator.ceilings["ConfirmEvent"] = 1000
            await asyncio.sleep(OUTAGE)

        assert "mark void" in it.notes
        assert (["a"], 0) == (ear.heard, len(it.emulator.queue))


@pytest.mark.no_cover
@in_virtual_time
async def test_outage_does_not_count(world: Worlds) -> None:
    """An event that comes again after more than ten minutes in which the service could not be reached is a copy."""
    ear = Ear()
    async with world() as it:
        it.emulator.emit(event("a"))

        def unplug(call: Call) -> None:
            if call.action == "PullEvent" and call.code == 0 and not ear.heard:
                it.vod.account = replace(it.vod.account, endpoint="http://127.0.0.1:9/v2/index.php")

        it.watch = unplug
        async with it.worker(ear.handler, streams=1):
            await asyncio.sleep(OUTAGE)
            sent = it.emulator.audit.arrivals("ConfirmEvent")
            it.vod.account = replace(it.vod.account, endpoint=it.emulator.url)
            await asyncio.sleep(60)

        assert 0 == sent
        assert (["a"], 0) == (ear.heard, len(it.emulator.queue))


@pytest.mark.no_cover
@in_virtual_time
async def test_confirmation_that_may_have_arrived_counts(world: Worlds) -> None:
    """Ten minutes after a confirmation whose reply was lost, an equal event is a new one."""
    ear = Ear()
    lost = Latency(action="ConfirmEvent", when="after", seconds=HANDLE_LIFE)
    async with world(faults=Plan(faults=(lost,))) as it:
        async with it.worker(ear.handler, streams=1):
            for _ in range(2):
                it.emulator.emit(event("a"))
                await asyncio.sleep(COPY_SPAN + 2 * HANDLE_LIFE)

        assert (["a", "a"], 0) == (ear.heard, len(it.emulator.queue))


@pytest.mark.parametrize(
    "error,handles,expected",
    [
        (Unreachable("ConfirmEvent", "no connection", sent=False), 2, True),
        (Unreachable("ConfirmEvent", "no reply"), 1, False),
        (BadReply("ConfirmEvent", "torn"), 1, False),
        (Throttled("ConfirmEvent", code=4400), 16, True),
        (Denied("ConfirmEvent", code=4100), 16, True),
        (Refused("ConfirmEvent", code=4000), 1, True),
        (Refused("ConfirmEvent", code=4000), 2, False),
    ],
)
def test_void_confirmation_is_known_for_sure(error: CallError, handles: int, expected: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Only what surely confirmed nothing is void: of several handles, one dead, the others may be confirmed."""
    assert expected == void(error, handles=handles)


@pytest.mark.no_cover
@in_virtual_time
async def test_batch_that_is_confirmed_in_part_is_no_endless_original(world: Worlds) -> None:
    """Where a service confirms the living of a batch and refuses it all the same, equal events are new in time."""
    ear = Ear()
    async with world(partial_confirm=True) as it:
        it.emulator.ceilings["ConfirmEvent"] = 0
        for name in ("a", "b"):
            it.emulator.emit(event(name))
        async with it.worker(ear.handler, streams=1):
            await asyncio.sleep(1)
            _, stolen = it.emulator.queue.places(0.0)
            it.emulator.queue.confirm([stolen.handle], asyncio.get_running_loop().time())
            it.emulator.ceilings["ConfirmEvent"] = 1000
            await asyncio.sleep(COPY_SPAN + HANDLE_LIFE)
            it.emulator.emit(event("a"))
            await asyncio.sleep(10)

        assert (["a", "a", "b"], 0) == (sorted(ear.heard), len(it.emulator.queue))
