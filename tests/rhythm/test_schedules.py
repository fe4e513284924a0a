"""Schedules: every due time is had once, whoever fails, and as its policies say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rhythm import (
    InvalidRequest,
    Overlap,
    Rhythm,
    Schedule,
    ScheduleExists,
    ScheduleNotFound,
    Worker,
    WorkflowNotRegistered,
)
from rhythm.builder import prepare
from rhythm.models import from_unix_ms, unix_ms
from rhythm.schedules import ScheduleDefinition
from rhythm.services.firing import Firing
from rhythm.services.workflows import compile_all
from rhythm.settings import Settings
from rhythm.tasks import TaskRegistry
from rhythm.worker import delivery
from streams import due, outbox
from streams.connection import Connection
from tests.streams.house import ENDINGS

Run = Callable[[Coroutine[Any, Any, None]], None]

STARTS_AT = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
FLOWS = {
    "report": "return Context.scheduledAt",
    "other": "return 1",
    "picky": "```\ninputs: { type: object, required: [day] }\n```\nreturn Inputs.day",
}
MINUTE: ScheduleDefinition = {"id": "minutely", "target_name": "report", "cron": "* * * * *"}


class Stage:
    """An application on a clock that the test moves; time is tended when the test says so."""

    def __init__(self, url: str, namespace: str) -> None:
        self.now_ms = unix_ms(STARTS_AT)
        self.connection = Connection(url, namespace, clock=lambda: self.now_ms)
        self.app = Rhythm(Settings(database_url=url, namespace=namespace), self.connection)
        self.service = self.app.scheduler_service
        self.keys = self.connection.keys.partitions[0]
        self.firing = Firing(self.connection, self.app.surroundings, self.app.execution_service)

    def at(self, hour: int, minute: int = 0, second: int = 0, *, day: int = 1) -> datetime:
        return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)

    async def tend(self, name: str = "w1") -> due.Tended:
        """One turn of a timekeeper, without delivering."""
        keeper = due.Timekeeper(
            self.connection, self.keys, name, term_ms=10_000, max_lost=5, endings=ENDINGS
        )
        return await keeper.tend()

    async def deliver(self) -> None:
        await delivery.deliver_all(self.connection, self.keys, self.firing)

    async def until(self, moment: datetime) -> None:
        """Let time pass, tended at every due time, as a timekeeper does."""
        while True:
            tended = await self.tend()
            await self.deliver()
            if not tended.fired:
                if not 0 < tended.next_due_ms <= unix_ms(moment):
                    break
                self.now_ms = max(self.now_ms, tended.next_due_ms)
        self.now_ms = unix_ms(moment)

    async def comes_back(self, moment: datetime) -> None:
        """Nobody tends until then."""
        self.now_ms = unix_ms(moment)
        await self.until(moment)

    async def fired(self, schedule_id: str = "minutely") -> list[datetime]:
        """The due times for which there are executions, in order."""
        found = await self.app.execution_service.query_executions(
            {"schedule": schedule_id, "limit": 1000}
        )
        return sorted(from_unix_ms(int(one.id.rpartition("!")[2])) for one in found)

    async def end(self, moment: datetime, schedule_id: str = "minutely") -> None:
        await self.app.execution_service.terminate_execution(f"{schedule_id}!{unix_ms(moment)}")

    async def shown(self, schedule_id: str = "minutely") -> Schedule:
        found = await self.service.get_schedule(schedule_id)
        assert found is not None
        return found

    async def verified(self) -> None:
        async for execution_id, findings in self.app.verification_service.verify_all():
            assert not findings, (execution_id, findings)


@asynccontextmanager
async def on_stage(url: str, namespace: str) -> AsyncIterator[Stage]:
    stage = Stage(url, namespace)
    try:
        await prepare(stage.connection, migrate=True, partitions=1)
        programs = compile_all([(name, text, f"{name}.flow") for name, text in FLOWS.items()])
        await stage.app.workflow_service.register(programs)
        yield stage
        await stage.verified()
    finally:
        await stage.app.close()


def test_each_due_time_starts_one_execution(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            made = await stage.service.create_schedule(MINUTE)
            await stage.until(stage.at(12, 3, 30))

            times = [stage.at(12, minute) for minute in (1, 2, 3)]
            assert made.next_times[:3] == times
            assert await stage.fired() == [times[0]]  # the others were skipped, since it runs
            await stage.end(times[0])
            await stage.until(stage.at(12, 5, 30))
            assert await stage.fired() == [times[0], stage.at(12, 4)]
            shown = await stage.shown()
            assert (shown.started, shown.skipped, shown.missed, shown.failed) == (2, 3, 0, 0)
            assert shown.running == [shown.last_execution_id]
            assert shown.last_due_at == stage.at(12, 5)
            assert shown.next_times[0] == stage.at(12, 6)

    run(story())


def test_workers_run_what_a_schedule_starts(database_url: str, namespace: str, run: Run) -> None:
    """In real time: the script is told the due time, on the server's clock."""

    async def story() -> None:
        connection = Connection(database_url, namespace)
        await prepare(connection, migrate=True)
        settings = Settings(database_url=database_url, namespace=namespace)
        async with Rhythm(settings, connection) as app:
            await app.workflow_service.register(
                compile_all([("report", FLOWS["report"], "report.flow")])
            )
            async with Worker(app, registry=TaskRegistry()), Worker(app, registry=TaskRegistry()):
                await app.scheduler_service.create_schedule(
                    id="often", target_name="report", every="1s", overlap="allow"
                )
                found: list[Any] = []
                while len(found) < 2:
                    found = await app.execution_service.query_executions({"schedule": "often"})
                    await asyncio.sleep(0.02)
                for one in found:
                    ended = await app.execution_service.wait_for_execution(one.id, timeout=30)
                    due_ms = int(one.id.partition("!")[2])
                    assert ended.result() == f"{from_unix_ms(due_ms):%Y-%m-%dT%H:%M:%S}.000Z"
                assert len({one.id for one in found}) == len(found)

    run(story())


