"""A broken journal is told by the part in which it breaks."""

from typing import Any

import pytest

from vodworker.alarm import alarmed
from vodworker.errors import ConfigError, JournalError

BROKEN, OTHER = JournalError("no space"), ConfigError(["another"])


@pytest.mark.parametrize(
    "error,told",
    [
        (BROKEN, [BROKEN]),
        (ExceptionGroup("", [OTHER, ExceptionGroup("", [BROKEN])]), [BROKEN]),
        (OTHER, []),
        (ExceptionGroup("", [OTHER]), []),
    ],
)
async def test_a_broken_journal_is_told_before_it_goes_on(error: Exception, told: list[JournalError]) -> None:
    """It is told, be it alone or among others, and every error goes on as it was."""
    heard: list[JournalError] = []

    async def part() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await alarmed(heard.append, part)

    assert (error, told) == (caught.value, heard)


async def test_a_part_that_ends_well_is_quiet() -> None:
    """Nothing is told of it."""
    heard: list[Any] = []

    async def part() -> None: ...

    await alarmed(heard.append, part)

    assert [] == heard
