"""Clocks that step, servers that are full or alone, tasks that come and go."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from rhythm.worker.delivery import deliver_all
from streams import outbox, transitions
from streams.codec import TaskClaim, WorkflowClaim
from streams.connection import Connection
from streams.errors import BackendFull, BackendUnavailable, Overtaken, WorkerLost
from streams.outbox import Delivery, Message
from streams.work import Outgoing, TaskSettlement, WorkerSeat, WorkflowSettlement
from tests.conftest import RedisServer
from tests.control import set_words
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere


def test_a_clock_that_steps_back_does_not_leave_the_store_without_timekeeper(
    house: House, run: Run
) -> None:
    async def story() -> None:
        await house.seat("w1")
        await house.seat("w2")
        assert (await house.timekeeper("w1").tend()).is_keeper
        house.clock.now_ms -= 3_600_000

        assert (await house.timekeeper("w2").tend()).is_keeper
        assert not (await house.timekeeper("w1").tend()).is_keeper

    play(house, run, story)


def test_a_task_that_ran_is_not_unknown_any_more(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("t", "task")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        unknown = TaskSettlement("t", claim.token, "unknown", b"R")
        (claim,) = (await seat.step(["default"], 1, [unknown])).claims
        assert isinstance(claim, TaskClaim)
        assert claim.unknown_since_ms == house.clock.now_ms
        failed = TaskSettlement("t", claim.token, "attempt_failed", b"E")

        (claim,) = (await seat.step(["default"], 1, [failed])).claims

        assert isinstance(claim, TaskClaim)
        assert claim.unknown_since_ms == 0

    play(house, run, story)


def test_only_workers_lost_in_a_row_fail_a_task(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("t", "task")
        for round_ in (1, 2, 3):
            lost = await house.seat(f"w{round_}")
            await lost.step(["default"], 1, [])
            house.clock.now_ms += 10_001
            await house.timekeeper("keeper", max_lost=2).tend()
            assert await house.status("t") == "pending"
            seat = await house.seat(f"v{round_}")
            (claim,) = (await seat.step(["default"], 1, [])).claims
            await seat.step([], 0, [TaskSettlement("t", claim.token, "attempt_failed", b"E")])

    play(house, run, story)


def test_a_full_server_takes_what_is_finished_and_renews_leases(
    own_redis_server: RedisServer, namespace: str, run: Run
) -> None:
    async def story() -> None:
        house = House(own_redis_server.url, namespace)
        async with house.connection as connection:
            for id_ in ("f", "t"):
                await house.start(id_, "workflow" if id_ == "f" else "task")
            seat = await house.seat()
            claims = {c.id: c for c in (await seat.step(["default"], 2, [])).claims}
            await connection.command("CONFIG", "SET", "maxmemory", 1)
            with pytest.raises(BackendFull):
                await house.start("g")

            await seat.renew()
            flow = WorkflowSettlement("f", claims["f"].token, 1, decided=b"D")
            seat_of_f = await seat.step([], 0, [flow])
            assert seat_of_f.verdicts == ("OK",)
            task = TaskSettlement("t", claims["t"].token, "completed", b"OUT")
            assert (await seat.step([], 0, [task])).verdicts == ("OK",)

            assert await house.history("f") == ["created", "decided"]
            assert await house.ids() == ["t", "f"]

    run(story())


def test_a_server_without_its_replicas_is_waited_for(
    own_redis_server: RedisServer, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with Connection(own_redis_server.url, namespace, patience_s=0) as connection:
            await connection.command("CONFIG", "SET", "min-replicas-to-write", 1)
            hasty = WorkerSeat(connection, connection.keys.partitions[0], "w1", lease_ms=10_000)
            with pytest.raises(BackendUnavailable, match="NOREPLICAS"):
                await hasty.register(b"about")

            patient = connection.patient()
            seat = WorkerSeat(patient, connection.keys.partitions[0], "w2", lease_ms=10_000)
            registering = asyncio.create_task(seat.register(b"about"))
            await connection.command("CONFIG", "SET", "min-replicas-to-write", 0)
            await registering
            await patient.close()

    run(story())


def test_leaving_in_the_middle_of_a_recovery_forgets_nothing(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.due.UNITS", 1)

    async def story() -> None:
        for id_ in ("a", "b"):
            await house.start(id_, "task")
        lost = await house.seat("w1")
        await lost.step(["default"], 2, [])
        other = await house.seat("w2", lease_ms=10**9)
        house.clock.now_ms += 10_001
        keeper = house.timekeeper("w2")
        assert (await keeper.tend()).lost_workers == ()

        assert not await lost.leave()
        while not (await keeper.tend()).lost_workers:
            pass

        claims = (await other.step(["default"], 2, [])).claims
        assert sorted(claim.id for claim in claims) == ["a", "b"]

    play(house, run, story)


def test_a_worker_whose_last_answers_a_failover_lost_begins_anew(house: House, run: Run) -> None:
    """The replica still says that it holds what it has settled: nobody else would ever run that."""

    async def story() -> None:
        await house.start("t", "task")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        replica = await house.connection.command("DUMP", house.keys.held("w1"))
        await seat.step(["default"], 1, [TaskSettlement("t", claim.token, "completed", b"OUT")])
        await house.connection.command("RESTORE", house.keys.held("w1"), 0, replica, "REPLACE")

        with pytest.raises(WorkerLost):
            await seat.renew()
        with pytest.raises(WorkerLost):
            await seat.step(["default"], 1, [])

    play(house, run, story)


LOST_WITH_A_FAILOVER: dict[str, tuple[list[str], bool]] = {
    "nothing": ([], True),
    "the decision that it holds": (["CONTROL", "up", "0", "by", "nobody"], False),
    "the event that it was fed last": (["HSET", "{snapshot}", "i", "1699999999999 s0"], False),
}


@pytest.mark.parametrize("lost", LOST_WITH_A_FAILOVER)
def test_a_snapshot_is_handed_out_if_this_history_made_it(
    house: House, run: Run, lost: str
) -> None:
    """A failover may have lost events that it was made of, and others came in their place."""
    command, is_used = LOST_WITH_A_FAILOVER[lost]

    async def story() -> None:
        await house.start("f")
        await house.signal("f", "s1")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        assert isinstance(claim, WorkflowClaim)
        made = WorkflowSettlement(
            "f", claim.token, 2, identity=claim.events[1].identity, snapshot=b"MACHINE"
        )
        await seat.step([], 0, [made])
        assert await seat.leave()
        if command[:1] == ["CONTROL"]:
            names, values = command[1::2], command[2::2]
            await set_words(house.connection, "f", **dict(zip(names, values, strict=True)))
        elif command:
            snapshot = house.keys.snapshot("f")
            await house.connection.command(*(word.format(snapshot=snapshot) for word in command))
        await house.signal("f", "s2")

        (claim,) = (await (await house.seat("w2")).step(["default"], 1, [])).claims

        assert isinstance(claim, WorkflowClaim)
        assert (claim.snapshot is not None) == is_used

    play(house, run, story)


def test_a_message_is_delivered_in_its_turn_and_once(house: House, run: Run) -> None:
    """A failover brings back what was delivered before, with nothing done; or loses the message."""

    async def tell(message: Message, n: int) -> None:
        await transitions.tell_execution(
            house.connection,
            execution_id="g",
            request=f"f#{n}",
            type="signal_received",
            payload=b"S",
            delivery=Delivery(message, last=True),
        )

    async def story() -> None:
        await house.start("g", queue="nobody")
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        sent = tuple(Outgoing("signal", n, "g", b"S") for n in (1, 2))
        await seat.step([], 0, [WorkflowSettlement("f", claim.token, 1, outbox=sent)])
        first, second = await outbox.read(house.connection, house.keys)

        with pytest.raises(Overtaken):
            await tell(second, 2)
        with pytest.raises(Overtaken):
            await tell(msgspec.structs.replace(first, cause="a token of lost history"), 1)
        assert await house.history("g") == ["created"]

        await tell(first, 1)
        assert await outbox.read(house.connection, house.keys) == [second]
        with pytest.raises(Overtaken):
            await tell(first, 1)
        await tell(second, 2)
        assert await outbox.read(house.connection, house.keys) == []
        assert await house.history("g") == ["created", "signal_received", "signal_received"]

    play(house, run, story)


def test_what_removes_a_message_too_late_removes_no_other_one(house: House, run: Run) -> None:
    """A failover loses the message that it is for, and the next one gets its number."""

    async def send(seat: WorkerSeat, sender: str) -> Message:
        await house.start(sender)
        (claim,) = (await seat.step(["default"], 1, [])).claims
        sent = (Outgoing("signal", 1, "g", b"S"),)
        await seat.step([], 0, [WorkflowSettlement(sender, claim.token, 1, outbox=sent)])
        (message,) = await outbox.read(house.connection, house.keys)
        return message

    async def story() -> None:
        seat = await house.seat()
        lost = await send(seat, "f")
        await house.connection.command("DEL", house.keys.outbox, f"{house.keys.outbox}:n")
        other = await send(seat, "h")
        assert other.entry == lost.entry
        with pytest.raises(Overtaken):
            await outbox.remove(house.connection, lost)
        assert await outbox.read(house.connection, house.keys) == [other]
        await outbox.remove(house.connection, other)
        assert await outbox.read(house.connection, house.keys) == []

    play(house, run, story)


@pytest.mark.parametrize("ends_first", [True, False])
def test_an_answer_goes_to_the_history_that_asked(house: House, run: Run, ends_first: bool) -> None:
    """A failover may lose that a workflow asked, and leave what it asked for: it asks again."""
    keys, ask = house.keys, house.connection.command
    lost = [keys.events("f"), keys.control("f"), keys.projection("f"), keys.held("w1")]

    async def deliver() -> None:
        # Nothing is to be fired.
        await deliver_all(house.connection, keys, None)  # type: ignore[arg-type]

    async def decide(seat: WorkerSeat) -> None:
        (claim,) = (await seat.step(["default"], 1, [])).claims
        asks = Outgoing("start", 1, "g", b"CREATED", "c", "greet", "other", "d1", "c0")
        decided = WorkflowSettlement("f", claim.token, 1, decided=b"D", outbox=(asks,))
        await seat.step([], 0, [decided])
        await deliver()

    async def end() -> None:
        seat = await house.seat("w3")
        (claim,) = (await seat.step(["other"], 1, [])).claims
        ends = WorkflowSettlement("g", claim.token, 1, outcome="completed", payload=b"OUT")
        await seat.step([], 0, [ends])
        await deliver()

    async def story() -> None:
        await house.start("f")
        first = await house.seat("w1")
        await first.step([], 0, [])
        before = {key: await ask("DUMP", key) for key in lost}
        await decide(first)
        assert await house.history("f") == ["created", "decided"]
        await ask("DEL", *lost, keys.children("f"), keys.door("w1"))
        for key, copy in before.items():
            if copy is not None:
                await ask("RESTORE", key, 0, copy)
        await ask("RPUSH", keys.ready("default"), "workflow\0f\0\0\0")

        if ends_first:
            await end()
            assert await house.history("f") == ["created"]
        await decide(await house.seat("w2"))
        if not ends_first:
            await end()

        assert await house.history("f") == ["created", "decided", "child_completed"]

    play(house, run, story)


def test_a_signal_that_a_failover_lost_is_not_told_to_have_arrived(house: House, run: Run) -> None:
    """Whoever delivers may stand still between the two steps, while the store fails over."""
    keys, ask = house.keys, house.connection.command
    lost = [keys.events("g"), keys.control("g"), keys.projection("g"), keys.requests("g")]

    async def deliver() -> None:
        # Nothing is to be fired.
        await deliver_all(house.connection, keys, None)  # type: ignore[arg-type]

    async def fail_over_between(connection: Connection, **given: Any) -> int:
        if given["type"] != "signal_received":
            await ask("DEL", *lost)
            for key, copy in before.items():
                if copy is not None:
                    await ask("RESTORE", key, 0, copy)
            patched.undo()
        return await tell(connection, **given)

    async def story() -> None:
        await house.start("f")
        await house.start("g", queue="nobody")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        sends = Outgoing("signal", 1, "g", b"S")
        decided = WorkflowSettlement("f", claim.token, 1, decided=b"D", outbox=(sends,))
        await seat.step([], 0, [decided])
        before.update({key: await ask("DUMP", key) for key in lost})

        patched.setattr(transitions, "tell_execution", fail_over_between)
        await deliver()
        assert await house.history("f") == ["created", "decided"]
        await deliver()

        assert await house.history("g") == ["created", "signal_received"]
        assert await house.history("f") == ["created", "decided", "child_completed"]

    tell, before = transitions.tell_execution, dict[str, Any]()
    with pytest.MonkeyPatch.context() as patched:
        play(house, run, story)
