"""Faults as data: what goes wrong, with which calls and events, and how often. Pure."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from random import Random
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vodworker.api import ACTIONS
from vodworker.events import EVENTS

ANY = "*"

When = Literal["before", "after"]
Span = Annotated[float, Field(ge=0)]


def known(names: Mapping[str, object], kind: str) -> Callable[[str], str]:
    """A check that a text is one of these names or stands for all of them."""

    def check(name: str) -> str:
        if name not in {ANY, *names}:
            raise ValueError(f'it is not {kind} or "{ANY}"{meant(name, names) or ""}')
        return name

    return check


def meant(name: str, names: Mapping[str, object]) -> str | None:
    """A question after the nearest of the names, if one is near."""
    folded = {it.casefold(): it for it in names}
    near = get_close_matches(name.casefold(), folded, n=1)
    return f"; did you mean {folded[near[0]]}?" if near else None


class Fault(BaseModel):
    """Something that goes wrong now and then.

    rate: the chance that it strikes, each time that it could. skip: how many times it lets pass first. count: how often
    it strikes at most; None is without end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    skip: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1)] | None = None


class OfCalls(Fault):
    """A fault of calls: of one action, or of all."""

    action: Annotated[str, AfterValidator(known(ACTIONS, "an action"))] = ANY


class OfEvents(Fault):
    """A fault of events: of one type, or of all."""

    event: Annotated[str, AfterValidator(known(EVENTS, "an event type"))] = ANY


class Latency(OfCalls):
    """The call is slow: on its way to the service, which counts it only when it arrives, or the reply is on its way.

    shape: always `seconds`; or anything from `least` to `seconds`, equally likely; or `least` and an exponential tail
    with the mean `seconds`, cut at `most` in all. A caller that hangs up meanwhile takes nothing back: what is on its
    way arrives.
    """

    kind: Literal["latency"] = "latency"
    seconds: Span
    shape: Literal["constant", "uniform", "exponential"] = "constant"
    least: Span = 0.0
    most: Span = 60.0
    when: When = "before"

    def drawn(self, chance: Random) -> float:
        """The seconds of this time."""
        match self.shape:
            case "constant":
                return self.seconds
            case "uniform":
                return chance.uniform(self.least, self.seconds)
            case "exponential":
                return min(self.most, self.least + chance.expovariate(1.0) * self.seconds)


class Http(OfCalls):
    """A gateway answers for the service, before or after it did what was asked."""

    kind: Literal["http"] = "http"
    status: Annotated[int, Field(ge=400, le=599)] = 503
    when: When = "before"


class Cut(OfCalls):
    """The connection breaks before the service did anything, or after it: then only the reply is lost."""

    kind: Literal["cut"] = "cut"
    when: When


class Truncated(OfCalls):
    """The service did it, and its reply ends too soon. keep: how much of it comes.

    broken: the connection breaks there; else the reply claims to be whole, as a careless proxy makes it.
    """

    kind: Literal["truncated"] = "truncated"
    keep: Annotated[float, Field(ge=0, lt=1)] = 0.5
    broken: bool = False

    @property
    def when(self) -> When:
        """There is no reply to cut before the effect."""
        return "after"


class Foreign(OfCalls):
    """Something else answers: a login page, a proxy's apology."""

    kind: Literal["foreign"] = "foreign"
    body: str = "<html><head><title>Welcome</title></head><body><h1>Please log in</h1></body></html>"
    status: Annotated[int, Field(ge=200, le=599)] = 200
    when: When = "before"


class Code(OfCalls):
    """The service refuses, with this code, and does nothing."""

    kind: Literal["code"] = "code"
    code: int
    message: str = "a fault that was asked for"
    desc: str = "InjectedFault"

    @property
    def when(self) -> When:
        """What is refused has no effect."""
        return "before"


class Step(OfCalls):
    """A clock jumps when the call arrives, before it is checked. step: seconds, negative: backwards.

    clock: the one that the Timestamp of calls is held against, or the one that tasks live on.
    lasts: seconds after which it jumps back; None: it does not.
    """

    kind: Literal["clock"] = "clock"
    step: float
    clock: Literal["timestamp", "tasks"] = "timestamp"
    lasts: Span | None = None


class Duplicate(OfEvents):
    """The event stands twice in the batch that it is handed out in, with two handles."""

    kind: Literal["duplicate"] = "duplicate"


class Early(OfEvents):
    """The event can be pulled again `after` seconds, though its handle still lives."""

    kind: Literal["early"] = "early"
    after: Span = 0.0


class Lost(OfEvents):
    """What should be told by an event is not told: a task ends, and no event comes."""

    kind: Literal["lost"] = "lost"


class Reorder(Fault):
    """A batch is picked at random among the first `span` events that wait."""

    kind: Literal["reorder"] = "reorder"
    span: Annotated[int, Field(ge=2)] = 64


End: TypeAlias = Http | Cut | Truncated | Foreign | Code
AnyFault: TypeAlias = Latency | End | Step | Duplicate | Early | Lost | Reorder
KINDS: Mapping[str, type[Fault]] = {kind.model_fields["kind"].default: kind for kind in get_args(AnyFault)}


class Plan(BaseModel):
    """Everything that shall go wrong. seed: the same seed and the same faults strike in the same places again."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    seed: int = 0
    faults: tuple[Annotated[AnyFault, Field(discriminator="kind")], ...] = ()
