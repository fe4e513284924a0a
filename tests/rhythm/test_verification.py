"""What the store keeps agrees with the events; what does not is found and told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ExecutionNotFound
from tests.control import set_words
from tests.rhythm.test_workflows import on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

FLOW = """
    const both = await Promise.all([Task.run("greet", { name: "Ada" }), Workflow.run("child")])
    const answer = await Signal.when("go", { timeout: "1h" })
    return { both, answer }
"""


def test_a_sound_store_agrees_with_its_events(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=FLOW, child="return 1") as stage:
            ended = await stage.start("it")
            await stage.app.signal_service.send_signal(workflow_id=ended, signal_name="go")
            await stage.end(ended)
            waits = await stage.start("it")
            await stage.until(waits, "decided", 2)

            found = [item async for item in stage.app.verification_service.verify_all()]

        assert len(found) == 6
        assert [findings for _, findings in found] == [[]] * 6

    run(story())


# What is broken, with a command on the store, and what is told.
BREAKS = [
    ("HSET {p}x:{id} st completed", "field 'st' of its projection is 'completed'"),
    ("HSET {p}x:{id} xx 1", "field 'xx' of its projection is '1', its events say None"),
    ("ZREM {p}i:s:suspended {id}", "its index by status is set()"),
    ("ZREM {p}i:g:it {id}", "its place in indexes is"),
    ("DEL {p}k:{id}", "nobody will go on with it"),
    ("CONTROL wk queued", "it is 'queued', but it is queued 0 times"),
    ("CONTROL up 1", "it sleeps although it was not told of events"),
    ("XDEL {p}e:{id} 3-0", "its events are numbered 1-2, 4"),
    ("DEL {p}t", "the timers that will fire"),
    ("DEL {p}e:{id}", "the history is empty"),
]


@pytest.mark.usefixtures("one_partition")
@pytest.mark.parametrize(("command", "told"), BREAKS, ids=[told for _, told in BREAKS])
def test_what_does_not_agree_is_told(
    database_url: str, namespace: str, run: Run, command: str, told: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=FLOW, child="return 1") as stage:
            id_ = await stage.start("it")
            await stage.until(id_, "decided", 2)
        async with on_stage(database_url, namespace, workers=0, it=FLOW) as stage:
            connection = stage.app._connection
            words = command.format(p=f"{namespace}:{{0}}:", id=id_).split()
            # What changes in indexes is folded in when somebody reads them.
            await stage.app.execution_service.count_executions()
            if words[0] == "CONTROL":
                await set_words(connection, id_, **{words[1]: words[2]})
            else:
                await connection.command(*words)

            findings = [
                finding
                async for _, found in stage.app.verification_service.verify_all()
                for finding in found
                if finding.execution_id == id_
            ]

        assert any(told in str(finding) for finding in findings), findings

    run(story())


def test_an_unknown_execution_is_an_error(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it="return 1") as stage:
            with pytest.raises(ExecutionNotFound):
                await stage.app.verification_service.verify("nobody")

    run(story())


@pytest.mark.usefixtures("one_partition")
def test_projections_are_made_anew_from_the_streams_alone(
    database_url: str, namespace: str, run: Run
) -> None:
    """Every projection is deleted under load, and the same answers come back."""

    async def story() -> None:
        async with on_stage(database_url, namespace, it=FLOW, child="return 1") as stage:
            executions = stage.app.execution_service
            ended = [(await stage.ended("child")).id for _ in range(5)]
            waits = await stage.start("it")
            await stage.until(waits, "decided", 2)
            filters: tuple[dict[str, str], ...] = (
                {},
                {"status": "completed"},
                {"target_name": "it"},
                {"type": "task"},
            )
            before = [await executions.query_executions(f) for f in filters]
            connection = stage.app._connection
            for kind in ("x", "i"):
                all_of_kind = f"{namespace}:{{0}}:{kind}:*"
                found = await connection.command("KEYS", all_of_kind, near=all_of_kind)
                await connection.command("DEL", *map(bytes.decode, found))
            await connection.command("ZADD", f"{namespace}:{{0}}:i:y:task", 1, "ghost")
            assert await executions.query_executions() == []
            await stage.app.signal_service.send_signal(workflow_id=waits, signal_name="go")

            rebuilt = {id_ async for id_ in stage.app.verification_service.rebuild_all()}

            assert {*ended, waits, "ghost"} <= rebuilt
            result = (await stage.end(waits)).result()
            assert result == {"both": ["hello Ada", 1], "answer": None}
            after = [await executions.query_executions(f) for f in filters]
            assert [[e.id for e in found if e.id != waits] for found in after] == [
                [e.id for e in found if e.id != waits] for found in before
            ]
            async for _, findings in stage.app.verification_service.verify_all():
                assert findings == []

    run(story())
