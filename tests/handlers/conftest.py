"""The shipped handlers, loaded as the daemon would."""

from pathlib import Path

import pytest

from vodworker.router import Router

SHIPPED = Path(__file__).resolve().parents[2] / "handlers"


@pytest.fixture(scope="session")
def shipped() -> Router:
    """All shipped handlers."""
    return Router.load([SHIPPED])
