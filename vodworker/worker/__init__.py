"""The loop: take in, work off. They share nothing but the journal and the count of its open entries.

Take in:  long polls → record in the journal → confirm the handles. However slow the handlers are.
Work off: claim what is due → run its handler → settle how it ended. However the entry came to be open: a first try, a
retry and the recovery after a crash are one path.
"""

from vodworker.worker.loop import Worker
from vodworker.worker.work_off import Rules

__all__ = ["Rules", "Worker"]
