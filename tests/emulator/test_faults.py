"""What can be made to go wrong: plans and their mistakes, lots that a seed fixes, and each fault over real HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.conftest import Caller, account
from vodworker.emulator import Plan, Settings, read_faults
from vodworker.emulator.faults import (
    KINDS,
    AnyFault,
    Code,
    Cut,
    Duplicate,
    Early,
    Foreign,
    Http,
    Latency,
    Lost,
    Reorder,
    Step,
    Truncated,
)
from vodworker.emulator.mischief import Faults
from vodworker.emulator.planning import plan
from vodworker.emulator.queue import Delivered, Queue
from vodworker.errors import BadReply, CallError, ConfigError, Refused, Unreachable
from vodworker.testing import in_virtual_time
from vodworker.wire import read_reply

EVENT = {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": "1"}}

# Plans


def test_plan_is_read_from_toml(tmp_path: Path) -> None:
    """A TOML file names a seed and faults; what is not said is the default."""
    file = tmp_path / "faults.toml"
    file.write_text(
        'seed = 7\n[[faults]]\nkind = "cut"\nwhen = "after"\naction = "ProcessFile"\nrate = 0.25\n'
        '[[faults]]\nkind = "early"\nafter = 2\n'
    )

    assert Plan(seed=7, faults=(Cut(when="after", action="ProcessFile", rate=0.25), Early(after=2.0))) == (
        read_faults(file)
    )


def test_plan_is_read_from_json(tmp_path: Path) -> None:
    """A file whose name ends in .json is read as JSON."""
    file = tmp_path / "faults.json"
    file.write_text('{"faults": [{"kind": "lost", "event": "ConcatComplete", "count": 1}]}')

    assert Plan(faults=(Lost(event="ConcatComplete", count=1),)) == read_faults(file)


@pytest.mark.parametrize(
    "told,problem",
    [
        ({"sed": 1}, "sed is not a key of a plan; did you mean seed?"),
        ({"faults": {}}, "faults is {}; it must be a list"),
        ({"faults": [7]}, "fault 1: it must be a table"),
        ({"faults": [{"rate": 1}]}, f"fault 1: kind is missing; there are {', '.join(KINDS)}"),
        ({"faults": [{"kind": "cutt"}]}, "fault 1: cutt is not a kind of fault; did you mean cut?"),
        (
            {"faults": [{"kind": "quake"}]},
            f"fault 1: quake is not a kind of fault; there are {', '.join(KINDS)}",
        ),
        ({"faults": [{"kind": "cut"}]}, "fault 1 (cut): when is missing"),
        (
            {"faults": [{"kind": "cut", "when": "then"}]},
            "fault 1 (cut): when is 'then'; it must be 'before' or 'after'",
        ),
        (
            {"faults": [{"kind": "early", "afer": 2}]},
            "fault 1 (early): afer is not a key of a early fault; did you mean after?",
        ),
        (
            {"faults": [{"kind": "duplicate", "x": 2}]},
            "fault 1 (duplicate): x is not a key of a duplicate fault; there are rate, skip, count, event, kind",
        ),
        (
            {"faults": [{"kind": "http", "action": "ProcesFile"}]},
            "fault 1 (http): action is 'ProcesFile'; it is not an action or \"*\"; did you mean ProcessFile?",
        ),
        (
            {"faults": [{"kind": "lost", "event": "Sunrise"}]},
            "fault 1 (lost): event is 'Sunrise'; it is not an event type or \"*\"",
        ),
        (
            {"faults": [{"kind": "http", "rate": 1.5}]},
            "fault 1 (http): rate is 1.5; it must be less than or equal to 1",
        ),
        (
            {"faults": [{"kind": "clock", "clock": "tasks", "step": "soon"}]},
            "fault 1 (clock): step is 'soon'; it must be a valid number",
        ),
    ],
)
def test_mistake_in_a_plan_is_named(told: dict[str, Any], problem: str) -> None:
    """A mistake is told with its place, the value, and what was probably meant."""
    with pytest.raises(ConfigError) as caught:
        plan(told)

    assert (problem,) == caught.value.problems


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """A file with two mistakes is refused with both, each beginning with the file."""
    file = tmp_path / "faults.toml"
    file.write_text('sed = 1\n[[faults]]\nkind = "cut"\n')
    with pytest.raises(ConfigError) as caught:
        read_faults(file)

    assert {
        f"{file}: sed is not a key of a plan; did you mean seed?",
        f"{file}: fault 1 (cut): when is missing",
    } == set(caught.value.problems)


@pytest.mark.parametrize(
    "name,content,said",
    [
        ("missing.toml", None, "cannot be read: No such file or directory; name another file with --faults"),
        ("binary.toml", b"\xff", "cannot be read: it is not text; name another file with --faults"),
        ("broken.toml", b"seed =", "is not TOML: "),
        ("broken.json", b"seed = 1", "is not JSON: "),
    ],
)
def test_strange_file_is_refused(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    """A file that is no plan at all is refused, named."""
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_faults(file)

    assert str(caught.value).startswith(f"{file} {said}")


# Lots


def strikes(plan: Plan, calls: int = 200) -> list[str]:
    """What befalls so many calls."""
    faults = Faults(plan)
    return [str(faults.call("ProcessFile")) for _ in range(calls)]


@given(st.integers(0, 2**32))
def test_seed_fixes_the_lots(seed: int) -> None:
    """The same plan strikes in the same places, with the same seconds."""
    torn = Plan(seed=seed, faults=(Cut(when="after", rate=0.3), Latency(shape="uniform", seconds=9, rate=0.5)))
    faults, again = Faults(torn), Faults(torn)

    assert [faults.call("PullEvent") for _ in range(50)] == [again.call("PullEvent") for _ in range(50)]


def test_another_seed_gives_other_lots() -> None:
    """Two seeds are two schedules."""
    one, other = (Plan(seed=seed, faults=(Http(rate=0.5),)) for seed in (1, 2))

    assert strikes(one) != strikes(other)


def test_fault_strikes_as_often_as_it_says() -> None:
    """`skip` lets calls pass, `count` is the most, and other actions are not meant."""
    faults = Faults(Plan(faults=(Http(action="ProcessFile", skip=2, count=3),)))
    met = [str(faults.call(action)) for action in ("PullEvent", *["ProcessFile"] * 7)]

    assert ["", "", "", "http before", "http before", "http before", "", ""] == met
    assert "<Faults 1 of seed 0, struck 3>" == repr(faults)
    assert "struck 3 of 7 times" in repr(faults.running[0])


def test_rate_is_a_chance() -> None:
    """A rate of 0.2 strikes about one time in five."""
    met = strikes(Plan(faults=(Http(rate=0.2),)), 2000)

    assert 300 < met.count("http before") < 500


def test_slowness_adds_up_and_the_first_end_counts() -> None:
    """A call can be slow for two reasons; of two ends it has the one that stands first."""
    faults = Faults(
        Plan(
            faults=(
                Latency(seconds=1),
                Latency(seconds=2),
                Latency(seconds=3, when="after"),
                Cut(when="after"),
                Http(),
                Step(step=-5),
            )
        )
    )
    trouble = faults.call("PullEvent")

    assert (3.0, 3.0, Cut(when="after")) == (trouble.before, trouble.after, trouble.end)
    assert "cut after, slow before, slow after, timestamp -5 s" == str(trouble)
    assert [1, 1, 1, 1, 0, 1] == [it.struck for it in faults.running]


@given(st.integers(), st.sampled_from(["constant", "uniform", "exponential"]))
def test_latency_keeps_its_bounds(seed: int, shape: Any) -> None:
    """What is drawn lies where its distribution can reach, never above the most."""
    chance = Random(seed)
    drawn = [Latency(shape=shape, least=1, seconds=2, most=6).drawn(chance) for _ in range(100)]

    assert {"constant": (2, 2), "uniform": (1, 2), "exponential": (1, 6)}[shape][0] <= min(drawn)
    assert max(drawn) <= {"constant": 2, "uniform": 2, "exponential": 6}[shape]


# Events, with the time passed in


def queue(*faults: AnyFault, events: int = 1, batch: int = 16) -> Queue:
    """A queue with these faults and so many events, numbered from 0."""
    made = Queue(batch=batch, handle_life=30.0, return_after=5.0, faults=Faults(Plan(seed=1, faults=faults)))
    for number in range(events):
        made.put(b'{"eventType":"NewFileUpload","number":%d}' % number)
    return made


def numbers(batch: tuple[Delivered, ...]) -> list[int]:
    """Which events these are."""
    return [one.event.number for one in batch]


def test_duplicate_has_two_handles() -> None:
    """An event that stands twice in a batch is one event: either handle confirms it, and both may be sent."""
    it = queue(Duplicate())
    first, second = it.pull(0)

    assert (0, 0, True) == (first.event.number, second.event.number, first.handle != second.handle)
    assert (1, 1, 1) == (len(it), it.pulled, it.redelivered)
    assert ((29.0,), ()) == ((done := it.confirm([first.handle, second.handle], 1)).margins, done.refused)
    assert (0, 1, ()) == (len(it), it.confirmed, it.pull(100))


def test_duplicate_is_gone_with_either_handle() -> None:
    """The other handle is accepted as long as it lives, does nothing, and is late after that."""
    it = queue(Duplicate())
    first, second = it.pull(0)
    it.confirm([second.handle], 1)

    assert ((), (), ()) == ((done := it.confirm([first.handle], 2)).margins, done.refused, done.late)
    assert (first.handle,) == it.confirm([first.handle], 31).late
    assert ([1.0], 0, ()) == (list(it.lateness), len(it), it.pull(100))


def test_unconfirmed_duplicate_comes_back_once() -> None:
    """Nobody confirms either handle: the event comes again, not two of it."""
    it = queue(Duplicate(count=1))
    it.pull(0)

    assert [0] == numbers(it.pull(35))
    assert [0] == [event.number for event in it]


def test_duplicates_do_not_burst_the_batch() -> None:
    """A batch is never larger than the settings say."""
    it = queue(Duplicate(), events=4, batch=3)

    assert [[0, 0, 1], [2, 2, 3]] == [numbers(it.pull(0)), numbers(it.pull(0))]


def test_taken_back_duplicate_is_one_event() -> None:
    """A poll that hung up leaves one event, not two."""
    it = queue(Duplicate(count=1))
    it.take_back(it.pull(0))

    assert (1, 1, 0, 0) == (len(it), it.waiting, it.pulled, it.redelivered)


def test_early_event_is_out_twice() -> None:
    """An event comes again though its handle lives; the first handle that is confirmed takes it off, wherever it is."""
    it = queue(Early(after=2, count=2))
    [first] = it.pull(0)

    assert ([], 2.0) == (numbers(it.pull(1)), it.due())
    [second] = it.pull(2)
    assert (first.event.number, 2, 1) == (second.event.number, second.event.sent, len(it))
    assert (28.0,) == it.confirm([second.handle], 4).margins
    assert (0, (), ()) == (len(it), it.pull(100), it.confirm([first.handle], 20).margins)


def test_early_event_at_once_reaches_the_next_poll() -> None:
    """Early by nothing, the event is there for the next poll, and not twice in the same batch."""
    it = queue(Early(count=1), events=2)

    assert [[0, 1], [0], []] == [numbers(it.pull(0)), numbers(it.pull(0)), numbers(it.pull(0))]


def test_events_of_other_types_are_spared() -> None:
    """A fault of one type of event leaves the others alone, those without a type too."""
    it = queue(Duplicate(event="ConcatComplete"), events=1)
    it.put(b"[]")
    it.put(b"no JSON")
    it.put(b'{"eventType":"ConcatComplete"}')

    assert [0, 1, 2, 3, 3] == numbers(it.pull(0))


def test_reordered_batch_is_complete() -> None:
    """Events come in another order, from no further than the span, and each once."""
    it = queue(Reorder(span=4), events=20, batch=5)
    batches = [numbers(it.pull(0)) for _ in range(4)]

    assert list(range(20)) == sorted(number for batch in batches for number in batch)
    assert list(range(5)) != batches[0]
    assert max(batches[0]) < 9


STEPS = st.sampled_from((0.0, 1.0, 4.0, 31.0))  # seconds


@pytest.mark.no_cover
@given(st.data())
def test_no_fault_loses_an_event(data: st.DataObject) -> None:
    """However events are handed out, taken back and confirmed, each is in the queue until it is confirmed, once."""
    it = queue(Duplicate(rate=0.5), Early(rate=0.5, after=3), Early(rate=0.2), Reorder(rate=0.5), events=6, batch=4)
    now, held, gone = 0.0, list[Delivered](), set[int]()
    for step, confirms, hangs_up in data.draw(st.lists(st.tuples(STEPS, st.booleans(), st.booleans()), max_size=30)):
        now += step
        batch = it.pull(now)
        if hangs_up:
            it.take_back(batch)
        else:
            held += batch
        if held and confirms:
            one = held.pop(data.draw(st.integers(0, len(held) - 1)))
            if one.expires > now:
                assert () == it.confirm([one.handle], now).refused
                gone.add(one.event.number)

    assert set(range(6)) - gone == {event.number for event in it}
    assert (6 - len(gone), len(gone)) == (len(it), it.confirmed)
    assert sorted({place.event.number for place in it.places(now)}) == [event.number for event in it]


# Calls, over real HTTP


async def said(call: Caller, action: str = "GetTaskList", **own: object) -> tuple[int, bytes]:
    """The HTTP status and body of a call, whatever they are."""
    params = call.sign(call.params(action, **(own or {"status": "FINISH"})))
    async with call.http.post(call.emulator.url, data=params) as response:
        return response.status, await response.read()


async def upload(call: Caller) -> str:
    """A file to work on; nothing goes wrong until it is there."""
    file_id = await call.upload("a.mp4")
    await call.events(1)
    return file_id


def tasks(call: Caller) -> int:
    """How many tasks were started."""
    return len(call.emulator.state.tasks)


async def start(call: Caller, file_id: str) -> tuple[int, bytes]:
    """Start a task."""
    return await said(call, "ProcessFile", fileId=file_id, imageSprite={"definition": 10})


@pytest.mark.parametrize(
    "fault,error,started",
    [
        (Http(), Unreachable, 0),
        (Http(status=502, when="after"), Unreachable, 1),
        (Foreign(), BadReply, 0),
        (Foreign(when="after"), BadReply, 1),
        (Foreign(status=503), Unreachable, 0),
        (Truncated(), BadReply, 1),
        (Truncated(keep=0), BadReply, 1),
        (Code(code=6000), Refused, 0),
    ],
    ids=str,
)
async def test_reply_is_not_what_it_should_be(
    call: Caller, fault: AnyFault, error: type[CallError], started: int
) -> None:
    """A reply that is another's, or half, is no reply; and the service did what was asked or did not."""
    file_id = await upload(call)
    call.emulator.faults.set(Plan(faults=(fault,)))
    status, body = await start(call, file_id)
    with pytest.raises(error):
        read_reply("ProcessFile", status, body)

    assert started == tasks(call)
    [noted] = call.emulator.audit.calls("ProcessFile")
    assert (started == 1, fault.kind) == (noted.lost, noted.fault.split()[0])
    assert (0 if started else getattr(fault, "code", None)) == noted.code


