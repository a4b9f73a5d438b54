"""How an entry's run ends, and what follows: a table of all endings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodworker.errors import BadReply, InvalidCall, Refused, Unreachable, VodworkerError, refusal
from vodworker.outcome import LONGEST_RETRY, Again, Dead, Done, Finished, Reject, Retry, backoff, describe, ending


def end(outcome: object, *, attempt: int = 1, attempts: int = 3) -> Finished | Again | Dead:
    """The ending, with the middle of all chances."""
    return ending(outcome, attempt=attempt, attempts=attempts, random=lambda: 0.5)


@pytest.mark.parametrize(
    "outcome,follows",
    [
        (None, Finished()),
        (Done(), Finished()),
        (Reject("no"), Dead("no")),
        (Retry(), Again(2.0, "")),
        (Retry(after=30, why="not yet"), Again(30, "not yet")),
        (Retry(after=-1), Again(0.0, "")),
        (KeyError("x"), Again(2.0, "KeyError: 'x'")),
        (SystemExit(3), Again(2.0, "SystemExit: 3")),
        (InvalidCall("A", "bad"), Dead("InvalidCall: A: bad")),
        (VodworkerError("ours"), Dead("VodworkerError: ours")),
        (Refused("A", code=10008), Dead("Refused: A: code 10008: no message")),
        (Refused("A", code=6000), Again(2.0, "Refused: A: code 6000: no message")),
    ],
)
def test_each_outcome_has_its_ending(outcome: object, follows: Finished | Again | Dead) -> None:
    """What a handler returns or raises says alone what becomes of the entry, while attempts are left."""
    assert follows == end(outcome)


@pytest.mark.parametrize("outcome", [Retry(why="not yet"), KeyError("x"), Refused("A", code=6000)])
def test_the_last_attempt_is_the_end(outcome: object) -> None:
    """When the attempts are spent, the entry is dead and says how many there were and what the last one met."""
    match end(outcome, attempt=3, attempts=3):
        case Dead(why):
            assert why.startswith("attempt 3 of 3 ")
        case other:
            pytest.fail(f"it is not dead, but {other}")


@pytest.mark.parametrize(
    "outcome",
    [
        Unreachable("A", "no connection"),
        BadReply("A", "HTML"),
        refusal("A", code=4100),
        refusal("A", code=4500),
        refusal("A", code=5300),
    ],
)
def test_an_outage_is_waited_for(outcome: object) -> None:
    """While the service is away, or does not accept the account, no entry dies of it, whatever its attempts."""
    assert isinstance(end(outcome, attempt=100, attempts=3), Again)


def test_waits_in_an_outage_grow_by_themselves() -> None:
    """Each run that an outage ended doubles the wait for the next, and failures of the handler's own do not."""
    away = Unreachable("A", "no connection")
    ends = [ending(away, attempt=7, attempts=8, random=lambda: 0.5, outages=outages) for outages in (0, 1, 2)]

    assert [(2.0, True), (4.0, True), (8.0, True)] == [(it.after, it.outage) for it in ends if isinstance(it, Again)]


@pytest.mark.parametrize("outcome", [0, "done", Done, True, ...])
def test_what_is_no_outcome_is_told(outcome: object) -> None:
    """A handler that returns anything else is wrong: the entry is dead, and the reason says what it returned."""
    match end(outcome):
        case Dead(why):
            assert f"the handler returned {outcome!r}, which is no outcome" in why
        case other:
            pytest.fail(f"it is not dead, but {other}")


@given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_backoff_grows_and_is_bounded(attempt: int, chance: float) -> None:
    """The wait doubles with each attempt up to ten minutes, give or take half of it by chance."""
    mean = min(LONGEST_RETRY, 2.0 ** min(attempt, 1000))

    assert 0.5 * mean <= backoff(attempt, lambda: chance) <= 1.5 * mean


@pytest.mark.parametrize("wrong", ["5", ValueError("x"), None])
def test_a_wrong_outcome_is_refused_where_it_is_made(wrong: Any) -> None:
    """A reason that is no text, or seconds that are no number, fail in the handler and not in the daemon."""
    with pytest.raises(TypeError, match="takes"):
        Retry(after=[wrong])  # type: ignore[arg-type]  # what it is about
    with pytest.raises(OverflowError):
        Retry(after=10**400)
    with pytest.raises(TypeError, match="takes"):
        Reject([wrong])  # type: ignore[arg-type]  # as above


class Unspeakable(Exception):
    """Neither words nor a picture of it can be had."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


def test_what_cannot_be_told_is_named() -> None:
    """An error without words, and a value without a picture, are told by their classes."""
    assert "Unspeakable: it cannot be told" == describe(Unspeakable())
    match end(Unspeakable):
        case Dead(why):
            assert "Unspeakable" in why
        case other:
            pytest.fail(f"it is not dead, but {other}")
    match end([Unspeakable()]):
        case Dead(why):
            assert why.startswith("the handler returned <list that cannot be shown>, which is no outcome")
        case other:
            pytest.fail(f"it is not dead, but {other}")


def test_an_error_is_told_in_a_line() -> None:
    """Its class and its first words, without line breaks; an error without words is its class."""
    assert "ValueError: two lines" == describe(ValueError("two\nlines"))
    assert "ValueError" == describe(ValueError())
    assert 520 > len(describe(ValueError("x" * 10_000)))
