"""Starts that wait a while, starts of which one at a time lives, and starts that are merged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rhythm import Debounce, InvalidRequest
from tests.rhythm.test_ending import verified
from tests.rhythm.test_pauses import SUMS, send
from tests.rhythm.test_workflows import on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]


def test_of_a_singleton_one_lives_at_a_time(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=SUMS) as stage:
            first, *others = await asyncio.gather(
                *(stage.start("it", {"by": n}, singleton="sync") for n in range(5))
            )
            assert set(others) == {first}
            assert first.startswith("sync!exec_")
            # Another name is another one, and what says none is none of them.
            assert await stage.start("it", singleton="other") != first
            assert await stage.start("it") != first
            for number in (1, 2, 3):
                await send(stage, first, number)
            assert (await stage.end(first)).result() == 123
            await verified(stage)

            second = await stage.start("it", singleton="sync")
            assert second != first
            assert await stage.start("it", singleton="sync") == second
            await stage.app.execution_service.terminate_execution(second)
            task = await stage.start("square", {"x": 3}, exec_type="task", singleton="sync")
            assert task != second
            assert (await stage.end(task)).result() == 9
            await verified(stage)

    run(story())


def test_a_singleton_that_restarts_still_lives(database_url: str, namespace: str, run: Run) -> None:
    source = """
        if (Inputs.round > 1) return await Signal.when("add")
        await Timer.delay("1ms")
        Workflow.restart({ round: (Inputs.round ?? 0) + 1 })
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            first = await stage.start("it", singleton="sync")
            await stage.until_there(f"{first}~3")
            assert await stage.start("it", singleton="sync") == first
            await send(stage, first, 7)
            await stage.end(f"{first}~3")
            assert await stage.start("it", singleton="sync") != first

    run(story())


def test_a_delayed_start_begins_later(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            executions = stage.app.execution_service
            before = datetime.now(UTC)
            soon = await stage.start("square", {"x": 3}, exec_type="task", delay="80ms")
            late = await stage.start(
                "square", {"x": 4}, exec_type="task", delay=timedelta(hours=1), singleton="s"
            )
            ended = await stage.end(soon)
            assert ended.started_at is not None
            # One machine has one clock, which the store reads in whole milliseconds.
            assert ended.started_at - before > timedelta(milliseconds=79)
            waiting = await executions.get_execution(late)
            assert waiting is not None and waiting.status == "pending"
            # It lives, although it has not begun.
            assert (
                await stage.start("greet", {"name": "x"}, exec_type="task", singleton="s") == late
            )
            await verified(stage)

    run(story())


KEYED = """
    const word = await Signal.when("word")
    return { ...Inputs, word, by: await Task.run("square", { x: Inputs.n }) }
"""


def test_all_who_read_a_debounced_start_read_the_newest(
    database_url: str, namespace: str, run: Run
) -> None:
    """What it is given, shows, replays and forks with is what the newest start said."""

    async def story() -> None:
        async with on_stage(database_url, namespace, it=KEYED) as stage:
            executions = stage.app.execution_service
            some: dict[str, Any] = {"debounce": Debounce(key="ada", wait="1h", max_wait="400ms")}
            with pytest.raises(InvalidRequest, match="max_wait: must not be shorter than wait"):
                await stage.start("it", **some)
            first = await stage.start(
                "it", {"n": 1}, debounce={"key": "ada", "wait": "1h"}, key="a"
            )
            await stage.app.signal_service.send_signal(
                workflow_id=first, signal_name="word", payload="early"
            )
            for n in (2, 3):
                soon = Debounce(key="ada", wait="1ms" if n == 3 else "1h")
                assert await stage.start("it", {"n": n}, debounce=soon, priority=n) == first
            waiting = await executions.get_execution(first)
            assert waiting is not None and waiting.inputs == {"n": 3}
            assert (waiting.priority, waiting.key) == (3, None)

            ended = await stage.end(first)
            assert ended.result() == {"n": 3, "word": "early", "by": 9}
            assert ended.inputs == {"n": 3} and ended.started_at is not None
            assert (await executions.query_executions({"type": "workflow"}))[0].inputs == {"n": 3}
            assert (await stage.types(first))[:4] == [
                *("created", "signal_received", "postponed", "postponed"),
            ]
            await verified(stage)
            await stage.app.history_service.replay(first)
            fork = await stage.app.history_service.fork(first, at=4)
            assert (await stage.end(fork)).result() == {"n": 3, "word": "early", "by": 9}
            with pytest.raises(InvalidRequest, match="has events 4 to 6 to fork at"):
                await stage.app.history_service.fork(first, at=3)
            await verified(stage)
            assert await stage.start("it", {"n": 4}, debounce=soon) != first

    run(story())


def test_a_debounced_task_gets_the_newest_inputs(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:

            def start(x: int, wait: str) -> Coroutine[Any, Any, str]:
                merged = Debounce(key="sum", wait=wait, max_wait="2h")
                return stage.start("square", {"x": x}, exec_type="task", debounce=merged)

            ids = await asyncio.gather(*(start(2, "1h") for _ in range(5)))
            ids.append(await start(3, "1ms"))
            assert len(set(ids)) == 1
            assert (await stage.end(ids[0])).result() == 9
            await verified(stage)

    run(story())


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"delay": "soon"}, "delay: "),
        ({"delay": -1}, "delay: "),
        ({"singleton": "a b"}, "singleton: 'a b' is not made of the characters"),
        ({"singleton": "a!b"}, "singleton: 'a!b' is not made of the characters"),
        ({"singleton": "a", "id": "b"}, "singleton: makes its own ids: leave out id"),
        ({"debounce": "ada"}, "debounce: must be a dict with key and wait, not a str"),
        ({"debounce": {"key": "ada"}}, "wait: is missing; debounce needs how long"),
        ({"debounce": {"key": "a b", "wait": 1}}, "debounce.key: 'a b' is not made of"),
        ({"debounce": {"key": "ada", "wait": 0}}, "debounce.wait: must be longer than nothing"),
        ({"debounce": {"key": "ada", "wait": 1, "most": 2}}, "debounce: has no parameter 'most'"),
        (
            {"debounce": {"key": "ada", "wait": 1}, "delay": 1},
            "debounce: says itself what is started, and when: leave out delay",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    database_url: str, namespace: str, run: Run, given: Mapping[str, Any], complaint: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, quick="return 1") as stage:
            with pytest.raises(InvalidRequest, match=complaint):
                await stage.start("quick", **given)
            with pytest.raises(InvalidRequest, match="delay: is for create_execution"):
                await stage.app.signal_service.signal_with_start(
                    execution={"target_name": "quick", "delay": 5},  # type: ignore[typeddict-unknown-key]  # that is the point
                    signal_name="go",
                )
            assert await stage.app.execution_service.count_executions() == 0

    run(story())
