"""The command line's promises: what each command prints, and the exit codes that scripts and supervisors rely on."""

import asyncio
import io
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from click import Context
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from vodworker.api import ACTIONS, ConcatVideo, CreateVodTags, DeleteVodFile, ModifyVodInfo, SourceFile
from vodworker.api.bounds import Priority
from vodworker.cli import COMMANDS, cli
from vodworker.cli.declared import parsed
from vodworker.cli.ends import failures
from vodworker.cli.shown import span
from vodworker.config import Address
from vodworker.emulator import Emulator, Settings
from vodworker.errors import ConfigError, JournalError
from vodworker.journal.port import Arrival
from vodworker.journal.sqlite import open_sqlite
from vodworker.outcome import Dead, Finished
from vodworker.watch import Systemd, Watch
from vodworker.watch.http import answering

Shell = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that commands run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shell(folder: Path) -> Shell:
    """Runs a command as a shell in `folder` would."""

    def run(*words: str, **environ: str) -> Result:
        return CliRunner().invoke(cli, words, env=environ)

    return run


def write_settings(folder: Path, endpoint: str = "http://127.0.0.1:9") -> None:
    """Settings with which everything but the network is well."""
    (folder / "handlers").mkdir()
    (folder / "handlers" / "hear.py").write_text(
        "from vodworker import on\nfrom vodworker.events import Event\n\n\n@on(Event)\ndef hear(event, ctx): ...\n"
    )
    (folder / "vodworker.toml").write_text(
        f'[account]\nendpoint = "{endpoint}"\nsecret_id = "test-secret-id"\nsecret_key = "test-secret-key"\n'
        '[calls]\nretries = 0\n[log]\nformat = "json"\n'
    )


# ---- the group


def test_commands_are_listed_with_a_line_each(shell: Shell) -> None:
    """`vodworker --help` lists every command with one line, and the exit codes."""
    result = shell("--help")

    assert 0 == result.exit_code
    listed = re.findall(r"^  (\w+)  +(\S.*)$", result.output.partition("Commands:")[2], re.MULTILINE)
    assert list(COMMANDS.items()) == listed
    assert {"run", "demo", "check", "health", "emulator", "call", "upload", "events", "tasks", "explain"} <= set(
        COMMANDS
    )
    assert [] == [line for _, line in listed if line.endswith("...")]
    assert "78 wrong settings" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_does_what_the_list_says(name: str) -> None:
    """The line of a command in the list is the first sentence of its own help."""
    command = cli.get_command(Context(cli), name)

    assert command
    assert COMMANDS[name] == command.get_short_help_str(limit=200)


LOADED = """
import sys
from vodworker.cli import cli
cli([*sys.argv[1:], "--help"], standalone_mode=False)
print(file=sys.stderr, *sys.modules)
"""


@pytest.mark.process
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "words, unwanted",
    [
        ((), {"vodworker.config", "pydantic"}),
        (("health",), {"vodworker.api.action", "vodworker.log", "asyncio"}),
        (("events", "list"), {"aiohttp", "vodworker.router"}),
    ],
)
def test_what_is_often_asked_is_answered_at_once(words: tuple[str, ...], unwanted: set[str]) -> None:
    """The list of commands waits for no command, a probe for no daemon, and a look into the journal for no client."""
    done = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True)

    assert "Usage:" in done.stdout
    assert set() == unwanted & set(done.stderr.split())


@pytest.mark.parametrize(
    "name", [*COMMANDS, "events list", "events show", "events redrive", "events discard", "events pause"]
)
def test_help_shows_an_example(shell: Shell, name: str) -> None:
    """Each command's help ends with an example of its use."""
    result = shell(*name.split(), "--help")

    assert 0 == result.exit_code
    assert f"vodworker {name}" in result.output.partition("Example")[2]


def test_wrong_command_line_is_2(shell: Shell) -> None:
    """A command that does not exist is a usage error, which names the nearest one."""
    result = shell("rn")

    assert 2 == result.exit_code
    assert "rn is not a command; did you mean run?" in result.stderr


@pytest.mark.process
@pytest.mark.timeout(60)
def test_module_is_the_command() -> None:
    """`python -m vodworker` is the command itself."""
    version = subprocess.check_output([sys.executable, "-m", "vodworker", "--version"], text=True)

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", version)


