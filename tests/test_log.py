"""The log's promises: a line is always JSON, never raises, never shows a secret, and says only what is declared."""

import asyncio
import io
import logging
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import LogCapture

from vodworker import log as room
from vodworker.log import bound, dumps, gathered, heard, log, setup, stamp

MOMENT = 1769903999.1234


@pytest.fixture
def stream() -> io.BytesIO:
    """What the log has written."""
    stream = io.BytesIO()
    setup("json", "debug", stream=stream, now=lambda: MOMENT)
    return stream


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    """The stream's lines, read."""
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_line_is_json_with_time_level_event_and_facts(stream: io.BytesIO) -> None:
    """A line is one JSON object: time in UTC, level, event, then the facts in their order."""
    log.info("handler.done", took=1.5, attempt=2)

    expected = b'{"time":"2026-01-31T23:59:59.123Z","level":"info","event":"handler.done","took":1.5,"attempt":2}\n'
    assert expected == stream.getvalue()


def test_level_is_a_threshold() -> None:
    """What is below the level is not written, and a later setup changes it for loggers that exist."""
    stream = io.BytesIO()
    setup("json", "warning", stream=stream)
    log.info("handler.done")
    log.warning("handler.retry")
    setup("json", "info", stream=stream)
    log.info("handler.done")

    assert ["handler.retry", "handler.done"] == [line["event"] for line in lines(stream)]


async def test_bound_facts_are_on_every_line_inside(stream: io.BytesIO) -> None:
    """Facts bound once are on each line logged inside, in tasks and threads that start there, and nowhere else."""
    with bound(event_id=7), bound(handler="upload"):
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(log.info, "call.done", action="ProcessFile"))
        log.info("handler.done")
    log.info("worker.stopped")

    who = {"event_id": 7, "handler": "upload"}
    told = [{name: line[name] for name in line if name not in ("time", "level")} for line in lines(stream)]
    assert [
        {"event": "call.done", **who, "action": "ProcessFile"},
        {"event": "handler.done", **who},
        {"event": "worker.stopped"},
    ] == told


def test_nearer_fact_wins(stream: io.BytesIO) -> None:
    """A fact told at the call stands above the same one that is bound."""
    with bound(key="a"):
        log.info("event.received", key="b")

    assert ["b"] == [line["key"] for line in lines(stream)]


def test_a_handler_cannot_change_our_own_fields(stream: io.BytesIO) -> None:
    """A fact that is called time or level is told beside ours."""
    log.info("upload.seen", time=3, level="high")

    assert [
        {"time": "2026-01-31T23:59:59.123Z", "level": "info", "event": "upload.seen", "time_": 3, "level_": "high"}
    ] == lines(stream)


def test_an_event_may_have_holes(stream: io.BytesIO) -> None:
    """A name that is written with holes, as for other loggers, has them filled; below the level nothing is said."""
    log.info("upload.%s", "seen", size=3)
    log.bind(file_id="f").warning("upload.%(how)s", {"how": "late"})
    setup("json", "warning", stream=stream)
    log.info("upload.%s", "unseen")

    seen, late = lines(stream)
    assert ("upload.seen", 3) == (seen["event"], seen["size"])
    assert ("upload.late", "f") == (late["event"], late["file_id"])


def test_a_test_may_configure_structlog_anew() -> None:
    """Where structlog is not told to keep its loggers, as in tests of handlers, the last configuration counts."""
    for _ in range(2):
        captured = LogCapture()
        structlog.configure(processors=[captured], cache_logger_on_first_use=False)
        log.info("upload.seen")

        assert ["upload.seen"] == [line["event"] for line in captured.entries]


async def test_a_line_may_be_awaited(stream: io.BytesIO) -> None:
    """The asynchronous methods of a logger, and `log` with a number, write the same lines."""
    await log.ainfo("upload.seen", size=3)
    log.log(logging.INFO, "upload.seen", size=3)
    log.info("upload.seen", size=3)

    assert 1 == len({*stream.getvalue().splitlines()})


def test_exception_is_a_field(stream: io.BytesIO) -> None:
    """A traceback is told in the field `exception` of the same line."""
    try:
        int("no number")
    except ValueError:
        log.exception("handler.dead", why="ValueError")

    (line,) = lines(stream)
    assert ("error", "ValueError") == (line["level"], line["why"])
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'no number'")


