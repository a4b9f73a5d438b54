"""The service itself on a laptop: signature, queue, ceilings, tasks and their events, as the real one would."""

from vodworker.emulator.faults import Plan
from vodworker.emulator.planning import read as read_faults
from vodworker.emulator.server import Emulator, run
from vodworker.emulator.settings import Empty, Settings

__all__ = ["Empty", "Emulator", "Plan", "Settings", "read_faults", "run"]
