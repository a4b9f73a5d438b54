"""A service that is nowhere: it takes notes, and fails by name."""

from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar, cast

from vodworker.api.action import Action, Page, Reply, must_be_action
from vodworker.cloud.client import Item, pages
from vodworker.cloud.ledger import OnDoubt
from vodworker.config import nearest
from vodworker.errors import BadReply, InDoubt, Unreachable, VodworkerError, refusal

R = TypeVar("R", bound=Reply)

FAULTS: Mapping[str, Callable[[str], VodworkerError]] = MappingProxyType(
    {
        "unreachable": lambda action: Unreachable(action, "no connection", sent=False),
        "lost": lambda action: Unreachable(action, "no reply within 15 s"),
        "foreign": lambda action: BadReply(action, "HTTP 200 with something that is no reply: <html>"),
        "denied": lambda action: refusal(action, code=4100, text="a fault that was asked for"),
        "ill": lambda action: refusal(action, code=6000, text="a fault that was asked for"),
        "gone": lambda action: refusal(action, code=70014, text="a fault that was asked for"),
        "doubtful": lambda action: InDoubt(action, "an earlier run sent it, and it may have had its effect"),
    }
)
Answer: TypeAlias = Reply | VodworkerError | int | str


class Recorder:
    """A service that is nowhere: it notes what a handler submits, and answers as it is told to.

    replies: for each type of action a reply; or what goes wrong: an error to be raised, the code that the service
    refuses with, or one of the `FAULTS` by its name. An action without one is answered well and with nothing in it, but
    for a task id where it starts a task. What is not safe to repeat and asked again under the same `once` is answered
    as before and not noted again, as in a later run of a handler. No ceilings, no waiting.
    """

    def __init__(self, replies: Mapping[type[Action[Any]], Answer] | None = None) -> None:
        self.replies = dict(replies or {})
        self.calls: list[Action[Reply]] = []
        self._once: dict[str, Reply] = {}

    def __repr__(self) -> str:
        return f"<Recorder of {len(self.calls)} calls>"

    async def call(
        self,
        action: Action[R],
        *,
        once: str | None = None,
        on_doubt: OnDoubt | None = None,  # noqa: ARG002  # what is in doubt here is so by order
    ) -> R:
        """The reply to this action; raises the error when it is told to."""
        must_be_action(action)
        once = None if action.safe else once
        if once is not None and once in self._once:
            return cast("R", self._once[once])  # the same name is the same action
        self.calls.append(action)
        reply = self._answer(action)
        if once is not None:
            self._once[once] = reply
        return cast("R", reply)  # `replies` has the replies of its actions

    def pages(self, action: Action[Page[Item]]) -> AsyncIterator[Item]:
        """The items of what `call` replies."""
        return pages(self.call, action)

    def _answer(self, action: Action[R]) -> Reply:
        name = type(action).__name__
        match self.replies.get(type(action)):
            case Reply() as reply:
                return reply
            case VodworkerError() as error:
                raise error
            case int(code):
                raise refusal(name, code=code)
            case str(fault):
                raise made(name, fault)
            case None:
                starts = "vod_task_id" in action.reply.model_fields
                return action.reply.model_validate({"vodTaskId": f"task-{len(self.calls)}"} if starts else {})


def made(action: str, fault: str) -> VodworkerError:
    """The error that this fault is to the caller of the action."""
    if fault not in FAULTS:
        meant = nearest(fault, FAULTS)
        remedy = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(FAULTS)}"
        raise ValueError(f"{fault} is no fault; {remedy}")
    return FAULTS[fault](action)