def test_a_due_time_is_had_once_whoever_is_lost(
    database_url: str, namespace: str, run: Run
) -> None:
    """The timekeeper is lost between noticing and starting, another one delivers; twice at once."""

    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule(
                MINUTE,
            )
            stage.now_ms = unix_ms(stage.at(12, 1))
            assert (await stage.tend("w1")).is_keeper
            assert await stage.fired() == []
            stage.now_ms = unix_ms(stage.at(12, 1, 20))  # w1's term is over
            assert (await stage.tend("w2")).is_keeper
            await asyncio.gather(stage.deliver(), stage.deliver())
            await stage.deliver()
            assert await stage.fired() == [stage.at(12, 1)]
            assert (await stage.shown()).next_times[0] == stage.at(12, 2)

    run(story())


def test_a_message_that_comes_back_starts_nothing(
    database_url: str, namespace: str, run: Run
) -> None:
    """As after a failover: it was delivered, and what removed it was lost."""

    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule(MINUTE)
            stage.now_ms = unix_ms(stage.at(12, 1))
            await stage.tend()
            [message] = await outbox.read(stage.connection, stage.keys)
            await stage.deliver()
            await stage.end(stage.at(12, 1))
            await stage.until(stage.at(12, 3))
            await stage.end(stage.at(12, 2))
            command = stage.connection.command
            fields = {"k": "fire", "f": "minutely", "i": message.incarnation, "to": "minutely"}
            fields |= {"n": str(message.n), "c": message.cause, "a": message.plain["a"], "d": ""}
            words = [word for pair in fields.items() for word in pair]
            await command("XADD", stage.keys.outbox, "99-0", *words)
            await stage.deliver()
            assert await outbox.read(stage.connection, stage.keys) == []
            shown = await stage.shown()
            assert (shown.started, shown.next_times[0]) == (2, stage.at(12, 4))
            armed = await command("ZRANGE", stage.keys.due, 0, -1)
            assert [member.partition(b"|")[0] for member in armed].count(b"cron") == 1

    run(story())