@given(moment=st.floats(min_value=0, max_value=4102444799))
@settings(max_examples=100)
def test_stamps_sort_as_time_does(moment: float) -> None:
    """Stamps are ISO 8601 in UTC with milliseconds, so that their order as text is their order in time."""
    assert len("2026-01-31T23:59:59.123Z") == len(stamp(moment))
    assert stamp(moment) <= stamp(moment + 0.001)


@dataclass
class Credentials:
    """What a handler might log by mistake."""

    secret_key: str


@pytest.mark.parametrize(
    "facts",
    [
        {"secret_key": "hush"},
        {"secretKey": "hush"},
        {"Signature": "hush"},
        {"upload": {"parts": [{"Token": "hush"}]}},
        {"account": Credentials("hush")},
        {"account": SecretStr("hush")},
        {"url": "https://host/v2/index.php?Action=PullEvent&Signature=hush&Region=gz"},
        {"storageSignature": "hush", "ring": object()},
    ],
)
def test_secrets_are_masked(facts: dict[str, object]) -> None:
    """What is named like a secret is masked, at any depth and inside of addresses."""
    line = dumps(facts)

    assert b"hush" not in line
    assert b"***" in line


def test_words_about_secrets_are_kept() -> None:
    """A text that only speaks of a token is told as it is."""
    facts = {"why": "waiting for a token", "numbers": [1, None]}

    assert facts == orjson.loads(dumps(facts))


class Rude:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        """Fail."""
        raise RuntimeError("no")


class Rudest:
    """A value that ends the process of whoever looks at it."""

    def __repr__(self) -> str:
        """Fail in the worst way."""
        raise SystemExit


class Torn:
    """A value whose `repr` is half an emoji."""

    def __repr__(self) -> str:
        """What cannot be written."""
        return "\ud800"


class Closed(dict[str, object]):
    """A mapping that gives nothing."""

    def items(self) -> Any:
        """Fail."""
        raise KeyError("closed")


class Text(str):
    """A text that can be written only as it says itself."""

    __slots__ = ()

    def encode(self, *_: object, **__: object) -> bytes:
        """Fail."""
        raise ValueError("no")


class Share(float):
    """A float of somebody's own."""


def ring() -> list[object]:
    """A list that holds itself."""
    ring: list[object] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    "value, told",
    [
        (Path("/srv/a"), "/srv/a"),
        ({1}, [1]),
        (b"raw", "b'raw'"),
        (2**70, str(2**70)),
        ("half \ud800 pair", "half \\ud800 pair"),
        ({1: "a", (2, "\udc00"): {"b"}}, {"1": "a", "(2, '\\udc00')": ["b"]}),
        ([1.5, None, True, 3, 2**64], [1.5, None, True, 3, str(2**64)]),
        (float("nan"), None),
        (Share(0.5), 0.5),
        ([Text("a"), 2**70], ["a", str(2**70)]),
    ],
)
def test_any_value_can_be_told(value: object, told: object) -> None:
    """What JSON cannot hold is told in a form that it can."""
    assert {"value": told} == orjson.loads(dumps({"value": value}))


@pytest.mark.parametrize(
    "value",
    [
        *(
            Rude(),
            ring(),
            {Rude(): 1},
            {"a": Rude(), 1: 2},
            pytest.param(10**5000, id="huge"),
            {10**5000: 1},
            Rudest(),
            {Rudest(): Rudest()},
        ),
        *(Torn(), {Torn(): Torn()}, {1: Closed(a=1)}, {1: Text("a")}, {Text("\ud800"): 1}, {1: Share()}),
    ],
)
def test_no_value_breaks_a_line(value: object) -> None:
    """Not even a value whose `repr` fails, or that holds itself, breaks a line."""
    assert ["value"] == list(orjson.loads(dumps({"value": value})))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.binary()
    | st.builds(Rude),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner),
    max_leaves=5,
)


@pytest.mark.no_cover
@given(facts=st.dictionaries(st.text(max_size=20), ANYTHING, max_size=4))
@settings(max_examples=60)
def test_lines_are_total(facts: dict[str, object]) -> None:
    """Whatever the facts are, a line comes of it."""
    assert isinstance(orjson.loads(dumps(facts)), dict)


