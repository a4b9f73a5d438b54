"""Metrics for Prometheus: what the log tells, counted; and what only the journal knows, asked for at each scrape.

`EFFECTS` says what each line of the log does to which metric. The values of labels come from closed lists, anything
else is `other`, so that no account, however busy, makes more series than there are types, actions, codes and handlers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from vodworker.api import ACTIONS
from vodworker.codes import TABLE
from vodworker.events import EVENTS
from vodworker.journal.port import STATES
from vodworker.log import LOG_EVENTS

PREFIX = "vodworker_"
OTHER = "other"  # what stands in no list
NONE = "none"  # a call that brought no reply has no code
MILLI = 0.001

SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)  # a call ends within calls.timeout
LONG = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600)  # a run of a handler, within handlers.timeout
LATE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30)
MARGINS = (0, 5, 10, 15, 20, 25, 26, 27, 28, 29, 29.5, 30)  # of a handle's 30 s; below 25 something is too slow


@dataclass(frozen=True, slots=True)
class Spec:
    """A metric: what it tells, by which labels. buckets: of a histogram; without, and not `goes_down`: a counter."""

    tells: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    goes_down: bool = False


SPECS: Mapping[str, Spec] = {
    "log_lines_total": Spec("Lines of the log by the name of their event, written or below the level", ("event",)),
    "pulls_total": Spec("Long polls by how they ended", ("result",)),
    "events_total": Spec("Events off the queue, by type; duplicate: delivered again", ("type", "state")),
    "confirmations_total": Spec("Handles by what became of their confirmation", ("result",)),
    "confirm_margin_seconds": Spec("Seconds of a handle's life left when it was confirmed", buckets=MARGINS),
    "handler_runs_total": Spec("Runs of handlers by how they ended", ("handler", "outcome")),
    "handler_seconds": Spec("How long runs of handlers took", ("handler",), LONG),
    "handler_age_seconds": Spec("How old entries were when a run began, tries included", ("handler",), LONG),
    "handlers_running": Spec("Runs of handlers at this moment", ("handler",), goes_down=True),
    "calls_total": Spec("Calls by the code of the reply; 0 is done, none is no reply", ("action", "code")),
    "call_seconds": Spec("From sending a call to the end of its reply", ("action",), SHORT),
    "token_wait_seconds": Spec("How long calls waited for a token of their ceiling", ("action",), LONG),
    "calls_replayed_total": Spec("Calls that were not sent again: the recorded reply was given", ("action",)),
    "calls_doubtful_total": Spec("Calls whose reply an earlier run did not see", ("action",)),
    "loop_lag_seconds": Spec("How late the event loop was at each beat", buckets=LATE),
    "ready": Spec("1 while events are taken in, as /readyz says", goes_down=True),
    "alive": Spec("1 while the process need not be restarted, as /healthz says", goes_down=True),
    "last_pull_seconds": Spec("Seconds since the last good pull", goes_down=True),
    "journal_answers": Spec("1 while the journal answers", goes_down=True),
    "entries": Spec("Entries in the journal, one for each event and handler", ("state",), goes_down=True),
    "unconfirmed_events": Spec("Events whose confirmation is not known to be accepted", goes_down=True),
    "oldest_open_entry_seconds": Spec("Age of the oldest entry that has not ended", goes_down=True),
    "tokens_free": Spec("Calls that may go out at once", ("action",), goes_down=True),
    "tokens_limit": Spec("Calls that may go out in 60 s", ("action",), goes_down=True),
    "token_waiters": Spec("Calls that wait for a token", ("action",), goes_down=True),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What a line does to a metric: adds `amount`, or what stands in its field `by`.

    labels: for each the field that its value stands in, or `=` and the value itself.
    """

    metric: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    by: str = ""
    amount: float = 1.0


def ran(outcome: str) -> tuple[Effect, ...]:
    """The effects of a line that tells the end of a handler's run."""
    return (
        Effect("handler_runs_total", {"handler": "handler", "outcome": f"={outcome}"}),
        Effect("handler_seconds", {"handler": "handler"}, by="took"),
        Effect("handlers_running", {"handler": "handler"}, amount=-1.0),
    )


