"""The store's contract: every transition, on both servers."""

from __future__ import annotations

import pytest

from streams import definitions, projections
from streams.codec import StoredExecution, TaskClaim, WorkflowClaim
from streams.errors import (
    ExecutionAlreadyOver,
    ExecutionConflict,
    NotMigrated,
    UnknownExecution,
    WorkerLost,
)
from streams.projections import Filters
from streams.work import (
    Claim,
    NewChild,
    NewTimer,
    Refusal,
    Settlement,
    TaskSettlement,
    WorkerSeat,
    WorkflowSettlement,
)
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere


def test_starting_twice_is_one_start_and_another_content_a_conflict(house: House, run: Run) -> None:
    async def story() -> None:
        assert await house.start("a") is True
        assert await house.start("a", request="again") is False
        with pytest.raises(ExecutionConflict):
            await house.start("a", content="c1")

        assert await house.history("a") == ["created"]
        assert await house.ids() == ["a"]

    play(house, run, story)


def test_a_task_runs_and_completes(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("a", "task")
        seat = await house.seat()

        (claim,) = (await seat.step(["default"], 10, [])).claims
        assert isinstance(claim, TaskClaim)
        assert (claim.id, claim.attempt, claim.created) == ("a", 1, b"CREATED")
        assert await house.status("a") == "running"
        step = await seat.step(
            ["default"], 10, [TaskSettlement("a", claim.token, "completed", b"OUT")]
        )

        assert step.verdicts == ("OK",)
        assert step.claims == ()
        assert await house.history("a") == ["created", "started", "completed"]
        assert await house.ids(status="completed") == ["a"]
        assert await house.ids(status="running") == []

    play(house, run, story)


def test_a_repeated_settlement_is_told_that_it_was_done(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("a", "task")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        done = TaskSettlement("a", claim.token, "completed", b"OUT")

        assert (await seat.step([], 0, [done])).verdicts == ("OK",)
        assert (await seat.step([], 0, [done])).verdicts == ("DONE",)

        other = TaskSettlement("a", "w9.1", "failed", b"NO")
        assert (await seat.step([], 0, [other])).verdicts == ("STALE",)
        assert await house.history("a") == ["created", "started", "completed"]

    play(house, run, story)


def test_a_lost_answer_gives_the_same_claims_again(house: House, run: Run) -> None:
    async def story() -> None:
        for id_ in ("a", "b", "c"):
            await house.start(id_, "task")
        await house.start("f")
        seat = await house.seat()
        first = await seat.step(["default"], 10, [])

        seat._answered -= 1  # as if the answer had been lost and the call were sent once more
        second = await seat.step(["default"], 10, [])

        assert sorted(c.id for c in first.claims) == ["a", "b", "c", "f"]
        assert sorted(second.claims, key=lambda c: c.id) == sorted(first.claims, key=lambda c: c.id)
        assert await house.history("a") == ["created", "started"]

    play(house, run, story)


def test_a_workflow_fans_out_and_hears_of_its_children(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 10, [])).claims
        assert isinstance(claim, WorkflowClaim)
        assert [event.type for event in claim.events] == ["created"]
        assert await house.ids(status="running") == ["f"]

        children = tuple(NewChild(n, "task", "add", "default", "", b"T%d" % n) for n in (1, 2))
        step = await seat.step(
            ["default"],
            10,
            [WorkflowSettlement("f", claim.token, 1, decided=b"D", children=children)],
        )
        assert await house.status("f") == "suspended"
        assert [c.id for c in step.claims] == ["f/1", "f/2"]
        assert await house.ids(parent="f") == ["f/2", "f/1"]

        done = [TaskSettlement(c.id, c.token, "completed", b"OUT") for c in step.claims]
        (claim,) = (await seat.step(["default"], 10, done)).claims
        assert isinstance(claim, WorkflowClaim)
        assert claim.held_by == "w1"
        assert [(e.type, e.plain.get("n")) for e in claim.events] == [
            ("created", None),
            ("decided", None),
            ("child_completed", "1"),
            ("child_completed", "2"),
        ]
        await seat.step(
            [],
            0,
            [WorkflowSettlement("f", claim.token, 4, outcome="completed", payload=b"ALL")],
        )

        assert await house.history("f") == [
            "created",
            "decided",
            "child_completed",
            "child_completed",
            "completed",
        ]
        assert (await seat.step(["default"], 10, [])).claims == ()

    play(house, run, story)


def test_news_that_came_during_a_turn_gives_another_turn(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        await house.signal("f", "r1")

        step = await seat.step(
            ["default"], 1, [WorkflowSettlement("f", claim.token, 1, decided=b"D")]
        )

        (claim,) = step.claims
        assert isinstance(claim, WorkflowClaim)
        assert [(e.version, e.type) for e in claim.events] == [
            (1, "created"),
            (2, "signal_received"),
            (3, "decided"),
        ]
        step = await seat.step(["default"], 1, [WorkflowSettlement("f", claim.token, 3)])
        assert step.claims == ()
        assert await house.history("f") == ["created", "signal_received", "decided"]

    play(house, run, story)


def test_a_large_decision_is_committed_in_chunks_once_each(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims

        def chunk(number: int, last: bool) -> WorkflowSettlement:
            child = NewChild(number, "task", "add", "other", "", b"T")
            return WorkflowSettlement(
                "f", claim.token, 1, chunk=number, last=last, decided=b"D", children=(child,)
            )

        assert (await seat.step([], 0, [chunk(1, False)])).verdicts == ("OK",)
        assert (await seat.step([], 0, [chunk(1, False)])).verdicts == ("DONE",)
        assert (await seat.step(["default"], 1, [chunk(2, True)])).claims == ()

        assert await house.history("f") == ["created", "decided", "decided"]
        assert await house.ids(parent="f") == ["f/2", "f/1"]

    play(house, run, story)


def test_a_refused_child_is_answered_at_once(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims

        step = await seat.step(
            ["default"],
            1,
            [WorkflowSettlement("f", claim.token, 1, decided=b"D", refusals=(Refusal(1, b"NO"),))],
        )

        (claim,) = step.claims
        assert isinstance(claim, WorkflowClaim)
        assert [e.type for e in claim.events] == ["created", "decided", "child_failed"]

    play(house, run, story)


def test_a_timer_fires_when_due_and_not_when_stopped(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat(lease_ms=10**9)
        (claim,) = (await seat.step(["default"], 1, [])).claims
        soon = house.clock.now_ms + 5_000
        timers = (NewTimer(1, soon), NewTimer(2, soon))
        await seat.step(
            [], 0, [WorkflowSettlement("f", claim.token, 1, decided=b"D", timers=timers)]
        )
        keeper = house.timekeeper()

        tended = await keeper.tend()
        assert (tended.fired, tended.next_due_ms) == (0, soon)
        house.clock.now_ms = soon - 1
        await house.signal("f", "r")
        (claim,) = (await seat.step(["default"], 1, [])).claims
        await seat.step([], 0, [WorkflowSettlement("f", claim.token, 3, stopped=(2,))])
        house.clock.now_ms = soon
        assert (await keeper.tend()).fired == 1

        (claim,) = (await seat.step(["default"], 1, [])).claims
        assert isinstance(claim, WorkflowClaim)
        anchor, fired = claim.events
        assert anchor.version == claim.upto
        assert (fired.type, fired.plain["n"], fired.at_ms) == ("timer_fired", "1", soon)

    play(house, run, story)


def test_a_scheduled_start_waits_for_its_time(house: House, run: Run) -> None:
    async def story() -> None:
        due = house.clock.now_ms + 60_000
        await house.start("f", due_ms=due)
        seat = await house.seat(lease_ms=10**9)

        assert (await seat.step(["default"], 1, [])).claims == ()
        stored = (await projections.get_executions(house.connection, ["f"]))[0]
        assert isinstance(stored, StoredExecution) and stored.due_ms == due
        house.clock.now_ms = due
        await house.timekeeper().tend()

        assert [c.id for c in (await seat.step(["default"], 1, [])).claims] == ["f"]

    play(house, run, story)


async def a_lease_has_run_out(house: House) -> tuple[WorkerSeat, dict[str, Claim], WorkerSeat]:
    """A worker that held a task and a workflow too long, what it held by id, and another one."""
    await house.start("t", "task")
    await house.start("f")
    lost = await house.seat("w1")
    claims = {c.id: c for c in (await lost.step(["default"], 10, [])).claims}
    other = await house.seat("w2", lease_ms=10**9)
    house.clock.now_ms += 10_001
    return lost, claims, other


def test_what_a_lost_worker_held_goes_to_another(house: House, run: Run) -> None:
    async def story() -> None:
        lost, claims, other = await a_lease_has_run_out(house)

        tended = await house.timekeeper("w2").tend()

        assert tended.lost_workers == ("w1",)
        with pytest.raises(WorkerLost):
            await lost.step(["default"], 1, [])
        again = {c.id: c for c in (await other.step(["default"], 10, [])).claims}
        assert set(again) == {"t", "f"}
        assert isinstance(again["t"], TaskClaim) and again["t"].attempt == 2
        late = TaskSettlement("t", claims["t"].token, "completed", b"LATE")
        assert (await other.step([], 0, [late])).verdicts == ("STALE",)
        assert await house.history("t") == ["created", "started", "attempt_failed", "started"]

    play(house, run, story)


def test_a_task_that_loses_every_worker_fails(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("t", "task")
        for round_ in (1, 2):
            seat = await house.seat(f"w{round_}")
            await seat.step(["default"], 1, [])
            house.clock.now_ms += 10_001
            await house.timekeeper("keeper", max_lost=2).tend()

        assert await house.status("t") == "failed"
        assert (await house.history("t"))[-1] == "failed"

    play(house, run, story)


def test_a_released_task_keeps_its_attempt_number(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("t", "task")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims

        step = await seat.step(["default"], 1, [TaskSettlement("t", claim.token, "released", b"R")])

        (claim,) = step.claims
        assert isinstance(claim, TaskClaim) and claim.attempt == 1
        assert await house.history("t") == ["created", "started", "released", "started"]

    play(house, run, story)


def test_a_failed_attempt_is_handed_out_again_when_due(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("t", "task")
        seat = await house.seat(lease_ms=10**9)
        (claim,) = (await seat.step(["default"], 1, [])).claims
        due = house.clock.now_ms + 1_000
        await seat.step([], 0, [TaskSettlement("t", claim.token, "attempt_failed", b"E", due)])

        assert await house.status("t") == "pending"
        assert (await seat.step(["default"], 1, [])).claims == ()
        house.clock.now_ms = due
        await house.timekeeper().tend()

        (claim,) = (await seat.step(["default"], 1, [])).claims
        assert isinstance(claim, TaskClaim) and claim.attempt == 2

    play(house, run, story)


def test_signals_are_accepted_once_per_request(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        first = await house.signal("f", "r1")
        again = await house.signal("f", "r1")

        assert first == again == 2
        with pytest.raises(UnknownExecution):
            await house.signal("nobody", "r1")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        done = WorkflowSettlement("f", claim.token, 2, outcome="failed", payload=b"E")
        await seat.step([], 0, [done])
        with pytest.raises(ExecutionAlreadyOver, match="already failed"):
            await house.signal("f", "r2")

    play(house, run, story)


def test_only_one_worker_is_timekeeper_until_it_leaves(house: House, run: Run) -> None:
    async def story() -> None:
        first = await house.seat("w1")
        await house.seat("w2")

        assert (await house.timekeeper("w1").tend()).is_keeper
        other = await house.timekeeper("w2").tend()
        assert not other.is_keeper and other.until_ms == house.clock.now_ms + 10_000
        assert await first.leave()
        assert (await house.timekeeper("w2").tend()).is_keeper

    play(house, run, story)


def test_a_waiting_client_is_told_of_the_end(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("t", "task")
        seat = await house.seat()
        assert await projections.register_wait(house.connection, "t", "c1") is True
        (claim,) = (await seat.step(["default"], 1, [])).claims
        await seat.step([], 0, [TaskSettlement("t", claim.token, "completed", b"OUT")])

        reader = house.connection.reader()
        ended = await projections.next_ended(house.connection, house.keys, reader, "c1", 5)
        (told,) = ended.values()
        assert told is not None
        assert (list(ended), told.facts["st"], told.last.payload) == (["t"], "completed", b"OUT")
        assert await projections.register_wait(house.connection, "t", "c1") is False
        with pytest.raises(UnknownExecution):
            await projections.register_wait(house.connection, "nobody", "c1")

    play(house, run, story)


def test_who_starts_is_told_of_the_end_by_the_same_call(house: House, run: Run) -> None:
    """A failover between two calls would take what the first one began."""

    async def story() -> None:
        assert await house.start("t", "task", waiter="c1")
        assert not await house.start("t", "task", waiter="c1")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        await seat.step([], 0, [TaskSettlement("t", claim.token, "completed", b"OUT")])

        reader = house.connection.reader()
        ended = await projections.next_ended(house.connection, house.keys, reader, "c1", 5)
        assert list(ended) == ["t"]
        with pytest.raises(ExecutionAlreadyOver, match="'t' is already completed"):
            await house.start("t", "task", waiter="c1")
        assert not await house.start("t", "task")

    play(house, run, story)


def test_queries_page_through_more_than_one_call_sees(house: House, run: Run) -> None:
    async def story() -> None:
        for i in range(projections.QUERY_UNITS + 40):
            if i % 100 == 0:
                house.clock.now_ms += 1
            await house.start(f"e{i:04}", target="odd" if i % 2 else "even", queue=f"q{i % 3}")
        everyone = [f"e{i:04}" for i in reversed(range(projections.QUERY_UNITS + 40))]

        connection = house.connection
        assert await projections.query_executions(connection, Filters(), limit=1000) == everyone
        assert (
            await projections.query_executions(
                connection, Filters(target="odd", queue="q0"), limit=5, offset=2
            )
            == [id_ for id_ in everyone if int(id_[1:]) % 6 == 3][2:7]
        )
        assert await projections.count_executions(connection, Filters(target="even")) == 148
        assert (
            await projections.count_executions(
                connection, Filters(oldest_ms=house.clock.now_ms, newest_ms=house.clock.now_ms)
            )
            == 96
        )

    play(house, run, story)


def test_a_first_source_is_the_latest_until_another_is_deployed(house: House, run: Run) -> None:
    async def story() -> None:
        connection = house.connection

        async def register(digest: str, deploy: bool = False) -> tuple[bool, str | None]:
            return await definitions.register(
                connection, name="f", digest=digest, source=digest.encode(), deploy=deploy
            )

        assert await register("d1") == (True, None)
        assert await register("d2") == (True, "d1")
        assert await register("d1") == (False, "d2")
        assert await definitions.latest(connection, "f") == "d2"
        await register("d1", deploy=True)
        assert await definitions.latest(connection, "f") == "d1"
        assert await definitions.source(connection, "f", "d2") == b"d2"
        assert await definitions.names(connection) == ["f"]

    play(house, run, story)


def test_an_empty_namespace_says_how_to_set_it_up(house: House, run: Run) -> None:
    async def story() -> None:
        with pytest.raises(NotMigrated, match="rhythm migrate"):
            await definitions.check(house.connection)
        assert await definitions.migrate(house.connection) is True
        assert await definitions.migrate(house.connection) is False

    play(house, run, story)


def test_a_repeated_turn_and_a_repeated_failed_attempt_are_told_that_they_were_done(
    house: House, run: Run
) -> None:
    async def story() -> None:
        await house.start("f")
        await house.start("t", "task")
        seat = await house.seat()
        claims = {c.id: c for c in (await seat.step(["default"], 2, [])).claims}
        due = house.clock.now_ms + 1_000
        settlements: list[Settlement] = [
            WorkflowSettlement("f", claims["f"].token, 1, decided=b"D"),
            TaskSettlement("t", claims["t"].token, "attempt_failed", b"E", due),
        ]

        assert (await seat.step([], 0, settlements)).verdicts == ("OK", "OK")
        assert (await seat.step([], 0, settlements)).verdicts == ("DONE", "DONE")

        assert await house.history("f") == ["created", "decided"]
        assert await house.history("t") == ["created", "started", "attempt_failed"]

    play(house, run, story)


def test_a_lost_workers_token_is_dead_before_anyone_claims_again(house: House, run: Run) -> None:
    async def story() -> None:
        _, claims, other = await a_lease_has_run_out(house)
        await house.timekeeper("w2").tend()

        late: list[Settlement] = [
            TaskSettlement("t", claims["t"].token, "completed", b"LATE"),
            WorkflowSettlement("f", claims["f"].token, 1, decided=b"LATE"),
        ]

        assert (await other.step([], 0, late)).verdicts == ("STALE", "STALE")
        assert await house.history("f") == ["created"]

    play(house, run, story)


def test_the_end_of_a_workflow_ends_its_timers(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat(lease_ms=10**9)
        (claim,) = (await seat.step(["default"], 1, [])).claims
        timers = (NewTimer(1, house.clock.now_ms + 5), NewTimer(2, house.clock.now_ms + 9))
        await seat.step(
            [],
            0,
            [
                WorkflowSettlement(
                    "f", claim.token, 1, timers=timers, outcome="completed", payload=b"E"
                )
            ],
        )

        described = await projections.describe(house.connection)

        assert described.due == 1  # the worker's lease
        assert described.first_due_ms == house.clock.now_ms + 10**9

    play(house, run, story)


def test_what_waits_tells_since_when(house: House, run: Run) -> None:
    """From its start, from when it became due, or from when it is to be tried again."""

    async def story() -> None:
        began = house.clock.now_ms
        await house.start("later", "task", due_ms=began + 300, payload=b"x" * 1000)
        await house.start("now", "task")
        house.clock.now_ms += 500
        keeper = house.timekeeper()
        await keeper.tend()
        waiting = await projections.describe(house.connection)

        seat = await house.seat()
        now, later = (await seat.step(["default"], 2, [])).claims
        nothing = await projections.describe(house.connection)
        again = TaskSettlement("now", now.token, "attempt_failed", b"E", began + 900)
        await seat.step([], 0, [again])
        house.clock.now_ms += 1_000
        await keeper.tend()
        (retried,) = (await seat.step(["default"], 1, [])).claims

        assert waiting.oldest_ms == {"default": began}
        assert nothing.oldest_ms == {}
        assert isinstance(now, TaskClaim)
        assert isinstance(later, TaskClaim)
        assert isinstance(retried, TaskClaim)
        assert (now.ready_ms, later.ready_ms) == (began, began + 300)
        assert (retried.attempt, retried.ready_ms) == (2, began + 900)

    play(house, run, story)


def test_who_leaves_work_behind_rings_for_the_next(house: House, run: Run) -> None:
    async def story() -> None:
        seat = await house.seat()
        reader = house.connection.reader()
        for id_ in ("a", "b"):
            await house.start(id_, "task")
        while await seat.wait(reader, ["default"], 0.01):
            pass

        assert len((await seat.step(["default"], 1, [])).claims) == 1
        assert await seat.wait(reader, ["default"], 5)
        assert len((await seat.step(["default"], 1, [])).claims) == 1
        assert not await seat.wait(reader, ["default"], 0.01)

    play(house, run, story)
