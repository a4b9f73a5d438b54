"""Work off, step by step: leases and fences, what is lost and what comes back, and which ends are counted."""

import asyncio
import gc
import sqlite3
import warnings
from contextlib import closing, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.worker.conftest import Worlds
from vodworker.api import GetTaskList, ProcessFile, Transcode
from vodworker.emulator import Plan
from vodworker.emulator.faults import Cut
from vodworker.errors import CallError, JournalError, Unreachable
from vodworker.events import Event, NewFileUpload
from vodworker.handler import Context, on
from vodworker.journal.port import Arrival, Filter
from vodworker.outcome import Done, Outcome, Reject, Retry
from vodworker.testing import World, in_virtual_time
from vodworker.worker import Rules

OUTAGES = 5  # runs that the absence of the service ends


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


async def opened(it: World, *, lost: int = 0) -> None:
    """An event for the handler `hear` is in the journal, and so many daemons have died over it."""
    async with it.journal() as store:
        await store.record([Arrival(b'{"eventType":"SomethingNew"}', "SomethingNew", "", ("hear",))])
        for _ in range(lost):
            await store.claim({"hear": 1}, lease=1)
            await asyncio.sleep(2)


async def row(it: World) -> dict[str, Any]:
    """The one entry, as an operator sees it."""
    async with it.journal() as store:
        (entry,) = await store.list(Filter())
    return entry


# Attempts


@in_virtual_time
async def test_runs_that_end_the_process_are_bounded(world: Worlds) -> None:
    """An entry whose runs ended with their process as often as there are attempts is dead, and is not run again."""
    ran: list[int] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        ran.append(ctx.attempt)

    async with world() as it:
        await opened(it, lost=3)
        with capture_logs() as told:
            async with it.worker(hear, rules=Rules(attempts=3)):
                await asyncio.sleep(1)
        entry = await row(it)

        assert [] == ran
        assert ("dead", True) == (entry["state"], "3 runs on this event ended with their process" in entry["why"])
        assert "handler.dead" in [line["event"] for line in told]
        async with it.journal() as store:
            await store.redrive([entry["id"]])
        async with it.worker(hear, rules=Rules(attempts=3)):
            await asyncio.sleep(1)
        assert [1] == ran


@in_virtual_time
async def test_lost_runs_are_no_failures(world: Worlds) -> None:
    """A handler has all its attempts, and the short waits of the first, however often its process was killed before."""
    ran: list[float] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        ran.append(now())
        raise RuntimeError("no")

    async with world() as it:
        await opened(it, lost=2)
        async with it.worker(hear, rules=Rules(attempts=3)):
            await asyncio.sleep(60)

        assert (3, "dead") == (len(ran), (await row(it))["state"])
        assert ran[1] - ran[0] < 3.5


@pytest.mark.no_cover
@in_virtual_time
async def test_outages_spend_no_attempts(world: Worlds) -> None:
    """However often the service was away, a handler has all its attempts when it is back."""
    ran: list[int] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        ran.append(ctx.attempt)
        if len(ran) <= OUTAGES:
            raise Unreachable("ProcessFile", "no reply within 15 s")
        raise ValueError("no")

    async with world() as it:
        await opened(it)
        async with it.worker(hear, rules=Rules(attempts=3)):
            await asyncio.sleep(200)
        entry = await row(it)

    assert OUTAGES + 3 == len(ran)
    assert ("dead", "dead: attempt 3 of 3 failed: ValueError: no") == (entry["state"], entry["why"])


@in_virtual_time
async def test_asking_for_another_run_is_bounded_too(world: Worlds) -> None:
    """A handler that returns Retry each time has so many runs as it has attempts."""
    ran: list[int] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> Retry:
        ran.append(ctx.attempt)
        return Retry(after=1, why="not yet")

    async with world() as it:
        await opened(it)
        async with it.worker(hear, rules=Rules(attempts=3)):
            await asyncio.sleep(30)

        assert ([1, 2, 3], "dead") == (ran, (await row(it))["state"])


@in_virtual_time
async def test_what_is_redriven_looks_for_a_call_that_nobody_was_told_of(world: Worlds) -> None:
    """A handler that gives up when a reply is lost, and is redriven, gets the task that it has paid for."""

    @on(NewFileUpload)
    async def process(event: NewFileUpload, ctx: Context) -> Outcome:
        try:
            await ctx.vod.call(ProcessFile(file_id=str(event.file_id), transcode=Transcode(definition=[210])))
        except CallError:
            return Reject("no reply")
        return Done()

    cut = Cut(action="ProcessFile", when="after", count=1)
    async with world(faults=Plan(faults=(cut,))) as it:
        it.upload("a")
        async with it.worker(process), it.journal() as store:
            await asyncio.sleep(5)
            (dead,) = await store.list(Filter(state="dead"))
            await store.redrive([dead["id"]])
            await asyncio.sleep(60)
            (done,) = await store.list(Filter(handler="process"))

        assert ("done", 1) == (done["state"], len(it.emulator.state.tasks))


