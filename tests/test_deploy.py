"""What is shipped to install vodworker with fits the vodworker that it installs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel

from vodworker.api import ACTIONS
from vodworker.config import Settings, load
from vodworker.journal.port import STATES
from vodworker.log import LOG_EVENTS
from vodworker.watch.metrics import EFFECTS, SPECS, Metrics
from vodworker.watch.systemd import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "deploy" / "vodworker.toml"
SYSTEMD = ROOT / "deploy" / "systemd"
COMPOSE = ROOT / "deploy" / "compose.yaml"
PROMETHEUS = ROOT / "deploy" / "prometheus"


def tool(name: str) -> Path:
    """One of the developers' tools."""
    return Path(sys.executable).with_name(name)


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
    made_up = ("secret_id", "secret_key_file", "token", "sub_app_id", "enabled", "templates", "format", "listen")

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


# ---- systemd

UNITS = ("vodworker.service", "vodworker@.service")


def unit(name: str) -> dict[str, list[str]]:
    """The assignments of a unit, in their order."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", (SYSTEMD / name).read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def analyzed(tmp_path: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says of a unit that is installed where this project is."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine (Debian: systemd)")
    path = tmp_path / name
    command = Path(sys.executable).with_name("vodworker")
    text = (SYSTEMD / name).read_text(encoding="utf-8").replace("/opt/vodworker/bin/vodworker", str(command))
    path.write_text(text, encoding="utf-8")
    return subprocess.run(["systemd-analyze", *words, path], check=False, capture_output=True, text=True)


@pytest.mark.parametrize("name", UNITS)
def test_unit_is_sound(tmp_path: Path, name: str) -> None:
    """Nothing in a unit is wrong by the judgement of systemd itself."""
    found = analyzed(tmp_path, name, "verify", "--man=no")

    assert (0, "", "") == (found.returncode, found.stdout, found.stderr)


@pytest.mark.parametrize("name", UNITS)
def test_unit_is_confined(tmp_path: Path, name: str) -> None:
    """What a broken-into daemon can do to its machine is little: systemd's own measure of it is at most 1.5."""
    found = analyzed(tmp_path, name, "security", "--offline=true", "--threshold=15")

    assert 0 == found.returncode, found.stdout


def test_unit_fits_the_example(tmp_path: Path) -> None:
    """The unit starts the daemon with the settings file, gives it the journal's folder, and outlives its grace time."""
    it = unit("vodworker.service")
    settings = read(EXAMPLE.read_text(encoding="utf-8"), tmp_path)

    assert it["ExecStart"][0].endswith("/vodworker run --config /etc/vodworker/vodworker.toml")
    assert settings.journal.url.startswith(f"sqlite:////var/lib/{it['StateDirectory'][0]}/")
    assert ["78"] == it["RestartPreventExitStatus"]
    assert ["notify"] == it["Type"]
    assert float(it["TimeoutStopSec"][0]) > settings.work.grace + 2
    assert float(it["TimeoutStartSec"][0]) >= PATIENCE
    assert {"secret_id", "secret_key"} == {given.partition(":")[0] for given in it["LoadCredential"]}


def test_instances_are_units_of_their_own() -> None:
    """The unit for several accounts is the unit for one, with folders of its own for each."""
    one, several = unit("vodworker.service"), unit("vodworker@.service")
    own = {"Description", "ExecStart", "LoadCredential", "StateDirectory", "WorkingDirectory"}

    assert own == {key for key in one.keys() | several.keys() if one.get(key) != several.get(key)}
    assert {key: [re.sub(r"/?%i", "", value) for value in several[key]] for key in own - {"Description"}} == {
        key: one[key] for key in own - {"Description"}
    }


# ---- the image and what runs it


def test_image_is_well_written() -> None:
    """The linter of Dockerfiles has nothing to say."""
    found = subprocess.run([tool("hadolint"), ROOT / "Dockerfile"], check=False, capture_output=True, text=True)

    assert (0, "") == (found.returncode, found.stdout)