class Gone(io.BytesIO):
    """A reader that went away."""

    def write(self, _line: object) -> int:
        """Fail as a broken pipe does."""
        raise BrokenPipeError


class Interrupted(io.BytesIO):
    """A stream that is just being written to, when a signal comes."""

    def write(self, _line: object) -> int:
        """As Python's own buffers do."""
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stdout>'>")


@pytest.mark.parametrize("stream", [Gone(), Interrupted(), io.BytesIO()])
def test_work_goes_on_when_the_log_cannot_be_written(stream: io.BytesIO) -> None:
    """A line that cannot be written is dropped and raises nothing."""
    setup("json", stream=stream)
    if type(stream) is io.BytesIO:
        stream.close()

    log.info("worker.started")


def odd_syntax() -> SyntaxError:
    """An error that the interpreter itself cannot show."""
    error = SyntaxError("no")
    error.filename, error.lineno, error.offset, error.text = "a.py", 1, Rude(), "x"  # type: ignore[assignment]  # that is it
    return error


def wordless() -> Exception:
    """An error that is not even true."""

    class Wordless(Exception):
        def __bool__(self) -> bool:
            raise KeyboardInterrupt

        __str__ = __repr__ = __bool__  # type: ignore[assignment]  # whatever it is asked

    return Wordless()


@pytest.mark.parametrize(
    "error,told", [(odd_syntax(), "SyntaxError"), (wordless(), "Wordless")], ids=["syntax", "words"]
)
def test_an_error_that_cannot_be_shown_is_named(stream: io.BytesIO, error: Exception, told: str) -> None:
    """An error whose traceback cannot be made is told by its class, and the line is written."""
    log.error("handler.dead", exc_info=error)

    (line,) = lines(stream)
    assert told in line["exception"]


def test_console_shows_what_it_cannot_arrange() -> None:
    """Facts that the renderer stumbles over are written as JSON, also on a terminal."""
    stream = io.BytesIO()
    setup("console", stream=stream)

    log.info("handler.done", exception=5, stack={"a": 1})

    assert b'"exception":5' in stream.getvalue()


