"""`Workflow.restart`: a workflow ends and goes on as its successor, with a fresh history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from rhythm import (
    ExecutionExists,
    ExecutionFinished,
    ExecutionNotEnded,
    ExecutionNotFound,
    ExecutionStatus,
    WaitTimeout,
)
from rhythm.services.workflows import compile_all
from streams import pauses
from tests.rhythm.test_ending import Long, cancel, verified
from tests.rhythm.test_workflows import Stage, a_registry, on_stage

pytestmark = pytest.mark.everywhere

Run = Callable[[Coroutine[Any, Any, None]], None]

COUNTS = """
    const { n = 1, most = 3 } = Inputs
    State.set("n", n)
    await Timer.delay("1ms")
    if (n < most) Workflow.restart({ n: n + 1, most })
    return [n, Context.executionId]
"""
SUMS = """
    let { sum = 0, rounds = 1 } = Inputs
    for (let taken = 0; taken < 2; taken++) {
        const more = await Signal.when("add")
        if (more === "stop") return { sum, rounds }
        sum += more
    }
    Workflow.restart({ sum, rounds: rounds + 1 })
"""


async def send(stage: Stage, id_: str, name: str, payload: Any, request: str | None = None) -> None:
    await stage.app.signal_service.send_signal(
        workflow_id=id_, signal_name=name, payload=payload, request_id=request
    )


async def kept(stage: Stage, id_: str) -> Any:
    """Exactly the run of this id."""
    (found,) = await stage.app.execution_service.get_executions([id_])
    return found


async def told_by_doctor(stage: Stage) -> str:
    return " ".join(finding.text for finding in (await stage.app.diagnose()).findings)


async def until_run(stage: Stage, id_: str) -> None:
    await stage.until_there(id_)
    await stage.until(id_, "decided")


def test_every_run_has_its_own_history_and_names_its_neighbours(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=COUNTS) as stage:
            id_ = await stage.start("it", id="counter")
            ended = await stage.end(id_)
            assert (ended.id, ended.result()) == ("counter~3", [3, "counter~3"])
            assert (ended.restarted_from, ended.restarted_as) == ("counter~2", None)
            first, second = await kept(stage, "counter"), await kept(stage, "counter~2")
            assert first.status == second.status == ExecutionStatus.RESTARTED
            assert (first.restarted_from, first.restarted_as) == (None, "counter~2")
            assert (second.restarted_from, second.restarted_as) == ("counter", "counter~3")
            assert (second.inputs, second.state) == ({"n": 2, "most": 3}, {"n": 2})
            assert await stage.types("counter") == [
                "created",
                "decided",
                "timer_fired",
                "restarted",
            ]
            assert await stage.types("counter~3") == [
                "created",
                "decided",
                "timer_fired",
                "completed",
            ]
            last = (await stage.app.history_service.events("counter"))[-1]
            assert last.data["successor"] == "counter~2"
            executions = stage.app.execution_service
            found = await executions.query_executions({"status": "restarted"})
            assert {execution.id for execution in found} == {"counter", "counter~2"}
            assert await executions.count_executions({"status": "completed"}) == 1
            for one in ("counter", "counter~2", "counter~3"):
                await stage.app.history_service.replay(one)
                assert await stage.app.history_service.what_if(one, COUNTS) is None
            stands = (await stage.app.history_service.explain("counter~2")).stands
            assert "It goes on as counter~3, with a fresh history." in stands
            await verified(stage)

    run(story())


def test_the_first_id_and_that_of_any_run_reach_the_run_that_lives(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=SUMS) as stage:
            id_ = await stage.start("it", id="sums")
            waiting = asyncio.create_task(stage.end(id_))
            await send(stage, id_, "add", 1)
            await send(stage, id_, "add", 2)
            await until_run(stage, "sums~2")
            late = asyncio.create_task(stage.end("sums~2"))
            await send(stage, id_, "add", 3, "three")
            await send(stage, "sums~2", "add", 4)
            await until_run(stage, "sums~3")
            await send(stage, id_, "add", 3, "three")
            executions = stage.app.execution_service
            now = await executions.get_execution(id_)
            assert now is not None
            assert (now.id, now.status) == ("sums~3", ExecutionStatus.SUSPENDED)
            assert now.inputs == {"sum": 10, "rounds": 3}
            with pytest.raises(WaitTimeout, match=r"signal 'add'"):
                await executions.wait_for_execution(id_, timeout=0)
            # The same start is the same start, another one under its id is refused.
            assert await stage.start("it", id="sums") == "sums"
            with pytest.raises(ExecutionExists):
                await stage.start("it", {"sum": 1}, id="sums")
            await executions.pause_execution(id_)
            await send(stage, "sums", "add", "stop")
            assert (await kept(stage, "sums~3")).paused
            rests = await pauses.executions(stage.app._connection, 2**52, 9)
            assert (rests[0], list(rests[1])) == (1, ["sums~3"])
            await executions.resume_execution("sums~2")
            assert (await waiting).result() == {"sum": 10, "rounds": 3}
            assert (await late).id == "sums~3"
            await verified(stage)

    run(story())


def test_earlier_runs_are_kept_no_longer_than_others_and_their_id_stays(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_RETENTION", "0.001")
    monkeypatch.setenv("RHYTHM_LEASE", "0.3")

    async def story() -> None:
        async with on_stage(database_url, namespace, it=SUMS) as stage:
            id_ = await stage.start("it", id="sums")
            await send(stage, id_, "add", 1)
            await send(stage, id_, "add", 2)
            await until_run(stage, "sums~2")
            executions = stage.app.execution_service
            while await executions.get_executions(["sums"]):  # noqa: ASYNC110 - no event of a deletion
                await asyncio.sleep(0.01)
            assert await stage.start("it", id="sums") == "sums"
            with pytest.raises(ExecutionExists):
                await stage.start("it", {"sum": 5}, id="sums")
            await send(stage, "sums", "add", 4)
            now = await executions.get_execution("sums")
            assert now is not None and now.id == "sums~2"
            await executions.terminate_execution("sums")

    run(story())


def test_signals_that_nobody_took_go_along_in_their_order(
    database_url: str, namespace: str, run: Run
) -> None:
    """Those that the script was told of, and those that came while it restarted."""
    source = """
        if (Inputs.again) {
            const got = []
            for (let i = 0; i < 6; i++) got.push(await Signal.when(i % 3 ? "a" : "b"))
            return got
        }
        await Signal.when("go")
        await Task.run("greet", { name: "Ada" })
        Workflow.restart({ again: true })
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it", id="carries")
            await stage.app.execution_service.pause_execution(id_)
            for name, payload in (("a", 1), ("b", 1), ("go", 0), ("a", 2), ("a", 3)):
                await send(stage, id_, name, payload)
            await stage.app.execution_service.resume_execution(id_)
            await send(stage, id_, "b", 2)
            await send(stage, id_, "a", 4)
            assert (await stage.end(id_)).result() == [1, 1, 2, 2, 3, 4]
            await verified(stage)

    run(story())


