"""Traces in OpenTelemetry's terms: from the caller that starts an execution to its last child.

The API (`rhythm-flow[otel]`) is looked for only where the program itself has loaded it, and used
only where a provider of tracers has been set: who does not trace pays nothing. A trace goes on by
what the first event of an execution carries (W3C trace context), so that it holds across processes,
crashes and months, and goes through workers that do not trace. Each run of a workflow that restarts
begins a trace of its own, or an endless one's would never end.

=================== ========= ==============================================================
span                kind      from … to
=================== ========= ==============================================================
``start NAME``      producer  a client's call, as part of what the client does
``signal NAME``     producer  a client's call; the turn that hears of it is linked to it
``wait in QUEUE``   internal  ready … claimed, of every attempt and of a workflow's first turn
``run NAME``        consumer  one attempt of a task; what its function does is part of it
``turn NAME``       consumer  one turn of a workflow, with replay; what it asks for is part of it
``workflow NAME``   internal  a workflow's whole life, told when it ends
``restart NAME``    producer  a workflow that restarts goes on; linked to the turn that did so
=================== ========= ==============================================================

Attributes carry ids, names, numbers and the names of errors, never values.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import msgspec

from rhythm.events import Created, TraceContext

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanContext


class Work(msgspec.Struct, frozen=True):
    """A claimed piece of work, for its spans.

    Attributes:
        attempt: of a task; 0 for a workflow.
        waited_ms: how long it was ready before it was claimed; None where that is not known.
    """

    execution_id: str
    created: Created
    worker: str
    attempt: int = 0
    waited_ms: int | None = None


def trace_id(context: TraceContext | None) -> str | None:
    """The trace's id, 32 hexadecimal digits; None where there is none, or it is no such thing."""
    parts = [] if context is None else context.traceparent.split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None


def current_ids() -> dict[str, str]:
    """The ids of the span that is under way here, for log lines; empty where there is none."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


def tracer() -> Tracer | None:
    """What makes spans; None where the program has set no provider of tracers (yet)."""
    # Asked at every start: to import it again takes longer.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    provider = trace.get_tracer_provider()
    # Until one is set there is a stand-in, whose spans go nowhere.
    return None if isinstance(provider, trace.ProxyTracerProvider) else Tracer()


def starting(
    execution_id: str, type: str, target: str
) -> AbstractContextManager[TraceContext | None]:
    """A span around a client's call; gives what the execution is to carry."""
    found = tracer()
    return nullcontext() if found is None else found.starting(execution_id, type, target)


def signalling(execution_id: str, signal: str) -> AbstractContextManager[TraceContext | None]:
    """A span around a client's call; gives what the signal is to carry."""
    found = tracer()
    return nullcontext() if found is None else found.signalling(execution_id, signal)


