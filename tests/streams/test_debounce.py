"""Starts of one key that come soon after each other are one execution, as the newest says."""

from __future__ import annotations

import pytest

from streams import projections, transitions
from streams.codec import StoredExecution, TaskClaim, WorkflowClaim
from streams.errors import OtherLives
from streams.transitions import Debounce
from streams.work import Bounds
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere

DEBOUNCE = Debounce(5_000, 12_000)


class Starts:
    """Starts of the key "ada", each under a new id."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._count = 0

    async def __call__(self, payload: bytes = b"CREATED", /, **changes: object) -> str:
        """The id of what it started, or was merged into."""
        self._count += 1
        id_ = f"ada!exec_{self._count}"
        given: dict[str, object] = {"debounce": DEBOUNCE, "payload": payload}
        try:
            await self.house.start(id_, **(given | changes))
        except OtherLives as lives:
            return lives.execution_id
        return id_


async def due_of(house: House, id_: str) -> int | None:
    found = await projections.get_execution(house.connection, id_)
    assert isinstance(found, StoredExecution)
    return found.due_ms


async def claimed(house: House, worker: str = "w1") -> list[TaskClaim | WorkflowClaim]:
    """All that a new worker gets once what is due was fired."""
    await house.timekeeper().tend()
    claims = (await (await house.seat(worker)).step(["default"], 10, [])).claims
    return [claim for claim in claims if isinstance(claim, TaskClaim | WorkflowClaim)]


def test_starts_within_the_wait_are_one_execution(house: House, run: Run) -> None:
    async def story() -> None:
        start, clock = Starts(house), house.clock
        first = await start(b"ONE", type_="task")
        clock.now_ms += 4_999
        assert await start(b"TWO", type_="task") == first
        assert await house.history(first) == ["created", "postponed"]
        assert await due_of(house, first) == clock.now_ms + 5_000

        clock.now_ms += 4_999
        assert await claimed(house) == []
        clock.now_ms += 1
        assert await start(b"THREE", type_="task") == "ada!exec_3"

        (claim,) = await claimed(house, "w2")
        assert isinstance(claim, TaskClaim)
        assert (claim.id, claim.created, claim.ready_ms) == (first, b"TWO", clock.now_ms)
        found = await projections.get_execution(house.connection, first)
        assert found is not None and found.first.payload == b"TWO"

    play(house, run, story)


def test_they_do_not_wait_for_longer_than_the_most_after_the_first(house: House, run: Run) -> None:
    async def story() -> None:
        start, clock = Starts(house), house.clock
        first, began_ms = await start(), clock.now_ms
        for wait in (4_000, 4_000):
            clock.now_ms += wait
            assert await start() == first
        assert await due_of(house, first) == began_ms + 12_000

        clock.now_ms = began_ms + 12_000
        assert await start() != first

    play(house, run, story)


def test_a_start_that_is_sent_again_postpones_nothing(house: House, run: Run) -> None:
    async def story() -> None:
        clock = house.clock
        assert await house.start("ada!exec_1", debounce=DEBOUNCE)
        clock.now_ms += 1_000
        for _ in range(2):
            with pytest.raises(OtherLives) as caught:
                await house.start("ada!exec_2", debounce=DEBOUNCE, payload=b"TWO")
            assert caught.value.execution_id == "ada!exec_1"
            assert await due_of(house, "ada!exec_1") == 1_700_000_006_000
            clock.now_ms += 500
        # Nor does it begin anything, when its execution began long ago and another one waits.
        clock.now_ms += 10_000
        await claimed(house)
        assert await house.start("ada!exec_3", debounce=DEBOUNCE)
        assert not await house.start("ada!exec_1", debounce=DEBOUNCE)
        with pytest.raises(OtherLives) as caught:
            await house.start("ada!exec_2", debounce=DEBOUNCE, payload=b"TWO")
        assert caught.value.execution_id == "ada!exec_1"
        assert await house.history("ada!exec_1") == ["created", "postponed"]

    play(house, run, story)


def test_the_newest_start_says_all_that_holds(house: House, run: Run) -> None:
    async def story() -> None:
        start, clock = Starts(house), house.clock
        first = await start(
            b"ONE",
            bounds=Bounds(deadline_ms=1_000, priority=9, key="bob"),
            definition="d1",
            attributes='stage="old"\ncolour="red"',
        )
        await start(
            b"TWO",
            bounds=Bounds(deadline_ms=60_000, priority=2),
            definition="d2",
            attributes='stage="new"',
        )

        assert await house.ids(attributes=(("stage", '"new"'),)) == [first]
        assert await house.ids(attributes=(("colour", '"red"'),)) == []
        examined = await projections.examine(house.connection, first)
        assert examined.control["fl"] == "2||"
        assert examined.facts["df"] == "d2" and examined.facts["pv"] == "2"
        clock.now_ms += 5_000
        (claim,) = await claimed(house)
        assert isinstance(claim, WorkflowClaim)
        assert [event.payload for event in claim.events] == [b"ONE", b"TWO"]
        clock.now_ms += 59_999
        await house.timekeeper().tend()
        assert await house.status(first) == "pending"
        clock.now_ms += 1
        await house.timekeeper().tend()
        assert await house.status(first) == "failed"

    play(house, run, story)


def test_a_time_limit_that_the_newest_start_does_not_set_is_none(house: House, run: Run) -> None:
    async def story() -> None:
        start = Starts(house)
        first = await start(type_="task", bounds=Bounds(deadline_ms=1_000, queue_ms=900, key="a"))
        assert await start(type_="task") == first

        house.clock.now_ms += 60_000
        await house.timekeeper().tend()
        assert await house.status(first) == "pending"
        examined = await projections.examine(house.connection, first)
        assert not {"dm", "fl", "hb"} & examined.control.keys()

    play(house, run, story)


def test_another_target_type_or_queue_is_another_one(house: House, run: Run) -> None:
    async def story() -> None:
        start = Starts(house)
        ids = [
            await start(),
            await start(target="bye"),
            await start(type_="task"),
            await start(queue="other"),
        ]
        assert len(set(ids)) == 4
        assert await start() == ids[0]
        # A singleton of the same name is nothing to it, either way.
        single = await start(debounce=None)
        assert single not in ids and await start(debounce=None) == single
        assert await start() == ids[0]

    play(house, run, story)


@pytest.mark.parametrize("how", ["cancelled", "terminated"])
def test_what_was_ended_before_it_began_takes_no_more_starts(
    house: House, run: Run, how: str
) -> None:
    async def story() -> None:
        start = Starts(house)
        first = await start()
        assert await start() == first
        if how == "terminated":
            await house.terminate(first)
            await transitions.delete_execution(house.connection, first)
        else:
            await transitions.cancel_execution(
                house.connection, execution_id=first, request="end", at_once=False, payload=b"R"
            )
        second = await start()
        assert second != first and await start() == second
        if how == "cancelled":
            house.clock.now_ms += 60_000
            claims = await claimed(house)
            assert {claim.id for claim in claims} <= {first, second}
            assert await start() not in (first, second)

    play(house, run, story)


def test_what_is_paused_waits_on_with_what_was_merged_into_it(house: House, run: Run) -> None:
    async def story() -> None:
        start = Starts(house)
        first = await start(b"ONE", type_="task")
        await transitions.pause_execution(house.connection, first)
        assert await start(b"TWO", type_="task") == first
        house.clock.now_ms += 5_000
        assert await claimed(house) == []
        await transitions.resume_execution(house.connection, first)
        (claim,) = await claimed(house, "w2")
        assert isinstance(claim, TaskClaim) and claim.created == b"TWO"

    play(house, run, story)


def test_after_two_hundred_the_next_start_is_another_execution(house: House, run: Run) -> None:
    async def story() -> None:
        start = Starts(house)
        first = await start(debounce=Debounce(5_000))
        merged = [await start(debounce=Debounce(5_000)) for _ in range(200)]
        assert set(merged) == {first}
        second = await start(debounce=Debounce(5_000))
        assert second != first and await start(debounce=Debounce(5_000)) == second

    play(house, run, story)
