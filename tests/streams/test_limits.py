"""No more tasks run, or begin within a time, than limits allow; and nothing waits longer for that
than it has to."""

from __future__ import annotations

from typing import Any

import pytest

from streams import limits, projections, transitions
from streams.limits import Limits
from streams.work import Bounds, NewChild, TaskSettlement, WorkerSeat, WorkflowSettlement
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere


async def limit(house: House, **given: Limits) -> None:
    """Set what is named `task_charge` or `queue_default`, and let the timekeeper look."""
    scopes = {name.replace("_", ":", 1): one for name, one in given.items()}
    await limits.put(house.connection, scopes)
    await house.timekeeper("keeper").tend()


async def task(house: House, id_: str, target: str = "charge", key: str = "", **more: Any) -> None:
    priority = more.pop("priority", 5)
    bounds = Bounds(priority=priority, key=key)
    await house.start(id_, "task", target=target, bounds=bounds, **more)


class Hands:
    """A worker that runs what it claims until it is told to finish that."""

    def __init__(self, seat: WorkerSeat) -> None:
        self.seat = seat
        self.running: dict[str, str] = {}

    async def claim(self, room: int = 100, *finished: str, outcome: Any = "completed") -> list[str]:
        settled = [TaskSettlement(id_, self.running.pop(id_), outcome, b"O") for id_ in finished]
        claims: list[str] = []
        # What a call moves to other lanes it may leave to the next.
        for _ in range(3):
            step = await self.seat.step(["default"], room - len(claims), settled)
            claims += [claim.id for claim in step.claims]
            self.running |= {claim.id: claim.token for claim in step.claims}
            settled = []
        return claims


async def hands(house: House, name: str = "w1", lease_ms: int = 10_000) -> Hands:
    return Hands(await house.seat(name, lease_ms))


@pytest.mark.parametrize("scope", ["task_charge", "queue_default"])
def test_so_many_run_at_once_and_the_next_begins_when_one_ends(
    house: House, run: Run, scope: str
) -> None:
    async def story() -> None:
        await task(house, "before")
        await limit(house, **{scope: Limits(most=2)})
        one, other = await hands(house), await hands(house, "w2")
        assert await one.claim() == ["before"]
        for number in range(4):
            await task(house, f"t{number}")
        await house.start("flow")

        # A workflow's turn is no task.
        assert sorted(await one.claim()) == ["flow", "t0"]
        assert await other.claim() == []
        found = await limits.find(house.connection, "t1")
        assert found is not None and (found.counts, found.most) == ("running", 2)
        assert await one.claim(100, "before") == ["t1"]
        assert await other.claim() == []
        # An attempt that failed, or was given back, makes room as well.
        assert await one.claim(100, "t0", outcome="released") == ["t0"]
        (about,) = await limits.read(house.connection)
        assert (about.running, about.waiting) == (2, 2)
        assert await one.claim(100, "t0", "t1") == ["t2", "t3"]
        assert await one.claim(100, "t2", "t3") == []

    play(house, run, story)


def test_what_a_lost_worker_ran_makes_room(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(most=1))
        for number in range(2):
            await task(house, f"t{number}")
        assert await (await hands(house, lease_ms=1000)).claim() == ["t0"]
        other = await hands(house, "w2")
        assert await other.claim() == []
        house.clock.now_ms += 1500
        await house.timekeeper("keeper").tend()

        assert await other.claim() == ["t0"]
        assert await other.claim(100, "t0") == ["t1"]

    play(house, run, story)


def test_what_is_ended_from_outside_makes_room_or_leaves_the_line(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(most=1))
        for number in range(4):
            await task(house, f"t{number}")
        worker = await hands(house)
        assert await worker.claim() == ["t0"]
        await house.terminate("t1")
        await house.terminate("t0")

        assert await worker.claim() == ["t2"]
        assert await worker.claim(100, "t2") == ["t3"]

    play(house, run, story)


