"""How the handling of an entry can end, and what follows from it. Pure: no clock, no I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from vodworker.codes import Fault, explain
from vodworker.door import plugin_door, shown
from vodworker.errors import BadReply, CallError, Refused, Unreachable, VodworkerError


@dataclass(frozen=True, slots=True)
class Done:
    """The event is handled."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: run the handler again `after` seconds, or by the usual backoff when it is None. Burns an attempt."""

    after: float | None = None
    why: str = ""

    def __post_init__(self) -> None:
        """Raise TypeError or OverflowError in the handler that makes a wrong one, and not later in the daemon."""
        must_be("Retry takes seconds", self.after, (int, float, type(None)))
        float(self.after or 0)  # there are whole numbers that are too large for one
        must_be("Retry takes a text", self.why, (str,))


@dataclass(frozen=True, slots=True)
class Reject:
    """Never: the entry is dead at once, with this reason for the operator to read."""

    why: str

    def __post_init__(self) -> None:
        """As in `Retry`."""
        must_be("Reject takes a text", self.why, (str,))


def must_be(rule: str, value: object, kinds: tuple[type, ...]) -> None:
    """TypeError with this rule, unless the value is of one of these kinds."""
    if not isinstance(value, kinds):
        raise TypeError(f"{rule}, not {type(value).__name__}; str(error) makes a text of an error")


Outcome: TypeAlias = Done | Retry | Reject | None


@dataclass(frozen=True, slots=True)
class Finished:
    """Settle the entry as done."""


@dataclass(frozen=True, slots=True)
class Again:
    """Settle the entry as open, due in `after` seconds. outage: the run says nothing of the handler or the event."""

    after: float
    why: str
    outage: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """Settle the entry as dead, for this reason. doubt: it tells of calls in doubt, which a redriven run may resend."""

    why: str
    doubt: bool = False


Ending: TypeAlias = Finished | Again | Dead

FIRST_RETRY = 2.0  # the mean of the first wait: long enough for a blip of the network, short enough to go unnoticed
LONGEST_RETRY = 600.0  # ten minutes: an outage of hours costs few tries, and its end is seen soon enough


def backoff(
    attempt: int, random: Callable[[], float], *, first: float = FIRST_RETRY, most: float = LONGEST_RETRY
) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): doubling, capped, times a chance in [0.5, 1.5).

    `random` gives a number in [0, 1). The jitter keeps entries that failed together from coming back together.
    """
    return min(most, first * 2.0 ** min(attempt - 1, 30)) * (0.5 + random())


def ending(outcome: object, *, attempt: int, attempts: int, random: Callable[[], float], outages: int = 0) -> Ending:
    """What follows when attempt number `attempt` of at most `attempts` returned `outcome` or raised it.

    An exception is a retry until the attempts are spent, but an error of ours that trying again cannot help is dead at
    once, and an outage is waited for as long as it lasts; `outages` runs before were ended by one. Anything that is no
    outcome at all is dead: the handler is wrong, and running it again would not mend it.
    """
    match outcome:
        case None | Done():
            return Finished()
        case Reject(why):
            return Dead(why)
        case Retry(after, why):
            if attempt >= attempts:
                return Dead(f"attempt {attempt} of {attempts} asked for another: {why or 'no reason given'}")
            return Again(backoff(attempt, random) if after is None else max(0.0, float(after)), why)
        case CallError() if outage(outcome):
            return Again(backoff(outages + 1, random), describe(outcome), outage=True)
        case VodworkerError(retryable=False):
            return Dead(describe(outcome))
        case BaseException():  # sys.exit() in a handler ends the handler, not us
            if attempt >= attempts:
                return Dead(f"attempt {attempt} of {attempts} failed: {describe(outcome)}")
            return Again(backoff(attempt, random), describe(outcome))
        case _:
            remedy = "return Done(), Retry(…), Reject(…) or None"
            return Dead(f"the handler returned {shown(outcome)}, which is no outcome; {remedy}")


def outage(error: CallError) -> bool:
    """Whether a call failed for a reason that is neither the event's nor the handler's: a dead entry mends nothing.

    The service did not answer, or not as itself; or it does not accept the account, its rights, money or clock.
    """
    if isinstance(error, Refused):
        return explain(error.code).fault is Fault.ACCOUNT
    return isinstance(error, Unreachable | BadReply)


def describe(error: BaseException) -> str:
    """An error in a line: its class and its first words."""
    text = "it cannot be told"  # its own `__str__` may fail, too
    with plugin_door():
        text = " ".join(str(error).split())[:500]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