BACKLOG = """
    const { got = null } = Inputs
    if (got) {
        while (got.length < 600) got.push(await Signal.when("n"))
        return got
    }
    Attributes.set("stage", "new")
    await Signal.when("go")
    Attributes.set("stage", "again")
    Workflow.restart({ got: [] })
"""


@pytest.mark.parametrize("goes", ["first", "last"])
def test_many_signals_go_along_in_pieces(
    database_url: str, namespace: str, run: Run, goes: str
) -> None:
    """Those that came after what it restarted by, or those that it was told of before that."""

    async def story() -> None:
        async with on_stage(database_url, namespace, it=BACKLOG) as stage:
            executions = stage.app.execution_service
            id_ = await stage.start("it", id="it")
            await stage.until(id_, "decided")
            await executions.pause_execution(id_)
            if goes == "first":
                await send(stage, id_, "go", 0)
            for n in range(600):
                await send(stage, id_, "n", n)
            if goes == "last":
                await send(stage, id_, "go", 0)
            await executions.resume_execution(id_)
            assert (await stage.end(id_)).result() == list(range(600))
            second = await kept(stage, "it~2")
            assert second.attributes == {"stage": "again"}
            history = await stage.app.history_service.events("it~2")
            assert [one.type for one in history].count("signal_received") == 600
            await verified(stage)

    run(story())