STARTED = """
import sys, vodworker.cli.run
from vodworker.cli.manners import read
read(None)
unwanted = (
    *("vodworker.emulator", "vodworker.demo", "vodworker.report", "vodworker.cloud.carrier"),
    *("aiohttp.web", "prometheus_client", "packaging", "multiprocessing"),
)
print(*(name for name in unwanted if name in sys.modules))
print(*sorted(name for name in sys.modules if name.startswith("vodworker.api.")))
from vodworker.api import ACTIONS
print(*(name for name, action in ACTIONS.items() if action.__pydantic_complete__))
"""


@pytest.mark.process
@pytest.mark.timeout(60)
def test_the_daemon_loads_only_what_it_runs(tmp_path: Path) -> None:
    """A start waits neither for other commands nor for actions that it does not call, nor for any action's model."""
    (tmp_path / "vodworker.toml").write_text("[limits]\nConfirmEvent = 900\n")
    loaded = subprocess.check_output([sys.executable, "-c", STARTED], text=True, cwd=tmp_path)

    families = " ".join(f"vodworker.api.{it}" for it in ("action", "bounds", "pages", "tasks"))
    assert f"\n{families}\n\n" == loaded


def test_groups_of_our_errors_end_as_one() -> None:
    """Errors that come out of task groups are told a line each; a wrong setting among them is exit code 78."""
    with pytest.raises(BaseException, match="broken\nwrong") as caught, failures():
        raise ExceptionGroup("", [ExceptionGroup("", [JournalError("broken")]), ConfigError(["wrong"])])

    assert 78 == getattr(caught.value, "exit_code", None)


def test_foreign_errors_keep_their_traceback() -> None:
    """An error that is not ours is a fault of vodworker, and is not dressed up as a user's mistake."""
    with pytest.raises(ExceptionGroup), failures():
        raise ExceptionGroup("", [JournalError("broken"), ZeroDivisionError()])
    with pytest.raises(ExceptionGroup), failures():
        raise ExceptionGroup("", [ZeroDivisionError()])


def test_any_stream_will_do() -> None:
    """Commands work where stdout is no file, as in a notebook."""
    with redirect_stdout(io.StringIO()) as stream:
        cli(["explain", "4100"], standalone_mode=False)

    assert "the account's" in stream.getvalue()


# ---- run


def test_run_tells_all_wrong_settings(shell: Shell, folder: Path) -> None:
    """`run` with wrong settings ends with exit code 78 and a line for each problem."""
    (folder / "vodworker.toml").write_text("[pull]\nstream = 1\n[work]\nlease = 0")
    result = shell("run")

    assert 78 == result.exit_code
    assert "" == result.stdout
    assert [
        "vodworker.toml: pull.stream is not a setting; did you mean pull.streams?",
        "vodworker.toml: work.lease is 0; it must be greater than or equal to 3",
    ] == result.stderr.splitlines()


def test_run_takes_handlers_from_the_command_line(shell: Shell, folder: Path) -> None:
    """`--handlers` stands above the settings file."""
    write_settings(folder)
    result = shell("run", "--handlers", "elsewhere")

    assert 78 == result.exit_code
    assert "elsewhere is not a directory; handlers.directories names folders with handler files\n" == result.stderr


