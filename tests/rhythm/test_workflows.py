"""Workflows from their start to their result, run by workers, on both servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rhythm import (
    Execution,
    ExecutionExists,
    ExecutionFilters,
    ExecutionFinished,
    ExecutionNotFound,
    ExecutionStatus,
    FlowSyntaxError,
    InitBuilder,
    Rhythm,
    Worker,
    WorkflowFile,
    WorkflowNotRegistered,
)
from rhythm.engine.fold import fold
from rhythm.errors import ConfigurationError
from rhythm.models import from_unix_ms
from rhythm.tasks import TaskDefinition, TaskRegistry
from streams import events as stream
from streams.connection import Connection
from streams.work import UNITS

Run = Callable[[Coroutine[Any, Any, None]], None]


async def greet(name: str) -> str:
    return f"hello {name}"


async def square(x: int) -> int:
    return x * x


async def fail(message: str = "broken") -> None:
    raise LookupError(message)


class Flaky:
    """Fails until it has been tried so often."""

    def __init__(self, needed: int) -> None:
        self.needed, self.tried = needed, 0

    def definition(self) -> TaskDefinition:
        async def flaky() -> int:
            self.tried += 1
            if self.tried < self.needed:
                raise ConnectionError("not yet")
            return self.tried

        return TaskDefinition("flaky", None, flaky)


def a_registry(*more: TaskDefinition) -> TaskRegistry:
    registry = TaskRegistry()
    for function in (greet, square, fail):
        registry.add(TaskDefinition(function.__name__, None, function))
    for definition in more:
        registry.add(definition)
    return registry


def flows(**sources: str) -> list[WorkflowFile]:
    return [WorkflowFile(name, source, f"{name}.flow") for name, source in sources.items()]


class Stage:
    """An application with a worker."""

    def __init__(self, app: Rhythm) -> None:
        self.app = app

    async def start(self, target: str, inputs: dict[str, Any] | None = None, **more: Any) -> str:
        return await self.app.execution_service.create_execution(
            target_name=target, inputs=inputs or {}, **more
        )

    async def end(self, id_: str) -> Execution:
        return await self.app.execution_service.wait_for_execution(id_, timeout=30)

    async def ended(self, target: str, inputs: dict[str, Any] | None = None) -> Execution:
        return await self.end(await self.start(target, inputs))

    async def types(self, id_: str) -> list[str]:
        return [event.type for event in await self.app.history_service.events(id_)]

    async def until_there(self, id_: str) -> None:
        """Wait until an execution of another tree was started."""
        executions = self.app.execution_service
        while await executions.get_execution(id_) is None:  # noqa: ASYNC110 - no event of ours
            await asyncio.sleep(0.005)

    async def until_gone(self, target: str) -> None:
        """Wait until no execution of a target is kept any more."""
        executions = self.app.execution_service
        while await executions.count_executions({"target_name": target}):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)

    async def until(self, id_: str, type_: str, count: int = 1) -> None:
        """Wait until the history has so many events of a type."""
        async with aclosing(self.app.history_service.follow(id_)) as history:
            async for event in history:
                count -= event.type == type_
                if not count:
                    return


@asynccontextmanager
async def on_stage(
    url: str,
    namespace: str,
    registry: TaskRegistry | None = None,
    *,
    workers: int = 1,
    **sources: str,
) -> AsyncIterator[Stage]:
    builder = InitBuilder().database_url(url).namespace(namespace).workflows(flows(**sources))
    async with builder as app:
        hands = [Worker(app, registry=registry or a_registry()) for _ in range(workers)]
        try:
            for hand in hands:
                await hand.__aenter__()
            yield Stage(app)
        finally:
            for hand in hands:
                await hand.__aexit__(None, None, None)


def test_a_workflow_calls_a_task(database_url: str, namespace: str, run: Run) -> None:
    source = """
        const greeting = await Task.run("greet", { name: Inputs.name })
        return { greeting, id: Context.executionId, name: Context.workflowName }
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, hello=source) as stage:
            ended = await stage.ended("hello", {"name": "Ada"})
            assert ended.result() == {"greeting": "hello Ada", "id": ended.id, "name": "hello"}
            assert await stage.types(ended.id) == [
                "created",
                "decided",
                "child_completed",
                "completed",
            ]
            children = await stage.app.execution_service.query_executions(
                ExecutionFilters(parent_workflow_id=ended.id)
            )
            assert [(child.id, child.result()) for child in children] == [
                (f"{ended.id}/1", "hello Ada")
            ]

    run(story())


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ('throw new Error("x".repeat(3000000))', 16_384),
        ('throw { reason: "x".repeat(30000) }', 30_000),
        ('throw { reason: "x".repeat(3000000) }', 0),
    ],
)
def test_of_an_error_so_much_is_kept_as_can_be_listed(
    database_url: str, namespace: str, run: Run, source: str, kept: int
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            ended = await stage.ended("it")
            assert ended.output["name"] == "Error"
            assert str(ended.output).count("x") == kept
            async for _, findings in stage.app.verification_service.verify_all():
                assert findings == []

    run(story())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fan_out_larger_than_one_chunk_gives_results_in_order(
    database_url: str, namespace: str, run: Run, workers: int, keeping: str
) -> None:
    # With a state of so many requests before each of their answers 600 take half a minute.
    count = 300 if keeping == "hot" else 600
    source = """
        const numbers = []
        for (let i = 0; i < Inputs.count; i++) numbers.push(i)
        const squares = await Promise.all(numbers.map(x => Task.run("square", { x })))
        return squares.reduce((a, b) => a + b, 0)
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, workers=workers, fan=source) as stage:
            ended = await stage.ended("fan", {"count": count})
            assert ended.result() == sum(i * i for i in range(count))
            assert (await stage.types(ended.id)).count("decided") == -(-count // UNITS)

    run(story())


def test_a_failed_task_can_be_caught_and_is_else_the_workflows_failure(
    database_url: str, namespace: str, run: Run
) -> None:
    caught = """
        try { await Task.run("fail", { message: "no luck" }) }
        catch (err) { return { name: err.name, message: err.message, type: err.type } }
    """
    uncaught = 'const before = 1\nawait Task.run("fail", { message: "no luck" })\n'

    async def story() -> None:
        async with on_stage(database_url, namespace, caught=caught, uncaught=uncaught) as stage:
            assert (await stage.ended("caught")).result() == {
                "name": "LookupError",
                "message": "no luck",
                "type": "task_failed",
            }
            failed = await stage.ended("uncaught")
            assert failed.status is ExecutionStatus.FAILED
            assert (failed.output["name"], failed.output["line"]) == ("LookupError", 2)

    run(story())


def test_a_task_is_retried_as_the_call_or_the_front_matter_says(
    database_url: str, namespace: str, run: Run
) -> None:
    retry = '{ maxAttempts: 3, initialInterval: "1ms", jitter: 0 }'
    by_call = f'return await Task.run("flaky", {{}}, {{ retry: {retry} }})'
    by_file = (
        '```\nretry:\n  maxAttempts: 3\n  initialInterval: 1ms\n```\nreturn await Task.run("flaky")'
    )

    async def story() -> None:
        for target in ("by_call", "by_file"):
            flaky = Flaky(3)
            async with on_stage(
                database_url,
                namespace,
                a_registry(flaky.definition()),
                by_call=by_call,
                by_file=by_file,
            ) as stage:
                ended = await stage.ended(target)
                assert ended.result() == 3
                child = await stage.types(f"{ended.id}/1")
                assert child.count("attempt_failed") == 2

    run(story())


def test_a_child_workflow_gives_its_output_and_an_unknown_one_rejects(
    database_url: str, namespace: str, run: Run
) -> None:
    parent = """
        const sum = await Workflow.run("child", { a: 2, b: 3 })
        let wrong
        try { await Workflow.run("chidl") } catch (err) { wrong = err }
        return { sum, name: wrong.name, message: wrong.message }
    """
    child = "return { sum: Inputs.a + Inputs.b, parent: Context.parentWorkflowId }"

    async def story() -> None:
        async with on_stage(database_url, namespace, parent=parent, child=child) as stage:
            ended = await stage.ended("parent")
            result = ended.result()
            assert result["sum"] == {"sum": 5, "parent": ended.id}
            assert result["name"] == "WorkflowNotRegistered"
            assert "did you mean 'child'" in result["message"]

    run(story())


def test_signals_are_handed_out_in_order_also_those_sent_early(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        await Signal.when("go")
        const first = await Signal.next("value")
        const second = await Signal.when("value")
        return [first, second]
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            send = stage.app.signal_service.send_signal
            id_ = await stage.start("it")
            await send(workflow_id=id_, signal_name="value", payload={"n": 1})
            await send(workflow_id=id_, signal_name="value", payload={"n": 2}, request_id="r")
            await send(workflow_id=id_, signal_name="value", payload={"n": 2}, request_id="r")
            await send(workflow_id=id_, signal_name="go", queue="default")
            ended = await stage.end(id_)

            assert ended.result() == [{"n": 1}, {"n": 2}]
            assert (await stage.types(id_)).count("signal_received") == 3
            with pytest.raises(ExecutionFinished, match="completed"):
                await send(workflow_id=id_, signal_name="late")
            with pytest.raises(ExecutionNotFound):
                await send(workflow_id="exec_nobody", signal_name="late")

    run(story())


def test_a_signal_that_does_not_come_is_a_timeout_error(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        try { await Signal.when("never", { timeout: "20ms" }) }
        catch (err) { return err.name }
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            assert (await stage.ended("it")).result() == "TimeoutError"

    run(story())


def test_timers_fire_in_the_order_of_their_times(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        const order = []
        const start = Date.now()
        await Promise.all([
          Timer.delay("60ms").then(() => order.push("late")),
          Timer.delay("20ms").then(() => order.push("early")),
        ])
        return { order, passed: Date.now() - start >= 60 }
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            ended = await stage.ended("it")
            assert ended.result() == {"order": ["early", "late"], "passed": True}

    run(story())


def test_a_scheduled_start_waits_and_a_past_one_does_not(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it="return 1") as stage:
            schedule = stage.app.scheduler_service.schedule_execution
            soon = datetime.now(UTC) + timedelta(milliseconds=300)
            id_ = await schedule(target_name="it", run_at=soon)
            past = await schedule(target_name="it", run_at="2001-01-01T00:00:00Z")
            assert (await stage.end(past)).result() == 1
            ended = await stage.end(id_)

            assert ended.result() == 1
            assert ended.started_at is not None and ended.started_at >= soon - timedelta(
                milliseconds=1
            )

    run(story())


def test_starting_twice_with_an_id_gives_the_first(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it="return Inputs") as stage:
            assert await stage.start("it", {"a": 1, "b": 2}, id="order-7") == "order-7"
            assert await stage.start("it", {"b": 2, "a": 1}, id="order-7") == "order-7"
            with pytest.raises(ExecutionExists):
                await stage.start("it", {"a": 2}, id="order-7")
            assert (await stage.end("order-7")).result() == {"a": 1, "b": 2}
            assert await stage.app.execution_service.count_executions() == 1

    run(story())


def test_a_workflow_goes_on_with_another_worker_after_all_were_stopped(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        let total = 0
        for (const x of [1, 2, 3]) {
          total += await Task.run("square", { x })
          await Signal.when("next")
        }
        return total
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it")
            await stage.until(id_, "child_completed", 1)
        for round_ in (2, 3):
            async with on_stage(database_url, namespace) as stage:
                await stage.app.signal_service.send_signal(workflow_id=id_, signal_name="next")
                await stage.until(id_, "child_completed", round_)
        async with on_stage(database_url, namespace) as stage:
            await stage.app.signal_service.send_signal(workflow_id=id_, signal_name="next")
            assert (await stage.end(id_)).result() == 14

    run(story())


@pytest.mark.usefixtures("one_partition")
def test_projections_of_workflows_are_what_their_events_fold_to(
    database_url: str, namespace: str, run: Run
) -> None:
    sources: dict[str, Any] = {
        "whole": 'await Promise.all([1, 2].map(x => Task.run("square", { x }))); return 1',
        "thrown": 'await Task.run("square", { x: 1 }); throw new RangeError("too far")',
        "waits": 'await Signal.when("never")',
        "at_once": "return 7",
    }

    async def story() -> None:
        async with on_stage(database_url, namespace, **sources) as stage:
            for target in ("whole", "thrown", "at_once"):
                await stage.ended(target)
            waiting = await stage.start("waits")
            # A later workflow of the same queue is done: so was the turn of this one.
            await stage.ended("at_once")
            everyone = await stage.app.execution_service.query_executions()
        assert waiting in {execution.id for execution in everyone}
        async with Connection(database_url, namespace) as connection:
            for execution in everyone:
                history = [event async for event in stream.read(connection, execution.id)]
                facts = fold(execution.id, history)
                assert facts.status == execution.status
                assert facts.version == execution.version
                assert facts.definition == execution.definition
                assert facts.parent == execution.parent_workflow_id
                assert facts.started_ms is None or (
                    from_unix_ms(facts.started_ms) == execution.started_at
                )
                assert facts.ended_ms is None or (
                    from_unix_ms(facts.ended_ms) == execution.completed_at
                )

    run(story())


def test_an_unknown_workflow_names_the_known_ones(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, onboard_user="return 1") as stage:
            with pytest.raises(WorkflowNotRegistered, match="did you mean 'onboard_user'"):
                await stage.start("onboard_usr")

    run(story())


def test_one_mistake_keeps_all_workflows_out(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        with pytest.raises(FlowSyntaxError) as caught:
            await builder.workflows(flows(good="return 1", bad="const x = ;")).init()

        assert "bad.flow:1:11" in str(caught.value)
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            assert await app.workflow_service.list_workflows() == []

    run(story())


def test_two_workflows_of_one_name_are_refused(run: Run) -> None:
    async def story() -> None:
        named = "```\nname: a\n```\nreturn 2"
        files = [WorkflowFile("a", "return 1", "a.flow"), WorkflowFile("a", named, "b.flow")]
        with pytest.raises(ConfigurationError, match=r"a\.flow and b\.flow"):
            await InitBuilder().database_url("memory://").workflows(files).init()

    run(story())


def test_console_lines_are_logged_once(
    database_url: str, namespace: str, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    source = """
        console.log("before", 1)
        await Task.run("square", { x: 1 })
        console.warn("after")
    """

    async def story() -> None:
        with caplog.at_level("INFO", logger="rhythm.flow"):
            async with on_stage(database_url, namespace, it=source) as stage:
                await stage.ended("it")
        lines = [(r.levelname, r.message) for r in caplog.records if r.name == "rhythm.flow"]
        assert lines == [("INFO", "before 1"), ("WARNING", "after")]

    run(story())


def test_a_workflow_may_change_hands_at_every_step(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        const seen = []
        for (let i = 0; i < 30; i++) {
          const two = await Promise.all([1, 2].map(k => Task.run("square", { x: i + k })))
          seen.push(two[0] + two[1])
        }
        return seen
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, workers=3, it=source) as stage:
            ids = [await stage.start("it") for _ in range(4)]
            for id_ in ids:
                ended = await stage.end(id_)
                assert ended.result() == [(i + 1) ** 2 + (i + 2) ** 2 for i in range(30)]
                assert (await stage.types(id_)).count("child_completed") == 60

    run(story())
