"""Migrating and forking in the store: what was looked at must still be so when it is done."""

from __future__ import annotations

import pytest

from streams import events, projections, transitions
from streams.codec import StoredEvent, StoredExecution, WorkflowClaim
from streams.errors import BackendUnavailable
from streams.transitions import Fork
from streams.work import Bounds, WorkflowSettlement
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere


async def migrate(house: House, version: int, request: str = "m1") -> bool:
    return await transitions.migrate_execution(
        house.connection,
        execution_id="f",
        request=request,
        version=version,
        definition="d2",
        payload=b"M",
    )


async def at_rest(house: House) -> None:
    """A workflow that waits, with a snapshot, which its worker left behind."""
    await house.start("f")
    seat = await house.seat()
    (claim,) = (await seat.step(["default"], 1, [])).claims
    assert isinstance(claim, WorkflowClaim)
    settled = WorkflowSettlement(
        "f", claim.token, 1, decided=b"D", identity=claim.events[0].identity, snapshot=b"MACHINE"
    )
    await seat.step([], 0, [settled])
    assert await seat.leave()


def test_a_migration_wakes_the_workflow_without_its_snapshot(house: House, run: Run) -> None:
    async def story() -> None:
        await at_rest(house)

        assert await migrate(house, version=2)

        (claim,) = (await (await house.seat("w2")).step(["default"], 1, [])).claims
        assert isinstance(claim, WorkflowClaim)
        assert [event.type for event in claim.events] == ["created", "decided", "migrated"]
        assert claim.snapshot is None
        kept = house.keys.snapshot("f")
        assert await house.connection.command("EXISTS", kept) == 0

    play(house, run, story)


def test_a_migration_that_is_asked_for_again_is_done_once(house: House, run: Run) -> None:
    async def story() -> None:
        await at_rest(house)
        assert await migrate(house, version=2)

        assert await migrate(house, version=2)
        assert await house.history("f") == ["created", "decided", "migrated"]

    play(house, run, story)


def test_a_migration_is_known_again_when_more_has_happened_since(house: House, run: Run) -> None:
    """Whoever lost the answer asks again, also when the workflow has gone on or has ended."""

    async def story() -> None:
        await at_rest(house)
        assert await migrate(house, version=2)
        await house.signal("f", "s1")

        assert await migrate(house, version=2)
        await house.terminate("f")
        assert await migrate(house, version=2)
        assert (await house.history("f")).count("migrated") == 1

    play(house, run, story)


def test_what_waits_for_the_worker_that_holds_the_old_machine_is_for_anybody_then(
    house: House, run: Run
) -> None:
    async def story() -> None:
        first, second = await house.seat("w1"), await house.seat("w2")
        await house.start("f")
        (claim,) = (await first.step(["default"], 1, [])).claims
        await first.step([], 0, [WorkflowSettlement("f", claim.token, 1, decided=b"D")])
        await house.signal("f", "s1")

        assert await migrate(house, version=3)

        claims = (await second.step(["default"], 1, [])).claims
        assert [claim.id for claim in claims] == ["f"]
        assert (await first.step(["default"], 1, [])).claims == ()

    play(house, run, story)


def test_a_migration_that_has_not_seen_all_events_changes_nothing(house: House, run: Run) -> None:
    async def story() -> None:
        await at_rest(house)
        await house.signal("f", "s1")

        assert not await migrate(house, version=2)
        assert "migrated" not in await house.history("f")

    play(house, run, story)


def test_a_workflow_that_is_at_work_is_not_migrated(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        await seat.step(["default"], 1, [])

        assert not await migrate(house, version=1)
        assert await house.history("f") == ["created"]

    play(house, run, story)


def fork_of(history: list[StoredEvent]) -> Fork:
    return Fork(
        "g", None, 0, "", history, len(history), "greet", "default", "d1", Bounds(), b"STATE"
    )


async def events_of_a_fork(house: House) -> list[StoredEvent]:
    await house.start("f")
    (first,) = [event async for event in events.read(house.connection, "f")]
    return [first, StoredEvent(2, "forked", 0, "k1", b"F", {})]


def test_a_fork_shows_the_state_that_it_begins_with(house: House, run: Run) -> None:
    async def story() -> None:
        fork = fork_of(await events_of_a_fork(house))

        assert await transitions.fork_execution(house.connection, [fork], request="r", content="c")

        (found,) = await projections.get_executions(house.connection, ["g"])
        assert isinstance(found, StoredExecution) and found.state == b"STATE"
        assert await house.history("g") == ["created", "forked"]

    play(house, run, story)


def test_a_fork_whose_events_were_lost_on_the_way_is_not_made(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a failover between gathering them and making it."""
    stage = transitions._stage

    async def stage_and_lose(connection: object, fork: Fork) -> None:
        await stage(house.connection, fork)
        await house.connection.command("XDEL", house.keys.staged(fork.id), "2-0")

    monkeypatch.setattr(transitions, "_stage", stage_and_lose)

    async def story() -> None:
        fork = fork_of(await events_of_a_fork(house))

        with pytest.raises(BackendUnavailable, match="fork again"):
            await transitions.fork_execution(house.connection, [fork], request="r", content="c")
        assert await house.history("g") == []

    play(house, run, story)
