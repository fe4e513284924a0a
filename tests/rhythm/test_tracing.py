"""One trace from who starts an execution to its last child, by OpenTelemetry's own exporter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rhythm import InitBuilder, RetryPolicy, Rhythm, Worker, events
from rhythm.tasks import TaskDefinition, TaskRegistry
from rhythm.tracing import trace_id, tracer
from streams import events as stream
from tests.rhythm.test_workflows import flows

Run = Callable[[Coroutine[Any, Any, None]], None]

FLOWS = {
    "order": """
        const paid = await Task.run("pay", { amount: 3 })
        await Timer.delay("1ms")
        return [paid, await Workflow.run("mail")]
    """,
    "mail": 'return await Task.run("send")',
    "breaks": 'throw new RangeError("secret text")',
}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What is exported while the test runs; the provider of the process is set for it alone."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def registry() -> TaskRegistry:
    tried: list[int] = []

    def pay(amount: int) -> int:
        with trace.get_tracer("shop").start_as_current_span("call the bank"):
            return amount

    async def send() -> str:
        tried.append(1)
        if len(tried) == 1:
            raise ConnectionError("secret text")
        return "sent"

    known = TaskRegistry()
    policy = RetryPolicy(max_attempts=3, initial_interval=0.01, jitter=0)
    known.add(TaskDefinition("pay", None, pay))
    known.add(TaskDefinition("send", None, send, options={"retry": policy.as_option()}))
    return known


async def ran(app: Rhythm, name: str) -> str:
    """The id of an execution that was started by a traced caller, and has ended."""
    with trace.get_tracer("shop").start_as_current_span("GET /buy"):
        id_ = await app.execution_service.create_execution(target_name=name)
    async with Worker(app, registry=registry()):
        await app.execution_service.wait_for_execution(id_, timeout=30)
    return id_


def by_name(spans: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in spans.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


def attributes(of: ReadableSpan | Event) -> dict[str, Any]:
    assert of.attributes is not None
    return dict(of.attributes)


def parent_of(span: ReadableSpan, among: dict[str, list[ReadableSpan]]) -> str:
    assert span.parent is not None
    everyone = [one for group in among.values() for one in group]
    [found] = [one for one in everyone if one.context.span_id == span.parent.span_id]
    return found.name


def test_a_trace_goes_from_the_caller_to_the_last_child(
    database_url: str, namespace: str, run: Run, spans: InMemorySpanExporter
) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(**FLOWS)) as app:
            id_ = await ran(app, "order")
            order = await app.execution_service.get_execution(id_)
        found = by_name(spans)

        everyone = [one for group in found.values() for one in group]
        assert len({span.context.trace_id for span in everyone}) == 1
        assert order is not None
        assert order.trace_id == f"{everyone[0].context.trace_id:032x}"
        assert parent_of(found["start order"][0], found) == "GET /buy"
        assert parent_of(found["workflow order"][0], found) == "start order"
        assert {parent_of(turn, found) for turn in found["turn order"]} == {"start order"}
        assert parent_of(found["run pay"][0], found) == "turn order"
        assert parent_of(found["call the bank"][0], found) == "run pay"
        assert parent_of(found["turn mail"][0], found) == "turn order"
        assert parent_of(found["workflow mail"][0], found) == "turn order"
        assert {parent_of(each, found) for each in found["run send"]} == {"turn mail"}
        # Both workflows, one attempt of `pay` and two of `send` waited.
        assert len(found["wait in default"]) == 5
        assert len(found["turn order"]) == 4

    run(story())


def test_a_retry_is_told_where_it_failed_and_errors_by_their_names_alone(
    database_url: str, namespace: str, run: Run, spans: InMemorySpanExporter
) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(**FLOWS)) as app:
            await ran(app, "mail")
            await ran(app, "breaks")
        found = by_name(spans)

        first, second = found["run send"]
        assert (first.status.is_ok, second.status.is_ok) == (False, True)
        assert attributes(first)["error.type"] == "ConnectionError"
        assert [(event.name, attributes(event)) for event in first.events] == [
            ("retry", {"rhythm.retry.delay_ms": 10})
        ]
        assert attributes(second)["rhythm.outcome"] == "completed"
        assert attributes(found["workflow breaks"][0])["error.type"] == "RangeError"
        assert not found["workflow breaks"][0].status.is_ok
        for span in spans.get_finished_spans():
            assert "secret" not in span.to_json()

    run(story())


def test_the_turn_that_hears_a_signal_is_linked_to_who_sent_it(
    database_url: str, namespace: str, run: Run, spans: InMemorySpanExporter
) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        waits = 'return await Signal.when("go")'
        tells = 'await Signal.send("one", "go", 1)'
        async with builder.workflows(flows(waits=waits, tells=tells)) as app, Worker(app):
            await app.execution_service.create_execution(target_name="waits", id="two")
            with trace.get_tracer("shop").start_as_current_span("POST /go"):
                await app.signal_service.send_signal(workflow_id="two", signal_name="go")
            await app.execution_service.wait_for_execution("two", timeout=30)
            [by_client] = linked(spans)
            spans.clear()
            await app.execution_service.create_execution(target_name="waits", id="one")
            await app.execution_service.create_execution(target_name="tells")
            await app.execution_service.wait_for_execution("one", timeout=30)
            [by_script] = linked(spans)
        assert (by_client, by_script) == ("signal go", "turn tells")

    run(story())


def linked(spans: InMemorySpanExporter) -> list[str]:
    """The names of the spans that turns of `waits` are linked to."""
    names = {span.context.span_id: span.name for span in spans.get_finished_spans()}
    turns = by_name(spans)["turn waits"]
    return [names[link.context.span_id] for turn in turns for link in turn.links]


def test_a_start_that_fails_is_told_by_its_span(
    database_url: str, namespace: str, run: Run, spans: InMemorySpanExporter
) -> None:
    async def story() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            with pytest.raises(Exception, match="nobody"):
                await app.execution_service.create_execution(target_name="nobody")

    run(story())
    [span] = spans.get_finished_spans()
    assert attributes(span)["error.type"] == "WorkflowNotRegistered"


def test_who_does_not_trace_stores_nothing_and_hands_on_what_others_began(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        assert tracer() is None
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(**FLOWS)) as app:
            plain = await ran(app, "mail")
            provider = TracerProvider()
            with monkeypatch.context() as traced:
                traced.setattr(trace, "_TRACER_PROVIDER", provider)
                id_ = await app.execution_service.create_execution(target_name="mail")
            async with Worker(app, registry=registry()):
                await app.execution_service.wait_for_execution(id_, timeout=30)
            [task] = await app.execution_service.query_executions({"parent_workflow_id": id_})
            own = await app.execution_service.get_execution(id_)
            stored = [event async for event in stream.read(app._connection, plain)]
        assert b"trace" not in stored[0].payload
        assert own is not None and own.trace_id is not None
        assert task.trace_id == own.trace_id

    run(story())


def test_what_was_begun_under_no_trace_begins_one_of_its_own(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of whoever runs the worker."""

    async def story() -> None:
        exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(**FLOWS)) as app:
            id_ = await app.execution_service.create_execution(target_name="mail")
            monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
            with trace.get_tracer("shop").start_as_current_span("the program"):
                async with Worker(app, registry=registry()):
                    await app.execution_service.wait_for_execution(id_, timeout=30)
        found = by_name(exporter)
        assert found["workflow mail"][0].parent is None
        assert found["turn mail"][0].context.trace_id != found["the program"][0].context.trace_id
        assert {parent_of(each, found) for each in found["run send"]} == {"turn mail"}

    run(story())


