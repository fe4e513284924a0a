"""The network loses answers of calls that were carried out: nothing is lost, nothing done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import InitBuilder, Worker
from rhythm.tasks import TaskDefinition, TaskRegistry
from tests.conftest import RedisServer
from tests.faults.proxy import LosingProxy

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.mark.parametrize("every", [3, 5, 11])
def test_every_task_is_recorded_once(
    redis_server: RedisServer,
    namespace: str,
    run: Run,
    every: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RHYTHM_LEASE", "2")
    calls: Counter[int] = Counter()

    async def count(n: int) -> int:
        calls[n] += 1
        return n

    registry = TaskRegistry()
    registry.add(TaskDefinition("count", None, count))

    async def story() -> None:
        async with LosingProxy(redis_server.port) as proxy:
            app = await InitBuilder().database_url(proxy.url).namespace(namespace).init()
            async with app, Worker(app, registry=registry):
                proxy.every = every
                ids = [
                    await app.execution_service.create_execution(
                        exec_type="task", target_name="count", inputs={"n": n}
                    )
                    for n in range(40)
                ]
                ends = await asyncio.gather(
                    *(app.execution_service.wait_for_execution(id_, timeout=50) for id_ in ids)
                )
                proxy.every = 0
                histories = [await app.history_service.events(id_) for id_ in ids]
                total = await app.execution_service.count_executions()

        assert proxy.lost > 10
        assert [end.result() for end in ends] == list(range(40))
        assert total == 40
        for history in histories:
            types = [event.type for event in history]
            assert types == ["created", "started", "completed"]
        assert calls == Counter(range(40))

    run(story())


def test_who_is_told_to_stop_while_registering_leaves_nothing_behind(
    redis_server: RedisServer, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with (
            LosingProxy(redis_server.port) as proxy,
            InitBuilder().database_url(redis_server.url).namespace(namespace) as near,
            InitBuilder().database_url(proxy.url).namespace(namespace) as far,
        ):
            worker = Worker(far, registry=TaskRegistry())
            proxy.delay_s = 0.2
            working = asyncio.create_task(worker.run())
            while not (await near.diagnose()).workers:
                pass  # each look asks the server: that its answer is on its way shows only there
            worker.stop()
            await working

            assert (await near.diagnose()).workers == []

    run(story())
