"""The workloads W1 to W9: what is done, and how fast it was, by the times in the events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rhythm import InitBuilder, Rhythm
from streams.keys import STANDALONE_TAGS, PartitionKeys
from tests.bench.ground import Ground, ground
from tests.bench.jobs import INPUTS
from tests.bench.stored import store

AT_ONCE = 100
"""Calls that clients have under way."""

_TURNS = 15
"""How often work and questions with few and many executions stored are measured in turns."""

_WAKES = 20
"""How often the workflow with a long history is woken up."""

_NOT_WARM, _COUNTED = 10, 20
"""Of what is about latency: how often it is done before it is measured, and how often afterwards,
to count its calls."""


@dataclass(frozen=True)
class Figure:
    """What was measured.

    Attributes:
        name: of the workload.
        unit: what was counted.
        per_second: how many of them; of a latency, one over its median.
        server_us, worker_us: processor time per unit.
        units: how many were measured.
        calls: how many of the clients and workers the server answered, for each unit.
        latencies_ms: one for each, of a workload that is about them; sorted.
        says: what was found out, of a workload that is about something else.
    """

    name: str
    unit: str
    per_second: float
    server_us: float = 0.0
    worker_us: float = 0.0
    units: int = 0
    calls: float = 0.0
    latencies_ms: Sequence[float] = field(default=(), repr=False)
    says: Mapping[str, float] = field(default_factory=dict)

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
                return await self._latency("W5 task", self._times(200), once)

    async def workflow_latency(self) -> Figure:
        """W5 workflow: from start to result of a workflow with a task, on an idle system."""
        async with self._app() as app:

            async def once() -> None:
                await app.execution_service.wait_for_execution(await _start(app, "one"))

            with self._ground.workers(self._workers):
                return await self._latency("W5 workflow", self._times(200), once)

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
                return await self._latency("W6", self._times(100), once, prepare)

    async def memory(self) -> Figure:
        """W7: bytes of the server's memory per finished workflow of one task."""
        count = self._times(2_000)
        async with self._app() as app:
            with self._ground.workers(self._workers):
                # Connections and scripts take memory too, once.
                await _run_all(app, 100)
                before = self._ground.memory()
                await _run_all(app, count)
                taken = self._ground.memory() - before
        return Figure("W7", "workflow", 0.0, says={"bytes per workflow": taken / count})

    async def length(self) -> Figure:
        """W8: what the last steps of a long workflow cost, in terms of its first ones; and how long
        a workflow takes to wake up that has seen many events."""
        steps, rounds = self._times(10_000), self._times(100)
        async with self._app() as app:
            with self._ground.workers(self._workers):
                id_ = await _start(app, "long", steps=steps, of=INPUTS)
                # (version, processor time in all) as it goes: three events a step.
                seen = [(0, self._cpu_s())]
                while (known := await app.execution_service.get_execution(id_)) is not None:
                    seen.append((known.version, self._cpu_s()))
                    if known.status.finished:
                        break
                    await asyncio.sleep(0.02)
                first, last = _per_event(seen, 0.0, 0.1), _per_event(seen, 0.9, 1.0)
                id_ = await _start(app, "rounds", rounds=rounds, wakes=_WAKES, of=INPUTS)
                await _all_ended(app, 1 + steps + 1000 * rounds)
                woken_ms = []
                for number in range(_WAKES):
                    began = time.perf_counter()
                    await app.signal_service.send_signal(workflow_id=id_, signal_name="go")
                    while (known := await app.execution_service.get_execution(id_)) is not None:
                        if known.state.get("woken") == number + 1:
                            break
                    woken_ms.append((time.perf_counter() - began) * 1000)
                assert known is not None
        return Figure(
            "W8",
            "step",
            0.0,
            says={
                "last steps in terms of the first": last / first,
                "µs a step": last * 2e6,
                f"ms to wake up after {known.version} events": sorted(woken_ms)[_WAKES // 2],
            },
        )

    async def volume(self) -> Figure:
        """W9: the same work and the same questions with few and with many finished executions
        stored, the second in terms of the first.

        Each on a server of its own, in turns: a machine that is slower for some seconds is so for
        both.
        """
        many = self._times(1_000_000)
        with ground("off") as other:
            few, lots = self, Bench(other, self._workers, self._scale)
            async with few._app() as few_app, lots._app() as lots_app:
                with few._ground.workers(self._workers), other.workers(self._workers):
                    (few_id, *_) = await _run_all(few_app, 1_000)
                    (lots_id, *_) = await _run_all(lots_app, 1_000)
                    keys = PartitionKeys("rhythm", STANDALONE_TAGS[0])
                    await asyncio.to_thread(store, other, keys, lots_id, many)
                    for bench, app in (few, few_app), (lots, lots_app):
                        await bench._workflow_s(app)  # All that happens once has happened.
                    turns = [
                        (await few._asked(few_app, few_id), await lots._asked(lots_app, lots_id))
                        for _ in range(_TURNS)
                    ]
        return Figure("W9", "", 0.0, says=_in_terms(turns))

    async def _workflow_s(self, app: Rhythm) -> float:
        """What a workflow costs, in s of processor time."""
        count, began = self._times(100), self._cpu_s()
        await _run_all(app, count)
        return (self._cpu_s() - began) / count

    async def _asked(self, app: Rhythm, id_: str) -> dict[str, float]:
        """What a workflow costs, in s of processor time, and how long answers take, in s."""
        cost = {"a workflow": await self._workflow_s(app)}
        first = await app.execution_service.get_execution(id_)
        assert first is not None
        filters: dict[str, dict[str, Any]] = {
            "no filter": {},
            "target_name": {"target_name": "one"},
            "status": {"status": "completed"},
            "queue": {"queue": "default"},
            "type": {"type": "workflow"},
            "parent_workflow_id": {"parent_workflow_id": id_},
            "created_after": {"created_after": first.created_at},
        }
        cost["get_execution"] = await _median_s(lambda: app.execution_service.get_execution(id_))
        for name, asked in filters.items():
            cost[f"query by {name}"] = await _median_s(
                lambda asked=asked: app.execution_service.query_executions(asked)  # type: ignore[misc]  # a default binds it
            )
        return cost

    def _cpu_s(self) -> float:
        return self._ground.server_cpu_s() + self._ground.worker_cpu_s()

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
        calls, began_ms = self._ground.calls_from_outside(), time.time() * 1000
        kind = "task" if target == "bench.noop" else "workflow"
        ids = await _together(count, lambda _: _start(app, target, kind), at_once)
        await _all_ended(app, count * (1 if kind == "task" else 1 + units))
        calls = self._ground.calls_from_outside() - calls
        return await self._figure(
            name, unit, app, ids, count * units, began_ms, server, worker, calls
        )

    async def _measured(
        self, name: str, unit: str, app: Rhythm, ids: list[str], count: int, *, starts: bool
    ) -> Figure:
        server, calls = self._ground.server_cpu_s(), self._ground.calls_from_outside()
        with self._ground.workers(self._workers):
            # What it took to start is not of the tasks.
            worker = self._ground.worker_cpu_s()
            await _all_ended(app, count)
            first = await app.execution_service.get_execution(ids[0])
            assert first is not None and first.started_at is not None
            began_ms = first.started_at.timestamp() * 1000
            calls = self._ground.calls_from_outside() - calls
            return await self._figure(name, unit, app, ids, count, began_ms, server, worker, calls)

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
        calls: int,
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
            units,
            calls / units,
        )

    async def _latency(
        self,
        name: str,
        count: int,
        once: Callable[[], Awaitable[None]],
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> Figure:
        latencies, calls = [], 0
        for number in range(-_NOT_WARM, count + _COUNTED):
            if prepare is not None:
                await prepare()
            is_counted = number >= count
            before = self._ground.calls_from_outside() if is_counted else 0
            began = time.perf_counter()
            await once()
            ended = time.perf_counter()
            if is_counted:
                # To ask for it takes longer than what is measured.
                calls += self._ground.calls_from_outside() - before
            elif number >= 0:
                latencies.append((ended - began) * 1000)
        latencies.sort()
        return Figure(
            name,
            "ms",
            1000 / latencies[len(latencies) // 2],
            units=count,
            calls=calls / _COUNTED,
            latencies_ms=latencies,
        )


async def _start(app: Rhythm, target: str, kind: str = "workflow", **inputs: Any) -> str:
    return await app.execution_service.create_execution(
        exec_type=kind, target_name=target, inputs=inputs or INPUTS
    )


async def _run_all(app: Rhythm, count: int) -> list[str]:
    """Start so many workflows of one task, wait until they have ended."""
    before = await app.execution_service.count_executions({"status": "completed"})
    ids = await _together(count, lambda _: _start(app, "one"))
    await _all_ended(app, before + 2 * count)
    return ids


def _per_event(seen: Sequence[tuple[int, float]], first: float, last: float) -> float:
    """Processor time per event in a part of a history, from what was seen of all of it."""
    total = seen[-1][0]
    inside = [entry for entry in seen if total * first <= entry[0] <= total * last]
    (from_version, from_s), (to_version, to_s) = inside[0], inside[-1]
    return (to_s - from_s) / (to_version - from_version)


def _in_terms(turns: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> dict[str, float]:
    """Of pairs measured in turns: each second in terms of its first, the median of all."""
    return {
        name: sorted(second[name] / first[name] for first, second in turns)[len(turns) // 2]
        for name in turns[0][0]
    }


async def _median_s(call: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(20):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]


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
