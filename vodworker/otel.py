"""A middleware that tells OpenTelemetry of each run and call: `vodworker.otel:spans`, with the extra `otel`.

A span for each run of a handler, one for each call inside, and a link from the run to the span of its event's arrival,
where the same process pulled it. Where they are sent is said by OpenTelemetry's own variables (OTEL_…).
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, Tracer

from vodworker.api.action import Action, Page, Reply
from vodworker.cloud.ledger import OnDoubt
from vodworker.events import Event
from vodworker.handler import Caller, Context, Item, Run
from vodworker.outcome import Outcome, Reject, Retry

R = TypeVar("R", bound=Reply)

REMEMBERED = 10_000  # arrivals: more than are open for long, and a few megabytes


class Spans:
    """The middleware. tracer: None is that of the process, with an exporter of ours where there is none yet."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._given = tracer
        self._arrivals: OrderedDict[int, SpanContext] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Spans of {len(self._arrivals)} arrivals>"

    @cached_property
    def _tracer(self) -> Tracer:
        if self._given is None and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            provider = TracerProvider(resource=Resource.create({"service.name": "vodworker"}))
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            trace.set_tracer_provider(provider)
        return self._given or trace.get_tracer("vodworker")

    def hear(self, event: str, facts: Mapping[str, Any]) -> None:
        """Note the arrival of an event."""
        if event == "event.received":
            told = {f"vodworker.{name}": facts[name] for name in ("event_id", "event_type", "key")}
            with self._tracer.start_as_current_span("event.received", kind=SpanKind.CONSUMER, attributes=told) as span:
                self._arrivals[facts["event_id"]] = span.get_span_context()
            if len(self._arrivals) > REMEMBERED:
                self._arrivals.popitem(last=False)

    async def __call__(self, event: Event, ctx: Context[Any, Any], run: Run) -> Outcome:
        """One run of a handler."""
        arrival = self._arrivals.get(ctx.event_id)
        with self._tracer.start_as_current_span(
            ctx.handler,
            kind=SpanKind.CONSUMER,
            links=[Link(arrival)] if arrival else (),
            attributes={
                "vodworker.event_id": ctx.event_id,
                "vodworker.event_type": event.type,
                "vodworker.key": event.key,
                "vodworker.attempt": ctx.attempt,
            },
        ) as span:
            outcome = await run(event, replace(ctx, vod=Traced(ctx.vod, self._tracer)))
            if isinstance(outcome, Retry | Reject):
                span.set_status(StatusCode.ERROR, outcome.why)
            return outcome


class Traced:
    """The service, with a span for each call."""

    def __init__(self, vod: Caller, tracer: Tracer) -> None:
        self._vod = vod
        self._tracer = tracer

    def __repr__(self) -> str:
        return f"<Traced {self._vod!r}>"

    async def call(self, action: Action[R], *, once: str | None = None, on_doubt: OnDoubt | None = None) -> R:
        """As the service does."""
        with self._tracer.start_as_current_span(type(action).__name__, kind=SpanKind.CLIENT):
            return await self._vod.call(action, once=once, on_doubt=on_doubt)

    async def pages(self, action: Action[Page[Item]]) -> AsyncIterator[Item]:
        """As the service does; a span for all pages."""
        span = self._tracer.start_span(type(action).__name__, kind=SpanKind.CLIENT)
        try:
            async for item in self._vod.pages(action):
                yield item
        finally:
            span.end()


spans = Spans()
