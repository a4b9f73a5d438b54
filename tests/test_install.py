"""What installs vodworker does so: the script, and the steps of the image, each in a root of the test's own."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.timeout(600)]


def sh(command: str | Sequence[str | Path], **environ: str) -> str:
    """Run a command, which must succeed, as somebody would who has no settings; its output."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VODWORKER_")}  # noqa: TID251  # the index is set up in it
    ended = subprocess.run(
        ["sh", "-euc", command] if isinstance(command, str) else command,
        cwd=ROOT,
        env=inherited | environ,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_script_installs(tmp_path: Path) -> None:
    """The script makes an installation that works and all may read; run again, it leaves settings as they are."""
    sh(f"umask 077; exec {ROOT}/deploy/install", DESTDIR=str(tmp_path), PYTHON=sys.executable)
    hidden = [it for it in (tmp_path / "opt").rglob("*") if it.exists() and not it.stat().st_mode & stat.S_IROTH]
    settings = tmp_path / "etc" / "vodworker" / "vodworker.toml"
    settings.write_text(
        '[account]\nsecret_id = "test-secret-id"\nsecret_key = "test-secret-key"\n'
        f'[handlers]\ndirectories = ["{settings.parent}/handlers"]\n[journal]\nurl = "sqlite:///{tmp_path}/journal.db"\n'
    )
    (settings.parent / "handlers" / "webhook.py").unlink()
    sh([ROOT / "deploy" / "install"], DESTDIR=str(tmp_path), PYTHON=sys.executable)
    report = sh([tmp_path / "opt" / "vodworker" / "bin" / "vodworker", "check", "--config", settings])

    assert ["ok"] * 4 == [line.split()[0] for line in report.splitlines()]
    assert [] == hidden
    assert "process_upload" in report
    assert "webhook" not in report
    units = {path.name for path in (tmp_path / "etc" / "systemd" / "system").iterdir()}
    assert {"vodworker.service", "vodworker@.service"} == units


OWN = ("/opt", "/etc/vodworker", "/var/lib/vodworker", "/wheels", "/source", "/locked")  # what the image's steps make


class Stage:
    """A stage of the image, built in a folder: what stands at `/` in it stands there."""

    def __init__(self, root: Path, stages: Mapping[str, "Stage"]) -> None:
        self.root = root
        self.environ: dict[str, str] = {}
        self.entry: list[str] = []
        self._stages = stages
        self._folder = Path("/")

    def inside(self, text: str) -> str:
        """The same with this stage's own places where they are."""
        return re.sub(rf"(?<![\w/.])({'|'.join(OWN)})(?=/|\s|$|:)", rf"{self.root}\1", text)

    def do(self, instruction: str, rest: str) -> None:
        """One step."""
        match instruction:
            case "WORKDIR":
                self._folder = Path(rest)
                self._place(rest).mkdir(parents=True, exist_ok=True)
            case "ENV":
                for name, value in re.findall(r"(\w+)=(\S+)", rest):
                    self.environ[name] = self.inside(value.replace("$PATH", self._path()))
            case "COPY":
                self._copy(shlex.split(rest))
            case "RUN" if "apt-get" not in rest:  # the packages of another system's root are not ours to install
                if os.geteuid() != 0:
                    rest = re.sub(r"--(owner|group)=\d+ ", "", rest)
                rest = rest.replace("--no-cache-dir ", "")  # what one stage or test has fetched, the next need not
                if "python" in rest and not (self.root / "base").exists():
                    sh([sys.executable, "-m", "venv", self.root / "base"])  # the Python that the image begins with
                sh(f"cd {self._place(self._folder)} && {self.inside(rest)}", PATH=self._path(), **self.environ)
            case "ENTRYPOINT" | "CMD":
                self.entry += re.findall(r'"([^"]*)"', rest)
            case _:
                pass

    def _path(self) -> str:
        return f"{self.root}/base/bin:/usr/bin:/bin"

    def _place(self, inside: str | Path) -> Path:
        return self.root / str(inside).lstrip("/")

    def _copy(self, words: list[str]) -> None:
        source = ROOT
        if words[0].startswith("--from="):
            source = self._stages[words.pop(0).removeprefix("--from=")].root
        *names, target = words
        to = self._place(self._folder / target)
        for name in names:
            what = source / name.lstrip("/")
            place = to / what.name if target.endswith("/") or (target == ".") else to
            if what.is_dir():
                shutil.copytree(
                    what, to, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(what, place)


def instructions() -> Iterator[tuple[str, str]]:
    """The steps of the Dockerfile, each on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line:
            instruction, _, rest = line.partition(" ")
            yield instruction, rest


def test_steps_of_the_image_work(tmp_path: Path) -> None:
    """Taken one by one in another root, the image's steps make an installation that runs as its entry point says."""
    stages: dict[str, Stage] = {}
    stage = None
    for instruction, rest in instructions():
        if instruction == "FROM":
            name = rest.partition(" AS ")[2] or "image"
            stage = stages[name] = Stage(tmp_path / name, stages)
        elif stage is not None:
            stage.do(instruction, rest)
    image = stages["image"]
    # By name: the scripts begin with the place of their interpreter in its own stage, which in an image is the same.
    command: list[str | Path] = [image.root / "opt/vodworker/bin/python", "-m", "vodworker"]
    settings = image.root / "etc/vodworker/vodworker.toml"
    settings.write_text(settings.read_text().replace('"/etc', f'"{image.root}/etc'))

    assert ["tini", "--", "vodworker", "run"] == image.entry
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", sh([*command, "--version"]))
    keys = {"VODWORKER_ACCOUNT__SECRET_ID": "test-secret-id", "VODWORKER_ACCOUNT__SECRET_KEY": "test-secret-key"}
    url = {"VODWORKER_JOURNAL__URL": f"sqlite:///{image.root}/var/lib/vodworker/vodworker.db"}
    listen = {"VODWORKER_HTTP__LISTEN": image.environ["VODWORKER_HTTP__LISTEN"]}
    report = sh([*command, "check", "--config", settings], **keys, **url, **listen)
    assert ["ok"] * 4 == [line.split()[0] for line in report.splitlines()]
    assert 0o700 == stat.S_IMODE((image.root / "var/lib/vodworker").stat().st_mode)
