"""Schedules in the random histories of a store: changed, paused, deleted, fired and told to wait.

Each has one overlap policy for all its life, which is its id. After every step its next time is in
the due set or on its way, once; what it started and lives is known as that; what waits is awaited
by something; where others are not to run beside it nothing does; and it has counted its starts.
"""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from rhythm.engine.schedule import Timing, next_due, schedule_of
from rhythm.schedules import Overlap, Plan
from rhythm.services.firing import Firing, encode_plan, plan_of
from streams import outbox, schedules
from streams.codec import StoredEvent
from streams.errors import ScheduleChanged, UnknownSchedule
from streams.schedules import StoredSchedule
from tests.streams.house import House

TIMING = Timing(every_ms=600)
CATCH_UP_MS = 1_500

Found = list[tuple[str, list[StoredEvent], Any]]


class Scheduling(RuleBasedStateMachine):
    """Moves of a store machine, which has a house and what fires."""

    house: House
    firing: Firing

    def __init__(self) -> None:
        super().__init__()
        self.revisions = itertools.count(1)
        # Executions by id and cause: of each schedule that there is, and of deleted ones.
        self.fired: dict[str, set[tuple[str, str]]] = {}
        self.disowned: set[tuple[str, str]] = set()

    def do(self, coroutine: Any) -> Any:
        """Run it to its end, as the machine does that these moves are of."""
        raise NotImplementedError

    def schedule(self, id_: str) -> StoredSchedule | None:
        found = self.do(schedules.read(self.house.connection, [id_]))
        return found[0] if found else None

    @rule(overlap=st.sampled_from(Overlap), is_paused=st.sampled_from([False, False, True]))
    def put_schedule(self, overlap: Overlap, is_paused: bool) -> None:
        """A new one, or a change of one; the second time as if the first answer had been lost."""
        id_, before = overlap.value, self.schedule(overlap.value)
        after_ms = self.house.clock.now_ms
        if before is not None:
            after_ms = max(after_ms, before.last_due_ms or 0)
        next_ms = None if is_paused else next_due(TIMING, after_ms)
        plan = Plan("task", "greet", msgspec.Raw(msgspec.msgpack.encode({})), TIMING, "left",
                    overlap=overlap.value, catch_up_ms=CATCH_UP_MS)  # fmt: skip
        revision = f"v{next(self.revisions)}"

        def put(expected: str | None, revision: str) -> None:
            self.do(
                schedules.put(
                    self.house.connection,
                    id_,
                    expected=expected,
                    revision=revision,
                    is_paused=is_paused,
                    next_ms=next_ms,
                    after_ms=after_ms,
                    payload=encode_plan(plan),
                )
            )

        for _ in range(2):
            put(None if before is None else before.revision, revision)
        after = self.schedule(id_)
        assert after is not None
        with pytest.raises(ScheduleChanged):
            put("an older one", "another")
        assert self.schedule(id_) == after

        had_ms = before and before.next_ms
        if had_ms and had_ms <= after_ms and not is_paused:
            next_ms = had_ms  # It has come, and is not lost by the change.
        assert (after.revision, after.is_paused, after.next_ms) == (revision, is_paused, next_ms)
        assert after.incarnation == (before.incarnation if before else revision)
        self.fired.setdefault(id_, set())

    @precondition(lambda self: self.fired)
    @rule(data=st.data())
    def delete_schedule(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.fired)))
        self.do(schedules.delete(self.house.connection, id_))
        assert self.schedule(id_) is None
        with pytest.raises(UnknownSchedule):
            self.do(schedules.delete(self.house.connection, id_))
        self.disowned |= self.fired.pop(id_)

    @precondition(lambda self: self.fired)
    @rule(data=st.data(), later_ms=st.sampled_from([0, 600]))
    def ask_for_a_due_time(self, data: st.DataObject, later_ms: int) -> None:
        """Somebody triggers it, or fills in a time that was missed."""
        schedule = self.schedule(data.draw(st.sampled_from(sorted(self.fired))))
        assert schedule is not None
        plan, due_ms = plan_of(schedule), self.house.clock.now_ms + later_ms
        fired = self.do(self.firing.ask(schedule, plan, due_ms, plan.overlap))
        may = {"skip": {"SKIPPED"}, "queue": {"WAITING"}}.get(plan.overlap, set())
        assert fired in {"STARTED", "EXISTS"} | may

    async def check_schedules(self, everything: Found) -> None:
        connection, keys = self.house.connection, self.house.keys
        assert await schedules.names(connection) == sorted(self.fired)
        due = [member.decode() for member in await connection.command("ZRANGE", keys.due, 0, -1)]
        on_their_way = [
            (m.to, m.incarnation, m.cause, m.n)
            for m in await outbox.read(connection, keys)
            if m.kind == "fire"
        ]
        alive: dict[str, set[str]] = {id_: set() for id_ in self.fired}
        for id_, history, found in everything:
            known, born = schedule_of(id_), (id_, history[0].cause)
            if known in self.fired and born not in self.disowned:
                self.fired[known].add(born)
                if found.wake:
                    alive[known].add(id_)
        for one in await schedules.read(connection, sorted(self.fired)):
            times = [member for member in due if member.startswith(f"cron|{one.id}|")]
            here = (one.id, one.incarnation)
            told = on_their_way.count((*here, one.revision, one.next_ms or 0))
            if one.next_ms is None:
                assert (times, told) == ([], 0)
            else:
                expected = [f"cron|{one.id}|{one.next_ms}|{one.revision}"]
                assert (times, told) in ((expected, 0), ([], 1))
            running = await connection.command("ZRANGE", keys.running(one.id), 0, -1)
            assert {id_.decode() for id_ in running} == alive[one.id]
            assert one.counts["st"] == len(self.fired[one.id])
            waiting_told = [way for way in on_their_way if way[:3] == (*here, "waiting")]
            assert len(waiting_told) <= 1
            if one.waiting:
                assert one.id == "queue" and (running or waiting_told or one.is_paused)
            if one.id in ("skip", "queue"):
                assert len(running) <= 1
