"""The house keeps its shape: imports point down, and what the house forbids does not occur.

The picture and the exceptions are tables: a new room is one row, an exception is one row with its reason.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "vodworker"

BEDROCK, WORDS, EDGES, DOOR, ENGINE, ROOF, FRONT = range(7)
ANNEX = -1  # beside the house: sees bedrock and words, is seen from the roof


class Room(NamedTuple):
    """A module or package of the house; on one floor, only rooms of one wing see each other."""

    name: str
    floor: int
    wing: str


HOUSE = (
    Room("alarm", BEDROCK, "bedrock"),
    Room("codes", BEDROCK, "bedrock"),
    Room("door", BEDROCK, "bedrock"),
    Room("errors", BEDROCK, "bedrock"),
    Room("outcome", BEDROCK, "bedrock"),
    Room("wire", BEDROCK, "bedrock"),
    Room("sign", BEDROCK, "bedrock"),
    Room("media", BEDROCK, "bedrock"),
    Room("texts", BEDROCK, "bedrock"),
    Room("api", WORDS, "api"),
    Room("events", WORDS, "events"),
    Room("journal.port", WORDS, "port"),  # what is asked of a store is words; how a store does it is an edge
    Room("cloud", EDGES, "cloud"),
    Room("journal", EDGES, "journal"),
    Room("config", EDGES, "config"),
    Room("log", EDGES, "log"),
    Room("printed", EDGES, "log"),
    Room("handler", DOOR, "door"),
    Room("options", DOOR, "door"),
    Room("otel", DOOR, "door"),
    Room("resources", DOOR, "door"),
    Room("router", DOOR, "door"),
    Room("shape", DOOR, "door"),
    Room("threads", DOOR, "door"),
    Room("plugins", DOOR, "door"),
    Room("worker", ENGINE, "worker"),
    Room("watch", ENGINE, "watch"),  # beside the worker: hears its log, and neither knows of the other
    Room("cli", ROOF, "roof"),
    Room("app", ROOF, "roof"),
    Room("place", ROOF, "roof"),
    Room("reload", ROOF, "roof"),
    Room("reference", ROOF, "roof"),
    Room("stop", ROOF, "roof"),
    Room("report", ROOF, "roof"),
    Room("testing", ROOF, "roof"),
    Room("pytest_plugin", ROOF, "roof"),
    Room("demo", ROOF, "roof"),
    Room("torture", ROOF, "roof"),
    Room("__main__", ROOF, "roof"),
    Room("emulator", ANNEX, "emulator"),
    Room("", FRONT, "front"),  # the package itself: the names that plug-ins import; nothing inside imports it
)
# All that a plug-in may import of ours.
PUBLIC = frozenset({"vodworker", "vodworker.api", "vodworker.codes", "vodworker.events"})

IMPURE = (  # what bedrock and words may not touch: clocks, chance, I/O and the event loop
    *(
        "aiohttp",
        "asyncio",
        "http",
        "io",
        "logging",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "shutil",
        "socket",
    ),
    *("sqlite3", "ssl", "structlog", "subprocess", "tempfile", "threading", "time", "urllib.request"),
)
KEPT = {  # a library that only these rooms may know
    "asyncio_throttle": {"cloud"},
    "click": {"cli", "__main__"},
    "opentelemetry": {"otel"},
    "prometheus_client": {"watch"},
    "psycopg": {"journal"},
    "qcloud_cos": {"cloud"},
    "sqlite3": {"journal"},
    "watchfiles": {"cli"},
}

ALLOWED: Mapping[tuple[str, str], str] = {  # (file, rule): why it may; one that nobody needs any more is an error
    ("vodworker/cloud/client.py", "sleep"): "waits out a backoff before the same call again; a stop cancels it",
    ("vodworker/cloud/queue.py", "sleep"): "waits until the oldest call leaves the window: only the time says when",
    ("vodworker/cloud/ledger.py", "sleep"): "a call may still be on its way, and a task tells nothing before it begins",
    ("vodworker/cloud/carrier.py", "sleep"): "waits out a backoff before the same part again",
    ("vodworker/testing/world.py", "sleep"): "lets virtual time pass",
    ("vodworker/emulator/door.py", "sleep"): "a fault that was asked for: a call or its reply that is late",
    ("vodworker/worker/follow.py", "sleep"): "looks for overdue tasks at intervals: only the time says when",
    ("vodworker/watch/pulse.py", "sleep"): "measures how late the loop wakes",
    ("vodworker/watch/watch.py", "sleep"): "asks the journal at intervals whether it answers",
    ("vodworker/worker/loop.py", "sleep"): "sweeps at intervals: only the time says when",
    ("vodworker/worker/take_in.py", "sleep"): "waits out a backoff before the next pull or confirmation",
    ("vodworker/worker/work_off.py", "sleep"): "renews leases: only the time says when",
    ("tests/watch/test_daemon.py", "real_sleep"): "a prober leaves the processor to whom it asks",
}


@dataclass(frozen=True)
class Source:
    """A file of ours, read and parsed."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        """The dotted name that it is imported by."""
        return ".".join(Path(self.path).with_suffix("").parts).removesuffix(".__init__")


def sources(*folders: str) -> list[Source]:
    """Every Python file in these folders of the repository."""
    return [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


OURS = sources(PACKAGE, "handlers")
MODULES = frozenset(source.module for source in OURS)


# Imports


def imports(source: Source, modules: frozenset[str] = MODULES) -> set[str]:
    """The modules that a file imports, wherever in it; of `from a import b`, `a.b` when that is a module of ours."""
    found: set[str] = set()
    package = source.module if source.path.endswith("__init__.py") else source.module.rpartition(".")[0]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in modules else base)
    return found


def room(module: str) -> Room | None:
    """The room that a module of ours stands in: the row with the longest name that it begins with."""
    inside = module.removeprefix(PACKAGE).removeprefix(".")
    rows = [row for row in HOUSE if inside == row.name or (row.name and inside.startswith(f"{row.name}."))]
    return max(rows, key=lambda row: len(row.name), default=None)


def may_see(one: Room, other: Room) -> bool:
    """Whether a module in one room may import from the other."""
    if one == other:
        return True
    if other.floor == ANNEX:
        return one.floor == ROOF
    if one.floor == ANNEX:
        return other.floor in {BEDROCK, WORDS}
    return other.floor < one.floor or (other.floor == one.floor and other.wing == one.wing)


def upward(source: Source, modules: frozenset[str] = MODULES) -> list[str]:
    """The imports of a module of the house that do not point down."""
    here = room(source.module)
    if here is None:
        return [f"{source.module} has no room; add its row to HOUSE"]
    return [
        f"{source.module} may not import {name}"
        for name in sorted(imports(source, modules))
        if name.split(".")[0] == PACKAGE and not ((there := room(name)) and may_see(here, there))
    ]


def private(source: Source) -> list[str]:
    """The imports of a plug-in that are none of its business."""
    return sorted(name for name in imports(source) if name.split(".")[0] == PACKAGE and name not in PUBLIC)


def foreign(source: Source) -> list[str]:
    """The libraries that a module imports and that its room may not know."""
    here = room(source.module)
    if here is None:
        return []
    names = {name for name in imports(source) if name.split(".")[0] != PACKAGE}
    impure = {name for name in names if name in IMPURE or name.split(".")[0] in IMPURE}
    kept = {name for name in names if here.name not in KEPT.get(name.split(".")[0], {here.name})}
    return sorted(kept | (impure if here.floor in {BEDROCK, WORDS} else set()))


def cycle(files: list[Source]) -> list[str]:
    """A cycle among the imports of these files, or nothing."""
    modules = frozenset(file.module for file in files)
    try:
        TopologicalSorter({file.module: (imports(file, modules) & modules) - {file.module} for file in files}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


HOUSEHOLD = [source for source in OURS if source.path.startswith(f"{PACKAGE}/")]
PLUGINS = [source for source in OURS if source.path.startswith("handlers/")]


def test_imports_point_down() -> None:
    """A room imports from the floors below it and from its own wing; the annex is seen from the roof alone."""
    assert [] == [breach for source in HOUSEHOLD for breach in upward(source)]


def test_picture_shows_what_is_there() -> None:
    """Every room of the picture is in the house."""
    rooms = {row.name for row in HOUSE}

    assert set() == rooms - {found.name for source in HOUSEHOLD if (found := room(source.module))}


def test_imports_make_no_cycle() -> None:
    """No module imports itself by way of others, not even inside a function or for types only."""
    assert [] == cycle(OURS)


def test_plugins_import_public_names() -> None:
    """The shipped handlers import what any user's handler may import: they are good to copy from."""
    assert {} == {source.path: names for source in PLUGINS if (names := private(source))}