def test_run_ends_with_1_when_the_journal_is_broken(
    shell: Shell, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A journal that cannot be opened is told in the log and on stderr, with exit code 1 for the supervisor."""
    write_settings(folder)
    (folder / "vodworker.db").write_bytes(b"no database " * 100)
    result = shell("run")

    assert 1 == result.exit_code
    (line,) = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert ("critical", "journal.failed", "sqlite:///vodworker.db") == (line["level"], line["event"], line["journal"])
    assert line["error"] in result.stderr


# ---- call


@pytest.fixture
async def emulator() -> AsyncGenerator[Emulator]:
    """The service, in the test's loop."""
    async with Emulator.serve(settings=Settings(hold=0.0)) as emulator:
        yield emulator


async def test_call_prints_the_reply(shell: Shell, folder: Path, emulator: Emulator) -> None:
    """`call` prints the reply as JSON in the service's spelling, and exits with 0."""
    write_settings(folder, emulator.url)
    result = await asyncio.to_thread(shell, "call", "gettasklist", "status=finish", "max_count=10")

    assert (0, "") == (result.exit_code, result.stderr)
    assert (0, "Success") == (json.loads(result.stdout)["code"], json.loads(result.stdout)["codeDesc"])


@pytest.mark.parametrize(
    "words", [["--config", "other.toml", "GetTaskList"], ["GetTaskList", "--config", "other.toml"]]
)
def test_settings_of_a_call_can_be_named_on_either_side(shell: Shell, words: list[str]) -> None:
    """`--config` stands before the action, as with any command, or behind it."""
    result = shell("call", *words, "status=FINISH")

    assert (78, "other.toml cannot be read") == (result.exit_code, result.stderr.partition(":")[0])


async def test_call_says_that_it_waits(shell: Shell, folder: Path, emulator: Emulator) -> None:
    """While all tokens are out `call` waits for one, and says on stderr for which and about how long."""
    write_settings(folder, emulator.url)
    async with open_sqlite(folder / "vodworker.db", sole=False) as store:
        await store.take("GetTaskList", limit=1, hold=1.5)
    limit = {"VODWORKER_LIMITS__GETTASKLIST": "1"}
    result = await asyncio.to_thread(lambda: shell("call", "GetTaskList", "status=FINISH", **limit))

    assert 0 == json.loads(result.stdout)["code"]
    assert re.fullmatch(r"waiting for a token of GetTaskList, for about [01] s\n", result.stderr)


@pytest.mark.parametrize("words", [["call", "GetTaskList", "status=FINISH"], ["check", "--online"]])
def test_service_that_is_not_there_has_a_remedy(shell: Shell, folder: Path, words: list[str]) -> None:
    """Where nothing answers, the operator is told which setting says where to look for it."""
    write_settings(folder)
    result = shell(*words)

    assert 1 == result.exit_code
    assert re.search(
        r"GetTaskList: no connection: .*; look at account\.endpoint and the way there$", result.output, re.MULTILINE
    )


async def test_call_ends_with_1_when_refused(shell: Shell, folder: Path, emulator: Emulator) -> None:
    """A refusal is told with its code and a hint, with exit code 1."""
    write_settings(folder, emulator.url)
    emulator.accounts["test-secret-id"] = "another"
    result = await asyncio.to_thread(shell, "call", "GetTaskList", "status=FINISH")

    assert (1, "") == (result.exit_code, result.stdout)
    assert "GetTaskList: code 4100" in result.stderr
    assert result.stderr.endswith("`vodworker explain 4100` says more\n")


def test_call_needs_keys(shell: Shell) -> None:
    """Without keys `call` says what is missing, with exit code 78."""
    result = shell("call", "PullEvent")

    assert 78 == result.exit_code
    assert "account.secret_id is missing" in result.stderr


@pytest.mark.parametrize(
    "words,expected",
    [
        (["ProcesFile"], "ProcesFile is not an action; did you mean ProcessFile?"),
        (["Xyzzy"], "Xyzzy is not an action; `vodworker call --help` lists them"),
        (["ProcessFile", "fileIdd=1"], "fileIdd is not a parameter of ProcessFile; did you mean fileId?"),
        (["ProcessFile", "file_idd=1"], "file_idd is not a parameter of ProcessFile; did you mean file_id?"),
        (["ProcessFile", "transcode.definitions=1"], "did you mean transcode.definition?"),
        (["DeleteVodTags", "zzz=1"], "zzz is not a parameter of DeleteVodTags; there are fileId, tags"),
        (["PullEvent", "x=1"], "x is not a parameter of PullEvent; it takes none here"),
        (["ProcessFile", "file_id.x=1"], "fileId.x is not a parameter of ProcessFile; it takes none here"),
        (["ProcessFile", "file_id"], "file_id has no value; write file_id=VALUE"),
        (["ProcessFile", "file_id=1", "fileId.0=1"], "fileId.0 is not a parameter of ProcessFile; it takes none here"),
        (["ProcessFile"], "fileId is missing; give fileId=VALUE"),
        (["ProcessFile", "file_id=1", "priority=high"], "priority: it must be a valid integer"),
        (["ProcessFile", "file_id=1", "priority=11"], "priority: it must be less than or equal to 10"),
        (
            ["ProcessFile", "file_id=1", "transcode.mosaic_list.width=1px"],
            "transcode.mosaicList.width: transcode.mosaicList is a list; write transcode.mosaicList.0.width",
        ),
        (["ConcatVideo", "src_file_list=[1"], "srcFileList is not JSON that can be sent: "),
        (["ConcatVideo", "src_file_list=[1e999]"], "srcFileList is not JSON that can be sent: "),
        (["ProcessFile", "transcode=3", "transcode.definition=1"], "transcode: a value and an object at once"),
    ],
)
def test_call_names_what_is_wrong(shell: Shell, words: list[str], expected: str) -> None:
    """A call that cannot be made is a usage error that names the nearest name or the bound; nothing is sent."""
    result = shell("call", *words)

    assert 2 == result.exit_code
    assert expected in result.stderr


def test_call_tells_all_wrong_parameters(shell: Shell) -> None:
    """All wrong names come at once."""
    result = shell("call", "ProcessFile", "a=1", "b=1", "c")

    assert 3 == len(result.stderr.partition("Error: ")[2].splitlines())


@pytest.mark.parametrize(
    "pairs,expected",
    [
        (["file_id=1", "tags=a,b"], CreateVodTags(file_id="1", tags=["a", "b"])),
        (["fileId=1", 'tags=["a", "b"]'], CreateVodTags(file_id="1", tags=["a", "b"])),
        (["FILEID=1", "tags.0=a", "tags.1=b"], CreateVodTags(file_id="1", tags=["a", "b"])),
        (
            ["file_id=1", "flush_cdn=1", "priority=1"],
            DeleteVodFile(file_id="1", flush_cdn=True, priority=Priority.HIGH),
        ),
        (["file_id=1", "file_name=[a] = {b}"], ModifyVodInfo(file_id="1", file_name="[a] = {b}")),
        (
            ["name=n", "dst_type=mp4", "src_file_list.0.file_id=1", "src_file_list.1.fileId=2"],
            ConcatVideo(name="n", dst_type=["mp4"], src_file_list=[SourceFile(file_id="1"), SourceFile(file_id="2")]),
        ),
        (
            ["name=n", "dst_type=mp4", 'srcFileList=[{"file_id": "1"}, {"fileId": "2"}]'],
            ConcatVideo(name="n", dst_type=["mp4"], src_file_list=[SourceFile(file_id="1"), SourceFile(file_id="2")]),
        ),
    ],
)
def test_values_are_read_by_the_declaration(pairs: list[str], expected: Any) -> None:
    """Names may be ours or the service's, lists may have commas, numbers or be JSON, and text stays text."""
    assert expected == parsed(type(expected), pairs)


@pytest.mark.parametrize("name", ACTIONS)
def test_each_action_explains_itself(shell: Shell, name: str) -> None:
    """`call ACTION --help` lists the action's parameters with their bounds, and its ceiling."""
    result = shell("call", name, "--help")

    assert 0 == result.exit_code
    assert ("Parameters:" in result.output) == bool(ACTIONS[name].model_fields)
    assert f"The service allows {ACTIONS[name].rate} calls in 60 s." in " ".join(result.output.split())


def test_actions_are_listed(shell: Shell) -> None:
    """`call` alone lists all actions with a sentence each."""
    result = shell("call", "--help")

    assert sorted(ACTIONS) == re.findall(r"^  ([A-Z]\w+)  ?", result.output.partition("Actions:")[2], re.MULTILINE)


def test_actions_complete() -> None:
    """A shell that completes commands completes the names of actions."""
    completions = ShellComplete(cli, {}, "vodworker", "").get_completions(["call"], "Process")

    assert ["ProcessCosMedia", "ProcessFile", "ProcessFileByProcedure"] == [it.value for it in completions]


# ---- events


DEAD, DONE, OPEN = 1, 2, 3  # events


@pytest.fixture
def journal(folder: Path, shell: Shell) -> dict[int, str]:
    """A journal with three events: one dead, one done, one open. The number of each one's entry, by event."""

    async def fill() -> None:
        async with open_sqlite(folder / "vodworker.db") as store:
            bodies = [b'{"eventType":"NewFileUpload","data":{"fileId":"%d"}}' % number for number in (1, 2, 3)]
            await store.record([Arrival(bodies[0], "NewFileUpload", "k1", ("upload",))])
            await store.record([Arrival(bodies[1], "ConcatComplete", "k2", ("publish",))])
            (dead, done) = (await store.claim({"upload": 1, "publish": 1}, lease=60.0)).entries
            await store.intend(dead, action="ProcessFile", identity="a#1", request=b'{"fileId":"1"}')
            await store.settle([(dead, Dead("no such template")), (done, Finished())])
            await store.record([Arrival(bodies[2], "NewFileUpload", "", ("upload",))])

    asyncio.run(fill())
    entries = map(json.loads, shell("events", "list").stdout.splitlines())
    return {entry["event_id"]: str(entry["id"]) for entry in entries}


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    "words,expected",
    [
        ([], [OPEN, DONE, DEAD]),
        (["--state", "dead"], [DEAD]),
        (["--state", "open"], [OPEN]),
        (["--handler", "publish"], [DONE]),
        (["--key", "k1"], [DEAD]),
        (["--type", "NewFileUpload"], [OPEN, DEAD]),
        (["--type", "FileDeleted"], []),
        (["--newer", "2h"], [OPEN, DONE, DEAD]),
        (["--older", "1.5 d"], []),
        (["--older", "0"], [OPEN, DONE, DEAD]),
        (["--limit", "1"], [OPEN]),
    ],
)
def test_events_are_listed(shell: Shell, words: list[str], expected: list[int]) -> None:
    """`events list` prints a line of JSON for each entry that was asked for, newest first."""
    result = shell("events", "list", *words)

    assert 0 == result.exit_code
    assert expected == [json.loads(line)["event_id"] for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    "words,said",
    [
        ("list --state ded", "ded is not a state; did you mean dead?"),
        ("list --handler uplaod", "uplaod is not a handler; did you mean upload?"),
        ("list --handler zzz", "zzz is not a handler; there are publish, upload"),
        ("redrive --handler publich", "publich is not a handler; did you mean publish?"),
        ("discard --type FileDelete --why x", "FileDelete is not an event type; did you mean FileDeleted?"),
        ("list --older 3weeks", "3weeks is not a span of time; write it as 90s, 15min, 2h or 3d"),
        ("pause uplaod", "uplaod is not a handler; did you mean upload?"),
        ("resume upload", "upload is not paused; there are none"),
    ],
)
def test_wrong_names_are_told(shell: Shell, words: str, said: str) -> None:
    """A name that nothing has is a failure that names the nearest real one, and not an empty list."""
    result = shell("events", *words.split())

    assert result.exit_code in {1, 2}
    assert said in result.stderr


