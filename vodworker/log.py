"""The log: JSON lines on stdout, an event name (`noun.state`) and facts; and the table of all that can be said.

A line never raises and never shows a secret: what JSON cannot hold is written as its `repr`, what is named like a
secret is masked, and what cannot be written is dropped, because the work is worth more than its log.
"""

import asyncio
import io
import logging
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import PurePath
from threading import get_ident
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, TypeAlias, cast, get_args

import orjson
import structlog
from pydantic import SecretStr
from structlog.typing import FilteringBoundLogger

from vodworker.door import plugin_door, shown
from vodworker.outcome import describe

Log: TypeAlias = FilteringBoundLogger
Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
Format: TypeAlias = Literal["json", "console"]
Ear: TypeAlias = Callable[[str, Mapping[str, Any]], None]  # is told an event's name and its facts


@dataclass(frozen=True, slots=True)
class LogEvent:
    """What a log event means to its reader.

    level: info tells, warning passes by itself, error waits for the operator.
    fields: names from `FIELDS`; each line has some of them.
    remedy: what to do about it, "" when there is nothing to do.
    """

    level: Level
    fields: tuple[str, ...]
    meaning: str
    remedy: str = ""


IDENTIFIERS = ("event_id", "event_type", "key", "handler", "attempt")  # bound around the handling of an entry

FIELDS: dict[str, str] = {
    "replica": "which of several daemons on one journal says it: its host and its process; on every line",
    "event_id": "number of the event in the journal",
    "event_type": "the service's name for the event",
    "key": "what events are kept in order by: the file id, else the task id",
    "handler": "name of the handler",
    "attempt": "number of the run of this handler on this event, from 1",
    "action": "the service's name for the call",
    "code": "the service's error code",
    "error": "what went wrong, in a line",
    "cause": "what the code means, in the language that log.language says; null when no document has it",
    "why": "the reason, in a line",
    "waited": "seconds that it waited for a token",
    "request_ms": "milliseconds from sending the request to the end of its reply",
    "margin": "seconds of the handle's life that were left",
    "handles": "how many handles the confirmation carried",
    "events": "how many events",
    "entries": "how many entries, an entry being one event for one handler",
    "open": "how many entries are open: waiting, backing off or running",
    "after": "seconds until the next try",
    "took": "seconds that it took",
    "age": "seconds since the event was written into the journal",
    "task_id": "the task",
    "status": "what the service says that it does",
    "out_for": "seconds since it was started",
    "found_as": "number of the event in the journal that tells its end",
    "place": "how many calls of this action wait before this one, itself counted",
    "expected": "seconds that it will probably wait",
    "pause": "seconds for which no call of this action is sent",
    "found": "what was found: the task, nothing, or several that may be it",
    "once": "the name by which the handler tells its calls apart",
    "limit": "open entries above which pulling pauses",
    "failures": "how many times it failed in a row",
    "outage": "seconds from the first failure to the recovery",
    "grace": "seconds that running handlers are given to finish",
    "running": "how many handlers are running",
    "version": "version of vodworker, or of the journal's schema where the journal speaks",
    "admin": 'where a tester can look into the emulator, "" for nowhere',
    "endpoint": "where the service is",
    "journal": "where the journal is, without its password",
    "handlers": "names of the handlers",
    "streams": "long polls at once",
    "limits": "calls that are allowed in 60 s, by action",
    "listen": "where health and metrics are told",
    "changed": "settings that are in force now",
    "kept": "settings that wait for a restart",
    "problems": "what is wrong, each with its remedy",
    "task": "what was running: a handler and its event, or a part of the daemon",
    "stack": "where it was, the innermost last",
    "logger": "name of the library's logger",
    "message": "what was said, in the speaker's words",
    "exception": "the traceback",
}

