"""The promises of the door for plug-ins: what is marked is found, what cannot work refused, what fails a value."""

import asyncio
import colorsys
import dataclasses
import functools
import inspect
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TypeVar

import pytest
from pydantic import BaseModel, Field, SecretStr, model_validator

from vodworker import Context, Done, Outcome, Reject, Retry, on
from vodworker.api import GetTaskInfo, ProcessFile, Transcode
from vodworker.cloud.ledger import Deadline
from vodworker.errors import ConfigError
from vodworker.events import (
    EVENTS,
    ClipComplete,
    ConcatComplete,
    Event,
    NewFileUpload,
    TaskEvent,
    Unknown,
    decode,
)
from vodworker.log import bound
from vodworker.options import read_options
from vodworker.outcome import Again, Dead, describe, ending
from vodworker.plugins import GROUP
from vodworker.router import Route, Router
from vodworker.testing import Recorder, context, in_virtual_time

Handler = Callable[[Any, Context], Any]


@on(NewFileUpload)
async def hears_uploads(event: NewFileUpload, ctx: Context) -> None:
    """A handler of one type."""


@on(TaskEvent)
async def hears_tasks(event: TaskEvent, ctx: Context) -> None:
    """A handler of a family."""


@on(Event)
async def hears_all(event: Event, ctx: Context) -> None:
    """A handler of everything."""


@on(Unknown)
async def hears_unknown(event: Unknown, ctx: Context) -> None:
    """A handler of what has no class."""


@on(NewFileUpload, ClipComplete)
def hears_two(event: NewFileUpload | ClipComplete, ctx: Context) -> None:
    """A plain handler of two types."""


EVERY = Router.of(hears_uploads, hears_tasks, hears_all, hears_unknown, hears_two)


# Who hears what


def test_marking_does_nothing_else() -> None:
    """`@on` returns the very function that it marks."""

    async def handler(event: Event, ctx: Context) -> None: ...

    assert handler is on(Event)(handler)


@pytest.mark.parametrize(
    "event_type,names",
    [
        ("NewFileUpload", ("hears_uploads", "hears_all", "hears_two")),
        ("ClipComplete", ("hears_tasks", "hears_all", "hears_two")),
        ("ProcedureStateChanged", ("hears_tasks", "hears_all")),
        ("FileDeleted", ("hears_all",)),
        ("VideoDubbed", ("hears_all", "hears_unknown")),
        ("TaskEvent", ("hears_all", "hears_unknown")),
        ("Event", ("hears_all", "hears_unknown")),
        ("", ("hears_all", "hears_unknown")),
    ],
)
def test_families_are_heard(event_type: str, names: tuple[str, ...]) -> None:
    """A handler hears the events that it names and their families; a family's own name is no type of the service."""
    assert names == EVERY.hears(event_type)


@pytest.mark.parametrize("event_type", [*EVENTS, "VideoDubbed", ""])
def test_who_hears_a_type_can_read_it(event_type: str) -> None:
    """Of each type, the handlers that are said to hear it are those that its events, once decoded, are made for."""
    event = decode(f'{{"eventType":"{event_type}"}}'.encode())

    assert EVERY.hears(event_type) == tuple(
        name for name, route in EVERY.routes.items() if isinstance(event, route.hears)
    )


def test_function_that_is_marked_twice_hears_both() -> None:
    """Marks add up."""

    async def both(event: NewFileUpload | ClipComplete, ctx: Context) -> None: ...

    on(ClipComplete)(on(NewFileUpload, ClipComplete)(both))
    on(NewFileUpload)(both)

    router = Router.of(both)
    assert [("both",), ("both",), ()] == [
        router.hears(name) for name in ("NewFileUpload", "ClipComplete", "ConcatComplete")
    ]


@pytest.mark.parametrize("events", [(), (hears_all,), (int,), ("NewFileUpload",), (NewFileUpload, Done)])
def test_mark_needs_events(events: tuple[Any, ...]) -> None:
    """`@on` without events, or with something else, says how it is meant; `@on` without parentheses too."""
    mark: Callable[..., object] = on

    with pytest.raises(TypeError, match=r"as in @on\(NewFileUpload\)"):
        mark(*events)


def test_mark_needs_a_function() -> None:
    """`@on` above anything but a function is refused, where it stands."""
    mark: Any = on(Event)

    with pytest.raises(TypeError, match=r"@on marks functions \(event, ctx\), not <class 'vodworker.outcome.Done'>"):
        mark(Done)


