"""The loop as a whole, in virtual time, over real HTTP on the loopback and with a journal in a real file."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from vodworker.api import ConcatVideo, GetTaskInfo, GetTaskList, SourceFile
from vodworker.cloud.queue import HANDLE_LIFE
from vodworker.errors import JournalError
from vodworker.events import Event, NewFileUpload, TaskEvent, Unknown
from vodworker.handler import Context, on
from vodworker.journal.port import Filter
from vodworker.outcome import Done, Outcome, Reject, Retry
from vodworker.testing import in_virtual_time
from vodworker.worker import Rules
from vodworker.worker.work_off import LOOK_AGAIN

Wide = dict[str, Any]


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


def uploaded(file_id: str, **data: object) -> Wide:
    """A NewFileUpload as the service writes it."""
    return {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": file_id, **data}}


def states(world: Any) -> Callable[[], Any]:
    """Asks the journal how many entries are in each state."""

    async def counts() -> dict[str, int]:
        async with world.journal() as store:
            return Counter(row["state"] for row in await store.list(Filter(limit=10_000)))

    return counts


def concat(world: Any, name: str) -> ConcatVideo:
    """A call that costs money, and works."""
    sources = [SourceFile(file_id=world.video(part)) for part in ("one", "two")]
    return ConcatVideo(src_file_list=sources, name=name, dst_type=["mp4"])


@in_virtual_time
async def test_an_event_goes_the_whole_way(world: Any) -> None:
    """An event is pulled, recorded, confirmed and handled."""
    heard: list[str | None] = []

    @on(NewFileUpload)
    async def hear(event: NewFileUpload, ctx: Context) -> None:
        heard.append(event.file_id)

    async with world() as it:
        async with it.worker(hear):
            it.emulator.emit(uploaded("a"))
            await asyncio.sleep(1)

        assert ["a"] == heard
        assert {"done": 1} == await states(it)()
        assert 1 == it.emulator.audit.confirmations


@pytest.mark.no_cover
@pytest.mark.timeout(60)
@in_virtual_time
async def test_a_slow_handler_holds_up_neither_confirmations_nor_others(world: Any) -> None:
    """Of 1,000 events, some for a handler of a minute, each is confirmed with 25 s to spare; the quick are quick."""
    done: list[float] = []

    @on(NewFileUpload)
    async def slow(event: NewFileUpload, ctx: Context) -> None:
        await asyncio.sleep(60)

    @on(TaskEvent, Unknown)
    async def quick(event: TaskEvent | Unknown, ctx: Context) -> None:
        done.append(now())

    async with world() as it:
        for number in range(1000):
            kinds = ["NewFileUpload", "ConcatComplete", "ProcedureStateChanged", "SomethingNew"]
            kind = kinds[number % 4] if number < 200 else kinds[1 + number % 3]
            it.emulator.emit({"eventType": kind, "data": {"vodTaskId": f"t{number}", "fileId": f"f{number}"}})
        async with it.worker(slow, quick):
            await asyncio.sleep(400)

        assert {"done": 1000} == await states(it)()
        assert 950 == len(done)
        assert max(done) < 60
        assert 1000 == it.emulator.audit.confirmations
        assert it.emulator.audit.smallest_margin >= 25
        assert 0 == it.emulator.audit.redelivered


@pytest.mark.no_cover
@in_virtual_time
async def test_events_of_one_key_are_handled_in_order(world: Any) -> None:
    """Events of one video are handled one at a time in the order they came, also when one has to be retried."""
    handled: list[tuple[str, int]] = []
    failed: set[int] = set()

    @on(Event)
    async def hear(event: Event, ctx: Context) -> Outcome:
        number = event.data["number"]
        await asyncio.sleep(0.1)
        if number % 3 == 0 and number not in failed:
            failed.add(number)
            return Retry(after=5)
        handled.append((event.key, number))
        return Done()

    async with world() as it:
        for number in range(60):
            it.emulator.emit(uploaded("abc"[number % 3], number=number))
        async with it.worker(hear, streams=1):
            await asyncio.sleep(300)

        assert [(key, n) for key in "abc" for n in range(60) if "abc"[n % 3] == key] == sorted(
            handled, key=lambda it: it[0]
        )


@in_virtual_time
async def test_different_keys_are_handled_in_parallel(world: Any) -> None:
    """Sixteen videos take as long as one."""

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        await asyncio.sleep(10)

    async with world() as it:
        for number in range(16):
            it.emulator.emit(uploaded(str(number)))
        async with it.worker(hear):
            await asyncio.sleep(10.5)

            assert {"done": 16} == await states(it)()


@pytest.mark.no_cover
@in_virtual_time
async def test_a_failing_handler_is_retried_until_its_attempts_are_spent(world: Any) -> None:
    """An exception is a retry with growing waits, then death with the last reason; other handlers run once."""
    failures: list[float] = []
    others: list[int] = []

    @on(Event)
    async def fails(event: Event, ctx: Context) -> None:
        failures.append(now())
        raise KeyError("no such thing")

    @on(Event)
    async def works(event: Event, ctx: Context) -> None:
        others.append(ctx.attempt)

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        async with it.worker(fails, works, rules=Rules(attempts=4)):
            await asyncio.sleep(120)

        async with it.journal() as store:
            (dead,) = await store.list(Filter(state="dead"))
        waits = [later - earlier for earlier, later in pairwise(failures)]
        assert 4 == len(failures)
        assert all(low <= wait <= high + 0.1 for wait, low, high in zip(waits, (1, 2, 4), (3, 6, 12), strict=True))
        assert "attempt 4 of 4 failed: KeyError: 'no such thing'" in dead["why"]
        assert [1] == others


@in_virtual_time
async def test_a_rejection_is_final(world: Any) -> None:
    """A rejected event is dead at once, with the handler's reason."""

    @on(Event)
    async def refuse(event: Event, ctx: Context) -> Reject:
        return Reject("an upload without a file id")

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        async with it.worker(refuse):
            await asyncio.sleep(1)

        async with it.journal() as store:
            (dead,) = await store.list(Filter(state="dead"))
        assert "an upload without a file id" in dead["why"]
        assert 1 == dead["attempt"]


