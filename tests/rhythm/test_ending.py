"""Cancelling, terminating and deleting: what ends, what it may still do, what remains."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import (
    Debounce,
    ExecutionCancelled,
    ExecutionFinished,
    ExecutionNotEnded,
    ExecutionNotFound,
    ExecutionStatus,
    InvalidRequest,
    TaskContext,
)
from rhythm.tasks import TaskDefinition
from tests.rhythm.test_workflows import Stage, a_registry, on_stage

pytestmark = pytest.mark.everywhere

Run = Callable[[Coroutine[Any, Any, None]], None]


class Long:
    """An async task that runs until it is cancelled, and says so."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.cancelled = asyncio.Event()

    def definition(self) -> TaskDefinition:
        async def long() -> None:
            self.running.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()

        return TaskDefinition("long", None, long)


async def cancel(stage: Stage, id_: str, reason: str | None = None) -> None:
    await stage.app.execution_service.cancel_execution(id_, reason)


async def verified(stage: Stage) -> None:
    """Everything that is kept agrees with the events."""
    async for _, findings in stage.app.verification_service.verify_all():
        assert findings == []


def test_a_workflow_cleans_up_what_it_waits_for_is_cancelled(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        let name
        try {
            await Promise.all(
                [Task.run("long"), Timer.delay("1h"), Signal.when("x", { timeout: 99 })])
        } catch (error) {
            name = error.name
            throw error
        } finally {
            State.set("cleaned", await Task.run("greet", { name }))
        }
    """

    async def story() -> None:
        long = Long()
        registry = a_registry(long.definition())
        async with on_stage(database_url, namespace, registry, it=source) as stage:
            id_ = await stage.start("it")
            await long.running.wait()

            await cancel(stage, id_, "not needed")
            ended = await stage.end(id_)
            task = await stage.end(f"{id_}/1")

            assert (ended.status, ended.output) == ("cancelled", {"reason": "not needed"})
            assert ended.state == {"cleaned": "hello CancelledError"}
            assert (task.status, task.output) == ("cancelled", {"reason": "not needed"})
            assert long.cancelled.is_set()
            with pytest.raises(ExecutionCancelled, match="not needed"):
                ended.result()
            with pytest.raises(ExecutionFinished):
                await cancel(stage, id_)
            await verified(stage)

    run(story())


def test_a_script_that_catches_its_cancellation_ends_as_it_says(
    database_url: str, namespace: str, run: Run
) -> None:
    source = (
        'try { await Signal.when("x") } catch (error) { return error.type + " " + error.message }'
    )

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it")
            await stage.until(id_, "decided")
            await cancel(stage, id_, "enough")
            assert (await stage.end(id_)).result() == "cancelled enough"

    run(story())


def test_a_cancel_that_is_repeated_is_one(database_url: str, namespace: str, run: Run) -> None:
    source = 'try { await Signal.when("x") } finally { await Signal.when("y") }'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it")
            await stage.until(id_, "decided")
            for _ in range(3):
                await stage.app.execution_service.cancel_execution(id_, request_id="once")
            await stage.app.signal_service.send_signal(workflow_id=id_, signal_name="y")

            assert (await stage.end(id_)).status == "cancelled"
            assert (await stage.types(id_)).count("cancel_requested") == 1

    run(story())


def test_a_task_that_nobody_runs_is_cancelled_at_once(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, workers=0) as stage:
            id_ = await stage.app.execution_service.create_execution(
                target_name="greet", exec_type="task"
            )
            await cancel(stage, id_, "no")
            ended = await stage.end(id_)
            assert (ended.status, await stage.types(id_)) == ("cancelled", ["created", "cancelled"])
            await verified(stage)

    run(story())


def test_a_workflow_that_is_to_begin_later_is_cancelled_at_once(
    database_url: str, namespace: str, run: Run
) -> None:
    """It has nothing to clean up, and no worker is needed for it."""

    async def story() -> None:
        async with on_stage(database_url, namespace, workers=0, it="return 1") as stage:
            for more in ({"delay": "1h"}, {"debounce": Debounce(key="k", wait="1h")}):
                id_ = await stage.start("it", **more)
                await cancel(stage, id_, "changed their mind")
                with pytest.raises(ExecutionCancelled, match="changed their mind"):
                    (await stage.end(id_)).result()
                assert await stage.types(id_) == ["created", "cancelled"]
                assert await stage.start("it", **more) != id_
            await verified(stage)

    run(story())


def test_a_sync_task_is_told_and_may_finish(database_url: str, namespace: str, run: Run) -> None:
    running, seen = threading.Event(), threading.Event()

    def patient(context: TaskContext) -> str:
        running.set()
        while not context.cancelled:
            seen.wait(0.001)
        return "stopped in order"

    async def story() -> None:
        registry = a_registry(
            TaskDefinition("patient", None, patient, {"TaskContext": TaskContext})
        )
        async with on_stage(database_url, namespace, registry) as stage:
            id_ = await stage.app.execution_service.create_execution(
                target_name="patient", exec_type="task"
            )
            await asyncio.to_thread(running.wait)
            await cancel(stage, id_)
            assert (await stage.end(id_)).result() == "stopped in order"

    run(story())


def test_children_end_with_their_parent_unless_they_are_to_go_on(
    database_url: str, namespace: str, run: Run
) -> None:
    parent = """
        Workflow.run("waits")
        Workflow.run("waits", {}, { onParentClose: "abandon" })
        Workflow.start("waits")
        Workflow.start("waits", {}, { onParentClose: "cancel" })
        Task.run("greet", { name: "Ada" })
        return 1
    """
    waits = 'return await Signal.when("go")'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=parent, waits=waits) as stage:
            id_ = await stage.start("it")
            assert (await stage.end(id_)).result() == 1
            for n in (1, 4):
                ended = await stage.end(f"{id_}/{n}")
                assert (ended.status, ended.output) == (
                    "cancelled",
                    {"reason": "its parent has ended"},
                )
            for n in (2, 3):
                await stage.app.signal_service.send_signal(
                    workflow_id=f"{id_}/{n}", signal_name="go", payload=n
                )
                assert (await stage.end(f"{id_}/{n}")).result() == n
            assert (await stage.end(f"{id_}/5")).result() == "hello Ada"
            await verified(stage)

    run(story())


TREE = """
    await Promise.all([Task.run("long"), Workflow.run("leaf"), Workflow.start("leaf") && null,
        Workflow.run("middle")])
"""


def test_terminating_ends_a_whole_tree_without_asking(
    database_url: str, namespace: str, run: Run
) -> None:
    sources: dict[str, Any] = {
        "it": TREE,
        "middle": 'Workflow.start("leaf"); return 1',
        "leaf": 'try { await Signal.when("never") } finally { await Signal.when("never") }',
    }

    async def story() -> None:
        long = Long()
        registry = a_registry(long.definition())
        async with on_stage(database_url, namespace, registry, **sources) as stage:
            id_ = await stage.start("it")
            await long.running.wait()
            assert (await stage.end(f"{id_}/4")).result() == 1

            await stage.app.execution_service.terminate_execution(id_, "away with it")

            ended = await stage.end(id_)
            assert (ended.status, ended.output) == ("cancelled", {"reason": "away with it"})
            for child in (1, 2, 3, "4/1"):
                assert (await stage.end(f"{id_}/{child}")).status is ExecutionStatus.CANCELLED
            await long.cancelled.wait()
            await verified(stage)

    run(story())


def test_a_finished_tree_is_deleted_and_a_living_one_is_not(
    database_url: str, namespace: str, run: Run
) -> None:
    sources: dict[str, Any] = {
        "it": 'Workflow.start("leaf"); return await Workflow.run("middle")',
        "middle": 'return await Task.run("greet", { name: "Ada" })',
        "leaf": 'return await Signal.when("go")',
    }

    async def story() -> None:
        async with on_stage(database_url, namespace, **sources) as stage:
            executions = stage.app.execution_service
            stays = (await stage.ended("middle")).id
            id_ = await stage.start("it", id="again")
            await stage.end(id_)
            with pytest.raises(ExecutionNotEnded, match="1 below it have not ended"):
                await executions.delete_execution(id_)
            with pytest.raises(InvalidRequest, match=f"delete its root '{id_}'"):
                await executions.delete_execution(f"{id_}/1")
            await stage.app.signal_service.send_signal(workflow_id=f"{id_}/1", signal_name="go")
            await stage.end(f"{id_}/1")

            await executions.delete_execution(id_)

            assert await executions.get_execution(id_) is None
            assert await executions.get_execution(f"{id_}/2/1") is None
            assert await executions.count_executions() == 2
            with pytest.raises(ExecutionNotFound):
                await executions.delete_execution(id_)
            assert (await executions.get_execution(stays)) is not None
            assert await stage.start("it", id="again") == "again"
            await verified(stage)

    run(story())


def test_what_ended_long_ago_is_deleted_when_a_retention_is_set(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_RETENTION", "0.05")
    monkeypatch.setenv("RHYTHM_LEASE", "0.1")
    sources: dict[str, Any] = {
        "it": 'return await Task.run("greet", { name: "Ada" })',
        "lasts": 'Workflow.start("waits"); return 1',
        "waits": 'return await Signal.when("go")',
    }

    async def story() -> None:
        async with on_stage(database_url, namespace, **sources) as stage:
            executions = stage.app.execution_service
            waits = await stage.start("waits")
            lasts = await stage.start("lasts")
            for _ in range(40):
                await stage.start("it")

            await stage.until_gone("it")

            kept = {execution.id for execution in await executions.query_executions()}
            assert kept >= {waits, lasts, f"{lasts}/1"}
            await verified(stage)

    run(story())
