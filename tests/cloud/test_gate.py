"""The gate before the tokens: when calls may go although tokens are free."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vodworker.cloud.gate import FIRST_PAUSE, LONGEST_PAUSE, Gate

SPAN = 60.0


def gate(limit: int = 60, burst: int | None = None) -> Gate:
    """A gate of this ceiling."""
    return Gate(limit=limit, burst=burst or limit, span=SPAN)


def going(it: Gate, times: int, *, now: float) -> list[float]:
    """When so many calls go that go as soon as they may."""
    went: list[float] = []
    for _ in range(times):
        now = max(now, it.opens(now))
        it.went(now)
        went.append(now)
    return went


def test_an_open_gate_stops_nobody() -> None:
    """Where bursts are not smoothed, all may go at once."""
    assert [7.0] * 100 == going(gate(), 100, now=7.0)


def test_the_place_in_a_line_tells_when_it_goes() -> None:
    """Each one behind the first goes a step later, once the burst is spent."""
    it = gate(60, burst=2)
    going(it, 2, now=0.0)

    assert [1.0, 2.0, 3.0] == [it.opens(0.0, place=place) for place in (1, 2, 3)]


@given(st.integers(1, 100), st.integers(1, 100), st.lists(st.floats(0, 5) | st.just(0.0), min_size=1, max_size=200))
def test_a_burst_is_never_exceeded(limit: int, burst: int, gaps: list[float]) -> None:
    """In any span of time no more calls go than a burst and what an even flow brings in that time."""
    it = gate(limit, burst)
    step = SPAN / limit
    now, went = 0.0, list[float]()
    for gap in gaps:
        now += gap
        if it.opens(now) <= now:
            it.went(now)
            went.append(now)

    for first, begin in enumerate(went):
        for last in range(first, len(went)):
            if burst < limit:
                assert last - first + 1 <= burst + (went[last] - begin) / step + 1e-6
    assert burst < limit or len(gaps) == len(went)


def test_pauses_grow_and_end() -> None:
    """Each refusal after a pause doubles the next, up to a minute; an answer ends it."""
    it = gate()
    now, pauses = 0.0, list[float]()
    for _ in range(6):
        pauses.append(it.shut(now, since=it.closings))
        assert it.ajar
        now = it.opens(now)
    it.reopen(now, since=it.closings)

    assert [5.0, 10.0, 20.0, 40.0, LONGEST_PAUSE, LONGEST_PAUSE] == pauses
    assert not it.ajar
    assert FIRST_PAUSE == it.shut(now, since=it.closings)
    assert "<Gate ajar, closed 7 times>" == repr(it)


def test_what_went_before_a_closing_says_nothing() -> None:
    """A call that went before the gate closed neither closes it for longer nor opens it."""
    it = gate()

    assert [5.0, 4.0, 3.0] == [it.shut(now, since=0) for now in (0.0, 1.0, 2.0)]
    it.reopen(3.0, since=0)
    assert it.ajar


def test_a_gate_that_was_shut_lets_calls_go_evenly_for_a_while() -> None:
    """After it opens again there is no burst for a whole span; then there may be one again."""
    it = gate(60)
    going(it, 60, now=0.0)
    it.shut(0.0, since=0)
    (trial,) = going(it, 1, now=0.0)
    it.reopen(trial, since=1)
    went = going(it, 60, now=trial)

    assert FIRST_PAUSE == trial
    assert {1.0} == {later - earlier for earlier, later in pairwise([trial, *went])}
    assert [trial + SPAN + 1] * 10 == going(it, 10, now=trial + SPAN + 1)