def test_what_is_due_waits_for_those_before_it(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "queue"})
            await stage.until(stage.at(12, 3, 30))
            shown = await stage.shown()
            assert (await stage.fired(), shown.waiting) == ([stage.at(12, 1)], 2)
            for minute in (1, 2):
                await stage.end(stage.at(12, minute))
                await stage.deliver()
            assert await stage.fired() == [stage.at(12, minute) for minute in (1, 2, 3)]
            shown = await stage.shown()
            assert (shown.waiting, shown.started, shown.skipped) == (0, 3, 0)

    run(story())


def test_paused_what_waits_goes_on_waiting(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "queue"})
            await stage.until(stage.at(12, 2, 30))
            await stage.service.pause_schedule("minutely")
            await stage.end(stage.at(12, 1))
            await stage.deliver()
            assert await stage.fired() == [stage.at(12, 1)]
            await stage.service.resume_schedule("minutely")
            await stage.deliver()
            assert await stage.fired() == [stage.at(12, 1), stage.at(12, 2)]

    run(story())


def test_while_one_that_waited_is_on_its_way_the_next_stays(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "queue"})
            await stage.until(stage.at(12, 3, 30))
            await stage.end(stage.at(12, 1))
            await stage.service.change_schedule("minutely", note="changed")
            assert (await stage.shown()).waiting == 1
            await stage.deliver()
            await stage.end(stage.at(12, 2))
            await stage.service.trigger_schedule("minutely", overlap="queue")
            await stage.deliver()
            assert await stage.fired() == [stage.at(12, minute) for minute in (1, 2, 3)]
            shown = await stage.shown()
            assert (shown.waiting, shown.started) == (1, 3)

    run(story())


def test_the_next_cancels_the_one_before(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule(
                {**MINUTE, "target_name": "no_such_task", "exec_type": "task", "overlap": "cancel"}
            )
            await stage.until(stage.at(12, 2, 30))
            first = await stage.app.execution_service.get_execution(
                f"minutely!{unix_ms(stage.at(12, 1))}"
            )
            assert first is not None
            assert (first.status, first.output) == (
                "cancelled",
                {
                    "reason": "schedule 'minutely' starts "
                    f"'minutely!{unix_ms(stage.at(12, 2))}' instead"
                },
            )
            assert (await stage.shown()).running == [f"minutely!{unix_ms(stage.at(12, 2))}"]

    run(story())


def test_what_came_when_nobody_worked_is_caught_up(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "allow", "catch_up": "3m"})
            await stage.comes_back(stage.at(12, 10, 30))
            assert await stage.fired() == [stage.at(12, minute) for minute in (8, 9, 10)]
            shown = await stage.shown()
            assert (shown.started, shown.missed) == (3, 7)
            assert shown.next_times[0] == stage.at(12, 11)

    run(story())


def test_a_long_absence_is_counted_as_far_as_that_is_cheap(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule(
                id="minutely", target_name="report", every=1, catch_up=0
            )
            await stage.comes_back(stage.at(12, 0, 30, day=20))
            assert await stage.fired() == [stage.at(12, 0, 30, day=20)]
            assert (await stage.shown()).missed == 1000

    run(story())


def test_paused_no_time_comes(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "allow"})
            await stage.until(stage.at(12, 1, 30))
            paused = await stage.service.pause_schedule("minutely", "the source is down")
            assert (paused.paused, paused.note, paused.next_times) == (
                True,
                "the source is down",
                [],
            )
            await stage.until(stage.at(12, 9, 30))
            resumed = await stage.service.resume_schedule("minutely")
            assert (resumed.note, resumed.next_times[0]) == ("the source is down", stage.at(12, 10))
            await stage.until(stage.at(12, 10, 30))
            assert await stage.fired() == [stage.at(12, 1), stage.at(12, 10)]

    run(story())