@in_virtual_time
async def test_what_ends_together_is_settled_together(world: Worlds) -> None:
    """Runs that end in the same moment share one settlement, in which each has an end of its own."""

    @on(Event)
    async def well(event: Event, ctx: Context) -> None:
        pass

    @on(Event)
    async def badly(event: Event, ctx: Context) -> Outcome:
        return Reject("no")

    async with world() as it:
        it.emulator.emit({"eventType": "SomethingNew"})
        async with it.worker(well, badly), it.journal() as store:
            await asyncio.sleep(1)
            states = {row["handler"]: row["state"] for row in await store.list(Filter())}

        assert (1, {"well": "done", "badly": "dead"}) == (it.notes.count("settle"), states)


@in_virtual_time
async def test_next_of_a_key_runs_when_the_one_before_it_is_settled(world: Worlds) -> None:
    """Whatever is settled first: what waits behind a run is claimed with the settlement of that run."""
    started: list[tuple[str, float]] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        started.append((event.key, now() - began))
        await asyncio.sleep(1.5 if event.key == "of three" else 1)

    async with world() as it:
        async with it.journal() as store:
            for number, key in enumerate(("another", "of three", "of three", "of three")):
                body = b'{"eventType":"Any","data":{"fileId":"%b","n":%d}}' % (key.encode(), number)
                await store.record([Arrival(body, "Any", key, ("hear",))])
        it.late["settle"] = 1.0
        began = now()
        async with it.worker(hear):
            await asyncio.sleep(10)

    assert [("another", 0), ("of three", 0), ("of three", 2), ("of three", 3.5)] == started


@in_virtual_time
async def test_what_is_claimed_before_its_settlement_is_heard_runs(world: Worlds) -> None:
    """An entry that asks for another run has it at once, whichever of two answers of the journal comes first."""
    ran: list[tuple[int, float]] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> Outcome:
        ran.append((ctx.attempt, now() - began))
        return Retry(after=0) if ctx.attempt == 1 else Done()

    async with world() as it:
        await opened(it)
        it.late["settle"] = 1.0
        began = now()
        async with it.worker(hear):
            await asyncio.sleep(5)

        assert ([(1, 0), (2, 1)], "done") == (ran, (await row(it))["state"])


@in_virtual_time
async def test_journal_that_breaks_in_a_settlement_is_told_at_once(world: Worlds) -> None:
    """When an end cannot be written, the alarm waits for no handler that refuses its own end."""
    alarms: list[float] = []
    no = "SELECT RAISE(ABORT, 'no')"

    @on(Event)
    async def stays(event: Event, ctx: Context) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.sleep(30)

    @on(Event)
    async def ends(event: Event, ctx: Context) -> None:
        await asyncio.sleep(1)

    def alarm(_: JournalError) -> None:
        alarms.append(now() - began)

    async def work() -> None:
        it.emulator.emit({"eventType": "SomethingNew"})
        async with it.worker(stays, ends, alarm=alarm):
            with closing(sqlite3.connect(it.path)) as db, db:
                db.execute(f"CREATE TRIGGER no BEFORE UPDATE ON entries WHEN new.state = 'done' BEGIN {no}; END")
            await asyncio.sleep(60)

    async with world() as it:
        began = now()
        with pytest.raises(ExceptionGroup) as caught:
            await work()

    assert caught.group_contains(JournalError)
    assert (1, 31) == (alarms[0], now() - began)


@in_virtual_time
async def test_handler_that_ends_its_own_task_harms_nobody(world: Worlds) -> None:
    """What a handler has left behind to cancel its task later cuts neither its settlement nor another's."""

    @on(Event)
    async def late(event: Event, ctx: Context) -> None:
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().call_soon(task.cancel)

    @on(Event)
    async def well(event: Event, ctx: Context) -> None:
        pass

    async with world() as it:
        it.emulator.emit({"eventType": "SomethingNew"})
        async with it.worker(late, well), it.journal() as store:
            await asyncio.sleep(1)
            assert ["done", "done"] == [row["state"] for row in await store.list(Filter())]


# Leases


@in_virtual_time
async def test_machine_may_sleep_through_a_lease(world: Worlds) -> None:
    """A run whose lease ended in a sleep of the machine goes on, and its end is written."""
    ran: list[int] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        ran.append(ctx.attempt)
        await asyncio.sleep(30)

    async with world() as it:
        await opened(it)
        with capture_logs() as told:
            async with it.worker(hear):
                await asyncio.sleep(1)
                it.slept = 3600.0
                await asyncio.sleep(60)

        assert ([1], "done") == (ran, (await row(it))["state"])
        assert "handler.lost" not in [line["event"] for line in told]


@in_virtual_time
async def test_machine_may_sleep_while_an_end_is_written(world: Worlds) -> None:
    """A run that was claimed anew by its own worker just before its end was written is not run again."""
    ran: list[int] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        ran.append(ctx.attempt)

    async with world() as it:
        await opened(it)
        it.slow["settle"] = 20.0
        async with it.worker(hear):
            await asyncio.sleep(1)
            it.slept = 3600.0
            await asyncio.sleep(200)

        assert ([1], "done") == (ran, (await row(it))["state"])


