"""Those who wait for executions are told, also when something goes wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ConnectionLost, ExecutionNotFound, InitBuilder, Rhythm, Worker
from rhythm.services import executions
from rhythm.tasks import TaskDefinition, TaskRegistry
from streams import projections
from streams.connection import BlockingReader, Connection
from tests.conftest import RedisServer

pytestmark = pytest.mark.usefixtures("one_partition")

Run = Callable[[Coroutine[Any, Any, None]], None]


async def greet() -> str:
    return "hello"


def a_registry() -> TaskRegistry:
    registry = TaskRegistry()
    registry.add(TaskDefinition("greet", None, greet))
    return registry


async def started(app: Rhythm) -> str:
    return await app.execution_service.create_execution(exec_type="task", target_name="greet")


async def until_registered(connection: Connection, id_: str) -> str:
    """Wait until somebody waits for an execution's end; the key that says so."""
    key = f"{connection.keys.partitions[0].prefix}b:x:{id_}"
    registered = 0
    while not registered:
        await asyncio.sleep(0)  # an embedded server's answers let nobody else run
        registered = await connection.command("EXISTS", key)
    return key


def test_an_end_that_a_failover_took_back_is_waited_for_again(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            id_ = await started(app)
            waiting = asyncio.create_task(app.execution_service.wait_for_execution(id_))
            async with Connection(database_url, namespace) as connection:
                key = await until_registered(connection, id_)
                (client,) = await connection.command("SMEMBERS", key)
                replies = connection.keys.partitions[0].replies(client.decode())
                await connection.command("DEL", key)
                await connection.command("RPUSH", replies, id_)
                await until_registered(connection, id_)
            async with Worker(app, registry=a_registry()):
                assert (await waiting).result() == "hello"

    run(story())


def test_who_comes_while_the_reader_closes_gets_another(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "_WAIT_SLICE_S", 0.05)
    close, read = BlockingReader.close, projections.next_ended

    async def story() -> None:
        reading, closing, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def next_ended(*given: Any) -> Any:
            reading.set()
            return await read(*given)

        async def close_slowly(self: BlockingReader) -> None:
            closing.set()
            await go_on.wait()
            await close(self)

        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            first, second = await started(app), await started(app)
            with monkeypatch.context() as patched:
                patched.setattr(projections, "next_ended", next_ended)
                patched.setattr(BlockingReader, "close", close_slowly)
                alone = asyncio.create_task(app.execution_service.wait_for_execution(first))
                await reading.wait()
                alone.cancel()
                await closing.wait()
                waiting = asyncio.create_task(app.execution_service.wait_for_execution(second))
                async with Connection(database_url, namespace) as connection:
                    await until_registered(connection, second)
                go_on.set()
            async with Worker(app, registry=a_registry()):
                assert (await waiting).result() == "hello"

    run(story())


def test_who_was_away_for_too_long_asks_again(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "_WAIT_SLICE_S", 0.05)
    monkeypatch.setattr(executions, "_AWAY_S", 0.0)

    async def story() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            id_ = await started(app)
            waiting = asyncio.create_task(app.execution_service.wait_for_execution(id_))
            async with Connection(database_url, namespace) as connection:
                # As if the reply had come and gone while nobody looked.
                await connection.command("DEL", await until_registered(connection, id_))
            async with Worker(app, registry=a_registry()):
                assert (await waiting).result() == "hello"

    run(story())


def test_an_execution_that_vanished_is_not_found_and_a_lost_server_is_a_lost_connection(
    own_redis_server: RedisServer, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "_WAIT_SLICE_S", 0.05)
    monkeypatch.setattr(executions, "_AWAY_S", 0.0)
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0.2")

    async def story() -> None:
        builder = InitBuilder().database_url(own_redis_server.url).namespace(namespace)
        async with builder as app:
            gone, stays = await started(app), await started(app)
            waits = [
                asyncio.create_task(app.execution_service.wait_for_execution(id_))
                for id_ in (gone, stays)
            ]
            async with Connection(own_redis_server.url, namespace) as connection:
                keys = connection.keys.partitions[0]
                await until_registered(connection, gone)
                await until_registered(connection, stays)
                await connection.command("DEL", keys.control(gone), keys.projection(gone))
            with pytest.raises(ExecutionNotFound):
                await waits[0]
            assert not waits[1].done()

            own_redis_server.kill()
            with pytest.raises(ConnectionLost):
                await waits[1]

    run(story())