@pytest.mark.usefixtures("journal")
def test_handlers_without_events_have_names(shell: Shell, folder: Path) -> None:
    """A handler that the settings load is known before the first event comes."""
    write_settings(folder)

    assert (0, "") == ((result := shell("events", "list", "--handler", "hear")).exit_code, result.stdout)
    assert 0 == shell("events", "pause", "hear").exit_code


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("columns", ["80", "40", "200"])
def test_events_are_a_table_for_readers(shell: Shell, columns: str) -> None:
    """A reader sees each entry in a line, its event and reason below it, and the sums; 80 columns are enough."""
    result = shell("events", "list", "--table", COLUMNS=columns)

    lines = result.stdout.splitlines()
    assert re.search(r"3 events, .*1 done, 1 dead", " ".join(result.stdout.split()))
    assert max(map(len, lines)) <= int(columns)
    if columns != "40":
        assert ["entry  state  try    age  handler  type", "    event 3, no key: due"] == [lines[0], lines[2]]
        assert "    event 1, k1: dead: no such template" in lines


@pytest.mark.usefixtures("journal")
def test_handler_rests_until_it_is_resumed(shell: Shell) -> None:
    """`events pause` and `resume` say what they did; whoever lists entries sees what is paused, and why."""
    paused = shell("events", "pause", "upload", "--why", "the shop is closed")
    listed = shell("events", "list", "--table")
    wrong = shell("events", "resume", "uplaod")
    resumed = shell("events", "resume", "upload")

    assert "upload is paused; `vodworker events resume upload` lets it go on\n" == paused.stdout
    assert "no key: its handler is paused: the shop is closed" in listed.stdout
    assert re.search(r"upload has been paused for \d\.\d s: the shop is closed", listed.stdout)
    assert (1, "uplaod is not paused; did you mean upload?\n") == (wrong.exit_code, wrong.stderr)
    assert (0, "upload goes on\n") == (resumed.exit_code, resumed.stdout)