def test_a_change_counts_from_now_on(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "allow"})
            await stage.until(stage.at(12, 1, 30))
            changed = await stage.service.change_schedule(
                "minutely", every=timedelta(minutes=10), offset="5m"
            )
            assert (changed.cron, changed.every) == (None, timedelta(minutes=10))
            assert changed.next_times[:2] == [stage.at(12, 5), stage.at(12, 15)]
            await stage.until(stage.at(12, 20))
            assert await stage.fired() == [stage.at(12, minute) for minute in (1, 5, 15)]

    run(story())


def test_a_time_that_has_just_come_is_not_lost_by_a_change(
    database_url: str, namespace: str, run: Run
) -> None:
    """Noticed, and not yet started, when the change comes."""

    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "allow"})
            stage.now_ms = unix_ms(stage.at(12, 1))
            await stage.tend()
            await stage.service.change_schedule("minutely", note="changed", cron="0 * * * *")
            await stage.deliver()
            assert await stage.fired() == [stage.at(12, 1)]
            await stage.until(stage.at(12, 59))
            assert await stage.fired() == [stage.at(12, 1)]
            assert (await stage.shown()).next_times[0] == stage.at(13)

    run(story())


def test_a_clock_set_back_amid_a_change_loses_no_time(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "allow"})
            ask = stage.connection.server_ms

            async def set_back_afterwards() -> int:
                stage.now_ms += 150_000
                told = await ask()
                stage.now_ms -= 150_000
                return told

            monkeypatch.setattr(stage.connection, "server_ms", set_back_afterwards)
            await stage.service.change_schedule("minutely", note="changed")
            await stage.until(stage.at(12, 3, 30))
            assert await stage.fired() == [stage.at(12, minute) for minute in (1, 2, 3)]

    run(story())


def test_after_a_clock_was_set_back_a_change_has_no_time_again(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "allow"})
            await stage.until(stage.at(12, 5))
            stage.now_ms = unix_ms(stage.at(12, 2, 30))
            changed = await stage.service.change_schedule("minutely", every="1m")
            assert changed.next_times[0] == stage.at(12, 6)

    run(story())


def test_changes_at_once_are_all_made(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule(MINUTE)
            await asyncio.gather(
                stage.service.change_schedule("minutely", jitter="5s"),
                stage.service.change_schedule("minutely", queue="reports"),
                stage.service.pause_schedule("minutely"),
                stage.service.change_schedule("minutely", overlap=Overlap.QUEUE),
            )
            shown = await stage.shown()
            assert (shown.jitter, shown.queue) == (timedelta(seconds=5), "reports")
            assert (shown.paused, shown.overlap) == (True, "queue")

    run(story())


def test_jitter_starts_later_and_always_alike(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "allow", "jitter": "30s"})
            await stage.until(stage.at(12, 6))
            history = await stage.app.history_service.events((await stage.shown()).running[0])
            run_at_ms = history[0].data["run_at_ms"]
            assert 0 <= run_at_ms - unix_ms(stage.at(12, 6)) <= 30_000
            assert run_at_ms == unix_ms(stage.at(12, 6)) + 6_756

    run(story())


def test_triggered_it_starts_now(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "paused": True})
            first = await stage.service.trigger_schedule("minutely")
            assert first == f"minutely!{stage.now_ms}"
            assert await stage.service.trigger_schedule("minutely") is None  # one runs: skip
            second = await stage.service.trigger_schedule("minutely", overlap="allow")
            assert second == f"minutely!{stage.now_ms + 1}"
            assert (await stage.shown()).running == [second, first]

    run(story())


