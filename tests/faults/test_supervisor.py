"""`rhythm worker --processes`: a parent starts worker processes, and keeps them going."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rhythm import InitBuilder, Rhythm
from rhythm.cli import main
from tests.conftest import RedisServer
from tests.faults.conftest import Start
from tests.faults.pipes import a_pipe, said_through

Run = Callable[[Coroutine[Any, Any, None]], None]


async def started(app: Rhythm, target: str, **inputs: Any) -> str:
    return await app.execution_service.create_execution(
        exec_type="task", target_name=target, inputs=inputs
    )


async def ended(process: subprocess.Popen[str]) -> int:
    return await asyncio.to_thread(process.wait, 30)


async def workers_are(app: Rhythm, count: int) -> None:
    """Until so many workers are registered."""
    while len((await app.diagnose()).workers) != count:  # noqa: ASYNC110  # in another process
        await asyncio.sleep(0.02)


def test_children_work_beside_each_other_and_drain_with_their_parent(
    own_redis_server: RedisServer, start_worker: Start, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        holds = [
            {"running": a_pipe(tmp_path, f"running{n}"), "go_on": a_pipe(tmp_path, f"go_on{n}")}
            for n in (1, 2)
        ]
        async with InitBuilder().database_url(own_redis_server.url) as app:
            parent = start_worker("--processes", "2", "--concurrency", "1")
            ids = [await started(app, "faults.hold", **hold) for hold in holds]
            children = {await said_through(hold["running"]) for hold in holds}
            parent.send_signal(signal.SIGTERM)
            for hold in holds:
                await asyncio.to_thread(Path(hold["go_on"]).write_text, "go")
            ends = [await app.execution_service.wait_for_execution(id_, timeout=40) for id_ in ids]
            code = await ended(parent)
            diagnosis = await app.diagnose()

        assert code == 0
        assert {str(end.result()) for end in ends} == children
        assert len(children - {str(parent.pid)}) == 2
        assert diagnosis.workers == []

    run(story())


def test_a_killed_child_is_told_of_and_replaced(
    own_redis_server: RedisServer,
    start_worker: Start,
    worker_log: Path,
    tmp_path: Path,
    run: Run,
) -> None:
    told: list[str] = []

    async def story() -> None:
        pipe = a_pipe(tmp_path, "running")
        async with InitBuilder().database_url(own_redis_server.url) as app:
            start_worker("--processes", "1")
            id_ = await started(app, "faults.hold_once", pipe=pipe)
            killed = int(await said_through(pipe))
            os.kill(killed, signal.SIGKILL)

            end = await app.execution_service.wait_for_execution(id_, timeout=50)

        assert end.result()["attempt"] == 2
        assert end.result()["pid"] != killed
        told.append(f"worker process {killed} was ended by SIGKILL")

    run(story())
    assert told[0] in worker_log.read_text()


def test_a_second_signal_goes_through_to_the_children(
    own_redis_server: RedisServer,
    start_worker: Start,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RHYTHM_SHUTDOWN_GRACE", "600")
    monkeypatch.setenv("RHYTHM_LEASE", "600")

    async def story() -> None:
        running, go_on = a_pipe(tmp_path, "running"), a_pipe(tmp_path, "go_on")
        async with InitBuilder().database_url(own_redis_server.url) as app:
            parent = start_worker("--processes", "1")
            id_ = await started(app, "faults.hold", running=running, go_on=go_on)
            await said_through(running)
            parent.send_signal(signal.SIGTERM)
            parent.send_signal(signal.SIGINT)

            assert await ended(parent) == 0
            history = await app.history_service.events(id_)
            diagnosis = await app.diagnose()

        assert [event.type for event in history] == ["created", "started", "released"]
        assert diagnosis.workers == []

    run(story())


def test_children_drain_when_their_parent_is_gone(
    own_redis_server: RedisServer, start_worker: Start, run: Run
) -> None:
    async def story() -> None:
        async with InitBuilder().database_url(own_redis_server.url) as app:
            parent = start_worker("--processes", "2")
            await workers_are(app, 2)
            parent.send_signal(signal.SIGKILL)
            await ended(parent)

            await workers_are(app, 0)

    run(story())


def test_what_cannot_even_begin_is_not_tried_again(start_worker: Start, worker_log: Path) -> None:
    parent = start_worker("--processes", "1", "-m", "tests.faults.nothing_of_that_name")

    assert parent.wait(30) == 4
    assert "there is no module" in worker_log.read_text()


def test_a_server_inside_a_process_cannot_be_shared() -> None:
    result = CliRunner().invoke(main, ["worker", "--processes", "2", "--redis", "memory://"])

    assert result.exit_code == 2
    assert "a Redis that they share" in result.output


def test_each_child_serves_its_own_health(
    own_redis_server: RedisServer, start_worker: Start, worker_log: Path
) -> None:
    start_worker("--processes", "2", "--health", "0")

    urls: list[str] = []
    while len(urls) < 2:
        urls = re.findall(r"health at (\S+)", worker_log.read_text())
    answers = []
    for url in urls:
        status = 503
        condition: dict[str, Any] = {}
        while status != 200:  # it has registered, and claims at any moment now
            status, condition = answered(f"{url}/ready")
        answers.append(condition["worker"])

    assert len(set(answers)) == 2


def answered(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
