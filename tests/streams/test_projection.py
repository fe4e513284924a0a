"""A projection is what its events fold to, also in the middle of a decision."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from streams import projections
from streams.codec import StoredExecution
from streams.projections import Filters
from streams.work import NewChild, TaskSettlement, WorkflowSettlement
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


def test_what_moves_of_a_living_execution_stands_in_its_control_record_alone(
    house: House, run: Run
) -> None:
    """Its status, when it began, its newest attempt: the projection gets them at the end."""

    async def moving(id_: str) -> tuple[str | None, ...]:
        (found,) = await projections.get_executions(house.connection, [id_])
        assert isinstance(found, StoredExecution)
        kept = await house.connection.command("HKEYS", house.keys.projection(id_))
        has_ended = "co" in found.facts
        assert (b"st" in kept, b"sa" in kept, b"at" in kept) == (has_ended,) * 3
        return tuple(found.facts.get(name) for name in ("st", "sa", "at"))

    async def story() -> None:
        seat = await house.seat()
        await house.start("t", "task")
        assert await moving("t") == ("pending", None, None)
        house.clock.now_ms += 5
        began = str(house.clock.now_ms)

        turns: tuple[tuple[Literal["released", "attempt_failed", "completed"], str], ...] = (
            ("released", "1"),
            ("attempt_failed", "1"),
            ("completed", "2"),
        )
        for outcome, attempt in turns:
            (claim,) = (await seat.step(["default"], 1, [])).claims
            assert await moving("t") == ("running", began, attempt)
            assert await house.ids(status="running", as_recorded=True) == ["t"]
            assert await house.ids(status="pending") == []
            described = await projections.describe(house.connection)
            assert (described.executions["running"], described.executions["pending"]) == (1, 0)
            house.clock.now_ms += 5
            await seat.step([], 0, [TaskSettlement("t", claim.token, outcome, b"P")])
            status = outcome if outcome == "completed" else "pending"
            assert await moving("t") == (status, began, attempt)
            assert await house.ids(status="running") == []

    play(house, run, story)


def test_a_rebuild_makes_anew_what_moves_where_it_stands(house: House, run: Run) -> None:
    """Of what lives in its control record, and in the index of its status."""

    async def story() -> None:
        seat = await house.seat()
        await house.start("t", "task")
        await house.start("u", "task")
        (claim, _) = (await seat.step(["default"], 2, [])).claims
        (before,) = await projections.get_executions(house.connection, ["t"])
        assert isinstance(before, StoredExecution)
        await house.connection.command("DEL", house.keys.projection("t"))
        await house.connection.command("DEL", house.keys.projection("u"))
        record = await house.connection.command("GET", house.keys.control("t"))
        wrong = record.replace(b"running", b"pending")
        await house.connection.command("SET", house.keys.control("t"), wrong)

        for id_ in ("t", "u"):
            assert await projections.rebuild(house.connection, id_, 2, before.facts, b"")

        (after, other) = await projections.get_executions(house.connection, ["t", "u"])
        assert isinstance(after, StoredExecution)
        assert isinstance(other, StoredExecution)
        assert after.facts == before.facts == other.facts
        assert sorted(await house.ids(status="running")) == ["t", "u"]
        assert await house.ids(status="pending") == []
        for id_ in ("t", "u"):
            examined = await projections.examine(house.connection, id_)
            assert examined.statuses == {"pending"}
        await seat.step([], 0, [TaskSettlement("t", claim.token, "completed", b"P")])
        assert await house.status("t") == "completed"

    play(house, run, story)
