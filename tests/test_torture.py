"""The torture itself: a short one with real kills, and a verdict that does not look away."""

import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from vodworker.cli import cli
from vodworker.demo import Promise
from vodworker.journal.port import Arrival
from vodworker.journal.sound import unsound
from vodworker.journal.sqlite import open_sqlite
from vodworker.torture import Course, torture
from vodworker.torture.play import play
from vodworker.torture.scene import Witness
from vodworker.torture.verdict import Tally, report, verdict

CLEAN = Tally(
    uploads=["1", "2"],
    tasks=Counter((file, definition) for file in ("1", "2") for definition in (10, 20, 30)),
    ids=["a", "b", "c", "d", "e", "f"],
    heard=Counter("12abcdef"),
    entries={"events": 8, "unconfirmed": 0, "done": 8}
    | dict.fromkeys(("blocked", "ready", "running", "dead"), 0)
    | {"discarded": 0},
    redelivered=3,
    flaws=[],
    most={"ProcessFile": (6, 100), "PullEvent": (1000, 1000)},
    late=0,
    held_up=1,
    margin=28.0,
    lost_replies=1,
    struck=Counter(cut=2),
    witness=Witness(kills=3),
    code=0,
    drain=1.5,
)


def broken(tally: Tally) -> list[str]:
    """The beginnings of the promises that were not kept."""
    return [promise.words.partition(":")[0] for promise in verdict(tally) if not promise.kept]


# The course


def test_seed_fixes_the_course() -> None:
    """The same seed kills at the same moments, uploads at the same, and has the same faults; another has others."""
    one, same, other = Course(seed=1), Course(seed=1), Course(seed=2)

    assert (one.lives(), one.uploads(), one.faults()) == (same.lives(), same.uploads(), same.faults())
    assert one.lives() != other.lives()
    assert one.uploads() != other.uploads()
    assert one.faults() != other.faults()


@given(st.integers(0, 2**32), st.floats(4, 1000))
def test_course_is_as_hard_as_it_says(seed: int, seconds: float) -> None:
    """There is a kill for each slice of the time, and uploads come at their rate, in order, before the end."""
    course = Course(seed=seed, seconds=seconds)
    lives, uploads = course.lives(), course.uploads()

    assert int(seconds / 4) == len(lives)
    assert all(0 <= life.seconds < (1 if life.starting else 8) for life in lives)
    assert int(seconds * 11) == len(uploads)
    assert sorted(uploads) == uploads
    assert not uploads or uploads[-1] <= seconds


# The verdict


def test_clean_run_is_called_clean() -> None:
    """Where everything was seen as it should be, every promise is kept."""
    assert [] == broken(CLEAN)


DOUBTFUL = Witness(doubts=Counter(found=2, missing=1), kills=3)


@pytest.mark.parametrize(
    "tally,expected",
    [
        (replace(CLEAN, heard=Counter("12abcde")), "Nothing is lost"),
        (replace(CLEAN, entries={**CLEAN.entries, "dead": 1, "done": 7}), "The journal says so, too"),
        (replace(CLEAN, entries={**CLEAN.entries, "ready": 1, "done": 7}), "The journal says so, too"),
        (replace(CLEAN, entries={**CLEAN.entries, "events": 9}), "A redelivered event is recognised"),
        (replace(CLEAN, tasks={**CLEAN.tasks, ("1", 10): 2}), "Nothing is paid for twice"),
        (replace(CLEAN, tasks=Counter([("1", 10)])), "Nothing is paid for twice"),
        (replace(CLEAN, late=1), "Confirmed in time"),
        (replace(CLEAN, most={"PullEvent": (1001, 1000)}), "Never over a ceiling, in any 60 s"),
        (replace(CLEAN, flaws=["SQLite: rowid 1 is missing"]), "The journal is sound"),
        (replace(CLEAN, witness=Witness(exits=[1], kills=3)), "A daemon ends only when it is killed, or asked to"),
        (replace(CLEAN, code=None), "A daemon ends only when it is killed, or asked to"),
    ],
)
def test_what_went_wrong_is_named(tally: Tally, expected: str) -> None:
    """Each promise can be broken by what was seen, and then it alone is."""
    assert [expected] == broken(tally)


def test_open_event_is_not_lost() -> None:
    """An event whose entry is still open when the patience ends is late, and is not called lost."""
    late = replace(CLEAN, heard=Counter("12abcde"), entries={**CLEAN.entries, "ready": 1, "done": 7})

    assert ["The journal says so, too"] == broken(late)
    assert "events 8, lost 0, still open 1, handled more than once 0" == verdict(late)[0].measured