def test_lines_of_threads_stay_whole(stream: io.BytesIO) -> None:
    """Lines that several threads write at once are not mixed."""

    def speak(action: str) -> None:
        for _ in range(50):
            log.info("call.done", action=action)

    threads = [threading.Thread(target=speak, args=(letter * 500,)) for letter in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 100 == len(lines(stream))


def test_libraries_speak_in_our_stream(stream: io.BytesIO) -> None:
    """What a library logs, from warnings up, is an event of ours with its name and its words in one line."""
    library = logging.getLogger("aiohttp.server")
    library.info("quiet")
    library.warning("slow\n  %s", "client")
    try:
        int("no number")
    except ValueError:
        library.exception("lost")

    slow, lost = lines(stream)
    assert ("warning", "library.spoke", "aiohttp.server", "slow client") == (
        slow["level"],
        slow["event"],
        slow["logger"],
        slow["message"],
    )
    assert ("error", "lost") == (lost["level"], lost["message"])
    assert "ValueError" in lost["exception"]


def test_mistaken_message_of_a_library_is_kept(stream: io.BytesIO) -> None:
    """A library's message that does not fit its own arguments is told as it stands."""
    (ours,) = [it for it in logging.getLogger().handlers if type(it).__module__ == room.__name__]
    ours.handle(logging.LogRecord("aiohttp", logging.ERROR, "", 0, "lost %d", ("x",), None))
    ours.handle(logging.LogRecord("aiohttp", logging.ERROR, "", 0, "lost %s", (Rudest(),), None))
    ours.handle(logging.LogRecord("aiohttp", logging.ERROR, "", 0, Rudest(), (), None))

    assert ["lost %d", "lost %s", "<Rudest that cannot be shown>"] == [line["message"] for line in lines(stream)]


def test_warnings_speak_in_our_stream(stream: io.BytesIO) -> None:
    """Python's warnings are events of ours too."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        setup("json", stream=stream)
        warnings.warn("old way", DeprecationWarning, stacklevel=1)

    (line,) = lines(stream)
    assert "py.warnings" == line["logger"]
    assert "DeprecationWarning: old way" in line["message"]


class Terminal(io.BytesIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_console_is_for_reading() -> None:
    """On a terminal a line is coloured text with the same facts, secrets masked."""
    stream = Terminal()
    setup(stream=stream, now=lambda: MOMENT)
    log.info("handler.done", took=1.5, token="hush")

    text = stream.getvalue().decode()
    assert "\x1b[" in text
    assert "hush" not in text
    for fact in ("2026-01-31T23:59:59.123Z", "handler.done", "took", "1.5", "***"):
        assert fact in text


def test_console_without_a_terminal_is_plain() -> None:
    """The console form in a file has no colours, and its traceback is readable."""
    stream = io.BytesIO()
    setup("console", stream=stream)
    try:
        int("no number")
    except ValueError:
        log.exception("handler.dead", key="\ud800")

    text = stream.getvalue().decode()
    assert "\x1b" not in text
    assert "\nValueError: invalid literal" in text


def test_json_where_there_is_no_terminal() -> None:
    """Without a choice, a stream that is no terminal gets JSON."""
    stream = io.BytesIO()
    setup(stream=stream)
    log.info("worker.started")

    assert ["worker.started"] == [line["event"] for line in lines(stream)]


class Writes(io.BytesIO):
    """Counts how often it was written to."""

    times = 0

    def write(self, lines: Any, /) -> int:
        """As every stream."""
        self.times += 1
        return super().write(lines)


async def test_gathered_lines_of_a_turn_are_one_write() -> None:
    """Lines of one turn of the loop leave together, in their order, and none is left when the block ends."""
    setup("json", stream=(stream := Writes()))
    with gathered():
        for number in range(3):
            log.info("call.done", number=number)
        await asyncio.sleep(0)
        turn = stream.times, len(lines(stream))
        log.info("call.done", number=3)
    log.info("call.done", number=4)

    assert (1, 3) == turn
    assert (3, [0, 1, 2, 3, 4]) == (stream.times, [line["number"] for line in lines(stream)])


async def test_a_loop_that_stands_still_is_heard_of() -> None:
    """A line from another thread is written at once, and so is what the loop has kept until then."""
    setup("json", stream=(stream := Writes()))
    with gathered():
        log.info("handler.done")
        thread = threading.Thread(target=lambda: log.warning("loop.blocked"))
        thread.start()
        thread.join()

        assert ["handler.done", "loop.blocked"] == [line["event"] for line in lines(stream)]


def test_who_listens_hears_everything() -> None:
    """Whoever listens hears each line with its facts and what is bound, below the level too, until the block ends."""
    stream = io.BytesIO()
    setup("json", "warning", stream=stream)
    told: list[tuple[str, dict[str, Any]]] = []
    with heard(lambda event, facts: told.append((event, dict(facts)))):
        with bound(key="a"):
            log.debug("handler.started", age=0.5)
        log.warning("handler.retry", why="no")
    log.warning("handler.retry")

    assert [
        ("handler.started", {"event": "handler.started", "key": "a", "age": 0.5}),
        ("handler.retry", {"event": "handler.retry", "why": "no"}),
    ] == told
    assert ["handler.retry"] * 2 == [line["event"] for line in lines(stream)]


def test_who_listens_may_hear_some_events_alone() -> None:
    """Whoever names events hears these alone, until the block ends; who names none beside it hears all."""
    setup("json", "warning", stream=io.BytesIO())
    some: list[str] = []
    every: list[str] = []
    with heard(lambda event, _: every.append(event)):
        with heard(lambda event, _: some.append(event), "pull.done", "pull.failed"):
            log.debug("pull.done")
            log.info("handler.done")
        log.debug("pull.done")

    assert (["pull.done"], ["pull.done", "handler.done", "pull.done"]) == (some, every)


def test_who_listens_changes_nothing(stream: io.BytesIO) -> None:
    """The facts that are heard stay what they were, and cannot be changed."""
    kept: list[Mapping[str, Any]] = []
    with heard(lambda _, facts: kept.append(facts)):
        log.info("call.done", action="A")

    assert [{"event": "call.done", "action": "A"}] == kept
    assert "call.done" == lines(stream)[0]["event"]
    assert not hasattr(kept[0], "pop")


def test_importing_the_room_changes_nothing() -> None:
    """Logging is arranged by `setup` alone, never by an import."""
    assert not [it for it in logging.getLogger().handlers if type(it).__module__ == room.__name__]
