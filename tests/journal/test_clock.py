"""The store's clock: one for all processes, continuous over whatever the wall clock does."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journal.conftest import arrival, claim_one, record
from vodworker.journal.clock import Anchor, Machine, anchored, here
from vodworker.journal.sqlite import open_sqlite

NOON = 1_700_000_000.0


@dataclass
class Host:
    """A machine whose clocks are set by hand."""

    boot: str = "first"
    uptime: float = 100.0
    wall: float = NOON

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.uptime += seconds
        self.wall += seconds

    def restart(self) -> None:
        """Boot anew."""
        self.boot += "+"
        self.uptime = 5.0

    @property
    def machine(self) -> Machine:
        """What it tells of time."""
        return Machine(self.boot, lambda: self.uptime, lambda: self.wall)


def test_a_first_anchor_is_the_wall_clock() -> None:
    """Where nothing is known, the wall clock is believed."""
    assert Anchor("first", 100.0, NOON) == anchored(None, Host().machine, latest=0.0)


def test_an_anchor_holds_for_its_boot() -> None:
    """Whatever the wall clock says later in the same boot, the time goes on from the anchor."""
    host = Host()
    anchor = anchored(None, host.machine, latest=0.0)
    host.advance(60)
    host.wall -= 86400

    assert (anchor, NOON + 60) == (anchored(anchor, host.machine, latest=NOON + 59), anchor.at(host.uptime))


def test_another_boot_asks_the_wall_clock_again() -> None:
    """After a boot the old anchor says nothing."""
    host = Host()
    anchor = anchored(None, host.machine, latest=0.0)
    host.wall += 3600
    host.restart()

    assert Anchor("first+", 5.0, NOON + 3600) == anchored(anchor, host.machine, latest=NOON)


def test_no_clock_starts_before_what_it_has_stamped() -> None:
    """A machine that wakes up in 1970 goes on where the store was."""
    host = Host(wall=0.0)

    assert Anchor("first", 100.0, NOON) == anchored(None, host.machine, latest=NOON)


def test_an_anchor_that_is_behind_the_store_is_dropped() -> None:
    """A boot's clock that is not what it was, as in a container with a time of its own, does not turn time back."""
    host = Host(uptime=3.0)

    assert NOON + 50 == anchored(Anchor("first", 100.0, NOON), host.machine, latest=NOON + 50).at(host.uptime)


@pytest.mark.no_cover
@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e9, 1e9), st.booleans()), max_size=20))
def test_time_never_runs_backwards(days: list[tuple[float, float, bool]]) -> None:
    """Over any steps of the wall clock and any boots, each instant is at or after the one before it."""
    host = Host()
    known: Anchor | None = None
    latest = 0.0
    for passed, step, boots in days:
        host.advance(passed)
        host.wall += step
        if boots:
            host.restart()
        known = anchored(known, host.machine, latest=latest)
        instant = known.at(host.uptime)
        assert instant >= latest
        latest = instant


def test_this_machine_tells_its_time() -> None:
    """A machine that names its boot has a clock since then; one that does not has the wall clock only."""
    machine, plain = here(), here(Path("/nowhere/boot_id"))

    assert plain.boot == ""
    assert plain.uptime is plain.wall
    assert machine.uptime() <= machine.uptime()
    assert machine.wall() > NOON


async def test_a_step_of_the_wall_clock_changes_no_wait(tmp_path: Path) -> None:
    """A token is out for as long as was said, though the wall clock jumps, in this process and in the next."""
    host = Host()
    async with open_sqlite(tmp_path / "j.db", machine=host.machine) as store:
        await store.take("A", limit=1, hold=75)
        host.advance(10)
        host.wall += 86400
        first = await store.take("A", limit=1, hold=75)
    host.advance(10)
    host.wall -= 2 * 86400
    async with open_sqlite(tmp_path / "j.db", machine=host.machine) as store:
        second = await store.take("A", limit=1, hold=75)
        host.advance(55)

        assert (65.0, 55.0, list) == (first, second, type(await store.take("A", limit=1, hold=75)))


async def test_two_processes_share_one_clock(tmp_path: Path) -> None:
    """Opened at different hours of a wandering wall clock, two stores agree on the time."""
    host = Host()
    async with open_sqlite(tmp_path / "j.db", machine=host.machine, sole=False) as one:
        host.advance(5)
        host.wall += 1234
        async with open_sqlite(tmp_path / "j.db", machine=host.machine, sole=False) as two:
            await record(one, arrival("a"))
            host.advance(2)

            assert 2.0 == (await claim_one(two)).age


async def test_a_boot_with_a_lost_clock_goes_on(tmp_path: Path) -> None:
    """After a boot into the past, leases, ages and tokens go on from the last stamp."""
    host = Host()
    async with open_sqlite(tmp_path / "j.db", machine=host.machine) as store:
        await record(store, arrival("a"))
        host.advance(30)
        await store.take("A", limit=1, hold=75)
    host.restart()
    host.wall = 0.0
    async with open_sqlite(tmp_path / "j.db", machine=host.machine) as store:
        wait = await store.take("A", limit=1, hold=75)

        assert (75.0, 30.0) == (wait, (await claim_one(store)).age)