@in_virtual_time
async def test_a_call_that_can_never_succeed_is_final(world: Any) -> None:
    """An error of the service that trying again cannot help kills the entry at once."""

    @on(Event)
    async def ask(event: Event, ctx: Context) -> None:
        await ctx.vod.call(GetTaskInfo(vod_task_id="nobody-knows-me"))

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        async with it.worker(ask):
            await asyncio.sleep(1)

        async with it.journal() as store:
            (dead,) = await store.list(Filter(state="dead"))
        assert 1 == dead["attempt"]
        assert 1 == it.emulator.audit.arrivals("GetTaskInfo")


@in_virtual_time
async def test_what_no_handler_hears_is_kept_and_confirmed(world: Any) -> None:
    """An event of an unknown type is in the journal and confirmed like any other."""

    @on(NewFileUpload)
    async def hear(event: NewFileUpload, ctx: Context) -> None:
        raise AssertionError("this is not for us")

    async with world() as it:
        it.emulator.emit({"eventType": "SomethingNew", "data": {"x": 1}})
        it.emulator.emit({"nothing": "known"})
        with capture_logs() as told:
            async with it.worker(hear):
                await asyncio.sleep(1)

        async with it.journal() as store:
            assert 2 == (await store.counts())["events"]
        assert ["SomethingNew", ""] == [line["event_type"] for line in told if line["event"] == "event.unheard"]
        assert 2 == it.emulator.audit.confirmations


@in_virtual_time
async def test_a_redelivery_is_recognised(world: Any) -> None:
    """An event whose confirmation did not work comes again, is confirmed then, and is handled once."""
    heard: list[str] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        heard.append(event.key)

    async with world() as it:
        it.emulator.ceilings["ConfirmEvent"] = 0
        it.emulator.emit(uploaded("a"))
        async with it.worker(hear):
            await asyncio.sleep(HANDLE_LIFE + 1)
            it.emulator.ceilings["ConfirmEvent"] = 1000
            await asyncio.sleep(120)

        assert ["a"] == heard
        assert it.emulator.audit.redelivered >= 1
        assert 0 == len(it.emulator.queue)