def test_rooms_know_only_their_libraries() -> None:
    """Bedrock and words touch no clock, no chance and no I/O; a library of one room stays in it."""
    assert {} == {source.path: names for source in HOUSEHOLD if (names := foreign(source))}


@pytest.mark.parametrize(
    "path,text,expected",
    [
        ("vodworker/wire.py", "from vodworker.errors import X", []),
        ("vodworker/wire.py", "from vodworker import api", ["vodworker.wire may not import vodworker.api"]),
        ("vodworker/wire.py", "def f():\n    import vodworker.cli", ["vodworker.wire may not import vodworker.cli"]),
        ("vodworker/wire.py", "from vodworker import Done", ["vodworker.wire may not import vodworker"]),
        ("vodworker/wire.py", "from . import api", ["vodworker.wire may not import vodworker.api"]),
        ("vodworker/api/media.py", "from .action import Action", []),
        ("vodworker/api/media.py", "from ..events import E", ["vodworker.api.media may not import vodworker.events"]),
        ("vodworker/api/__init__.py", "from .action import Action", []),
        ("vodworker/cloud/client.py", "from vodworker.journal.port import Tokens", []),
        (
            "vodworker/cloud/client.py",
            "from vodworker.journal.sqlite import S",
            ["vodworker.cloud.client may not import vodworker.journal.sqlite"],
        ),
        ("vodworker/journal/sqlite.py", "from vodworker.journal.port import Entry", []),
        ("vodworker/emulator/queue.py", "from vodworker.api import PullEvent", []),
        (
            "vodworker/emulator/queue.py",
            "import vodworker.cloud.client",
            ["vodworker.emulator.queue may not import vodworker.cloud.client"],
        ),
        (
            "vodworker/worker.py",
            "from vodworker.emulator import E",
            ["vodworker.worker may not import vodworker.emulator"],
        ),
        ("vodworker/demo.py", "from vodworker.emulator import E\nfrom vodworker.app import run", []),
        ("vodworker/__init__.py", "from vodworker.router import on", []),
        ("vodworker/utils.py", "", ["vodworker.utils has no room; add its row to HOUSE"]),
        ("vodworker/apian.py", "", ["vodworker.apian has no room; add its row to HOUSE"]),
    ],
)
def test_upward_import_is_seen(path: str, text: str, expected: list[str]) -> None:
    """The picture is read as it is meant: each floor sees what it may, and nothing else."""
    modules = frozenset({"vodworker.api", "vodworker.events", "vodworker.errors", "vodworker.cli"})

    assert expected == upward(Source(path, text), modules)


