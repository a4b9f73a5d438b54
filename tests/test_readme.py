"""Every block in the documents is run or checked: what a reader copies works.

An author simply writes blocks. What becomes of one follows from its language (see `CHECKS`); a comment on the line
above it can say otherwise, and a block that nobody checks fails:

    <!-- file: handlers/hello.py -->   the block is that file, and lies there when the document's console blocks run
    <!-- run by: .ci/run -->           its commands stand in that file of the repository, which is run elsewhere
    <!-- not run: why that is so -->   a picture, or what only a person can do
    <!-- in sequence: … -->            once in a document: its blocks follow each other, in one folder and one shell

Ports of this machine are others when a block runs: blocks, and whatever else runs here, are not in each other's way.

In console blocks `$ ` stands before a command and what follows is its output, in which `…` stands for anything; without
output any is right. A command ends with 0, or as it says itself: `$ vodworker check  # exits with 78`.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pytest

from vodworker.api import ACTIONS
from vodworker.cli import COMMANDS
from vodworker.config import load
from vodworker.errors import ConfigError
from vodworker.events import EVENTS
from vodworker.log import IDENTIFIERS, LOG_EVENTS
from vodworker.router import Router

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])
GROUP = "vodworker.handlers"  # the entry-point group in which a package offers handlers
CHECKOUT = re.compile(r"(git clone|cd) ")  # how a reader comes to where the commands run

EMULATOR = "8787"  # the port that it listens at, unless told
SHORTEST_REASON = 3  # words
LONGEST_COMMANDS = 150  # seconds for all commands of a block, on a busy machine; most take two


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and the comment above it: `order` is its first words, `told` the rest."""

    document: str
    line: int
    language: str
    text: str
    order: str = ""
    told: str = ""

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


class Spoken(NamedTuple):
    """A command of a console block, the code that it ends with, and the output that is shown for it."""

    command: str
    code: int
    shown: str


def blocks(document: str, text: str) -> list[Block]:
    """The fenced blocks of a document, in their order; one that is not closed goes on to the end."""
    found: list[Block] = []
    lines: list[str] = []
    fence, opened, language, order = "", 0, "", ("", "")
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            if line.strip() == fence:
                found.append(Block(document, opened, language, "".join(f"{it}\n" for it in lines), *order))
                fence, order = "", ("", "")
            else:
                lines.append(line)
        elif match := re.match(r"\s*(```+|~~~+)\s*(\S*)", line):
            fence, language, opened = match[1], match[2], number
            lines.clear()
        elif match := re.fullmatch(r"\s*<!-- *([a-z ]+): *(.*?) *-->", line):
            order = (match[1], match[2])
        elif line.strip():
            order = ("", "")
    if fence:
        found.append(Block(document, opened, language, "".join(f"{it}\n" for it in lines), "not closed"))
    return found


# The checks of each language