@pytest.mark.usefixtures("journal")
def test_event_is_shown_whole(shell: Shell) -> None:
    """`events show` tells an event's body, confirmation, entries and calls; as JSON, or for reading."""
    result = shell("events", "show", "1")
    table = shell("events", "show", "1", "--table", COLUMNS="150")
    bare = shell("events", "show", "2", "--table", COLUMNS="150")

    event = json.loads(result.stdout)
    assert ("NewFileUpload", "never sent", {"fileId": "1"}) == (
        event["type"],
        event["confirmation"],
        event["body"]["data"],
    )
    assert ("dead: no such template", "in doubt") == (event["entries"][0]["why"], event["calls"][0]["state"])
    for words in ("NewFileUpload", "never sent", "no such template", "call ProcessFile", "in doubt", '"fileId": "1"'):
        assert words in table.stdout
    assert re.search(r"^    attempt 1, \d\.\d s ago: dead: no such template$", table.stdout, re.MULTILINE)
    assert re.search(r'^        request \{"fileId":"1"\}$', table.stdout, re.MULTILINE)
    assert "call" not in bare.stdout


def test_any_event_can_be_shown(shell: Shell, folder: Path) -> None:
    """An event with half of a character in it is shown too, in both forms."""

    async def fill() -> int:
        async with open_sqlite(folder / "vodworker.db") as store:
            (receipt,) = await store.record([Arrival('{"data":"half \\ud800 全"}'.encode(), "", "", ())])
        return receipt.event_id

    number = str(asyncio.run(fill()))

    assert {"data": "half \ud800 全"} == json.loads(shell("events", "show", number).stdout)["body"]
    assert "half \\ud800 全" in shell("events", "show", number, "--table").stdout


