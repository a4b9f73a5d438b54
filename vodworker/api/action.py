"""What an action is: a class whose fields are the parameters, its type argument the reply, its keywords the facts."""

from typing import Any, ClassVar, Generic, TypeVar

from vodworker.wire import Params, Part


class Reply(Part):
    """What every reply has; `code` is 0 in every reply that a caller sees, the others are raised as errors."""

    code: int = 0
    message: str = ""
    code_desc: str = ""


ReplyT_co = TypeVar("ReplyT_co", bound=Reply, covariant=True)

PER_MINUTE = 100  # calls of one action in 60 s: the manual's ceiling for all actions but the two of the event queue


class Action(Params, Generic[ReplyT_co]):
    """One action of the service. `await vod.call(ProcessFile(file_id=…))` sends it and returns its reply.

    Class keywords:
        rate: the service's ceiling in calls of this action in 60 s.
        safe: the call may be sent again freely: it reads, or doing it twice is doing it once.
        starts_task: the type of the event that ends the task which the call starts; such a call costs money.
    """

    rate: ClassVar[int]
    safe: ClassVar[bool]
    starts_task: ClassVar[str | None]
    reply: ClassVar[type[Reply]]

    def __init_subclass__(
        cls, *, rate: int = PER_MINUTE, safe: bool = False, starts_task: str | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.rate = rate
        cls.safe = safe
        cls.starts_task = starts_task

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Read the reply's type from `Action[…]`, so that it is written once."""
        super().__pydantic_init_subclass__(**kwargs)
        for base in cls.__mro__:
            arguments = getattr(base, "__pydantic_generic_metadata__", {}).get("args")
            if arguments and isinstance(arguments[0], type):
                cls.reply = arguments[0]
                return
