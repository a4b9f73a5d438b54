"""What all tests share: how hard the property tests try, and a database server."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from structlog._config import BoundLoggerLazyProxy

import vodworker.log
from tests import postgresql

pytest_plugins = ["vodworker.pytest_plugin"]  # as its entry point would, and also where that is not installed anew

# No deadline: two busy cores make a slow example out of any example; one that hangs is ended by its time limit.
settings.register_profile("gate", max_examples=100, deadline=None, print_blob=True)
settings.load_profile("gate")


@pytest.hookimpl(trylast=True)  # hypothesis warns of work before its own turn
def pytest_sessionstart() -> None:
    """What is a matter of the whole process.

    The table of all characters is made, seconds of work that is kept on disk, outside the time limit of any test. Who
    is started in the background of a shell is deaf to SIGINT, and so is all that it starts; a test's commands are not.
    """
    st.text().validate()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """Logging is a matter of the whole process: what a test sets up, also by a command that it runs, is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    for name, room in [*sys.modules.items()]:
        if name.startswith("vodworker.") and isinstance(log := vars(room).get("log"), BoundLoggerLazyProxy):
            vars(log).pop("bind", None)  # the logger that was made for what a test set up
    vars(vodworker.log.log).clear()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def beside() -> Iterator[None]:
    """What a test makes importable is forgotten."""
    path, modules = sys.path[:], set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


SERVER = pytest.StashKey[postgresql.Cluster]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start a PostgreSQL outside the time limit of any test, when there is one that wants it."""
    wanted = any("cluster" in getattr(it, "fixturenames", ()) or "postgres" in it.nodeid for it in session.items)
    if wanted and not session.config.option.collectonly:
        stack = ExitStack()
        session.config.add_cleanup(stack.close)
        session.config.stash[SERVER] = stack.enter_context(postgresql.cluster())


@pytest.fixture
def cluster(pytestconfig: pytest.Config) -> postgresql.Cluster:
    """A PostgreSQL for the tests of this process, each with a schema or a database of its own."""
    return pytestconfig.stash[SERVER]
