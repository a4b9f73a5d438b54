"""What a clone and a release hold: locks that fit the declarations, a whole package, and nothing that is private."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]

RUNTIME: list[str] = PROJECT["dependencies"]
EXTRAS: list[str] = [needed for extra in PROJECT["optional-dependencies"].values() for needed in extra]
BUILD: list[str] = PYPROJECT["dependency-groups"]["build"]
LOCKS = {
    "requirements.lock": [*RUNTIME, *PROJECT["optional-dependencies"]["postgres"]],  # what a deployment needs
    "requirements-build.lock": BUILD,
    "requirements-dev.lock": [*RUNTIME, *EXTRAS, *BUILD],
}

PRIVATE = {  # written so that no pattern matches itself
    "a path of somebody's machine": r"(?<![\w.$}-])/(?:root|work|home/\w+|Users/\w+)/",
    "an address of a package index": r"index[-]url|pypi[.]org|python[h]osted|registry[.]npm|/simple[/]",
    "a key of an account": r"AKI[D][0-9A-Za-z]{13}|BEGIN [A-Z ]*PRIVATE[ ]KEY",
}


def written() -> list[Path]:
    """Every file of the repository, committed or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def locked(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """What a lock file pins: the version and the hashes of each package."""
    pins: dict[str, tuple[str, frozenset[str]]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split(" --hash=")
        name, _, version = requirement.partition(";")[0].partition("==")
        pins[canonicalize_name(name.strip())] = (version.strip(), frozenset(value.strip() for value in hashes))
    return pins


PINS = {name: locked((ROOT / name).read_text(encoding="utf-8")) for name in LOCKS}


def misfits(declared: list[str], pins: dict[str, tuple[str, frozenset[str]]]) -> list[str]:
    """The declared requirements that a lock does not meet."""
    wanted = [Requirement(text) for text in declared]
    return [
        str(want)
        for want in wanted
        if (pin := pins.get(canonicalize_name(want.name))) is None or not want.specifier.contains(pin[0])
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_fits_declarations(name: str) -> None:
    """Each declared dependency is locked, in a version that the declaration allows (else: `make lock`)."""
    assert [] == misfits(LOCKS[name], PINS[name])


@pytest.mark.parametrize("name", LOCKS)
def test_lock_is_hashed(name: str) -> None:
    """Each pin has an exact version and a hash, and names no address."""
    assert [] == [pin for pin, (version, hashes) in PINS[name].items() if not version or not hashes]
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LOCKS)
def test_locks_agree(name: str) -> None:
    """What several locks pin, they pin alike: they share one environment."""
    whole = PINS["requirements-dev.lock"]

    assert {} == {pin: value for pin, value in PINS[name].items() if whole.get(pin) != value}


def test_misfit_is_seen() -> None:
    """A dependency that is not locked is found, and one that is locked in a version that is not allowed."""
    pins = locked(
        "one==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\ntwo==2.0 ; os_name == 'nt' \\\n    --hash=x:c\n"
    )

    assert {"one": ("1.0", frozenset({"sha256:aa", "sha256:bb"})), "two": ("2.0", frozenset({"x:c"}))} == pins
    assert ["one>=1.1", "three"] == misfits(["one>=1.1", "Two", "three"], pins)


def test_nothing_private_is_written() -> None:
    """No file names somebody's machine, a package index or a key."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}"
        for path in written()
        if path.suffix not in {".png", ".lock"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for what, pattern in PRIVATE.items()
        if re.search(pattern, line)
    ]

    assert [] == found


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "root/.venv/bin",
        "open('/" + "home/anna/x')",
        "pip install --extra-index" + "-url x",
        "AKI" + "D" + "z8krbsJ5yKBZQpn74",
    ],
)
def test_private_text_is_seen(line: str) -> None:
    """Each pattern finds what it is for."""
    assert 1 == sum(bool(re.search(pattern, line)) for pattern in PRIVATE.values())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the sdist as a release would be."""
    folder = tmp_path_factory.mktemp("dist")
    command: list[str | Path] = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    assert ended.returncode == 0, ended.stdout
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.mark.timeout(60)
def test_wheel_is_whole(wheel: zipfile.ZipFile) -> None:
    """A release holds every module, the mark that it is typed, and the shipped handlers; no test, no tool."""
    source = {
        path.relative_to(ROOT).as_posix()
        for path in written()
        if path.parts[len(ROOT.parts)] in {"vodworker", "handlers"} and "__pycache__" not in path.parts
    }
    expected = {re.sub("^handlers/", "vodworker/_shipped/", name) for name in source}

    assert expected == {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert "vodworker/py.typed" in expected


@pytest.mark.timeout(60)
def test_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    """The release's metadata name the licence, the Python it needs and the command that it installs."""
    about = f"vodworker-{PROJECT['version']}.dist-info"
    metadata = Parser().parsestr(wheel.read(f"{about}/METADATA").decode())

    assert ["MIT", ">=3.11", "text/markdown"] == [
        metadata[name] for name in ("License-Expression", "Requires-Python", "Description-Content-Type")
    ]
    assert {f"{about}/licenses/LICENSE"} <= set(wheel.namelist())
    assert "vodworker = vodworker.cli:main" in wheel.read(f"{about}/entry_points.txt").decode()
    assert "vodworker.pytest_plugin = vodworker.pytest_plugin" in wheel.read(f"{about}/entry_points.txt").decode()
    assert {Requirement(text).name for text in RUNTIME} <= {
        Requirement(text).name for text in metadata.get_all("Requires-Dist", [])
    }
