"""For tests of handlers, and our own: a run without a network, a service that takes notes, virtual time, a whole world.

`run(handler, sample(NewFileUpload))` is one handler and one event. A `Stage` is the emulated service and workers, for
hours that pass in milliseconds; the pytest plug-in has one as a fixture.
"""

from vodworker.testing.clock import IN_TRANSIT, LONGEST_JOB, VirtualLoop, in_virtual_time
from vodworker.testing.run import Run, context, run
from vodworker.testing.samples import sample, samples
from vodworker.testing.service import FAULTS, Recorder
from vodworker.testing.world import Stage, World

__all__ = [
    "FAULTS",
    "IN_TRANSIT",
    "LONGEST_JOB",
    "Recorder",
    "Run",
    "Stage",
    "VirtualLoop",
    "World",
    "context",
    "in_virtual_time",
    "run",
    "sample",
    "samples",
]
