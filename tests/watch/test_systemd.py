"""What systemd is told, read from a socket of the tests' own."""

import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from vodworker.watch.systemd import PATIENCE, Socket, Systemd


class Manager:
    """Takes the place of systemd: a socket that hears what it is told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(address.replace("@", "\0"))

    def told(self) -> list[dict[str, str]]:
        """The assignments of each datagram since the last time."""
        found: list[dict[str, str]] = []
        while True:
            try:
                lines = self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return found
            found.append(dict(line.split("=", 1) for line in lines))

    def close(self) -> None:
        """Go away."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Generator[Manager]:
    """A systemd."""
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


def environ(manager: Manager, **more: str) -> dict[str, str]:
    """What systemd puts into the environment of a unit that is watched for 20 s."""
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "20000000", **more}


def test_ready_once(manager: Manager) -> None:
    """READY is told with the first beat that finds the daemon ready, and never again."""
    systemd = Systemd.of(environ(manager))
    for now, ready in enumerate([False, True, False, True]):
        systemd.beat(now, alive=False, ready=ready, status="")

    assert [{"READY": "1"}] == manager.told()


def test_status_when_it_changes(manager: Manager) -> None:
    """STATUS is told when it is another one."""
    systemd = Systemd.of(environ(manager))
    for now, status in enumerate(["a", "a", "b"]):
        systemd.beat(now, alive=False, ready=False, status=status)

    assert [{"STATUS": "a"}, {"STATUS": "b"}] == manager.told()


def test_the_watchdog_is_fed_by_life(manager: Manager) -> None:
    """Once ready, a beat that finds the daemon alive feeds the watchdog, four times in its patience; no other does."""
    systemd = Systemd.of(environ(manager))
    systemd.beat(0, alive=False, ready=True, status="")
    manager.told()
    for now in range(1, 11):
        systemd.beat(now, alive=True, ready=True, status="")
    fed = manager.told()
    for now in range(11, 100):
        systemd.beat(now, alive=False, ready=False, status="")

    assert [{"WATCHDOG": "1"}] * 2 == fed
    assert [] == manager.told()


def test_a_start_may_take_its_time(manager: Manager) -> None:
    """Until it is ready, a daemon that is alive asks for more time, long before the last was over."""
    systemd = Systemd.of(environ(manager))
    for now in range(0, 20, 5):
        systemd.beat(now, alive=True, ready=False, status="")

    assert [{"EXTEND_TIMEOUT_USEC": f"{PATIENCE:.0f}000000"}] * 4 == manager.told()


def test_without_a_watchdog_none_is_fed(manager: Manager) -> None:
    """A unit without WatchdogSec, or a watchdog that is meant for another process, is not fed."""
    for systemd in (
        Systemd.of({"NOTIFY_SOCKET": manager.address}),
        Systemd.of(environ(manager, WATCHDOG_PID="1")),
    ):
        for now in range(0, 200, 10):
            systemd.beat(now, alive=True, ready=True, status="")

        assert [{"READY": "1"}] == manager.told()


def test_a_stop_is_told_at_once(manager: Manager) -> None:
    """STOPPING comes with the time that the stop may take, so that no unit needs to know the grace."""
    Systemd.of(environ(manager)).stopping(31.5)

    assert [{"STOPPING": "1", "STATUS": "stopping", "EXTEND_TIMEOUT_USEC": "31500000"}] == manager.told()


def test_an_abstract_address_is_one() -> None:
    """An address that begins with `@` is in no file system."""
    manager = Manager("@vodworker-test-notify")
    Socket(manager.address).tell(READY=1)
    told = manager.told()
    manager.close()

    assert [{"READY": "1"}] == told


def test_without_systemd_nothing_is_told(manager: Manager) -> None:
    """Without a socket, or with one that nobody listens on, all goes on."""
    nowhere, gone = Systemd.of({}), Systemd.of({"NOTIFY_SOCKET": f"{manager.address}-gone"})
    for systemd in (nowhere, gone):
        systemd.beat(0, alive=True, ready=True, status="x")
        systemd.stopping(1)

    assert [] == manager.told()
    assert "nowhere, ready" in repr(nowhere)
