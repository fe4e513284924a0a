"""Priorities and keys: where they are said, how they are handed on, what is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any

import pytest

from rhythm import ConfigurationError, InvalidRequest, task
from rhythm.engine.options import declared_options
from rhythm.tasks import TaskDefinition
from streams.limits import Limits
from tests.rhythm.test_ending import verified
from tests.rhythm.test_workflows import Stage, a_registry, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

CHILDREN = """
    await Promise.all([
        Task.run("square", { x: 1 }),
        Task.run("square", { x: 2 }, { priority: 9, key: 77 }),
        Task.run("billed", { customer: { id: "ada" } }),
        Task.run("billed", { customer: {} }, { priority: 0 }),
        Workflow.run("below", { who: "eve" }),
        Workflow.run("below", {}, { key: "bob", priority: 3 }),
    ])
"""

BELOW = """```
priority: 8
key: who
```
await Task.run("square", { x: 3 })
"""


async def turn(stage: Stage, id_: str) -> tuple[int, str | None]:
    found = await stage.app.execution_service.get_execution(id_)
    assert found is not None
    return found.priority, found.key


def test_the_nearest_to_the_call_says_in_whose_turn_it_comes(
    database_url: str, namespace: str, run: Run
) -> None:
    async def billed(customer: dict[str, str]) -> None:
        pass

    options = declared_options(None, None, None, None, None, 6, "customer.id")
    registry = a_registry(TaskDefinition("billed", None, billed, options=options))

    async def story() -> None:
        async with on_stage(database_url, namespace, registry, it=CHILDREN, below=BELOW) as stage:
            plain = await stage.start("it", id="plain")
            await stage.end(plain)
            given = await stage.start("it", id="given", priority=2, key=5)
            await stage.end(given)
            alone = await stage.start("billed", {"customer": {"id": 4}}, exec_type="task")
            below = await stage.start("below", {"who": "dan"}, key="fay")

            assert [await turn(stage, f"{plain}/{n}") for n in range(1, 7)] == [
                *((5, None), (9, "77"), (6, "ada"), (0, None), (8, "eve"), (3, "bob")),
            ]
            assert await turn(stage, f"{plain}/5/1") == (8, "eve")
            assert await turn(stage, given) == (2, "5")
            assert [await turn(stage, f"{given}/{n}") for n in range(1, 7)] == [
                *((2, "5"), (9, "77"), (6, "ada"), (0, "5"), (8, "eve"), (3, "bob")),
            ]
            assert await turn(stage, f"{given}/6/1") == (3, "bob")
            assert await turn(stage, alone) == (6, "4")
            assert await turn(stage, below) == (8, "fay")
            for id_ in (alone, below):
                await stage.end(id_)
            await verified(stage)

    run(story())


SORTED = """```
key: by ?? `${order.region}-${order.id % 4}`
```
return await Task.run("billed", Inputs)
"""


def test_a_key_is_made_of_the_inputs_once_where_it_is_started(
    database_url: str, namespace: str, run: Run
) -> None:
    """By clients for a start, by workers for a child; what cannot be one refuses the start."""

    async def billed(order: Any = None, by: Any = None) -> str:
        return "billed"

    options = declared_options(None, None, None, None, None, None, "order?.id || by")
    registry = a_registry(TaskDefinition("billed", None, billed, options=options))
    outer = """
        const got = [await Workflow.run("it", { order: { region: "eu", id: 6 } })]
        for (const order of [{ id: [1] }, { id: 2.5 }])
            try { await Task.run("billed", { order }) } catch (e) { got.push(e.message) }
        try { await Workflow.run("it", {}) } catch (e) { got.push(e.name) }
        return got
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, registry, it=SORTED, outer=outer) as stage:
            first = await stage.start("it", {"order": {"region": "us", "id": 9}})
            named = await stage.start("it", {"by": "ada"})
            assert await turn(stage, first) == (5, "us-1")
            assert await turn(stage, named) == (5, "ada")
            with pytest.raises(InvalidRequest, match="it throws TypeError: cannot read"):
                await stage.start("it", {})
            with pytest.raises(InvalidRequest, match=r"of the inputs.: .* is 1.5"):
                await stage.start("billed", {"by": 1.5}, exec_type="task")
            for id_ in (first, named):
                await stage.end(id_)
            assert await turn(stage, f"{first}/1") == (5, "9")
            assert await turn(stage, f"{named}/1") == (5, "ada")

            ended = await stage.ended("outer")
            was_well, a_list, a_fraction, refused = ended.result()
            assert (was_well, refused) == ("billed", "InvalidRequest")
            assert "must be text or a whole number, not a list" in a_list
            assert "must be text or a whole number, is 2.5" in a_fraction
            assert await turn(stage, f"{ended.id}/1") == (5, "eu-2")
            await stage.app.history_service.replay(ended.id)
            await verified(stage)

    run(story())


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"priority": 10}, "priority: must be a whole number from 0 to 9, .* is 10"),
        ({"priority": 0.5}, "priority: must be a whole number"),
        ({"priority": True}, "priority: .* is a bool"),
        ({"priority": "high"}, "priority: .* is a str"),
        ({"key": ""}, "key: has 0 characters"),
        ({"key": "k" * 129}, "key: has 129 characters, it may have 1 to 128"),
        ({"key": "a\nb"}, "key: .* cannot be printed"),
        ({"key": ["a"]}, "key: must be text or a whole number, not a list"),
        ({"key": 1.5}, "key: must be text or a whole number, is 1.5"),
    ],
)
def test_what_cannot_be_a_priority_or_key_is_refused(
    database_url: str, namespace: str, run: Run, given: Mapping[str, Any], complaint: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, quick="return 1") as stage:
            with pytest.raises(InvalidRequest, match=complaint):
                await stage.start("quick", **given)
            assert await stage.app.execution_service.count_executions() == 0

    run(story())


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("{ priority: 10 }", "priority of Task.run must be a whole number from 0 to 9"),
        ("{ key: {} }", "key of Task.run must be a whole number or a text"),
        ('{ key: "a\\nb" }', "key: .* cannot be printed"),
    ],
)
def test_a_script_is_told_what_cannot_be(
    database_url: str, namespace: str, run: Run, call: str, complaint: str
) -> None:
    source = (
        f'try {{ await Task.run("square", {{ x: 1 }}, {call}) }} catch (e) {{ return e.message }}'
    )

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            ended = await stage.ended("it")
            assert re.search(complaint, ended.result())

    run(story())


