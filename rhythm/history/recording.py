"""Recorded histories: the events of a workflow and the source that it ran, in a file. Pure.

The file is JSON, one event a line, so that people and their version control can read it. Values
stand in it as they are; a payload that JSON would not give back to the bit is kept as base64
instead. Tracebacks are left out: they are for people, no script sees them, and they name places
on the machine that made them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from rhythm import events
from rhythm.engine.history import beginning_of
from rhythm.errors import ConfigurationError, UnreadableEvent
from rhythm.events import Created
from streams.codec import StoredEvent

FORMAT: Final = 1
"""Of the file. A release reads all that came before it."""


class EarlierSource(msgspec.Struct, frozen=True):
    """The text of a `.flow`, and where it came from, for messages."""

    path: str
    source: str


class Recording(msgspec.Struct, frozen=True):
    """A workflow's history.

    Attributes:
        workflow: the name that it was started by.
        path: where its source came from, for messages.
        source: the text of the `.flow`.
        events: all that could be read, the oldest first.
        damage: why there are no more of them, if there were; not in its file.
        earlier: what it ran before its source, and left by a mapping, the oldest first.
    """

    execution_id: str
    workflow: str
    path: str
    source: str
    events: tuple[StoredEvent, ...]
    damage: UnreadableEvent | None = None
    earlier: tuple[EarlierSource, ...] = ()


class EventLine(msgspec.Struct, omit_defaults=True):
    """An event as it stands in the file. `data` is the payload as JSON, `packed` base64 of it."""

    version: int
    type: str
    at: int
    cause: str
    plain: dict[str, str] = {}
    data: Any = msgspec.UNSET
    packed: str = ""


class _EarlierSource(msgspec.Struct):
    """`source` is in lines, so that a change to it can be seen."""

    path: str
    source: list[str]


class _File(msgspec.Struct):
    """`source` as in `_EarlierSource`."""

    format: int
    execution: str
    workflow: str
    path: str
    source: list[str]
    earlier: list[_EarlierSource] | msgspec.UnsetType = msgspec.UNSET
    events: list[EventLine] = []


def encode(recording: Recording) -> bytes:
    """The content of a file."""
    earlier = [_EarlierSource(one.path, one.source.split("\n")) for one in recording.earlier]
    head = _File(
        FORMAT,
        recording.execution_id,
        recording.workflow,
        recording.path,
        recording.source.split("\n"),
        earlier or msgspec.UNSET,
    )
    shown = msgspec.json.format(msgspec.json.encode(head), indent=2)
    lines = (b"    " + msgspec.json.encode(line_of(event)) for event in recording.events)
    return shown.removesuffix(b"[]\n}") + b"[\n" + b",\n".join(lines) + b"\n  ]\n}\n"


def decode(content: bytes, path: str) -> Recording:
    """What a file holds.

    Args:
        path: of the file, for messages.

    Raises:
        ConfigurationError: it is no recorded history, or a later release recorded it.
    """
    try:
        read = msgspec.json.decode(content, type=_File)
        recorded = tuple(event_of(line) for line in read.events)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error) as error:
        raise ConfigurationError(
            f"{path} is no recorded history: {error}", "record one with record_history()"
        ) from error
    if read.format > FORMAT:
        raise ConfigurationError(
            f"{path} has format {read.format}, this release knows {FORMAT}", "use a later release"
        )
    if not recorded:
        raise ConfigurationError(f"{path} holds no event", "record the history again")
    return Recording(
        read.execution,
        read.workflow,
        read.path,
        "\n".join(read.source),
        recorded,
        earlier=tuple(EarlierSource(one.path, "\n".join(one.source)) for one in read.earlier or ()),
    )


def first_of(execution_id: str, history: Sequence[StoredEvent]) -> Created:
    """How a history that is not empty begins: see `beginning_of`.

    Raises:
        UnreadableEvent: it does not begin with its first event.
    """
    first = beginning_of(execution_id, history)
    created = events.decode(execution_id, first.version, first.type, first.payload)
    assert isinstance(created, Created)
    return created


def check_follows(execution_id: str, last: int, event: StoredEvent) -> None:
    """Is an event the next after version `last`?

    Raises:
        UnreadableEvent: there is one missing between them.
    """
    if event.version != last + 1:
        raise UnreadableEvent(execution_id, last + 1, "it is missing")


def line_of(event: StoredEvent, *, tracebacks: bool = False) -> EventLine:
    """An event for a file, with or without the tracebacks of Python."""
    line = EventLine(event.version, event.type, event.at_ms, event.cause, event.plain)
    if event.payload:
        content = events.without_sum(event.payload)
        try:
            value = msgspec.msgpack.decode(content)
            if _packed(msgspec.json.decode(msgspec.json.encode(value))) == content:
                line.data = value if tracebacks else _without_traceback(value)
                return line
        except (msgspec.MsgspecError, UnicodeError, TypeError, OverflowError):
            pass  # not what JSON carries: kept as it is
        line.packed = base64.b64encode(content).decode()
    return line


def event_of(line: EventLine) -> StoredEvent:
    """The event that stands in a file."""
    content = (
        base64.b64decode(line.packed, validate=True)
        if line.data is msgspec.UNSET
        else _packed(line.data)
    )
    payload = events.with_sum(content) if content else b""
    return StoredEvent(line.version, line.type, line.at, line.cause, payload, line.plain)


def _without_traceback(value: Any) -> Any:
    match value:
        case {"error": {"traceback": _, **rest}}:
            return {**value, "error": rest}
    return value


_packed = msgspec.msgpack.Encoder().encode