@pytest.mark.parametrize(
    "path,text,expected",
    [
        ("vodworker/wire.py", "import json, time", ["time"]),
        ("vodworker/api/media.py", "from urllib.request import urlopen", ["urllib.request"]),
        ("vodworker/sign.py", "from urllib.parse import quote", []),
        ("vodworker/worker.py", "import asyncio, sqlite3", ["sqlite3"]),
        ("vodworker/journal/sqlite.py", "import sqlite3", []),
        ("vodworker/router.py", "import click.testing", ["click.testing"]),
    ],
)
def test_foreign_import_is_seen(path: str, text: str, expected: list[str]) -> None:
    """A library outside its room is found, a submodule of it too."""
    assert expected == foreign(Source(path, text))


def test_private_import_is_seen() -> None:
    """A plug-in that reaches behind the public names is found."""
    text = "from vodworker import on\nfrom vodworker.api import ProcessFile\nfrom vodworker.router import Router"

    assert ["vodworker.router"] == private(Source("handlers/x.py", text))


def test_cycle_is_seen() -> None:
    """Two modules that import each other are found."""
    one = Source("vodworker/a.py", "def f():\n    from vodworker import b")
    two = Source("vodworker/b.py", "import vodworker.a")

    assert {"vodworker.a", "vodworker.b"} == set(cycle([one, two]))
    assert [] == cycle([one])