def test_long_lived_objects_say_what_they_are() -> None:
    """A router names its handlers."""
    assert "<Router hears_uploads hears_all>" == repr(Router.of(hears_uploads, hears_all))
    assert "<Router without handlers>" == repr(Router.of())


# What cannot be a handler


def refused(*handlers: Handler | ModuleType) -> tuple[str, ...]:
    """The problems of a router of these."""
    with pytest.raises(ConfigError) as caught:
        Router.of(*handlers)
    return caught.value.problems


class Wide(BaseModel):
    """Options."""


class Narrow(Wide):
    """Options of another kind."""


def typed(event: Any = NewFileUpload, ctx: Any = Context, gives: Any = None, options: Any = None) -> Any:
    """A handler of uploads with these annotations."""

    def typed_so(event: Any, ctx: Any) -> None: ...

    typed_so.__annotations__ = {"event": event, "ctx": ctx, "return": gives}
    mark: Any = on(NewFileUpload, options=options) if options else on(NewFileUpload)
    return mark(typed_so)


def test_wrong_signature_is_refused() -> None:
    """A handler that does not take (event, ctx) is refused with its place, all of them at once."""

    def too_few(event: Event) -> None: ...
    async def too_many(event: Event, ctx: Context, more: int) -> None: ...
    async def by_name(*, event: Event, ctx: Context) -> None: ...

    mark: Any = on(Event)
    line = inspect.getsourcelines(too_few)[1]
    problems = refused(mark(too_few), mark(too_many), mark(by_name))

    assert 3 == len(problems)
    assert (
        f"handler too_few at {__file__}:{line} takes (event: vodworker.events.Event) -> None; let it take (event, ctx)"
    ) == problems[0]


def test_signature_may_be_wider() -> None:
    """Defaults and catch-alls are no hindrance."""

    async def defaults(event: Event, ctx: Context, more: int = 1) -> None: ...
    async def anything(*arguments: Any) -> None: ...

    mark: Any = on(Event)
    assert ("defaults", "anything") == tuple(Router.of(mark(defaults), mark(anything)).routes)


@pytest.mark.parametrize(
    "told,handler",
    [
        ("hears NewFileUpload and takes ClipComplete; let it take NewFileUpload", typed(event=ClipComplete)),
        ("hears NewFileUpload and takes int | str; let it take NewFileUpload", typed(event=int | str)),
        ("returns bool; let it return Done(), Retry(…), Reject(…) or None", typed(gives=bool)),
        ("returns dict; let it return Done(), Retry(…), Reject(…) or None", typed(gives=dict[str, int] | None)),
        ("takes Context[Wide]; let @on say options=Wide", typed(ctx=Context[Wide])),
        (
            "has options of Wide and takes a context of Mapping; let it take Context[Wide]",
            typed(ctx=Context, options=Wide),
        ),
        (
            "has options of Wide and takes a context of Narrow; let it take Context[Wide]",
            typed(ctx=Context[Narrow], options=Wide),
        ),
    ],
)
def test_wrong_annotations_are_refused(told: str, handler: Handler) -> None:
    """A handler that says itself that it takes or returns something else is refused with its place."""
    (problem,) = refused(handler)

    assert f"handler typed_so at {__file__}:{handler.__code__.co_firstlineno} {told}" == problem


@pytest.mark.parametrize(
    "handler",
    [
        typed(event=Event),
        typed(event=NewFileUpload | ClipComplete),
        typed(event=object),
        typed(event=TypeVar("T", bound=Event)),
        typed(event="a name that nobody knows"),
        typed(gives=Any),
        typed(gives=Coroutine[Any, Any, None]),
        typed(gives=Outcome),
        typed(gives=NoReturn),
        typed(ctx=Context[Mapping[str, Any]]),
        typed(ctx=Context[Any, Any]),
        typed(ctx=Context[Any, Any], options=Wide),
        typed(ctx=Context[BaseModel], options=Wide),
    ],
)
def test_annotations_may_be_wider(handler: Handler) -> None:
    """What an annotation allows beside what comes, and what only a type checker can tell, is no hindrance."""
    assert ["typed_so"] == list(Router.of(handler).routes)


def test_generator_is_refused() -> None:
    """A handler that yields would never run, and is refused."""

    def yields(event: Event, ctx: Context) -> Iterator[Done]:
        yield Done()

    async def yields_too(event: Event, ctx: Context) -> AsyncIterator[Done]:
        yield Done()

    mark: Any = on(Event)
    assert [True, True] == ["yields; let it return its outcome" in it for it in refused(mark(yields), mark(yields_too))]