@pytest.mark.parametrize(
    "fault,started",
    [(Cut(when="before"), 0), (Cut(when="after"), 1), (Truncated(broken=True), 1)],
    ids=str,
)
async def test_connection_breaks(call: Caller, fault: AnyFault, started: int) -> None:
    """The caller sees a broken connection; what it asked for was done, or was not."""
    file_id = await upload(call)
    call.emulator.faults.set(Plan(faults=(fault,)))
    with pytest.raises(aiohttp.ClientError):
        await start(call, file_id)

    assert started == tasks(call)
    assert [(started == 1, 0 if started else None)] == [
        (one.lost, one.code) for one in call.emulator.audit.calls("ProcessFile")
    ]


async def test_faults_end_when_they_are_cleared(call: Caller) -> None:
    """A plan works until it is taken away, and leaves nothing behind."""
    call.emulator.faults.set(Plan(faults=(Http(),)))
    before = (await said(call))[0]
    call.emulator.faults.clear()

    assert (503, 200) == (before, (await said(call))[0])


async def test_faults_are_there_from_the_start() -> None:
    """An emulator can be opened with a plan."""
    async with account(Settings(faults=Plan(faults=(Http(count=1),)))) as call:
        assert [503, 200] == [(await said(call))[0] for _ in range(2)]


