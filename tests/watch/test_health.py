"""What the lines of the log mean for the daemon's health, on a clock that is moved by hand."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from vodworker.log import LOG_EVENTS
from vodworker.watch.health import ANSWERED, HEARD, LATE, PULLED, STALLED, STARVED, Health


@dataclass
class Story:
    """A daemon's log, told line by line. A well daemon has pulled, and its journal answers."""

    now: float = 1000.0
    health: Health = field(init=False)

    def __post_init__(self) -> None:
        self.health = Health(lambda: self.now)

    @classmethod
    def well(cls) -> "Story":
        """One that has begun well."""
        story = cls()
        story.tell("pull.done")
        story.health.journal_answered()
        return story

    def tell(self, event: str, **facts: Any) -> None:
        """A line of the log."""
        assert set(facts) <= set(LOG_EVENTS[event].fields)
        self.health.hear(event, facts)

    def wait(self, seconds: float, *, answers: bool = True) -> None:
        """Let time pass; the journal answers at its end or not."""
        self.now += seconds
        if answers:
            self.health.journal_answered()

    @property
    def alive(self) -> bool:
        """What /healthz says."""
        return not self.health.stalled()

    @property
    def ready(self) -> bool:
        """What /readyz says."""
        return not self.health.unready()


def test_a_start_is_alive_and_not_ready() -> None:
    """Before the journal has answered and a pull has worked, the daemon is alive, and both are told."""
    story = Story()

    assert story.alive
    assert ["the journal is not open yet", "no pull has worked yet"] == story.health.unready()


def test_ready_when_it_can_work() -> None:
    """It is ready once the journal answers and a pull has worked."""
    story = Story.well()

    assert (True, True, 0.0) == (story.alive, story.ready, story.health.pulled)


def test_the_clouds_absence_is_told_in_time_and_is_no_reason_to_restart() -> None:
    """Pulls that fail for `PULLED` seconds make it unready, with the reason; alive it stays however long it lasts."""
    story = Story.well()
    seen: list[bool] = []
    for _ in range(10):
        story.wait(2)
        story.tell("pull.failed", error="Unreachable: no connection")
        seen.append(story.ready)
    for _ in range(100):
        story.wait(45)
        story.tell("pull.failed", error="Unreachable: no connection")

    assert [second * 2 <= PULLED for second in range(1, 11)] == seen
    assert story.alive
    assert ["the last good pull was 4520 s ago: Unreachable: no connection"] == story.health.unready()


def test_it_is_ready_again_with_the_first_good_pull() -> None:
    """One good pull ends the absence."""
    story = Story.well()
    story.wait(60)
    story.tell("pull.failed", error="x")
    story.tell("pull.done")

    assert story.ready


def test_one_failed_pull_is_no_absence() -> None:
    """A blip leaves it ready."""
    story = Story.well()
    story.wait(1)
    story.tell("pull.failed", error="x")

    assert story.ready


def test_wrong_keys_are_told_at_once() -> None:
    """A service that does not accept the account makes it unready at once, until a pull works."""
    story = Story.well()
    story.tell("pull.denied", error="Denied: code 4100")
    denied = story.health.unready()
    story.tell("pull.failed", error="Unreachable")
    later = story.health.unready()
    story.tell("pull.done")

    assert ["the service does not accept the account: Denied: code 4100"] == denied == later
    assert story.ready
    assert story.alive


def test_a_journal_that_does_not_answer_is_told_in_time() -> None:
    """Without an answer of the journal for `ANSWERED` seconds it is unready, and ready again with the next one."""
    story = Story.well()
    story.wait(ANSWERED, answers=False)
    still = story.ready
    story.wait(1, answers=False)
    story.tell("journal.lost", error="it cannot be reached")
    story.tell("pull.done")
    away = story.health.unready()
    story.tell("journal.back")
    story.health.journal_answered()

    assert still
    assert ["the journal has not answered for 11 s: it cannot be reached"] == away
    assert story.ready


