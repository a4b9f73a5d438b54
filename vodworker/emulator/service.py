"""The account that is emulated: its queue, its files and tasks, its clock and its numbers."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from vodworker.api.action import Action, Reply
from vodworker.emulator.audit import Audit
from vodworker.emulator.clock import Clock
from vodworker.emulator.hold import Hold
from vodworker.emulator.queue import Queue
from vodworker.emulator.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """What every served action works on."""

    settings: Settings
    origin: str
    clock: Clock
    queue: Queue
    hold: Hold
    audit: Audit
    chance: random.Random

    def emit(self, content: Mapping[str, object]) -> None:
        """Put an event into the queue, and wake a poll that waits for one."""
        self.queue.put(orjson.dumps(content))
        self.hold.wake()


Answer: TypeAlias = (
    Reply | Mapping[str, object] | None
)  # by the declaration, or by the wire's names; None: just success
Serves: TypeAlias = Mapping[type[Action[Any]], Callable[[Service, Any], Awaitable[Answer]]]
