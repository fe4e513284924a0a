"""What ends before anybody began it, and what is deleted, leaves nothing for what comes after."""

from __future__ import annotations

import pytest

from streams import transitions
from streams.errors import ExecutionAlreadyOver
from streams.work import Bounds, NewChild, Outgoing, TaskSettlement, WorkflowSettlement
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere

BEATS = Bounds(heartbeat_ms=300, attempts=2, interval_ms=50)


async def cancel(house: House, id_: str, *, at_once: bool) -> None:
    await transitions.cancel_execution(
        house.connection, execution_id=id_, request="c1", at_once=at_once, payload=b"WHY"
    )


@pytest.mark.parametrize("at_once", [False, True])
def test_a_task_with_heartbeats_can_be_ended_before_its_first_attempt(
    house: House, run: Run, at_once: bool
) -> None:
    async def story() -> None:
        await house.start("a", "task", bounds=BEATS)

        await cancel(house, "a", at_once=at_once)

        assert await house.history("a") == ["created", "cancelled"]
        assert await house.status("a") == "cancelled"
        with pytest.raises(ExecutionAlreadyOver):
            await transitions.cancel_execution(
                house.connection, execution_id="a", request="c2", at_once=at_once, payload=b""
            )

    play(house, run, story)


def test_a_task_with_heartbeats_ends_between_two_attempts_too(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("a", "task", bounds=BEATS)
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        await seat.step([], 0, [TaskSettlement("a", claim.token, "attempt_failed", b"F")])

        await cancel(house, "a", at_once=False)

        assert await house.status("a") == "cancelled"

    play(house, run, story)


def test_what_a_deleted_one_left_in_a_queue_hands_out_no_other_of_its_id(
    house: House, run: Run
) -> None:
    async def story() -> None:
        await house.start("a", "task", queue="left")
        await cancel(house, "a", at_once=True)
        await transitions.delete_execution(house.connection, "a")
        await house.start("a", "task", queue="right", request="again")
        seat = await house.seat()

        assert (await seat.step(["left"], 1, [])).claims == ()
        assert [claim.id for claim in (await seat.step(["right"], 1, [])).claims] == ["a"]

    play(house, run, story)


def test_what_a_deleted_one_started_elsewhere_is_nothing_to_another_of_its_id(
    house: House, run: Run
) -> None:
    async def story() -> None:
        seat = await house.seat()
        await house.start("a")
        sent = Outgoing("start", 1, "other", b"CREATED", "c", "greet", "default", "d1", "c0")
        (claim,) = (await seat.step(["default"], 1, [])).claims
        ends = WorkflowSettlement(
            "a", claim.token, 1, outbox=(sent,), outcome="completed", payload=b"E"
        )
        await seat.step([], 0, [ends])
        await transitions.delete_execution(house.connection, "a")

        kept = await house.connection.command("KEYS", f"{house.keys.prefix}?:a")
        assert kept == []

    play(house, run, story)


def test_ending_the_tree_of_a_deleted_one_spares_another_of_its_id(house: House, run: Run) -> None:
    """Its only child ended by itself before the timekeeper came to end it."""

    async def story() -> None:
        seat = await house.seat()
        child = NewChild(1, "task", "greet", "default", "", b"CREATED")

        async def with_a_child(request: str) -> str:
            """A workflow `a` that has started a task; the token of its claim."""
            await house.start("a", request=request)
            (claim,) = (await seat.step(["default"], 1, [])).claims
            settled = WorkflowSettlement("a", claim.token, 1, decided=b"D", children=(child,))
            (task,) = (await seat.step(["default"], 1, [settled])).claims
            return task.token

        token = await with_a_child("first")
        await cancel(house, "a", at_once=True)
        await seat.step([], 0, [TaskSettlement("a/1", token, "completed", b"OUT")])
        await transitions.delete_execution(house.connection, "a")
        await with_a_child("second")

        await house.timekeeper().tend()

        assert await house.status("a/1") == "running"

    play(house, run, story)


@pytest.mark.parametrize("attempts", [1, 2])
def test_what_settles_after_it_fell_silent_is_told_that_it_came_too_late(
    house: House, run: Run, attempts: int
) -> None:
    """Not that it was done: what it came to is dropped."""

    async def story() -> None:
        bounds = Bounds(heartbeat_ms=300, attempts=attempts, interval_ms=50)
        await house.start("a", "task", bounds=bounds)
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        house.clock.now_ms += 300
        await house.timekeeper().tend()
        before = await house.history("a")

        late = TaskSettlement("a", claim.token, "completed", b"OUT")

        assert (await seat.step([], 0, [late])).verdicts == ("STALE",)
        assert await house.history("a") == before
        assert before[-1] == ("failed" if attempts == 1 else "attempt_failed")

    play(house, run, story)


def test_what_settles_after_the_last_worker_was_lost_is_told_that_it_came_too_late(
    house: House, run: Run
) -> None:
    async def story() -> None:
        await house.start("a", "task")
        seat = await house.seat("w1", lease_ms=1_000)
        (claim,) = (await seat.step(["default"], 1, [])).claims
        house.clock.now_ms += 1_000
        await house.timekeeper("w2", max_lost=1).tend()
        assert await house.status("a") == "failed"
        seat = await house.seat("w3")

        late = TaskSettlement("a", claim.token, "completed", b"OUT")

        assert (await seat.step([], 0, [late])).verdicts == ("STALE",)

    play(house, run, story)
