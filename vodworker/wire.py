"""The spelling of v2: camelCase names, dotted and numbered parameters, `code` in the reply. Nothing else may know it.

Pure: no clock, no I/O.
"""

from pydantic import BaseModel, ConfigDict


def camel(name: str) -> str:
    """The service's name for one of ours: `vod_task_id` is `vodTaskId`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


class Params(BaseModel):
    """A group of parameters: an action itself, or an object inside one. Frozen; an unknown name is an error.

    Python names are snake_case, `camel` gives the name on the wire, and a field whose wire name follows no rule says it
    with an alias. Both names are accepted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=camel, populate_by_name=True)


class Part(BaseModel):
    """A piece of a reply or of an event. Frozen; unknown fields are kept, documented ones may be missing."""

    model_config = ConfigDict(
        frozen=True, extra="allow", alias_generator=camel, populate_by_name=True, coerce_numbers_to_str=True
    )
