"""Ceilings as the service keeps them: a sliding log of each action's calls. Pure: every verb takes the time."""

from collections import deque
from collections.abc import Callable

SPAN = 60.0  # the manual counts calls by the minute


class Window:
    """The moments of the last 60 s: of two that are exactly 60 s apart only the later is in it."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def add(self, now: float) -> None:
        """Note a moment, not earlier than the one before."""
        self._moments.append(now)

    def count(self, now: float) -> int:
        """How many moments lie in the 60 s up to now."""
        moments = self._moments
        while moments and now - moments[0] >= SPAN:
            moments.popleft()
        return len(moments)


class Ceilings:
    """How many calls of each action are let in. `limit` tells an action's ceiling by its name, asked at each call."""

    def __init__(self, limit: Callable[[str], int]) -> None:
        self.limit = limit
        self._windows: dict[str, Window] = {}

    def __repr__(self) -> str:
        return f"<Ceilings of {len(self._windows)} actions>"

    def admit(self, action: str, now: float) -> bool:
        """Whether this call is within the ceiling.

        A refused call takes no place: facts are silent, and otherwise a client that asks on would be locked out for
        good. Every arrival is in the audit, refused or not.
        """
        window = self._windows.setdefault(action, Window())
        if window.count(now) >= self.limit(action):
            return False
        window.add(now)
        return True
