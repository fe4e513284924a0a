"""Backup and restore as the page for operators has them: executions go on with another server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from rhythm import InitBuilder, Worker
from tests.conftest import RedisServer
from tests.rhythm.test_workflows import Stage, a_registry, flows

Run = Callable[[Coroutine[Any, Any, None]], None]

FLOW = """
    const first = await Task.run("square", { x: 3 })
    const word = await Signal.when("go")
    await Timer.delay("20ms")
    return [first, word, await Task.run("square", { x: 4 })]
"""


def copied_snapshot(server: RedisServer, to: Path) -> tuple[str, ...]:
    """`BGSAVE`, then the file; a server that is to read it begins without an append-only file."""
    with redis.Redis(port=server.port) as client:
        client.bgsave()
        while (state := client.info("persistence"))["rdb_bgsave_in_progress"]:
            pass  # it tells nobody when it is done
        assert state["rdb_last_bgsave_status"] == "ok"
    shutil.copy(server.folder / "dump.rdb", to)
    return ("--appendonly", "no")


def copied_append_only_file(server: RedisServer, to: Path) -> tuple[str, ...]:
    """The folder as it is, of a server at work that rewrites nothing meanwhile."""
    with redis.Redis(port=server.port) as client:
        client.config_set("auto-aof-rewrite-percentage", 0)
        while client.info("persistence")["aof_rewrite_in_progress"]:
            pass  # it tells nobody when it is done
        shutil.copytree(server.folder / "appendonlydir", to / "appendonlydir")
        client.config_set("auto-aof-rewrite-percentage", 100)
    return ()


@pytest.fixture
def another_server(tmp_path: Path) -> Iterator[RedisServer]:
    """One that is not started yet."""
    folder = tmp_path / "restored"
    folder.mkdir()
    server = RedisServer(folder)
    yield server
    server.stop()


@pytest.mark.parametrize("copied", [copied_snapshot, copied_append_only_file])
def test_executions_go_on_with_a_restored_copy(
    own_redis_server: RedisServer,
    another_server: RedisServer,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    copied: Callable[[RedisServer, Path], tuple[str, ...]],
) -> None:
    monkeypatch.setenv("RHYTHM_LEASE", "1")

    async def story() -> None:
        async with opened(own_redis_server) as app, Worker(app, registry=a_registry()):
            stage = Stage(app)
            done = (await stage.ended("short")).id
            waits = [await stage.start("it") for _ in range(5)]
            for id_ in waits:
                await stage.until(id_, "child_completed")
            options = await asyncio.to_thread(copied, own_redis_server, another_server.folder)
            # It goes on after the copy was made, and is lost with the server.
            await app.signal_service.send_signal(workflow_id=waits[0], signal_name="go")
            await stage.end(waits[0])
        own_redis_server.kill()

        await asyncio.to_thread(another_server.start, *options)
        with redis.Redis(port=another_server.port) as client:
            client.config_set("appendonly", "yes")
        async with opened(another_server) as app, Worker(app, registry=a_registry()):
            stage = Stage(app)
            assert (await stage.end(done)).result() == 1
            for id_ in waits:
                await app.signal_service.send_signal(workflow_id=id_, signal_name="go", payload=id_)
            ends = [await stage.end(id_) for id_ in waits]
            assert [end.result() for end in ends] == [[9, id_, 16] for id_ in waits]
            seen = [found async for _, found in app.verification_service.verify_all()]
            assert seen == [[]] * 16
            # The worker that held things when the copy was made is gone by now.
            assert len((await app.diagnose()).workers) == 1

    def opened(server: RedisServer) -> InitBuilder:
        builder = InitBuilder().database_url(server.url)
        return builder.workflows(flows(it=FLOW, short="return 1"))

    run(story())
