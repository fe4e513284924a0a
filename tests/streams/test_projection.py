"""A projection is what its events fold to, also in the middle of a decision."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from streams import projections
from streams.codec import StoredExecution
from streams.projections import Filters
from streams.work import NewChild, WorkflowSettlement
from tests.streams.house import House, Run, play


async def facts(house: House, id_: str) -> tuple[str, str | None]:
    (found,) = await projections.get_executions(house.connection, [id_])
    assert isinstance(found, StoredExecution)
    return found.facts["st"], found.facts.get("sa")


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_workflow_that_ends_in_its_first_turn_began_with_its_last_event(
    house: House, run: Run, outcome: Literal["completed", "failed"]
) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        house.clock.now_ms += 7
        ending = WorkflowSettlement("f", claim.token, 1, outcome=outcome, payload=b"E")
        await seat.step([], 0, [ending])

        assert await facts(house, "f") == (outcome, str(house.clock.now_ms))

    play(house, run, story)


def test_the_first_part_of_a_decision_suspends_a_workflow(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        house.clock.now_ms += 7
        child = NewChild(1, "task", "add", "other", "", b"T")
        part = WorkflowSettlement("f", claim.token, 1, last=False, decided=b"D", children=(child,))
        decided_at = str(house.clock.now_ms)
        await seat.step([], 0, [part])
        assert await facts(house, "f") == ("suspended", decided_at)

        house.clock.now_ms += 10_001
        await house.timekeeper("w2").tend()
        assert await facts(house, "f") == ("suspended", decided_at)
        assert await house.ids(status="suspended") == ["f"]

    play(house, run, story)


def test_a_turn_that_records_nothing_changes_no_status(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        await seat.step([], 0, [WorkflowSettlement("f", claim.token, 1)])

        assert await facts(house, "f") == ("pending", None)

    play(house, run, story)


def test_a_count_is_how_many_a_query_finds(house: House, run: Run) -> None:
    """Whatever the filter, and whoever works at what."""

    async def story() -> None:
        seat = await house.seat()
        for number in range(6):
            await house.start(f"f{number}", queue="other" if number % 2 else "default")
            house.clock.now_ms += 1_000
        await house.start("t", "task")
        claims = (await seat.step(["default"], 3, [])).claims
        first, *_ = claims
        await seat.step([], 0, [WorkflowSettlement(first.id, first.token, 1, decided=b"D")])
        await house.signal(first.id, "r")
        await seat.step(["default"], 1, [])
        begun = house.clock.now_ms - 6_000
        windows: tuple[dict[str, Any], ...] = (
            {},
            {"oldest_ms": begun + 2_000},
            {"newest_ms": begun + 2_000},
        )
        filters: tuple[dict[str, Any], ...] = (
            {},
            *({"status": s} for s in ("pending", "running", "suspended", "completed")),
            *({"type": t} for t in ("workflow", "task")),
            *({"queue": q} for q in ("default", "other")),
            {"target": "greet"},
            {"target": "nobody"},
            {"status": "pending", "queue": "other"},
        )
        counted, found = [], []
        for window in windows:
            for chosen in filters:
                asked = Filters(**window, **chosen)
                counted.append(await projections.count_executions(house.connection, asked))
                ids = await projections.query_executions(house.connection, asked, limit=100)
                found.append(len(ids))

        assert counted == found
        assert found[:5] == [7, 4, 3, 0, 0]

    play(house, run, story)
