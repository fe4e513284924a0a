"""Start executions at a given time, or again and again by a schedule."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Unpack, overload

import msgspec

from rhythm.engine import schedule as timing_of
from rhythm.errors import InvalidRequest, ScheduleExists, ScheduleNotFound
from rhythm.models import (
    ExecutionType,
    ScheduleParameters,
    from_unix_ms,
    parse_schedule,
    unix_ms,
    utc,
)
from rhythm.schedules import (
    Overlap,
    Plan,
    Schedule,
    ScheduleChanges,
    ScheduleDefinition,
    check_overlap,
    check_schedule_id,
    differences,
    parse_changes,
    parse_definition,
)
from rhythm.services.executions import ExecutionService
from rhythm.services.firing import Firing, encode_plan, plan_of
from rhythm.services.translation import translated
from rhythm.settings import Settings
from rhythm.surroundings import Surroundings
from streams import schedules
from streams.connection import Connection
from streams.errors import ScheduleChanged
from streams.schedules import StoredSchedule

NEXT_TIMES = 5
"""How many of the next due times a schedule shows: enough to see whether it is what was meant."""

MOST_BACKFILLED = 10_000
"""Due times of one backfill: more is a slip in the range, or to be done in parts."""


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the due times of a range."""

    started: int
    """Executions that it started."""
    waiting: int
    """Due times that wait for the end of others."""
    skipped: int
    """Due times that were passed over because others ran."""
    existing: int
    """Due times whose executions there were already."""