def test_a_child_that_restarts_gives_its_parent_the_last_output(
    database_url: str, namespace: str, run: Run
) -> None:
    parent = 'return await Promise.all([Workflow.run("it"), Workflow.run("it", { most: 1 })])'

    async def story() -> None:
        async with on_stage(database_url, namespace, parent=parent, it=COUNTS) as stage:
            ended = await stage.ended("parent")
            id_ = ended.id
            assert ended.result() == [[3, f"{id_}/1~3"], [1, f"{id_}/2"]]
            found = await stage.app.execution_service.query_executions({"parent_workflow_id": id_})
            assert {one.id for one in found} == {f"{id_}/{run}" for run in ("1", "1~2", "1~3", "2")}
            await verified(stage)
            await stage.app.execution_service.delete_execution(id_)
            assert await stage.app.execution_service.count_executions() == 0

    run(story())


def test_a_workflow_of_another_tree_waits_for_the_last_output(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        const sums = Workflow.run("sums", {}, { id: "shared" })
        for (const more of [1, 2, 3, "stop"]) await Signal.send("shared", "add", more)
        return await sums
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, sums=SUMS) as stage:
            assert (await stage.ended("it")).result() == {"sum": 6, "rounds": 2}
            await verified(stage)

    run(story())


def test_children_end_or_go_on_as_at_every_end(database_url: str, namespace: str, run: Run) -> None:
    source = """
        if (Inputs.again) return "over"
        Task.run("long")
        Workflow.start("waits", { of: "goes on" })
        Workflow.run("waits", { of: "ends" }).catch(() => null)
        await Signal.when("go")
        Workflow.restart({ again: true })
    """

    async def story() -> None:
        long = Long()
        registry = a_registry(long.definition())
        flows_: dict[str, Any] = {"it": source, "waits": 'return await Signal.when("done")'}
        async with on_stage(database_url, namespace, registry, **flows_) as stage:
            id_ = await stage.start("it", id="it")
            await long.running.wait()
            await send(stage, id_, "go", None)
            assert (await stage.end(id_)).result() == "over"
            assert (await stage.end(f"{id_}/3")).status is ExecutionStatus.CANCELLED
            executions = stage.app.execution_service
            with pytest.raises(ExecutionNotEnded):
                await executions.delete_execution(id_)
            await send(stage, f"{id_}/2", "done", 5)
            assert (await stage.end(f"{id_}/2")).result() == 5
            await executions.terminate_execution(f"{id_}/1")
            await verified(stage)
            await executions.delete_execution(id_)
            assert await executions.count_executions() == 0
            with pytest.raises(ExecutionNotFound):
                await send(stage, id_, "go", None)
            assert await stage.start("it", {"again": True}, id="it") == "it"

    run(story())


def test_who_restarts_without_having_waited_goes_on_a_second_later(
    database_url: str, namespace: str, run: Run
) -> None:
    source = "if (Inputs.again) return 1; Workflow.restart({ again: true })"

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it")
            await stage.until_there(f"{id_}~2")
            first, second = await kept(stage, id_), await kept(stage, f"{id_}~2")
            ended = await stage.end(id_)
            assert first.completed_at == second.created_at
            assert ended.started_at - second.created_at >= timedelta(seconds=1)

    run(story())


def test_what_is_to_end_does_not_restart(database_url: str, namespace: str, run: Run) -> None:
    source = """
        try { await Signal.when("never") } catch { }
        Workflow.restart({})
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it")
            await stage.until(id_, "decided")
            await cancel(stage, id_, "enough")
            ended = await stage.end(id_)
            assert (ended.id, ended.status) == (id_, ExecutionStatus.CANCELLED)
            assert ended.output == {"reason": "enough"}
            await verified(stage)

    run(story())


def test_cancelling_and_terminating_reach_the_run_that_lives(
    database_url: str, namespace: str, run: Run
) -> None:
    parent = 'return await Workflow.run("it")'
    source = """
        if (!Inputs.again) { await Timer.delay("1ms"); Workflow.restart({ again: true }) }
        await Signal.when("never")
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, parent=parent, it=source) as stage:
            for how in ("cancel_execution", "terminate_execution"):
                for target in ("it", "parent"):
                    id_ = await stage.start(target)
                    child = id_ if target == "it" else f"{id_}/1"
                    await until_run(stage, f"{child}~2")
                    await getattr(stage.app.execution_service, how)(id_)
                    assert (await stage.end(id_)).status is ExecutionStatus.CANCELLED
                    assert (await stage.end(child)).status is ExecutionStatus.CANCELLED
            await verified(stage)

    run(story())


