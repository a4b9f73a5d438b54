"""Metrics: the tables fit the log's table, each line counts as it should, and labels are bounded."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from vodworker.api import ACTIONS
from vodworker.codes import TABLE
from vodworker.events import EVENTS
from vodworker.journal.port import STATES
from vodworker.log import IDENTIFIERS, LOG_EVENTS
from vodworker.watch.metrics import EFFECTS, SPECS, Effect, Metrics, Sample

LISTED = {"action": "ProcessFile", "code": "4400", "type": "NewFileUpload", "handler": "upload", "event": "call.done"}
EVERY = [(event, effect) for event, effects in EFFECTS.items() for effect in effects]


def values(metrics: Metrics) -> dict[str, float]:
    """Every value that a scrape would find, by its name and its labels' values, these in the order of their names."""
    return {
        sample.name.removeprefix("vodworker_") + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if not sample.name.endswith("_bucket") and sample.name.startswith("vodworker_")
    }


def counted(*lines: tuple[str, dict[str, Any]]) -> dict[str, float]:
    """What is not nought after these lines of the log, but for the count of the lines themselves."""
    metrics = Metrics(["upload"])
    for event, facts in lines:
        metrics.hear(event, facts)
    return {name: value for name, value in values(metrics).items() if value and not name.startswith("log_lines")}


def test_effects_are_of_declared_lines() -> None:
    """Each row is about a line that the log can say."""
    assert set() == set(EFFECTS) - set(LOG_EVENTS)


@pytest.mark.parametrize("event,effect", EVERY)
def test_effects_read_what_is_told(event: str, effect: Effect) -> None:
    """Each row reads fields that its line has, and gives each label of its metric a value."""
    fields = {source for source in effect.labels.values() if source[0] != "="} | ({effect.by} - {""})

    assert set() == fields - {*LOG_EVENTS[event].fields, *IDENTIFIERS}
    assert set(SPECS[effect.metric].labels) == set(effect.labels)


def test_every_metric_has_a_source() -> None:
    """No metric is declared that nothing ever changes: a line does, or a scrape."""
    asked = {"ready", "alive", "last_pull_seconds", "journal_answers", "entries", "unconfirmed_events"}
    asked |= {"oldest_open_entry_seconds", "tokens_free", "tokens_limit", "token_waiters"}
    measured = {"loop_lag_seconds", "log_lines_total"}

    assert set(SPECS) == asked | measured | {effect.metric for _, effect in EVERY}


def test_names_are_as_prometheus_wants_them() -> None:
    """Counters end in `_total`, durations in `_seconds`; a gauge or a histogram does not count."""
    wrong = [
        name
        for name, spec in SPECS.items()
        if name.endswith("_total") == bool(spec.buckets or spec.goes_down) or (spec.buckets and "_seconds" not in name)
    ]

    assert [] == wrong


def test_a_line_that_nobody_counts_is_counted() -> None:
    """Each declared line is counted by its name; a handler's own words are not."""
    metrics = Metrics([])
    for event in ("worker.paused", "worker.paused", "upload.seen"):
        metrics.hear(event, {})

    lines = {name: value for name, value in values(metrics).items() if value and "log_lines" in name}
    assert {"log_lines_total worker.paused": 2.0} == lines


WHO = {"event_id": 1, "event_type": "NewFileUpload", "key": "k", "handler": "upload", "attempt": 1}


@pytest.mark.parametrize(
    "event,facts,expected",
    [
        ("pull.done", {"events": 3}, {"pulls_total done": 1, "calls_total PullEvent 0": 1}),
        ("pull.failed", {"code": None}, {"pulls_total failed": 1, "calls_total PullEvent none": 1}),
        ("pull.denied", {"code": 4100}, {"pulls_total denied": 1, "calls_total PullEvent 4100": 1}),
        ("event.received", WHO, {"events_total received NewFileUpload": 1}),
        ("event.duplicate", WHO, {"events_total duplicate NewFileUpload": 1}),
        ("event.unheard", {"event_type": "Surprise"}, {"events_total unheard other": 1}),
        (
            "event.confirmed",
            {"handles": 16, "margin": 29.5, "request_ms": 250.0},
            {
                "confirmations_total confirmed": 16,
                "calls_total ConfirmEvent 0": 1,
                "confirm_margin_seconds_count": 1,
                "confirm_margin_seconds_sum": 29.5,
                "call_seconds_count ConfirmEvent": 1,
                "call_seconds_sum ConfirmEvent": 0.25,
            },
        ),
        (
            "confirm.expired",
            {"handles": 2, "code": 4000},
            {"confirmations_total expired": 2, "calls_total ConfirmEvent 4000": 1},
        ),
        (
            "call.failed",
            {"action": "ProcessFile", "code": 99999, "waited": 2.0, "request_ms": 10.0},
            {
                "calls_total ProcessFile other": 1,
                "call_seconds_count ProcessFile": 1,
                "call_seconds_sum ProcessFile": 0.01,
                "token_wait_seconds_count ProcessFile": 1,
                "token_wait_seconds_sum ProcessFile": 2,
            },
        ),
        ("call.throttled", {"action": "ProcessFile", "code": 4400}, {"calls_total ProcessFile 4400": 1}),
        ("call.replayed", {"action": "ProcessFile"}, {"calls_replayed_total ProcessFile": 1}),
        ("call.doubtful", {"action": "ProcessFile"}, {"calls_doubtful_total ProcessFile": 1}),
    ],
)
def test_line_counts(event: str, facts: dict[str, Any], expected: dict[str, float]) -> None:
    """A line changes what it should, by as much as it tells, and nothing else."""
    assert expected == counted((event, facts))


