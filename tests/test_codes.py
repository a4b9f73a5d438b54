"""The table of error codes: whole, in two languages, and the only one that decides about retries."""

import pytest

from vodworker.api import ACTIONS
from vodworker.codes import TABLE, Fault, explain
from vodworker.codes.processing import CAUSES, PROCESSING, SINGLES, STAGES
from vodworker.errors import DENIED, THROTTLED, Refused

CODES = sorted(TABLE)


def test_processing_codes_are_a_grid() -> None:
    """Eight stages by thirteen causes and twelve singles make the 116 codes of processing, all below zero."""
    grid = {-(100 * stage + cause) for stage in STAGES for cause in CAUSES}

    assert (8, 13, 12) == (len(STAGES), len(CAUSES), len(SINGLES))
    assert grid | set(SINGLES) == set(PROCESSING)
    assert len(PROCESSING) == 116
    assert max(PROCESSING) < 0


@pytest.mark.parametrize(
    "code,stage,fault",
    [
        (-43001, "looking into the file", Fault.SOURCE),
        (-45089, "transcoding", Fault.SOURCE),
        (-45199, "transcoding, looking into the result to check it", Fault.SERVICE),
        (-47301, "judging the source file", Fault.SOURCE),
        (-49129, "transcoding, checking the result", Fault.SERVICE),
    ],
)
def test_processing_code_tells_stage_and_fault(code: int, stage: str, fault: Fault) -> None:
    """A code of processing says where it happened and whether the source file is to blame."""
    told = explain(code)

    assert (stage, fault, True) == (told.stage, told.fault, told.known)


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained_in_both_languages(code: int) -> None:
    """Stage, cause and remedy of every code are there in English and in Chinese, and are the same otherwise."""
    english, chinese = explain(code), explain(code, language="zh")

    for told in (english, chinese):
        assert told.stage
        assert told.cause
        assert told.remedy
    assert english.cause.isascii()
    assert not chinese.cause.isascii()
    assert (english.fault, english.retryable) == (chinese.fault, chinese.retryable)


@pytest.mark.parametrize("code", [99, -1, 123456, -46204])
def test_unknown_code_is_said_to_be_unknown(code: int) -> None:
    """Of a code that no document explains nothing is promised, not even when it has been seen."""
    told = explain(code)

    assert (False, Fault.UNKNOWN, False) == (told.known, told.fault, told.retryable)


def test_seen_code_says_where() -> None:
    """The one code that a sample shows and no table explains tells where it was seen."""
    assert "screenshots at given times" == explain(-46204).stage


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_documented_code_of_an_action_is_explained(action: str) -> None:
    """No action declares a code that the table does not know."""
    assert set() == ACTIONS[action].errors - TABLE.keys()


@pytest.mark.parametrize("code", [0, 99, *CODES])
def test_retries_ask_this_table(code: int) -> None:
    """Whether a refused call is tried again is what the table says, and nothing else."""
    assert explain(code).retryable == Refused("GetTaskInfo", code=code).retryable


@pytest.mark.parametrize("code", [THROTTLED, 1001, 2000, 6000, 6200, 1018, 30010, 32001])
def test_what_passes_is_tried_again(code: int) -> None:
    """Internal errors, ceilings and 'not now' can end better when tried again."""
    assert explain(code).retryable


@pytest.mark.parametrize("code", sorted(DENIED))
def test_denied_calls_are_the_operators_business(code: int) -> None:
    """A code that means every call will fail is the account's, and trying again does not help."""
    told = explain(code)

    assert (Fault.ACCOUNT, False) == (told.fault, told.retryable)


def test_source_files_are_never_tried_again_unchanged() -> None:
    """What a source file is to blame for stays so, however often it is processed."""
    assert [] == [code for code, entry in TABLE.items() if entry.fault is Fault.SOURCE and entry.retryable]