# What does not occur


def dotted(node: ast.expr) -> str:
    """`a.b.c` for such an expression; a call inside it is `a.b().c`; "" for anything else."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, name):
            return f"{dotted(value)}.{name}"
        case ast.Call(function):
            return f"{dotted(function)}()"
        case _:
            return ""


def kinds(handler: ast.ExceptHandler) -> set[str]:
    """The last names of the classes that a handler catches; a bare one catches BaseException."""
    match handler.type:
        case None:
            return {"BaseException"}
        case ast.Tuple(elts):
            return {dotted(kind).split(".")[-1] for kind in elts}
        case kind:
            return {dotted(kind).split(".")[-1]}


def broad_except(source: Source) -> list[int]:
    """Lines that catch or suppress everything."""
    broad = {"Exception", "BaseException"}
    found: list[int] = []
    for node in ast.walk(source.tree):
        match node:
            case ast.ExceptHandler() if broad & kinds(node):
                found.append(node.lineno)
            case ast.Call(function, arguments) if dotted(function).endswith("suppress"):
                found.extend(node.lineno for argument in arguments if dotted(argument) in broad)
            case _:
                pass
    return found


def caught_cancellation(source: Source) -> list[int]:
    """Lines that catch a cancellation."""
    handlers = [node for node in ast.walk(source.tree) if isinstance(node, ast.ExceptHandler)]
    return [handler.lineno for handler in handlers if "CancelledError" in kinds(handler)]


def task_groups(tree: ast.Module) -> set[str]:
    """The names that a file gives to task groups."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.withitem(context_expr=ast.Call(function), optional_vars=ast.expr() as target) if dotted(
                function
            ).endswith("TaskGroup"):
                found.add(dotted(target).split(".")[-1])
            case ast.arg(name, annotation=ast.expr() as kind) if "TaskGroup" in ast.unparse(kind):
                found.add(name)
            case ast.AnnAssign(target=target, annotation=kind) if "TaskGroup" in ast.unparse(kind):
                found.add(dotted(target).split(".")[-1])
            case ast.Assign(targets=[target], value=value) if "TaskGroup()" in ast.unparse(value):
                found.add(dotted(target).split(".")[-1])
            case _:
                pass
    return found


def calls(source: Source) -> list[tuple[ast.Call, str]]:
    """The calls in a file, each with the dotted name of what it calls."""
    return [(node, dotted(node.func)) for node in ast.walk(source.tree) if isinstance(node, ast.Call)]


def loose_task(source: Source) -> list[int]:
    """Lines that start work which no task group holds; the linter knows asyncio's own functions, here are its loops."""
    groups = task_groups(source.tree)
    return [
        node.lineno
        for node, name in calls(source)
        if name.endswith((".create_task", ".ensure_future")) and name.split(".")[-2] not in groups
    ]