@pytest.mark.parametrize("outcome", ["done", "retry", "rejected", "dead", "lost", "released"])
def test_a_run_begins_and_ends(outcome: str) -> None:
    """However a run ends, it runs no more, and its duration and outcome are counted."""
    begun = ("handler.started", {**WHO, "age": 0.5})
    running = counted(begun)
    ended = counted(begun, (f"handler.{outcome}", {**WHO, "took": 3.0}))

    assert 1 == running["handlers_running upload"]
    assert {
        f"handler_runs_total upload {outcome}": 1,
        "handler_seconds_count upload": 1,
        "handler_seconds_sum upload": 3,
        "handler_age_seconds_count upload": 1,
        "handler_age_seconds_sum upload": 0.5,
    } == ended


@pytest.mark.no_cover
@settings(max_examples=40)  # after each the whole text is read
@given(
    st.sampled_from(sorted(EFFECTS)),
    st.dictionaries(
        st.sampled_from(["code", "action", "handler", "event_type"]),
        st.text() | st.integers() | st.none() | st.lists(st.integers()),
    ),
)
def test_labels_are_bounded(event: str, facts: dict[str, Any]) -> None:
    """Whatever a line tells, no label takes a value that is not in its list."""
    metrics = Metrics(["upload"])
    metrics.hear(event, facts)
    bounds: dict[str, set[str]] = {
        "action": set(ACTIONS),
        "code": {"0", "none", *map(str, TABLE)},
        "type": set(EVENTS),
        "handler": {"upload", "none"},
        "event": set(LOG_EVENTS),
    }

    strange = [
        (name, value)
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        for name, value in sample.labels.items()
        if name in bounds and value not in bounds[name] | {"other"}
    ]
    assert [] == strange


def test_a_scrape_tells_what_the_journal_knows() -> None:
    """Entries by state, the oldest, and the tokens of each action in use come from the journal."""
    metrics = Metrics([])
    counts = {"events": 5, "unconfirmed": 2, **dict.fromkeys(STATES, 0), "ready": 3}
    metrics.sampled(
        Sample(counts, 12.5, free={"ProcessFile": 7}, limits={"ProcessFile": 100}, waiting={"ProcessFile": 1})
    )
    told = {name: value for name, value in values(metrics).items() if value}

    assert {
        "journal_answers": 1,
        "entries ready": 3,
        "unconfirmed_events": 2,
        "oldest_open_entry_seconds": 12.5,
        "tokens_free ProcessFile": 7,
        "tokens_limit ProcessFile": 100,
        "token_waiters ProcessFile": 1,
    } == told


def test_what_nobody_knows_is_not_told() -> None:
    """When the journal does not answer, no old number stands in for a new one."""
    metrics = Metrics([])
    metrics.sampled(Sample(dict.fromkeys(STATES, 1), 1.0, free={"A": 1}, limits={"A": 1}, waiting={"A": 1}))
    metrics.sampled(None)
    told = values(metrics)

    assert 0 == told["journal_answers"]
    assert math.isnan(told["oldest_open_entry_seconds"])
    assert [] == [name for name in told if name.startswith(("entries", "token"))]


def test_nothing_open_is_no_age() -> None:
    """An empty journal has no oldest entry: its age is nought, and an alert on it is silent."""
    metrics = Metrics([])
    metrics.sampled(Sample({}, None, {}, {}, {}))

    assert 0 == values(metrics)["oldest_open_entry_seconds"]


def labels() -> Iterator[int]:
    """How many values the labels of each metric can take together."""
    sizes = {"action": len(ACTIONS) + 1, "code": len(TABLE) + 3, "type": len(EVENTS) + 1, "event": len(LOG_EVENTS)}
    for spec in SPECS.values():
        yield math.prod(sizes.get(label, 6) for label in spec.labels if label != "code")


def test_there_are_few_series() -> None:
    """With six handlers, and but for codes, of which each action has a handful, a daemon makes under 3000 series."""
    assert sum(labels()) < 3000