def test_event_that_never_comes_is_refused() -> None:
    """A class of the user's own is none that the service's events are read as."""

    class Dubbed(Event):
        """What somebody hopes for."""

    @on(Dubbed)
    async def dubbed(event: Dubbed, ctx: Context) -> None: ...

    (problem,) = refused(dubbed)
    assert problem.endswith("hears Dubbed, which no event is read as")


def test_two_of_one_name_are_refused() -> None:
    """Two handlers of one name are refused with both places: the journal knows them by their names alone."""

    def made() -> Handler:
        @on(Event)
        async def same(event: Event, ctx: Context) -> None: ...

        return same

    (problem,) = refused(made(), made())
    assert problem.startswith("handler same is defined twice, at ")
    assert 2 == problem.count(f"{__file__}:")


def test_handler_that_another_replaces_is_told(tmp_path: Path) -> None:
    """Of two functions of one name Python keeps the last: a file whose handler is lost so stops the start."""
    twice = GOOD.format(name="same")
    file = folder(tmp_path, a=twice + twice + "def same(): ...\n") / "a.py"

    assert (
        f"handler same at {file}:6 is replaced by what has the same name at {file}:17; rename one",
        f"handler same at {file}:14 is replaced by what has the same name at {file}:17; rename one",
    ) == problems_of(tmp_path)[:2]


def test_handler_that_is_not_found_by_its_name_is_told(tmp_path: Path) -> None:
    """A handler in a class, or below a decorator that hides it, would never run: it stops the start."""
    inside = "class Shelf:\n" + "".join(f"    {line}\n" for line in GOOD.format(name="inside").strip().splitlines()[3:])
    hidden = "\n@lambda function: len\n" + GOOD.format(name="hidden").strip().partition("\n\n\n")[2]
    file = folder(tmp_path, a=GOOD.format(name="fine") + inside + hidden) / "a.py"

    told = "is not found by its name; let @on stand above a function at the top level of its file"
    assert (f"handler inside at {file}:11 {told}", f"handler hidden at {file}:15 {told}") == problems_of(tmp_path)


def test_unmarked_function_is_refused() -> None:
    """A function without `@on` is no handler."""

    async def plain(event: Event, ctx: Context) -> None: ...

    with pytest.raises(TypeError, match="is no handler; put @on"):
        Router.of(plain)


def test_module_gives_its_own_handlers() -> None:
    """Of a module, the handlers that it defines count, once each; those that it imports belong to another."""
    module = ModuleType("mine")

    @on(Event)
    async def own(event: Event, ctx: Context) -> None: ...

    own.__module__ = "mine"
    vars(module).update(own=own, again=own, hears_all=hears_all, number=1)

    assert ("own",) == tuple(Router.of(module).routes)


# What comes of a run


async def ran(handler: Handler, event: Event | None = None, **given: Any) -> object:
    """What the door makes of one run."""
    return await Route.of(handler).run(event or NewFileUpload(file_id="f1"), context(**given))


def returning(value: Any, *, plain: bool = False) -> Handler:
    """A handler that returns this."""

    def in_thread(event: Event, ctx: Context) -> Any:
        return value

    async def in_loop(event: Event, ctx: Context) -> Any:
        return value

    return on(Event)(in_thread if plain else in_loop)


@on(Event)
async def returning_never(event: Event, ctx: Context) -> None:
    """A handler that waits for ever."""
    await asyncio.Event().wait()


def raising(error: BaseException, *, plain: bool = False) -> Handler:
    """A handler that raises this."""

    def in_thread(event: Event, ctx: Context) -> None:
        raise error

    async def in_loop(event: Event, ctx: Context) -> None:
        raise error

    return on(Event)(in_thread) if plain else on(Event)(in_loop)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("value", [None, Done(), Retry(5, "later"), Reject("never"), "done", 0])
async def test_outcome_is_what_was_returned(value: object, *, plain: bool) -> None:
    """A run gives what the handler returned, be it an outcome or not."""
    assert value == await ran(returning(value, plain=plain))


class Speechless(BaseException):
    """An exception whose words are an exception."""

    def __str__(self) -> str:
        raise self

    __repr__ = __str__


class Falsy(Exception):
    """An exception that is not true."""

    def __bool__(self) -> bool:
        return False


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        SystemExit(3),
        Falsy(),
        ExceptionGroup("several", [ValueError()]),
        RecursionError(),
        StopIteration(),
        asyncio.CancelledError(),
        TimeoutError(),
        KeyboardInterrupt(),
        GeneratorExit(),
        BaseExceptionGroup("several", [KeyboardInterrupt()]),
        Speechless(),
    ],
    ids=describe,
)
async def test_failure_is_a_value(error: BaseException, *, plain: bool) -> None:
    """Whatever a handler raises is what came of the run, `sys.exit()` and a cancellation of its own making included."""
    outcome = await ran(raising(error, plain=plain))

    assert isinstance(outcome, RuntimeError if isinstance(error, StopIteration) else type(error))


