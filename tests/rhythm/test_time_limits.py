"""Limits of attempts, of all of them, of waiting, silence, a whole run; and asked retries."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from rhythm import Retry, RetryPolicy, TaskContext
from rhythm.engine.options import declared_options
from rhythm.tasks import TaskDefinition
from tests.rhythm.test_ending import Long, verified
from tests.rhythm.test_workflows import Flaky, a_registry, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

CATCH = """
    try { return await Task.run(Inputs.task, {}, Inputs.options) }
    catch (error) { return [error.name, error.type, error.message] }
"""


def test_an_async_attempt_is_cancelled_at_its_limit(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        long = Long()
        async with on_stage(database_url, namespace, a_registry(long.definition()), it=CATCH) as s:
            ended = await s.ended("it", {"task": "long", "options": {"timeout": "50ms"}})
            assert ended.result() == [
                "TimeoutError", "timeout", "the attempt took longer than 0.05 s",
            ]  # fmt: skip
            assert long.cancelled.is_set()
            await verified(s)

    run(story())


def test_a_sync_attempt_is_abandoned_at_its_limit_and_told(
    database_url: str, namespace: str, run: Run
) -> None:
    told = threading.Event()

    def dull(context: TaskContext) -> str:
        while not context.cancelled:
            told.wait(0.001)
        told.set()
        return "too late"

    async def story() -> None:
        registry = a_registry(TaskDefinition("dull", None, dull, {"TaskContext": TaskContext}))
        async with on_stage(database_url, namespace, registry, it=CATCH) as stage:
            ended = await stage.ended("it", {"task": "dull", "options": {"timeout": 0.05}})
            assert ended.result()[0] == "TimeoutError"
            await asyncio.to_thread(told.wait)
            assert (await stage.types(f"{ended.id}/1")) == ["created", "started", "failed"]

    run(story())


def test_all_attempts_together_have_a_deadline(database_url: str, namespace: str, run: Run) -> None:
    options = {"deadline": "300ms", "retry": {"maxAttempts": 99, "initialInterval": "10ms"}}

    async def story() -> None:
        flaky = Flaky(1000)
        registry = a_registry(flaky.definition())
        async with on_stage(database_url, namespace, registry, it=CATCH) as stage:
            ended = await stage.ended("it", {"task": "flaky", "options": options})
            assert ended.result() == ["TimeoutError", "timeout", "it did not end within its time"]
            assert flaky.tried > 1
            await verified(stage)

    run(story())


def test_a_task_that_nobody_begins_in_time_fails(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=CATCH) as stage:
            options = {"queue": "nobody", "queueTimeout": "50ms"}
            ended = await stage.ended("it", {"task": "greet", "options": options})
            assert ended.result()[2] == "no worker began it within its time"
            in_time = await stage.ended("it", {"task": "greet", "options": {"queueTimeout": "1h"}})
            assert in_time.result()[0] == "InvalidTaskInputs"
            await verified(stage)

    run(story())


def test_a_silent_attempt_is_over_and_the_next_one_knows_how_far_it_was(
    database_url: str, namespace: str, run: Run
) -> None:
    ended = asyncio.Event()

    async def careful(context: TaskContext) -> Any:
        if context.attempt == 1:
            for page in range(1, 4):
                context.heartbeat({"page": page})
                await asyncio.sleep(0)
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
        return context.heartbeat_details

    async def story() -> None:
        options = declared_options(RetryPolicy(initial_interval=0.01), None, None, None, 0.3)
        definition = TaskDefinition("careful", None, careful, {"TaskContext": TaskContext}, options)
        async with on_stage(database_url, namespace, a_registry(definition), it=CATCH) as stage:
            found = await stage.ended("it", {"task": "careful"})
            await ended.wait()
            assert found.result() == {"page": 3}
            assert await stage.types(f"{found.id}/1") == [
                "created", "started", "attempt_failed", "started", "completed",
            ]  # fmt: skip
            await verified(stage)

    run(story())


def test_progress_is_shown_while_it_runs(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        go_on, told = asyncio.Event(), asyncio.Event()

        async def slow(context: TaskContext) -> int:
            context.progress({"done": 3, "of": 7})
            told.set()
            await go_on.wait()
            return 7

        registry = a_registry(TaskDefinition("slow", None, slow, {"TaskContext": TaskContext}))
        async with on_stage(database_url, namespace, registry) as stage:
            executions = stage.app.execution_service
            id_ = await executions.create_execution(target_name="slow", exec_type="task")
            await told.wait()
            seen = None
            while seen is None:
                execution = await executions.get_execution(id_)
                assert execution is not None
                seen = execution.progress
            go_on.set()
            assert seen == {"done": 3, "of": 7}
            assert (await stage.end(id_)).progress is None

    run(story())


def test_a_task_may_ask_to_be_tried_again(database_url: str, namespace: str, run: Run) -> None:
    tried: list[int] = []

    async def polls(context: TaskContext) -> int:
        tried.append(context.attempt)
        if context.attempt < 6:
            raise Retry(after="5ms")
        return context.attempt

    async def story() -> None:
        registry = a_registry(TaskDefinition("polls", None, polls, {"TaskContext": TaskContext}))
        async with on_stage(database_url, namespace, registry, it=CATCH) as stage:
            assert (await stage.ended("it", {"task": "polls"})).result() == 6
            tried.clear()
            bounded = {"retry": {"maxAttempts": 2}}
            ended = await stage.ended("it", {"task": "polls", "options": bounded})
            assert ended.result() == ["Retry", "task_failed", "to be tried again"]
            assert tried == [1, 2]

    run(story())


def test_the_call_wins_over_the_declaration_and_that_over_the_front_matter(
    database_url: str, namespace: str, run: Run
) -> None:
    front = "```\nretry: { maxAttempts: 5, initialInterval: 1ms }\n```\n"
    source = front + 'return await Task.run("flaky", {}, Inputs.options)'
    declared = declared_options(RetryPolicy(3, 0.001), None, None, None, None)

    async def story() -> None:
        for options, attempts in (({"retry": {"maxAttempts": 1}}, 1), ({}, 3)):
            flaky = Flaky(1000)
            definition = flaky.definition()
            definition.options = declared
            registry = a_registry(definition)
            async with on_stage(database_url, namespace, registry, it=source) as stage:
                await stage.ended("it", {"options": options})
                assert flaky.tried == attempts
        flaky = Flaky(1000)
        registry = a_registry(flaky.definition())
        async with on_stage(database_url, namespace, registry, it=source) as stage:
            await stage.ended("it")
            assert flaky.tried == 5

    run(story())


def test_a_whole_run_has_a_limit(database_url: str, namespace: str, run: Run) -> None:
    limited = '```\ntimeout: 100ms\n```\nawait Signal.when("never")'
    parent = """
        try { await Workflow.run("unlimited", {}, { timeout: "50ms" }) }
        catch (error) { return [error.name, error.type] }
    """

    async def story() -> None:
        async with on_stage(
            database_url, namespace, it=limited, parent=parent, unlimited='await Signal.when("x")'
        ) as stage:
            ended = await stage.ended("it")
            assert (ended.status, ended.output["name"]) == ("failed", "TimeoutError")
            assert (await stage.ended("parent")).result() == ["TimeoutError", "timeout"]
            await verified(stage)

    run(story())
