"""What the daemon's log says of its health: is it alive, is it ready, and if not, why. Decides, and does nothing."""

from collections.abc import Callable, Mapping
from typing import Any

LATE = 10.0  # seconds that the loop may be late before it counts as stalled
STALLED = 180.0  # without a sign of take-in: a closed bucket, a full minute, a backoff and a poll are 125 s together
PULLED = 12.0  # seconds without a good pull while pulls fail: an idle poll comes back every 5 s, a dead one after 10 s
STARVED = 120.0  # … while none fails: even one pull in a minute, the lowest ceiling, is more often
ANSWERED = 10.0  # seconds without an answer of the journal, which is asked every `ASK`
ASK = 4.0

HEARD = (  # all that a line of the log can change
    *("pull.done", "pull.failed", "pull.denied", "call.throttled"),
    *("worker.paused", "worker.resumed", "worker.stopping", "journal.lost", "journal.back"),
)


class Health:
    """The state of the daemon as far as its log tells it; `now` is any clock that runs evenly.

    `hear` is told the lines of the log that are `HEARD`, `journal_answered` and `lag` (how late the loop was last, in
    seconds) by who measures it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.lag = 0.0
        self.stopping = False
        self._pulled: float | None = None
        self._sign: float | None = None
        self._failing = ""
        self._denied = ""
        self._paused = False
        self._journal: float | None = None
        self._journal_lost = ""

    def __repr__(self) -> str:
        return f"<Health {'; '.join(self.stalled()) or 'alive'}; {'; '.join(self.unready()) or 'ready'}>"

    def hear(self, event: str, facts: Mapping[str, Any]) -> None:
        """Note what a line of the log means."""
        match event:
            case "pull.done":
                self._pulled = self._sign = self._now()
                self._failing = self._denied = ""
            case "pull.failed" | "pull.denied":
                self._sign = self._now()
                self._failing = str(facts.get("error", ""))
                self._denied = self._failing if event == "pull.denied" else self._denied
            case "call.throttled" if facts.get("action") == "PullEvent":
                self._sign = self._now()
            case "worker.paused" | "worker.resumed":
                self._sign = self._now()
                self._paused = event == "worker.paused"
            case "journal.lost" | "journal.back":
                self._sign = self._sign and self._now()
                self._journal_lost = str(facts.get("error", "")) if event == "journal.lost" else ""
            case "worker.stopping":
                self.stopping = True
            case _:
                pass

    def journal_answered(self) -> None:
        """The journal has just done what it was asked for, on disk."""
        self._journal = self._now()

    @property
    def pulled(self) -> float | None:
        """Seconds since the last good pull; None before the first one."""
        return None if self._pulled is None else self._now() - self._pulled

    def stalled(self) -> list[str]:
        """Why the process should be ended and started again; nothing while it lives.

        Neither the cloud's absence nor the database's is a reason: both are waited for, and no restart would help.
        """
        problems: list[str] = []
        if self.lag > LATE:
            problems.append(f"the event loop was {self.lag:.0f} s late; loop.blocked in the log names what held it")
        waits = self._paused or self._journal_lost or self.stopping
        if self._sign is not None and not waits and (quiet := self._now() - self._sign) > STALLED:
            problems.append(f"nothing was heard of pulling for {quiet:.0f} s")
        return problems

    def unready(self) -> list[str]:
        """Why the daemon does not take in events now; nothing while it does."""
        return [*self.stalled(), *filter(None, (self._stops(), self._journal_fails(), self._pull_fails()))]

    def _stops(self) -> str:
        return "it is stopping" if self.stopping else ""

    def _journal_fails(self) -> str:
        if self._journal is None:
            return f"the journal is not open yet{self._journal_lost and f': {self._journal_lost}'}"
        quiet = self._now() - self._journal
        if quiet <= ANSWERED:
            return ""
        return f"the journal has not answered for {quiet:.0f} s{self._journal_lost and f': {self._journal_lost}'}"

    def _pull_fails(self) -> str:
        if self._denied:
            return f"the service does not accept the account: {self._denied}"
        if self._paused:
            return ""  # it has more than enough to do
        since = self.pulled
        if since is None:
            return f"no pull has worked yet{self._failing and f': {self._failing}'}"
        if since <= (PULLED if self._failing else STARVED):
            return ""
        return f"the last good pull was {since:.0f} s ago{self._failing and f': {self._failing}'}"