class Gate:
    """A task that says that it runs, and ends when it is let."""

    def __init__(self) -> None:
        self.runs, self.most, self.begun = 0, 0, asyncio.Event()
        self.may_end = asyncio.Event()

    def definition(self, **limits: Any) -> TaskDefinition:
        async def gate() -> None:
            self.runs += 1
            self.most = max(self.most, self.runs)
            self.begun.set()
            await self.may_end.wait()
            self.runs -= 1

        return TaskDefinition("gate", None, gate, limits=Limits(**limits))


def test_a_declared_limit_holds_for_all_workers_and_explain_tells(
    database_url: str, namespace: str, run: Run
) -> None:
    gate = Gate()
    registry = a_registry(gate.definition(most=2))
    source = 'await Promise.all([1, 2, 3, 4, 5].map(() => Task.run("gate")))'

    async def story() -> None:
        async with on_stage(database_url, namespace, registry, workers=3, it=source) as stage:
            limits, explain = stage.app.limit_service, stage.app.history_service.explain
            [shown] = await limits.list_limits()
            assert (shown.kind, shown.name, shown.concurrency) == ("task", "gate", 2)
            assert shown.declared
            id_ = await stage.start("it")
            while (await limits.list_limits())[0].waiting != 3:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.005)
            while gate.runs < 2:  # noqa: ASYNC110 - claimed, they may not have begun
                await asyncio.sleep(0.005)
            assert gate.runs == 2
            told = str(await explain(id_))
            assert told.count("A limit holds it back: of task 'gate' 2 run at once") == 3
            waiting = await stage.app.execution_service.query_executions(
                {"parent_workflow_id": id_, "status": "pending"}
            )
            assert "A limit holds it back" in str(await explain(waiting[0].id))
            # What is set by hand holds at once.
            assert await limits.set_limits("task", "gate", concurrency=3)
            assert not await limits.set_limits("task", "gate", concurrency=3)
            while gate.runs != 3:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.005)
            gate.may_end.set()
            assert (await stage.end(id_)).status == "completed"
            assert gate.most == 3
            assert await limits.remove_limits("task", "gate")
            assert not await limits.remove_limits("task", "gate")
            await verified(stage)

    run(story())


