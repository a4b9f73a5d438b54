"""The promises of the settings: documented defaults, every way in, all problems at once, no secret shown."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodworker.config import Address, Given, Settings, address, find, load, nearest
from vodworker.errors import ConfigError

ACTIONS = ("PullEvent", "ConfirmEvent", "ProcessFile", "ConcatVideo")


def settings(environ: Mapping[str, str] | None = None, **more: Any) -> Settings:
    """What is read when nothing else is on the machine."""
    elsewhere: dict[str, Any] = {"places": (), "run_secrets": Path("/nowhere")}
    return load(environ=environ or {}, actions=ACTIONS, **(elsewhere | more))


def problems(environ: Mapping[str, str] | None = None, **more: Any) -> list[str]:
    """What is wrong with these settings."""
    with pytest.raises(ConfigError) as caught:
        settings(environ, **more)
    return list(caught.value.problems)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file to be written."""
    return tmp_path / "vodworker.toml"


def test_defaults_are_as_documented() -> None:
    """Without any setting, the documented defaults hold."""
    expected = {
        "account": {
            "endpoint": "https://vod.api.qcloud.com/v2/index.php",
            "secret_id": None,
            "secret_key": None,
            "secret_key_file": None,
            "token": None,
            "region": "gz",
            "sub_app_id": None,
            "signature_method": "HmacSHA256",
        },
        "pull": {"streams": 2, "max_backlog": 100_000},
        "limits": {"default": 100, "PullEvent": 1000, "ConfirmEvent": 1000},
        "calls": {"timeout": 15.0, "retries": 2},
        "handlers": {
            "directories": (Path("handlers"),),
            "enabled": None,
            "middleware": (),
            "concurrency": 16,
            "attempts": 8,
            "timeout": 300.0,
            "options": {},
        },
        "work": {"grace": 30.0, "lease": 60.0},
        "journal": {"url": "sqlite:///vodworker.db", "keep": 604_800.0},
        "log": {"format": None, "level": "info", "language": "en"},
        "http": {"listen": None},
    }

    assert expected == settings().model_dump()


HTTPS = "it must begin with https://, because only this machine may be spoken to in the clear"
BARE = "it must hold no user, no password and no query; keys have settings of their own"
JOURNALS = "it must be sqlite:///FILE (four slashes when FILE is absolute) or postgresql://USER@HOST/NAME"
RIGHTS = "check its name and its rights"
WHOLE = """
[account]
endpoint = "http://127.0.0.1:8787"
secret_id = "test-secret-id"
secret_key = "test-secret-key"
sub_app_id = 7

[pull]
streams = 3

[limits]
default = 50
ProcessFile = 20

[handlers]
directories = ["a", "b"]
enabled = ["upload"]
timeout = "2m"

[handlers.options.upload]
definition = [210, 220]

[journal]
keep = "1.5d"

[http]
listen = "127.0.0.1:8790"
"""


def test_file_is_read(file: Path) -> None:
    """What stands in the file holds, and what does not keeps its default."""
    file.write_text(WHOLE)
    read = settings(file=file)

    assert ("http://127.0.0.1:8787/v2/index.php", 7, "gz") == (
        read.account.endpoint,
        read.account.sub_app_id,
        read.account.region,
    )
    assert (3, 100_000) == (read.pull.streams, read.pull.max_backlog)
    assert [20, 50, 1000] == [read.limit(action) for action in ("ProcessFile", "ConcatVideo", "PullEvent")]
    assert (Path("a"), Path("b")) == read.handlers.directories
    assert (("upload",), 120.0) == (read.handlers.enabled, read.handlers.timeout)
    assert {"upload": {"definition": [210, 220]}} == read.handlers.options
    assert (129_600.0, Address("127.0.0.1", 8790)) == (read.journal.keep, read.http.listen)