class Tracer:
    """Makes spans with OpenTelemetry's API."""

    def __init__(self) -> None:
        from opentelemetry import trace
        from opentelemetry.context import Context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._api = trace
        self._tracer = trace.get_tracer("rhythm")
        self._propagator, self._no_context = TraceContextTextMapPropagator(), Context()

    @contextmanager
    def starting(self, execution_id: str, type: str, target: str) -> Iterator[TraceContext | None]:
        """Around a client's call; an error that it ends with is told by its name."""
        attributes = {
            "rhythm.execution.id": execution_id,
            "rhythm.execution.type": type,
            "rhythm.target": target,
        }
        with self._producing(f"start {target}", attributes) as trace:
            yield trace

    @contextmanager
    def signalling(self, execution_id: str, signal: str) -> Iterator[TraceContext | None]:
        """As `starting`, of a signal."""
        attributes = {"rhythm.execution.id": execution_id, "rhythm.signal": signal}
        with self._producing(f"signal {signal}", attributes) as trace:
            yield trace

    @contextmanager
    def _producing(self, name: str, attributes: Mapping[str, str]) -> Iterator[TraceContext | None]:
        with self._tracer.start_as_current_span(
            name,
            kind=self._api.SpanKind.PRODUCER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield self._carried(span)
            except BaseException as error:
                self._fail(span, type_name(error))
                raise

    @contextmanager
    def attempt(self, work: Work) -> Iterator[None]:
        """Around one attempt of a task; `ended` is called within."""
        with self._consuming(f"run {work.created.target}", work, waited=True):
            yield

    def ended(self, outcome: str, error: str | None = None, again_ms: int | None = None) -> None:
        """How the attempt ended that is under way here.

        Args:
            error: the name of what it ended with.
            again_ms: after how long it is tried again.
        """
        span = self._api.get_current_span()
        span.set_attribute("rhythm.outcome", outcome)
        if error is not None:
            self._fail(span, error)
        if again_ms is not None:
            span.add_event("retry", {"rhythm.retry.delay_ms": again_ms})

    @contextmanager
    def turn(
        self, work: Work, began_ns: int, *, is_first: bool, heard: Sequence[TraceContext] = ()
    ) -> Iterator[TraceContext | None]:
        """Around a workflow's turn; gives what its children are to carry.

        Args:
            began_ns: when it did, by the wall clock: bringing a machine up to date is part of it.
            is_first: whether the workflow had not been decided on before.
            heard: the traces of the signals that came with it.
        """
        links = [self._api.Link(self._context_of(trace)) for trace in heard]
        name = f"turn {work.created.target}"
        with self._consuming(name, work, began_ns, links, waited=is_first) as span:
            yield self._carried(span)

    def succeeding(self, work: Work) -> tuple[TraceContext | None, Callable[[], None]]:
        """What the successor of a workflow that restarts is to carry, a new trace that is linked to
        the turn under way here; and how to tell that it begins, if it does."""
        before = self._api.get_current_span().get_span_context()
        span = self._tracer.start_span(
            f"restart {work.created.target}",
            self._no_context,
            kind=self._api.SpanKind.PRODUCER,
            attributes=_attributes(work),
            links=[self._api.Link(before)],
        )
        # What is not ended is not exported.
        return self._carried(span), span.end

    def finished(self, work: Work, outcome: str, error: str | None, lived_ms: int) -> None:
        """A workflow has ended that began so long ago; its last turn is under way here."""
        self._api.get_current_span().set_attribute("rhythm.outcome", outcome)
        now_ns = time.time_ns()
        span = self._tracer.start_span(
            f"workflow {work.created.target}",
            self._extracted(work.created.trace),
            attributes={**_attributes(work), "rhythm.outcome": outcome},
            start_time=now_ns - lived_ms * 1_000_000,
        )
        if error is not None:
            self._fail(span, error)
        span.end(now_ns)

    @contextmanager
    def _consuming(
        self,
        name: str,
        work: Work,
        began_ns: int | None = None,
        links: Sequence[Link] = (),
        *,
        waited: bool,
    ) -> Iterator[Span]:
        """A span of work under what it was started under; with `waited` its wait is one, too."""
        parent, attributes = self._extracted(work.created.trace), _attributes(work)
        if waited and work.waited_ms is not None:
            now_ns = time.time_ns()
            self._tracer.start_span(
                f"wait in {work.created.queue}",
                parent,
                attributes=attributes,
                start_time=now_ns - work.waited_ms * 1_000_000,
            ).end(now_ns)
        with self._tracer.start_as_current_span(
            name,
            parent,
            kind=self._api.SpanKind.CONSUMER,
            attributes=attributes,
            start_time=began_ns,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def _context_of(self, trace: TraceContext) -> SpanContext:
        return self._api.get_current_span(self._extracted(trace)).get_span_context()

    def _extracted(self, trace: TraceContext | None) -> Context:
        """What an execution began under; for one that began under no trace an empty context, since
        what its worker itself is part of has nothing to do with it."""
        if trace is None:
            return self._no_context
        carried = {"traceparent": trace.traceparent}
        if trace.tracestate is not None:
            carried["tracestate"] = trace.tracestate
        return self._propagator.extract(carried, self._no_context)

    def _carried(self, span: Span) -> TraceContext | None:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._api.set_span_in_context(span))
        parent = carrier.get("traceparent")
        return None if parent is None else TraceContext(parent, carrier.get("tracestate"))

    def _fail(self, span: Span, error: str) -> None:
        span.set_attribute("error.type", error)
        span.set_status(self._api.StatusCode.ERROR, error)


def type_name(error: BaseException) -> str:
    """What an error is called where its text may say too much."""
    return type(error).__name__


def _attributes(work: Work) -> Mapping[str, str | int]:
    created = work.created
    found: dict[str, str | int] = {
        "rhythm.execution.id": work.execution_id,
        "rhythm.execution.type": created.type,
        "rhythm.target": created.target,
        "rhythm.queue": created.queue,
        "rhythm.worker": work.worker,
    }
    if created.parent is not None:
        found["rhythm.parent.id"] = created.parent
    if work.attempt:
        found["rhythm.attempt"] = work.attempt
    if work.waited_ms is not None:
        found["rhythm.waited_ms"] = work.waited_ms
    return found
