"""Paused work rests, keeps what it is told, and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ExecutionNotFound, ExecutionNotStuck, InvalidRequest
from rhythm.tasks import TaskDefinition
from streams import projections
from tests.rhythm.test_ending import verified
from tests.rhythm.test_workflows import Stage, a_registry, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

SUMS = """
    let sum = 0
    for (let i = 0; i < 3; i++) sum = sum * 10 + await Signal.when("add")
    return sum
"""


async def send(stage: Stage, id_: str, payload: int) -> None:
    await stage.app.signal_service.send_signal(workflow_id=id_, signal_name="add", payload=payload)


async def until_aside(stage: Stage, id_: str) -> None:
    """Wait until a worker has found that it is not to be taken."""
    connection = stage.app._connection

    async def wake() -> str | None:
        found = await projections.get_execution(connection, id_)
        return found.wake if found is not None else None

    while await wake() != "paused":  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.005)


def test_a_paused_execution_gets_signals_and_goes_on_later(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=SUMS) as stage:
            executions = stage.app.execution_service
            id_ = await stage.start("it")
            await send(stage, id_, 1)
            await stage.until(id_, "decided")
            await executions.pause_execution(id_)
            await executions.pause_execution(id_)
            await send(stage, id_, 2)
            await send(stage, id_, 3)
            await until_aside(stage, id_)
            paused = await executions.get_execution(id_)
            assert paused is not None and paused.paused
            assert paused.status == "suspended"
            assert "paused" in str(await stage.app.history_service.explain(id_))
            await verified(stage)
            await executions.resume_execution(id_)
            assert (await stage.end(id_)).result() == 123
            with pytest.raises(ExecutionNotFound):
                await executions.pause_execution("nobody")
            await verified(stage)

    run(story())


@pytest.mark.parametrize("kind", ["workflow", "queue"])
def test_paused_by_name_all_rest_and_others_go_on(
    database_url: str, namespace: str, run: Run, kind: Any
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=SUMS, other="return 7") as stage:
            pauses = stage.app.pause_service
            name = {"workflow": "it", "queue": "default"}[kind]
            before = await stage.start("it")
            await send(stage, before, 1)
            await stage.until(before, "decided")
            assert await pauses.pause(kind, name, "wait for it")
            assert not await pauses.pause(kind, name, "still")
            during = [await stage.start("it") for _ in range(3)]
            for id_ in (before, *during):
                for number in range(2, 5):
                    await send(stage, id_, number)
            if kind == "workflow":
                assert (await stage.ended("other")).result() == 7
                for id_ in (before, *during):
                    await until_aside(stage, id_)
                with pytest.raises(ExecutionNotStuck, match="with its workflow"):
                    await stage.app.execution_service.resume_execution(before)
            assert {event for id_ in during for event in await stage.types(id_)} == {
                "created",
                "signal_received",
            }
            [shown] = (await stage.app.diagnose()).pauses
            assert (shown.kind, shown.name, shown.note) == (kind, name, "still")
            await verified(stage)
            assert await pauses.resume(kind, name)
            assert not await pauses.resume(kind, name)
            assert (await stage.end(before)).result() == 123
            for id_ in during:
                assert (await stage.end(id_)).result() == 234
            assert await pauses.list_pauses() == []
            await verified(stage)

    run(story())


def test_a_paused_task_is_taken_up_later_and_its_workflow_waits(
    database_url: str, namespace: str, run: Run
) -> None:
    ran: list[int] = []

    async def note(x: int) -> int:
        ran.append(x)
        return x

    source = """
        const slow = Task.run("note", { x: Inputs.x })
        return [await Task.run("square", { x: Inputs.x }), await slow]
    """

    async def story() -> None:
        registry = a_registry(TaskDefinition("note", None, note))
        async with on_stage(database_url, namespace, registry, it=source) as stage:
            await stage.app.pause_service.pause("task", "note")
            ids = [await stage.start("it", {"x": x}) for x in range(5)]
            for id_ in ids:
                await stage.until(id_, "child_completed")
                await until_aside(stage, f"{id_}/1")
            assert ran == []
            await verified(stage)
            # Cancelled meanwhile, it ends; the rest of its name goes on.
            await stage.app.execution_service.cancel_execution(f"{ids[0]}/1")
            await stage.app.pause_service.resume("task", "note")
            for x, id_ in enumerate(ids[1:], 1):
                assert (await stage.end(id_)).result() == [x * x, x]
            assert (await stage.end(ids[0])).status == "failed"
            assert sorted(ran) == [1, 2, 3, 4]

    run(story())


def test_more_than_one_script_gives_back(database_url: str, namespace: str, run: Run) -> None:
    count = 260  # a script does 256 at most

    async def story() -> None:
        async with on_stage(database_url, namespace, quick="return 1") as stage:
            executions = stage.app.execution_service
            await stage.app.pause_service.pause("task", "square")
            await asyncio.gather(
                *(
                    executions.create_execution(
                        target_name="square", exec_type="task", inputs={"x": x}, id=f"t{x}"
                    )
                    for x in range(count)
                )
            )
            for x in range(count):
                await until_aside(stage, f"t{x}")
            await stage.app.pause_service.resume("task", "square")
            await asyncio.gather(*(stage.end(f"t{x}") for x in range(count)))
            assert await executions.count_executions({"status": "completed"}) == count

    run(story())


@pytest.mark.parametrize(
    ("kind", "name", "complaint"),
    [
        ("queues", "a", "kind: 'queues' is none of .* \\(did you mean 'queue'"),
        ("queue", "", "name: must not be empty"),
        ("queue", "a:p1", "name: .* kept for priorities"),
        ("task", None, "name: must be text"),
    ],
)
def test_what_cannot_be_paused_is_refused(
    database_url: str, namespace: str, run: Run, kind: Any, name: Any, complaint: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, quick="return 1") as stage:
            with pytest.raises(InvalidRequest, match=complaint):
                await stage.app.pause_service.pause(kind, name)
            assert await stage.app.pause_service.list_pauses() == []

    run(story())