@pytest.mark.usefixtures("journal")
def test_unknown_event_is_told(shell: Shell) -> None:
    """`events show` of an event that is not there fails with a hint."""
    result = shell("events", "show", "99")

    assert (1, "there is no event 99; `vodworker events list` has the numbers\n") == (result.exit_code, result.stderr)


@pytest.mark.parametrize("words", [["ID"], ["--handler", "upload"], ["--key", "k1", "--type", "NewFileUpload"]])
def test_dead_entries_are_redriven(shell: Shell, journal: dict[int, str], words: list[str]) -> None:
    """`events redrive` opens dead entries again, by their numbers or their properties."""
    result = shell("events", "redrive", *(journal[DEAD] if word == "ID" else word for word in words))

    assert (0, "1 of 1 entry open again\n") == (result.exit_code, result.stdout)
    assert "" == shell("events", "list", "--state", "dead").stdout


def test_only_dead_entries_are_redriven(shell: Shell, journal: dict[int, str]) -> None:
    """Entries that were named and cannot be redriven are a failure that says how many."""
    result = shell("events", "redrive", journal[DEAD], journal[DONE])

    assert 1 == result.exit_code
    assert result.stderr.startswith("1 of 2 entries open again; only dead ones can be, by the entry's number, not")


def test_entries_are_discarded_with_a_reason(shell: Shell, journal: dict[int, str]) -> None:
    """`events discard` ends entries for good and keeps the reason."""
    result = shell("events", "discard", journal[DEAD], journal[OPEN], "--why", "deleted by hand")

    assert (0, "2 of 2 entries discarded\n") == (result.exit_code, result.stdout)
    discarded = shell("events", "list", "--state", "discarded").stdout.splitlines()
    assert {"discarded: deleted by hand"} == {json.loads(line)["why"] for line in discarded}


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("words", ["redrive", "redrive 1 --key k1", "discard --why x", "discard 1"])
def test_entries_must_be_named(shell: Shell, words: str) -> None:
    """Redriving or discarding everything by accident is not possible, nor discarding without a reason."""
    assert 2 == shell("events", *words.split()).exit_code
    assert 2 == shell("events", "discard", "1000", "--why", " ").exit_code


def test_no_journal_is_made_by_looking(shell: Shell, folder: Path) -> None:
    """Whoever looks into a journal that is not there is told so, and none is made."""
    result = shell("events", "list")

    assert 1 == result.exit_code
    assert "vodworker.db: there is no journal" in result.stderr
    assert [] == list(folder.iterdir())


@pytest.mark.parametrize("seconds,expected", [(0.0, "0.0 s"), (61.0, "1.0 min"), (7200.0, "2.0 h"), (90000.0, "1.0 d")])
def test_durations_are_short(seconds: float, expected: str) -> None:
    """A duration is told in the largest unit that it fills."""
    assert expected == span(seconds)


# ---- check


def test_check_finds_everything(shell: Shell, folder: Path) -> None:
    """`check` goes on after a problem, tells each with its remedy, and exits with 78 for settings."""
    (folder / "vodworker.toml").write_text('[journal]\nurl = "sqlite:///nowhere/x.db"')
    result = shell("check")

    assert 78 == result.exit_code
    assert ["ok", "wrong", "wrong", "wrong", "wrong"] == [line.split()[0] for line in result.stdout.splitlines()]
    assert f"nowhere/x.db cannot be made; create {folder}/nowhere, writable for this user" in result.stdout
    assert "4 of these must be mended\n" == result.stderr