def called(code: str) -> tuple[Effect, ...]:
    """The effects of a line that tells how a call ended."""
    return (
        Effect("calls_total", {"action": "action", "code": code}),
        Effect("call_seconds", {"action": "action"}, by="request_ms"),
        Effect("token_wait_seconds", {"action": "action"}, by="waited"),
    )


def pulled(result: str, code: str) -> tuple[Effect, ...]:
    """The effects of a line that tells how a pull ended."""
    return (
        Effect("pulls_total", {"result": f"={result}"}),
        Effect("calls_total", {"action": "=PullEvent", "code": code}),
    )


def confirmed(result: str, code: str) -> tuple[Effect, ...]:
    """The effects of a line that tells what became of a confirmation."""
    return (
        Effect("confirmations_total", {"result": f"={result}"}, by="handles"),
        Effect("calls_total", {"action": "=ConfirmEvent", "code": code}),
    )


def arrived(state: str) -> tuple[Effect, ...]:
    """The effect of a line that tells of an event."""
    return (Effect("events_total", {"type": "event_type", "state": f"={state}"}),)


EFFECTS: Mapping[str, tuple[Effect, ...]] = {
    "pull.done": pulled("done", "=0"),
    "pull.failed": pulled("failed", "code"),
    "pull.denied": pulled("denied", "code"),
    "event.received": arrived("received"),
    "event.unheard": arrived("unheard"),
    "event.duplicate": arrived("duplicate"),
    "event.confirmed": (
        *confirmed("confirmed", "=0"),
        Effect("confirm_margin_seconds", by="margin"),
        Effect("call_seconds", {"action": "=ConfirmEvent"}, by="request_ms"),
    ),
    "confirm.failed": confirmed("failed", "code"),
    "confirm.expired": confirmed("expired", "code"),
    "handler.started": (
        Effect("handlers_running", {"handler": "handler"}),
        Effect("handler_age_seconds", {"handler": "handler"}, by="age"),
    ),
    "handler.done": ran("done"),
    "handler.retry": ran("retry"),
    "handler.rejected": ran("rejected"),
    "handler.dead": ran("dead"),
    "handler.lost": ran("lost"),
    "handler.released": ran("released"),
    "call.done": called("=0"),
    "call.failed": called("code"),
    "call.throttled": (Effect("calls_total", {"action": "action", "code": "code"}),),
    "call.replayed": (Effect("calls_replayed_total", {"action": "action"}),),
    "call.doubtful": (Effect("calls_doubtful_total", {"action": "action"}),),
}

ASKED: Mapping[str, tuple[tuple[str, str], ...]] = {  # of each line, the labels that its fields tell, and these fields
    event: tuple(
        dict.fromkeys(it for effect in EFFECTS.get(event, ()) for it in effect.labels.items() if it[1][0] != "=")
    )
    for event in LOG_EVENTS
}