def sleep(source: Source) -> list[int]:
    """Lines that wait for time to pass instead of for the thing itself; `asyncio.sleep(0)` only gives others a turn."""
    froms = [node for node in ast.walk(source.tree) if isinstance(node, ast.ImportFrom) and node.module == "asyncio"]
    names = {"asyncio.sleep", *(alias.asname or alias.name for node in froms for alias in node.names)}
    return [
        node.lineno
        for node, name in calls(source)
        if name in names & {"asyncio.sleep", "sleep"} and [ast.unparse(argument) for argument in node.args] != ["0"]
    ]


def unverified(source: Source) -> list[int]:
    """Lines that could talk over TLS with anybody: a connection proves who it is with, and no option changes that."""
    found: list[int] = []
    for node in ast.walk(source.tree):
        match node:
            case ast.keyword("ssl" | "verify" | "verify_ssl" | "check_hostname", ast.Constant(False)):
                found.append(node.value.lineno)
            case ast.Attribute(attr="CERT_NONE" | "_create_unverified_context" | "check_hostname" | "verify_mode"):
                found.append(node.lineno)
            case _:
                pass
    return found


OVERRULING = re.compile(r"#\s*(type: *ignore|pyright: *ignore|noqa|pragma: *no)")
RULED = re.compile(
    r"#\s*((type|pyright): *ignore\[[\w, -]+\]|noqa: *[A-Z]+\d+(, *[A-Z]+\d+)*|pragma: no (cover|branch))"
)


def unexplained(source: Source) -> list[int]:
    """Lines that overrule a checker without saying which rule and why, or leave code uncovered without a reason."""
    found: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and OVERRULING.search(token.string):
            rest = RULED.sub("", token.string)
            if OVERRULING.search(rest) or not re.search(r"[a-z]{2}", rest):
                found.append(token.start[0])
    return found


def real_sleep(source: Source) -> list[int]:
    """Lines of a test that really sleep: in virtual time, which a conftest leaves to its tests, a sleep takes none."""
    virtual = "vodworker.testing" in imports(source) or source.path.endswith("conftest.py")
    return [] if virtual else sleep(source)


def patching(source: Source) -> list[int]:
    """Lines of a test that put something false in the place of our own code."""
    patches = ("monkeypatch.setattr", "monkeypatch.setitem", "monkeypatch.delattr", "mocker.patch")
    return [node.lineno for node, name in calls(source) if name.startswith(patches)]


Rule = Callable[[Source], list[int]]
RULES: tuple[Rule, ...] = (broad_except, caught_cancellation, loose_task, sleep, unverified, unexplained)
TEST_RULES: tuple[Rule, ...] = (real_sleep, patching)


def breaches(rule: Rule, files: list[Source]) -> dict[str, list[int]]:
    """The files that break a rule and are not allowed to, with the lines."""
    return {file.path: lines for file in files if (file.path, rule.__name__) not in ALLOWED if (lines := rule(file))}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_is_kept(rule: Rule) -> None:
    """What the house forbids does not occur in it, but where the table of exceptions gives a reason."""
    assert {} == breaches(rule, OURS)


@pytest.mark.parametrize("rule", TEST_RULES, ids=lambda rule: rule.__name__)
def test_rule_is_kept_by_tests(rule: Rule) -> None:
    """Tests neither sleep nor patch."""
    assert {} == breaches(rule, sources("tests"))


def test_exceptions_are_needed() -> None:
    """Every row in the table of exceptions still allows something."""
    rules = {rule.__name__: rule for rule in (*RULES, *TEST_RULES)}
    files = {source.path: source for source in [*OURS, *sources("tests")]}

    assert [] == [(path, rule) for path, rule in ALLOWED if path not in files or not rules[rule](files[path])]


