"""Watermark templates. A new picture goes up in three steps: apply, HTTP PUT of its bytes to the address, create."""

from typing import Annotated, Literal

from pydantic import Field

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import Code, Definition, Measure, Octets, Text
from vodworker.media import Detail


class WatermarkUpload(Reply):
    """Where to put the picture."""

    upload_url: str | None = None


class ApplyUploadWatermark(Action[WatermarkUpload], safe=True, errors=(1000, 1001)):
    """Learn where a picture can be put with HTTP PUT, the bytes as the body."""

    type: Text
    """Its format: png (better) or jpg."""


class NewWatermark(Reply):
    """The new template."""

    definition: int | None = None


class CreateWatermarkTemplate(
    Action[NewWatermark], errors=(1000, 1001, 10706, 10801, 10802, 10803, 10804, 10810, 10811)
):
    """Make a template of a picture that was put. Places and sides are `10%` of the video's, or `100px`."""

    name: Annotated[str | None, Octets(64)] = None
    """At most 64 bytes."""
    comment: Annotated[str | None, Octets(1024)] = None
    """At most 1024 bytes."""
    type: Annotated[Literal["image"], Code(10802)] = "image"
    """There is no other."""
    url: Annotated[Text, Code(10801)]
    """The address that ApplyUploadWatermark gave."""
    left: Annotated[Measure, Code(10803)] = "0px"
    """From the video's left edge."""
    top: Annotated[Measure, Code(10804)] = "0px"
    """From the video's top edge."""
    width: Annotated[Measure, Code(10810)] = "10%"
    """How wide. The manual requires it and yet names this default."""
    height: Annotated[Measure, Code(10811)] = "0px"
    """How high; 0px: in proportion to the width."""


class Watermark(Detail):
    """A template. The manual spells two of its names with underscores."""

    definition: int | None = None
    name: str | None = None
    comment: str | None = None
    type: str | None = None
    url: str | None = None
    left: str | None = None
    top: str | None = None
    width: str | None = None
    height: str | None = None
    status: int | None = None  # 1: the account's default
    create_time: Annotated[int | None, Field(alias="create_time")] = None  # Unix s
    update_time: Annotated[int | None, Field(alias="update_time")] = None  # Unix s


class WatermarkList(Reply):
    """All templates."""

    watermark_list: tuple[Watermark, ...] = ()


class QueryWatermarkTemplateList(Action[WatermarkList], safe=True, errors=(1000, 1001, 1050, 1102, 1702)):
    """All watermark templates."""


class WatermarkTemplate(Watermark, Reply):
    """One template, its fields beside `code`."""


class QueryWatermarkTemplate(Action[WatermarkTemplate], safe=True, errors=(1000, 10702, 10704)):
    """One watermark template."""

    definition: Definition
    """The template."""


class UpdateWatermarkTemplate(Action[Reply], safe=True, errors=(1000, 10801, 10802, 10803, 10804, 10807, 10810, 10811)):
    """Change a template; what is not given stays as it is."""

    definition: Annotated[Definition, Code(10807)]
    """The template."""
    name: Annotated[str | None, Octets(64)] = None
    """At most 64 bytes. In the manual's example, not in its table, as is `url`."""
    type: Annotated[Literal["image"] | None, Code(10802)] = None
    """There is no other."""
    url: Annotated[str | None, Code(10801)] = None
    """The address that ApplyUploadWatermark gave for another picture."""
    left: Annotated[Measure | None, Code(10803)] = None
    """From the video's left edge."""
    top: Annotated[Measure | None, Code(10804)] = None
    """From the video's top edge."""
    width: Annotated[Measure | None, Code(10810)] = None
    """How wide. The manual requires it and yet names a default, so it is left to the caller."""
    height: Annotated[Measure | None, Code(10811)] = None
    """How high; 0px: in proportion to the width."""


class DeleteWatermarkTemplate(Action[Reply], harmless=True, errors=(1000, 1001, 1050, 1102, 1702)):
    """Delete a template. The second time it is not there."""

    definition: Definition
    """The template."""
