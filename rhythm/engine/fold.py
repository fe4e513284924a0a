"""Events -> status and projection. Pure.

What the store's transitions keep beside a stream must equal what is folded from it here; that is
how a projection is checked, and made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from flowlang.protocol import SetAttribute, SetState
from rhythm import events
from rhythm.engine.attributes import Attribute, read_lines
from rhythm.engine.schedule import schedule_of
from rhythm.errors import UnreadableEvent
from rhythm.events import TERMINAL, Created, Decided, Failed, Forked, Migrated, Restarted
from rhythm.models import ExecutionStatus, ExecutionType
from streams.codec import StoredEvent

NEXT_STATUS: Final[Mapping[tuple[ExecutionType, str], ExecutionStatus]] = {
    (ExecutionType.TASK, "created"): ExecutionStatus.PENDING,
    (ExecutionType.TASK, "started"): ExecutionStatus.RUNNING,
    (ExecutionType.TASK, "attempt_failed"): ExecutionStatus.PENDING,
    (ExecutionType.TASK, "released"): ExecutionStatus.PENDING,
    (ExecutionType.TASK, "completed"): ExecutionStatus.COMPLETED,
    (ExecutionType.TASK, "failed"): ExecutionStatus.FAILED,
    (ExecutionType.TASK, "cancelled"): ExecutionStatus.CANCELLED,
    (ExecutionType.WORKFLOW, "created"): ExecutionStatus.PENDING,
    (ExecutionType.WORKFLOW, "forked"): ExecutionStatus.PENDING,
    (ExecutionType.WORKFLOW, "decided"): ExecutionStatus.SUSPENDED,
    (ExecutionType.WORKFLOW, "completed"): ExecutionStatus.COMPLETED,
    (ExecutionType.WORKFLOW, "failed"): ExecutionStatus.FAILED,
    (ExecutionType.WORKFLOW, "cancelled"): ExecutionStatus.CANCELLED,
    (ExecutionType.WORKFLOW, "restarted"): ExecutionStatus.RESTARTED,
}
"""Which status an event leads to; one that is not here leaves it as it is."""


class Facts(msgspec.Struct, frozen=True):
    """What a projection says, made from events alone. Times are unix ms.

    `started_ms` is of the first attempt of a task, of the first decision of a workflow. A fork is
    created when it is forked, and starts after that. `begins_with` is the version of the newest
    start that was merged into it: see `beginning_of`. `error` is the name that it is found by if it
    failed; empty for none.
    """

    type: ExecutionType
    target: str
    queue: str
    status: ExecutionStatus
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    attempt: int
    parent: str | None
    definition: str | None
    schedule: str | None
    version: int
    begins_with: int | None = None
    error: str = ""
    state: dict[str, Any] = {}
    attributes: dict[str, Attribute] = {}


def fold(execution_id: str, history: Iterable[StoredEvent]) -> Facts:
    """The facts after `history`, which begins with the first event and has no gap.

    Raises:
        UnreadableEvent: an event is damaged, unknown, or out of place.
    """
    facts: Facts | None = None
    for event in history:
        if facts is None:
            facts = _born(execution_id, event)
            continue
        if event.version != facts.version + 1:
            raise UnreadableEvent(execution_id, event.version, f"it follows event {facts.version}")
        if facts.status.finished:
            raise UnreadableEvent(execution_id, event.version, "the history had ended")
        facts = _after(execution_id, facts, event)
    if facts is None:
        raise UnreadableEvent(execution_id, 1, "the history is empty")
    return facts


def successor_of(execution_id: str, last: StoredEvent) -> str | None:
    """The execution that a workflow restarted as, by its last event.

    Raises:
        UnreadableEvent: the event is damaged.
    """
    if last.type != "restarted":
        return None
    said = events.decode(execution_id, last.version, last.type, last.payload)
    assert isinstance(said, Restarted)
    return said.successor


def _born(execution_id: str, event: StoredEvent) -> Facts:
    created = events.decode(execution_id, event.version, event.type, event.payload)
    if not isinstance(created, Created) or event.version != 1:
        raise UnreadableEvent(execution_id, event.version, "it is not the first event")
    return Facts(
        type=ExecutionType(created.type),
        target=created.target,
        queue=created.queue,
        status=ExecutionStatus.PENDING,
        created_ms=event.at_ms,
        started_ms=None,
        ended_ms=None,
        attempt=0,
        parent=created.parent,
        definition=created.definition,
        schedule=schedule_of(execution_id),
        version=1,
        attributes=_attributes(execution_id, event),
    )


def _attributes(execution_id: str, start: StoredEvent) -> dict[str, Attribute]:
    try:
        return read_lines(start.plain.get("b", ""))
    except ValueError as error:
        raise UnreadableEvent(execution_id, start.version, str(error)) from error


def _after(execution_id: str, facts: Facts, event: StoredEvent) -> Facts:
    begins = event.type in ("started", "decided") or (
        facts.type is ExecutionType.WORKFLOW and event.type in TERMINAL and "u" in event.plain
    )
    state, attempt, attributes = facts.state, facts.attempt, facts.attributes
    if event.type == "started":
        attempt = events.plain_number(execution_id, event.version, event.plain, "n")
    if event.type == "decided":
        payload = events.decode(execution_id, event.version, event.type, event.payload)
        assert isinstance(payload, Decided)
        shown = {c.key: c.value for c in payload.commands if isinstance(c, SetState)}
        state = state | shown if shown else state
        for command in payload.commands:
            if isinstance(command, SetAttribute):
                attributes = {k: v for k, v in attributes.items() if k != command.key}
                if command.value is not None:
                    attributes[command.key] = command.value
    if event.type == "failed":
        ended = events.decode(execution_id, event.version, event.type, event.payload)
        assert isinstance(ended, Failed)
        facts = msgspec.structs.replace(facts, error=ended.found_by)
    if event.type == "postponed":
        newer = events.decode(execution_id, event.version, event.type, event.payload)
        assert isinstance(newer, Created)
        facts = msgspec.structs.replace(
            facts, definition=newer.definition, begins_with=event.version
        )
        attributes = _attributes(execution_id, event)
    if event.type == "migrated":
        said = events.decode(execution_id, event.version, event.type, event.payload)
        assert isinstance(said, Migrated)
        facts = msgspec.structs.replace(facts, definition=said.definition)
    if event.type == "forked":
        forked = events.decode(execution_id, event.version, event.type, event.payload)
        assert isinstance(forked, Forked)
        facts = msgspec.structs.replace(
            facts,
            created_ms=event.at_ms,
            started_ms=None,
            definition=forked.context["definition"],
            begins_with=None,
        )
    return msgspec.structs.replace(
        facts,
        state=state,
        attributes=attributes,
        status=NEXT_STATUS.get((facts.type, event.type), facts.status),
        started_ms=event.at_ms if begins and facts.started_ms is None else facts.started_ms,
        ended_ms=event.at_ms if event.type in TERMINAL else None,
        attempt=attempt,
        version=event.version,
    )
