"""Masters die and slots move under load: what replicas had confirmed is there, and all is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rhythm import ConnectionLost, InitBuilder, NotReplicated, Rhythm, Worker
from streams.connection import Connection
from streams.errors import BackendUnavailable
from tests.infrastructure.servers import Cluster, Node, SentinelTrio, until
from tests.rhythm.test_workflows import Stage, a_registry, flows

Run = Callable[[Coroutine[Any, Any, None]], None]

FLOW = """
    let total = 0
    for (let i = 0; i < 4; i++) total += await Task.run("square", { x: i })
    const told = await Signal.when("go")
    await Timer.delay("20ms")
    return [total, told]
"""


class Load:
    """Clients that start workflows and signal them, each repeating what was not acknowledged."""

    def __init__(self, app: Rhythm, count: int) -> None:
        self.app, self.count = app, count
        self.acknowledged: list[str] = []

    async def start(self, numbers: Iterable[int]) -> None:
        await asyncio.gather(*(self._start(f"load-{number}") for number in numbers))

    async def _start(self, id_: str) -> None:
        await repeated(
            lambda: self.app.execution_service.create_execution(target_name="it", id=id_)
        )
        await repeated(
            lambda: self.app.signal_service.send_signal(
                workflow_id=id_, signal_name="go", payload=id_, request_id=f"go-{id_}"
            )
        )
        self.acknowledged.append(id_)

    async def judge(self) -> None:
        """All that was acknowledged has ended as it should, and everything agrees."""
        stage = Stage(self.app)
        ends = await asyncio.gather(*(self._ended(id_) for id_ in self.acknowledged))
        assert len(ends) == self.count
        for end in ends:
            assert end.result() == [14, end.id]
            types = await stage.types(end.id)
            assert types.count("signal_received") == 1
        seen = 0
        async for _, findings in self.app.verification_service.verify_all():
            seen += 1
            assert findings == []
        assert seen == self.count * 5

    async def _ended(self, id_: str) -> Any:
        return await repeated(lambda: self.app.execution_service.wait_for_execution(id_, 50))


async def repeated(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    while True:
        try:
            return await call()
        except ConnectionLost:
            continue


@asynccontextmanager
async def loaded(
    address: str, namespace: str, count: int = 24, replicas: int = 1
) -> AsyncIterator[Load]:
    """Load on an application with two workers."""
    builder = InitBuilder().database_url(address).namespace(namespace).durability(replicas=replicas)
    async with builder.workflows(flows(it=FLOW)) as app:
        hands = [Worker(app, registry=a_registry()) for _ in range(2)]
        async with hands[0], hands[1]:
            yield Load(app, count)


@pytest.fixture(autouse=True)
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHYTHM_LEASE", "2")
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "30")


@pytest.mark.parametrize("how", ["is killed", "falls silent"])
@pytest.mark.parametrize("kind", ["cluster", "trio"])
def test_a_master_is_lost_under_load(
    request: pytest.FixtureRequest, kind: str, how: str, namespace: str, run: Run
) -> None:
    """One that falls silent keeps its connections, and nothing comes: as when the network swallows
    everything."""
    place: Cluster | SentinelTrio = request.getfixturevalue(kind)

    async def story() -> None:
        async with loaded(place.url, namespace) as load:
            connection = load.app._connection
            victim = await asyncio.to_thread(place.owner, connection.keys.meta)
            await load.start(range(load.count // 2))
            if how == "is killed":
                victim.kill()
            else:
                victim.fall_silent()
            # All that is acknowledged until then has a replica, which is master next.
            connection.replicas = place.replicas_left
            try:
                await load.start(range(load.count // 2, load.count))
                await load.judge()
            finally:
                await asyncio.to_thread(place.bring_back, victim)

    run(story())


def test_nobody_waits_for_a_silent_node_whose_slots_another_serves(
    cluster: Cluster, namespace: str, run: Run
) -> None:
    """However long they would wait for the answer of one that is only slow."""

    async def story() -> None:
        long_s = 600.0
        async with Connection(cluster.url, namespace, reply_timeout_s=long_s) as connection:
            keys = connection.keys.partitions[0]
            victim = await asyncio.to_thread(cluster.owner, keys.due_bell)
            listening = asyncio.create_task(connection.reader().pop([keys.due_bell], long_s))
            await asyncio.to_thread(until, "it listens", lambda: blocked_clients(victim) == 1)
            victim.fall_silent()
            try:
                await connection.command("SET", keys.mark, "")
                with pytest.raises(BackendUnavailable, match="does not serve slot"):
                    await listening
            finally:
                await asyncio.to_thread(cluster.bring_back, victim)

    run(story())


def blocked_clients(node: Node) -> int:
    return int(node.client.info("clients")["blocked_clients"])


def test_a_slot_is_moved_under_load(cluster: Cluster, namespace: str, run: Run) -> None:
    """Half of its keys are elsewhere for a while; nobody sees a half of anything."""

    async def story() -> None:
        async with loaded(cluster.url, namespace) as load:
            await load.start(range(load.count // 4))
            starting = asyncio.create_task(load.start(range(load.count // 4, load.count)))
            for keys in load.app._connection.keys.partitions[::5]:
                await asyncio.to_thread(move, cluster, keys.due)
            await starting
            await load.judge()

    run(story())


def move(cluster: Cluster, key: str) -> None:
    """A key's slot to another master, in pieces."""
    source = cluster.owner(key)
    to = next(node for node in cluster.masters() if node is not source)
    with cluster.moving(key, to) as move_half:
        for _ in range(3):
            move_half()
    assert cluster.owner(key) is to


def test_while_a_slot_is_moved_its_scripts_wait_and_others_do_not(
    cluster: Cluster, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0.5")

    async def story() -> None:
        builder = InitBuilder().database_url(cluster.url).namespace(namespace)
        # With a time limit, so that something becomes due and all keys that are named are there.
        limited = "```\ntimeout: 1h\n```\nreturn 1"
        async with builder.workflows(flows(it=limited)) as app:
            executions = app.execution_service
            await executions.create_execution(target_name="it", id="before")
            moved = app._connection.keys.partition("before")
            source = cluster.owner(moved.due)
            to = next(node for node in cluster.masters() if node is not source)
            with cluster.moving(moved.due, to) as move_half:
                for _ in range(2):
                    with pytest.raises(ConnectionLost, match="being moved"):
                        await executions.terminate_execution("before")
                    move_half()
                number = 0
                while app._connection.keys.partition(f"other-{number}") is moved:
                    number += 1
                await executions.create_execution(target_name="it", id=f"other-{number}")
            await executions.terminate_execution("before")
            assert await Stage(app).types("before") == ["created", "cancelled"]
            async for _, findings in app.verification_service.verify_all():
                assert findings == []

    run(story())


def test_a_call_that_too_few_replicas_confirm_says_so(
    trio: SentinelTrio, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0")

    async def story() -> None:
        builder = InitBuilder().database_url(trio.url).namespace(namespace).durability(replicas=3)
        async with builder.workflows(flows(it="return 1")) as app:
            with pytest.raises(NotReplicated, match="2 of 3 replicas"):
                await app.execution_service.create_execution(target_name="it", id="a")
            app._connection.replicas = 2
            await app.execution_service.create_execution(target_name="it", id="a")
            assert await app.execution_service.count_executions() == 1

    run(story())
