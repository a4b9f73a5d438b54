"""Lists that are longer than one reply."""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

ActionT = TypeVar("ActionT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Pages:
    """How such a list is read piece by piece. Names are Python's; a dot goes one level down.

    items: the reply's field that holds a piece.
    takes: the action's field that says where the next piece begins: a cursor, or a number from 1.
    gives: the reply's field with the next cursor, empty at the end of the list; None: the pieces are numbered.
    total: the reply's field that says how long the whole list is, when the pieces are numbered.
    """

    items: str
    takes: str
    gives: str | None = None
    total: str = ""

    def held(self, reply: BaseModel) -> tuple[Any, ...]:
        """The items of one reply."""
        return tuple(at(reply, self.items) or ())

    def following(self, action: ActionT, reply: BaseModel, *, seen: int) -> ActionT | None:
        """The action that asks for what follows this reply, or None: `seen` items were all there are."""
        place = getattr(action, self.takes)
        if self.gives is not None:
            cursor = at(reply, self.gives)
            # A cursor that does not move would lead round in circles.
            return action.model_copy(update={self.takes: cursor}) if cursor and cursor != place else None
        total = at(reply, self.total)
        if not self.held(reply) or (total is not None and seen >= total):
            return None
        return action.model_copy(update={self.takes: (place or 1) + 1})


def at(model: BaseModel, path: str) -> Any:
    """The value at a dotted path; None when a piece of the way is missing."""
    value: Any = model
    for name in path.split("."):
        value = getattr(value, name, None)
    return value