async def test_refused_call_is_still_refused(call: Caller) -> None:
    """A fault that strikes after the effect does not turn a refusal into an effect."""
    call.emulator.faults.set(Plan(faults=(Truncated(keep=0.9),)))
    await said(call, "GetVideoInfo", fileId="1")

    assert [10008] == [one.code for one in call.emulator.audit.calls("GetVideoInfo")]


@in_virtual_time
async def test_slow_request_is_counted_when_it_arrives() -> None:
    """What is on its way is not counted yet; a slow reply takes its time after the effect."""
    async with account() as call:
        loop = asyncio.get_running_loop()
        call.emulator.faults.set(Plan(faults=(Latency(seconds=20, count=1), Latency(seconds=3, when="after"))))
        started = loop.time()
        await said(call)
        await said(call)
        first, second = call.emulator.audit.calls("GetTaskList")

        assert [20, 23] == [round(first.at - started), round(second.at - started)]
        assert [3, 3] == [round(first.duration), round(second.duration)]


ENDS = [None, Truncated(), Truncated(broken=True), Cut(when="after"), Http(when="after")]


@pytest.mark.parametrize("end", ENDS, ids=str)
@in_virtual_time
async def test_request_arrives_though_its_caller_hangs_up(end: AnyFault | None) -> None:
    """A caller that hangs up while its request is on its way takes nothing back: the task is started all the same."""
    async with account() as call:
        file_id = await upload(call)
        faults = (Latency(seconds=10, action="ProcessFile"), *([end] if end else []))
        call.emulator.faults.set(Plan(faults=faults))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await start(call, file_id)
        before = tasks(call)
        await asyncio.sleep(10)

        assert (0, 1) == (before, tasks(call))
        assert [(0, True, 1)] == [
            (one.code, one.lost, call.emulator.audit.arrivals("ProcessFile"))
            for one in call.emulator.audit.calls("ProcessFile")
        ]