def test_each_key_has_its_own_limit_and_they_take_turns(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(most=3, key_most=2))
        for key in ("ada", "bob", "eve"):
            for number in range(4):
                await task(house, f"{key}{number}", key=key)
        await task(house, "else", target="other")
        worker = await hands(house)

        first = await worker.claim()
        assert sorted(first) == ["ada0", "bob0", "else", "eve0"]
        assert await worker.claim(100, "ada0") == ["ada1"]
        assert await worker.claim(100, "bob0", "eve0") == ["bob1", "eve1"]
        order = []
        while worker.running.keys() - {"else"}:
            order += await worker.claim(100, min(worker.running.keys() - {"else"}))
        assert sorted(order) == ["ada2", "ada3", "bob2", "bob3", "eve2", "eve3"]

    play(house, run, story)


def test_a_key_at_its_limit_does_not_keep_others_waiting(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, queue_default=Limits(key_most=1))
        for number in range(50):
            await task(house, f"ada{number}", key="ada")
        for number in range(2):
            await task(house, f"bob{number}", key="bob")
        await task(house, "nobodys")
        worker = await hands(house)

        assert sorted(await worker.claim()) == ["ada0", "bob0", "nobodys"]
        assert await worker.claim(100, "bob0") == ["bob1"]
        assert await worker.claim(100, "bob1") == []
        assert await worker.claim(100, "ada0") == ["ada1"]

    play(house, run, story)


def test_so_many_begin_within_any_such_time(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(begin=3, within_ms=1000))
        for number in range(10):
            await task(house, f"t{number}")
        worker = await hands(house)
        began: list[int] = []
        while len(began) < 10:
            began += [house.clock.now_ms for _ in await worker.claim()]
            house.clock.now_ms += 130
            await house.timekeeper("keeper").tend()
            assert house.clock.now_ms < 1_700_000_010_000
            (about,) = await limits.read(house.connection)
            assert about.began <= 3

        for at in began:
            assert sum(at - 1000 < other <= at for other in began) <= 3
        assert began[-1] - began[0] < 4 * 1000

    play(house, run, story)


def test_a_rate_of_each_key(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(key_begin=1, key_within_ms=60_000))
        for key in ("ada", "bob"):
            for number in range(2):
                await task(house, f"{key}{number}", key=key)
        worker = await hands(house, lease_ms=1_000_000)
        assert sorted(await worker.claim()) == ["ada0", "bob0"]
        found = await limits.find(house.connection, "bob1")
        assert found is not None
        assert (found.counts, found.key, found.most) == ("beginning", "bob", 1)
        assert found.opens_ms == house.clock.now_ms + 60_000
        house.clock.now_ms += 59_999
        await house.timekeeper("keeper").tend()
        assert await worker.claim(100, "ada0", "bob0") == []
        house.clock.now_ms += 1
        assert (await house.timekeeper("keeper").tend()).fired == 2
        assert sorted(await worker.claim()) == ["ada1", "bob1"]

    play(house, run, story)


@pytest.mark.parametrize("after", [Limits(), Limits(most=100)])
def test_all_goes_on_when_a_limit_is_lifted(house: House, run: Run, after: Limits) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(key_most=1))
        ids = [f"{key}{number}" for key in range(20) for number in range(3)]
        for id_ in ids:
            await task(house, id_, key=id_[:-1])
        worker, other = await hands(house), await hands(house, "w2")
        assert len(await worker.claim()) == 20
        await limit(house, task_charge=after)

        claims = await other.claim(200)

        assert sorted(claims + list(worker.running)) == sorted(ids)

    play(house, run, story)


def test_what_waited_before_its_limit_was_set_is_limited_too(house: House, run: Run) -> None:
    async def story() -> None:
        for number in range(5):
            await task(house, f"t{number}")
        await limit(house, task_charge=Limits(most=1))
        await task(house, "late")
        worker = await hands(house)
        done = await worker.claim()
        while worker.running:
            assert len(worker.running) == 1
            done += await worker.claim(100, *worker.running)
        # Among themselves they keep their order.
        assert sorted(done) == ["late", *(f"t{number}" for number in range(5))]
        assert [id_ for id_ in done if id_ != "late"] == [f"t{number}" for number in range(5)]

    play(house, run, story)


