"""What Prometheus reads of a worker: what it did, and what the store holds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from rhythm import InitBuilder, Worker
from rhythm.worker.activations import COLD
from rhythm.worker.health import HealthServer
from rhythm.worker.metrics import Metrics
from tests.conftest import RedisServer
from tests.rhythm.test_health import asked
from tests.rhythm.test_workflows import a_registry, flows

Run = Callable[[Coroutine[Any, Any, None]], None]

SOURCE = """
    const x = await Task.run("square", { x: 3 })
    try { await Task.run("fail") } catch (error) { return x }
"""


def values(page: str) -> dict[str, float]:
    """The samples of a page by name and labels."""
    found = re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", page, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_what_a_worker_did_and_what_is_in_the_store(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(it=SOURCE, waits='await Signal.when("go")')) as app:
            metrics = Metrics()
            worker = Worker(app, registry=a_registry(), metrics=metrics)
            async with worker:
                ids = [
                    await app.execution_service.create_execution(target_name="it") for _ in range(3)
                ]
                await app.execution_service.create_execution(target_name="waits", queue="nobody's")
                for id_ in ids:
                    await app.execution_service.wait_for_execution(id_, timeout=30)
                page = metrics.of(worker, app.diagnose).page
                with HealthServer("127.0.0.1", 0, worker.condition, page) as server:
                    status, text = await asyncio.to_thread(asked, server.url, "/metrics")
            found = values(text)
            assert status == 200
            assert found['rhythm_tasks_total{outcome="completed",task="square"}'] == 3
            assert found['rhythm_tasks_total{outcome="failed",task="fail"}'] == 3
            assert found['rhythm_task_seconds_count{task="square"}'] == 3
            assert found['rhythm_activation_seconds_count{outcome="completed"}'] == 3
            assert found['rhythm_wait_seconds_count{queue="default",type="task"}'] == 6
            assert found['rhythm_wait_seconds_count{queue="default",type="workflow"}'] == 9
            assert found['rhythm_payload_bytes_sum{direction="in"}'] == 3 * 4 + 3
            assert found['rhythm_payload_bytes_count{direction="out"}'] == 3
            assert found['rhythm_queue_ready{queue="nobody\'s"}'] == 1
            assert found['rhythm_queue_workers{queue="nobody\'s"}'] == 0
            assert found['rhythm_queue_workers{queue="default"}'] == 1
            assert found['rhythm_executions{status="failed"}'] == 3
            assert (found["rhythm_worker_healthy"], found["rhythm_store_up"]) == (1, 1)
            assert found['rhythm_queue_oldest_seconds{queue="nobody\'s"}'] > 0
            assert found['rhythm_queue_oldest_seconds{queue="default"}'] == 0
            assert found['rhythm_findings{severity="error"}'] == 1
            assert found["rhythm_leases_lost_total"] == 0
            assert "process_cpu_seconds_total" in found

    run(story())


def test_making_a_machine_anew_is_counted_by_what_it_is_made_of(
    database_url: str, namespace: str, run: Run
) -> None:
    """A worker that keeps none replays for every turn but the first."""

    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(it=SOURCE)) as app:
            metrics = Metrics()
            worker = Worker(app, registry=a_registry(), metrics=metrics, keeping=COLD)
            async with worker:
                id_ = await app.execution_service.create_execution(target_name="it")
                await app.execution_service.wait_for_execution(id_, timeout=30)
                page = await asyncio.to_thread(metrics.of(worker, app.diagnose).page)
            assert values(page.decode())['rhythm_replay_seconds_count{source="history"}'] == 2

    run(story())


def test_the_docs_name_every_metric_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs/operating.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\brhythm_[a-z_]+", page))

    async def all_of_them() -> str:
        async with InitBuilder().database_url("memory://") as app:
            metrics = Metrics()
            return (await asyncio.to_thread(metrics.of(Worker(app), app.diagnose).page)).decode()

    there = set(re.findall(r"^# TYPE (rhythm_[a-z_]+)", asyncio.run(all_of_them()), re.MULTILINE))
    there = {name for name in there if not name.endswith("_created")}
    # Of a histogram the rules ask for the buckets.
    assert {name.removesuffix("_bucket") for name in named} == there


def test_without_a_server_the_worker_still_tells_of_itself(
    own_redis_server: RedisServer, run: Run
) -> None:
    async def story() -> None:
        async with InitBuilder().database_url(own_redis_server.url) as app:
            metrics = Metrics()
            worker = Worker(app, registry=a_registry(), metrics=metrics)
            page = metrics.of(worker, app.diagnose).page
            own_redis_server.kill()
            found = values((await asyncio.to_thread(page)).decode())
            assert (found["rhythm_store_up"], found["rhythm_worker_healthy"]) == (0, 0)
            assert "rhythm_due" not in found

    run(story())