def test_check_looks_on_when_settings_are_wrong(shell: Shell, folder: Path) -> None:
    """What is wrong with one section keeps `check` from none of the others, and from guessing at that one itself."""
    (folder / "handlers").mkdir()
    (folder / "handlers" / "a.py").write_text("import nowhere")
    (folder / "vodworker.toml").write_text(
        '[pull]\nstrems = 3\nstreams = 0\n[account]\nsecret_id = "test-secret-id"\n[journal]\nurl = "x"'
    )
    result = shell("check", "--online")

    assert 78 == result.exit_code
    assert [
        "wrong  settings",
        "wrong  settings",
        "wrong  settings",
        "wrong  account",
        "wrong  handlers",
        "later  journal",
        "later  service",
    ] == [line[:17].rstrip() for line in result.stdout.splitlines()]
    assert "a.py: line 1: ModuleNotFoundError" in result.stdout
    assert "5 of these must be mended\n" == result.stderr


def test_check_of_an_unreadable_file_is_one_problem(shell: Shell, folder: Path) -> None:
    """A file that cannot be read leaves nothing to look at, and is not told as many problems."""
    (folder / "vodworker.toml").write_text("[pull")
    result = shell("check")

    assert (78, "this must be mended\n") == (result.exit_code, result.stderr)
    assert ["wrong", "later", "later", "later"] == [line.split()[0] for line in result.stdout.splitlines()]


def test_check_is_content(shell: Shell, folder: Path) -> None:
    """With everything in place `check` exits with 0, and makes no journal."""
    write_settings(folder)
    result = shell("check")

    assert 0 == result.exit_code
    assert [
        "ok     settings",
        "ok     account   test-secret-id at http://127.0.0.1:9/v2/index.php",
        "ok     handlers  hear",
        "ok     journal   sqlite:///vodworker.db will be made",
    ] == result.stdout.splitlines()
    assert not (folder / "vodworker.db").exists()


async def test_check_goes_online(shell: Shell, folder: Path, emulator: Emulator) -> None:
    """`check --online` makes one signed call, and fails with 1 when the service does not accept it."""
    write_settings(folder, emulator.url)
    accepted = await asyncio.to_thread(shell, "check", "--online")
    emulator.accounts.clear()
    refused = await asyncio.to_thread(shell, "check", "--online")

    assert (0, "ok     service   accepts the keys") == (accepted.exit_code, accepted.stdout.splitlines()[-1])
    assert not (folder / "vodworker.db").exists()
    assert (1, "this must be mended") == (refused.exit_code, refused.stderr.splitlines()[-1])
    assert "wrong  service   GetTaskList: code 4104" in refused.stdout


@pytest.mark.usefixtures("journal")
def test_check_writes_into_the_journal(shell: Shell, folder: Path) -> None:
    """`check` proves that an existing journal can be written, twice in a row too."""
    write_settings(folder)
    shell("check")
    result = shell("check")

    assert "ok     journal   sqlite:///vodworker.db with 3 events, 1 entries dead" in result.stdout


# ---- health


@pytest.fixture
async def watched(folder: Path) -> AsyncGenerator[Watch]:
    """A watch that answers where the settings say."""
    watch = Watch(Systemd.of({}))
    async with answering(Address("127.0.0.1", 0), watch, [], limit=lambda _: 100) as address:
        (folder / "vodworker.toml").write_text(f'[http]\nlisten = "{address}"')
        yield watch


async def test_health_asks_the_daemon(shell: Shell, watched: Watch) -> None:
    """`health` is content with a daemon that lives, with --ready with one that takes in events, and else tells why."""
    alive = await asyncio.to_thread(shell, "health")
    unready = await asyncio.to_thread(shell, "health", "--ready")
    watched.health.hear("pull.done", {})
    watched.health.journal_answered()
    ready = await asyncio.to_thread(shell, "health", "--ready")

    assert (0, "alive\n") == (alive.exit_code, alive.stdout)
    assert (1, "the journal is not open yet\nno pull has worked yet\n") == (unready.exit_code, unready.stderr)
    assert (0, "ready\n") == (ready.exit_code, ready.stdout)


