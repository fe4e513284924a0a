"""A server in trouble: what was begun is finished when it is over, whatever it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ConfigurationError, ExecutionStatus, InitBuilder, StorageFull, Worker
from rhythm.tasks import TaskDefinition, TaskRegistry
from tests.conftest import RedisServer
from tests.faults import harm
from tests.faults.harm import Harm

Run = Callable[[Coroutine[Any, Any, None]], None]


class Work:
    """A task that says that it has begun, and ends when it may."""

    def __init__(self) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()

        async def hold() -> str:
            self.begun.set()
            await self.may_end.wait()
            return "held"

        async def greet() -> str:
            return "hello"

        self.registry = TaskRegistry()
        for function in (hold, greet):
            self.registry.add(TaskDefinition(function.__name__, None, function))


# That it can't claim, it says as an error.
@pytest.mark.errors_expected
@pytest.mark.parametrize("befalls", harm.ALL.values(), ids=harm.ALL)
def test_a_worker_goes_on_when_it_is_over(
    own_redis_server: RedisServer, run: Run, befalls: Harm
) -> None:
    async def story() -> None:
        work = Work()
        async with (
            InitBuilder().database_url(own_redis_server.url) as app,
            Worker(app, registry=work.registry),
        ):
            executions = app.execution_service
            held = await executions.create_execution(exec_type="task", target_name="hold")
            await work.begun.wait()
            async with befalls(own_redis_server):
                # It ends in the middle of it.
                work.may_end.set()
                await asyncio.sleep(0.2)
            after = await executions.create_execution(exec_type="task", target_name="greet")

            assert (await executions.wait_for_execution(after, timeout=40)).result() == "hello"
            ended = await executions.wait_for_execution(held, timeout=40)
            found = [item async for _, item in app.verification_service.verify_all()]
            types = [event.type for event in await app.history_service.events(held)]

        assert ended.status is ExecutionStatus.COMPLETED
        assert found == [[], []]
        # The worker kept its lease: it was not run again when that had run out.
        assert types == ["created", "started", "completed"]

    run(story())


def test_a_full_server_refuses_starts_and_lets_work_end(
    own_redis_server: RedisServer, run: Run
) -> None:
    async def story() -> None:
        work = Work()
        async with (
            InitBuilder().database_url(own_redis_server.url) as app,
            Worker(app, registry=work.registry),
        ):
            executions = app.execution_service
            held = await executions.create_execution(exec_type="task", target_name="hold")
            await work.begun.wait()
            async with harm.full(own_redis_server):
                with pytest.raises(StorageFull, match="raise its maxmemory"):
                    await executions.create_execution(exec_type="task", target_name="greet")
                work.may_end.set()
                ended = await executions.wait_for_execution(held, timeout=40)
            assert await executions.count_executions() == 1

        assert ended.result() == "held"

    run(story())


def test_a_wrong_password_is_told_at_once(own_redis_server: RedisServer, run: Run) -> None:
    async def story() -> None:
        async with harm.locked(own_redis_server):
            for url, told in (
                (own_redis_server.url, "wants a password"),
                (own_redis_server.url.replace("redis://", "redis://:hunter2@"), "is not right"),
            ):
                with pytest.raises(ConfigurationError, match=told) as error:
                    await InitBuilder().database_url(url).init()
                assert "hunter2" not in str(error.value)

    run(story())