LOG_EVENTS: dict[str, LogEvent] = {
    "worker.started": LogEvent(
        "info",
        ("version", "endpoint", "journal", "handlers", "streams", "limits", "listen"),
        "The daemon has read its settings and begins.",
    ),
    "worker.ready": LogEvent("info", ("open",), "The journal is open, the handlers are loaded, pulling begins."),
    "worker.paused": LogEvent(
        "warning",
        ("open", "limit"),
        "More entries are open than pull.max_backlog: pulling waits until there are fewer.",
        "If it lasts, find the slow handler in handler.done (took), or raise its concurrency.",
    ),
    "worker.resumed": LogEvent("info", ("open",), "The backlog is small enough again: pulling goes on."),
    "worker.reloaded": LogEvent(
        "info",
        ("changed", "kept"),
        "The settings were read again; what is in `changed` counts from now on, what is in `kept` after a restart.",
    ),
    "worker.unchanged": LogEvent(
        "error",
        ("problems",),
        "The settings were read again and are wrong; the daemon goes on with those that it has.",
        "Mend them, see `vodworker check`, and reload once more.",
    ),
    "worker.stopping": LogEvent(
        "info", ("running", "grace"), "A stop was asked for: no more pulling, running handlers may finish."
    ),
    "worker.stopped": LogEvent("info", ("open", "took"), "The daemon is done; what was unfinished is in the journal."),
    "worker.cut": LogEvent(
        "error",
        ("why",),
        "The process was ended by force, with exit code 1; what was unfinished is in the journal.",
        "If nobody asked twice, a handler ignores its cancellation or blocks: look for its name in loop.blocked.",
    ),
    "loop.blocked": LogEvent(
        "warning",
        ("task", "stack", "took"),
        "`task` keeps the event loop from everything else, pulls and confirmations too; `stack` says where it is.",
        "Let the handler await what it waits for, or make it a plain def: then it runs in a thread.",
    ),
    "loop.free": LogEvent("info", ("took",), "What blocked the event loop let go of it."),
    "pull.done": LogEvent("debug", ("events",), "A pull ended well, with events or without."),
    "pull.failed": LogEvent(
        "warning",
        ("code", "error", "failures", "after"),
        "A pull did not work; it is tried again.",
        "Nothing if pull.recovered follows; else look at the network and at the service's status.",
    ),
    "pull.denied": LogEvent(
        "error",
        ("code", "error", "failures", "after"),
        "The service does not accept the account, its keys or this machine's clock; it is tried again, more slowly.",
        "Check account.secret_id and account.secret_key, their rights, and the clock.",
    ),
    "pull.recovered": LogEvent("info", ("failures", "outage"), "Pulling works again."),
    "event.received": LogEvent("info", ("event_id", "event_type", "key", "handlers"), "An event is in the journal."),
    "event.unheard": LogEvent(
        "warning",
        ("event_id", "event_type", "key"),
        "No handler hears this type of event; it is kept in the journal and confirmed.",
        "Write a handler for it, or @on(Event) for all types, if it matters.",
    ),
    "event.duplicate": LogEvent(
        "info", ("event_id", "event_type", "key"), "The service delivered again what the journal already has."
    ),
    "event.confirmed": LogEvent(
        "info", ("handles", "margin", "request_ms"), "The service will not deliver these again."
    ),
    "confirm.failed": LogEvent(
        "warning",
        ("handles", "code", "error", "margin", "after"),
        "A confirmation did not work; the journal has the events, and their redelivery will be recognised.",
        "Nothing if it is rare; else look at the network and at event.confirmed (margin).",
    ),
    "confirm.expired": LogEvent(
        "warning",
        ("handles", "code", "error"),
        "Handles were too old to be confirmed; their events will be delivered again and recognised.",
        "If it is frequent, the machine or its disk is overloaded.",
    ),
    "resources.failed": LogEvent(
        "error",
        ("handler", "why", "exception"),
        "What a handler keeps open could not be opened or closed, or ended by itself.",
        "At the start the daemon ends with exit code 1; later the handler's runs fail until a restart: look at `why`.",
    ),
    "handler.printed": LogEvent(
        "info",
        (*IDENTIFIERS, "message"),
        "A handler printed this line; stdout belongs to the log.",
        "Let it write `ctx.log.info(…)`, with a name and facts.",
    ),
    "handler.started": LogEvent("debug", (*IDENTIFIERS, "age"), "A handler begins with an event."),
    "handler.done": LogEvent("info", (*IDENTIFIERS, "took"), "The event is handled."),
    "handler.retry": LogEvent(
        "warning",
        (*IDENTIFIERS, "took", "after", "why", "exception"),
        "The handler failed or asked for another run.",
        "Nothing unless handler.dead follows.",
    ),
    "handler.rejected": LogEvent(
        "warning",
        (*IDENTIFIERS, "took", "why"),
        "The handler will never be able to handle this event; the entry is dead.",
        "Read `vodworker events show`; redrive or discard it.",
    ),
    "handler.dead": LogEvent(
        "error",
        (*IDENTIFIERS, "took", "why", "exception"),
        "All attempts are spent, or trying again cannot help; the entry is dead.",
        "Mend the cause, then `vodworker events redrive`.",
    ),
    "handler.lost": LogEvent(
        "warning",
        (*IDENTIFIERS, "took"),
        "The lease ran out while the handler ran; another worker has the entry, and this result is not written.",
        "Raise work.lease, or look for what stopped this process from keeping it.",
    ),
    "handler.released": LogEvent(
        "info", (*IDENTIFIERS, "took"), "The daemon stops: the unfinished entry is open again, its attempt not counted."
    ),
    "call.done": LogEvent("info", ("action", "waited", "request_ms", "task_id"), "The service did what was asked."),
    "call.failed": LogEvent(
        "warning",
        ("action", "code", "error", "cause", "waited", "request_ms"),
        "A call brought no good reply.",
        "`vodworker explain CODE` says whose fault it is.",
    ),
    "call.replayed": LogEvent(
        "info",
        ("action", "once"),
        "An earlier run of the handler made this call; its recorded reply was given.",
    ),
    "call.doubtful": LogEvent(
        "warning",
        ("action", "once", "found"),
        "An earlier run sent this call and did not see the reply; `found` is what the service tells of its task.",
    ),
    "task.running": LogEvent(
        "info", ("task_id", "action", "out_for", "status"), "A task takes long; it was asked for, and still runs."
    ),
    "task.found": LogEvent(
        "warning",
        ("task_id", "action", "out_for", "found_as"),
        "A task ended and its event never came; what it would have told is handled now.",
        "If it is frequent, look who else confirms events of this account, or at notifyMode.",
    ),
    "task.gone": LogEvent(
        "error",
        ("task_id", "action", "out_for", "code", "error"),
        "The service does not know a task that it started for us; nobody will ever tell its end.",
        "Look at the file, and redrive the event that started it, if need be.",
    ),
    "call.waiting": LogEvent(
        "info", ("action", "place", "expected"), "All tokens of the action are out: the call waits for one."
    ),
    "call.throttled": LogEvent(
        "warning",
        ("action", "code", "pause"),
        "The service counted more calls than its ceiling, although we kept to ours.",
        "Another program uses the account, or its ceiling is lower than limits says.",
    ),
    "journal.migrated": LogEvent(
        "info", ("journal", "version", "took"), "The journal's schema was brought up to date."
    ),
    "journal.adopted": LogEvent("info", ("entries",), "Entries that a killed daemon left running are open again."),
    "journal.swept": LogEvent("info", ("events", "open", "took"), "Events that ended well long ago were forgotten."),
    "journal.lost": LogEvent(
        "error",
        ("journal", "error", "failures", "after"),
        "The database is away: nothing is pulled, confirmed or settled; it is tried again until it is back.",
        "Nothing if journal.back follows; else look at the database, the network, and the user's password.",
    ),
    "journal.back": LogEvent("info", ("journal", "outage"), "The database is back, and the work goes on."),
    "journal.failed": LogEvent(
        "critical",
        ("journal", "error"),
        "The journal cannot do its work; the process ends with exit code 1.",
        "Look at the disk: space, permissions, health.",
    ),
    "emulator.started": LogEvent(
        "info", ("endpoint", "admin"), "The emulator answers; a tester at `admin`, where there is such an address."
    ),
    "emulator.stopped": LogEvent("info", ("took",), "The emulator is done."),
    "emulator.refused": LogEvent("info", ("action", "code", "error"), "The emulator refused a call."),
    "library.spoke": LogEvent(
        "warning",
        ("logger", "message", "exception"),
        "A library (aiohttp, asyncio, Python's warnings) reported something of its own.",
    ),
}