def test_one_door_swallows() -> None:
    """Exactly one context manager may keep whatever goes by from going on: the plug-in door."""
    exits = {"__exit__", "__aexit__"}

    assert ["vodworker/door.py"] == [
        file.path
        for file in OURS
        for node in ast.walk(file.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in exits
        if not (isinstance(node.returns, ast.Constant) and node.returns.value is None)
    ]


@pytest.mark.parametrize(
    "rule,text,expected",
    [
        (broad_except, "try:\n    f()\nexcept ValueError:\n    pass", []),
        (broad_except, "try:\n    f()\nexcept Exception:\n    pass", [3]),
        (broad_except, "try:\n    f()\nexcept (OSError, BaseException):\n    pass", [3]),
        (broad_except, "try:\n    f()\nexcept:\n    pass", [3]),
        (broad_except, "try:\n    f()\nexcept* Exception:\n    pass", [3]),
        (broad_except, "import contextlib\nwith contextlib.suppress(Exception):\n    f()", [2]),
        (caught_cancellation, "try:\n    f()\nexcept asyncio.CancelledError:\n    pass", [3]),
        (caught_cancellation, "try:\n    f()\nexcept (OSError, CancelledError):\n    pass", [3]),
        (caught_cancellation, "try:\n    f()\nfinally:\n    g()", []),
        (loose_task, "import asyncio\nasyncio.get_running_loop().create_task(f())", [2]),
        (loose_task, "loop.create_task(f())", [1]),
        (loose_task, "async with asyncio.TaskGroup() as group:\n    group.create_task(f())", []),
        (loose_task, "async with asyncio.TaskGroup() as self.work:\n    self.work.create_task(f())", []),
        (loose_task, "def f(work: asyncio.TaskGroup) -> None:\n    work.create_task(g())", []),
        (loose_task, "work = await stack.enter_async_context(asyncio.TaskGroup())\nwork.create_task(g())", []),
        (sleep, "from asyncio import sleep\nawait sleep(delay)", [2]),
        (sleep, "import asyncio\nasync def f():\n    await asyncio.sleep(0)", []),
        (sleep, "import asyncio\nasync def f():\n    await asyncio.sleep(0.1)", [3]),
        (real_sleep, "import asyncio\nasync def test():\n    await asyncio.sleep(1)", [3]),
        (real_sleep, "from vodworker.testing import in_virtual_time\nawait asyncio.sleep(1)", []),
        (unverified, "TCPConnector(ssl=False)", [1]),
        (unverified, "context.verify_mode = ssl.CERT_NONE", [1, 1]),
        (unverified, "TCPConnector(ssl=context)\ncheck(verify=True)", []),
        (unexplained, "x = 1  # type: ignore", [1]),
        (unexplained, "x = 1  # type: ignore[arg-type]", [1]),
        (unexplained, "x = 1  # type: ignore[arg-type]  # the vendor's types are wrong", []),
        (unexplained, "x = 1  # noqa", [1]),
        (unexplained, "x = 1  # noqa: E501", [1]),
        (unexplained, "x = 1  # noqa: E741, N806  # an outcome's own letter", []),
        (unexplained, "x = 1  # pyright: ignore[reportA]  # noqa: E501", [1]),
        (unexplained, "x = 1  # type: ignore[a-b]  # pyright: ignore[reportA]  # both read it wrongly", []),
        (unexplained, "x = 1  # pragma: no cover", [1]),
        (unexplained, "x = 1  # pragma: no cover - only on a full disk", []),
        (unexplained, "x = '# type: ignore'", []),
        (patching, "def test(monkeypatch):\n    monkeypatch.setattr('a.b', 1)", [2]),
        (patching, "def test(monkeypatch):\n    monkeypatch.chdir('a')", []),
    ],
)
def test_breach_is_seen(rule: Rule, text: str, expected: list[int]) -> None:
    """Each rule finds what it forbids and leaves the rest alone."""
    assert expected == rule(Source("vodworker/x.py", text))