def test_a_past_range_is_had_once(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "paused": True})
            progress: list[tuple[int, int]] = []
            day = (stage.at(10), stage.at(10, 3))
            done = await stage.service.backfill_schedule(
                "minutely", *day, on_progress=lambda done, all_: progress.append((done, all_))
            )
            again = await stage.service.backfill_schedule("minutely", *day)
            assert (done.started, again.started, again.existing) == (3, 0, 3)
            assert progress == [(1, 3), (2, 3), (3, 3)]
            assert await stage.fired() == [stage.at(10, minute) for minute in (0, 1, 2)]
            with pytest.raises(InvalidRequest, match="future"):
                await stage.service.backfill_schedule("minutely", stage.at(10), stage.at(13))
            with pytest.raises(InvalidRequest, match="in parts"):
                await stage.service.backfill_schedule("minutely", "2026-01-01", "2026-03-01")

    run(story())


def test_an_interval_of_millennia_can_be_listed(
    database_url: str, namespace: str, run: Run
) -> None:
    """Python's calendar ends before its fourth time: it stood in the way of the whole list."""

    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            rare: Any = {**MINUTE, "cron": None, "every": "1000000d"}
            made = await stage.service.create_schedule(rare)
            assert [f"{at:%Y-%m-%d}" for at in made.next_times] == ["4707-11-29", "7445-10-25"]
            assert await stage.service.list_schedules() == [made]

    run(story())


