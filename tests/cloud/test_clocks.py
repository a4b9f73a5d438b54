"""Ceilings and clocks: with the store in a file, whatever a clock does neither opens nor closes the gate wrongly."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vodworker.cloud.limiter import MINUTE, WINDOW, Limiter
from vodworker.journal.clock import Machine
from vodworker.journal.sqlite import open_sqlite
from vodworker.testing import in_virtual_time

NOON = 1_700_000_000.0
LIMIT = 2
BOOTING = 5.0
LASTING = 1.0  # seconds of each call


class Host:
    """A machine that sleeps, boots, and has its wall clock set, and a daemon on it that is stopped and started."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._boots = 1
        self._booted = 0.0
        self._passed = 0.0
        self.wrong = 0.0
        self.ends: list[float] = []

    def now(self) -> float:
        """Seconds as they really pass, at the service for instance."""
        return self._loop.time() + self._passed

    def uptime(self) -> float:
        """Seconds since the machine's boot."""
        return self.now() - self._booted

    def sleep(self, seconds: float) -> None:
        """The machine sleeps."""
        self._passed += seconds

    def boot(self, off: float) -> None:
        """The machine is off for so long, and boots."""
        self._boots += 1
        self._passed += off + BOOTING
        self._booted = self.now() - BOOTING

    @asynccontextmanager
    async def daemon(self) -> AsyncGenerator[Limiter]:
        """A daemon, from its start to its stop."""
        machine = Machine(f"boot {self._boots}", self.uptime, lambda: NOON + self.now() + self.wrong)
        async with (
            open_sqlite(self._path, machine=machine) as store,
            Limiter(store, limit=lambda _: LIMIT, hold=15.0, clock=self.uptime) as line,
        ):
            yield line

    async def call(self, line: Limiter, times: int = LIMIT) -> None:
        """Calls, one after the other; notes when they end."""
        for _ in range(times):
            with await line.token("ProcessFile"):
                await asyncio.sleep(LASTING)
                self.ends.append(self.now())


Jump = Callable[[Host], object]


def wall(seconds: float) -> Jump:
    """The wall clock is set."""
    return lambda host: setattr(host, "wrong", host.wrong + seconds)


@pytest.mark.parametrize("restarted", [False, True], ids=["runs on", "is restarted"])
@pytest.mark.parametrize(
    "jump",
    [
        *(pytest.param(wall(seconds), id=f"wall {seconds:+g} s") for seconds in (30, -30, 86400, -86400)),
        pytest.param(partial(Host.sleep, seconds=20.0), id="sleep"),
    ],
)
def test_a_clock_step_neither_opens_nor_closes_the_gate(tmp_path: Path, jump: Jump, *, restarted: bool) -> None:
    """Tokens come back when their window has passed, by no clock but that of the passing of time."""

    @in_virtual_time
    async def scenario() -> list[float]:
        host = Host(tmp_path / "journal.db")
        async with host.daemon() as line:
            await host.call(line)
            await asyncio.sleep(8)
            jump(host)
            if not restarted:
                await host.call(line)
        if restarted:
            async with host.daemon() as line:
                await host.call(line)
        return host.ends

    assert [1.0, 2.0, 2.0 + WINDOW, 3.0 + WINDOW] == pytest.approx(scenario(), abs=0.02)


@pytest.mark.parametrize("wrong", [0.0, 3600.0, 30.0, -30.0, -NOON])
def test_a_boot_does_not_open_the_gate(tmp_path: Path, wrong: float) -> None:
    """After a boot the wall clock may say anything: no token is free too early, and all are within a minute or so."""

    @in_virtual_time
    async def scenario() -> list[float]:
        host = Host(tmp_path / "journal.db")
        async with host.daemon() as line:
            await host.call(line)
        host.boot(off=20.0)
        host.wrong = wrong
        async with host.daemon() as line:
            await host.call(line)
        return host.ends

    first, second, third, fourth = scenario()
    booted = second + 20.0 + BOOTING
    assert (1.0, 2.0) == (first, second)
    assert 2.0 + WINDOW - 0.001 <= third <= booted + WINDOW + 1
    assert third < fourth <= booted + WINDOW + 2


DAYS = st.lists(
    st.tuples(
        st.sampled_from(("wall", "sleep", "boot", "restart")), st.sampled_from((0.0, 0.5, 10.0, 45.0, 59.0, 3600.0))
    ),
    max_size=8,
)


@pytest.mark.no_cover
@pytest.mark.timeout(60)
@settings(max_examples=30)
@given(days=DAYS, backwards=st.booleans())
def test_never_over_the_ceiling_whatever_the_clocks_do(
    tmp_path_factory: pytest.TempPathFactory, *, days: list[tuple[str, float]], backwards: bool
) -> None:
    """Over any sequence of restarts, sleeps, boots and clocks that are set, no minute sees more calls than allowed."""

    @in_virtual_time
    async def scenario() -> list[float]:
        host = Host(tmp_path_factory.mktemp("host") / "journal.db")
        for kind, seconds in days:
            async with host.daemon() as line:
                await host.call(line, times=1)
                if kind == "wall":
                    host.wrong += -seconds if backwards else seconds
                    await host.call(line, times=1)
                elif kind == "sleep":
                    host.sleep(seconds)
                    await host.call(line, times=1)
            if kind == "boot":
                host.boot(off=seconds)
                host.wrong += -seconds if backwards else seconds
        return host.ends

    ends = scenario()

    assert all(later - LASTING - earlier >= MINUTE for earlier, later in zip(ends, ends[LIMIT:], strict=False))
