"""What a log adds up to: one pass, and memory that does not grow with the log. Decides nothing, prints nothing."""

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, get_args

from vodworker.api import ACTIONS
from vodworker.events import EVENTS
from vodworker.log import LOG_EVENTS, Level
from vodworker.report.read import Line
from vodworker.report.series import Spread, Timeline

KEPT = 20  # of the slowest runs, and of the dead, newest first
WINDOW = 60.0  # the service counts the calls of a minute
NAMES = 200  # different handlers, types, … that are told apart
OTHER = "other"
LEVELS = get_args(Level)
ENDINGS = {"handler.done": "done", "handler.retry": "retry", "handler.rejected": "rejected", "handler.dead": "dead"}


@dataclass(slots=True)
class Window:
    """Calls of an action: how many, and the most that ended within any 60 s."""

    count: int = 0
    most: int = 0
    when: float = 0.0
    waited: Spread = field(default_factory=Spread)
    took: Spread = field(default_factory=Spread)
    _recent: deque[float] = field(default_factory=deque[float])

    def add(self, at: float) -> None:
        """Count one."""
        self.count += 1
        self._recent.append(at)
        while self._recent[0] <= at - WINDOW or len(self._recent) > 10 * NAMES * KEPT:
            self._recent.popleft()
        if len(self._recent) > self.most:
            self.most, self.when = len(self._recent), at


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """A run of a handler that is worth telling. order: of two equally long ones the earlier."""

    took: float
    order: int
    at: float = field(compare=False)
    facts: dict[str, Any] = field(compare=False)


