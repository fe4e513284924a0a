"""Priorities and keys: where they are said, how they are handed on, what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from rhythm import ConfigurationError, InvalidRequest, task
from rhythm.engine.options import declared_options
from rhythm.tasks import TaskDefinition
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


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"priority": 11}, "@task: priority: must be a whole number from 0 to 9"),
        ({"key": "a b"}, "@task: key: must name an input"),
        ({"key": 5}, "@task: key: must name an input"),
    ],
)
def test_a_declaration_says_what_is_wrong(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        task(**options)