def test_bursts_are_whole_unless_they_are_to_be_smoothed(file: Path) -> None:
    """All calls of a ceiling may go at once; with `limits.burst` only so many, of each action."""
    assert [100, 1000] == [settings().burst(action) for action in ("ProcessFile", "PullEvent")]

    file.write_text("[limits]\nburst = 10\nConcatVideo = 5\n")
    assert [10, 10, 5] == [settings(file=file).burst(action) for action in ("ProcessFile", "PullEvent", "ConcatVideo")]


@pytest.mark.parametrize(
    "name,text,path,expected",
    [
        ("PULL__STREAMS", "4", "pull.streams", 4),
        ("LIMITS__PROCESSFILE", "5", "limits.ProcessFile", 5),
        ("LIMITS__ProcessFile", "5", "limits.ProcessFile", 5),
        ("LIMITS__DEFAULT", "60", "limits.default", 60),
        ("HANDLERS__DIRECTORIES", "a, b,", "handlers.directories", (Path("a"), Path("b"))),
        ("HANDLERS__DIRECTORIES", '["a", "b,c"]', "handlers.directories", (Path("a"), Path("b,c"))),
        ("HANDLERS__ENABLED", "upload", "handlers.enabled", ("upload",)),
        ("HANDLERS__OPTIONS", '{"a": {"b": 1}}', "handlers.options", {"a": {"b": 1}}),
        ("HANDLERS__OPTIONS__A__B__C", "[1, 2]", "handlers.options", {"a": {"b__c": [1, 2]}}),
        ("HANDLERS__OPTIONS__HOOK__URL", "http://host", "handlers.options", {"hook": {"url": "http://host"}}),
        ("WORK__GRACE", "0", "work.grace", 0.0),
        ("JOURNAL__KEEP", "36h", "journal.keep", 129_600.0),
        ("LOG__FORMAT", "json", "log.format", "json"),
        ("HTTP__LISTEN", "off", "http.listen", None),
        ("HTTP__LISTEN", "[::1]:80", "http.listen", Address("::1", 80)),
        ("ACCOUNT__ENDPOINT", "http://[::1]:1/v2/index.php", "account.endpoint", "http://[::1]:1/v2/index.php"),
        ("PULL__STREAMS", "", "pull.streams", 2),
    ],
)
def test_each_key_is_a_variable_too(name: str, text: str, path: str, expected: object) -> None:
    """Each key can be set by its variable, lists and tables as well; an empty variable sets nothing."""
    section, key = path.split(".")
    read = settings({f"VODWORKER_{name}": text, "HOME": "/root"}).model_dump()

    assert expected == read[section][key]


def test_nearer_wins(file: Path) -> None:
    """A flag stands above a variable, a variable above the file, and a handler's options add up."""
    file.write_text("[pull]\nstreams = 3\nmax_backlog = 5\n[work]\ngrace = 1\n[handlers.options.a]\nx = 1\ny = 1\n")
    environ = {
        "VODWORKER_PULL__STREAMS": "4",
        "VODWORKER_WORK__GRACE": "2",
        "VODWORKER_HANDLERS__OPTIONS__A__Y": "2",
        "VODWORKER_HANDLERS__OPTIONS": '{"b": {"z": 3}}',
    }
    read = settings(environ, file=file, flags={("pull", "streams"): Given(5, "--streams")})

    assert (5, 5, 2.0) == (read.pull.streams, read.pull.max_backlog, read.work.grace)
    assert {"a": {"x": 1, "y": 2}, "b": {"z": 3}} == read.handlers.options


def test_file_is_found(tmp_path: Path) -> None:
    """The file asked for counts, then the variable's, then the first place that has one, then none."""
    here, there = tmp_path / "here.toml", tmp_path / "there.toml"
    there.touch()
    environ = {"VODWORKER_CONFIG": "/named.toml"}

    assert Path("/asked.toml") == find(Path("/asked.toml"), environ, places=(there,))
    assert Path("/named.toml") == find(None, environ, places=(there,))
    assert there == find(None, {}, places=(here, there))
    assert find(None, {"VODWORKER_CONFIG": ""}, places=(here,)) is None


