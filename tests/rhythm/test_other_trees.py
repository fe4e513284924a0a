"""What crosses trees: signals to other executions, workflows under an id of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ExecutionExists, ExecutionFinished, InvalidRequest
from tests.rhythm.test_ending import cancel, verified
from tests.rhythm.test_workflows import on_stage

pytestmark = pytest.mark.everywhere

Run = Callable[[Coroutine[Any, Any, None]], None]

WAITS = 'return await Signal.when("go")'


def test_a_workflow_signals_another(database_url: str, namespace: str, run: Run) -> None:
    source = 'await Signal.send(Inputs.to, "go", { from: Context.executionId }); return "sent"'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, waits=WAITS) as stage:
            to = await stage.start("waits", id="receiver")
            sender = await stage.start("it", {"to": to})
            assert (await stage.end(to)).result() == {"from": sender}
            assert (await stage.end(sender)).result() == "sent"
            await verified(stage)

    run(story())


@pytest.mark.parametrize(
    ("to", "name"),
    [("nobody", "ExecutionNotFound"), ("over", "ExecutionFinished"), ("no id", "InvalidRequest")],
)
def test_a_signal_that_cannot_arrive_is_refused(
    database_url: str, namespace: str, run: Run, to: str, name: str
) -> None:
    source = 'try { await Signal.send(Inputs.to, "go") } catch (error) { return error.name }'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, ends="return 1") as stage:
            await stage.end(await stage.start("ends", id="over"))
            assert (await stage.ended("it", {"to": to})).result() == name

    run(story())


def test_a_workflow_under_an_id_of_its_own_gives_its_output_to_all_who_ask(
    database_url: str, namespace: str, run: Run
) -> None:
    source = 'return await Workflow.run("shared", { day: 1 }, { id: "report-1" })'
    shared = 'return [await Signal.when("go"), Context.parentWorkflowId !== undefined]'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, shared=shared) as stage:
            first, second = await stage.start("it"), await stage.start("it")
            await stage.until_there("report-1")
            await stage.app.signal_service.send_signal(
                workflow_id="report-1", signal_name="go", payload=7
            )
            assert (await stage.end(first)).result() == [7, True]
            assert (await stage.end(second)).result() == [7, True]
            assert (await stage.ended("it")).result() == [7, True]
            assert (
                await stage.app.execution_service.count_executions({"target_name": "shared"}) == 1
            )
            await verified(stage)

    run(story())


def test_an_id_that_is_taken_by_something_else_rejects(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        try { await Workflow.run("waits", { other: 1 }, { id: "taken" }) }
        catch (error) { return [error.name, error.type] }
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, waits=WAITS) as stage:
            await stage.start("waits", id="taken")
            assert (await stage.ended("it")).result() == ["ExecutionExists", "workflow_failed"]

    run(story())


def test_the_policy_of_its_parent_reaches_another_tree(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        Workflow.run("waits", {}, { id: "closed" })
        Workflow.start("waits", {}, { id: "goes-on" })
        try { await Workflow.run("waits", {}, { id: "cancelled" }) }
        catch (error) { return error.name }
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, waits=WAITS) as stage:
            executions = stage.app.execution_service
            id_ = await stage.start("it")
            await stage.until_there("cancelled")
            await cancel(stage, id_)
            assert (await stage.end(id_)).result() == "CancelledError"
            assert (await stage.end("cancelled")).status == "cancelled"
            assert (await stage.end("closed")).status == "cancelled"
            await stage.app.signal_service.send_signal(workflow_id="goes-on", signal_name="go")
            assert (await stage.end("goes-on")).status == "completed"
            await executions.delete_execution(id_)
            await verified(stage)

    run(story())


def test_of_many_who_signal_with_start_the_first_one_starts_and_all_are_heard(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        const got = []
        while (got.length < 5) got.push(await Signal.when("item"))
        return got.sort()
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, basket=source) as stage:
            signals = stage.app.signal_service

            async def add(item: int) -> str:
                return await signals.signal_with_start(
                    execution={"target_name": "basket", "id": "basket-1"},
                    signal_name="item",
                    payload=item,
                    request_id=f"add-{item}",
                )

            ids = await asyncio.gather(*(add(item) for item in (3, 1, 2, 3, 5, 4, 1)))
            assert set(ids) == {"basket-1"}
            assert (await stage.end("basket-1")).result() == [1, 2, 3, 4, 5]
            with pytest.raises(ExecutionFinished):
                await add(6)
            with pytest.raises(ExecutionExists, match="differs in inputs"):
                await signals.signal_with_start(
                    execution={"target_name": "basket", "id": "basket-1", "inputs": {"x": 1}},
                    signal_name="item",
                )
            with pytest.raises(InvalidRequest, match="exec_type"):
                await signals.signal_with_start(
                    execution={"target_name": "basket", "exec_type": "task"}, signal_name="item"
                )
            await verified(stage)

    run(story())