class Tally:
    """All that is told of a log. `feed` it line by line."""

    def __init__(self) -> None:
        self.first = float("inf")
        self.last = float("-inf")
        self.count = 0
        self.passed = 0  # lines that are none of ours, or torn
        self.levels: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.types: Counter[tuple[str, str]] = Counter()
        self.endings: Counter[tuple[str, str]] = Counter()
        self.runs: dict[tuple[str, str], Spread] = {}
        self.margin = Spread()
        self.calls: dict[str, Window] = {}
        self.failures: Counter[tuple[str, int | None]] = Counter()
        self.slowest: list[Run] = []
        self.dead: deque[Run] = deque(maxlen=KEPT)
        self.blocked: Counter[str] = Counter()
        self.versions: dict[str, float] = {}
        self.outages: list[tuple[float, float, str]] = []
        self.timeline = Timeline({"open": max, "margin": min})
        self._limits: dict[str, Any] = {}
        self.reckoned = True  # the log began without a word on how many entries were open
        self.open = 0

    def __repr__(self) -> str:
        return f"<Tally of {self.count} lines>"

    def feed(self, line: Line) -> None:
        """Add a line."""
        self.count += 1
        self.first, self.last = min(self.first, line.at), max(self.last, line.at)
        level = str(line.facts.get("level"))
        self.levels[level if level in LEVELS else OTHER] += 1
        self.events[line.event if line.event in LOG_EVENTS else OTHER] += 1
        match line.event.partition(".")[0]:
            case "event":
                self._event(line)
            case "handler" if line.event in ENDINGS:
                self._run(line)
            case "call" | "pull" | "confirm":
                self._call(line)
            case "worker" | "journal" | "loop":
                self._state(line)
            case _:
                pass

    def limit(self, action: str) -> int:
        """Calls of this action that are allowed in 60 s, as the daemon was set up; or as the service has it."""
        limit = self._limits.get(action, self._limits.get("default"))
        return limit if isinstance(limit, int) and limit > 0 else ACTIONS[action].rate

    def _event(self, line: Line) -> None:
        state = line.event.partition(".")[2]
        if state == "confirmed":
            handles = _number(line.facts.get("handles"))
            self.timeline.add("confirmed", line.at, handles)
            margin = _number(line.facts.get("margin"))
            self.margin.add(margin)
            self.timeline.add("margin", line.at, margin)
            self._called("ConfirmEvent", line)
            return
        kind = str(line.facts.get("event_type"))
        self.types[kind if kind in EVENTS else OTHER, state] += 1
        self.timeline.add(state, line.at)
        if state == "received":
            handlers = line.facts.get("handlers")
            self._opened(line.at, len(handlers) if isinstance(handlers, list) else 0)

    def _run(self, line: Line) -> None:
        ending = ENDINGS[line.event]
        handler, kind = str(line.facts.get("handler")), str(line.facts.get("event_type"))
        who = (handler, kind if kind in EVENTS else OTHER)
        if who not in self.runs and len(self.runs) >= NAMES:
            who = (OTHER, OTHER)
        self.endings[who[0], ending] += 1
        took = _number(line.facts.get("took"))
        self.runs.setdefault(who, Spread()).add(took)
        self.timeline.add(ending, line.at)
        run = Run(took, -self.count, line.at, {name: line.facts.get(name) for name in TOLD})
        if len(self.slowest) < KEPT:
            heapq.heappush(self.slowest, run)
        elif run > self.slowest[0]:
            heapq.heapreplace(self.slowest, run)
        if ending in ("dead", "rejected"):
            self.dead.appendleft(run)
        if ending != "retry":
            self._opened(line.at, -1)

    def _call(self, line: Line) -> None:
        code = line.facts.get("code")
        match line.event:
            case "call.done":
                self._called(str(line.facts.get("action")), line)
            case "call.failed":
                self._called(str(line.facts.get("action")), line)
                self._failed(str(line.facts.get("action")), code)
            case "call.throttled":
                self._failed(str(line.facts.get("action")), code)
            case "pull.failed" | "pull.denied":
                self._failed("PullEvent", code)
                self.timeline.add("pull-failed", line.at)
            case "confirm.failed" | "confirm.expired":
                self._failed("ConfirmEvent", code)
            case "pull.recovered":
                outage = _number(line.facts.get("outage"))
                self._away(line.at - outage, line.at, "the service")
            case _:
                pass

    def _called(self, action: str, line: Line) -> None:
        name = action if action in ACTIONS else OTHER
        window = self.calls.setdefault(name, Window())
        window.add(line.at)
        self.timeline.add(f"call {name}", line.at)
        window.took.add(_number(line.facts.get("request_ms")) / 1000)
        if "waited" in line.facts:
            window.waited.add(_number(line.facts["waited"]))

    def _failed(self, action: str, code: object) -> None:
        which = (action if action in ACTIONS else OTHER, code if isinstance(code, int) else None)
        if which in self.failures or len(self.failures) < 10 * NAMES:
            self.failures[which] += 1

    def _state(self, line: Line) -> None:
        match line.event:
            case "worker.started":
                if len(self.versions) < NAMES:
                    self.versions[str(line.facts.get("version"))] = line.at
                limits = line.facts.get("limits")
                self._limits = limits if isinstance(limits, dict) else {}
            case "worker.ready" | "worker.stopped" | "worker.paused" | "worker.resumed" | "journal.swept":
                self.reckoned = self.reckoned and "open" in self.timeline.series
                self.open = int(_number(line.facts.get("open")))
                self.timeline.add("open", line.at, self.open)
            case "journal.back":
                self._away(line.at - _number(line.facts.get("outage")), line.at, "the journal's database")
            case "loop.blocked" if len(self.blocked) < NAMES:
                self.blocked[str(line.facts.get("task")).partition(",")[0]] += 1
            case _:
                pass

    def _opened(self, at: float, by: int) -> None:
        """Reckon on from the last number that the log told, or from nought before the first one."""
        self.open = max(0, self.open + by)
        self.timeline.add("open", at, self.open)

    def _away(self, since: float, until: float, who: str) -> None:
        if len(self.outages) < NAMES:
            self.outages.append((since, until, who))


TOLD = ("event_id", "event_type", "key", "handler", "attempt", "why")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