def test_a_database_that_is_away_is_waited_for() -> None:
    """However long the database is away, a restart would not help."""
    story = Story.well()
    story.tell("journal.lost", error="x")
    story.wait(10 * STALLED, answers=False)
    away = (story.alive, story.ready)
    story.tell("journal.back")
    story.wait(STALLED)
    back = story.alive

    assert (True, False) == away
    assert back


def test_take_in_that_does_nothing_is_stalled() -> None:
    """A daemon of which nothing was heard for longer than any wait of take-in is not alive any more."""
    story = Story.well()
    story.wait(STALLED)
    still = story.alive
    story.wait(1)

    assert still
    assert ["nothing was heard of pulling for 181 s"] == story.health.stalled()
    assert not story.ready


def test_a_long_start_is_not_stalled() -> None:
    """A migration, or a database that is away at the start, may take as long as it needs."""
    story = Story()
    story.tell("worker.started")
    story.wait(100 * STALLED)

    assert story.alive


@pytest.mark.parametrize("event", ["pull.done", "pull.failed", "pull.denied", "call.throttled"])
def test_any_sign_of_take_in_will_do(event: str) -> None:
    """Pulls that fail, and ones that the service throttles, show that take-in is at work."""
    story = Story.well()
    for _ in range(5):
        story.wait(STALLED)
        story.tell(event, **({"action": "PullEvent"} if event == "call.throttled" else {}))

    assert story.alive


def test_a_pause_is_as_it_should_be() -> None:
    """While the backlog is too large nothing is pulled: the daemon is ready, and not stalled; afterwards it counts."""
    story = Story.well()
    story.tell("worker.paused")
    story.wait(10 * STALLED)
    paused = (story.alive, story.ready)
    story.tell("worker.resumed")
    story.wait(STALLED + 1)

    assert (True, True) == paused
    assert (False, False) == (story.alive, story.ready)


def test_a_start_with_a_large_backlog_is_ready() -> None:
    """A daemon that pauses before its first pull has work to do, and is ready as soon as its journal answers."""
    story = Story()
    story.tell("worker.paused")
    story.health.journal_answered()

    assert (True, True) == (story.alive, story.ready)


def test_starved_of_tokens_is_not_ready() -> None:
    """Where no pull came through for `STARVED` seconds, though none failed, nobody takes in events."""
    story = Story.well()
    story.wait(STARVED + 1)

    assert (True, False) == (story.alive, story.ready)


def test_stopping_is_told() -> None:
    """From the stop on it is not ready, and nobody waits for pulls any more."""
    story = Story.well()
    story.tell("worker.stopping")
    told = story.health.unready()
    story.wait(10 * STALLED)

    assert ["it is stopping"] == told
    assert story.alive


def test_a_loop_that_was_late_is_told() -> None:
    """A loop that was later than `LATE` is stalled, and whoever asks is told where to look."""
    story = Story.well()
    story.health.lag = LATE + 1

    assert ["the event loop was 11 s late; loop.blocked in the log names what held it"] == story.health.stalled()


def test_what_is_not_about_take_in_changes_nothing() -> None:
    """Other lines, and calls of other actions that are throttled, mean nothing for health."""
    story = Story.well()
    story.wait(STALLED)
    story.tell("handler.done")
    story.tell("call.throttled", action="ProcessFile")
    story.wait(1)

    assert not story.alive
    assert "not alive" not in repr(story.health)
    assert "181 s" in repr(story.health)


def test_all_that_matters_is_heard() -> None:
    """Health is told of every line that would change it, and of no other."""
    known = {"error": "away", "action": "PullEvent"}
    changing: set[str] = set()
    for event in LOG_EVENTS:
        story = Story.well()
        story.wait(1.0, answers=False)
        before = {**vars(story.health)}
        story.health.hear(event, known)
        if before != vars(story.health):
            changing.add(event)

    assert set(HEARD) == changing
