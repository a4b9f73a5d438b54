"""Ceilings and the audit of them, with the time passed in."""

from bisect import bisect_right
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodworker.emulator.audit import Audit, Call
from vodworker.emulator.limits import Ceilings
from vodworker.emulator.queue import Queue

MOMENTS = st.lists(st.integers(0, 1200).map(lambda quarters: quarters / 4), max_size=80).map(sorted)  # exact sums


def most(moments: Sequence[float]) -> int:
    """The most moments within any 60 s, counted the slow way: the windows that end with one."""
    return max((index - bisect_right(moments, at - 60) + 1 for index, at in enumerate(moments)), default=0)


def audit() -> Audit:
    """An audit of an idle account."""
    return Audit(Queue(batch=16, handle_life=30.0, return_after=5.0), keep=3)


def test_ceiling_lets_in_so_many_a_minute() -> None:
    """The call above the ceiling is refused until 60 s after the first one; each action has a ceiling of its own."""
    ceilings = Ceilings({"a": 2, "b": 1}.__getitem__)

    assert [True, True, False, True] == [ceilings.admit(action, 0) for action in "aaab"]
    assert [False, True, True, False] == [ceilings.admit("a", now) for now in (59.9, 60, 60, 60)]
    assert "<Ceilings of 2 actions>" == repr(ceilings)


def test_refused_call_takes_no_place() -> None:
    """A client that asks on while it is refused is let in 60 s after its first call all the same."""
    ceilings = Ceilings(lambda _: 1)

    assert [0, 60] == [now for now in range(61) if ceilings.admit("a", now)]


@given(MOMENTS, st.integers(1, 10))
def test_never_more_than_the_ceiling_in_60_s(moments: list[float], limit: int) -> None:
    """In no 60 s are more calls let in than the ceiling, and none is refused while there is room."""
    ceilings, let_in = Ceilings(lambda _: limit), list[float]()
    for now in moments:
        room = len(let_in) - bisect_right(let_in, now - 60) < limit
        assert room == ceilings.admit("a", now)
        let_in += [now] if room else []

    assert most(let_in) <= limit


@pytest.mark.no_cover
@given(MOMENTS)
def test_audit_knows_the_most_calls_in_60_s(moments: list[float]) -> None:
    """The most calls in any 60 s is exact, although only the last minute is kept."""
    seen = audit()
    for now in moments:
        seen.arrived("a", now)

    assert (most(moments), len(moments)) == (seen.most_in_60s("a"), seen.arrivals("a"))


def test_audit_keeps_the_last_calls() -> None:
    """Only the last calls are kept one by one; all of them are counted by action and code."""
    seen = audit()
    for number in range(4):
        seen.arrived("ab"[number % 2], number)
        seen.ended(Call(number, "ab"[number % 2], 0 if number else None, 0.1))

    assert [1, 2, 3] == [call.at for call in seen.calls()]
    assert [1, 3] == [call.at for call in seen.calls("b")]
    assert {("a", None): 1, ("a", 0): 1, ("b", 0): 2} == seen.codes
    assert ("a", "b") == seen.actions
    assert "<Audit 4 calls, 0 events, 0 confirmed>" == repr(seen)


def test_audit_keeps_the_smallest_margin() -> None:
    """Of all confirmations the one with the least life left is known."""
    seen = audit()
    seen.confirmed((29.0, 27.5))
    seen.confirmed(())
    seen.confirmed((28.0,))

    assert (27.5, [29.0, 27.5, 28.0]) == (seen.smallest_margin, list(seen.margins))