def test_a_range_that_cannot_be_is_refused(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule(MINUTE)
            with pytest.raises(InvalidRequest, match="start: must not lie before 1970"):
                await stage.service.backfill_schedule("minutely", "1969-12-31", "1970-01-02")
            with pytest.raises(InvalidRequest, match="start: must not lie before 1970"):
                await stage.service.backfill_schedule("minutely", "0001-01-01", "1970-01-02")
            with pytest.raises(InvalidRequest, match="end: must not lie before start"):
                await stage.service.backfill_schedule("minutely", "2020-01-02", "2020-01-01")
            assert await stage.service.next_times("minutely", 3, datetime.max) == []

    run(story())


def test_what_cannot_be_started_is_told_and_does_not_end_the_schedule(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule(
                {**MINUTE, "target_name": "picky", "inputs": {"day": 1}}
            )
            stricter = FLOWS["picky"].replace("[day]", "[week]")
            programs = compile_all([("picky", stricter, "picky.flow")])
            await stage.app.workflow_service.register(programs, deploy=True)
            await stage.until(stage.at(12, 1, 30))
            shown = await stage.shown()
            assert shown.failed == 1
            assert shown.trouble is not None and "week" in shown.trouble
            assert any("minutely" in warning for warning in (await _diagnosis(stage)))
            programs = compile_all([("picky", FLOWS["picky"], "picky.flow")])
            await stage.app.workflow_service.register(programs, deploy=True)
            await stage.until(stage.at(12, 2, 30))
            assert await stage.fired() == [stage.at(12, 2)]
            assert (await stage.shown()).trouble is None

    async def _diagnosis(stage: Stage) -> list[str]:
        return (await stage.app.diagnose()).warnings

    run(story())


def test_a_deleted_schedule_starts_nothing_more(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            await stage.service.create_schedule({**MINUTE, "overlap": "queue"})
            await stage.until(stage.at(12, 2, 30))
            stage.now_ms = unix_ms(stage.at(12, 3))
            await stage.tend()
            await stage.service.delete_schedule("minutely")
            await stage.deliver()
            await stage.end(stage.at(12, 1))
            await stage.until(stage.at(12, 9))
            assert await stage.fired() == [stage.at(12, 1)]
            assert await stage.service.list_schedules() == []
            assert await stage.service.get_schedule("minutely") is None
            with pytest.raises(ScheduleNotFound):
                await stage.service.delete_schedule("minutely")

    run(story())


def test_what_it_starts_has_its_priority_key_and_attributes(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            executions = stage.app.execution_service
            own: Any = {"priority": 8, "key": 7, "attributes": {"team": "tea", "tries": 2}}
            made = await stage.service.create_schedule({**MINUTE, **own, "overlap": "allow"})
            assert (made.priority, made.key, made.attributes) == (8, "7", own["attributes"])
            await stage.until(stage.at(12, 1))
            (first,) = await executions.query_executions({"attributes": {"team": "tea"}})
            assert (first.priority, first.key, first.attributes) == (8, "7", own["attributes"])

            await stage.service.change_schedule("minutely", key=None, attributes={"team": "oats"})
            triggered = await stage.service.trigger_schedule("minutely")
            assert triggered is not None
            second = await executions.get_execution(triggered)
            assert second is not None and second.attributes == {"team": "oats"}
            assert (second.priority, second.key) == (8, None)
            with pytest.raises(ScheduleExists) as caught:
                await stage.service.create_schedule({**MINUTE, **own, "overlap": "allow"})
            assert caught.value.differs == ("key", "attributes")
            await stage.verified()

    run(story())


def test_created_twice_alike_it_is_one(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            made = await asyncio.gather(*(stage.service.create_schedule(MINUTE) for _ in range(3)))
            assert made[0] == made[1] == made[2]
            with pytest.raises(ScheduleExists) as caught:
                await stage.service.create_schedule({**MINUTE, "jitter": 5})
            assert caught.value.differs == ("jitter",)
            assert [one.id for one in await stage.service.list_schedules()] == ["minutely"]

    run(story())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cron": None}, "cron: or every is missing"),
        ({"every": 5}, "both given"),
        ({"cron": "61 * * * *"}, "cron: .* is no cron expression"),
        ({"cron": "* * *"}, "5 fields"),
        ({"cron": "0 0 30 2 *"}, "cron:"),
        ({"cron": 5}, "cron: must be text"),
        ({"cron": None, "every": 0.5}, "every: must be a second"),
        ({"cron": None, "every": "soon"}, "every: give seconds"),
        ({"cron": None, "every": 5, "offset": 5}, "offset: goes with every"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone: there is no"),
        ({"time_zone": "/etc/passwd"}, "time_zone: there is no"),
        ({"time_zone": "localtime"}, "time_zone: there is no"),
        ({"time_zone": "right/UTC"}, "time_zone: there is no"),
        ({"overlap": "both"}, "overlap: 'both' is none of"),
        ({"jitter": -1}, "jitter: give seconds"),
        ({"paused": 1}, "paused: must be True or False"),
        ({"note": 5}, "note: must be text"),
        ({"id": "a!b"}, "id: "),
        ({"when": 5}, "no parameter 'when'"),
        ({"target_name": None}, "target_name: must be text"),
        ({"priority": 10}, "priority: must be a whole number from 0 to 9"),
        ({"key": ""}, "key: has 0 characters"),
        ({"attributes": {"a b": 1}}, "attributes"),
    ],
    ids=str,
)
def test_what_can_be_no_schedule_is_refused(
    database_url: str, namespace: str, run: Run, changes: Mapping[str, Any], complaint: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            given: Any = {**MINUTE, **changes}
            with pytest.raises(InvalidRequest, match=complaint):
                await stage.service.create_schedule(given)
            assert await stage.service.list_schedules() == []

    run(story())


def test_a_schedule_of_nothing_is_refused(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace) as stage:
            with pytest.raises(WorkflowNotRegistered):
                await stage.service.create_schedule({**MINUTE, "target_name": "reprot"})
            await stage.service.create_schedule(MINUTE)
            with pytest.raises(WorkflowNotRegistered):
                await stage.service.change_schedule("minutely", target_name="reprot")
            with pytest.raises(ScheduleNotFound, match="did you mean 'minutely'"):
                await stage.service.change_schedule("minutly", note="x")

    run(story())
