"""The torture: an emulator that misbehaves, a real daemon that is killed again and again, and an honest verdict.

What the verdict says comes from witnesses that do not know of each other: the emulator's state and audit, the journal,
what the handlers wrote into a file of their own, and the daemon's log. One seed fixes when the daemon is killed, when
uploads come, and the lots of every fault; how the two processes race is the machine's affair, and that is the point.
"""

from vodworker.torture.course import Course
from vodworker.torture.play import torture

__all__ = ["Course", "torture"]
