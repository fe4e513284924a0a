"""A workflow that goes on comes to the worker that holds its machine, and waits for no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.codec import WorkflowClaim
from streams.work import Claim, TaskSettlement, WorkerSeat, WorkflowSettlement
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere


async def told_to_wait(house: House, seat: WorkerSeat, *ids: str) -> None:
    """Workflows that this worker has begun and that wait for a signal."""
    for id_ in ids:
        await house.start(id_)
        (claim,) = (await seat.step(["default"], 1, [])).claims
        await seat.step([], 0, [WorkflowSettlement(id_, claim.token, 1, decided=b"D")])


async def claimed(seat: WorkerSeat, room: int = 10) -> Sequence[Claim]:
    return (await seat.step(["default"], room, [])).claims


def test_an_activation_comes_to_the_worker_that_holds_the_machine(house: House, run: Run) -> None:
    async def story() -> None:
        first, second = await house.seat("w1"), await house.seat("w2")
        await told_to_wait(house, first, "f")

        await house.signal("f", "r1")

        assert await claimed(second) == ()
        assert [claim.id for claim in await claimed(first)] == ["f"]

    play(house, run, story)


def test_an_activation_whose_machine_nobody_keeps_comes_with_its_events_to_anybody(
    house: House, run: Run
) -> None:
    async def story() -> None:
        first, second = await house.seat("w1"), await house.seat("w2")
        await house.start("f")
        (claim,) = await claimed(first)
        settlement = WorkflowSettlement("f", claim.token, 1, decided=b"D", held=False)
        await first.step([], 0, [settlement])

        await house.signal("f", "r1")

        (claim,) = await claimed(second)
        assert isinstance(claim, WorkflowClaim)
        assert claim.held_by == ""
        assert [event.version for event in claim.events] == [1, 2, 3]

    play(house, run, story)


def test_news_of_an_own_turn_comes_before_what_others_begin(house: House, run: Run) -> None:
    async def story() -> None:
        seat = await house.seat()
        await house.start("f")
        (claim,) = await claimed(seat)
        await house.start("g")
        await house.signal("f", "r1")

        step = await seat.step(["default"], 1, [WorkflowSettlement("f", claim.token, 1)])

        assert [claim.id for claim in step.claims] == ["f"]

    play(house, run, story)


def test_a_worker_without_room_leaves_it_to_others_in_order(house: House, run: Run) -> None:
    async def story() -> None:
        first, second = await house.seat("w1"), await house.seat("w2")
        await told_to_wait(house, first, "f", "g", "h")
        for id_ in ("f", "g", "h"):
            await house.signal(id_, "r1")

        assert [claim.id for claim in await claimed(first, room=1)] == ["f"]

        assert [claim.id for claim in await claimed(second)] == ["g", "h"]

    play(house, run, story)


def test_a_worker_that_leaves_leaves_it_to_others(house: House, run: Run) -> None:
    async def story() -> None:
        first, second = await house.seat("w1"), await house.seat("w2")
        await told_to_wait(house, first, "f", "g")
        await house.signal("f", "r1")

        assert await first.leave()
        await house.signal("g", "r1")

        assert [claim.id for claim in await claimed(second)] == ["f", "g"]

    play(house, run, story)


def test_what_waited_for_a_lost_worker_goes_to_others(house: House, run: Run) -> None:
    async def story() -> None:
        first, second = await house.seat("w1", 1_000), await house.seat("w2", 60_000)
        await told_to_wait(house, first, "f", "g")
        await house.signal("f", "r1")
        house.clock.now_ms += 1_001

        tended = await house.timekeeper("w2").tend()
        await house.signal("g", "r1")

        assert tended.lost_workers == ("w1",)
        assert [claim.id for claim in await claimed(second)] == ["f", "g"]

    play(house, run, story)


def test_what_ended_while_it_waited_is_handed_to_nobody(house: House, run: Run) -> None:
    async def story() -> None:
        seat = await house.seat("w1")
        await told_to_wait(house, seat, "f")
        await house.signal("f", "r1")

        await house.terminate("f")

        assert await claimed(seat) == ()

    play(house, run, story)


def test_an_unknown_task_goes_to_a_worker_that_knows_it(house: House, run: Run) -> None:
    async def story() -> None:
        first, second = await house.seat("w1"), await house.seat("w2")
        await house.start("t", "task")
        (claim,) = await claimed(first)
        unknown = TaskSettlement("t", claim.token, "unknown", b"R", worker="w2")

        step = await first.step(["default"], 10, [unknown])

        assert step.claims == ()
        assert [claim.id for claim in await claimed(second)] == ["t"]

    play(house, run, story)


def test_an_unknown_task_is_anyones_when_who_knew_it_has_gone(house: House, run: Run) -> None:
    async def story() -> None:
        first, second = await house.seat("w1"), await house.seat("w2")
        await house.start("t", "task")
        (claim,) = await claimed(first)
        due_ms = house.clock.now_ms + 1_000
        await first.step([], 0, [TaskSettlement("t", claim.token, "unknown", b"R", due_ms, "w2")])
        await second.leave()

        house.clock.now_ms = due_ms
        await house.timekeeper("w1").tend()

        assert [claim.id for claim in await claimed(first)] == ["t"]

    play(house, run, story)
