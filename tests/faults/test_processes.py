"""Worker processes and servers die; what was acknowledged is done all the same, once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rhythm import InitBuilder, Rhythm, Worker
from rhythm.tasks import TaskRegistry
from tests.conftest import RedisServer
from tests.faults.conftest import Start
from tests.faults.pipes import a_pipe, said_through

Run = Callable[[Coroutine[Any, Any, None]], None]


async def started(app: Rhythm, target: str, **inputs: Any) -> str:
    return await app.execution_service.create_execution(
        exec_type="task", target_name=target, inputs=inputs
    )


async def finished_by(
    worker: subprocess.Popen[str], app: Rhythm, id_: str, running: str, go_on: str
) -> list[str]:
    """The types of the execution's events, once this worker has begun it and was let go on."""
    assert await said_through(running) == str(worker.pid)
    await asyncio.to_thread(lambda: Path(go_on).write_text("go"))
    ended = await app.execution_service.wait_for_execution(id_, timeout=40)
    assert ended.result() == worker.pid
    return [event.type for event in await app.history_service.events(id_)]


def test_a_killed_workers_task_is_run_by_another(
    own_redis_server: RedisServer, start_worker: Start, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        pipe = a_pipe(tmp_path, "running")
        async with InitBuilder().database_url(own_redis_server.url) as app:
            first = start_worker()
            id_ = await started(app, "faults.hold_once", pipe=pipe)
            assert await said_through(pipe) == str(first.pid)
            first.send_signal(signal.SIGKILL)
            second = start_worker()

            ended = await app.execution_service.wait_for_execution(id_, timeout=40)
            history = await app.history_service.events(id_)

        assert ended.result() == {"attempt": 2, "pid": second.pid}
        assert [event.type for event in history] == [
            "created",
            "started",
            "attempt_failed",
            "started",
            "completed",
        ]
        assert history[2].data["error"]["name"] == "WorkerLost"

    run(story())


def test_sigterm_lets_a_running_task_finish(
    own_redis_server: RedisServer, start_worker: Start, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        running, go_on = a_pipe(tmp_path, "running"), a_pipe(tmp_path, "go_on")
        async with InitBuilder().database_url(own_redis_server.url) as app:
            worker = start_worker()
            id_ = await started(app, "faults.hold", running=running, go_on=go_on)
            await said_through(running)
            worker.send_signal(signal.SIGTERM)
            await asyncio.to_thread(lambda: Path(go_on).write_text("go"))

            ended = await app.execution_service.wait_for_execution(id_, timeout=40)
            assert await asyncio.to_thread(worker.wait, 30) == 0
            diagnosis = await app.diagnose()

        assert ended.result() == worker.pid
        assert diagnosis.workers == []

    run(story())


def test_a_task_that_hangs_past_the_grace_time_keeps_no_process_and_runs_elsewhere(
    own_redis_server: RedisServer,
    start_worker: Start,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RHYTHM_SHUTDOWN_GRACE", "0.1")

    async def story() -> None:
        running, go_on = a_pipe(tmp_path, "running"), a_pipe(tmp_path, "go_on")
        async with InitBuilder().database_url(own_redis_server.url) as app:
            hanging = start_worker()
            id_ = await started(app, "faults.hold", running=running, go_on=go_on)
            await said_through(running)
            hanging.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(hanging.wait, 30) == 0

            history = await finished_by(start_worker(), app, id_, running, go_on)

        assert history == ["created", "started", "released", "started", "completed"]

    run(story())


def test_a_second_signal_gives_back_at_once_what_is_in_hand(
    own_redis_server: RedisServer,
    start_worker: Start,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the grace time nor the lease passes within the time of this test."""
    monkeypatch.setenv("RHYTHM_SHUTDOWN_GRACE", "600")
    monkeypatch.setenv("RHYTHM_LEASE", "600")

    async def story() -> None:
        running, go_on = a_pipe(tmp_path, "running"), a_pipe(tmp_path, "go_on")
        async with InitBuilder().database_url(own_redis_server.url) as app:
            stopped = start_worker()
            id_ = await started(app, "faults.hold", running=running, go_on=go_on)
            await said_through(running)
            # Two of one kind might arrive as one.
            stopped.send_signal(signal.SIGTERM)
            stopped.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(stopped.wait, 30) == 0

            history = await finished_by(start_worker(), app, id_, running, go_on)

        assert history == ["created", "started", "released", "started", "completed"]

    run(story())


def test_a_server_that_is_killed_and_restarted_loses_nothing(
    own_redis_server: RedisServer, start_worker: Start, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        running, go_on = a_pipe(tmp_path, "running"), a_pipe(tmp_path, "go_on")
        async with InitBuilder().database_url(own_redis_server.url) as app:
            start_worker()
            held = await started(app, "faults.hold", running=running, go_on=go_on)
            await said_through(running)
            queued = [await started(app, "faults.double", x=i) for i in range(20)]
            own_redis_server.kill()
            await asyncio.to_thread(own_redis_server.start)
            await asyncio.to_thread(lambda: Path(go_on).write_text("go"))
            queued += [await started(app, "faults.double", x=i) for i in range(20, 40)]

            ends = await asyncio.gather(
                *(app.execution_service.wait_for_execution(id_, timeout=40) for id_ in queued)
            )
            finished = await app.execution_service.wait_for_execution(held, timeout=40)

        assert [end.result() for end in ends] == [2 * i for i in range(40)]
        assert finished.status == "completed"

    run(story())


def test_a_worker_that_finds_no_server_stops_when_it_is_told_to(
    own_redis_server: RedisServer, run: Run
) -> None:
    async def story() -> None:
        async with InitBuilder().database_url(own_redis_server.url) as app:
            own_redis_server.kill()
            worker = Worker(app, registry=TaskRegistry())
            working = asyncio.create_task(worker.run())
            await asyncio.sleep(0)
            worker.stop()
            async with asyncio.timeout(8):
                await working

    run(story())


@pytest.mark.errors_expected  # it says that it leaves without a word
def test_a_worker_stops_although_the_server_is_gone(
    own_redis_server: RedisServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_SHUTDOWN_GRACE", "0.1")
    monkeypatch.setattr("rhythm.worker.desk._GIVE_UP_AFTER_GRACE_S", 0.1)

    async def story() -> None:
        async with (
            InitBuilder().database_url(own_redis_server.url) as app,
            Worker(app, registry=TaskRegistry()),
        ):
            own_redis_server.kill()

    run(story())
