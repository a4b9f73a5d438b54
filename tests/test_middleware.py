"""What is done around each run of a handler, in order; and the one that tells OpenTelemetry."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from vodworker import Context, Done, Outcome, Reject, Run, on
from vodworker.api import GetTaskInfo, GetTaskList, ProcessFile, Transcode
from vodworker.errors import ConfigError, Refused, refusal
from vodworker.events import Event, NewFileUpload
from vodworker.otel import REMEMBERED, Spans
from vodworker.router import Router
from vodworker.testing import Recorder, context

SAID: list[str] = []


@pytest.fixture(autouse=True)
def said() -> Iterator[list[str]]:
    """What was said, in order."""
    yield SAID
    SAID.clear()


async def outer(event: Event, ctx: Context[Any, Any], run: Run) -> Outcome:
    """Say when a run begins and how it ended."""
    SAID.append(f"outer begins {ctx.handler}")
    try:
        return await run(event, ctx)
    finally:
        SAID.append("outer ends")


async def inner(event: Event, ctx: Context[Any, Any], run: Run) -> Outcome:
    """Change what the handler is given, and what comes of it."""
    SAID.append("inner")
    outcome = await run(event, replace(ctx, attempt=7))
    return Reject("changed") if outcome == Done() else outcome


@on(NewFileUpload)
async def hear(event: NewFileUpload, ctx: Context) -> Outcome:
    """A handler that says its attempt, and fails without a file."""
    SAID.append(f"attempt {ctx.attempt}")
    if not event.file_id:
        raise KeyError("no file")
    return Done()


async def ran(router: Router, event: Event, **given: Any) -> object:
    """What comes of a run."""
    return await router.routes["hear"].run(event, context(handler="hear", **given))


async def test_middleware_is_around_each_run_in_order(said: list[str]) -> None:
    """The first is the outermost; each may change what goes in and what comes out."""
    router = Router.of(hear, middleware=[outer, inner])

    assert Reject("changed") == await ran(router, NewFileUpload(file_id="7"))
    assert ["outer begins hear", "inner", "attempt 7", "outer ends"] == said


async def test_middleware_sees_a_failure_go_by(said: list[str]) -> None:
    """What the handler raises passes through; what a middleware raises is a failure of the run."""
    assert isinstance(await ran(Router.of(hear, middleware=[outer]), NewFileUpload()), KeyError)
    assert "outer ends" == said[-1]

    async def broken(event: Event, ctx: Context[Any, Any], run: Run) -> Outcome:
        raise SystemExit

    assert isinstance(await ran(Router.of(hear, middleware=[broken]), NewFileUpload(file_id="7")), SystemExit)


HANDLER = "from vodworker import on\nfrom vodworker.events import Event\n@on(Event)\nasync def hear(event, ctx): ...\n"
AROUND = """
async def good(event, ctx, run):
    return await run(event, ctx)

def plain(event, ctx, run): ...

async def short(event, ctx): ...
"""


@pytest.mark.usefixtures("beside")
def test_middleware_is_named_in_the_settings(tmp_path: Path) -> None:
    """A function of an installed module, or of a file beside the handlers; what can be none stops the start."""
    (tmp_path / "hear.py").write_text(HANDLER)
    (tmp_path / "_circle.py").write_text(AROUND)
    router = Router.load([tmp_path], middleware=["_circle:good", "vodworker.otel:spans"])
    names = ["_circle", "_circle:gone", "nowhere:at_all", "_circle:plain", "_circle:short"]
    with pytest.raises(ConfigError) as caught:
        Router.load([tmp_path], middleware=names)

    assert 2 == len(router.middleware)
    assert (
        "handlers.middleware: _circle is no function; name it as module:function",
        "handlers.middleware: _circle:gone cannot be loaded: AttributeError: module '_circle' has no attribute 'gone'",
        "handlers.middleware: nowhere:at_all cannot be loaded: ModuleNotFoundError: No module named 'nowhere'",
        "handlers.middleware: _circle:plain is no `async def`; let it be async def plain(event, ctx, run)",
        "handlers.middleware: _circle:short takes (event, ctx); let it take (event, ctx, run)",
    ) == caught.value.problems


# OpenTelemetry


@on(NewFileUpload)
async def works(event: NewFileUpload, ctx: Context) -> Outcome:
    """A handler that calls the service."""
    async for _ in ctx.vod.pages(GetTaskList(status="FINISH")):
        pass
    await ctx.vod.call(ProcessFile(file_id="7", transcode=Transcode(definition=[20])))
    if event.file_id:
        await ctx.vod.call(GetTaskInfo(vod_task_id="t"))
    return Reject("no file")


async def traced(event: Event, *, arrivals: int = 1) -> list[ReadableSpan]:
    """The spans of one run on one event that came as the first of so many."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider.get_tracer("test"))
    for number in range(arrivals):
        spans.hear("event.received", {"event_id": number + 1, "event_type": event.type, "key": event.key})
    spans.hear("event.confirmed", {"handles": 1})
    (route,) = Router.of(works, middleware=[spans]).routes.values()
    await route.run(event, context(Recorder({GetTaskInfo: refusal("GetTaskInfo", code=4000)}), handler="works"))
    assert f"<Spans of {min(arrivals, REMEMBERED)} arrivals>" == repr(spans)
    return list(exporter.get_finished_spans())


async def test_each_run_and_each_call_is_a_span() -> None:
    """The calls lie inside the run, the run is linked to the arrival of its event, and what failed says why."""
    arrival, pages, process, ask, run = await traced(NewFileUpload(file_id="7"))

    assert ["event.received", "GetTaskList", "ProcessFile", "GetTaskInfo", "works"] == [
        it.name for it in (arrival, pages, process, ask, run)
    ]
    assert run.context
    assert {run.context.span_id} == {it.parent.span_id for it in (pages, process, ask) if it.parent}
    assert [arrival.context] == [link.context for link in run.links]
    assert {"vodworker.event_id": 1, "vodworker.event_type": "NewFileUpload", "vodworker.key": "7"}.items() <= {
        **(run.attributes or {})
    }.items()
    assert [StatusCode.UNSET, StatusCode.ERROR, StatusCode.ERROR] == [
        it.status.status_code for it in (process, ask, run)
    ]
    assert Refused.__name__ in str(run.status.description)


async def test_a_rejected_event_is_an_error_of_its_span() -> None:
    """An outcome that is no success is told with its reason."""
    *_, run = await traced(NewFileUpload())

    assert (StatusCode.ERROR, "no file") == (run.status.status_code, run.status.description)


@pytest.mark.no_cover
async def test_arrivals_are_not_remembered_for_ever() -> None:
    """A run whose event came long ago, or to another process, has no link; memory is bounded."""
    *_, run = await traced(NewFileUpload(file_id="7"), arrivals=REMEMBERED + 1)

    assert () == tuple(run.links)