@pytest.mark.parametrize(("definition", "answer"), [("latest", "new"), ("same", "old")])
def test_a_successor_runs_the_latest_definition_unless_it_is_to_be_the_same(
    database_url: str, namespace: str, run: Run, definition: str, answer: str
) -> None:
    source = (
        'if (Inputs.again) return "old"; await Signal.when("go");'
        f'Workflow.restart({{ again: true }}, {{ definition: "{definition}" }})'
    )
    newer = '```\ntimeout: 1h\ninputs: { required: [again] }\n```\nreturn "new"'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it")
            await stage.app.workflow_service.register(_programs(it=newer))
            await send(stage, id_, "go", None)
            assert (await stage.end(id_)).result() == answer
            await verified(stage)

    run(story())


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("```\ninputs: { required: [n] }\n```\nWorkflow.restart({})", "InvalidWorkflowInputs"),
        ('Workflow.restart({ text: "x".repeat(2 ** 21) })', "PayloadTooLarge"),
    ],
)
def test_inputs_that_cannot_be_fail_the_execution(
    database_url: str, namespace: str, run: Run, source: str, name: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            ended = await stage.ended("it", {"n": 1})
            assert (ended.status, ended.output["name"]) == (ExecutionStatus.FAILED, name)
            await stage.app.history_service.what_if(ended.id, source)
            await verified(stage)

    run(story())


def test_a_schedule_waits_for_the_last_run(database_url: str, namespace: str, run: Run) -> None:
    source = """
        const { n = 1 } = Inputs
        await Signal.when("go")
        if (n < 2) Workflow.restart({ n: n + 1 })
        return [n, Context.scheduledAt !== undefined]
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            schedules = stage.app.scheduler_service
            await schedules.create_schedule(id="often", target_name="it", cron="0 0 1 1 *")
            id_ = await schedules.trigger_schedule("often")
            assert id_ is not None
            executions = stage.app.execution_service
            await send(stage, id_, "go", None)
            await until_run(stage, f"{id_}~2")
            assert await executions.count_executions({"schedule": "often"}) == 2
            await send(stage, id_, "go", None)
            assert (await stage.end(id_)).result() == [2, True]
            await verified(stage)

    run(story())


def test_a_history_that_grows_too_long_is_told_and_then_ends(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_HISTORY_WARNING", "12")
    monkeypatch.setenv("RHYTHM_HISTORY_LIMIT", "20")
    source = 'for (;;) await Task.run("greet", { name: await Signal.when("go") })'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it")
            await stage.until(id_, "decided")
            for count in range(1, 4):
                assert id_ not in await told_by_doctor(stage)
                await send(stage, id_, "go", "Ada")
                await stage.until(id_, "child_completed", count)
            await send(stage, id_, "go", "Ada")
            await stage.until(id_, "decided", 5)
            await stage.until(id_, "child_completed", 4)
            assert f"workflow {id_!r} has 1" in await told_by_doctor(stage)
            with suppress(ExecutionFinished):
                for _ in range(6):
                    await send(stage, id_, "go", "Ada")
            ended = await stage.end(id_)
            assert ended.status is ExecutionStatus.FAILED
            assert ended.output["name"] == "LimitError"
            assert "20 are the most (history_limit)" in ended.output["message"]
            assert "Workflow.restart(inputs)" in ended.output["message"]
            assert 20 < ended.version <= 35
            assert id_ not in await told_by_doctor(stage)
            assert await stage.app.history_service.what_if(id_, source) is None
            await verified(stage)

    run(story())


def _programs(**sources: str) -> Any:
    return compile_all([(name, text, f"{name}.flow") for name, text in sources.items()])