def test_secrets_come_from_files(tmp_path: Path, file: Path) -> None:
    """A secret may lie in a file: one that is named, systemd's credentials, or /run/secrets; the nearest wins."""
    for name in ("vodworker_secret_id", "vodworker_secret_key", "vodworker_journal_url", "secret_key", "own", "token"):
        (tmp_path / name).write_text(f"{name}-text\n" if "url" not in name else "postgresql://u:p@h/n")

    def key(environ: Mapping[str, str], **more: Any) -> str:
        secret = settings(environ, **more).account.secret_key
        return secret.get_secret_value() if secret else ""

    run: dict[str, Any] = {"run_secrets": tmp_path}
    unit = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    file.write_text(f'[account]\nsecret_key_file = "{tmp_path / "own"}"\n')
    variables = {"VODWORKER_ACCOUNT__SECRET_KEY": "variable"}

    assert "vodworker_secret_key-text" == key({}, **run)
    assert "secret_key-text" == key(unit, **run)
    assert "own-text" == key(unit, **run, file=file)
    assert "variable" == key({**unit, **variables}, **run, file=file)
    assert "token-text" == getattr(settings(unit).account.token, "get_secret_value", str)()
    assert ("vodworker_secret_id-text", "postgresql://u:p@h/n") == (
        settings(**run).account.secret_id,
        settings(**run).journal.url,
    )


def test_missing_keys_are_named() -> None:
    """The keys may be missing when the settings are read; who needs them is told what to set."""
    keys = {"VODWORKER_ACCOUNT__SECRET_ID": "test-secret-id", "VODWORKER_ACCOUNT__SECRET_KEY": "test-secret-key"}

    assert (
        "account.secret_id is missing; set it in the settings file or as VODWORKER_ACCOUNT__SECRET_ID",
        "account.secret_key is missing; name its file as account.secret_key_file or VODWORKER_ACCOUNT__SECRET_KEY_FILE",
    ) == settings().account.missing
    assert () == settings(keys).account.missing


