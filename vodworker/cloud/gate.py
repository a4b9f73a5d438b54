"""When calls may go although tokens are free: evenly where bursts are smoothed, and hardly at all after a 4400.

Pure: every verb takes the time, in seconds of one clock.
"""

from math import inf

FIRST_PAUSE = 5.0  # after a 4400: somebody else spends the allowance, and only trying tells when some of it is free
LONGEST_PAUSE = 60.0  # by then the whole window has passed


class Gate:
    """The gate before the tokens of one action, of which `limit` can be spent in `span` seconds.

    burst: how many calls may go at once, the others following evenly. After a 4400 nobody goes for a while, longer each
    time; then one call at a time until the service takes one; then calls go evenly for a whole span, because where
    somebody else draws on the allowance a burst would only be refused again.
    """

    def __init__(self, *, limit: int, burst: int, span: float) -> None:
        self._span = span
        # Calls that follow each other evenly would come at `_even`, a step apart; a burst may be ahead of that.
        self._step = span / limit
        self._ahead = (burst - 1) * self._step if burst < limit else inf
        self._even = -inf
        self._pause = 0.0
        self._shut_until = -inf
        self._gentle_until = -inf
        self.closings = 0

    def __repr__(self) -> str:
        return f"<Gate {'ajar' if self.ajar else 'open'}, closed {self.closings} times>"

    @property
    def ajar(self) -> bool:
        """Whether it is to be found out if the service takes calls again, one at a time."""
        return self._pause > 0

    def opens(self, now: float, *, place: int = 1) -> float:
        """When the call at this place in the line may go, if nobody who goes before it is refused."""
        ahead = 0.0 if now < self._gentle_until else self._ahead
        return max(self._shut_until, max(now, self._even) - ahead + (place - 1) * self._step)

    def went(self, now: float) -> None:
        """A call goes."""
        self._even = max(now, self._even) + self._step

    def shut(self, now: float, *, since: int) -> float:
        """The service refused a call that went after so many `closings`; returns the seconds until one may go again.

        Of the many calls of a burst that are refused together only the first closes the gate.
        """
        if since == self.closings:
            self.closings += 1
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            self._shut_until = self._even = now + self._pause
        return max(0.0, self._shut_until - now)

    def reopen(self, now: float, *, since: int) -> None:
        """The service took a call that went after so many `closings`; one that went before the last proves nothing."""
        if self.ajar and since == self.closings:
            self._pause = 0.0
            self._gentle_until = now + self._span
