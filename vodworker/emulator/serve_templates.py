"""Serves transcode templates: the service's presets, which nobody can change, and up to 16 of the account's own."""

from pydantic import ValidationError

from vodworker.api.action import said
from vodworker.api.bounds import code_for
from vodworker.api.templates import (
    CreateTranscodeTemplate,
    DeleteTranscodeTemplate,
    NewDefinition,
    NewTemplate,
    QueryTranscodeTemplate,
    QueryTranscodeTemplateList,
    UpdateTranscodeTemplate,
)
from vodworker.emulator.presets import MASTER, PRESETS, as_asked
from vodworker.emulator.refusal import BAD_DEFINITION, ILLEGAL, MISSING_TEMPLATE, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Json, Template

OWN = 16  # an account may have so many
FIRST = 1_000_000  # numbers of the account's own begin behind those of all presets
MADE = 1_485_156_352  # when the presets were made, as the manual's examples have it


async def create_template(service: Service, call: CreateTranscodeTemplate) -> NewTemplate:
    """Add a template of the account's own."""
    if len(service.state.transcode_templates) >= OWN:
        raise Refusal(ILLEGAL, f"there are {OWN} templates already; delete one first")
    definition, now = FIRST + service.state.next(), service.clock.now()
    service.state.transcode_templates[definition] = Template(definition, _asked(call), now, now)
    return NewTemplate(data=NewDefinition(definition=definition))


def _asked(call: CreateTranscodeTemplate | UpdateTranscodeTemplate) -> Json:
    return _numbered(call.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"definition"}))


def _numbered(asked: Json) -> Json:
    """The same with 1 and 0 for true and false, as the service tells them."""
    return {
        name: _numbered(value) if isinstance(value, dict) else int(value) if isinstance(value, bool) else value
        for name, value in asked.items()
    }


async def query_list(service: Service, _: QueryTranscodeTemplateList) -> Json:
    """The presets, then the account's own."""
    return {"data": list(_all(service).values())}


def _all(service: Service) -> dict[int, Json]:
    presets = {
        number: _told(Template(number, as_asked(preset), MADE, MADE), preset=True)
        for number, preset in sorted(PRESETS.items())
        if number != MASTER  # made on the way, and of no template
    }
    return presets | {one.definition: _told(one) for one in service.state.transcode_templates.values()}


def _told(template: Template, *, preset: bool = False) -> Json:
    common = {"name": "", "comment": "", "isFiltrateVideo": 0, "isFiltrateAudio": 0}
    facts = {
        "definition": template.definition,
        "createTime": int(template.created),
        "updateTime": int(template.updated),
        "onPremise": int(preset),
        "status": 0,
    }
    return common | template.asked | facts


async def query(service: Service, call: QueryTranscodeTemplate) -> Json:
    """One template, of either kind."""
    if found := _all(service).get(call.definition):
        return {"data": found}
    raise Refusal(MISSING_TEMPLATE, f"there is no template {call.definition}")


async def update(service: Service, call: UpdateTranscodeTemplate) -> None:
    """Change what is given; what comes of it is held to the rules for a new template."""
    if call.definition in PRESETS:
        raise Refusal(BAD_DEFINITION, f"template {call.definition} is a preset of the service")
    old = service.state.transcode_templates.get(call.definition)
    if old is None:
        raise Refusal(MISSING_TEMPLATE, f"there is no template {call.definition}")
    change = _asked(call)
    merged = old.asked | change | {part: old.asked.get(part, {}) | change[part] for part in PARTS if part in change}
    try:
        whole = CreateTranscodeTemplate.model_validate(merged)
    except ValidationError as error:
        raise Refusal(code_for(CreateTranscodeTemplate, error), said(error)) from None
    service.state.transcode_templates[old.definition] = Template(
        old.definition, _asked(whole), old.created, service.clock.now()
    )


PARTS = ("video", "audio")


async def delete(service: Service, call: DeleteTranscodeTemplate) -> None:
    """Delete a template of the account's own; the action knows no code of its own for one that is not."""
    if service.state.transcode_templates.pop(call.definition, None) is None:
        raise Refusal(ILLEGAL, f"there is no template {call.definition} of your own")


SERVES: Serves = {
    CreateTranscodeTemplate: create_template,
    QueryTranscodeTemplateList: query_list,
    QueryTranscodeTemplate: query,
    UpdateTranscodeTemplate: update,
    DeleteTranscodeTemplate: delete,
}
