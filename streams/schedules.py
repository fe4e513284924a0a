"""Schedules: what starts executions again and again, kept and fired.

A schedule lives in the partition of its id, and so do the executions that it starts: their ids are
the schedule's, ``!``, and the due time in unix ms. When a time has come, the timekeeper leaves a
message for whoever delivers the outbox, who knows what is to be started and which time is the
next; one script does both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from streams import codec
from streams.connection import Connection
from streams.errors import Overtaken, ScheduleChanged, UnknownSchedule
from streams.outbox import Delivery, argument
from streams.scripts import load
from streams.work import UNBOUNDED, Bounds

_PUT = load("put_schedule")
_DELETE = load("delete_schedule")
_READ = load("read_schedules")
_FIRE = load("fire_schedule")

READ_AT_ONCE = 64
"""Schedules read by one script call; their inputs travel with them."""

Fired = Literal["STARTED", "WAITING", "SKIPPED", "MISSED", "FAILED", "EXISTS", "GONE"]
"""What came of a due time: see ``fire_schedule.lua``."""


class StoredSchedule(msgspec.Struct, frozen=True, gc=False):
    """A schedule as it stands. Times are unix ms.

    Attributes:
        incarnation: tells it from an earlier one of its id.
        revision: of the last change.
        payload: encoded, what it starts and when.
        next_ms: when it is due next; None for never.
        counts: how many due times were ``st`` started, ``sk`` skipped since others ran, ``mi``
            passed over since they were long past, ``fa`` failed to start anything.
        failure: why the last one that was to be started failed; None since one succeeded.
        running: executions that live, the latest first, at most a screen of them.
        waiting: how many due times wait for the end of these.
    """

    id: str
    incarnation: str
    revision: str
    payload: bytes
    is_paused: bool
    created_ms: int
    next_ms: int | None
    last_due_ms: int | None
    last_execution: str | None
    counts: dict[str, int]
    failure: str | None
    running: tuple[str, ...]
    waiting: int


class Start(msgspec.Struct, frozen=True):
    """An execution to be started; the fields are those of `transitions.create_execution`."""

    type: Literal["workflow", "task"]
    target: str
    queue: str
    definition: str
    content: str
    payload: bytes
    due_ms: int | None = None
    bounds: Bounds = UNBOUNDED
    attributes: str = ""


async def put(
    connection: Connection,
    schedule_id: str,
    *,
    expected: str | None,
    revision: str,
    is_paused: bool,
    next_ms: int | None,
    after_ms: int,
    payload: bytes,
) -> None:
    """Keep a schedule, new or changed.

    Args:
        expected: the revision that this one follows; None for a new schedule.
        revision: names this change; repeated with the same one it is done once.
        next_ms: when it is due next after `after_ms`, unix ms. One that had come then is had first.

    Raises:
        ScheduleChanged: it is at another revision. Nothing was changed.
    """
    keys = connection.keys.partition(schedule_id)
    answer = await connection.write(
        _PUT,
        [keys.due, keys.schedules, keys.schedule(schedule_id)],
        [
            connection.now(),
            schedule_id,
            expected or "",
            revision,
            "1" if is_paused else "0",
            "" if next_ms is None else next_ms,
            after_ms,
            connection.sealing.seal(payload),
        ],
    )
    if answer == b"CONFLICT":
        raise ScheduleChanged(schedule_id)


async def delete(connection: Connection, schedule_id: str) -> None:
    """Forget a schedule; what it started goes on.

    Raises:
        UnknownSchedule: there is no such schedule.
    """
    keys = connection.keys.partition(schedule_id)
    answer = await connection.write(
        _DELETE,
        [
            keys.due,
            keys.schedules,
            keys.schedule(schedule_id),
            keys.running(schedule_id),
            keys.waiting(schedule_id),
        ],
        [schedule_id],
    )
    if answer != b"OK":
        raise UnknownSchedule(schedule_id)


async def names(connection: Connection) -> list[str]:
    """The ids of all schedules, sorted."""
    found: list[bytes] = []
    for keys in connection.keys.partitions:
        found += await connection.command("SMEMBERS", keys.schedules)
    return sorted(name.decode(errors="backslashreplace") for name in found)


async def read(connection: Connection, ids: Iterable[str]) -> list[StoredSchedule]:
    """Schedules in the order of `ids`; those that there are not are left out."""
    wanted = list(ids)
    by_partition: dict[str, list[str]] = {}
    for id_ in wanted:
        by_partition.setdefault(connection.keys.partition(id_).prefix, []).append(id_)
    found: dict[str, StoredSchedule] = {}
    for group in by_partition.values():
        keys = connection.keys.partition(group[0])
        for start in range(0, len(group), READ_AT_ONCE):
            some = group[start : start + READ_AT_ONCE]
            answer = await connection.call(
                _READ, [keys.due, *(keys.schedule(id_) for id_ in some)], some
            )
            for id_, (flat, running, waiting) in zip(some, answer, strict=True):
                if flat:
                    found[id_] = _stored(connection, id_, flat, running, waiting)
    return [found[id_] for id_ in wanted if id_ in found]


async def fire(
    connection: Connection,
    schedule: StoredSchedule,
    *,
    why: Literal["due", "waiting", "asked"],
    due_ms: int,
    execution_id: str,
    request: str,
    overlap: str,
    reason: bytes,
    start: Start | None,
    failure: str = "",
    next_ms: int | None = None,
    missed: int = 0,
    delivery: Delivery | None = None,
) -> Fired:
    """A schedule's time has come: start what it starts, and set the next time if it was `due`.

    Args:
        schedule: as it was read.
        request: names this start; becomes the execution's incarnation.
        overlap: what becomes of it when others run: ``skip``, ``queue``, ``cancel``, ``allow``.
        reason: encoded reason why others are cancelled.
        start: what is started; None when that could not be found out, or it is missed.
        failure: why nothing can be started.
        missed: how many due times are passed over, this one among them.

    Raises:
        Overtaken: the message is not the next one.
    """
    keys = connection.keys.partition(schedule.id)
    it = start or Start("workflow", "", "", "", "", b"")
    answer = await connection.write(
        _FIRE,
        [
            keys.due,
            keys.schedule(schedule.id),
            keys.running(schedule.id),
            keys.waiting(schedule.id),
            keys.events(execution_id),
        ],
        [
            connection.now(),
            schedule.id,
            schedule.incarnation,
            why,
            schedule.revision,
            due_ms,
            "" if next_ms is None else next_ms,
            missed,
            failure,
            overlap,
            connection.sealing.seal(reason),
            execution_id,
            request,
            it.type,
            it.target,
            it.queue,
            it.definition,
            "" if it.due_ms is None else it.due_ms,
            it.bounds.argument(),
            it.content,
            connection.sealing.seal(it.payload),
            it.attributes,
            argument(delivery, keys),
        ],
    )
    if answer == b"OVERTAKEN" and delivery is not None:
        raise Overtaken(delivery.message.entry)
    fired: Fired = answer.decode()
    return fired


def _stored(
    connection: Connection, id_: str, flat: list[bytes], running: list[bytes], waiting: int
) -> StoredSchedule:
    fields = dict(codec.pairs(flat))
    payload = connection.sealing.open(fields.pop(b"sp", b""))
    plain = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    return StoredSchedule(
        id=id_,
        incarnation=plain.get("in", ""),
        revision=plain.get("rv", ""),
        payload=payload,
        is_paused=plain.get("pa") == "1",
        created_ms=int(plain.get("cr") or 0),
        next_ms=int(plain["nx"]) if plain.get("nx") else None,
        last_due_ms=int(plain["ld"]) if plain.get("ld") else None,
        last_execution=plain.get("lx"),
        counts={name: int(plain.get(f"#{name}", 0)) for name in ("st", "sk", "mi", "fa")},
        failure=plain.get("er"),
        running=tuple(name.decode() for name in running),
        waiting=waiting,
    )
