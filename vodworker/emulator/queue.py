"""The rules of the event queue. Pure: every verb takes the time, and nothing here waits.

An event is *waiting* until it is handed out with a handle, *out* while the handle lives, *lapsed* after that, until it
waits again; confirmed, it is gone. Times are seconds of any steady clock.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Queued:
    """An event in the queue: its number in order of coming, its JSON, how often it was handed out."""

    number: int
    content: bytes
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event handed out: whoever confirms `handle` before `expires` takes it off the queue."""

    handle: str
    expires: float
    event: Queued


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What became of a confirmation: seconds of life that each confirmed handle had left, and the handles refused.

    `late` are those of the refused that were once handed out; the rest were never heard of, or confirmed before.
    """

    margins: tuple[float, ...]
    refused: tuple[str, ...]
    late: tuple[str, ...]


REMEMBERED = 10_000  # handles that are known as late, not as unknown: the tellers of a long run need a bound


class Queue:
    """First come, first handed out; what was not confirmed comes back behind those that wait by then."""

    def __init__(
        self, *, batch: int, handle_life: float, return_after: float, partial: bool = False, last_handle: int = 10**15
    ) -> None:
        self.batch = batch
        self.handle_life = handle_life
        self.return_after = return_after
        self.partial = partial
        self.emitted = self.pulled = self.redelivered = self.confirmed = self.late = 0
        self.last_handle = last_handle
        self._waiting: deque[Queued] = deque()
        self._out: OrderedDict[str, Delivered] = OrderedDict()  # equal lives: the order of handing out is of expiry
        self._lapsed: deque[tuple[float, Queued]] = deque()  # when each waits again, in that order for the same reason
        self._late: OrderedDict[str, None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Queue {len(self._waiting)} waiting, {len(self._out)} out, {len(self._lapsed)} lapsed>"

    def __len__(self) -> int:
        """Events that nobody has confirmed."""
        return len(self._waiting) + len(self._out) + len(self._lapsed)

    def __iter__(self) -> Iterator[Queued]:
        """A look at every event that nobody has confirmed, in order of coming; it changes nothing."""
        held = (delivered.event for delivered in self._out.values())
        lapsed = (event for _, event in self._lapsed)
        return iter(sorted((*self._waiting, *held, *lapsed), key=lambda event: event.number))

    @property
    def waiting(self) -> int:
        """Events that can be handed out at once."""
        return len(self._waiting)

    @property
    def out(self) -> int:
        """Events that are handed out and may still be confirmed, as of the last verb."""
        return len(self._out)

    def put(self, content: bytes) -> None:
        """Add an event, its JSON as it will be sent."""
        self._waiting.append(Queued(self.emitted, content))
        self.emitted += 1

    def pull(self, now: float) -> tuple[Delivered, ...]:
        """Hand out the next events, at most a batch, each with a new handle."""
        self._turn(now)
        events = [self._waiting.popleft() for _ in range(min(self.batch, len(self._waiting)))]
        return tuple(self._deliver(event, now) for event in events)

    def _deliver(self, event: Queued, now: float) -> Delivered:
        self.last_handle += 1
        if event.sent:
            self.redelivered += 1
        else:
            self.pulled += 1
        sent = Queued(event.number, event.content, event.sent + 1)
        delivered = self._out[str(self.last_handle)] = Delivered(str(self.last_handle), now + self.handle_life, sent)
        return delivered

    def take_back(self, delivered: Sequence[Delivered]) -> None:
        """Undo a `pull` whose reply has nobody to go to: the events are the next again, their handles are void."""
        for one in reversed(delivered):
            if self._out.pop(one.handle, None):
                event = Queued(one.event.number, one.event.content, one.event.sent - 1)
                self._waiting.appendleft(event)
                if event.sent:
                    self.redelivered -= 1
                else:
                    self.pulled -= 1

    def confirm(self, handles: Sequence[str], now: float) -> Confirmation:
        """Take events off the queue.

        A handle that is confirmed already is gone with its event, and refused like any other that does not live.
        """
        self._turn(now)
        names = dict.fromkeys(handles)
        refused = tuple(handle for handle in names if handle not in self._out)
        late = tuple(handle for handle in refused if handle in self._late)
        self.late += len(late)
        good = [] if refused and not self.partial else [handle for handle in names if handle in self._out]
        margins = tuple(self._out.pop(handle).expires - now for handle in good)
        self.confirmed += len(margins)
        return Confirmation(margins, refused, late)

    def due(self) -> float | None:
        """When an event that does not wait now can wait again, if nobody confirms; None: there is none."""
        if self._lapsed:
            return self._lapsed[0][0]
        for delivered in self._out.values():
            return delivered.expires + self.return_after
        return None

    def _turn(self, now: float) -> None:
        """Bring the queue to this time: handles die, and events come back."""
        while self._out:
            first = next(iter(self._out.values()))
            if first.expires > now:
                break
            del self._out[first.handle]
            self._late[first.handle] = None
            self._lapsed.append((first.expires + self.return_after, first.event))
        while len(self._late) > REMEMBERED:
            self._late.popitem(last=False)
        while self._lapsed and self._lapsed[0][0] <= now:
            self._waiting.append(self._lapsed.popleft()[1])
