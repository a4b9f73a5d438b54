"""Reading logs, in whatever a supervisor has packed them."""

import gzip
import io
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodworker.log import stamp
from vodworker.report.read import Source, lines, sources

OURS = b'{"time":"2026-01-31T23:59:59.123Z","level":"info","event":"handler.done","took":1.5}'


@pytest.mark.parametrize(
    "text",
    [
        OURS,
        OURS + b"\n",
        b"2026-01-31T23:59:59.123456Z stdout F " + OURS,  # containerd
        orjson.dumps({"_SYSTEMD_UNIT": "vodworker.service", "MESSAGE": OURS.decode()}),
        orjson.dumps({"MESSAGE": list(OURS)}),
        orjson.dumps({"log": OURS.decode() + "\n", "stream": "stdout"}),
    ],
    ids=["bare", "line", "containerd", "journalctl", "journalctl binary", "docker"],
)
def test_line_of_ours_is_found(text: bytes) -> None:
    """A line is read as it is, and inside what journald, containerd or Docker made of it."""
    line = lines(text)

    assert line is not None
    assert (1769903999.123, "handler.done", 1.5) == (round(line.at, 3), line.event, line.facts["took"])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"Started vodworker.service.",
        b"{not json",
        b"[1, {}]",
        b'{"event": 1, "time": "2026-01-31T23:59:59Z"}',
        b'{"event": "handler.done"}',
        b'{"event": "handler.done", "time": "yesterday"}',
        b'{"event": "handler.done", "time": "2026-01-31T23:59:59.xZ"}',
        b'{"MESSAGE": "Started"}',
        b'{"MESSAGE": [1, 2, 999]}',
        b'{"MESSAGE": "{}", "log": null}',
        b'{"MESSAGE": null, "log": 7}',
    ],
)
def test_others_are_passed_by(text: bytes) -> None:
    """What is no line of ours is nothing, and breaks nothing."""
    assert lines(text) is None


@given(st.binary())
def test_reading_is_total(text: bytes) -> None:
    """Whatever a file holds, reading it raises nothing."""
    assert lines(text) is None
    assert lines(OURS[:40] + text) is None or b"}" in text


@given(st.floats(min_value=0, max_value=4102444799))
def test_time_is_read_as_it_was_written(at: float) -> None:
    """A line's time is the one at which it was logged, to the millisecond."""
    line = lines(orjson.dumps({"time": stamp(at), "event": "x"}))

    assert line is not None
    assert at - 0.0011 < line.at < at + 0.0001


def test_packed_logs_are_read(tmp_path: Path) -> None:
    """A log that was rotated away and packed is read like any other, and its progress is that of the packed file."""
    (tmp_path / "a.log").write_bytes(OURS + b"\n")
    (tmp_path / "b.log.gz").write_bytes(gzip.compress((OURS + b"\n") * 3))
    read = [
        (source.name, [text for text, _ in source], source.size)
        for source in sources((tmp_path / "a.log", tmp_path / "b.log.gz"))
    ]

    assert [("a.log", [OURS + b"\n"], len(OURS) + 1), ("b.log.gz", [OURS + b"\n"] * 3)] == [
        read[0],
        read[1][:2],
    ]
    assert read[1][2] == (tmp_path / "b.log.gz").stat().st_size


def test_progress_is_told() -> None:
    """With each line comes how much was read."""
    assert [(b"ab\n", 3), (b"c", 4)] == list(Source("x", None, io.BytesIO(b"ab\nc")))