class SchedulerService:
    """`app.scheduler_service`."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        surroundings: Surroundings,
        executions: ExecutionService,
    ) -> None:
        self._connection, self._settings, self._surroundings = connection, settings, surroundings
        self._executions = executions
        self._firing = Firing(connection, surroundings, executions)

    @overload
    async def schedule_execution(self, parameters: ScheduleParameters, /) -> str: ...

    @overload
    async def schedule_execution(
        self, parameters: None = None, /, **keywords: Unpack[ScheduleParameters]
    ) -> str: ...

    async def schedule_execution(
        self, parameters: Mapping[str, Any] | None = None, /, **keywords: Any
    ) -> str:
        """Start a workflow or task once, at `run_at`; return its id at once.

        Takes what `create_execution` takes, and `run_at`: an aware datetime, a naive one (UTC), or
        ISO text. A time that has passed starts it at once. Until then it is `pending`.

        Raises:
            As `create_execution`.
        """
        request = parse_schedule(parameters, keywords, payload_limit=self._settings.payload_limit)
        return await self._executions.start(request, request.run_at_ms)

    @overload
    async def create_schedule(self, definition: ScheduleDefinition, /) -> Schedule: ...

    @overload
    async def create_schedule(
        self, definition: None = None, /, **keywords: Unpack[ScheduleDefinition]
    ) -> Schedule: ...

    async def create_schedule(
        self, definition: Mapping[str, Any] | None = None, /, **keywords: Any
    ) -> Schedule:
        """Start a workflow or task again and again, until the schedule is deleted.

        Takes one dict or keywords: `id`, `target_name`, `exec_type`, `inputs`, `queue`, `priority`,
        `key` and `attributes` as `create_execution`, and one of

        - `cron`: ``"30 6 * * MON-FRI"``, six fields with seconds in front, or ``"@daily"``;
        - `every`: an interval (seconds, ``"15m"``, or a timedelta), counted from 1970 on, plus
          `offset`;

        and perhaps `time_zone` (``"Europe/Berlin"``; UTC unless given), `overlap` (see `Overlap`;
        "skip"), `jitter` (each start is up to so much later, by chance), `catch_up` (due times
        that came when nobody worked are had later if they are not longer past than this; an hour),
        `paused` and `note`.

        The execution of a due time has the id `<schedule>!<unix ms>`, and its script reads the due
        time in `Context.scheduledAt`. It runs the latest deployed definition of the workflow.
        Called again with the same, it changes nothing.

        Raises:
            InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written.
            WorkflowNotRegistered, InvalidWorkflowInputs: it could start nothing.
            ScheduleExists: the id is taken by a schedule that differs.
            ConnectionLost: no answer in time; it is safe to repeat the call.
        """
        schedule_id, plan, is_paused = parse_definition(
            definition, keywords, payload_limit=self._settings.payload_limit
        )
        found = await self._read([schedule_id])
        if not found:
            await self._check_start(schedule_id, plan)
            try:
                await self._put(schedule_id, None, plan, is_paused=is_paused)
            except ScheduleChanged:
                # Somebody was quicker: perhaps with the same.
                found = await self._read([schedule_id])
        if found and (differs := differences(plan_of(found[0]), plan)):
            raise ScheduleExists(schedule_id, differs)
        return await self._one(schedule_id)

    async def change_schedule(
        self, schedule_id: str, **changes: Unpack[ScheduleChanges]
    ) -> Schedule:
        """Change a schedule; what is not named stays as it is. What it has started goes on.

        A due time that has just come is still had.

        Raises:
            InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written.
            WorkflowNotRegistered, InvalidWorkflowInputs: it could start nothing.
            ScheduleNotFound: there is none of this id.
            ConnectionLost: no answer in time; it is safe to repeat the call.
        """

        def changed(before: Plan) -> Plan:
            return parse_changes(before, changes, payload_limit=self._settings.payload_limit)

        return await self._change(schedule_id, changed)

    async def pause_schedule(self, schedule_id: str, note: str | None = None) -> Schedule:
        """Let no due time come until the schedule is resumed. What it has started goes on.

        Args:
            note: why; it takes the place of the one before.

        Raises:
            ScheduleNotFound: there is none of this id.
            ConnectionLost: no answer in time; it is safe to repeat the call.
        """
        return await self._change(schedule_id, _noting(note), is_paused=True)

    async def resume_schedule(self, schedule_id: str, note: str | None = None) -> Schedule:
        """Let due times come again, from now on; `backfill_schedule` gets those meanwhile.

        Raises:
            As `pause_schedule`.
        """
        return await self._change(schedule_id, _noting(note), is_paused=False)

    async def delete_schedule(self, schedule_id: str) -> None:
        """Forget a schedule. What it has started goes on; due times that wait do not.

        Raises:
            ScheduleNotFound: there is none of this id.
            ConnectionLost: no answer in time; it is safe to repeat the call.
        """
        check_schedule_id(schedule_id)
        with translated():
            await schedules.delete(self._connection, schedule_id)

    async def get_schedule(self, schedule_id: str) -> Schedule | None:
        """A schedule as it stands now, or None if there is none of this id.

        Raises:
            UnreadableRecord: what is stored of it is damaged.
        """
        check_schedule_id(schedule_id)
        found = await self._read([schedule_id])
        return _shown(found[0]) if found else None

    async def list_schedules(self) -> list[Schedule]:
        """All schedules, by id.

        Raises:
            UnreadableRecord: what is stored of one is damaged.
        """
        with translated():
            found = await schedules.read(self._connection, await schedules.names(self._connection))
        return [_shown(schedule) for schedule in found]

    async def next_times(
        self, schedule_id: str, count: int, after: datetime | str | None = None
    ) -> list[datetime]:
        """The next due times of a schedule, whether it is paused or not.

        Args:
            count: how many, at most 10,000.
            after: from when on; None is now.

        Raises:
            ScheduleNotFound: there is none of this id.
        """
        if not isinstance(count, int) or not 0 <= count <= MOST_BACKFILLED:
            raise InvalidRequest("count", f"must be a whole number from 0 to {MOST_BACKFILLED:,}")
        plan = plan_of(await self._existing(schedule_id))
        after_ms = await self._now_ms() if after is None else unix_ms(utc(after, "after"))
        times = itertools.islice(timing_of.due_times(plan.timing, after_ms), count)
        return [from_unix_ms(due_ms) for due_ms in times]

    async def trigger_schedule(
        self, schedule_id: str, *, overlap: Overlap | str | None = None
    ) -> str | None:
        """Start now what a schedule starts, also one that is paused.

        Args:
            overlap: what becomes of it while others run; None is the schedule's own policy.

        Returns:
            The execution's id; None if others run, so that it was passed over or waits.

        Raises:
            ScheduleNotFound: there is none of this id.
            WorkflowNotRegistered, InvalidWorkflowInputs: it cannot start anything.
            ConnectionLost: no answer in time; it may have been started.
        """
        schedule = await self._existing(schedule_id)
        plan = plan_of(schedule)
        policy = plan.overlap if overlap is None else check_overlap(overlap).value
        due_ms = await self._now_ms()
        while True:
            with translated():
                fired = await self._firing.ask(schedule, plan, due_ms, policy)
            if fired == "GONE":
                raise ScheduleNotFound(schedule_id)
            if fired != "EXISTS":
                break
            due_ms += 1
        return timing_of.fired_id(schedule_id, due_ms) if fired == "STARTED" else None

    async def backfill_schedule(
        self,
        schedule_id: str,
        start: datetime | str,
        end: datetime | str,
        *,
        overlap: Overlap | str = Overlap.ALLOW,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Backfill:
        """Have the due times of a past range, in order, also of one that is paused.

        Those whose executions there are (still) are left as they are, so that a call that broke
        off is repeated. With "queue" they run one after the other.

        Args:
            start, end: from when (1970 or later), and until before when (now or earlier); with
                10,000 due times at most.
            overlap: what becomes of one while others run.
            on_progress: called with how many are done, and of how many.

        Raises:
            InvalidRequest: no such range; nothing was started.
            ScheduleNotFound: there is none of this id.
            WorkflowNotRegistered, InvalidWorkflowInputs: it cannot start anything.
            ConnectionLost: no answer in time; it is safe to repeat the call.
        """
        policy = check_overlap(overlap).value
        start_ms, end_ms = unix_ms(utc(start, "start")), unix_ms(utc(end, "end"))
        if start_ms < 0:
            raise InvalidRequest("start", "must not lie before 1970")
        if end_ms < start_ms:
            raise InvalidRequest("end", "must not lie before start")
        schedule = await self._existing(schedule_id)
        plan = plan_of(schedule)
        if end_ms > await self._now_ms():
            raise InvalidRequest("end", "must not lie in the future: those are still to come")
        times = list(
            itertools.islice(
                itertools.takewhile(
                    lambda due_ms: due_ms < end_ms, timing_of.due_times(plan.timing, start_ms - 1)
                ),
                MOST_BACKFILLED + 1,
            )
        )
        if len(times) > MOST_BACKFILLED:
            raise InvalidRequest(
                "end", f"has more than {MOST_BACKFILLED:,} due times since start: do it in parts"
            )
        count = {"STARTED": 0, "WAITING": 0, "SKIPPED": 0, "EXISTS": 0}
        for done, due_ms in enumerate(times, 1):
            with translated():
                fired = await self._firing.ask(schedule, plan, due_ms, policy)
            if fired == "GONE":
                raise ScheduleNotFound(schedule_id)
            count[fired] += 1
            if on_progress is not None:
                on_progress(done, len(times))
        return Backfill(
            started=count["STARTED"],
            waiting=count["WAITING"],
            skipped=count["SKIPPED"],
            existing=count["EXISTS"],
        )

    async def _change(
        self, schedule_id: str, changed: Callable[[Plan], Plan], *, is_paused: bool | None = None
    ) -> Schedule:
        while True:
            before = await self._existing(schedule_id)
            old = plan_of(before)
            plan = changed(old)
            if (plan.type, plan.target, plan.inputs) != (old.type, old.target, old.inputs):
                await self._check_start(schedule_id, plan)
            paused = before.is_paused if is_paused is None else is_paused
            try:
                await self._put(schedule_id, before, plan, is_paused=paused)
            except ScheduleChanged:
                continue  # from what it is now
            return await self._one(schedule_id)

    async def _put(
        self, schedule_id: str, before: StoredSchedule | None, plan: Plan, *, is_paused: bool
    ) -> None:
        after_ms = await self._now_ms()
        if before is not None and before.last_due_ms is not None:
            # The clock may have been set back since: what was had is not had again.
            after_ms = max(after_ms, before.last_due_ms)
        with translated():
            await schedules.put(
                self._connection,
                schedule_id,
                expected=None if before is None else before.revision,
                revision=self._surroundings.new_name(),
                is_paused=is_paused,
                next_ms=None if is_paused else timing_of.next_due(plan.timing, after_ms),
                after_ms=after_ms,
                payload=encode_plan(plan),
            )

    async def _check_start(self, schedule_id: str, plan: Plan) -> None:
        """Refuse what could never start."""
        execution_id = timing_of.fired_id(schedule_id, 0)
        await self._executions.first_event(
            execution_id, plan.request(execution_id), None, by_name=True
        )

    async def _now_ms(self) -> int:
        """The server's time, by which due times come."""
        with translated():
            return await self._connection.server_ms()

    async def _read(self, ids: list[str]) -> list[StoredSchedule]:
        with translated():
            return await schedules.read(self._connection, ids)

    async def _existing(self, schedule_id: str) -> StoredSchedule:
        check_schedule_id(schedule_id)
        found = await self._read([schedule_id])
        if not found:
            with translated():
                known = await schedules.names(self._connection)
            raise ScheduleNotFound(schedule_id, known)
        return found[0]

    async def _one(self, schedule_id: str) -> Schedule:
        return _shown(await self._existing(schedule_id))