@in_virtual_time
async def test_end_of_a_run_whose_entry_is_anothers_is_not_written(world: Worlds) -> None:
    """An entry that another worker has taken before an end is written stays the other's, and the log names the run."""

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        pass

    async with world() as it:
        await opened(it)
        it.slow["settle"] = 5.0
        with capture_logs() as told:
            async with it.worker(hear), it.journal(ahead=100) as other:
                await asyncio.sleep(1)
                (taken,) = (await other.claim({"hear": 1}, lease=600)).entries
                await asyncio.sleep(10)
                lost = [line for line in told if line["event"] == "handler.lost"]

        assert ("running", 2) == ((await row(it))["state"], taken.attempt)
        assert [("hear", 1, 1)] == [(line["handler"], line["event_id"], line["attempt"]) for line in lost]


@in_virtual_time
async def test_slow_write_loses_no_lease(world: Worlds) -> None:
    """When renewing a lease takes half as long as it lasts, nobody else ever gets the entry."""

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        await asyncio.sleep(50)

    async with world() as it:
        await opened(it)
        it.slow["keep"] = 3.0
        async with it.worker(hear, rules=Rules(lease=6)), it.journal() as other:
            await asyncio.sleep(1)
            for _ in range(40):
                await asyncio.sleep(1)
                assert () == (await other.claim({"hear": 1}, lease=1)).entries


@in_virtual_time
async def test_entry_that_comes_back_while_its_old_run_ends(world: Worlds) -> None:
    """A worker may claim again what it had lost although the old run is not over yet; each ends for itself."""
    ended: list[int] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(30)
            ended.append(ctx.attempt)

    async with world() as it:
        await opened(it)
        with capture_logs() as told:
            async with it.worker(hear, rules=Rules(lease=30)):
                await asyncio.sleep(1)
                async with it.journal(ahead=100) as other:
                    taken = (await other.claim({"hear": 1}, lease=10)).entries
                    await asyncio.sleep(15)
                    await other.release(taken)
                await asyncio.sleep(200)

        assert [1, 2] == ended
        assert "done" == (await row(it))["state"]
        assert 1 == len([line for line in told if line["event"] == "handler.lost"])


# What comes from elsewhere


@in_virtual_time
async def test_what_an_operator_redrives_runs_soon(world: Worlds) -> None:
    """An entry that another process has opened is seen within seconds, although nothing rings a bell here."""
    ran: list[float] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        ran.append(now())

    async with world() as it, it.worker(hear):
        await asyncio.sleep(61)
        asked = now()
        await opened(it)
        await asyncio.sleep(10)

    assert ran[0] - asked < 6


@in_virtual_time
async def test_what_is_over_is_forgotten_while_the_worker_runs(world: Worlds) -> None:
    """Finished events older than `keep` are swept away without a restart."""

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        pass

    async with world() as it:
        it.emulator.emit({"eventType": "SomethingNew"})
        async with it.worker(hear, keep=100.0):
            await asyncio.sleep(200)
            async with it.journal() as store:
                assert 0 == (await store.counts())["events"]


# A stop


@in_virtual_time
async def test_stop_waits_for_the_end_of_a_run_to_be_written(world: Worlds) -> None:
    """A run whose handler ended within the grace is settled and told, although its settlement takes longer."""

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        await asyncio.sleep(1.5)

    async with world() as it:
        await opened(it)
        it.slow["settle"] = 3.0
        with capture_logs() as told:
            async with it.worker(hear, grace=1.0):
                await asyncio.sleep(1)

        assert "done" == (await row(it))["state"]
        assert 1 == len([line for line in told if line["event"] == "handler.done"])


@in_virtual_time
async def test_stop_before_the_start_leaves_nothing_unawaited(world: Worlds) -> None:
    """A stop that comes before the parts of the loop have begun ends them without a warning."""
    async with world() as it:
        with warnings.catch_warnings(record=True) as caught:
            async with it.worker():
                pass
            gc.collect()

        assert [] == [str(warning.message) for warning in caught]


@in_virtual_time
async def test_stop_gives_back_a_run_that_waits_for_a_token(world: Worlds) -> None:
    """What such a run does beside its wait is cut with it: it is given back whole, its attempt not counted."""
    done: list[str] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        async def upload() -> None:
            await asyncio.sleep(20)
            done.append("upload")

        async with asyncio.TaskGroup() as both:
            both.create_task(upload())
            for _ in range(2):
                both.create_task(ctx.vod.call(GetTaskList(status="FINISH")))

    async with world() as it:
        await opened(it)
        async with it.worker(hear, limits={"GetTaskList": 1}, grace=30):
            await asyncio.sleep(1)
            asked = now()
        entry = await row(it)

        assert now() - asked < 2
        assert ([], "ready", 0) == (done, entry["state"], entry["attempt"])
