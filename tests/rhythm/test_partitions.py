"""A namespace divided into several partitions works as one that is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ConnectionLost, InitBuilder, Worker
from rhythm.services.executions import ExecutionService
from rhythm.tasks import TaskDefinition, TaskRegistry
from streams import rules
from streams.connection import Connection
from streams.errors import BackendUnavailable
from tests.rhythm.test_ending import verified
from tests.rhythm.test_workflows import a_registry, on_stage

pytestmark = pytest.mark.everywhere

Run = Callable[[Coroutine[Any, Any, None]], None]

FLOW = """
    const greeted = await Task.run("greet", { name: Inputs.name })
    await Timer.delay("10ms")
    const child = await Workflow.run("child", { n: 7 })
    return [greeted, child, await Signal.when("go")]
"""
CHILD = 'return await Task.run("square", { x: Inputs.n })'


@pytest.fixture(autouse=True)
def three_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHYTHM_PARTITIONS", "3")


def partition_of(app: Any, id_: str) -> str:
    prefix: str = app._connection.keys.partition(id_).prefix
    return prefix


def test_one_worker_serves_all_partitions(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=FLOW, child=CHILD) as stage:
            executions = stage.app.execution_service
            ids = [await stage.start("it", {"name": f"n{i}"}, id=f"it-{i:02}") for i in range(12)]
            for id_ in ids:
                await stage.app.signal_service.send_signal(
                    workflow_id=id_, signal_name="go", payload=id_
                )
            ends = await asyncio.gather(*map(stage.end, ids))

            assert len({partition_of(stage.app, id_) for id_ in ids}) == 3
            assert [end.result() for end in ends] == [
                [f"hello n{i}", 49, f"it-{i:02}"] for i in range(12)
            ]
            assert await executions.count_executions() == 48
            assert await executions.count_executions({"status": "completed"}) == 48
            found = await executions.query_executions({"target_name": "it"})
            assert [one.id for one in found] == ids[::-1]
            some = await executions.query_executions({"target_name": "it", "limit": 5, "offset": 3})
            assert [one.id for one in some] == ids[::-1][3:8]
            diagnosis = await stage.app.diagnose()
            assert (diagnosis.partitions, len(diagnosis.workers)) == (3, 1)
            assert diagnosis.executions["completed"] == 48
            assert diagnosis.warnings == [] or "keep" in " ".join(diagnosis.warnings)
            await verified(stage)
            assert len([1 async for _ in stage.app.verification_service.rebuild_all()]) == 48

    run(story())


def test_a_worker_that_knows_no_task_serves_workflows(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, TaskRegistry(), it="return 1") as stage:
            assert (await stage.end(await stage.start("it"))).result() == 1

    run(story())


def test_trees_of_different_partitions_reach_each_other(
    database_url: str, namespace: str, run: Run
) -> None:
    sender = """
        for (const to of Inputs.to) await Signal.send(to, "go", 1)
        return await Promise.all(
            Inputs.to.map(to => Workflow.run("waits", {}, { id: to + "-other" })))
    """

    async def story() -> None:
        async with on_stage(
            database_url, namespace, it=sender, waits='return await Signal.when("go")'
        ) as stage:
            to = [await stage.start("waits", id=f"to-{i}") for i in range(6)]
            id_ = await stage.start("it", {"to": to})
            for receiver in to:
                assert (await stage.end(receiver)).result() == 1
                await stage.until_there(f"{receiver}-other")
                await stage.app.signal_service.send_signal(
                    workflow_id=f"{receiver}-other", signal_name="go", payload=receiver
                )
            assert (await stage.end(id_)).result() == to
            assert len({partition_of(stage.app, one) for one in to}) >= 2
            await verified(stage)

    run(story())


def test_a_worker_with_room_for_one_is_fair_to_all_partitions(
    database_url: str, namespace: str, run: Run
) -> None:
    """No partition waits until another has nothing left."""
    order: list[str] = []
    most = now = 0

    async def count(n: str) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        order.append(n)
        await asyncio.sleep(0)
        now -= 1

    registry = TaskRegistry()
    registry.add(TaskDefinition("count", None, count))

    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder as app:
            executions: ExecutionService = app.execution_service
            ids = [
                await executions.create_execution(
                    exec_type="task", target_name="count", id=f"c{i}", inputs={"n": f"c{i}"}
                )
                for i in range(30)
            ]
            async with Worker(app, registry=registry, concurrency=1):
                await asyncio.gather(*(executions.wait_for_execution(id_, 30) for id_ in ids))
            places = [partition_of(app, id_) for id_ in order]

        assert most == 1
        assert sorted(order) == sorted(ids)
        assert len(set(places[:6])) == 3, places

    run(story())


def test_a_lease_lost_in_one_partition_leaves_the_others_alone(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_LEASE", "3")
    attempts: dict[str, int] = {}
    may_end = asyncio.Event()
    all_run = asyncio.Event()

    async def hold(n: str) -> str:
        attempts[n] = attempts.get(n, 0) + 1
        if sum(attempts.values()) >= 4:
            all_run.set()
        if sum(attempts.values()) >= 3:
            three_run.set()
        await may_end.wait()
        return n

    three_run = asyncio.Event()
    registry = a_registry(TaskDefinition("hold", None, hold))

    async def story() -> None:
        async with on_stage(database_url, namespace, registry) as stage:
            executions = stage.app.execution_service
            by_place: dict[str, str] = {}
            number = 0
            while len(by_place) < 3:
                number += 1
                by_place.setdefault(partition_of(stage.app, f"h{number}"), f"h{number}")
            for id_ in by_place.values():
                await executions.create_execution(
                    exec_type="task", target_name="hold", id=id_, inputs={"n": id_}
                )
            await three_run.wait()
            (worker,) = (await stage.app.diagnose()).workers
            prefix, victim = next(iter(by_place.items()))
            async with Connection(database_url, namespace) as connection:
                # As a timekeeper does who finds the lease run out.
                await connection.command("ZADD", f"{prefix}t", 1, f"lease|{worker.id}|0|0")
                await connection.command("LPUSH", f"{prefix}b:due", "")
            await all_run.wait()
            may_end.set()
            ends = [await stage.end(id_) for id_ in by_place.values()]
            assert [end.result() for end in ends] == list(by_place.values())
            assert attempts == {id_: 1 + (id_ == victim) for id_ in by_place.values()}

    run(story())


@pytest.mark.parametrize("what", ["pause", "resume", "limit"])
def test_workers_finish_what_a_lost_caller_began(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("RHYTHM_PARTITIONS", "16")

    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder as app:

            async def change() -> None:
                if what == "pause":
                    await app.pause_service.pause("task", "greet")
                elif what == "resume":
                    await app.pause_service.resume("task", "greet")
                else:
                    await app.limit_service.set_limits("task", "greet", concurrency=1)

            connection = app._connection
            write, calls = connection.write, 0

            async def lost(*call: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls > 7:
                    raise BackendUnavailable("here", "lost")
                return await write(*call)

            if what == "resume":
                await app.pause_service.pause("task", "greet")
            calls = 0
            monkeypatch.setattr(connection, "write", lost)
            with pytest.raises(ConnectionLost):
                await change()
            [left] = await rules.on_their_way(connection)
            assert left.partitions == 9
            async with Worker(app, registry=a_registry()):
                while await rules.on_their_way(connection):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.01)
            held = {
                await connection.command("HEXISTS", keys.pauses, "task:greet")
                for keys in connection.keys.partitions
            }
            assert held == {int(what == "pause")}

    run(story())


def test_a_namespace_keeps_the_partitions_it_was_set_up_with(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder as app:
            first = [keys.prefix for keys in app._connection.keys.partitions]
            monkeypatch.setenv("RHYTHM_PARTITIONS", "5")
            async with InitBuilder().database_url(database_url).namespace(namespace) as other:
                second = [keys.prefix for keys in other._connection.keys.partitions]
                workers = [keys.prefix for keys in other.worker_connection.keys.partitions]

        assert first == second == workers
        assert len(first) == 3

    run(story())