def test_a_rate_of_a_queue(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            limits = stage.app.limit_service
            await limits.set_limits("queue", "default", rate="2/200ms", key_rate="1/h")
            [shown] = await limits.list_limits()
            assert (shown.rate, shown.key_rate, shown.declared) == ("2/200ms", "1/1h", False)
            ids = [
                await stage.start("square", {"x": x}, exec_type="task", key=key)
                for x, key in enumerate((None, None, None, None, "ada", "ada"))
            ]
            # In another partition the second of a key may come first.
            of_ada = {asyncio.create_task(stage.end(id_)): id_ for id_ in ids[4:]}
            done, late = await asyncio.wait(of_ada, return_when=asyncio.FIRST_COMPLETED)
            ended = [await stage.end(id_) for id_ in ids[:4]] + [one.result() for one in done]
            [waits] = late
            began = sorted(one.started_at for one in ended if one.started_at)
            for first, third in zip(began, began[2:], strict=False):
                assert third - first >= timedelta(milliseconds=200)
            told = str(await stage.app.history_service.explain(of_ada[waits]))
            assert "of queue 'default' of key 'ada' 1 begins within 3600 s" in told
            # Where others have it all, only they know when.
            assert len(stage.app._connection.keys.partitions) > 1 or "s; the next at" in told
            await limits.remove_limits("queue", "default")
            await waits

    run(story())


@pytest.mark.parametrize(
    ("kind", "name", "given", "complaint"),
    [
        ("tasks", "a", {"concurrency": 1}, "kind: 'tasks' is not .* \\(did you mean 'task'"),
        ("workflow", "a", {"concurrency": 1}, "kind: 'workflow' is not 'queue' or 'task'"),
        ("task", "", {"concurrency": 1}, "name: must not be empty"),
        ("task", "a", {}, "concurrency: is missing"),
        ("task", "a", {"concurrency": 0}, "concurrency: must be from 1 to .* pause"),
        ("task", "a", {"key_concurrency": True}, "key_concurrency: must be a whole number"),
        ("task", "a", {"rate": 5}, "rate: must be text, not an int: write it like '10/s'"),
        ("task", "a", {"rate": "5 per s"}, "rate: '5 per s' is no rate"),
        ("task", "a", {"rate": "5/fortnight"}, "rate: '5/fortnight' is no rate"),
        ("task", "a", {"rate": "0/s"}, "rate: '0/s' is beyond"),
        ("task", "a", {"key_rate": "5/90d"}, "key_rate: '5/90d' is beyond"),
        ("task", "a", {"rate": "1000000/d"}, "rate: .* 1 to 100,000"),
    ],
)
def test_what_cannot_be_a_limit_is_refused(
    database_url: str, namespace: str, run: Run, kind: Any, name: str, given: Any, complaint: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            with pytest.raises(InvalidRequest, match=complaint):
                await stage.app.limit_service.set_limits(kind, name, **given)
            assert await stage.app.limit_service.list_limits() == []

    run(story())


def test_limits_hold_for_several_partitions_together(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_PARTITIONS", "3")
    gate = Gate()
    registry = a_registry(gate.definition(most=2))

    async def story() -> None:
        async with on_stage(database_url, namespace, registry, workers=2) as stage:
            limits, explain = stage.app.limit_service, stage.app.history_service.explain
            ids = [await stage.start("gate", exec_type="task") for _ in range(9)]

            async def until(runs: int, waiting: int) -> None:
                while True:
                    # What is set by hand comes first.
                    shown, *_ = await limits.list_limits()
                    if (shown.running, shown.waiting, gate.runs) == (runs, waiting, runs):
                        assert shown.granted == shown.concurrency
                        return
                    await asyncio.sleep(0.005)

            await until(2, 7)
            told = [str(await explain(id_)) for id_ in ids]
            assert sum("of task 'gate' 2 run at once" in text for text in told) == 7
            assert await limits.set_limits("task", "gate", concurrency=4)
            assert not await limits.set_limits("task", "gate", concurrency=4)
            await until(4, 5)
            gate.may_end.set()
            for id_ in ids:
                assert (await stage.end(id_)).status == "completed"
            assert gate.most == 4
            assert await limits.remove_limits("task", "gate")
            [shown] = await limits.list_limits()
            assert (shown.concurrency, shown.declared, shown.running) == (2, True, 0)
            await verified(stage)

    run(story())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"concurrency": -1}, "@task: concurrency: must be from 1"),
        ({"rate": "x"}, "@task: rate: 'x' is no rate"),
        ({"priority": 11}, "@task: priority: must be a whole number from 0 to 9"),
        ({"key": "a b"}, "@task: key: must be an expression over the inputs, .* this is no exp"),
        ({"key": "await a"}, "@task: key: .*: the expression would wait"),
        ({"key": "a + " * 200 + "b"}, "@task: key: has 801 characters"),
        ({"key": 5}, "@task: key: must be an expression over the inputs, .* not an int"),
    ],
)
def test_a_declaration_says_what_is_wrong(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        task(**options)