@in_virtual_time
async def test_a_new_event_equal_to_an_old_one_is_no_copy(world: Any) -> None:
    """An event byte for byte like one that was confirmed is handled too."""
    heard: list[str] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        heard.append(event.key)

    async with world() as it, it.worker(hear):
        for _ in range(3):
            it.emulator.emit(uploaded("a"))
            await asyncio.sleep(1)

        assert ["a", "a", "a"] == heard


@in_virtual_time
async def test_a_refused_batch_is_taken_apart(world: Any) -> None:
    """One dead handle in a batch does not cost the others their confirmation."""

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        pass

    async with world() as it:
        it.emulator.ceilings["ConfirmEvent"] = 0
        for number in range(16):
            it.emulator.emit(uploaded(str(number)))
        with capture_logs() as told:
            async with it.worker(hear):
                await asyncio.sleep(1)
                stolen = list(it.emulator.queue._out)[5]
                it.emulator.queue.confirm([stolen], now())
                it.emulator.ceilings["ConfirmEvent"] = 1000
                await asyncio.sleep(20)

        assert 16 == it.emulator.audit.confirmations
        assert 0 == it.emulator.audit.redelivered
        assert [1] == [line["handles"] for line in told if line["event"] == "confirm.expired"]


@in_virtual_time
async def test_wrong_keys_are_loud_and_waited_out(world: Any) -> None:
    """A refused account is told as an error, tried ever more slowly, and works as soon as it is mended."""

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        pass

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        with capture_logs() as told:
            async with it.worker(hear, secret_key="another-key"):
                await asyncio.sleep(300)
                denied = [line for line in told if line["event"] == "pull.denied"]
                it.emulator.accounts[it.emulator.secret_id] = "another-key"
                await asyncio.sleep(60)

        assert {4100} == {line["code"] for line in denied}
        assert {"error"} == {line["log_level"] for line in denied}
        assert len(denied) < 40
        assert "pull.recovered" in {line["event"] for line in told}
        assert {"done": 1} == await states(it)()


@in_virtual_time
async def test_too_large_a_backlog_pauses_pulling(world: Any) -> None:
    """Above max_backlog nothing more is taken in; below it pulling goes on."""
    gate = asyncio.Event()

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        await gate.wait()

    async with world() as it:
        for number in range(100):
            it.emulator.emit(uploaded(str(number)))
        async with it.worker(hear, max_backlog=20, streams=1):
            await asyncio.sleep(100)
            paused = it.emulator.audit.pulled
            gate.set()
            await asyncio.sleep(10)

        assert 32 == paused
        assert {"done": 100} == await states(it)()


@in_virtual_time
async def test_a_stop_lets_running_handlers_finish(world: Any) -> None:
    """At a stop what runs may finish within the grace, nothing new is pulled or started, and an open poll is cut."""
    started: list[str] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        started.append(event.key)
        await asyncio.sleep(10)

    async with world() as it:
        for number in range(3):
            it.emulator.emit(uploaded(str(number)))
        async with it.worker(hear, rules=Rules(concurrency=2), grace=30):
            await asyncio.sleep(5)
            asked = now()

        assert 5.0 == pytest.approx(now() - asked, abs=0.1)
        assert ["0", "1"] == started
        assert {"done": 2, "ready": 1} == await states(it)()