class _Found:
    """structlog's lazy logger, which looks its methods up for each line; here, what was found once stays found."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(structlog.get_logger().bind(), name)
        if structlog.get_config()["cache_logger_on_first_use"]:  # as `setup` wants it; a test of a handler may not
            vars(self)[name] = found
        return found


log = cast("Log", _Found())  # every name that a bound logger has, it finds

_NOTHING: Mapping[str, object] = {}
_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default=_NOTHING)


def bind(**facts: object) -> None:
    """Put these facts on every line that is logged from here on, in this task and in what is started from it."""
    _bound.set({**_bound.get(), **facts})


class bound:  # noqa: N801  # read as a participle: with bound(key="f")
    """Put these facts on every line that is logged inside, in the tasks and threads started from there too."""

    __slots__ = ("_facts", "_token")

    def __init__(self, **facts: object) -> None:
        self._facts = facts

    def __enter__(self) -> None:
        self._token = _bound.set({**_bound.get(), **self._facts})

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)


@contextmanager
def heard(by: Ear, *events: str) -> Generator[None]:
    """Tell `by` of every line that is logged inside, from whatever thread and below the level too.

    So that what is counted and what is judged of the daemon comes from the one table of what happens, and the rooms
    that tell it know of nobody who listens. An ear must not raise and not log. events: all that it hears; none: all.
    """
    ear = by, frozenset(events)
    _voice.listen((*_voice.ears, ear))
    try:
        yield
    finally:
        _voice.listen(tuple(it for it in _voice.ears if it is not ear))


def setup(
    format: Format | None = None,  # noqa: A002  # the setting's own name
    level: Level = "info",
    *,
    stream: BinaryIO | None = None,
    now: Callable[[], float] = time.time,
) -> None:
    """Send all logging of the process, that of libraries included, to `stream` (stdout when None).

    format: None is `console` on a terminal and `json` elsewhere. May be called again: the last call counts, for loggers
    that are in use, too.
    """
    target: BinaryIO = sys.stdout.buffer if stream is None else stream
    terminal = target.isatty()
    form = format or ("console" if terminal else "json")
    names = get_args(Level)
    _lines.flush()
    _lines.stream = target
    _voice.silent = frozenset(names[: names.index(level)])
    _voice.now = now
    _voice.pretty = None if form == "json" else console_lines(colors=terminal)
    structlog.configure(
        processors=_CHAIN,
        wrapper_class=_LOGGER,
        logger_factory=lambda *_: _lines,
        cache_logger_on_first_use=True,  # to make one takes as long as to write the line
    )
    logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


_EVERY = structlog.make_filtering_bound_logger("debug")  # what is not written is heard


def _spoken(level: str) -> Callable[..., None]:
    """A logger's method of this level: structlog's own, but that it takes one step from a call to its line."""
    whole = getattr(_EVERY, level)

    def speak(self: Any, event: str, *args: object, **facts: object) -> None:
        if args:  # the event has holes, which structlog fills
            whole(self, event, *args, **facts)
            return
        line: Any = {**self._context, **facts, "event": event}
        try:
            for step in self._processors:
                line = step(self._logger, level, line)
        except structlog.DropEvent:  # in a test that captures what is logged
            return
        self._logger.msg(line)

    return speak


_LOGGER = cast("type[Log]", type("Logger", (_EVERY,), {level: _spoken(level) for level in get_args(Level)}))


class _Voice:
    """How a line is made, for all loggers: who hears it, what is not written, and how it looks."""

    def __init__(self) -> None:
        self.listen(())
        self.silent: frozenset[str] = frozenset()
        self.now: Callable[[], float] = time.time
        self.pretty: Callable[[bytes], bytes] | None = None

    def listen(self, ears: tuple[tuple[Ear, frozenset[str]], ...]) -> None:
        """These hear from now on, each with the events that it hears, or none: all."""
        self.ears = ears
        self._of_all = tuple(ear for ear, events in ears if not events)
        names = {name for _, events in ears for name in events}
        self._of = {name: tuple(ear for ear, events in ears if not events or name in events) for name in names}

    def say(self, _logger: object, level: str, fields: MutableMapping[str, Any]) -> bytes:
        """The one step from facts to bytes: time, level, event, what is bound, what is told; b"" is not written."""
        event, silent = str(fields.get("event", "")), level in self.silent
        ears = self._of.get(event, self._of_all)
        if silent and not ears:
            return b""
        held = _bound.get()
        for ear in ears:
            ear(event, MappingProxyType({**held, **fields}))
        if silent:
            return b""
        if not _OURS.isdisjoint(fields):
            fields = {f"{name}_" if name in _OURS else name: value for name, value in fields.items()}
        facts = {"time": stamp(self.now()), "level": level, "event": "", **held, **fields}
        line = dumps(_explained(level, facts) if "exc_info" in facts else facts)
        return self.pretty(line) if self.pretty else line


def _explained(level: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The same, with what is known of an error in words."""
    error = facts["exc_info"]
    with plugin_door() as failure:  # a traceback shows an error as its author wants it, or fails to
        facts = dict(structlog.processors.format_exc_info(None, level, facts))
    if failure.error is not None:
        facts["exception"] = describe(error) if isinstance(error, BaseException) else shown(error)
    return facts


