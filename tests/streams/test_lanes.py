"""Work of a queue comes in the order of its priority, and of equals each key has its turn."""

from __future__ import annotations

import pytest

from streams import pauses, projections
from streams.work import Bounds, TaskSettlement, WorkerSeat, WorkflowSettlement
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere


async def task(house: House, id_: str, priority: int = 5, key: str = "") -> None:
    await house.start(id_, "task", bounds=Bounds(priority=priority, key=key))


async def taken(seat: WorkerSeat, count: int) -> list[str]:
    """Claim so many, one a call, and settle each with the next."""
    ids: list[str] = []
    settled: list[TaskSettlement] = []
    for _ in range(count):
        step = await seat.step(["default"], 1, settled)
        settled = [TaskSettlement(c.id, c.token, "completed", b"O") for c in step.claims]
        ids += [claim.id for claim in step.claims]
    await seat.step([], 0, settled)
    return ids


def test_the_more_urgent_comes_first(house: House, run: Run) -> None:
    async def story() -> None:
        for number, priority in enumerate((5, 0, 9, 5, 3, 8, 9)):
            await task(house, f"p{priority}-{number}", priority)

        ids = await taken(await house.seat(), 8)

        assert ids == ["p9-2", "p9-6", "p8-5", "p5-0", "p5-3", "p3-4", "p0-1"]

    play(house, run, story)


def test_keys_take_turns_and_each_keeps_its_order(house: House, run: Run) -> None:
    async def story() -> None:
        for number in range(6):
            await task(house, f"many{number}", key="many")
        for number in range(2):
            await task(house, f"few{number}", key="few & far|between")
        await task(house, "nobodys")

        # At once or one a call makes no difference.
        seat = await house.seat()
        claims = (await seat.step(["default"], 5, [])).claims
        ids = [claim.id for claim in claims] + await taken(seat, 5)

        assert ids == [
            *("many0", "few0", "nobodys", "many1", "few1", "many2", "many3", "many4", "many5"),
        ]

    play(house, run, story)


def test_what_waits_longest_has_every_tenth_turn(house: House, run: Run) -> None:
    async def story() -> None:
        await task(house, "patient", 0)
        for number in range(30):
            await task(house, f"urgent{number}", 9)

        ids = await taken(await house.seat(), 31)

        assert ids.index("patient") < 10
        assert len(ids) == 31

    play(house, run, story)


def test_what_comes_back_keeps_its_lane(house: House, run: Run) -> None:
    async def story() -> None:
        await task(house, "a", 7, "x")
        await task(house, "b", 7, "x")
        await task(house, "usual")
        seat = await house.seat(lease_ms=1000)
        (claim,) = (await seat.step(["default"], 1, [])).claims
        assert claim.id == "a"
        back = TaskSettlement("a", claim.token, "released", b"R")
        (claim,) = (await seat.step(["default"], 1, [back])).claims
        assert claim.id == "a"
        # Its worker is lost with it.
        house.clock.now_ms += 2000
        assert (await house.timekeeper("w2").tend()).lost_workers == ("w1",)
        found = await projections.examine(house.connection, "a")
        assert found is not None and found.queued == 1

        assert await taken(await house.seat("w2"), 4) == ["a", "b", "usual"]

    play(house, run, story)


def test_a_workflow_comes_in_its_turn_too_and_its_queue_shows_all(house: House, run: Run) -> None:
    async def story() -> None:
        await task(house, "usual")
        await house.start("flow", bounds=Bounds(priority=8))
        assert await house.connection.command("LLEN", house.keys.lane("8||", "default")) == 1
        described = await projections.describe(house.connection, house.keys)
        assert described.ready["default"] == 2
        seat = await house.seat()

        (claim,) = (await seat.step(["default"], 1, [])).claims

        assert claim.id == "flow"
        done = WorkflowSettlement("flow", claim.token, 1, outcome="completed", payload=b"O")
        (claim,) = (await seat.step(["default"], 3, [done])).claims
        assert claim.id == "usual"

    play(house, run, story)


def test_who_waits_is_told_of_work_in_a_lane(house: House, run: Run) -> None:
    async def story() -> None:
        seat = await house.seat()
        reader = house.connection.reader()
        try:
            await task(house, "a", 2, "x")
            assert await seat.wait(reader, ["default"], 5)
            # A queue that rested rings too when it goes on.
            await pauses.put(house.connection, "queue", "default", is_paused=True, note="")
            assert not (await seat.step(["default"], 1, [])).claims
            await pauses.put(house.connection, "queue", "default", is_paused=False, note="")
            assert await seat.wait(reader, ["default"], 5)
            assert await taken(seat, 1) == ["a"]
        finally:
            await reader.close()

    play(house, run, story)


@pytest.mark.parametrize("key", ["", "c1", "a b|c%7", "ключ"])
def test_bounds_come_back_from_what_the_scripts_take(key: str) -> None:
    for bounds in (Bounds(), Bounds(priority=0, key=key), Bounds(5, 6, 7, 8, 9, 9, key)):
        assert Bounds.parse(bounds.argument()) == bounds
