"""`vodworker new`: what it makes works as it stands, and what it cannot make it says."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vodworker.cli import cli
from vodworker.events import EVENTS
from vodworker.router import Router

pytestmark = pytest.mark.usefixtures("logging_restored")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*words: str) -> Result:
    """Run the command there."""
    return CliRunner().invoke(cli, ["new", *words])


@pytest.mark.process
def test_made_handler_passes_its_test(folder: Path) -> None:
    """In an empty directory, the handler loads and its test passes, for every event; only the handler is loaded."""
    for number, event in enumerate(EVENTS):
        made = new(f"hear_{number}", "--event", event)

        assert (0, f"handlers/hear_{number}.py") == (made.exit_code, made.stdout.splitlines()[0]), made.stderr
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "vodworker.pytest_plugin", "handlers"],
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
    )

    assert f"{len(EVENTS)} passed" in tested.stdout, tested.stdout
    heard = [kind.__name__ for route in Router.load([folder / "handlers"]).routes.values() for kind in route.hears]
    assert sorted(EVENTS) == sorted(heard)


def test_place_is_that_of_the_settings(folder: Path) -> None:
    """It goes where the daemon looks first, or where it is told."""
    (folder / "vodworker.toml").write_text('[handlers]\ndirectories = ["mine", "others"]\n')
    new("one")
    new("two", "--handlers", "elsewhere/deep")

    made = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))
    assert ["elsewhere/deep/test_two.py", "elsewhere/deep/two.py", "mine/one.py", "mine/test_one.py"] == made


@pytest.mark.parametrize(
    "words,code,said",
    [
        (["notify-editors"], 2, "it must be a name of Python; notify_editors is one"),
        (["2nd"], 2, "it must be a name of Python; handle_2nd is one"),
        (["Datei-ü"], 2, "it must be a name of Python; datei is one"),
        (["class"], 2, "handle_class is one"),
        (["_hidden"], 2, "such files are left alone; hidden is loaded"),
        (["test_it"], 2, "such files are left alone; it is loaded"),
        (["json"], 2, "Python has a module json already; handle_json is free"),
        (["fine", "--event", "NewFile"], 2, "NewFile is not an event; did you mean NewFileUpload?"),
        (["fine", "--event", "zzz"], 2, "zzz is not an event; there are "),
        (["old"], 1, "handlers/test_old.py is there already; choose another name"),
        (["fine", "--handlers", "file/deep"], 1, "Not a directory; give another place with --handlers"),
    ],
)
def test_what_cannot_be_made_is_told(folder: Path, words: list[str], code: int, said: str) -> None:
    """A bad name comes with a better one; no file is written over, and nothing is left behind."""
    (folder / "handlers").mkdir()
    (folder / "handlers" / "test_old.py").touch()
    (folder / "file").touch()
    result = new(*words)

    assert code == result.exit_code
    assert said in result.stderr
    assert ["test_old.py"] == [path.name for path in folder.rglob("*.py")]
