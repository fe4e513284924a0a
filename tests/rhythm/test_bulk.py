"""The same for all executions that match: counted first, resumable, and nothing else is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import InvalidRequest
from tests.rhythm.test_ending import verified
from tests.rhythm.test_workflows import Stage, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

WAITS = 'await Signal.when("go"); return await Task.run("square", { x: 3 })'
FAILS = """
    const x = await Task.run("square", { x: 3 })
    if (await Task.run("square", { x: 1 }) === 1) throw new RangeError("x is " + x)
"""


async def statuses(stage: Stage, target: str) -> dict[str, int]:
    found = await stage.app.execution_service.query_executions({"target_name": target})
    return {
        status: [str(one.status) for one in found].count(status)
        for status in sorted({str(one.status) for one in found})
    }


async def started(stage: Stage, target: str, count: int) -> list[str]:
    return list(await asyncio.gather(*(stage.start(target) for _ in range(count))))


def test_what_matches_is_ended_and_nothing_else(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=WAITS, other=WAITS) as stage:
            bulk = stage.app.bulk_service
            its = await started(stage, "it", 5)
            for id_ in await started(stage, "other", 2):
                await stage.until(id_, "decided")
            looked = await bulk.run("cancel", {"target_name": "it"}, dry_run=True)
            assert (looked.matched, looked.done, sorted(looked.ids)) == (5, 0, sorted(its))
            progress: list[tuple[int, int]] = []
            some = await bulk.run(
                "cancel",
                {"target_name": "it"},
                reason="enough",
                limit=2,
                rate=1000,
                on_progress=lambda done, of: progress.append((done, of)),
            )
            assert (some.matched, some.done, progress) == (2, 2, [(1, 2), (2, 2)])
            for id_ in some.ids:
                assert (await stage.end(id_)).output == {"reason": "enough"}
            rest = await bulk.run("terminate", {"target_name": "it"})
            assert (rest.matched, rest.done, rest.refused) == (3, 3, {})
            assert await statuses(stage, "it") == {"cancelled": 5}
            assert await statuses(stage, "other") == {"suspended": 2}
            assert (await bulk.run("terminate", {"target_name": "it"})).matched == 0

    run(story())


def test_the_failed_are_retried_once_and_keep_what_they_had(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=FAILS, ends="return 1") as stage:
            bulk = stage.app.bulk_service
            ids = await started(stage, "it", 3)
            for id_ in ids:
                assert (await stage.end(id_)).status == "failed"
            await stage.ended("ends")
            assert (await bulk.run("retry", {"error_name": "TypeError"})).matched == 0
            done = await bulk.run("retry", {"error_name": "RangeError"})
            assert sorted(done.ids) == sorted(f"{id_}.retry" for id_ in ids)
            again = await bulk.run("retry", {"target_name": "it"}, limit=100)
            for id_ in ids:
                ended = await stage.end(f"{id_}.retry")
                assert (ended.status, ended.output["name"]) == ("failed", "RangeError")
            assert set(done.ids) <= set(again.ids)
            await verified(stage)

    run(story())


def test_what_has_ended_is_deleted_with_all_below(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=FAILS, waits=WAITS) as stage:
            for id_ in await started(stage, "it", 4):
                await stage.end(id_)
            waits = await stage.start("waits")
            assert (await stage.app.bulk_service.run("delete", {"status": "completed"})).done == 0
            done = await stage.app.bulk_service.run("delete", {})
            assert (done.matched, done.done) == (4, 4)
            left = await stage.app.execution_service.query_executions()
            assert [one.id for one in left] == [waits]
            await verified(stage)

    run(story())


def test_what_is_paused_is_resumed(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it="return 1", waits=WAITS) as stage:
            executions = stage.app.execution_service
            await stage.app.pause_service.pause("queue", "default")
            ids = await started(stage, "it", 3)
            await started(stage, "waits", 1)
            for id_ in ids:
                await executions.pause_execution(id_)
            await stage.app.pause_service.resume("queue", "default")
            done = await stage.app.bulk_service.run("resume", {})
            assert sorted(done.ids) == sorted(ids)
            for id_ in ids:
                assert (await stage.end(id_)).result() == 1

    run(story())


def test_what_is_gone_on_meanwhile_is_passed_over(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=WAITS) as stage:
            ids = await started(stage, "it", 3)
            ends: list[asyncio.Task[None]] = []

            def end_all(done: int, of: int) -> None:
                if done == 1:
                    ends.extend(
                        asyncio.create_task(stage.app.execution_service.terminate_execution(id_))
                        for id_ in ids
                    )

            done = await stage.app.bulk_service.run("terminate", {}, rate=20, on_progress=end_all)
            await asyncio.gather(*ends, return_exceptions=True)
            assert (done.matched, done.done, done.passed_over) == (3, 1, 2)

    run(story())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"action": "remove"}, "action: 'remove' is none of"),
        ({"filters": {"target": "x"}}, "no parameter 'target'"),
        ({"reason": "x", "action": "delete"}, "reason: goes with"),
        ({"rate": 0}, "rate: must be"),
        ({"limit": -1}, "limit: must be"),
        ({"filters": {"error_name": ""}}, "error_name: must not be empty"),
        ({"filters": {"error_name": " "}}, "error_name: must not be blank"),
        ({"definition": "x"}, "definition: "),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused(
    database_url: str, namespace: str, run: Run, arguments: dict[str, Any], complaint: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=WAITS) as stage:
            with pytest.raises(InvalidRequest, match=complaint):
                await stage.app.bulk_service.run(**{"action": "cancel", "filters": {}, **arguments})

    run(story())