@in_virtual_time
async def test_reply_that_nobody_waits_for_is_lost() -> None:
    """A caller that hangs up before a slow reply comes has started its task, and the audit says that it cannot know."""
    async with account() as call:
        file_id = await upload(call)
        call.emulator.faults.set(Plan(faults=(Latency(seconds=10, when="after"),)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await start(call, file_id)
        await asyncio.sleep(0)
        call.emulator.faults.clear()
        await said(call)

        assert [(0, True)] == [(one.code, one.lost) for one in call.emulator.audit.calls("ProcessFile")]


@in_virtual_time
async def test_poll_that_hangs_up_takes_no_event() -> None:
    """A poll whose caller has gone before it arrived is counted, and leaves the event to others."""
    async with account() as call:
        call.emulator.faults.set(Plan(faults=(Latency(seconds=10, action="PullEvent"),)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await call("PullEvent")
        call.emulator.emit(EVENT)
        await asyncio.sleep(60)

        assert (1, 0, 1) == (
            call.emulator.audit.arrivals("PullEvent"),
            call.emulator.queue.pulled,
            len(call.emulator.queue),
        )


async def test_end_does_not_wait_for_what_is_on_its_way() -> None:
    """An emulator that ends leaves behind what has not arrived."""
    async with account(Settings(faults=Plan(faults=(Latency(seconds=3600),)))) as call, asyncio.TaskGroup() as group:
        slow = group.create_task(broken(said(call)))
        while not call.emulator.faults.running[0].struck:  # noqa: ASYNC110  # what is waited for is a request on its way
            await asyncio.sleep(0)
        group.create_task(call.http.close())

    assert slow.result()


async def broken(call: Awaitable[object]) -> bool:
    """Whether the call broke."""
    try:
        await call
    except (aiohttp.ClientError, RuntimeError):
        return True
    return False


async def test_timestamps_are_off_for_a_while() -> None:
    """When the service's clock jumps, calls are refused as replays of long ago, until it jumps back."""
    async with account(Settings(faults=Plan(faults=(Step(step=-900, lasts=0.05, count=1),)))) as call:
        emulator = call.emulator

        assert 4500 == (await call("GetTaskList", status="FINISH"))["code"]
        assert -900 == emulator.service.wall.skew
        await until(lambda: emulator.service.wall.skew == 0)
        assert 0 == (await call("GetTaskList", status="FINISH"))["code"]
    assert "<Wall +0 s>" == repr(emulator.service.wall)


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not true():  # noqa: ASYNC110  # what is waited for rings no bell
        await asyncio.sleep(0)


@in_virtual_time
async def test_clock_of_tasks_jumps() -> None:
    """When the clock of tasks jumps forward, what falls into the time has happened; backward, nothing is forgotten."""
    async with account(Settings(queued=100, worked=100)) as call:
        file_id = await upload(call)
        await start(call, file_id)
        now = call.emulator.clock.now()
        call.emulator.faults.set(
            Plan(
                faults=(
                    Step(clock="tasks", step=-1000, count=1),
                    Step(clock="tasks", step=150, count=1, skip=1),
                    Step(clock="tasks", step=60, count=1, skip=2),
                )
            )
        )
        seen: list[tuple[int, str]] = []
        for _ in range(3):
            await said(call)
            [task] = call.emulator.state.tasks.values()
            seen.append((round(call.emulator.clock.now() - now), task.status))

        assert [(-1000, "WAITING"), (-850, "PROCESSING"), (-790, "FINISH")] == seen


async def test_lost_event_never_comes(call: Caller) -> None:
    """A task ends and no event tells of it; only asking does."""
    file_id = await upload(call)
    call.emulator.faults.set(Plan(faults=(Lost(event="ProcedureStateChanged", count=1),)))
    reply = await call.good("ProcessFile", fileId=file_id, imageSprite={"definition": 10})
    told = await call.good("ProcessFile", fileId=file_id, coverBySnapshot=COVER)
    [event] = await call.events(1)

    assert told["vodTaskId"] == event["data"]["vodTaskId"]
    assert "FINISH" == (await call.good("GetTaskInfo", vodTaskId=reply["vodTaskId"]))["status"]
    assert (1, 0) == (call.emulator.faults.running[0].struck, len(call.emulator.queue))


COVER = {"definition": 10, "positionType": "Percent", "position": 10}


async def test_events_come_twice_over_http(call: Caller) -> None:
    """A client that pulls sees the same event under two handles, and confirms both in one call."""
    call.emulator.faults.set(Plan(faults=(Duplicate(),)))
    call.emulator.emit(EVENT)
    pulled = (await call.good("PullEvent"))["eventList"]

    assert [EVENT, EVENT] == [one["eventContent"] for one in pulled]
    await call.good("ConfirmEvent", msgHandle=[one["msgHandle"] for one in pulled])
    assert 0 == len(call.emulator.queue)
