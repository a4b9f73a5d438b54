"""Replies held to their declarations: what in them is undeclared or cannot be read, and what is missing."""

from collections.abc import Iterator
from typing import Any

from pydantic import AliasChoices, BaseModel

from vodworker.media import Detail

ABSENT = {  # what a good reply may do without, although its type has it
    # A transcoded file is of the type of a file's metadata, which has two fields more.
    "GetVideoInfo": {"transcode_info.transcode_list.rotate", "transcode_info.transcode_list.total_size"},
    # None of the flows that the service has ready makes sprites.
    "ProcessFileByProcedure": {"image_sprite_task_id"},
    # What is told of tasks of other kinds; there is a test of those.
    "GetTaskInfo": {
        *("data.src_file_id", "data.file_name", "data.file_url", "data.cover_url", "data.duration", "data.definition"),
        *("data.play_set", "data.file_info", "data.pic_info"),
        *("data.total_count", "data.image_sprite_url", "data.web_vtt_url"),
    },
}


def undeclared(model: BaseModel, place: str = "") -> Iterator[str]:
    """The fields of a reply that its type does not know."""
    if type(model) is not Detail:  # what analyses and reviews were asked and found has no declaration
        yield from (f"{place}{name}" for name in model.model_extra or ())
    for name, value in model:
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, BaseModel):
                yield from undeclared(inner, f"{place}{name}.")


def unread(told: dict[str, Any], model: BaseModel, place: str = "") -> Iterator[str]:
    """What was said in a reply and does not reach who reads it as its type."""
    names = {alias: name for name, field in type(model).model_fields.items() for alias in aliases(name, field)}
    for alias, value in told.items():
        name = names.get(alias, "")
        if name not in model.model_fields_set:
            if type(model) is not Detail:
                yield f"{place}{alias}"
            continue
        read = getattr(model, name)
        pairs = zip(value, read, strict=True) if isinstance(value, list) else [(value, read)]
        for inner, piece in pairs:
            if isinstance(piece, BaseModel):
                yield from unread(inner, piece, f"{place}{name}.")


def aliases(name: str, field: Any) -> list[str]:
    """The names that a field may come by."""
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [str(alias or name)]


def unsaid(model: BaseModel, place: str = "") -> Iterator[str]:
    """The declared fields that a reply says nothing of; of a list, those that none of its items says."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if name not in model.model_fields_set:
            yield f"{place}{name}"
        elif isinstance(value, BaseModel):
            yield from unsaid(value, f"{place}{name}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            yield from sorted(set.intersection(*(set(unsaid(each, f"{place}{name}.")) for each in value)))
