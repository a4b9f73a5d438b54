"""Read by the type checkers only: what can be a handler, and what can not.

A line that must not check says so with an ignore; where it checks after all, both checkers call the ignore an error.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, assert_type

from pydantic import BaseModel

from vodworker import Context, Done, Outcome, Reject, Retry, on
from vodworker.api import GetTaskInfo, ProcessFile
from vodworker.events import ClipComplete, ConcatComplete, Event, NewFileUpload, TaskEvent
from vodworker.testing import context


class Options(BaseModel):
    """What a handler can be told."""

    templates: tuple[int, ...] = (210,)


class Pool:
    """What a handler keeps open."""


@asynccontextmanager
async def pool(options: Options) -> AsyncGenerator[Pool]:
    """A pool that is opened with the options."""
    assert_type(options.templates, tuple[int, ...])
    yield Pool()


@asynccontextmanager
async def plain_pool(options: Mapping[str, Any]) -> AsyncGenerator[Pool]:
    """A pool for a handler without a model."""
    assert_type(options["size"], Any)
    yield Pool()


# What must check


@on(NewFileUpload)
async def one(event: NewFileUpload, ctx: Context) -> Outcome:
    """The fields of the event, the parameters of an action and the reply are known."""
    assert_type(event.file_id, str | None)
    assert_type(ctx.options["any"], Any)
    assert_type(ctx.resources, None)
    reply = await ctx.vod.call(ProcessFile(file_id="7"))
    assert_type(reply.vod_task_id, str | None)
    return Done()


@on(NewFileUpload, ClipComplete, ConcatComplete)
def several(event: NewFileUpload | ClipComplete | ConcatComplete, ctx: Context) -> Retry | None:
    """A plain function waits for its calls."""
    assert_type(ctx.wait(ctx.vod.call(GetTaskInfo(vod_task_id="t"))).status, str | None)
    return None if event.key else Retry(after=60)


@on(NewFileUpload, ClipComplete)
async def wider(event: Event, ctx: Context) -> None:
    """A handler may take more than it hears."""


@on(NewFileUpload, options=Options)
async def with_options(event: NewFileUpload, ctx: Context[Options]) -> Outcome:
    """Options are those of the model."""
    assert_type(ctx.options.templates, tuple[int, ...])
    return Done()


@on(NewFileUpload, options=Options, resources=pool)
async def with_both(event: NewFileUpload, ctx: Context[Options, Pool]) -> Outcome:
    """Resources are what was opened."""
    assert_type(ctx.resources, Pool)
    return Done()


@on(TaskEvent, resources=plain_pool)
async def with_resources(event: TaskEvent, ctx: Context[Mapping[str, Any], Pool]) -> Outcome:
    """Resources without a model of options."""
    assert_type(ctx.resources, Pool)
    return Done()


async def tested() -> None:
    """A handler's test gives it what it takes."""
    await one(NewFileUpload(file_id="7"), context())
    await one(NewFileUpload(file_id="7"), context(options={"any": 1}))
    await with_options(NewFileUpload(file_id="7"), context(options=Options()))
    await with_both(NewFileUpload(file_id="7"), context(options=Options(), resources=Pool()))
    await one(ClipComplete(), context())  # type: ignore[arg-type]  # another event


# What must not


@on(NewFileUpload)  # type: ignore[arg-type]  # it hears another event than it takes
async def another_event(event: ClipComplete, ctx: Context) -> None:
    """It would be given what it does not know."""


@on(NewFileUpload, ClipComplete)  # type: ignore[arg-type]  # it takes one of the two
async def one_of_two(event: NewFileUpload, ctx: Context) -> None:
    """It would be given the other, too."""


@on(NewFileUpload)  # type: ignore[arg-type]  # a handler takes a context, too
async def too_few(event: NewFileUpload) -> None:
    """It has no way to the service."""


@on(NewFileUpload)  # type: ignore[arg-type]  # who would give it more?
async def too_many(event: NewFileUpload, ctx: Context, more: int) -> None:
    """It would fail at every event."""


@on(NewFileUpload)  # type: ignore[type-var]  # an outcome is a value of ours
async def truth(event: NewFileUpload, ctx: Context) -> bool:
    """Whether it went well is not said so."""
    return True


@on(NewFileUpload)  # type: ignore[arg-type]  # as above
def word(event: NewFileUpload, ctx: Context) -> str:
    """Nor so."""
    return "done"


@on(NewFileUpload, options=Options)  # type: ignore[arg-type]  # it has options and does not take them
async def blind(event: NewFileUpload, ctx: Context) -> None:
    """It would look for them in a mapping."""


@on(NewFileUpload)  # type: ignore[arg-type]  # it takes options that it does not declare
async def undeclared(event: NewFileUpload, ctx: Context[Options]) -> None:
    """It would be given a mapping."""


@on(NewFileUpload, options=Options)  # type: ignore[arg-type]  # nobody opens the pool
async def unopened(event: NewFileUpload, ctx: Context[Options, Pool]) -> None:
    """It would be given None."""


@on(NewFileUpload, options=Options, resources=pool)
async def unknown_fields(event: NewFileUpload, ctx: Context[Options, Pool]) -> Outcome:
    """A name that is misspelled is seen before it runs."""
    if event.fileid:  # type: ignore[attr-defined]  # file_id
        return Reject("")
    await ctx.vod.call(ProcessFile(fileid="7"))  # type: ignore[call-arg]  # file_id
    print(ctx.options.template)  # type: ignore[attr-defined]  # noqa: T201  # templates
    return Done()


on("NewFileUpload")  # type: ignore[call-overload]  # the class, not its name
on()  # type: ignore[call-overload]  # hears nothing
on(NewFileUpload, options=Options())  # type: ignore[call-overload]  # the model, not one of it