def test_health_of_nobody_is_1(shell: Shell) -> None:
    """Where nothing listens, or something else does, the daemon is not well."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
    result = shell("health", VODWORKER_HTTP__LISTEN=place)

    assert 1 == result.exit_code
    assert f"no daemon answers at {place}: [Errno 111] Connection refused\n" == result.stderr


def test_health_needs_an_address(shell: Shell) -> None:
    """Without http.listen nobody can be asked, with exit code 78."""
    result = shell("health")

    assert (78, True) == (result.exit_code, result.stderr.startswith("http.listen is off; set it"))


# ---- tasks


def test_tasks_are_listed(shell: Shell, folder: Path) -> None:
    """`tasks` tells what is out, where it came from and what it waits for, as JSON or as a table; its id is whole."""
    task = "1250000001-Procedure-838e723f13a134be84aae6e1135a5358"

    async def start() -> None:
        async with open_sqlite(folder / "vodworker.db") as store:
            await store.record([Arrival(b"{}", "NewFileUpload", "k1", ("publish",))])
            (entry,) = (await store.claim({"publish": 1}, lease=60.0)).entries
            await store.intend(entry, action="ProcessFile", identity="a#1", request=b"{}")
            await store.replied(entry, identity="a#1", reply=b"{}", task=task, ends_in="ProcedureStateChanged")

    asyncio.run(start())
    (row,) = map(json.loads, shell("tasks").stdout.splitlines())
    table = shell("tasks", "--table", COLUMNS="80").stdout

    assert (task, "ProcessFile", "publish", 1, "ProcedureStateChanged") == tuple(
        row[name] for name in ("task", "action", "handler", "event_id", "waits_for")
    )
    assert f"    {task}" in table.splitlines()


# ---- explain


def test_code_is_explained(shell: Shell) -> None:
    """`explain` tells where, why, whose fault, whether trying again helps, and what to do."""
    result = shell("explain", "4100")

    assert 0 == result.exit_code
    assert ["where", "why", "fault", "again", "do"] == [line.split()[0] for line in result.stdout.splitlines()]
    assert "the account's" in result.stdout


def test_an_explanation_needs_no_settings(shell: Shell, folder: Path) -> None:
    """Settings that are wrong keep nobody from an explanation, and in their language where that can be read."""
    (folder / "vodworker.toml").write_text('[nonsense]\n[log]\nlanguage = "zh"')
    result = shell("explain", "4100")

    assert 0 == result.exit_code
    assert "环节" in result.stdout


def test_code_is_explained_in_chinese(shell: Shell) -> None:
    """The setting log.language, or the option, chooses the language."""
    by_option = shell("explain", "4100", "--language", "zh")
    by_setting = shell("explain", "4100", VODWORKER_LOG__LANGUAGE="zh")

    assert by_option.stdout == by_setting.stdout
    assert "账号" in by_option.stdout


def test_negative_code_is_a_code(shell: Shell) -> None:
    """Codes below 0 need no dashes; JSON for machines."""
    result = shell("explain", "-46001", "--json")

    assert -46001 == json.loads(result.stdout)["code"]


def test_unknown_code_is_1(shell: Shell) -> None:
    """A code that no document has exits with 1, and nothing is claimed of it."""
    result = shell("explain", "5")

    assert 1 == result.exit_code
    assert "again not known\n" in result.stdout


# ---- emulator


def test_emulator_names_a_port_in_use(shell: Shell) -> None:
    """A port that another program has is told with what to do, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        result = shell("emulator", "--listen", place)

    assert 1 == result.exit_code
    assert f"nothing can listen on {place}: Address already in use; choose another --listen\n" == result.stderr


# ---- processes


@pytest.mark.process
@pytest.mark.timeout(60)
def test_daemon_works_against_the_emulator_and_stops(folder: Path) -> None:
    """`emulator` and `run` start, work together, and end with 0 on Ctrl-C or SIGTERM."""
    with started("emulator", "--listen", "127.0.0.1:0") as service:
        write_settings(folder, told(service, "emulator.started")["endpoint"])
        with started("run") as daemon:
            ready = told(daemon, "worker.ready")
            daemon.send_signal(signal.SIGINT)
            last = told(daemon, "worker.stopped")
        service.send_signal(signal.SIGTERM)
        told(service, "emulator.stopped")

    assert (0, 0) == (ready["open"], last["open"])
    assert (0, 0) == (daemon.returncode, service.returncode)


@contextmanager
def started(*words: str) -> Generator[subprocess.Popen[str]]:
    """A process of the command, ended when the block is."""
    command = [sys.executable, "-m", "vodworker", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
            process.wait(45)
        finally:
            process.kill()


def told(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """The next line of the log with this event."""
    assert process.stdout
    return next(line for line in map(json.loads, process.stdout) if line["event"] == event)


def test_emulator_refuses_a_wrong_address(shell: Shell) -> None:
    """An address that is none is a usage error."""
    result = shell("emulator", "--listen", "here")

    assert 2 == result.exit_code
    assert "HOST:PORT" in result.stderr
