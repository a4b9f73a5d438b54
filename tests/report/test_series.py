"""Numbers over time in bounded memory: nothing is lost when buckets are merged, and quantiles are near."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodworker.report.series import MOST, STEP, Spread, Timeline

MOMENTS = st.lists(st.floats(min_value=1e9, max_value=2e9), min_size=1, max_size=60)


@given(MOMENTS)
def test_counts_survive_merging(moments: list[float]) -> None:
    """However far apart and in whatever order moments come, each is counted once, in the bucket of its time."""
    timeline = Timeline({})
    for at in moments:
        timeline.add("x", at)
    points = list(timeline.points("x"))

    assert len(moments) == sum(value for _, value in points)
    assert len(list(timeline.points("x", empty=0.0))) <= MOST
    assert all(any(start <= at < start + timeline.width for at in moments) for start, _ in points)


@given(st.lists(st.tuples(st.floats(min_value=1e9, max_value=2e9), st.floats(0, 1e6)), min_size=1, max_size=60))
def test_extremes_survive_merging(values: list[tuple[float, float]]) -> None:
    """The largest of a series that keeps the largest is among its points; the smallest likewise."""
    timeline = Timeline({"most": max, "least": min})
    for at, value in values:
        timeline.add("most", at, value)
        timeline.add("least", at, value)

    assert max(value for _, value in values) == max(value for _, value in timeline.points("most"))
    assert min(value for _, value in values) == min(value for _, value in timeline.points("least"))


def test_an_empty_timeline_has_no_points() -> None:
    """Nothing was added, nothing is there; one moment is a span of one bucket."""
    timeline = Timeline({})
    none = list(timeline.points("x", empty=0.0))
    timeline.add("x", 100.0)

    assert [] == none
    assert (100.0, 101.0) == timeline.span
    assert [] == list(timeline.points("y"))
    assert [(100.0, 0.0)] == list(timeline.points("y", empty=0.0))


@given(st.lists(st.floats(min_value=0.001, max_value=1e5), min_size=1), st.floats(0.01, 1.0))
def test_quantiles_are_near(values: list[float], part: float) -> None:
    """A quantile is the true one to 5 %, and between the least and the most."""
    spread = Spread()
    for value in values:
        spread.add(value)
    true = sorted(values)[max(0, math.ceil(part * len(values)) - 1)]

    assert true / STEP * 0.999 <= spread.quantile(part) <= true * STEP * 1.001
    assert (len(values), min(values), max(values)) == (spread.count, spread.least, spread.most)


@pytest.mark.parametrize("values,expected", [([], 0.0), ([0.0], 0.0), ([3.0], 3.0)])
def test_small_spreads(values: list[float], expected: float) -> None:
    """Of nothing the middle is nought, of one value it is that."""
    spread = Spread()
    for value in values:
        spread.add(value)

    assert expected == spread.quantile(0.5)
