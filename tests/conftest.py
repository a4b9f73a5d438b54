"""What all tests share: how hard the property tests try, and a database server."""

import logging
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st

from tests import postgresql

# No deadline: two busy cores make a slow example out of any example; a test that hangs is ended by its own ten seconds.
settings.register_profile("gate", max_examples=100, deadline=None, print_blob=True)
settings.load_profile("gate")


@pytest.hookimpl(trylast=True)  # hypothesis warns of work before its own turn
def pytest_sessionstart() -> None:
    """Make the table of all characters, seconds of work that is kept on disk, outside the ten seconds of any test."""
    st.text().validate()


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Logging is a matter of the whole process: a test that sets it up puts it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def cluster() -> Generator[postgresql.Cluster]:
    """A PostgreSQL for the tests of this process, each with a schema or a database of its own."""
    with postgresql.cluster() as cluster:
        yield cluster