class Adder(NamedTuple):
    """One thing that a line adds: times `amount`, what stands in its field `by`; `amount` itself without."""

    add: Callable[[float], None]
    by: str = ""
    amount: float = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What is asked for at a scrape. counts: as `Desk.counts`; oldest: seconds, None: nothing is open.

    free, limits, waiting: of each action that is in use.
    """

    counts: Mapping[str, int]
    oldest: float | None
    free: Mapping[str, int]
    limits: Mapping[str, int]
    waiting: Mapping[str, int]


class Metrics:
    """All metrics of a daemon with these handlers. `hear` may be called from any thread."""

    def __init__(self, handlers: Iterable[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # else a second series for each; it has no types
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._known: Mapping[str, frozenset[str]] = {
            "event": frozenset(LOG_EVENTS),
            "type": frozenset(EVENTS),
            "handler": frozenset(handlers),
            "action": frozenset(ACTIONS),
            "code": frozenset({"0", NONE, *map(str, TABLE)}),
        }
        self._metrics = {name: self._made(name, spec) for name, spec in SPECS.items()}
        self._adders: dict[tuple[str, tuple[str, ...]], tuple[Adder, ...]] = {}
        self._begin_at_nought()

    def __repr__(self) -> str:
        return f"<Metrics, {len(self._metrics)} of them>"

    def _made(self, name: str, spec: Spec) -> Any:
        kind: Any = Gauge if spec.goes_down else Histogram if spec.buckets else Counter
        more = {"buckets": spec.buckets} if spec.buckets else {}
        return kind(f"{PREFIX}{name}", spec.tells, spec.labels, registry=self._registry, **more)

    def _begin_at_nought(self) -> None:
        """Show what may be counted before anything is: Prometheus sees no increase where a series begins with 1.

        That is every line of the log and every ending; types, actions and codes are too many to be shown unused.
        """
        for event in LOG_EVENTS:
            self._metrics["log_lines_total"].labels(event)
        for effect in (it for effects in EFFECTS.values() for it in effects if it.labels):
            told = {label: source[1:] for label, source in effect.labels.items() if source[0] == "="}
            if told.keys() == effect.labels.keys():
                self._metrics[effect.metric].labels(**told)
            elif effect.labels.keys() - told.keys() == {"handler"}:
                for handler in self._known["handler"]:
                    self._metrics[effect.metric].labels(**told, handler=handler)

    def hear(self, event: str, facts: Mapping[str, Any]) -> None:
        """Count a line of the log."""
        if event not in LOG_EVENTS:
            return  # a handler's own words
        told = tuple([self._bounded(label, facts.get(field)) for label, field in ASKED[event]])
        for add, by, amount in self._adders.get((event, told)) or self._looked_up(event, told):
            number = facts.get(by) if by else 1.0
            if isinstance(number, int | float):
                add(number * amount)

    def _bounded(self, label: str, value: object) -> str:
        text = NONE if value is None else str(value)
        return text if text in self._known[label] else OTHER

    def _looked_up(self, event: str, told: tuple[str, ...]) -> tuple[Adder, ...]:
        """What a line adds to, for these values of its labels. To look that up takes the library longer than to add."""
        values = dict(zip(ASKED[event], told, strict=True))
        adders = [Adder(self._metrics["log_lines_total"].labels(event).inc)]
        for it in EFFECTS.get(event, ()):
            labels = {label: values.get((label, source), source[1:]) for label, source in it.labels.items()}
            metric = self._metrics[it.metric].labels(**labels) if labels else self._metrics[it.metric]
            amount = MILLI if it.by.endswith("_ms") else it.amount
            adders.append(Adder(metric.observe if SPECS[it.metric].buckets else metric.inc, it.by, amount))
        self._adders[event, told] = tuple(adders)
        return self._adders[event, told]

    def add(self, name: str, amount: float) -> None:
        """Observe in a histogram that has no labels."""
        self._metrics[name].observe(amount)

    def set(self, name: str, value: float | None, **labels: str) -> None:
        """Set a gauge; None: nobody knows."""
        metric = self._metrics[name].labels(**labels) if labels else self._metrics[name]
        metric.set(float("nan") if value is None else value)

    def sampled(self, sample: Sample | None) -> None:
        """Set what was asked for; None: the journal did not answer, and nothing is known."""
        self.set("journal_answers", sample is not None)
        for name in ("entries", "tokens_free", "tokens_limit", "token_waiters"):
            self._metrics[name].clear()
        if sample is None:
            self.set("unconfirmed_events", None)
            self.set("oldest_open_entry_seconds", None)
            return
        self.set("unconfirmed_events", sample.counts.get("unconfirmed"))
        self.set("oldest_open_entry_seconds", sample.oldest or 0.0)
        for state in STATES:
            self.set("entries", sample.counts.get(state), state=state)
        by_action = {"tokens_free": sample.free, "tokens_limit": sample.limits, "token_waiters": sample.waiting}
        for name, numbers in by_action.items():
            for action, number in numbers.items():
                self.set(name, number, action=action)

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
