"""What a worker's health endpoint says, and what `diagnose` says of the same worker."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from rhythm import InitBuilder, Worker
from rhythm.cli import main
from rhythm.errors import ConfigurationError
from rhythm.tasks import TaskDefinition, TaskRegistry
from rhythm.worker.health import Condition, HealthServer
from tests.conftest import RedisServer

Run = Callable[[Coroutine[Any, Any, None]], None]

WELL = Condition(True, True, False, "w", ("default",), 0, 0.1)


def asked(url: str, path: str, method: str = "GET") -> tuple[int, str]:
    """The status and the body of an answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def told() -> list[Condition]:
    """What the endpoint at `url` tells."""
    return [WELL]


@pytest.fixture(scope="module")
def url(told: list[Condition]) -> Iterator[str]:
    with HealthServer("127.0.0.1", 0, lambda: told[0]) as server:
        yield server.url


@pytest.mark.parametrize(
    ("condition", "health", "ready"),
    [
        (WELL, 200, 200),
        (Condition(True, False, True, "w", ("default",), 1, 0.1), 200, 503),
        (Condition(False, False, False, "w", ("default",), 1, 11.0), 503, 503),
        (Condition(False, False, False, None, ("default",), 0, None), 503, 503),
    ],
    ids=["well", "draining", "unable", "beginning"],
)
def test_a_condition_is_told_by_the_status_and_in_full(
    url: str, told: list[Condition], condition: Condition, health: int, ready: int
) -> None:
    told[:] = [condition]

    assert asked(url, "/health")[0] == health
    assert asked(url, "/ready?verbose")[0] == ready
    assert asked(url, "/health", "HEAD") == (health, "")
    body = json.loads(asked(url, "/health")[1])
    assert body["worker"] == condition.worker
    assert body["silent_s"] == condition.silent_s


def test_nothing_else_is_served(url: str) -> None:
    assert asked(url, "/")[0] == 404
    assert asked(url, "/health", "POST")[0] == 501


def test_an_address_that_cannot_be_listened_on_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot listen"):
        HealthServer("127.0.0.1", int(url.rpartition(":")[2]), lambda: WELL)


def test_a_worker_is_healthy_from_its_first_claim_to_its_end(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            worker = Worker(app, registry=TaskRegistry())
            before = worker.condition()
            async with worker:
                await until(lambda: worker.condition().ready)
                diagnosis = await app.diagnose()
                worker.stop()
                draining = worker.condition()

        assert (before.healthy, before.silent_s, before.worker) == (False, None, None)
        assert (draining.healthy, draining.ready, draining.draining) == (True, False, True)
        [info] = diagnosis.workers
        assert info.id == draining.worker
        assert info.able_to_claim
        assert info.claimed_ms_ago is not None
        assert diagnosis.warnings == [] or "Redis" in diagnosis.warnings[0]

    run(story())


def test_a_worker_that_is_full_for_longer_than_its_lease_is_healthy(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks now and then although it has no room."""
    monkeypatch.setenv("RHYTHM_LEASE", "1")
    registry = TaskRegistry()
    done = asyncio.Event()

    async def fill() -> None:
        await done.wait()

    registry.add(TaskDefinition("fill", None, fill))

    async def story() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            worker = Worker(app, registry=registry, concurrency=1)
            async with worker:
                await app.execution_service.create_execution(exec_type="task", target_name="fill")
                await until(lambda: worker.condition().running == 1)
                steps = 0
                silent_s: float | None = None
                while steps < 5:  # more than a lease's time
                    now_s = worker.condition().silent_s
                    assert now_s is not None
                    steps += silent_s is not None and now_s < silent_s
                    silent_s = now_s
                    await asyncio.sleep(0)
                done.set()

    run(story())


def test_a_worker_whose_loop_is_blocked_says_that_it_is_unable(
    redis_server: RedisServer, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease goes on, and its endpoint answers."""
    monkeypatch.setenv("RHYTHM_LEASE", "0.2")
    registry = TaskRegistry()
    seen: list[tuple[int, str]] = []
    doctor: list[str] = []
    told = threading.Event()

    async def block() -> None:
        told.wait()

    registry.add(TaskDefinition("block", None, block))

    def look(url: str) -> None:
        try:
            answer = asked(url, "/health")
            while answer[0] == 200:
                answer = asked(url, "/health")
            seen.append(answer)
            words = ["doctor", "--redis", redis_server.url, "--namespace", namespace]
            doctor.append(CliRunner().invoke(main, words, catch_exceptions=False).output)
        finally:
            told.set()

    async def story() -> None:
        builder = InitBuilder().database_url(redis_server.url).namespace(namespace)
        async with builder as app:
            worker = Worker(app, registry=registry)
            with HealthServer("127.0.0.1", 0, worker.condition) as server:
                async with worker:
                    await until(lambda: worker.condition().healthy)
                    looking = asyncio.get_running_loop().run_in_executor(None, look, server.url)
                    # Its worker may have begun with it before the answer is read.
                    await app.execution_service.create_execution(
                        exec_type="task", target_name="block"
                    )
                    await looking

    run(story())

    [(status, body)] = seen
    assert status == 503
    assert json.loads(body)["running"] == 1
    assert "has not asked for work for" in doctor[0]


async def until(condition: Callable[[], bool]) -> None:
    """Until something that this process's event loop does is done."""
    while not condition():  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0)
