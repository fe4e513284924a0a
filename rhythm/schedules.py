"""Schedules, as programs give and see them: what is to be started, when, and what came of it.

A definition is checked completely when it is given, before anything is written.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Required, TypedDict

import msgspec

from rhythm.engine import schedule as timing_of
from rhythm.engine.attributes import Attribute
from rhythm.engine.retry import Duration, duration_ms
from rhythm.engine.schedule import Timing
from rhythm.errors import InvalidRequest, quoted
from rhythm.models import (
    CreateRequest,
    ExecutionType,
    check_chosen_id,
    check_yes_or_no,
    given_parameters,
    member_of,
    needed,
    start_fields,
)
from rhythm.payloads import DEFAULT_LIMIT, check_payload, kind_of

MAX_NOTE_LENGTH = 1_000
"""Characters of a note: a few sentences, shown wherever the schedule is."""

DEFAULT_CATCH_UP = timedelta(hours=1)
"""Long enough for a deploy or a restart of everything; what is older has mostly lost its point."""


class Overlap(enum.StrEnum):
    """What becomes of a due time while an execution that the schedule started still lives.

    Members equal their text.
    """

    SKIP = "skip"
    """It is passed over."""
    QUEUE = "queue"
    """It is had when that has ended, in order; at most 1,000 wait."""
    CANCEL = "cancel"
    """That is cancelled, and this one started at once."""
    ALLOW = "allow"
    """Both run."""


class ScheduleDefinition(TypedDict, total=False):
    """What `create_schedule` takes, as one dict or as keywords."""

    id: Required[str]
    target_name: Required[str]
    exec_type: ExecutionType | str
    inputs: Mapping[str, Any]
    queue: str | None
    priority: int | None
    key: str | int | None
    attributes: Mapping[str, Attribute]
    cron: str | None
    every: Duration | None
    offset: Duration
    time_zone: str
    jitter: Duration
    overlap: Overlap | str
    catch_up: Duration
    paused: bool
    note: str | None


class ScheduleChanges(TypedDict, total=False):
    """What `change_schedule` takes beside the id."""

    target_name: str
    exec_type: ExecutionType | str
    inputs: Mapping[str, Any]
    queue: str | None
    priority: int | None
    key: str | int | None
    attributes: Mapping[str, Attribute]
    cron: str | None
    every: Duration | None
    offset: Duration
    time_zone: str
    jitter: Duration
    overlap: Overlap | str
    catch_up: Duration
    note: str | None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule, as it stood when it was read."""

    id: str
    target_name: str
    type: ExecutionType
    inputs: dict[str, Any]
    queue: str | None
    """None: the workflow's or the task's own."""
    cron: str | None
    """Of a schedule by the calendar; else None."""
    every: timedelta | None
    """Of a schedule by an interval; else None."""
    offset: timedelta
    time_zone: str
    jitter: timedelta
    overlap: Overlap
    catch_up: timedelta
    paused: bool
    note: str | None
    created_at: datetime
    next_times: list[datetime]
    """When it is due next, the soonest first; empty while it is paused."""
    last_due_at: datetime | None
    """The last due time that has come, whatever became of it."""
    last_execution_id: str | None
    running: list[str]
    """Executions that it started and that live, the latest first; at most 20 are named."""
    waiting: int
    """How many due times wait for the end of these."""
    started: int
    skipped: int
    """How many due times were passed over because others ran."""
    missed: int
    """How many due times were passed over because they were longer past than `catch_up`."""
    failed: int
    """How many due times could start nothing."""
    trouble: str | None
    """Why the last one could start nothing; None since one could."""
    priority: int | None = None
    """None: that of the declaration of what it starts; so is the key."""
    key: str | None = None
    attributes: dict[str, Attribute] = {}
    """By which what it starts is found."""


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of a schedule: what it starts, and when."""

    type: str
    target: str
    inputs: msgspec.Raw
    timing: Timing
    queue: str | None = None
    jitter_ms: int = 0
    overlap: str = Overlap.SKIP.value
    catch_up_ms: int = 0
    note: str | None = None
    priority: int | None = None
    key: str | None = None
    attributes: dict[str, Attribute] = {}

    def request(self, execution_id: str) -> CreateRequest:
        """The start that it asks for."""
        return CreateRequest(
            type=ExecutionType(self.type),
            target_name=self.target,
            encoded_inputs=bytes(self.inputs),
            queue=self.queue,
            id=execution_id,
            priority=self.priority,
            key=self.key,
            attributes=self.attributes,
        )


def parse_definition(
    parameters: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    *,
    payload_limit: int = DEFAULT_LIMIT,
) -> tuple[str, Plan, bool]:
    """Id, plan, and whether it begins paused, of a call of `create_schedule`.

    Raises:
        InvalidRequest, InvalidPayload, PayloadTooLarge: naming the parameter.
    """
    given = given_parameters("create_schedule", ScheduleDefinition, parameters, keywords)
    schedule_id = check_schedule_id(
        needed("create_schedule", given, "id", "a name for the schedule")
    )
    paused = check_yes_or_no(given.get("paused", False), "paused")
    return schedule_id, _plan("create_schedule", given, payload_limit), paused


def parse_changes(
    before: Plan, changes: Mapping[str, Any], *, payload_limit: int = DEFAULT_LIMIT
) -> Plan:
    """A plan as a call of `change_schedule` makes it of the one `before`.

    Raises:
        InvalidRequest, InvalidPayload, PayloadTooLarge: naming the parameter.
    """
    given = given_parameters("change_schedule", ScheduleChanges, None, changes)
    if given.get("cron") is not None:
        given.setdefault("every", None)
    if given.get("every") is not None:
        given.setdefault("cron", None)
    timing = before.timing
    kept = {
        "target_name": before.target,
        "exec_type": before.type,
        "inputs": msgspec.msgpack.decode(before.inputs),
        "queue": before.queue,
        "priority": before.priority,
        "key": before.key,
        "attributes": before.attributes,
        "cron": timing.cron,
        "every": timedelta(milliseconds=timing.every_ms) if timing.every_ms else None,
        "offset": timedelta(milliseconds=timing.offset_ms),
        "time_zone": timing.time_zone,
        "jitter": timedelta(milliseconds=before.jitter_ms),
        "overlap": before.overlap,
        "catch_up": timedelta(milliseconds=before.catch_up_ms),
        "note": before.note,
    }
    return _plan("change_schedule", kept | given, payload_limit)


def differences(one: Plan, other: Plan) -> list[str]:
    """The parameters in which two plans differ."""
    names = {
        "target_name": one.target != other.target,
        "exec_type": one.type != other.type,
        "inputs": msgspec.msgpack.decode(one.inputs) != msgspec.msgpack.decode(other.inputs),
        "queue": one.queue != other.queue,
        "priority": one.priority != other.priority,
        "key": one.key != other.key,
        "attributes": one.attributes != other.attributes,
        "cron": one.timing.cron != other.timing.cron,
        "every": one.timing.every_ms != other.timing.every_ms,
        "offset": one.timing.offset_ms != other.timing.offset_ms,
        "time_zone": one.timing.time_zone != other.timing.time_zone,
        "jitter": one.jitter_ms != other.jitter_ms,
        "overlap": one.overlap != other.overlap,
        "catch_up": one.catch_up_ms != other.catch_up_ms,
        "note": one.note != other.note,
    }
    return [name for name, differs in names.items() if differs]


def check_schedule_id(value: object) -> str:
    """The id of a schedule: 1 to 128 of `A-Z a-z 0-9 . _ : @ -`."""
    return check_chosen_id(value, "id")


def check_overlap(value: object) -> Overlap:
    """What is to become of overlapping due times, also as text."""
    return member_of(Overlap, value, "overlap")


def _plan(call: str, given: Mapping[str, Any], payload_limit: int) -> Plan:
    start = start_fields(
        call, {name: value for name, value in given.items() if name != "id"}, payload_limit
    )
    cron, every = given.get("cron"), given.get("every")
    if (cron is None) == (every is None):
        raise InvalidRequest(
            "cron",
            f"{'and every are both given' if cron is not None else 'or every is missing'}; "
            f"{call} needs one of them: cron='0 3 * * *', or every='15m'",
        )
    if cron is not None and not isinstance(cron, str):
        raise InvalidRequest("cron", f"must be text, not {kind_of(cron)}")
    offset = given.get("offset", 0)
    offset_ms = duration_ms(offset, "offset")
    every_ms = 0 if every is None else duration_ms(every, "every")
    if offset_ms and (cron is not None or offset_ms >= every_ms):
        raise InvalidRequest("offset", "goes with every, and is shorter")
    time_zone = given.get("time_zone", "UTC")
    if not isinstance(time_zone, str):
        raise InvalidRequest("time_zone", f"must be text, not {kind_of(time_zone)}")
    timing = Timing(
        " ".join(cron.split()) if cron is not None else None, every_ms, offset_ms, time_zone
    )
    timing_of.check(timing)
    return Plan(
        type=start["type"].value,
        target=start["target_name"],
        inputs=msgspec.Raw(start["encoded_inputs"]),
        queue=start["queue"],
        timing=timing,
        jitter_ms=duration_ms(given.get("jitter", 0), "jitter"),
        overlap=check_overlap(given.get("overlap", Overlap.SKIP)).value,
        catch_up_ms=duration_ms(given.get("catch_up", DEFAULT_CATCH_UP), "catch_up"),
        note=_note(given.get("note")),
        priority=start["priority"],
        key=start["key"],
        attributes=start["attributes"],
    )


def _note(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidRequest("note", f"must be text, not {kind_of(value)}")
    if len(value) > MAX_NOTE_LENGTH:
        raise InvalidRequest(
            "note", f"{quoted(value)} is longer than the {MAX_NOTE_LENGTH:,} characters allowed"
        )
    check_payload(value, "note")
    return value