@in_virtual_time
async def test_a_stop_ends_when_the_grace_is_over(world: Any) -> None:
    """What is unfinished then is given back to the journal, its attempt not counted, and handled by the next worker."""
    attempts: list[int] = []

    @on(Event)
    async def hear(event: Event, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        await asyncio.sleep(100 if len(attempts) == 1 else 0)

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        async with it.worker(hear, grace=10):
            await asyncio.sleep(1)
            asked = now()
        stopped = now()
        given_back = await states(it)()
        async with it.worker(hear):
            await asyncio.sleep(1)

        assert 10.0 == pytest.approx(stopped - asked, abs=0.1)
        assert {"ready": 1} == given_back
        assert [1, 1] == attempts
        assert {"done": 1} == await states(it)()


@in_virtual_time
async def test_a_full_bucket_harms_nobody_else(world: Any) -> None:
    """Handlers that wait for a token hold up neither other handlers nor a stop, and burn neither attempt nor time."""
    others: list[str] = []
    ran: list[int] = []

    @on(NewFileUpload)
    async def joins(event: NewFileUpload, ctx: Context) -> None:
        ran.append(ctx.attempt)
        await ctx.vod.call(call)

    @on(NewFileUpload)
    async def other(event: NewFileUpload, ctx: Context) -> None:
        others.append(event.key)

    async with world() as it:
        call = concat(it, "x")
        it.emulator.ceilings["ConcatVideo"] = 5
        for number in range(20):
            it.emulator.emit(uploaded(str(number)))
        async with it.worker(joins, other, limits={"ConcatVideo": 5}, rules=Rules(timeout=20, attempts=1)):
            await asyncio.sleep(30)
            asked = now()
        stopped = now() - asked

        assert 20 == len(others)
        assert it.emulator.audit.emitted == it.emulator.audit.confirmations
        assert it.emulator.audit.smallest_margin >= 25
        assert stopped < 0.1
        assert {1} == set(ran)
        async with it.journal() as store:
            assert [("ready", 0)] * 15 == [
                (row["state"], row["attempt"])
                for row in await store.list(Filter(handler="joins"))
                if row["state"] != "done"
            ]
        assert it.emulator.audit.most_in_60s("ConcatVideo") <= 5


@pytest.mark.no_cover
@in_virtual_time
async def test_a_recorded_call_is_not_sent_again(world: Any) -> None:
    """A handler that is run again gets the reply of every task that it had submitted, call by call."""
    tasks: list[list[str | None]] = []

    @on(NewFileUpload)
    async def joins(event: NewFileUpload, ctx: Context) -> None:
        got = [(await ctx.vod.call(call)).vod_task_id for call in calls]
        tasks.append(got)
        if ctx.attempt < 3:
            raise RuntimeError("after the calls")

    async with world() as it:
        x = concat(it, "x")
        calls = [x, x, concat(it, "y")]
        for file_id in ("1", "2"):
            it.emulator.emit(uploaded(file_id))
        async with it.worker(joins, rules=Rules(concurrency=1)):
            await asyncio.sleep(60)

        assert 6 == it.emulator.audit.arrivals("ConcatVideo")
        assert 6 == len(tasks)
        assert 2 == len({tuple(got) for got in tasks})
        assert all(3 == len(set(got)) for got in tasks)


@in_virtual_time
async def test_a_throttled_call_goes_back_in_line(world: Any) -> None:
    """When the service says 4400 the call waits and is sent again; no attempt is burned."""
    attempts: list[int] = []

    @on(NewFileUpload)
    async def joins(event: NewFileUpload, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        await ctx.vod.call(call)

    async with world() as it:
        call = concat(it, "x")
        it.emulator.ceilings["ConcatVideo"] = 0
        it.emulator.emit(uploaded("a"))
        async with it.worker(joins, rules=Rules(timeout=5)):
            await asyncio.sleep(30)
            it.emulator.ceilings["ConcatVideo"] = 100
            await asyncio.sleep(60)

        assert [1] == attempts
        assert {"done": 1} == await states(it)()


@in_virtual_time
async def test_a_handler_that_takes_too_long_is_cut(world: Any) -> None:
    """A run that exceeds its time limit is a failed attempt that names the limit."""

    @on(Event)
    async def hangs(event: Event, ctx: Context) -> None:
        await asyncio.sleep(1000)

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        async with it.worker(hangs, rules=Rules(timeout=7, attempts=1)):
            await asyncio.sleep(8)

        async with it.journal() as store:
            (dead,) = await store.list(Filter(state="dead"))
        assert "not finished within its time limit of 7 s" in dead["why"]


@pytest.mark.no_cover
@in_virtual_time
async def test_a_long_run_keeps_its_lease(world: Any) -> None:
    """A handler may run longer than the lease: nobody else gets the entry, and its result counts."""
    ran: list[int] = []

    @on(Event)
    async def slow(event: Event, ctx: Context) -> None:
        ran.append(ctx.attempt)
        await asyncio.sleep(200)

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        async with it.worker(slow, rules=Rules(lease=6)):
            await asyncio.sleep(250)

        assert [1] == ran
        assert {"done": 1} == await states(it)()


@in_virtual_time
async def test_a_run_whose_entry_is_anothers_by_now_is_cut(world: Any) -> None:
    """A worker that lost its lease stops the handler and settles nothing."""
    finished: list[int] = []

    @on(Event)
    async def slow(event: Event, ctx: Context) -> None:
        await asyncio.sleep(100)
        finished.append(ctx.attempt)

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        with capture_logs() as told:
            async with it.worker(slow, rules=Rules(lease=30)):
                await asyncio.sleep(1)
                async with it.journal(ahead=100) as other:
                    (taken,) = (await other.claim({"slow": 1}, lease=1000)).entries
                    await asyncio.sleep(50)
                    kept = await other.keep([taken], lease=1000)

        assert [] == kept
        assert [] == finished
        assert "handler.lost" in {line["event"] for line in told}
        assert {"running": 1} == await states(it)()


@in_virtual_time
async def test_a_run_goes_on_after_the_machine_slept(world: Any) -> None:
    """A run that was claimed anew by its own worker, because the machine slept through the lease, may still call."""
    ran: list[int] = []

    async with world() as it:
        call = concat(it, "joined")

        @on(NewFileUpload)
        async def slow(event: NewFileUpload, ctx: Context) -> None:
            ran.append(ctx.attempt)
            await asyncio.sleep(LOOK_AGAIN + 1)
            await ctx.vod.call(call)

        it.emulator.emit(uploaded("a"))
        async with it.worker(slow):
            await asyncio.sleep(1)
            with closing(sqlite3.connect(it.path)) as db, db:
                db.execute("UPDATE entries SET due = 0")  # the lease has run out
            await asyncio.sleep(60)

        assert ([1], 1) == (ran, it.emulator.audit.arrivals("ConcatVideo"))


@in_virtual_time
async def test_an_entry_may_come_back_while_its_lost_run_cleans_up(world: Any) -> None:
    """The end of a run that has lost its entry does no harm to the run that has it now, in the same worker."""
    ended: list[int] = []

    @on(Event)
    async def slow(event: Event, ctx: Context) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(20)
            ended.append(ctx.attempt)

    async with world() as it:
        it.emulator.emit(uploaded("a"))
        async with it.worker(slow, rules=Rules(lease=30)):
            await asyncio.sleep(1)
            async with it.journal(ahead=100) as other:
                (taken,) = (await other.claim({"slow": 1}, lease=20)).entries
            await asyncio.sleep(15)
            async with it.journal() as other:
                await other.release([taken])
            await asyncio.sleep(60)

        assert [1, 2] == sorted(ended)
        assert {"done": 1} == await states(it)()


@in_virtual_time
async def test_a_journal_that_breaks_in_a_call_is_a_crash(world: Any) -> None:
    """A handler that swallows an error of the journal does not keep the daemon from ending with it."""
    async with world() as it:
        call = concat(it, "joined")

        @on(NewFileUpload)
        async def swallows(event: NewFileUpload, ctx: Context) -> None:
            with suppress(JournalError):
                await ctx.vod.call(call)

        async def work() -> None:
            async with it.worker(swallows):
                await asyncio.sleep(1)
                with closing(sqlite3.connect(it.path)) as db, db:
                    db.execute("DROP TABLE calls")
                it.emulator.emit(uploaded("a"))
                await asyncio.sleep(10)

        with pytest.raises(ExceptionGroup) as caught:
            await work()

        assert caught.group_contains(JournalError, match="calls")
        assert {"running": 1} == await states(it)()


@in_virtual_time
async def test_an_operator_sees_what_a_run_waits_for(world: Any) -> None:
    """While all tokens of an action are out, `show` tells for which one the run waits; when it goes on, no more."""
    seen: list[str] = []

    @on(NewFileUpload)
    async def ask_twice(event: NewFileUpload, ctx: Context) -> None:
        await ctx.vod.call(GetTaskList(status="FINISH"))
        await ctx.vod.call(GetTaskList(status="FINISH"))
        await asyncio.sleep(30)

    async with world() as it:
        it.upload("a")
        async with it.worker(ask_twice, limits={"GetTaskList": 1}), it.journal() as store:
            for seconds in (11, 60):
                await asyncio.sleep(seconds)
                shown = await store.show(1)
                assert shown
                seen.append(shown["entries"][0]["why"])

    assert "waiting for a token of GetTaskList for " in seen[0]
    assert "waiting" not in seen[1]
    assert ["running", "running"] == [why.partition(" ")[0] for why in seen]