def check_python(block: Block, folder: Path) -> None:
    """A handler loads as the daemon would load it, tests pass, anything else runs; a warning is an error."""
    path = folder / (
        block.told if block.order == "file" else "handlers/block.py" if "@on(" in block.text else "block.py"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    if "@on(" in block.text:
        Router.load([path.parent])
    elif re.search(r"^(async )?def test_", block.text, re.MULTILINE):
        run(
            [
                sys.executable,
                "-m",
                "pytest",
                "--quiet",
                "-p",
                "no:cacheprovider",
                "-p",
                "vodworker.pytest_plugin",
                path,
            ],
            folder,
        )
    else:
        run([sys.executable, "-W", "error", path], folder)


def check_toml(block: Block, folder: Path) -> None:
    """Settings are accepted as they stand; a piece of a plug-in's pyproject.toml names the right group."""
    tables = tomllib.loads(block.text)
    if "project" in tables:
        assert GROUP in tables["project"].get("entry-points", {}), f"{block} is no settings file and offers no handler"
        return
    path = folder / "vodworker.toml"
    path.write_text(block.text, encoding="utf-8")
    load(environ={}, actions=ACTIONS, file=path, places=(), run_secrets=folder)


def check_json(block: Block, folder: Path) -> None:
    """JSON, as a whole or in lines; a line of the log has the fields that the log's table declares."""
    assert folder.is_dir()
    try:
        values = [json.loads(block.text)]
    except ValueError:
        values = [json.loads(line) for line in block.text.splitlines() if line]
    for value in values:
        if isinstance(value, dict) and (known := LOG_EVENTS.get(value.get("event", ""))):
            undeclared = value.keys() - {"time", "level", "event", *IDENTIFIERS, *known.fields}
            assert not undeclared, f"{block}: {value['event']} does not have {', '.join(sorted(undeclared))}"


def check_console(block: Block, folder: Path) -> None:
    """Each command ends as it says, with the output that is shown."""
    commands = spoken(block)
    assert commands, f"{block} has no command; each begins with `$ `"
    hold(commands, folder, str(block))


def hold(commands: list[Spoken], folder: Path, where: str) -> None:
    """Let one shell run the commands, and compare."""
    mark = "~~~ ended with"
    script = "".join(f'{{ {it.command}\n}} 2>&1; echo "{mark} $?"\n' for it in commands)
    output = run(["bash", "-u", "-c", script], folder)
    for it, (real, ended) in zip(commands, re.findall(rf"(.*?){mark} (\d+)\n", output, re.DOTALL), strict=True):
        assert it.code == int(ended), f"{where}: {it.command} ended with {ended}, not {it.code}:\n{real}"
        assert like(it.shown, real), f"{where}: {it.command} does not say this:\n{it.shown}\nbut this:\n{real}"


def follow(sequence: list[Block], folder: Path) -> None:
    """Let one shell go through all blocks: a file is put down where it stands in the document, a command is run."""
    commands: list[Spoken] = []
    for number, block in enumerate(sequence):
        match block.order:
            case "not run":
                examine(block, folder, [])
            case "file":
                (folder / f".{number}").write_text(block.text, encoding="utf-8")
                commands.append(Spoken(f"mkdir -p $(dirname {block.told}) && cp .{number} {block.told}", 0, ""))
            case _:
                commands += spoken(block)
    hold(commands, folder, sequence[0].document)


def spoken(block: Block) -> list[Spoken]:
    """The commands of a console block."""
    found: list[list[str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append([line.removeprefix("$ ")])
        else:
            assert found, f"{block} begins with something that is no command; each begins with `$ `"
            found[-1].append(line)
    commands: list[Spoken] = []
    for lines in found:
        length = 1 + next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        says = re.search(r"# exits with (\d+)$", lines[length - 1])
        commands.append(
            Spoken("\n".join(lines[:length]), int(says[1]) if says else 0, "\n".join(lines[length:]).strip())
        )
    return commands


def like(shown: str, real: str) -> bool:
    """Whether a command's output is what the document shows; spaces at the ends of lines do not count."""
    if not shown:
        return True
    pattern = ".*?".join(re.escape(line) for line in re.split("…", "\n".join(it.rstrip() for it in shown.splitlines())))
    return bool(re.fullmatch(pattern, "\n".join(it.rstrip() for it in real.strip().splitlines()), re.DOTALL))


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command as a reader would, with `vodworker` on the path and no settings but the folder's; its output.

    Whatever it leaves running ends with it.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VODWORKER_")}  # noqa: TID251  # a reader's shell
    environ |= {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "120"}
    said = folder / ".said"  # not a pipe: what was left running would hold it open
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            code = process.wait(LONGEST_COMMANDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = said.read_text(encoding="utf-8")
    assert code is not None, f"not done after {LONGEST_COMMANDS} s:\n{text}"
    assert code == 0, text
    return text


CHECKS: Mapping[str, Callable[[Block, Path], None]] = {
    "python": check_python,
    "toml": check_toml,
    "json": check_json,
    "jsonl": check_json,
    "console": check_console,
}


def examine(block: Block, folder: Path, others: list[Block]) -> None:
    """Run or check a block in an empty folder; AssertionError or the block's own error when it does not hold.

    others: the blocks of the same document, of which those that are files lie in the folder.
    """
    match block.order:
        case "not run":
            assert len(block.told.split()) >= SHORTEST_REASON, f"{block} is not run and does not say why"
        case "run by":
            there = (ROOT / block.told).read_text(encoding="utf-8")
            commands = [line.removeprefix("$ ") for line in block.text.splitlines() if not CHECKOUT.search(line)]
            assert commands, f"{block} has no command that {block.told} could run"
            for command in commands:
                bare = command.partition(" #")[0].strip()
                assert bare in there, f"{block}: {block.told} does not run `{bare}`"
        case "file" | "":
            assert block.language in CHECKS, (
                f"{block}: nobody runs {block.language or 'this'}; say why with a comment above it"
            )
            ports = {port: free_port() for it in [block, *others] for port in PORT.findall(it.text)}
            for other in others:
                if other.order == "file":
                    path = folder / other.told
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(elsewhere(other.text, ports), encoding="utf-8")
            CHECKS[block.language](replace(block, text=elsewhere(block.text, ports)), folder)
        case unknown:
            raise AssertionError(f"{block}: nobody knows the comment `{unknown}: {block.told}`")


PORT = re.compile(r"(?<=127\.0\.0\.1:)\d{4,}")  # at smaller ones nobody is meant to be
LISTENS = re.compile(r"(?<=\$ vodworker emulator)(?! --listen)")  # at its own port, then


def elsewhere(text: str, ports: Mapping[str, str]) -> str:
    """The text with other ports of this machine."""
    own = f" --listen 127.0.0.1:{ports[EMULATOR]}" if EMULATOR in ports else ""
    return LISTENS.sub(own, PORT.sub(lambda it: ports[it[0]], text))


def free_port() -> str:
    """A port that nobody has now, and that the system gives to nobody by itself."""
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)


TRANSLATION = ROOT / "README.zh-CN.md"  # has the blocks of README.md, which are run there
FOUND = {
    path.relative_to(ROOT).as_posix(): blocks(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    for path in DOCUMENTS
    if path != TRANSLATION
}


def takes_long(block: Block) -> bool:
    """Whether a daemon and a dozen commands are started; those of the README stand for all, where time is short."""
    return "$ vodworker run" in block.text and block.order != "not run" and block.document != "README.md"


SEQUENCES = {name for name in FOUND if "<!-- in sequence:" in (ROOT / name).read_text(encoding="utf-8")}


@pytest.mark.timeout(2 * LONGEST_COMMANDS)
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=[pytest.mark.long] if takes_long(block) else [], id=str(block))
        for name, found in FOUND.items()
        if name not in SEQUENCES
        for block in found
    ],
)
def test_block_holds(block: Block, tmp_path: Path) -> None:
    """What a document shows is true: code runs, settings are accepted, commands do what is shown."""
    examine(block, tmp_path, FOUND[block.document])


@pytest.mark.long
@pytest.mark.timeout(2 * LONGEST_COMMANDS)
@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_sequence_holds(name: str, tmp_path: Path) -> None:
    """Whoever does all that a document says, one step after the other, sees what it shows."""
    ports = {port: free_port() for it in FOUND[name] for port in PORT.findall(it.text)}
    follow([replace(it, text=elsewhere(it.text, ports)) for it in FOUND[name]], tmp_path)


def test_both_languages_say_the_same() -> None:
    """The Chinese README has the blocks, the names and the links of the English one, in the same order or another."""
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", TRANSLATION.name))

    assert [(it.text, it.order, it.told) for it in blocks("", english)] == [
        (it.text, it.order, it.told) for it in blocks("", chinese)
    ]
    for names in (r"^ *```.*", r"(?<!`)`([^`]+)`(?!`)", r"\]\(docs/([^)]*)\)", r"^#+ ", r"^\| "):
        assert sorted(re.findall(names, english, re.MULTILINE)) == sorted(re.findall(names, chinese, re.MULTILINE))


def test_readme_names_every_command() -> None:
    """Whoever looks for a command finds it in the README."""
    named = re.findall(r"^\| `vodworker (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(COMMANDS) == sorted(named)


def test_events_in_the_readme_are_real() -> None:
    """The fields that the README names for an event are there, and it comes after the actions named."""
    rows = re.findall(
        r"^\| `(\w+)` \| (.*) \| (.*) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    told = [(EVENTS[name], causes, fields) for name, causes, fields in rows if name in EVENTS]

    assert told
    for event, causes, fields in told:
        assert [] == [name for name in re.findall(r"`(\w+)`", fields) if not hasattr(event(), name)]
        assert [] == [name for name in re.findall(r"`(\w+)`", causes) if ACTIONS[name].starts_task != event.__name__]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """A link to a file of the repository finds it."""
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", document.read_text(encoding="utf-8"))

    assert [] == [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.parametrize("document", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_site_is_whole(document: Path) -> None:
    """A page of the site links to pages of the site only: the rest of the repository is not there."""
    assert [] == re.findall(r"\]\((\.\./[^)]*)\)", document.read_text(encoding="utf-8"))


SAMPLE = '''
```python
print("hello")
```

<!-- file: handlers/hello.py -->

```python
from vodworker import Context, Done, on
from vodworker.events import Event


@on(Event)
async def hello(event: Event, ctx: Context) -> Done:
    return Done()
```

```python
def test_sums() -> None:
    """Two and two are four."""
    assert 2 + 2 == 4
```

```toml
[pull]
streams = 3
```

```toml
[project.entry-points."vodworker.handlers"]
hello = "hello"
```

```console
$ cat handlers/hello.py
from vodworker import Context, Done, on
…
    return Done()
$ echo "one … or another" && \\
    echo two
one … another
two
$ false  # exits with 1
$ cat vodworker.toml  # exits with 1
```

```jsonl
{"event": "worker.started", "level": "info"}
{"event": "my.own", "anything": 1}
```

<!-- run by: .ci/run -->
```console
$ git clone https://example.com/vodworker && cd vodworker
$ make demo      # about a minute
```

<!-- not run: a picture of the house -->
~~~
anything
~~~
'''


@pytest.mark.timeout(2 * LONGEST_COMMANDS)
@pytest.mark.parametrize("block", blocks("sample.md", SAMPLE), ids=str)
def test_good_block_holds(block: Block, tmp_path: Path) -> None:
    """Each kind of block that an author may write passes when it is true."""
    examine(block, tmp_path, blocks("sample.md", SAMPLE))


@pytest.mark.timeout(2 * LONGEST_COMMANDS)
@pytest.mark.parametrize(
    "text,problem",
    [
        ("```python\n1 / 0\n```", "ZeroDivisionError"),
        ("```python\nimport warnings\nwarnings.warn('old')\n```", "UserWarning: old"),
        ("```python\ndef test_it():\n    assert False\n```", "1 failed"),
        ("```python\n# @on(Event) is all that there is\n```", "no handler is in it"),
        ("```python\nimport nowhere  # for @on(Event)\n```", "No module named 'nowhere'"),
        ("```toml\n[pull]\nstream = 3\n```", "did you mean pull.streams"),
        ("```toml\n[project]\nname = 'x'\n```", "offers no handler"),
        ('```json\n{"a": 1\n```', "delimiter"),
        ('```json\n{"event": "worker.started", "colour": "red"}\n```', "worker.started does not have colour"),
        ("```console\n$ false\n```", "ended with 1, not 0"),
        ("```console\n$ true  # exits with 78\n```", "ended with 0, not 78"),
        ("```console\n$ echo one\ntwo\n```", "echo one does not say this"),
        ("```console\n$ echo one two\none…three\n```", "does not say this"),
        ("```console\nmake demo\n```", "no command"),
        ("```console\n```", "has no command"),
        ("```sh\nls\n```", "nobody runs sh"),
        ("```\nls\n```", "nobody runs this"),
        ("<!-- not run: later -->\n```\nls\n```", "does not say why"),
        ("<!-- run by: .ci/run -->\n```console\n$ make love\n```", "does not run `make love`"),
        ("<!-- run by: .ci/run -->\n```console\n$ cd vodworker\n```", "no command that .ci/run could run"),
        ("<!-- seldom run: on Sundays -->\n```console\n$ ls\n```", "nobody knows the comment `seldom run: on Sundays`"),
        ("<!-- not run: text comes between -->\nSo.\n```\nls\n```", "nobody runs this"),
        ("```console\n$ true\n", "nobody knows the comment `not closed: `"),
    ],
)
def test_bad_block_fails(text: str, problem: str, tmp_path: Path) -> None:
    """A block that is not true, or that nobody runs, fails and says what is wrong."""
    (block,) = blocks("sample.md", text)

    with pytest.raises((AssertionError, ValueError, ConfigError), match=re.escape(problem)):
        examine(block, tmp_path, [])


def test_sequence_goes_on(tmp_path: Path) -> None:
    """The blocks of a sequence see what those before them did: a file as it was then, a job, a variable."""
    text = """
```console
$ x=1; sleep 60 &
```

<!-- file: some/file -->
```text
one
```

```console
$ cat some/file; echo $x
one
1
```

<!-- file: some/file -->
```text
two
```

```console
$ cat some/file
two
$ kill %1
```
"""

    follow(blocks("sample.md", text), tmp_path)

    with pytest.raises(AssertionError, match="cat some/file does not say this"):
        follow(blocks("sample.md", text.replace("two\n$", "one\n$")), tmp_path)
