"""The pytest plug-in: fixtures for tests of handlers.

It imports nothing of the package before a test asks: whoever runs pytest does not wait for it.
"""
# ruff: noqa: PLC0415  # see above

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vodworker.testing import Recorder, Stage


@pytest.fixture
def vod() -> "Recorder":
    """A service that is nowhere: `vod.calls` is what a handler submitted, `vod.replies` what it is told."""
    from vodworker.testing import Recorder

    return Recorder()


@pytest.fixture
def stage() -> Iterator["Stage"]:
    """The emulated service, and workers that come and go, in virtual time."""
    from vodworker.testing import Stage

    with Stage.open() as stage:
        yield stage
