"""Worlds for tests of the loop: an emulator, a journal on a real file, and workers that come and go."""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from vodworker.emulator import Emulator
from vodworker.emulator.audit import Call
from vodworker.journal.port import Store
from vodworker.testing import World

Worlds = Callable[..., Any]
IDLE = 9.0  # seconds that a poll is held, just below its timeout: in hours of waiting each poll is a request


class Noting(World):
    """A world that notes the calls of the service and the verbs of the worker's journal, each when it was done.

    slow: seconds that verbs of the journal take. late: seconds after which an answer comes, when all is done. asked:
    the verbs, each when it is asked for, and "…" when it is answered.
    """

    def __init__(self, emulator: Emulator, path: Path) -> None:
        super().__init__(emulator, path)
        self.notes: list[str] = []
        self.asked: list[str] = []
        self.slow: dict[str, float] = {}
        self.late: dict[str, float] = {}
        self.watch = self._note
        self.through = lambda store: cast("Store", Noted(store, self))

    def _note(self, call: Call) -> None:
        self.notes.append(call.action)


class Noted:
    """A store as a noting world sees it."""

    def __init__(self, store: Store, world: Noting) -> None:
        self._store = store
        self._world = world

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The store's verb."""
        verb = getattr(self._store, name)

        async def noted(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(self._world.slow.get(name, 0.0))
            self._world.asked.append(name)
            answer = await verb(*args, **kwargs)
            await asyncio.sleep(self._world.late.get(name, 0.0))
            self._world.asked.append(f"{name} …")
            self._world.notes.append(f"mark {args[1]}" if name == "mark" else name)
            return answer

        return noted


class Death(BaseException):
    """What SIGKILL is to a process: nothing of it comes after."""


class Mortal:
    """A store of a process that dies at its k-th operation, before or after it; then it does nothing any more.

    dies_in: it dies at the first operation of this name.
    """

    def __init__(self, store: Store, *, dies_at: int, after: bool, dies_in: str = "") -> None:
        self._store = store
        self._dies_at = dies_at
        self._dies_in = dies_in
        self._after = after
        self.operations = 0
        self.dead = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The store's verb, counted."""
        verb = getattr(self._store, name)

        async def counted(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Death
            self.operations += 1
            if self.operations != self._dies_at and name != self._dies_in:
                answer = await verb(*args, **kwargs)
            else:
                answer = await verb(*args, **kwargs) if self._after else None
                self.dead = True
            if self.dead:
                raise Death
            return answer

        return counted


@pytest.fixture
def world(tmp_path: Path) -> Worlds:
    """Make worlds to enter, each with an emulator of these settings."""
    number = itertools.count()

    def opened(*, hold: float = IDLE, **settings: Any) -> AbstractAsyncContextManager[World]:
        return Noting.open(tmp_path / f"{next(number)}.db", hold=hold, **settings)

    return opened