def _noting(note: str | None) -> Callable[[Plan], Plan]:
    return lambda plan: plan if note is None else parse_changes(plan, {"note": note})


def _shown(schedule: StoredSchedule) -> Schedule:
    plan = plan_of(schedule)
    timing = plan.timing
    times: list[int] = []
    if schedule.next_ms is not None:
        more = timing_of.due_times(timing, schedule.next_ms)
        times = [schedule.next_ms, *itertools.islice(more, NEXT_TIMES - 1)]
    return Schedule(
        id=schedule.id,
        target_name=plan.target,
        type=ExecutionType(plan.type),
        inputs=msgspec.msgpack.decode(plan.inputs),
        queue=plan.queue,
        cron=timing.cron,
        every=timedelta(milliseconds=timing.every_ms) if timing.every_ms else None,
        offset=timedelta(milliseconds=timing.offset_ms),
        time_zone=timing.time_zone,
        jitter=timedelta(milliseconds=plan.jitter_ms),
        overlap=Overlap(plan.overlap),
        catch_up=timedelta(milliseconds=plan.catch_up_ms),
        paused=schedule.is_paused,
        note=plan.note,
        created_at=from_unix_ms(schedule.created_ms),
        next_times=[from_unix_ms(due_ms) for due_ms in times],
        last_due_at=None if schedule.last_due_ms is None else from_unix_ms(schedule.last_due_ms),
        last_execution_id=schedule.last_execution,
        running=list(schedule.running),
        waiting=schedule.waiting,
        started=schedule.counts.get("st", 0),
        skipped=schedule.counts.get("sk", 0),
        missed=schedule.counts.get("mi", 0),
        failed=schedule.counts.get("fa", 0),
        trouble=schedule.failure,
        priority=plan.priority,
        key=plan.key,
        attributes=plan.attributes,
    )
