"""What all tests share: how hard the property tests try."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st

# No deadline: two busy cores make a slow example out of any example; a test that hangs is ended by its own ten seconds.
settings.register_profile("gate", max_examples=100, deadline=None, print_blob=True)
settings.load_profile("gate")


@pytest.hookimpl(trylast=True)  # hypothesis warns of work before its own turn
def pytest_sessionstart() -> None:
    """Make the table of all characters, seconds of work that is kept on disk, outside the ten seconds of any test."""
    st.text().validate()