@pytest.mark.parametrize(
    "text,expected",
    [
        ("[pull]\nstream = 1", "{}: pull.stream is not a setting; did you mean pull.streams?"),
        ("[pull]\ngrace = 1", "{}: pull.grace is not a setting; did you mean work.grace?"),
        ("[pull]\nxyz = 1", "{}: pull.xyz is not a setting; there are pull.streams, pull.max_backlog"),
        ("[pul]\nstreams = 1", "{}: [pul] is not a section; did you mean [pull]?"),
        ("[limits]\nProcesFile = 1", "{}: limits.ProcesFile is not an action; did you mean limits.ProcessFile?"),
        ("pull = 'hush'", "{}: pull is no table; write [pull]"),
        ("[pull]\nstreams = 0", "{}: pull.streams is 0; it must be greater than or equal to 1"),
        ("[pull]\nstreams = true", "{}: pull.streams is true; no setting is a yes or a no"),
        ("[limits]\nProcessFile = 0", "{}: limits.ProcessFile is 0; it must be greater than or equal to 1"),
        ("[handlers]\ndirectories = 3", "{}: handlers.directories is 3; it must be a list"),
        ("[handlers]\nenabled = [3]", "{}: handlers.enabled is [3]; it must be a valid string"),
        ("[handlers]\noptions = 3", "{}: handlers.options is no table; it must hold a table for each handler"),
        (
            "[handlers.options]\nhook = 'hush'",
            "{}: handlers.options.hook is no table; it must hold the options of the handler hook",
        ),
        ("[work]\nlease = '1w'", "{}: work.lease is '1w'; it must be a number of seconds, or like 90s, 15m, 36h, 7d"),
        ("[work]\nlease = 1", "{}: work.lease is 1; it must be greater than or equal to 3"),
        ("[calls]\ntimeout = inf", "{}: calls.timeout is inf; it must be a finite number"),
        (
            "[account]\nendpoint = 'http://vod.api.qcloud.com'",
            "{}: account.endpoint is 'http://vod.api.qcloud.com'; " + HTTPS,
        ),
        (
            "[account]\nendpoint = 'ftp://host'",
            "{}: account.endpoint is 'ftp://host'; it must be an address like https://vod.api.qcloud.com/v2/index.php",
        ),
        (
            "[account]\nendpoint = 'https://me:hush@host'",
            "{}: account.endpoint is wrong; " + BARE,
        ),
        (
            "[account]\nendpoint = 'https://host/?key=hush'",
            "{}: account.endpoint is wrong; " + BARE,
        ),
        ("[account]\nsecret_key = 3", "{}: account.secret_key is wrong; it must be a valid string"),
        ("[http]\nlisten = 'here'", "{}: http.listen is 'here'; it must be HOST:PORT, like 127.0.0.1:8790"),
        ("[journal]\nurl = 'mysql://u:hush@h/n'", "{}: journal.url is wrong; " + JOURNALS),
        ("[journal]\nurl = 'mysql://h/n?password=hush'", "{}: journal.url is wrong; " + JOURNALS),
        ("[log]\nlevel = 'loud'", "{}: log.level is 'loud'; it must be 'debug', 'info', 'warning' or 'error'"),
        ("pull\n", "{} is not TOML: Expected '=' after a key in a key/value pair (at line 1, column 5); mend it there"),
        (
            "[account]\nsecret_key_file = '/nowhere/key'",
            "{}: account.secret_key_file: /nowhere/key cannot be read: No such file or directory; " + RIGHTS,
        ),
        (  # a mistake that is made
            "[account]\nsecret_key_file = 'hush'",
            "{}: account.secret_key_file cannot be read: No such file or directory; " + RIGHTS,
        ),
        (
            "[account]\nsecret_key_file = '/dev/null'\nsecret_key = 'x'",
            "{0}: account.secret_key_file and {0}: account.secret_key both give the secret key; remove one of them",
        ),
        (
            "[account]\nsecret_key_file = '/dev/null'",
            "{}: account.secret_key_file: /dev/null is empty; write the secret into it",
        ),
        ("[account]\nsecret_key_file = 3", "{}: account.secret_key_file is 3; it must be a path"),
    ],
)
def test_wrong_setting_in_the_file_is_told(file: Path, text: str, expected: str) -> None:
    """What is wrong in the file is told with its place, its value unless it is a secret, and the remedy."""
    file.write_text(text)

    assert [expected.format(file)] == problems(file=file)
    assert "hush" not in expected


@pytest.mark.parametrize(
    "name,text,expected",
    [
        ("PULL__STREAM", "1", "VODWORKER_PULL__STREAM is not a setting; did you mean VODWORKER_PULL__STREAMS?"),
        ("PULL_STREAMS", "1", "VODWORKER_PULL_STREAMS is not a setting; did you mean VODWORKER_PULL__STREAMS?"),
        ("CONFIGG", "1", "VODWORKER_CONFIGG is not a setting; did you mean VODWORKER_CONFIG?"),
        ("PULL__STREAMS", "two", "VODWORKER_PULL__STREAMS is 'two'; it must be a valid integer"),
        (
            "LIMITS__PROCESS_FILE",
            "1",
            "VODWORKER_LIMITS__PROCESS_FILE is not an action; did you mean VODWORKER_LIMITS__PROCESSFILE?",
        ),
        (
            "HANDLERS__OPTIONS__A",
            "1",
            "VODWORKER_HANDLERS__OPTIONS__A is not a setting; did you mean VODWORKER_HANDLERS__OPTIONS?",
        ),
        (
            "HANDLERS__OPTIONS",
            "1",
            "VODWORKER_HANDLERS__OPTIONS is no table; it must hold a table for each handler",
        ),
        ("HANDLERS__ENABLED", "[1", "VODWORKER_HANDLERS__ENABLED is '[1'; it must be a list"),
        (
            "HTTP__LISTEN",
            "host:99999",
            "VODWORKER_HTTP__LISTEN is 'host:99999'; it must be HOST:PORT, like 127.0.0.1:8790",
        ),
    ],
)
def test_wrong_variable_is_told(name: str, text: str, expected: str) -> None:
    """What is wrong in the environment is told with the variable's name and the remedy."""
    assert [expected] == problems({f"VODWORKER_{name}": text})