def test_compose_fits_its_schema() -> None:
    """The compose file is one, as its specification has it."""
    command: list[str | Path] = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE]
    found = subprocess.run(command, check=False, capture_output=True, text=True)

    assert 0 == found.returncode, found.stdout


def daemons() -> dict[str, Any]:
    """The services of the compose file that are daemons."""
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return {name: it for name, it in services.items() if "command" not in it and it["image"] == "vodworker"}


@pytest.mark.parametrize("name", daemons())
def test_compose_runs_daemons(tmp_path: Path, name: str) -> None:
    """Each daemon's settings are accepted and complete, it may write nowhere but its volume, and its grace fits."""
    it = daemons()[name]
    settings = load(environ=it["environment"], actions=ACTIONS, file=EXAMPLE, places=(), run_secrets=tmp_path)

    assert () == settings.account.missing
    assert (True, ["ALL"]) == (it["read_only"], it["cap_drop"])
    assert float(it["stop_grace_period"].removesuffix("s")) > settings.work.grace + 2


def test_compose_has_three_replicas() -> None:
    """Three daemons share a journal, and each answers at an address of its own."""
    replicas = [it["environment"] for it in daemons().values() if "replicas" in it["profiles"]]

    assert 1 == len({it["VODWORKER_JOURNAL__URL"] for it in replicas})
    assert 3 == len({it["VODWORKER_HTTP__LISTEN"] for it in replicas})


def manifests() -> dict[str, Any]:
    """The objects for a cluster, by their kind."""
    text = (ROOT / "deploy" / "kubernetes" / "vodworker.yaml").read_text(encoding="utf-8")
    return {it["kind"]: it for it in yaml.safe_load_all(text)}


@pytest.mark.parametrize("release", ["1.31", "1.37"])
@pytest.mark.parametrize("kind", manifests())
def test_manifests_fit_the_schema(kind: str, release: str) -> None:
    """A cluster takes each object as it stands: no field that it does not know."""
    kubernetes_validate.validate(manifests()[kind], release, strict=True)


def test_manifests_fit_together(tmp_path: Path) -> None:
    """What the pods mount is there, their settings are accepted, and a stop has the time that it needs."""
    found = manifests()
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (tmp_path / "secrets").mkdir()
    for name, value in found["Secret"]["stringData"].items():
        (tmp_path / "secrets" / name).write_text(value)
    (tmp_path / "vodworker.toml").write_text(found["ConfigMap"]["data"]["vodworker.toml"])
    settings = load(
        environ={}, actions=ACTIONS, file=tmp_path / "vodworker.toml", places=(), run_secrets=tmp_path / "secrets"
    )
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert () == settings.account.missing
    assert settings.journal.url.startswith("postgresql://")
    assert pod["terminationGracePeriodSeconds"] > before + settings.work.grace + 2
    assert {"/healthz", "/readyz"} == {
        container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")
    }
    assert {it["name"] for it in container["volumeMounts"]} == {it["name"] for it in pod["volumes"]}
    assert pod["enableServiceLinks"] is False
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert [labels] * 3 == [
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
    ]


# ---- what watches it