def test_a_lower_limit_holds_for_what_runs_already(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(most=3))
        for number in range(6):
            await task(house, f"t{number}")
        worker = await hands(house)
        assert await worker.claim() == ["t0", "t1", "t2"]
        await limit(house, task_charge=Limits(most=1))
        assert await worker.claim(100, "t0", "t1") == []
        assert await worker.claim(100, "t2") == ["t3"]

    play(house, run, story)


def test_what_is_set_by_hand_goes_before_what_is_declared(house: House, run: Run) -> None:
    async def story() -> None:
        connection = house.connection
        assert await limits.put(connection, {"charge": Limits(most=1)}, declared=True) == 1
        assert await limits.put(connection, {"charge": Limits(most=1)}, declared=True) == 0
        for number in range(4):
            await task(house, f"t{number}")
        worker = await hands(house)
        assert await worker.claim() == ["t0"]
        await limit(house, task_charge=Limits(most=2))
        assert await worker.claim() == ["t1"]
        await limit(house, task_charge=Limits())
        assert await worker.claim(100, "t0") == []
        assert await worker.claim(100, "t1") == ["t2"]

    play(house, run, story)


def test_a_limit_of_the_task_and_one_of_the_queue_hold_together(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(most=2), queue_default=Limits(most=3))
        for number in range(4):
            await task(house, f"c{number}")
            await task(house, f"o{number}", target="other")
        worker = await hands(house)
        done: set[str] = set()
        await worker.claim()
        while worker.running:
            charges = [id_ for id_ in worker.running if id_[0] == "c"]
            assert len(worker.running) <= 3 and len(charges) <= 2
            assert len(worker.running) == 3 or len(done) >= 5
            done.add(min(worker.running))
            await worker.claim(100, min(worker.running))
        assert len(done) == 8

    play(house, run, story)


def test_more_urgent_work_begins_first_at_a_limit(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, queue_default=Limits(most=1))
        await task(house, "running")
        worker = await hands(house)
        assert await worker.claim() == ["running"]
        for number in range(5):
            await task(house, f"slow{number}", priority=1)
        await worker.claim()
        await task(house, "urgent", priority=9)
        assert await worker.claim(100, "running") == ["urgent"]
        assert await worker.claim(100, "urgent") == ["slow0"]

    play(house, run, story)


def test_who_waits_for_work_is_told_when_a_limit_has_room(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(most=1))
        for number in range(2):
            await task(house, f"t{number}")
        worker, other = await hands(house), await hands(house, "w2")
        await worker.claim()
        await other.claim()
        reader = house.connection.reader()
        try:
            while await other.seat.wait(reader, ["default"], 0.02):
                pass
            await house.terminate("t0")
            assert await other.seat.wait(reader, ["default"], 5)
            assert await other.claim() == ["t1"]
        finally:
            await reader.close()

    play(house, run, story)


def test_children_of_a_workflow_count_and_what_is_kept_agrees(house: House, run: Run) -> None:
    async def story() -> None:
        await limit(house, task_charge=Limits(most=2))
        await house.start("flow")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        children = tuple(NewChild(n, "task", "charge", "default", "", b"C") for n in range(1, 6))
        decided = WorkflowSettlement("flow", claim.token, 1, decided=b"D", children=children)
        step = await seat.step(["default"], 10, [decided])
        assert len(step.claims) == 2
        for n in range(1, 6):
            found = await projections.examine(house.connection, f"flow/{n}")
            assert found.queued == (n > 2) and found.is_held == (n <= 2)
        # All below is ended, those that wait in line too.
        await transitions.cancel_execution(
            house.connection, execution_id="flow", request="r", at_once=True, payload=b"R"
        )
        await house.timekeeper("keeper").tend()
        await task(house, "next")
        assert [claim.id for claim in (await seat.step(["default"], 10, [])).claims] == ["next"]

    play(house, run, story)
