"""Start what a schedule starts: when its time has come, or when somebody asks for it."""

from __future__ import annotations

import logging
from typing import Literal

import msgspec

from rhythm import events
from rhythm.engine import schedule as timing_of
from rhythm.engine.attributes import lines_of
from rhythm.errors import ConnectionLost, RhythmError, StorageFull, UnreadableRecord
from rhythm.events import CancelRequested
from rhythm.schedules import Overlap, Plan
from rhythm.services.executions import ExecutionService
from rhythm.surroundings import Surroundings
from streams import schedules
from streams.connection import Connection
from streams.outbox import Delivery, Message
from streams.schedules import Fired, Start, StoredSchedule

logger = logging.getLogger("rhythm.scheduler")

_decode = msgspec.msgpack.Decoder(Plan).decode


class Firing:
    """Starts executions of schedules.

    Args:
        executions: what makes their first events.
    """

    def __init__(
        self, connection: Connection, surroundings: Surroundings, executions: ExecutionService
    ) -> None:
        self._connection, self._surroundings = connection, surroundings
        self._executions = executions

    async def deliver(self, message: Message) -> str:
        """Do what a schedule's message asks for, and set its next time; return the schedule's id.

        What cannot be started is told at the schedule, and does not keep it from its next time.

        Raises:
            ConnectionLost, StorageFull: the message stays, and is delivered again.
            StreamsError: likewise.
        """
        schedule_id, due_ms, delivery = message.to, message.n, Delivery(message, last=True)
        is_due = message.cause != "waiting"
        found = await schedules.read(self._connection, [schedule_id])
        # Also when it is gone: the message must go too.
        is_there = found and found[0].incarnation == message.incarnation
        schedule = found[0] if is_there else _gone(schedule_id)
        plan: Plan | None = None
        turn = timing_of.Turn(None)
        failure = ""
        try:
            plan = plan_of(schedule)
            if is_due:
                now_ms = int(message.plain["a"])
                turn = timing_of.turn(plan.timing, due_ms, now_ms, plan.catch_up_ms)
        except RhythmError as error:
            failure = str(error)
        fired = await self._fire(
            schedule,
            plan,
            "due" if is_due else "waiting",
            due_ms,
            turn=turn,
            failure=failure,
            delivery=delivery,
        )
        if fired == "FAILED":
            logger.warning("schedule %s could start nothing", schedule_id)
        elif fired == "MISSED":
            logger.warning(
                "schedule %s: %d due times are longer past than it catches up",
                schedule_id,
                turn.missed,
            )
        return schedule_id

    async def ask(self, schedule: StoredSchedule, plan: Plan, due_ms: int, overlap: str) -> Fired:
        """Start what a schedule starts for a due time, whether that has come or not.

        Raises:
            RhythmError: nothing can be started, as `create_execution`.
            StreamsError: the store failed.
        """
        return await self._fire(schedule, plan, "asked", due_ms, overlap=overlap)

    async def _fire(
        self,
        schedule: StoredSchedule,
        plan: Plan | None,
        why: Literal["due", "waiting", "asked"],
        due_ms: int,
        *,
        overlap: str | None = None,
        turn: timing_of.Turn | None = None,
        failure: str = "",
        delivery: Delivery | None = None,
    ) -> Fired:
        execution_id = timing_of.fired_id(schedule.id, due_ms)
        turn = turn or timing_of.Turn(None)
        start = None
        if plan is not None and not turn.missed:
            # What is had later, or because somebody asks for it now, need not be spread.
            jitter_ms = plan.jitter_ms if why == "due" else 0
            start_ms = timing_of.start_ms(schedule.id, due_ms, jitter_ms) if jitter_ms else None
            try:
                start = await self._start(execution_id, plan, start_ms)
            except (ConnectionLost, StorageFull):
                raise
            except RhythmError as error:
                if why == "asked":
                    raise
                failure = str(error)
        return await schedules.fire(
            self._connection,
            schedule,
            why=why,
            due_ms=due_ms,
            execution_id=execution_id,
            request=self._surroundings.new_name(),
            overlap=overlap or (plan.overlap if plan is not None else Overlap.SKIP.value),
            reason=events.encode(
                CancelRequested(f"schedule {schedule.id!r} starts {execution_id!r} instead")
            ),
            start=start,
            failure=failure,
            next_ms=turn.next_ms,
            missed=turn.missed,
            delivery=delivery,
        )

    async def _start(self, execution_id: str, plan: Plan, start_ms: int | None) -> Start:
        created, bounds = await self._executions.first_event(
            execution_id, plan.request(execution_id), start_ms, by_name=True
        )
        return Start(
            type=created.type,
            target=created.target,
            queue=created.queue,
            definition=created.definition or "",
            content=events.content_of(created),
            payload=events.encode(created),
            due_ms=start_ms,
            bounds=bounds,
            attributes=lines_of(plan.attributes),
        )


def plan_of(schedule: StoredSchedule) -> Plan:
    """What a stored schedule starts, and when.

    Raises:
        UnreadableRecord: its stored form is damaged, or of another release.
    """
    try:
        return _decode(events.without_sum(schedule.payload))
    except ValueError as error:  # also of msgspec
        raise UnreadableRecord(
            f"schedule {schedule.id!r}", str(error), "delete it and create it again"
        ) from error


def encode_plan(plan: Plan) -> bytes:
    """A plan as it is stored."""
    return events.with_sum(msgspec.msgpack.encode(plan))


def _gone(schedule_id: str) -> StoredSchedule:
    return StoredSchedule(schedule_id, "", "", b"", False, 0, None, None, None, {}, None, (), 0)
