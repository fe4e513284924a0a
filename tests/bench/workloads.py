"""The workloads W1 to W6: what is done, and how fast it was, by the times in the events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rhythm import InitBuilder, Rhythm
from tests.bench.ground import Ground
from tests.bench.jobs import INPUTS

AT_ONCE = 100
"""Calls that clients have under way."""


@dataclass(frozen=True)
class Figure:
    """What was measured.

    Attributes:
        name: of the workload.
        unit: what was counted.
        per_second: how many of them; of a latency, one over its median.
        server_us, worker_us: processor time per unit.
        latencies_ms: one for each, of a workload that is about them; sorted.
    """

    name: str
    unit: str
    per_second: float
    server_us: float = 0.0
    worker_us: float = 0.0
    latencies_ms: Sequence[float] = field(default=(), repr=False)

    def percentile(self, part: float) -> float:
        """A latency that so large a part of all does not go over."""
        return self.latencies_ms[
            min(int(len(self.latencies_ms) * part), len(self.latencies_ms) - 1)
        ]


class Bench:
    """Runs workloads on a ground.

    Args:
        scale: 1 for the sizes of the published table, less for a quick look.
    """

    def __init__(self, ground: Ground, workers: int, scale: float) -> None:
        self._ground, self._workers, self._scale = ground, workers, scale

    def _times(self, count: int) -> int:
        return max(round(count * self._scale), 10)

    async def tasks_drained(self) -> Figure:
        """W1 drain: tasks that were enqueued before, from the first attempt to the last result."""
        count = self._times(5_000)
        async with self._app() as app:
            ids = await _together(count, lambda _: _start(app, "bench.noop", "task"))
            return await self._measured("W1 drain", "task", app, ids, count, starts=False)

    async def tasks_live(self) -> Figure:
        """W1 live: enqueued and drained at once, from the first start to the last result."""
        count = self._times(5_000)
        async with self._app() as app:
            with self._ground.workers(self._workers):
                return await self._live("W1 live", "task", app, count, "bench.noop", 1)

    async def tasks_live_one_at_a_time(self) -> Figure:
        """W1 live with one call under way."""
        count = self._times(2_000)
        async with self._app() as app:
            with self._ground.workers(self._workers):
                return await self._live(
                    "W1 live, one at a time", "task", app, count, "bench.noop", 1, at_once=1
                )

    async def workflows(self) -> Figure:
        """W2: workflows of one task."""
        count = self._times(1_000)
        async with self._app() as app:
            with self._ground.workers(self._workers):
                return await self._live("W2", "workflow", app, count, "one", 1)

    async def steps(self) -> Figure:
        """W3: steps of workflows of ten tasks in sequence."""
        count = self._times(300)
        async with self._app() as app:
            with self._ground.workers(self._workers):
                return await self._live("W3", "step", app, count, "ten", 10)

    async def fans(self) -> Figure:
        """W4: tasks of workflows that run a hundred side by side."""
        count = self._times(20)
        async with self._app() as app:
            with self._ground.workers(self._workers):
                return await self._live("W4", "task", app, count, "fan", 100)

    async def task_latency(self) -> Figure:
        """W5 task: from start to result on an idle system."""
        async with self._app() as app:

            async def once() -> None:
                await app.execution_service.wait_for_execution(
                    await _start(app, "bench.noop", "task")
                )

            with self._ground.workers(self._workers):
                return await _latency("W5 task", self._times(200), once)

    async def workflow_latency(self) -> Figure:
        """W5 workflow: from start to result of a workflow with a task, on an idle system."""
        async with self._app() as app:

            async def once() -> None:
                await app.execution_service.wait_for_execution(await _start(app, "one"))

            with self._ground.workers(self._workers):
                return await _latency("W5 workflow", self._times(200), once)

    async def signal_latency(self) -> Figure:
        """W6: from a signal to the result of the workflow that waits for it."""
        async with self._app() as app:
            waiting: list[str] = []

            async def prepare() -> None:
                id_ = await _start(app, "waits")
                async for event in app.history_service.follow(id_):
                    if event.type == "decided":
                        break
                waiting.append(id_)

            async def once() -> None:
                await app.signal_service.send_signal(workflow_id=waiting[-1], signal_name="go")
                await app.execution_service.wait_for_execution(waiting[-1])

            with self._ground.workers(self._workers):
                return await _latency("W6", self._times(100), once, prepare)

    def _app(self) -> InitBuilder:
        self._ground.clear()
        return InitBuilder().database_url(self._ground.url).workflow_paths([self._ground.flows])

    async def _live(
        self,
        name: str,
        unit: str,
        app: Rhythm,
        count: int,
        target: str,
        units: int,
        at_once: int = AT_ONCE,
    ) -> Figure:
        server, worker = self._ground.server_cpu_s(), self._ground.worker_cpu_s()
        began_ms = time.time() * 1000
        kind = "task" if target == "bench.noop" else "workflow"
        ids = await _together(count, lambda _: _start(app, target, kind), at_once)
        await _all_ended(app, count * (1 if kind == "task" else 1 + units))
        return await self._figure(name, unit, app, ids, count * units, began_ms, server, worker)

    async def _measured(
        self, name: str, unit: str, app: Rhythm, ids: list[str], count: int, *, starts: bool
    ) -> Figure:
        server = self._ground.server_cpu_s()
        with self._ground.workers(self._workers):
            # What it took to start is not of the tasks.
            worker = self._ground.worker_cpu_s()
            await _all_ended(app, count)
            first = await app.execution_service.get_execution(ids[0])
            assert first is not None and first.started_at is not None
            began_ms = first.started_at.timestamp() * 1000
            return await self._figure(name, unit, app, ids, count, began_ms, server, worker)

    async def _figure(
        self,
        name: str,
        unit: str,
        app: Rhythm,
        ids: list[str],
        units: int,
        began_ms: float,
        server: float,
        worker: float,
    ) -> Figure:
        server, worker = self._ground.server_cpu_s() - server, self._ground.worker_cpu_s() - worker
        ended_ms = 0.0
        for id_ in ids:
            execution = await app.execution_service.get_execution(id_)
            assert execution is not None and execution.completed_at is not None
            assert execution.status == "completed", execution
            ended_ms = max(ended_ms, execution.completed_at.timestamp() * 1000)
        return Figure(
            name,
            unit,
            units / (ended_ms - began_ms) * 1000,
            server / units * 1e6,
            worker / units * 1e6,
        )


async def _start(app: Rhythm, target: str, kind: str = "workflow", **inputs: Any) -> str:
    return await app.execution_service.create_execution(
        exec_type=kind, target_name=target, inputs=inputs or INPUTS
    )


async def _together(
    count: int, call: Callable[[int], Awaitable[str]], at_once: int = AT_ONCE
) -> list[str]:
    """Results of calls of which so many are under way at any time."""
    numbers = iter(range(count))
    results: list[str] = [""] * count

    async def some() -> None:
        for number in numbers:
            results[number] = await call(number)

    await asyncio.gather(*(some() for _ in range(at_once)))
    return results


async def _all_ended(app: Rhythm, count: int) -> None:
    filters = {"status": "completed"}
    # Waiting for each would be a load of its own. A look now and then costs nothing; when they
    # ended, the events say.
    while await app.execution_service.count_executions(filters) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def _latency(
    name: str,
    count: int,
    once: Callable[[], Awaitable[None]],
    prepare: Callable[[], Awaitable[None]] | None = None,
) -> Figure:
    latencies = []
    for number in range(count + 10):
        if prepare is not None:
            await prepare()
        began = time.perf_counter()
        await once()
        if number >= 10:  # The first ones find nothing warm.
            latencies.append((time.perf_counter() - began) * 1000)
    latencies.sort()
    return Figure(name, "ms", 1000 / latencies[len(latencies) // 2], latencies_ms=latencies)