METRIC = re.compile(r"\b(vodworker_\w+?)(?:_bucket|_sum|_count)?\b(?=[{\[ )]|$)")
FOREIGN = {"up", "process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}
LABEL = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    groups = yaml.safe_load((PROMETHEUS / "vodworker.rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def charted() -> list[str]:
    """Every expression of the dashboard."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "vodworker.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


ASKED = [*(rule["expr"] for rule in rules()), *charted()]


@pytest.mark.parametrize("expression", ASKED)
def test_asked_for_what_there_is(expression: str) -> None:
    """An alert or a chart asks for metrics, labels and lines of the log that the daemon has."""
    asked = set(METRIC.findall(expression)) | {name for name in FOREIGN if re.search(rf"\b{name}\b", expression)}
    values = {name: value for name, _, value in LABEL.findall(expression)}
    labels = {label for name in asked - FOREIGN for label in SPECS[name.removeprefix("vodworker_")].labels}

    assert asked
    assert set() == set(values) - labels - {"job", "instance", "le"}
    assert set() == set(values.get("event", "worker.ready").split("|")) - set(LOG_EVENTS)
    assert set() == set(values.get("state", "ready").split("|")) - set(STATES)
    told = {source[1:] for effects in EFFECTS.values() for it in effects for source in it.labels.values()}
    assert set() == set("|".join(values.get(label, "done") for label in ("outcome", "result")).split("|")) - told


def begun() -> list[str]:
    """The series that a daemon shows before anything has happened."""
    return Metrics(["hear"]).text().decode().splitlines()


@pytest.mark.parametrize("alert", rules(), ids=lambda alert: str(alert["alert"]))
def test_alert_can_see_the_first(alert: dict[str, Any]) -> None:
    """What an alert waits for stands at 0 from the start; a series that begins with 1 has no increase.

    Not so for codes of calls and types of events, which would be too many; their alerts wait for more than one.
    """
    for name, labels in re.findall(r"(vodworker_\w+_total)\{([^}]*)\}", alert["expr"]):
        asked = {label: set(values.split("|")) for label, how, values in LABEL.findall(labels) if how in ("=", "=~")}
        shown = [dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in begun() if line.startswith(f"{name}{{")]
        if "code" in labels:
            assert float(alert["for"].removesuffix("m")) >= 10
        else:
            assert [it for it in shown if all(it[label] in values for label, values in asked.items())]


def test_every_metric_is_charted() -> None:
    """The dashboard leaves nothing out but what stands in it in another form."""
    charts = " ".join(charted())
    elsewhere = {"alive", "last_pull_seconds", "pulls_total", "calls_replayed_total", "calls_doubtful_total"}

    assert elsewhere == {name for name in SPECS if f"vodworker_{name}" not in charts and not SPECS[name].buckets}


def test_charts_do_not_overlap() -> None:
    """Each panel has a number and a place of its own."""
    panels = json.loads((ROOT / "deploy" / "grafana" / "vodworker.json").read_text(encoding="utf-8"))["panels"]
    places = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["w"])
        for y in range(place["h"])
    ]

    assert len(panels) == len({panel["id"] for panel in panels})
    assert len(places) == len(set(places))
    assert 24 > max(x for x, _ in places)


def promtool(*words: str | Path) -> None:
    """Let Prometheus' own tool check something."""
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("promtool is not on this machine (Debian: prometheus)")
    found = subprocess.run([command, *words], check=False, capture_output=True, text=True)
    assert 0 == found.returncode, found.stdout + found.stderr


def test_alerts_are_rules() -> None:
    """Prometheus takes the settings and the rules as they stand."""
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_alerts_ring_when_they_should() -> None:
    """Played series make each alert ring, and a daemon that is well makes none."""
    promtool("test", "rules", PROMETHEUS / "vodworker.rules.test.yml")


def test_every_alert_is_played() -> None:
    """Each alert has a test in which it rings."""
    played = (PROMETHEUS / "vodworker.rules.test.yml").read_text(encoding="utf-8")

    assert [] == [rule["alert"] for rule in rules() if f'alertname="{rule["alert"]}"' not in played]


def test_every_alert_is_explained() -> None:
    """Whoever is woken by an alert finds its name in the operator's page, and what to do; no other alert is there."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    assert [rule["alert"] for rule in rules()] == re.findall(r"^### (Vodworker\w+)$", page, re.MULTILINE)


def test_charts_are_queries(tmp_path: Path) -> None:
    """Prometheus can read every expression of the dashboard."""
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump(
            {
                "groups": [
                    {
                        "name": "charts",
                        "rules": [
                            {"record": f"chart:{number}", "expr": expression.replace("$__rate_interval", "1m")}
                            for number, expression in enumerate(charted())
                        ],
                    }
                ]
            }
        )
    )

    promtool("check", "rules", tmp_path / "rules.yml")
