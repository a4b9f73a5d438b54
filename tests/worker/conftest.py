"""Worlds for tests of the loop: an emulator, a journal on a real file, and workers that come and go."""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from vodworker.testing import World

Worlds = Callable[..., Any]


@pytest.fixture
def world(tmp_path: Path) -> Worlds:
    """Make worlds to enter, each with an emulator of these settings."""
    number = itertools.count()

    def opened(**settings: Any) -> AbstractAsyncContextManager[World]:
        return World.open(tmp_path / f"{next(number)}.db", **settings)

    return opened