@pytest.mark.parametrize("plain", [False, True])
async def test_traceback_begins_in_the_handler(*, plain: bool) -> None:
    """Whoever reads how a handler failed sees its own lines, and none of those between it and the loop."""
    failed = await ran(raising(ValueError("no"), plain=plain))

    assert isinstance(failed, ValueError)
    assert ["in_thread" if plain else "in_loop"] == [it.name for it in traceback.extract_tb(failed.__traceback__)]


async def test_traceback_of_a_timeout_begins_in_the_handler() -> None:
    """What is told of a run that took too long is where it was then, and what its limit is."""

    @on(Event)
    async def slow(event: Event, ctx: Context) -> None:
        await asyncio.Event().wait()

    brief = dataclasses.replace(context(), deadline=Deadline(0.01))
    failed = await Route.of(slow).run(NewFileUpload(), brief)

    assert isinstance(failed, TimeoutError)
    assert failed.__cause__
    told = [[it.name for it in traceback.extract_tb(it.__traceback__)] for it in (failed, failed.__cause__)]
    assert [[], ["slow", "wait"]] == told


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), asyncio.CancelledError(), GeneratorExit(), Speechless()], ids=describe
)
def test_failure_is_tried_again(error: BaseException) -> None:
    """A failure is a retry until the attempts are spent, then the end."""
    endings = [ending(error, attempt=attempt, attempts=2, random=lambda: 0.5) for attempt in (1, 2)]

    why = describe(error)
    assert [Again(2.0, why), Dead(f"attempt 2 of 2 failed: {why}")] == endings


def test_run_that_is_thrown_away_ends() -> None:
    """A run whose loop has gone is closed where it stands: that is no failure of the handler, and nothing follows."""
    followed: list[object] = []

    async def run() -> None:
        followed.append(await ran(returning_never))

    async def begin() -> None:
        begun.send(None)

    begun = run()
    asyncio.run(begin())
    begun.close()

    assert [] == followed


async def test_task_that_a_handler_cancelled_is_its_own_failure() -> None:
    """A handler that waits for a task which it cancelled has failed; nobody takes it for a stop."""

    @on(Event)
    async def careless(event: Event, ctx: Context) -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.Event().wait())
            task.cancel()
            await task

    assert isinstance(await ran(careless), asyncio.CancelledError)


async def test_our_own_stop_goes_through() -> None:
    """A run that we cancel ends as cancelled: it is not the handler's failure."""
    started = asyncio.Event()

    @on(Event)
    async def slow(event: Event, ctx: Context) -> None:
        started.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ran(slow))
        await started.wait()
        task.cancel()

    assert task.cancelled()


