"""The reference page of the log is the table."""

import subprocess
import sys
from pathlib import Path

import pytest

from vodworker.log import FIELDS, LOG_EVENTS
from vodworker.report.reference import reference

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "log.md"


def test_page_is_the_table() -> None:
    """The page that is shipped says what the table says (else: `make docs`)."""
    assert reference() == PAGE.read_text(encoding="utf-8")


def test_page_has_everything() -> None:
    """Each line and each field of the log stands on the page, with its meaning."""
    page = reference()

    assert [] == [name for name, it in LOG_EVENTS.items() if f"| `{name}` | {it.level} |" not in page]
    assert [] == [name for name, meaning in FIELDS.items() if f"| `{name}` | {meaning} |" not in page]


@pytest.mark.process
@pytest.mark.timeout(60)
def test_page_is_written_by_a_command() -> None:
    """Whoever changes the table writes the page anew with one command."""
    written = subprocess.check_output([sys.executable, "-m", "vodworker.report.reference"], text=True, encoding="utf-8")

    assert reference() == written