def console_lines(*, colors: bool) -> Callable[[bytes], bytes]:
    """For a reader at a terminal; of a JSON line, so that it shows what the line would and is as safe."""
    pretty = structlog.dev.ConsoleRenderer(
        colors=colors,
        sort_keys=False,
        timestamp_key="time",
        pad_event_to=16,
        exception_formatter=structlog.dev.plain_traceback,
    )

    def render(line: bytes) -> bytes:
        with plugin_door():  # facts of a handler may have the names that the renderer has plans for
            facts = orjson.loads(line)
            return pretty(None, facts["level"], facts).encode(errors="backslashreplace")
        return line

    return render


_OURS = frozenset({"time", "level"})  # a handler may tell of a `time`; it may not change ours


def stamp(now: float) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond: 2026-01-31T23:59:59.123Z."""
    return f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z"


@lru_cache(maxsize=2)  # many lines fall into one second
def _second(now: int) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def dumps(facts: Mapping[str, object]) -> bytes:
    """These facts as one JSON object, secrets masked. Total: whatever the facts are, this returns."""
    try:
        line = orjson.dumps(facts, _other)
    except orjson.JSONEncodeError:  # it has its own limits: a lone surrogate, a huge number, a ring, a key of no text
        line = orjson.dumps(_plain(facts))
    # Looked for in the finished line: it is quick, and finds a secret however deep it lies.
    text = line.decode().lower()  # in bytes, `in` makes an error of each word and drops it again: four times as dear
    for word in _SECRET_WORDS:
        if word in text:
            return orjson.dumps(_masked(orjson.loads(line)))
    return line


MASK = "***"
_SECRETS = ("secret_key", "secretkey", "token", "signature", "password", "authorization")
_SECRET_WORDS = ("secret", *_SECRETS[2:])
_SECRET_TEXT = re.compile(rf"((?:{'|'.join(_SECRETS)})=)[^&\s\"']+", re.IGNORECASE)


def _masked(value: object) -> object:
    """The same, the values of everything that is named like a secret hidden."""
    match value:
        case dict():
            return {name: MASK if str(name).lower().endswith(_SECRETS) else _masked(it) for name, it in value.items()}
        case list():
            return [_masked(it) for it in value]
        case str():
            return _SECRET_TEXT.sub(rf"\1{MASK}", value)
        case _:
            return value


_DEEPEST = 8  # levels; deeper ones, and rings, are written as their `repr`
_INTEGERS = range(-(2**63), 2**64)  # what orjson can write


def _other(value: object) -> object:
    """What JSON has no form for, in a form that it has."""
    match value:
        case PurePath() | SecretStr():
            return str(value)
        case set() | frozenset():
            return [*value]
        case float():
            return float.__pos__(value)  # of a class of somebody's own
        case _:
            return shown(value)


def _plain(value: object, depth: int = 0) -> object:
    """The slow way, when orjson refused: only what JSON can surely hold."""
    plain: object = None
    with plugin_door() as failure:
        plain = _pieces(value, depth)
    return plain if failure.error is None else shown(value)


def _pieces(value: object, depth: int) -> object:
    match value:
        case None | bool():
            return value
        case float():
            return float.__pos__(value)
        case int() if int.__pos__(value) in _INTEGERS:
            return int.__pos__(value)
        case str():
            return str.encode(value, errors="backslashreplace").decode()
        case Mapping() if depth < _DEEPEST:
            return {
                str(_plain(name if isinstance(name, str) else shown(name))): _plain(it, depth + 1)
                for name, it in value.items()
            }
        case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
            return [_plain(it, depth + 1) for it in value]
        case _:
            return shown(value)


class _Lines:
    """Where the lines go: one write for each, from whatever thread; inside `gathered`, one for each turn of a loop."""

    def __init__(self) -> None:
        self.stream: BinaryIO = io.BytesIO()  # that of `setup`, before which nothing comes here
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = 0  # that of the loop
        self._kept: deque[bytes] = deque()

    def msg(self, line: bytes) -> None:
        if not line:
            return
        self._kept.append(line)
        if self.loop is None or get_ident() != self.thread:
            self.flush()
        elif len(self._kept) == 1:
            self.loop.call_soon(self.flush)

    debug = info = warning = error = critical = msg

    def flush(self) -> None:
        """Write what is kept."""
        lines: list[bytes] = []
        try:  # `suppress` costs as much as the writing
            while True:  # another thread may flush, too: each line is taken once
                lines.append(self._kept.popleft())
        except IndexError:
            pass
        if not lines:
            return
        try:
            self.stream.write(b"\n".join([*lines, b""]))
            self.stream.flush()
        except (OSError, ValueError, RuntimeError):
            pass  # a full disk, a reader that is gone, a stream that is closed; a signal in the middle of another line


@contextmanager
def gathered() -> Generator[None]:
    """Write what the running loop logs inside once in each of its turns, because a write costs more than a line.

    What another thread logs is written at once, with all before it, so that a loop that stands still is still heard of.
    """
    _lines.loop, _lines.thread = asyncio.get_running_loop(), get_ident()
    try:
        yield
    finally:
        _lines.loop = None
        _lines.flush()


_lines = _Lines()
_voice = _Voice()
_CHAIN: list[structlog.typing.Processor] = [_voice.say]


class _Foreign(logging.Handler):
    """Brings what libraries log into our stream."""

    def emit(self, record: logging.LogRecord) -> None:
        message = ""
        with plugin_door():  # a library's mistake in its own format
            message = record.getMessage()
        message = message or (record.msg if isinstance(record.msg, str) else shown(record.msg))
        log.log(
            logging.WARNING if record.levelno < logging.ERROR else logging.ERROR,
            "library.spoke",
            logger=record.name,
            message=" ".join(message.split()),
            exc_info=record.exc_info,
        )
