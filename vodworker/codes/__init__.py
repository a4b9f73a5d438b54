"""Every error code of the service in words: where, why, whose fault, whether trying again can help, what to do. Pure.

This is the one table: retry decisions ask it, logs and `vodworker explain` quote it.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from vodworker.codes.calls import CALLS
from vodworker.codes.processing import PROCESSING, SEEN
from vodworker.codes.words import UNKNOWN
from vodworker.codes.words import Fault as Fault

Language: TypeAlias = Literal["en", "zh"]

TABLE = PROCESSING | SEEN | CALLS


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code in words. known: False when no document of the service explains it; then nothing is promised.

    retryable: whether the same thing, done again unchanged, may end better.
    """

    code: int
    stage: str
    cause: str
    fault: Fault
    retryable: bool
    remedy: str
    known: bool = True


def explain(code: int, *, language: Language = "en") -> Explanation:
    """What a code means, be it of a call, of a task or of a sub-task."""
    entry = TABLE.get(code, UNKNOWN)
    word = 0 if language == "en" else 1
    return Explanation(
        code=code,
        stage=entry.stage[word],
        cause=entry.cause[word],
        fault=entry.fault,
        retryable=entry.retryable,
        remedy=entry.remedy[word],
        known=entry.fault is not Fault.UNKNOWN,
    )
