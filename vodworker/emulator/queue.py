"""The rules of the event queue. Pure: every verb takes the time, and nothing here waits.

An event is *waiting* until it is handed out with a handle, *out* while the handle lives, *lapsed* after that, until it
waits again; confirmed, it is gone. Times are seconds of any steady clock.

Faults may put an event in several places at once: handed out twice, or handed out and waiting. Whichever of its handles
is confirmed first takes it off the queue, wherever it stands; the others are accepted as long as they live, and do
nothing. The service says nothing about it; so a client is not punished for what is not its fault.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count

import orjson

from vodworker.emulator.mischief import Faults


@dataclass(frozen=True, slots=True)
class Queued:
    """An event in the queue: its number in order of coming, its JSON, how often it was handed out."""

    number: int
    content: bytes
    sent: int = 0

    @property
    def type(self) -> str:
        """Its event type; "" when it has none."""
        try:
            told = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return ""
        return str(told.get("eventType", "")) if isinstance(told, dict) else ""


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


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A confirmation that took an event off the queue. margin: seconds of life that its handle had left."""

    at: float
    handle: str
    margin: float
    event: Queued


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event is. left: seconds until its handle dies (out), or until it waits again (lapsed)."""

    event: Queued
    state: str
    handle: str = ""
    left: float = 0.0


REMEMBERED = 10_000  # handles that are known as late, not as unknown: the tellers of a long run need a bound


class Queue:
    """First come, first handed out; what was not confirmed comes back behind those that wait by then.

    confirmations: those that took an event off, and lateness: by how many seconds others came too late; the last ones.
    """

    def __init__(
        self,
        *,
        batch: int,
        handle_life: float,
        return_after: float,
        partial: bool = False,
        last_handle: int = 10**15,
        faults: Faults | None = None,
    ) -> None:
        self.batch = batch
        self.handle_life = handle_life
        self.return_after = return_after
        self.partial = partial
        self.emitted = self.pulled = self.redelivered = self.confirmed = self.late = 0
        self.last_handle = last_handle
        self.confirmations: deque[Confirmed] = deque(maxlen=REMEMBERED)
        self.lateness: deque[float] = deque(maxlen=REMEMBERED)
        self._faults = faults or Faults()
        self._waiting: deque[Queued] = deque()
        self._out: OrderedDict[str, Delivered] = OrderedDict()  # equal lives: the order of handing out is of expiry
        self._lapsed: list[tuple[float, int, Queued]] = []  # a heap: when each waits again, and in which order
        self._turns = count()
        self._late: OrderedDict[str, float] = OrderedDict()  # when they died
        self._spare: Counter[int] = Counter()  # in how many places more than one an event is
        self._echoes: dict[str, float] = {}  # living handles of events that are confirmed, to when

    def __repr__(self) -> str:
        return f"<Queue {len(self._waiting)} waiting, {len(self._out)} out, {len(self._lapsed)} lapsed>"

    def __len__(self) -> int:
        """Events that nobody has confirmed."""
        return len(self._waiting) + len(self._out) + len(self._lapsed) - self._spare.total()

    def __iter__(self) -> Iterator[Queued]:
        """A look at every event that nobody has confirmed, in order of coming; it changes nothing."""
        events = {place.event.number: place.event for place in self.places(0.0)}
        return iter(sorted(events.values(), key=lambda event: event.number))

    def places(self, now: float) -> Iterator[Place]:
        """Where the events are, as of the last verb; it changes nothing."""
        for event in self._waiting:
            yield Place(event, "waiting")
        for handle, delivered in self._out.items():
            yield Place(delivered.event, "out", handle, delivered.expires - now)
        for due, _, event in sorted(self._lapsed):
            yield Place(event, "lapsed", left=due - now)

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

    def clear(self) -> None:
        """Forget every event, as if it had never come; handles that are out are not known any more."""
        for kept in (self._waiting, self._out, self._lapsed, self._spare, self._echoes):
            kept.clear()

    def pull(self, now: float) -> tuple[Delivered, ...]:
        """Hand out the next events, at most a batch, each with a new handle."""
        self._turn(now)
        if not self._waiting:
            return ()
        batch: list[Delivered] = []
        picks = self._faults.picks()
        while self._waiting and len(batch) < self.batch:
            place = picks(len(self._waiting))
            event = self._waiting[place]
            del self._waiting[place]
            batch += self._deliver(event, now, most=self.batch - len(batch))
        return tuple(batch)

    def _deliver(self, event: Queued, now: float, *, most: int) -> Iterator[Delivered]:
        kind = event.type
        for extra in range(min(most, self._faults.handles(kind))):
            self.last_handle += 1
            if event.sent:
                self.redelivered += 1
            else:
                self.pulled += 1
            event = Queued(event.number, event.content, event.sent + 1)
            delivered = Delivered(str(self.last_handle), now + self.handle_life, event)
            self._out[delivered.handle] = delivered
            if extra:
                self._spare[event.number] += 1
            yield delivered
        for after in self._faults.early(kind):
            self._spare[event.number] += 1
            self._lapse(event, now + after)

    def _lapse(self, event: Queued, until: float) -> None:
        heappush(self._lapsed, (until, next(self._turns), event))

    def take_back(self, delivered: Sequence[Delivered]) -> None:
        """Undo a `pull` whose reply has nobody to go to: the events are the next again, their handles are void."""
        for one in reversed(delivered):
            if self._out.pop(one.handle, None):
                event = Queued(one.event.number, one.event.content, one.event.sent - 1)
                if not self._is_elsewhere(event):
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
        refused = tuple(handle for handle in names if handle not in self._out and handle not in self._echoes)
        late = tuple(handle for handle in refused if handle in self._late)
        self.late += len(late)
        self.lateness.extend(now - self._late[handle] for handle in late)
        good = [] if refused and not self.partial else [handle for handle in names if handle in self._out]
        margins = tuple(self._take_off(handle, now) for handle in good if handle in self._out)
        self.confirmed += len(margins)
        return Confirmation(margins, refused, late)

    def _take_off(self, handle: str, now: float) -> float:
        """The event of this handle is confirmed; the seconds of life that were left."""
        delivered = self._out.pop(handle)
        number, margin = delivered.event.number, delivered.expires - now
        self.confirmations.append(Confirmed(now, handle, margin, delivered.event))
        if self._spare.pop(number, 0):
            self._waiting = deque(event for event in self._waiting if event.number != number)
            self._lapsed = [it for it in self._lapsed if it[2].number != number]
            heapify(self._lapsed)
            for other in [it for it in self._out.values() if it.event.number == number]:
                self._echoes[other.handle] = self._out.pop(other.handle).expires
        return margin

    def due(self) -> float | None:
        """When an event that does not wait now can wait again, if nobody confirms; None: there is none."""
        moments = [due for due, *_ in self._lapsed[:1]]
        moments += [first.expires + self.return_after for first in [next(iter(self._out.values()), None)] if first]
        return min(moments, default=None)

    def _turn(self, now: float) -> None:
        """Bring the queue to this time: handles die, and events come back."""
        while self._out:
            first = next(iter(self._out.values()))
            if first.expires > now:
                break
            del self._out[first.handle]
            self._late[first.handle] = first.expires
            if not self._is_elsewhere(first.event):
                self._lapse(first.event, first.expires + self.return_after)
        for handle in [handle for handle, dies in self._echoes.items() if dies <= now]:
            self._late[handle] = self._echoes.pop(handle)
        while len(self._late) > REMEMBERED:
            self._late.popitem(last=False)
        while self._lapsed and self._lapsed[0][0] <= now:
            self._waiting.append(heappop(self._lapsed)[2])

    def _is_elsewhere(self, event: Queued) -> bool:
        """Whether an event that leaves one place is in another as well; then it may be dropped from this one."""
        if not self._spare[event.number]:
            return False
        self._spare[event.number] -= 1
        return True