def test_each_run_of_an_endless_workflow_has_a_trace_that_leads_to_the_one_before(
    database_url: str, namespace: str, run: Run, spans: InMemorySpanExporter
) -> None:
    async def story() -> None:
        endless = """
            const { n = 1 } = Inputs
            await Task.run("pay", { amount: n })
            if (n < 3) Workflow.restart({ n: n + 1 })
        """
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(endless=endless)) as app:
            id_ = await ran(app, "endless")
            last = await app.execution_service.get_execution(id_)
        found = by_name(spans)

        runs = [f"{span.context.trace_id:032x}" for span in found["run pay"]]
        assert len(set(runs)) == 3
        assert last is not None and last.trace_id == runs[-1]
        for number, began in enumerate(found["restart endless"]):
            assert began.parent is None
            assert f"{began.context.trace_id:032x}" == runs[number + 1]
            [link] = began.links
            [before] = [
                turn
                for turn in found["turn endless"]
                if turn.context.span_id == link.context.span_id
            ]
            assert f"{before.context.trace_id:032x}" == runs[number]
            assert attributes(before)["rhythm.outcome"] == "restarted"
        assert len(found["restart endless"]) == 2
        assert parent_of(found["run pay"][2], found) == "turn endless"
        assert parent_of(found["workflow endless"][2], found) == "restart endless"

    run(story())


def test_a_restart_that_is_refused_begins_no_trace(
    database_url: str, namespace: str, run: Run, spans: InMemorySpanExporter
) -> None:
    async def story() -> None:
        picky = """```
inputs:
  type: object
  properties: { n: { type: number } }
```
Workflow.restart({ n: "one" })"""
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(picky=picky)) as app:
            id_ = await app.execution_service.create_execution(target_name="picky")
            async with Worker(app):
                ended = await app.execution_service.wait_for_execution(id_, timeout=30)
        assert ended.status == "failed"
        assert "restart picky" not in by_name(spans)

    run(story())


def test_a_trace_id_is_read_from_a_sound_context_alone() -> None:
    sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    assert trace_id(events.TraceContext(sound)) == "0af7651916cd43dd8448eb211c80319c"
    assert [trace_id(events.TraceContext(text)) for text in ("", "00-1-2-3", "no")] == [None] * 3
    assert trace_id(None) is None


def test_without_the_library_everything_runs() -> None:
    """In a process of its own, in which there is none."""
    program = """
import asyncio, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from rhythm import InitBuilder, Worker, WorkflowFile
async def main():
    file = WorkflowFile("one", "return 1", "one.flow")
    async with InitBuilder().database_url("memory://").workflows([file]) as app, Worker(app):
        id = await app.execution_service.create_execution(target_name="one")
        print((await app.execution_service.wait_for_execution(id, timeout=30)).result())
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
