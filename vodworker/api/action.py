"""What an action is: a class whose fields are the parameters, its type argument the reply, its keywords the facts."""

from collections.abc import Mapping, Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import ValidationError

from vodworker.api.pages import Pages
from vodworker.errors import InvalidCall
from vodworker.media import Detail
from vodworker.wire import Params


class Reply(Detail):
    """What every reply has; `code` is 0 in every reply that a caller sees, the others are raised as errors.

    Every field may be missing, and what cannot be read counts as missing: a call that was done stays done.
    """

    code: int = 0
    message: str = ""
    code_desc: str = ""


ItemT_co = TypeVar("ItemT_co", covariant=True)


class Page(Reply, Generic[ItemT_co]):
    """A reply that holds one piece of a long list of `ItemT_co`; the action's `pages` says where in it."""

    if not TYPE_CHECKING:
        # No field has this type, and pydantic would make a class for each argument, in annotations too.
        __class_getitem__ = classmethod(GenericAlias)


ReplyT_co = TypeVar("ReplyT_co", bound=Reply, covariant=True)

PER_MINUTE = 100  # calls of one action in 60 s: the manual's ceiling for all actions but the two of the event queue


class Group(Params):
    """Parameters that go together: an action, or an object inside one. Made with a broken bound it raises InvalidCall.

    `model_validate`, which readers of requests use, raises pydantic's ValidationError instead: it knows the place.
    """

    if not TYPE_CHECKING:  # pragma: no branch - checkers see the `__init__` that pydantic makes from the fields

        def __init__(self, /, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise InvalidCall(type(self).__name__, said(error)) from None

        # Or pydantic would call it for nested groups too, and lose the place of what is wrong in them.
        __init__.__pydantic_base_init__ = True


def must_be_action(thing: object) -> None:
    """Raise `InvalidCall` for what is none, such as a class without its parameters; sending it again cannot help."""
    if not isinstance(thing, Action):
        raise InvalidCall("call", f"it takes an action, as in GetVideoInfo(file_id=…), not {thing!r:.60}")


def said(error: ValidationError) -> str:
    """What is wrong with some parameters, in one line: each field, its value, its bound."""
    return "; ".join(
        ": ".join([*filter(None, [".".join(map(str, problem["loc"]))]), problem["msg"]])
        + ("" if problem["type"] in SAYS_ALL else f", not {problem['input']!r:.60}")
        for problem in error.errors(include_url=False)
    )


# The mistakes whose message needs no value beside it.
SAYS_ALL = frozenset({"missing", "extra_forbidden", "too_short", "too_long", "too_many_bytes", "rule"})


class Action(Group, Generic[ReplyT_co]):
    """One action of the service. `await vod.call(ProcessFile(file_id=…))` sends it and returns its reply.

    Class keywords:
        rate: the service's ceiling in calls of this action in 60 s.
        safe: the call may be sent again freely: it reads, or doing it twice is doing it once and is answered alike.
        harmless: doing it twice is doing it once, but the second time may be refused, because it is done.
        starts_task: the type of the event that tells how the work ended which the call started.
        errors: the codes of its own that the service documents for it, beside the common ones; `codes` explains them.
        pages: how to read a list that is longer than one reply.
        deprecated: the action to use instead; "" when it is retired without an heir, None when it is not retired.
        aka: other spellings of its name in the manual, all of which a server should know.
    """

    rate: ClassVar[int]
    safe: ClassVar[bool]
    harmless: ClassVar[bool]
    starts_task: ClassVar[str | None]
    errors: ClassVar[frozenset[int]]
    pages: ClassVar[Pages | None]
    deprecated: ClassVar[str | None]
    aka: ClassVar[tuple[str, ...]]
    reply: ClassVar[type[Reply]]

    if not TYPE_CHECKING:
        __class_getitem__ = classmethod(GenericAlias)  # as in `Page`

    def __init_subclass__(
        cls,
        *,
        rate: int = PER_MINUTE,
        safe: bool = False,
        harmless: bool = False,
        starts_task: str | None = None,
        errors: Sequence[int] = (),
        pages: Pages | None = None,
        deprecated: str | None = None,
        aka: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.rate = rate
        cls.safe = safe
        cls.harmless = harmless
        cls.starts_task = starts_task
        cls.errors = frozenset(errors)
        cls.pages = pages
        cls.deprecated = deprecated
        cls.aka = tuple(aka)
        for base in vars(cls).get("__orig_bases__", ()):  # so that the reply's type is written once
            if get_origin(base) is Action:
                (cls.reply,) = get_args(base)


def table(names: Mapping[str, object]) -> dict[str, type[Action[Reply]]]:
    """The actions among some names; `Action[…]` itself is none."""
    return {
        name: thing
        for name, thing in names.items()
        if isinstance(thing, type) and issubclass(thing, Action) and name.isidentifier() and thing is not Action
    }
