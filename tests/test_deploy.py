"""What is shipped to install vodworker with fits the vodworker that it installs."""

import re
from pathlib import Path

from pydantic import BaseModel

from vodworker.api import ACTIONS
from vodworker.config import Settings, load

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "deploy" / "vodworker.toml"


def read(text: str, folder: Path) -> Settings:
    """The settings in a text."""
    file = folder / "vodworker.toml"
    file.write_text(text, encoding="utf-8")
    return load(environ={}, actions=ACTIONS, file=file, places=(), run_secrets=folder)


def uncommented(*keep: str) -> str:
    """The example with every setting in force but those that are named."""
    text = EXAMPLE.read_text(encoding="utf-8")
    return re.sub(
        r"^# (\w+)(?= = )", lambda match: match[0] if match[1] in keep else match[1], text, flags=re.MULTILINE
    )


def test_example_is_accepted(tmp_path: Path) -> None:
    """The example is a settings file as it stands, and differs from no settings at all in two places."""
    settings = read(EXAMPLE.read_text(encoding="utf-8"), tmp_path)

    changed = {name for name in Settings.model_fields if getattr(settings, name) != getattr(Settings(), name)}
    assert {"handlers", "journal"} == changed
    assert "sqlite:////var/lib/vodworker/vodworker.db" == settings.journal.url
    assert (Path("/etc/vodworker/handlers"),) == settings.handlers.directories


def test_example_shows_defaults(tmp_path: Path) -> None:
    """What the example comments out is the default, so that a reader knows it."""
    made_up = ("secret_id", "secret_key_file", "token", "sub_app_id", "enabled", "definition", "format", "listen")

    assert read(EXAMPLE.read_text(encoding="utf-8"), tmp_path) == read(uncommented(*made_up), tmp_path)


def test_example_is_complete(tmp_path: Path) -> None:
    """Every setting that there is stands in the example, in force or commented out."""
    settings = read(uncommented("secret_key_file"), tmp_path)  # the file is not here
    shown = set(re.findall(r"^(?:# )?(\w+) = ", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
    tables = [table for name in Settings.model_fields if isinstance(table := getattr(settings, name), BaseModel)]
    known = {key for table in tables for key in type(table).model_fields}

    assert set() == known - shown - {"secret_key", "options"}  # a key does not belong in it; options are tables of it


def test_image_installs_what_is_locked() -> None:
    """The image takes nothing from an index that is not pinned by its hash, and does not run as root."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    installs = [line for line in lines if "pip install" in line]

    assert [] == [line for line in installs if "--require-hashes" not in line and "--no-deps /wheels/" not in line]
    assert ["USER 65532:65532"] == [line for line in lines if line.startswith("USER")]


def test_image_gets_what_it_copies() -> None:
    """Every file that the image copies from here is here, and is not left out of what its builder sees."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for word in line.split()]
    seen = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert copied
    assert [] == [name for name in copied if f"!{name}" not in seen or not (ROOT / name).exists()]


def test_unit_fits_the_example(tmp_path: Path) -> None:
    """The unit starts the daemon with the settings file, gives it the journal's folder, and outlives its grace time."""
    text = (ROOT / "deploy" / "vodworker.service").read_text(encoding="utf-8")
    unit = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    settings = read(EXAMPLE.read_text(encoding="utf-8"), tmp_path)

    assert unit["ExecStart"].endswith("/vodworker run --config /etc/vodworker/vodworker.toml")
    assert settings.journal.url.startswith(f"sqlite:////var/lib/{unit['StateDirectory']}/")
    assert "78" == unit["RestartPreventExitStatus"]
    assert float(unit["TimeoutStopSec"]) > settings.work.grace + 2