def test_backlog_that_stays_is_named() -> None:
    """A backlog that does not drain breaks two promises: something is not done, and it will not be."""
    assert ["The journal says so, too", "The backlog drains"] == broken(replace(CLEAN, drain=None))


def test_doubt_is_shown() -> None:
    """Calls whose reply nobody saw are counted and shown, with what the service told of them, kept or not."""
    [promise] = [it for it in verdict(replace(CLEAN, witness=DOUBTFUL)) if "paid" in it.words]

    assert (
        "submissions 6, tasks started twice: 0, never: 0; in doubt: 3 (2 found, 1 missing), replies lost: 1"
        == promise.measured
    )


def test_report_shows_last_words_of_a_failure() -> None:
    """A broken promise is named at the end, with the errors that the daemons told; a clean run has no last words."""
    console = Console(record=True, width=200)
    witness = Witness(kills=3)
    witness.hear(b"Traceback (most recent call last):\n")
    witness.hear(orjson.dumps({"event": "handler.dead", "level": "error", "why": "no reason"}))
    for tally in (replace(CLEAN, witness=witness, late=1), replace(CLEAN, witness=witness)):
        report(console, tally, verdict(tally))
    first, second = console.export_text().split("failed: Confirmed in time")

    assert "Traceback" in first
    assert "no reason" in first
    assert "2 cut" in first
    assert "1 handler.dead" in first
    assert second.endswith("The verdict is clean.\n")
    assert "Traceback" not in second


def test_promises_are_of_the_demo_s_kind() -> None:
    """A verdict is told as the demo tells its own."""
    assert all(isinstance(promise, Promise) for promise in verdict(CLEAN))


# The journal


async def test_sound_journal_has_no_flaw(tmp_path: Path) -> None:
    """A journal in use is sound when nobody writes."""
    async with open_sqlite(str(tmp_path / "journal.db")) as store:
        await store.record([Arrival(b'{"a":1}', "NewFileUpload", "1", ("a", "b")), Arrival(b"{}", "", "", ())])

    assert [] == unsound(tmp_path / "journal.db")


@pytest.mark.parametrize(
    "damage,flaws",
    [
        ("DELETE FROM entries WHERE id = 1001", ["entries that are kept, and counted: 2 and 1"]),
        (
            "DELETE FROM events",
            ["events that are kept, and counted: 1 and 0", "entries, and entries of a known event: 2 and 0"],
        ),
        (
            "UPDATE entries SET state = 'blocked', turn = NULL",
            ["keys with work waiting, and keys whose turn it is: 2 and 0"],
        ),
        (
            "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'entries_due'",
            ["SQLite"],
        ),
    ],
)
async def test_flaw_of_a_journal_is_found(tmp_path: Path, damage: str, flaws: list[str]) -> None:
    """What is missing, miscounted or out of turn is told with both counts, and what SQLite finds with its words."""
    file = tmp_path / "journal.db"
    async with open_sqlite(str(file)) as store:
        await store.record([Arrival(b'{"a":1}', "NewFileUpload", "1", ("a", "b"))])
    with closing(sqlite3.connect(file)) as db:
        db.executescript(damage)
        db.commit()

    assert flaws == [re.sub(r"(SQLite): .* never used", r"\1", flaw) for flaw in unsound(file)]


# All of it


@pytest.mark.parametrize("options", [("--seconds", "3"), ("--seed", "-1"), ("--seed", "x")])
def test_torture_says_what_it_cannot_do(options: tuple[str, str]) -> None:
    """A time that has no kill in it, and a seed that is none, are mistakes of the command line."""
    assert 2 == CliRunner().invoke(cli, ["torture", *options]).exit_code


@pytest.mark.process
@pytest.mark.long
@pytest.mark.timeout(120)
async def test_short_torture_is_clean(tmp_path: Path) -> None:
    """Some seconds of uploads, faults and kills break no promise, and the folder is left to look at."""
    console = Console(record=True, width=200)
    course = Course(seconds=12, seed=5, rate=5, kill_every=3, handle_life=10, return_after=1)
    code = await torture(console, {}, course, keep=tmp_path / "kept")

    assert 0 == code, console.export_text()
    assert {"vodworker.db", "daemon.log", "calls.log", "heard"} <= {file.name for file in (tmp_path / "kept").iterdir()}
    assert "kills 4" in console.export_text()


@pytest.mark.process
async def test_daemon_without_work_is_asked_to_end_when_it_can_answer(tmp_path: Path) -> None:
    """Where nothing is left for the last daemon, the signal to end does not meet it while it is loaded."""
    tally = await play(Console(quiet=True), tmp_path, {}, Course(seconds=0))

    assert 0 == tally.code