@in_virtual_time
async def test_time_limit_ends_a_run() -> None:
    """A run that takes longer than its limit is ended, as a failure that names the limit."""
    cleaned: list[float] = []

    @on(Event)
    async def slow(event: Event, ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(asyncio.get_running_loop().time())

    outcome = await ran(slow, limit=300)

    assert "TimeoutError('not finished within its time limit of 300 s')" == repr(outcome)
    assert [300] == cleaned


@in_virtual_time
async def test_deadline_tells_what_is_left() -> None:
    """A handler can ask how much time it has, in a thread too."""
    left: list[float] = []

    @on(Event)
    async def asks(event: Event, ctx: Context) -> None:
        await asyncio.sleep(100)
        left.append(ctx.deadline.left)

    @on(Event)
    def asks_in_thread(event: Event, ctx: Context) -> None:
        left.append(ctx.deadline.left)

    await ran(asks, limit=300)
    await ran(asks_in_thread, limit=300)

    assert [200, 300] == left


async def test_event_of_another_type_is_rejected() -> None:
    """An entry for a handler that has changed its mind about what it hears is dead, and says why."""
    assert Reject("hears_uploads does not hear ConcatComplete any more") == await ran(hears_uploads, ConcatComplete())


# Plain handlers


async def test_plain_handler_runs_in_a_thread() -> None:
    """A plain function runs beside the loop, with what is bound for the log."""
    seen: list[object] = []

    @on(Event)
    def plain(event: Event, ctx: Context) -> Outcome:
        seen.append(threading.current_thread() is threading.main_thread())
        return Done()

    with bound(event_id=7):
        assert Done() == await ran(plain)
    assert [False] == seen


async def test_plain_handler_calls_the_service() -> None:
    """`ctx.wait` gives a plain function the reply of a call, or raises its error."""
    vod = Recorder({GetTaskInfo: ConfigError(["no"])})
    replies: list[object] = []

    @on(NewFileUpload)
    def plain(event: NewFileUpload, ctx: Context) -> None:
        action = ProcessFile(file_id=event.file_id or "", transcode=Transcode(definition=[10]))
        replies.append(ctx.wait(ctx.vod.call(action)).vod_task_id)
        ctx.wait(ctx.vod.call(GetTaskInfo(vod_task_id="t")))

    assert isinstance(await ran(plain, vod=vod), ConfigError)
    assert ["task-1"] == replies


async def test_waiting_in_the_loop_is_refused() -> None:
    """`ctx.wait` in an `async def` would stop the whole daemon: it is refused instead."""

    @on(Event)
    async def confused(event: Event, ctx: Context) -> None:
        ctx.wait(ctx.vod.call(GetTaskInfo(vod_task_id="t")))

    outcome = await ran(confused)

    assert isinstance(outcome, TypeError)
    assert "in an `async def` write await" in str(outcome)


async def test_thread_that_hangs_is_left_behind() -> None:
    """A plain handler that exceeds its limit fails like any other, and what its thread does afterwards is dropped."""
    release, ended = threading.Event(), threading.Event()

    @on(Event)
    def hangs(event: Event, ctx: Context) -> Outcome:
        release.wait()
        assert ctx.loop
        ctx.loop.call_soon_threadsafe(finished.set)
        ended.set()
        return Done()

    finished = asyncio.Event()
    outcome = await ran(hangs, limit=0.01)
    assert isinstance(outcome, TimeoutError)

    thread = next(it for it in threading.enumerate() if it.name == "handler")
    release.set()
    await finished.wait()
    thread.join()
    assert ended.is_set()


@pytest.mark.parametrize("error", [None, ValueError("no")])
async def test_plain_decorator_around_a_coroutine_function_is_fine(error: Exception | None) -> None:
    """A handler whose decorator returns its coroutine is run to its end."""

    def logged(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def wrapper(event: Event, ctx: Context) -> Any:
            return handler(event, ctx)

        return wrapper

    @logged
    @on(Event)
    async def wrapped(event: Event, ctx: Context) -> Outcome:
        if error:
            raise error
        return Done()

    assert (error or Done()) == await ran(wrapped)
    line = inspect.getsourcelines(wrapped)[1]
    assert ("wrapped", f"{__file__}:{line}") == (Route.of(wrapped).name, Route.of(wrapped).where)


# Files and packages

GOOD = """
from vodworker import Context, Done, on
from vodworker.events import Event


@on(Event)
async def {name}(event: Event, ctx: Context) -> Done:
    return Done()
"""


def folder(path: Path, **files: str) -> Path:
    """A folder with these Python files."""
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.py").write_text(text, encoding="utf-8")
    return path


def problems_of(*directories: Path, **given: Any) -> tuple[str, ...]:
    """The problems of loading these directories."""
    with pytest.raises(ConfigError) as caught:
        Router.load(directories, **given)
    return caught.value.problems


def test_files_of_a_directory_are_loaded(tmp_path: Path) -> None:
    """Every Python file is loaded in the order of its name, but tests and names that begin with an underscore."""
    broken = "1 / 0"
    names = {"b": GOOD.format(name="two"), "a": GOOD.format(name="one")}
    folder(tmp_path, **names, _c=broken, __init__=broken, test_a=broken, conftest=broken)
    (tmp_path / "notes.txt").write_text(broken, encoding="utf-8")

    router = Router.load([tmp_path])

    assert ["one", "two"] == list(router.routes)
    assert f"{tmp_path / 'a.py'}:6" == router.routes["one"].where


def test_directories_add_up(tmp_path: Path) -> None:
    """Several directories are loaded; one that is named twice counts once."""
    one = folder(tmp_path / "one", a=GOOD.format(name="first"))
    two = folder(tmp_path / "two", a=GOOD.format(name="second"))

    assert ["first", "second"] == list(Router.load([one, two, two / ".." / "one"]).routes)


def test_handlers_can_be_chosen(tmp_path: Path) -> None:
    """Of all handlers, the enabled ones count; an empty list enables none."""
    folder(tmp_path, a=GOOD.format(name="one"), b=GOOD.format(name="two"))

    assert ["two"] == list(Router.load([tmp_path], enabled=["two"], options={"one": {}}).routes)
    assert [] == list(Router.load([tmp_path], enabled=[]).routes)


MODELS = """
from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from pydantic import BaseModel


@dataclass
class Place:
    _: KW_ONLY
    number: int = 1


class Options(BaseModel):
    inner: Options | None = None


assert __file__
Options(inner=Options())
"""


def test_dataclasses_and_models_work_in_a_handler_file(tmp_path: Path) -> None:
    """A handler file is a module like any other: what looks its module up finds it."""
    folder(
        tmp_path,
        a=MODELS + GOOD.format(name="one"),
    )

    assert ["one"] == list(Router.load([tmp_path]).routes)


@pytest.mark.parametrize(
    "text,problem",
    [
        ("\n\nimport nowhere\n", "line 3: ModuleNotFoundError: No module named 'nowhere'"),
        ("def half(:\n", "line 1: SyntaxError: invalid syntax (a.py, line 1)"),
        ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('bye')\n", "line 2: SystemExit: bye"),
        ("from vodworker import on\n\n@on\nasync def f(event, ctx): ...\n", "line 3: TypeError: @on takes the events"),
        ("from vodworker.api import ProcessFile\nProcessFile()\n", "line 2: InvalidCall: ProcessFile: fileId"),
        (
            "async def f(event, ctx): ...\n",
            "no handler is in it; put @on(…) above the function, or begin the file's name with _",
        ),
        ("", "no handler is in it; put @on(…) above the function"),
        ("\0", "SyntaxError: source code string cannot contain null bytes"),
        ("import asyncio\nraise asyncio.CancelledError\n", "line 2: CancelledError"),
    ],
)
def test_broken_file_stops_the_start(tmp_path: Path, text: str, problem: str) -> None:
    """A file that does not import, or has no handler, is a problem with its name, the line and the cause."""
    folder(tmp_path, a=text)

    (told,) = problems_of(tmp_path)

    assert told.startswith(f"{tmp_path / 'a.py'}: {problem}")


@pytest.mark.parametrize("directory", ["handlers", "../here/handlers"])
def test_line_is_told_for_a_relative_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str) -> None:
    """The line is found however the directory was named."""
    folder(tmp_path / "here" / "handlers", a="\n1 / 0\n")
    monkeypatch.chdir(tmp_path / "here")

    assert (f"{directory}/a.py: line 2: ZeroDivisionError: division by zero",) == problems_of(Path(directory))


OPTIONED = """
from pydantic import BaseModel
from vodworker import on
from vodworker.events import Event

class Options(BaseModel):
    colour: str = "red"

@on(Event, options=Options)
async def choosy(event, ctx): ...
"""


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Directories, imports, signatures, doubles and options: one report has them all."""
    absent = tmp_path / "absent"
    here = folder(
        tmp_path / "here",
        a="import nowhere",
        b=GOOD.format(name="same"),
        c=GOOD.format(name="same"),
        d="from vodworker import on\nfrom vodworker.events import Event\n@on(Event)\ndef short(event): ...\n",
        e=OPTIONED,
    )

    problems = problems_of(absent, here, options={"choosy": {"colours": 1}})

    assert (
        f"{absent} is not a directory; handlers.directories names folders with handler files",
        f"{here / 'a.py'}: line 1: ModuleNotFoundError: No module named 'nowhere'",
        f"handler short at {here / 'd.py'}:3 takes (event); let it take (event, ctx)",
        f"handler same is defined twice, at {here / 'b.py'}:6 and at {here / 'c.py'}:6; rename one",
        "handlers.options.choosy.colours is not an option; did you mean colour?",
    ) == problems


def test_unknown_names_are_told_with_the_nearest(tmp_path: Path) -> None:
    """Each name in the settings that no handler has is told once, with the one that was probably meant."""
    folder(tmp_path, a=GOOD.format(name="process_upload"), b=GOOD.format(name="webhook"))

    assert (
        "process_uplaod is not a handler; did you mean process_upload?",
        "mailer is not a handler; there are process_upload, webhook",
    ) == problems_of(tmp_path, enabled=["process_uplaod", "webhook"], options={"mailer": {}, "process_uplaod": {}})
    assert ("webhook is not a handler; there are none",) == problems_of(enabled=["webhook"])


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a package: its files, and what its entry points name."""

    def install(entry: str, *, requires: str = "", **files: str) -> None:
        site = tmp_path / "site"
        folder(site / "acme_vod", **{"__init__": "", **files})
        about = site / "acme_vod-1.0.dist-info"
        about.mkdir()
        facts = f"Metadata-Version: 2.1\nName: acme-vod\nVersion: 1.0\n{requires}"
        (about / "METADATA").write_text(facts, encoding="utf-8")
        (about / "entry_points.txt").write_text(f"[{GROUP}]\nacme = {entry}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(site)

    yield install
    for name in [name for name in sys.modules if name.split(".")[0] == "acme_vod"]:
        del sys.modules[name]


def test_packages_are_loaded(tmp_path: Path, package: Callable[..., None]) -> None:
    """The handlers of an installed package are found by its entry point, beside those of the directories."""
    package("acme_vod.upload", upload=GOOD.format(name="packaged"))
    here = folder(tmp_path / "here", a=GOOD.format(name="own"))

    assert ["own", "packaged"] == list(Router.load([here]).routes)


@pytest.mark.parametrize(
    "requires,unmet",
    [
        ("vodworker>=0.1", ""),
        ("vodworker", ""),
        ("aiohttp>=999", ""),
        ("vodworker>=999; extra == 'more'", ""),
        ("no requirement at all", ""),
        ("vodworker[upload]<0.1", "vodworker[upload]<0.1"),
        ("vodworker>=999", "vodworker>=999"),
    ],
)
def test_package_says_which_vodworker_it_needs(package: Callable[..., None], requires: str, unmet: str) -> None:
    """A package that requires another version is not imported, and refused with both versions."""
    text = "1 / 0" if unmet else GOOD.format(name="packaged")
    package("acme_vod.upload", upload=text, requires=f"Requires-Dist: {requires}\n")

    if unmet:
        told = f"acme-vod 1.0 needs {unmet}, this is {version('vodworker')}; upgrade one of them"
        assert (f"acme_vod.upload (entry point acme): {told}",) == problems_of()
    else:
        assert ["packaged"] == list(Router.load([]).routes)


def test_package_may_gather_its_modules(package: Callable[..., None]) -> None:
    """What a package imports from its own modules is its own."""
    package("acme_vod", __init__="from acme_vod.upload import packaged", upload=GOOD.format(name="packaged"))

    assert ["packaged"] == list(Router.load([]).routes)


@pytest.mark.parametrize(
    "entry,text,problem",
    [
        ("acme_vod.upload", "\n1 / 0\n", "line 2: ZeroDivisionError: division by zero"),
        ("acme_vod.absent", "", "ModuleNotFoundError: No module named 'acme_vod.absent'"),
        ("acme_vod.upload:one", GOOD.format(name="one"), "TypeError: acme_vod.upload:one is no module; let the entry"),
        ("acme_vod.upload", "", "no handler is in it; put @on(…) above the function"),
    ],
)
def test_broken_package_stops_the_start(package: Callable[..., None], entry: str, text: str, problem: str) -> None:
    """An entry point that does not lead to handlers is a problem with its name, the line and the cause."""
    package(entry, upload=text)

    (told,) = problems_of()

    assert told.startswith(f"{entry} (entry point acme): {problem}")


def test_package_and_directory_may_not_share_a_name(tmp_path: Path, package: Callable[..., None]) -> None:
    """A packaged handler and one of a directory with the same name are told apart by their places."""
    package("acme_vod.upload", upload=GOOD.format(name="same"))
    here = folder(tmp_path / "here", a=GOOD.format(name="same"))

    (problem,) = problems_of(here)

    assert f"at {here / 'a.py'}:6 and at {tmp_path / 'site' / 'acme_vod' / 'upload.py'}:6" in problem


# Options


class Colours(BaseModel):
    """What a handler of these tests can be told."""

    paint: str
    layers: int = Field(default=1, ge=1)
    Frame: SecretStr | None = None


VARIABLE = "VODWORKER_HANDLERS__OPTIONS__PAINTS__PAINT"


@on(NewFileUpload, options=Colours)
async def paints(event: NewFileUpload, ctx: Context[Colours]) -> Outcome:
    """A handler with options."""
    return Reject(f"{ctx.options.layers} of {ctx.options.paint}")


def test_options_are_of_the_model_that_a_handler_declares() -> None:
    """Options are read into the handler's model; a handler without one gets them as they are."""
    options = Router.of(paints, hears_all).options({"paints": {"paint": "red"}, "hears_all": {"any": [1]}})

    assert {"paints": Colours(paint="red"), "hears_all": {"any": [1]}} == options


@pytest.mark.parametrize(
    "given,problems",
    [
        (
            {},
            [f"handlers.options.paints.paint is missing; set it in the settings file or as {VARIABLE}"],
        ),
        (
            {"paint": "red", "layer": 2, "hue": 1},
            [
                "handlers.options.paints.layer is not an option; did you mean layers?",
                "handlers.options.paints.hue is not an option; there are paint, layers, Frame",
            ],
        ),
        (
            {"paint": ["hush"], "layers": 0},
            [
                "handlers.options.paints.paint is wrong; it must be a valid string",
                "handlers.options.paints.layers is 0; it must be greater than or equal to 1",
            ],
        ),
    ],
)
def test_wrong_options_stop_the_start(given: dict[str, Any], problems: list[str]) -> None:
    """Every option that is wrong, missing or none is told at once, with the nearest name and without its text."""
    with pytest.raises(ConfigError) as caught:
        Router.of(paints).options({"paints": given})

    assert problems == list(caught.value.problems)


def test_a_model_may_say_more_of_its_names() -> None:
    """Aliases are names of options, a model that allows more is given more, and what is forbidden inside is told."""

    class Inner(BaseModel, extra="forbid"):
        """A table inside."""

    class Wide(BaseModel, extra="allow", validate_by_name=True):
        """Options of any names."""

        by: int = Field(0, alias="By")
        inner: Inner = Inner()

    class Narrow(BaseModel):
        """Options with an alias."""

        by: int = Field(0, alias="By")

    problems: list[str] = []

    wide: Any = read_options("a", Wide, {"by": 1, "more": 2}, problems)
    narrow: Any = read_options("a", Narrow, {"By": 3}, problems)
    assert (1, 2, 3, []) == (wide.by, wide.more, narrow.by, problems)
    read_options("a", Narrow, {"by": 3}, problems)
    read_options("a", Wide, {"inner": {"x": 1}}, problems)
    assert [
        "handlers.options.a.by is not an option; did you mean By?",
        "handlers.options.a.inner.x is not an option; remove it",
    ] == problems


def test_a_model_that_fails_is_a_problem() -> None:
    """A validator of the author's own that raises what it should not stops the start in words."""

    class Broken(BaseModel):
        """Options that cannot be read."""

        @model_validator(mode="before")
        @classmethod
        def _read(cls, _: Any) -> Any:
            raise KeyError("oops")

    problems: list[str] = []
    read_options("a", Broken, {}, problems)

    assert ["handlers.options.a cannot be read: KeyError: 'oops'"] == problems


@pytest.mark.parametrize("given", [{"options": dict}, {"options": Colours(paint="red")}, {"resources": 1}])
def test_mark_needs_a_model_and_a_function(given: dict[str, Any]) -> None:
    """Options that are no model, and resources that cannot be opened, are refused where they stand."""
    mark: Callable[..., object] = on

    with pytest.raises(TypeError, match=r"@on takes a (pydantic model as options|function of the options)"):
        mark(Event, **given)


# Files beside


BY_NAME = "a file of the same directory is imported by its own name: from FILE import …"
TAKEN = "an installed module has the name of {here}/colorsys.py: rename the file"


@pytest.mark.usefixtures("beside")
def test_files_import_what_lies_beside_them(tmp_path: Path) -> None:
    """A handler file may import a file of its directory; none takes the place of a module that is installed."""
    text = "from _words import NAME\nimport colorsys\nassert 'lib' in colorsys.__file__\nassert NAME == 'n'\n"
    folder(tmp_path, _words="NAME = 'n'", _colorsys="", a=text + GOOD.format(name="one"))
    folder(tmp_path, colorsys=GOOD.format(name="two"))

    assert ["one", "two"] == list(Router.load([tmp_path]).routes)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(
    "text,told",
    [
        ("import _broken\n", "line 1: _broken.py: line 2: ZeroDivisionError: division by zero"),
        (
            "from ._broken import x\n",
            f"line 1: ImportError: attempted relative import with no known parent package; {BY_NAME}",
        ),
        ("from here._broken import x\n", f"line 1: ModuleNotFoundError: No module named 'here'; {BY_NAME}"),
        (
            "from colorsys import shade\n",
            f"line 1: ImportError: cannot import name 'shade' from 'colorsys' ({colorsys.__file__}); {TAKEN}",
        ),
    ],
)
def test_import_of_what_lies_beside_fails_in_words(tmp_path: Path, text: str, told: str) -> None:
    """An import within the directory that fails says where, why, and how it is meant."""
    here = folder(tmp_path / "here", a=text, _broken="\n1 / 0\n", colorsys=GOOD.format(name="fine"))

    assert f"{here / 'a.py'}: {told.format(here=here)}" == problems_of(here)[0]
