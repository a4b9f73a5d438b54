"""The service itself on a laptop: signature, queue, ceilings, tasks and their events, as the real one would."""

from vodworker.emulator.server import Emulator, run
from vodworker.emulator.settings import Empty, Settings

__all__ = ["Empty", "Emulator", "Settings", "run"]
