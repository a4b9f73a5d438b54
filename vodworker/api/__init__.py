"""Every action of the service, and the parts of their parameters and replies, under one name.

A family is read when a name is asked for that none before it has: a start does not wait for classes that nobody uses.
`ACTIONS` is computed from all of them, so that no name is written twice.
"""
# ruff: noqa: F403  # a list of names here would be a second list of actions

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vodworker.api.action import Action as Action
    from vodworker.api.action import Page as Page
    from vodworker.api.action import Reply as Reply
    from vodworker.api.cdn import *
    from vodworker.api.classes import *
    from vodworker.api.files import *
    from vodworker.api.keys import *
    from vodworker.api.procedures import *
    from vodworker.api.processing import *
    from vodworker.api.retired import *
    from vodworker.api.statistics import *
    from vodworker.api.tasks import *
    from vodworker.api.templates import *
    from vodworker.api.upload import *
    from vodworker.api.video_info import *
    from vodworker.api.watermarks import *

FAMILIES = (  # what all have in common, what the daemon itself calls, then what handlers ask for most
    *("action", "tasks", "upload", "processing", "files", "video_info", "procedures", "classes"),
    *("templates", "watermarks", "keys", "statistics", "cdn", "retired"),
)


def families() -> Iterator[ModuleType]:
    """The files of actions, each read when it is its turn."""
    return (import_module(f"{__name__}.{family}") for family in FAMILIES)


class Table(Mapping[str, "type[Action[Reply]]"]):
    """All actions by their names; the families are read when somebody looks."""

    @cached_property
    def _actions(self) -> "Mapping[str, type[Action[Reply]]]":
        from vodworker.api.action import table  # noqa: PLC0415  # the settings alone need no class

        return {name: action for family in families() for name, action in table(vars(family)).items()}

    def __getitem__(self, name: str) -> "type[Action[Reply]]":
        return self._actions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._actions)

    def __len__(self) -> int:
        return len(self._actions)

    def __repr__(self) -> str:
        return f"<Table of {len(self)} actions>"


ACTIONS: Final["Mapping[str, type[Action[Reply]]]"] = Table()

if not TYPE_CHECKING:  # pragma: no branch - checkers know the names from the families

    def __dir__() -> list[str]:
        """The names of all families."""
        return sorted(
            {"ACTIONS"}
            | {
                name
                for family in families()
                for name, thing in vars(family).items()
                if getattr(thing, "__module__", "").startswith(__name__) and not name.startswith("_")
            }
        )

    def __getattr__(name: str) -> Any:
        """A name of one of the families."""
        if name == "__all__":
            return __dir__()
        for family in families() if not name.startswith("_") else ():
            if name in vars(family):
                return vars(family)[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
