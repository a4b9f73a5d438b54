"""What the code logs is what the table declares: names, fields, levels. Read from the source, which is not run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import vodworker
from vodworker.log import FIELDS, IDENTIFIERS, LOG_EVENTS

METHODS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
UNCHECKED = {"exc_info"}  # becomes `exception`


@dataclass(frozen=True)
class Said:
    """One call of the log in the source. levels: those it may be made at, none when only the run can tell."""

    where: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    fields: tuple[str, ...]


class Reader:
    """Finds each `log.<level>("name", field=…)` in a function, even if a part of it is in a variable."""

    def __init__(self, path: Path, function: ast.AST) -> None:
        self.path = path
        self.function = function
        self.assigned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name(name)], value=value):
                    self.assigned.setdefault(name, []).append(value)
                case _:
                    pass

    def said(self) -> Iterator[Said]:
        """The calls."""
        for node in ast.walk(self.function):
            if isinstance(node, ast.Call) and node.args and (methods := self.methods(node.func)):
                name = node.args[1] if methods == ["log"] else node.args[0]
                yield Said(
                    f"{self.path.name}:{node.lineno}",
                    tuple("error" if it == "exception" else it for it in methods if it != "log"),
                    tuple(self.texts(name)),
                    tuple(
                        field for word in node.keywords for field in ([word.arg] if word.arg else self.keys(word.value))
                    ),
                )

    def methods(self, function: ast.expr) -> list[str]:
        """The log's methods that this may be."""
        match function:
            case ast.Attribute(value, method) if method in METHODS and ast.unparse(value).endswith("log"):
                return [method]
            case ast.Name(name):
                inner = [node for value in self.assigned.get(name, ()) for node in ast.walk(value)]
                return [it for node in inner if isinstance(node, ast.Attribute) for it in self.methods(node)]
            case _:
                return []

    def texts(self, name: ast.expr) -> Iterator[str]:
        """The texts that this may be."""
        for value in self.assigned.get(name.id, []) if isinstance(name, ast.Name) else [name]:
            for node in ast.walk(value):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value

    def keys(self, table: ast.expr) -> Iterator[str]:
        """The names that this table may have."""
        for value in self.assigned.get(table.id, []) if isinstance(table, ast.Name) else [table]:
            for node in ast.walk(value):
                if isinstance(node, ast.Dict):
                    yield from (str(key.value) for key in node.keys if isinstance(key, ast.Constant))


def functions(path: Path) -> list[ast.AST]:
    """The functions of a file, those inside of others left out."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)]
    inner = {id(node) for function in found for node in ast.walk(function) if node is not function}
    return [function for function in found if id(function) not in inner]


SOURCE = Path(vodworker.__file__).parent
SAID = [
    said
    for path in sorted(SOURCE.rglob("*.py"))
    for function in functions(path)
    for said in Reader(path, function).said()
]


def test_only_declared_events_are_said() -> None:
    """Each event name that the code logs is declared in the table."""
    assert [] == [said for said in SAID if not said.names or not set(said.names) <= set(LOG_EVENTS)]


def test_only_declared_fields_are_said() -> None:
    """Each fact that the code logs is declared for its event, or is an identifier of the entry at hand."""
    wrong = [
        (said.where, name, field)
        for said in SAID
        for name in said.names
        for field in said.fields
        if field not in {*LOG_EVENTS[name].fields, *IDENTIFIERS, *UNCHECKED}
    ]

    assert [] == wrong


def test_levels_are_as_declared() -> None:
    """Each event is logged at its declared level, so that an alert on errors means what the table says."""
    wrong = [
        (said.where, said.levels, name)
        for said in SAID
        for name in said.names
        if said.levels and LOG_EVENTS[name].level not in said.levels
    ]

    assert [] == wrong


def test_every_declared_event_is_said() -> None:
    """The table promises nothing that the code does not log."""
    used = {name for said in SAID for name in said.names}

    assert set() == set(LOG_EVENTS) - used


@pytest.mark.parametrize("name", LOG_EVENTS)
def test_every_declared_field_is_told(name: str) -> None:
    """A row promises no fact that the code never tells; identifiers are bound, a traceback is told as exc_info."""
    told = {field for said in SAID if name in said.names for field in said.fields}

    assert set() == set(LOG_EVENTS[name].fields) - told - {*IDENTIFIERS, "exception"}


@pytest.mark.parametrize("name", LOG_EVENTS)
def test_rows_are_complete(name: str) -> None:
    """A row has a name of the form `noun.state`, declared fields, a meaning, and a remedy where someone must act."""
    event = LOG_EVENTS[name]

    assert 2 == len([part for part in name.split(".") if part.isidentifier() and part.islower()])
    assert [] == [field for field in event.fields if field not in FIELDS]
    assert event.meaning.endswith(".")
    assert event.remedy.endswith(".") or event.level not in ("error", "critical")


def test_every_field_is_of_use() -> None:
    """No field is declared that no event has."""
    of_every_line = {"replica"}

    assert of_every_line == set(FIELDS) - {field for event in LOG_EVENTS.values() for field in event.fields}