def test_long_lists_are_cut() -> None:
    """A name that is like no other is answered with some that there are."""
    (problem,) = problems({"VODWORKER_QQQQQ": "1"})

    assert problem.startswith("VODWORKER_QQQQQ is not a setting; there are VODWORKER_ACCOUNT__ENDPOINT, ")
    assert problem.endswith(", …")


def test_all_problems_come_at_once(file: Path) -> None:
    """Problems of names, of values and of all sources are told together."""
    file.write_text("[pull]\nstream = 1\nstreams = 0")

    assert 3 == len(problems({"VODWORKER_WORK__LEASE": "x"}, file=file))


def test_unreadable_file_is_told(tmp_path: Path) -> None:
    """A settings file that is not there, or is no text, is told with its name."""
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "secret_key").write_bytes(b"\xff")

    assert [f"{tmp_path}/none cannot be read: No such file or directory; name another file with --config"] == problems(
        file=tmp_path / "none"
    )
    assert problems(file=tmp_path / "bytes")[0].startswith(f"{tmp_path}/bytes is not TOML: ")
    assert [f"{tmp_path}/secret_key cannot be read: it is not text; check its name and its rights"] == problems(
        {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hush@host/name",
        "postgresql://user:hu@h:us/sh@host/name",
        "postgresql:///name?host=host&password=hush&user=user",
        "postgresql://host/name?password=hush",
    ],
)
def test_no_password_of_a_journal_is_shown(url: str) -> None:
    """However it is written, nothing of it is left."""
    shown = settings({"VODWORKER_JOURNAL__URL": url}).journal.shown

    assert not {"h", "us", "sh", "hu", "hush"} & {*re.findall("[a-z]+", shown)}
    assert "name" in shown


def test_no_secret_is_shown() -> None:
    """No secret is in the repr of the settings, nor a password in what is shown of the journal."""
    read = settings(
        {
            "VODWORKER_ACCOUNT__SECRET_KEY": "hush",
            "VODWORKER_ACCOUNT__TOKEN": "hush",
            "VODWORKER_JOURNAL__URL": "postgresql://user:hush@host/name",
            "VODWORKER_HANDLERS__OPTIONS__HOOK__SECRET": "hush",
        }
    )

    assert "hush" not in repr(read)
    assert "postgresql://user:***@host/name" == read.journal.shown
    assert "sqlite:///vodworker.db" == settings().journal.shown


@given(name=st.text(min_size=1), text=st.text())
def test_any_environment_is_read_or_refused(name: str, text: str) -> None:
    """Whatever the environment holds, there are settings or a list of problems, and nothing else."""
    with suppress(ConfigError):
        settings({f"VODWORKER_{name}": text, "VODWORKER_HANDLERS__ENABLED": text, "VODWORKER_HTTP__LISTEN": text})


@pytest.mark.parametrize("text", ["127.0.0.1:8790", "[::1]:0", "host:65535"])
def test_addresses_are_written_as_they_are_read(text: str) -> None:
    """An address is shown as it was given."""
    assert text == str(address(text))


def test_nearest_ignores_case() -> None:
    """Letter case does not matter to what was meant."""
    assert ["ProcessFile"] == nearest("PROCESSFIL", ACTIONS)
    assert [] == nearest("x", ACTIONS)
