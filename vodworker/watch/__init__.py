"""Who watches the daemon, for its operator: health, metrics, the loop's pulse, what systemd is told.

All of it comes from the log's declared lines, which `Watch` hears, and from asking the journal: the rooms where the
work is done know of nobody who watches. `http` is not loaded here: it brings a web server and a library of metrics, and
a daemon that nobody asks does without.
"""

from vodworker.watch.systemd import Systemd
from vodworker.watch.watch import Watch

__all__ = ["Systemd", "Watch"]
