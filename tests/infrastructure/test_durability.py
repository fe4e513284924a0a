"""What is confirmed to be on disk, and what is said where nobody can confirm it.

`redis-server` of the path decides which half is seen: one before 7.2 refuses, a newer one confirms.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ConfigurationError, InitBuilder, NotPersisted
from streams.errors import BackendRefused
from streams.inspection import judged
from tests.conftest import RedisServer
from tests.rhythm.test_workflows import flows

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"redis_version": "7.0.15", "aof_enabled": 1}, r"it is Redis 7\.0\.15, and only 7\.2"),
        ({"redis_version": "7.2.0", "aof_enabled": 0}, "has no append-only file"),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.1"}, "has no append-only file"),
    ],
)
def test_a_server_that_cannot_tell_what_is_on_disk_is_refused(
    info: dict[str, Any], said: str
) -> None:
    with pytest.raises(BackendRefused, match=said):
        judged("redis://db", info, fsync=True)

    judged("redis://db", info)


@pytest.mark.parametrize("version", ["7.2.0", "8.2.3", "10.0.0"])
def test_a_server_that_can_is_not(version: str) -> None:
    judged("redis://db", {"redis_version": version, "aof_enabled": 1}, fsync=True)


def test_calls_return_when_they_are_on_disk_or_the_server_is_refused(
    own_redis_server: RedisServer,
    namespace: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0")

    async def story() -> None:
        with own_redis_server.client() as server:
            version = str(server.info("server")["redis_version"])
            builder = InitBuilder().database_url(own_redis_server.url).namespace(namespace)
            builder.durability(fsync=True).workflows(flows(it="return 1"))
            if tuple(map(int, version.split("."))) < (7, 2):
                with pytest.raises(ConfigurationError, match=f"it is Redis {version}, and only"):
                    await builder
                assert server.keys(f"{namespace}:*") == []
                return

            async with builder as app:
                await app.execution_service.create_execution(target_name="it", id="a")
                assert server.info("commandstats")["cmdstat_waitaof"]["calls"] >= 1

                server.config_set("appendfsync", "no")
                app._connection._reply_timeout_s = 1.0
                with pytest.raises(NotPersisted, match="had not written it to its disk"):
                    await app.execution_service.create_execution(target_name="it", id="b")
                server.config_set("appendfsync", "everysec")
                app._connection._reply_timeout_s = 5.0
                await app.execution_service.create_execution(target_name="it", id="b")
                assert await app.execution_service.count_executions() == 2
            server.config_set("appendonly", "no")
            with pytest.raises(ConfigurationError, match="has no append-only file"):
                await builder

    run(story())


def test_an_embedded_server_has_no_disk(run: Run) -> None:
    async def story() -> None:
        with pytest.raises(ConfigurationError, match="an embedded server has no disk"):
            await InitBuilder().database_url("memory://").durability(fsync=True)

    run(story())
