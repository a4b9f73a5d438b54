"""Where handlers are looked for: Python files in directories, modules behind an entry point. They are only imported."""

import functools
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from vodworker.outcome import describe

GROUP = "vodworker.handlers"  # the entry-point group of packaged handlers


@dataclass(frozen=True, slots=True)
class Source:
    """A place that should hold handlers. name: what the operator calls it; module: its name once it is imported.

    path: of a file, from the root.
    """

    name: str
    module: str
    load: Callable[[], ModuleType]
    path: Path | None = None

    def trouble(self, error: BaseException) -> str:
        """Where and why it did not import, without the frames of others."""
        line = error.lineno if isinstance(error, SyntaxError) else None
        for frame, number in traceback.walk_tb(error.__traceback__):
            if frame.f_globals.get("__name__") == self.module:
                line = number
        remedy = ""
        if isinstance(error, ImportError) and self.path:
            near = self.path.parent / f"{(error.name or '').partition('.')[0]}.py"
            if near.name == f"{self.path.parent.name}.py" or "relative import" in str(error):
                remedy = "; a file of the same directory is imported by its own name: from FILE import …"
            elif near.is_file():
                remedy = f"; an installed module has the name of {near}: rename the file"
        where = f"{self.name}: {f'line {line}: ' if isinstance(line, int) else ''}{self._beside(error)}"
        return f"{where}{describe(error)}{remedy}"

    def _beside(self, error: BaseException) -> str:
        """Where it went wrong, when that is in another file of the same directory."""
        told = ""
        for frame, number in traceback.walk_tb(error.__traceback__):
            file = Path(frame.f_code.co_filename)
            if self.path and file != self.path and file.parent == self.path.parent:
                told = f"{file.name}: line {number}: "
        return told


def in_directories(directories: Sequence[Path], problems: list[str]) -> Iterator[Source]:
    """Every Python file of these directories, but tests and names that begin with `_`; a directory counts once.

    Files import what lies beside them by its name. Their directories come last of all places, so that no file takes the
    place of a module that is installed.
    """
    for directory in {directory.resolve(): directory for directory in directories}.values():
        if not directory.is_dir():
            problems.append(f"{directory} is not a directory; handlers.directories names folders with handler files")
            continue
        if str(directory.resolve()) not in sys.path:
            sys.path.append(str(directory.resolve()))
        for path in sorted(directory.glob("*.py")):
            if not path.name.startswith(("_", "test_", "conftest.")):
                module = f"{GROUP}:{path.resolve()}".replace(".", "_")  # no other module's, and in no package
                yield Source(str(path), module, functools.partial(import_file, path.resolve(), module), path.resolve())


def in_packages(problems: list[str]) -> Iterator[Source]:
    """Every module that an installed package offers as handlers, where the package can do with this vodworker."""
    for entry in entry_points(group=GROUP):
        if unmet := needs(entry):
            problems.append(unmet)
            continue
        yield Source(f"{entry.value} (entry point {entry.name})", entry.module, functools.partial(import_entry, entry))


def needs(entry: EntryPoint) -> str:
    """What the package requires of vodworker and does not find: installers look only when they install."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415  # a start without any is sooner

    ours = version("vodworker")
    for text in (entry.dist.requires if entry.dist else None) or ():
        try:
            required = Requirement(text)
        except InvalidRequirement:  # an installer has let it pass
            continue
        counts = required.marker is None or required.marker.evaluate({"extra": ""})
        if counts and required.name == "vodworker" and not required.specifier.contains(ours, prereleases=True):
            it = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
            return (
                f"{entry.value} (entry point {entry.name}): {it} needs {required}, this is {ours}; upgrade one of them"
            )
    return ""


def import_file(path: Path, name: str) -> ModuleType:
    """Import a file under this name."""
    loader = SourceFileLoader(name, str(path))
    spec = ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True  # it gets a `__file__`
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up while it is being imported
    loader.exec_module(module)
    return module


def import_entry(entry: EntryPoint) -> ModuleType:
    """Import what an entry point names, which must be a module."""
    found = entry.load()
    if not isinstance(found, ModuleType):
        raise TypeError(f"{entry.value} is no module; let the entry point name the module that holds the handlers")
    return found
