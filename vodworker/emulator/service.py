"""The account that is emulated: its queue, its files and tasks, its clock and its numbers."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from vodworker.api.action import Action, Reply
from vodworker.emulator.audit import Audit
from vodworker.emulator.clock import Clock, Wall
from vodworker.emulator.hold import Hold
from vodworker.emulator.mischief import Faults
from vodworker.emulator.queue import Queue
from vodworker.emulator.settings import Settings
from vodworker.emulator.state import Json, State
from vodworker.emulator.storage import Storage

FIRST_FILE = 5285890780000000000  # file ids are 17 to 20 digits


@dataclass(frozen=True, slots=True)
class Service:
    """What every served action works on. origin: the address under which uploads go and files are played.

    wall: the time that the Timestamp of calls is held against; clock: the time that tasks live on.
    """

    settings: Settings
    origin: str
    clock: Clock
    state: State
    storage: Storage
    queue: Queue
    hold: Hold
    audit: Audit
    chance: random.Random
    wall: Wall
    faults: Faults

    def emit(self, kind: str, data: Json) -> None:
        """Queue an event of this type, if no fault loses it."""
        if not self.faults.loses(kind):
            self.put({"version": "4.0", "eventType": kind, "data": data})

    def put(self, content: Mapping[str, object]) -> None:
        """Queue an event of any content, and wake a poll that waits for one."""
        self.queue.put(orjson.dumps(content))
        self.hold.wake()

    def step(self, clock: str, seconds: float) -> None:
        """Let a clock jump: "tasks", or "timestamp" for the wall's."""
        if clock == "tasks":
            self.clock.step(seconds)
        else:
            self.wall.skew += seconds

    @property
    def bucket(self) -> str:
        """The bucket of the object store that belongs to the account."""
        return f"6c0f1c00vodgzp{self.settings.app_id}"

    def folder(self, file_id: str) -> str:
        """Where in the store a file has its place, with what is made of it."""
        return f"/{self.bucket}/{file_id}"

    def new_file_id(self) -> str:
        """An id for a file."""
        return str(FIRST_FILE + self.state.next())

    def secret(self) -> str:
        """A text that nobody guesses: session keys, signatures of the store."""
        return f"{self.chance.getrandbits(384):096x}"


Answer: TypeAlias = (
    Reply | Mapping[str, object] | None
)  # by the declaration, or by the wire's names; None: just success
Serves: TypeAlias = Mapping[type[Action[Any]], Callable[[Service, Any], Awaitable[Answer]]]
