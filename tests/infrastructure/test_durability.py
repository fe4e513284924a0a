"""What is confirmed to be on disk, and what is said where nobody can confirm it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rhythm import ConfigurationError, InitBuilder, NotPersisted, NotReplicated
from streams.errors import BackendRefused
from streams.inspection import judged
from tests.conftest import RedisServer, valkey_binary
from tests.infrastructure.servers import until
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


def test_calls_return_when_they_are_on_disk(
    own_valkey_server: RedisServer, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0")
    server = own_valkey_server

    async def story() -> None:
        builder = InitBuilder().database_url(server.url).namespace(namespace)
        builder.durability(fsync=True).workflows(flows(it="return 1"))
        with server.client() as redis:
            async with builder as app:
                await app.execution_service.create_execution(target_name="it", id="a")
                assert redis.info("commandstats")["cmdstat_waitaof"]["calls"] >= 1

                redis.config_set("appendfsync", "no")
                app._connection._reply_timeout_s = 1.0
                with pytest.raises(NotPersisted, match="had not written it to its disk"):
                    await app.execution_service.create_execution(target_name="it", id="b")
                redis.config_set("appendfsync", "everysec")
                app._connection._reply_timeout_s = 5.0
                await app.execution_service.create_execution(target_name="it", id="b")
                assert await app.execution_service.count_executions() == 2
            redis.config_set("appendonly", "no")
            redis.flushall()
            with pytest.raises(ConfigurationError, match="has no append-only file"):
                await builder
            assert redis.keys() == []

    run(story())


def test_replicas_have_it_on_their_disks_too_or_it_is_said(
    own_valkey_server: RedisServer,
    tmp_path: Path,
    namespace: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0")
    (tmp_path / "replica").mkdir()
    replica = RedisServer(tmp_path / "replica", valkey_binary())
    with own_valkey_server.client() as master:
        master.config_set("repl-diskless-sync-delay", 0)
    replica.start("--replicaof", "127.0.0.1", str(own_valkey_server.port))
    with replica.client() as client:
        until("the replica follows", lambda: client.info()["master_link_status"] == "up")
        until("it writes its own file", lambda: not client.info()["aof_rewrite_in_progress"])

    async def story() -> None:
        builder = InitBuilder().database_url(own_valkey_server.url).namespace(namespace)
        builder.durability(fsync=True, replicas=1).workflows(flows(it="return 1"))
        async with builder as app:
            await app.execution_service.create_execution(target_name="it", id="a")
            replica.stop()
            app._connection._reply_timeout_s = 1.0
            with pytest.raises(NotReplicated, match="0 of 1"):
                await app.execution_service.create_execution(target_name="it", id="b")

    try:
        run(story())
    finally:
        replica.stop()


def test_an_embedded_server_has_no_disk(run: Run) -> None:
    async def story() -> None:
        with pytest.raises(ConfigurationError, match="an embedded server has no disk"):
            await InitBuilder().database_url("memory://").durability(fsync=True)

    run(story())
