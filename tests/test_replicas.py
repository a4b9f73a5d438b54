"""Three real daemons, a real database, one emulator: killed, stopped, cut off, and every promise kept."""

import pytest

from bench.replicas import Plan, broken, run

pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.timeout(120)]


async def test_replicas_keep_every_promise() -> None:
    """A SIGKILL, a SIGSTOP longer than the lease and a restart of the database lose, double and reorder nothing."""
    plan = Plan(events=200, keys=60, ceiling=3000, kills=1, pauses=1, restarts=1, pause=4.0, handle_life=8.0, seed=5)

    report = await run(plan)

    assert [] == broken(plan, report)
    assert report.said["journal.lost"] >= report.said["journal.back"] > 0
    assert len(report.done_by) > 1  # more keys than one of them works on at once
