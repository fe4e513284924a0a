"""Events as people read them: decoded, with names for their small fields. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from rhythm import events
from rhythm.errors import UnreadableEvent
from rhythm.events import Completed, Created, Decided, Restarted, SignalReceived
from rhythm.models import HistoryEvent, from_unix_ms
from streams.codec import StoredEvent


def readable(execution_id: str, event: StoredEvent) -> HistoryEvent:
    """An event for reading.

    Raises:
        UnreadableEvent: it is damaged, or of a type that this release does not know.
    """
    payload = events.decode(execution_id, event.version, event.type, event.payload)
    number = None
    if event.plain.get("n"):
        number = events.plain_number(execution_id, event.version, event.plain, "n")
    of_attempt = event.type in ("started", "attempt_failed", "released")
    return HistoryEvent(
        version=event.version,
        at=_at(execution_id, event),
        type=event.type,
        data=_data(execution_id, payload, event),
        worker=event.worker,
        attempt=number if of_attempt else None,
        child=None if of_attempt else number,
        line=_line(payload),
    )


def id_of(execution_id: str, n: int, options: Mapping[str, Any]) -> str:
    """The id of what command `n` of an execution asks for: below its own, or a chosen one."""
    chosen = options.get("id")
    return chosen if isinstance(chosen, str) and chosen else f"{execution_id}/{n}"


def _at(execution_id: str, event: StoredEvent) -> datetime:
    try:
        return from_unix_ms(event.at_ms)
    except OverflowError as error:
        raise UnreadableEvent(execution_id, event.version, "its time is none") from error


def _data(execution_id: str, payload: events.Payload | None, event: StoredEvent) -> dict[str, Any]:
    data: dict[str, Any] = {}
    match payload:
        case None:
            pass
        case Created():
            data = msgspec.structs.asdict(payload) | {"inputs": events.value_of(payload.inputs)}
        case Completed():
            data = {"output": events.value_of(payload.output)}
        case Restarted():
            data = msgspec.structs.asdict(payload) | {"inputs": events.value_of(payload.inputs)}
        case SignalReceived():
            data = {"name": payload.name, "payload": events.value_of(payload.payload)}
        case _:
            data = msgspec.to_builtins(payload)
    if event.plain.get("e"):
        data["error"] = {"name": event.plain["e"]}
    if event.plain.get("r"):
        data["due_ms"] = events.plain_number(execution_id, event.version, event.plain, "r")
    return data


def _line(payload: events.Payload | None) -> int | None:
    if isinstance(payload, Decided):
        lines = [getattr(command, "line", 0) for command in payload.commands]
        return next((line for line in lines if line), None)
    if isinstance(payload, events.Failed):
        return payload.error.line
    return None
