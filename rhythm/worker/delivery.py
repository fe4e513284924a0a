"""Deliver what workflows send to other trees: signals, starts under an id of one's own, their ends.

Every step may be repeated: the receiver knows each by a request id made of the sender and its
command. When all of a message is done it is removed from the outbox.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from flowlang.protocol import ErrorInfo
from rhythm import errors, events
from rhythm.engine.turn import FAILED_TYPES
from rhythm.events import Completed, Failed
from rhythm.services.translation import takes_no_signals
from streams import outbox, projections, transitions
from streams.codec import StoredExecution
from streams.connection import Connection
from streams.errors import (
    ExecutionAlreadyOver,
    ExecutionConflict,
    TakesNoSignals,
    UnknownExecution,
)
from streams.keys import PartitionKeys
from streams.outbox import Message
from streams.work import Bounds

logger = logging.getLogger("rhythm.worker")

_SENT: Final = events.encode(Completed(events.raw(None)))


async def deliver_all(connection: Connection, keys: PartitionKeys) -> bool:
    """Deliver the oldest messages of a partition's outbox; whether there may be more.

    Raises:
        BackendUnavailable: the connection failed; what was not removed is delivered again.
    """
    messages = await outbox.read(connection, keys)
    for message in messages:
        await _DELIVER[message.kind](connection, message)
        await outbox.remove(connection, keys, message)
    return len(messages) == outbox.READ_AT_ONCE


def starters_name(message: Message) -> str:
    """How the store keeps who is to be told of an end: see ``transition.lua``."""
    return f"@{message.sender}|{message.n}|{message.incarnation}"


async def _signal(connection: Connection, message: Message) -> None:
    try:
        await transitions.tell_execution(
            connection,
            execution_id=message.to,
            request=_request(message, "signal"),
            type="signal_received",
            payload=message.payload,
        )
    except UnknownExecution as error:
        await _refuse(connection, message, errors.ExecutionNotFound(error.execution_id), None)
    except ExecutionAlreadyOver as error:
        finished = errors.ExecutionFinished(error.execution_id, error.status)
        await _refuse(connection, message, finished, None)
    except TakesNoSignals as error:
        task = errors.InvalidRequest("executionId", takes_no_signals(error.execution_id))
        await _refuse(connection, message, task, None)
    else:
        await _answer(connection, message, "child_completed", _SENT)


async def _start(connection: Connection, message: Message) -> None:
    try:
        await transitions.create_execution(
            connection,
            execution_id=message.to,
            request=_request(message, "start"),
            content=message.plain["h"],
            type="workflow",
            target=message.plain["tg"],
            queue=message.plain["q"],
            definition=message.plain["df"],
            due_ms=None,
            payload=message.payload,
            bounds=Bounds.parse(message.plain["b"]),
        )
        waits = message.plain["w"] != "" and await projections.register_wait(
            connection, message.to, starters_name(message)
        )
    except ExecutionConflict as error:
        taken = errors.ExecutionExists(error.execution_id)
        await _refuse(connection, message, taken, FAILED_TYPES["workflow"])
        return
    except UnknownExecution:
        # It has come and gone: deleted between the two calls.
        gone = errors.ExecutionNotFound(message.to)
        await _refuse(connection, message, gone, FAILED_TYPES["workflow"])
        return
    if message.plain["w"] and not waits:
        (ended,) = await projections.get_executions(connection, [message.to])
        if isinstance(ended, StoredExecution):
            last = ended.last
            await _answer(connection, message, f"child_{last.type}", last.payload)


async def _cancel(connection: Connection, message: Message) -> None:
    await _end_other(connection, message, at_once=False)


async def _terminate(connection: Connection, message: Message) -> None:
    await _end_other(connection, message, at_once=True)


async def _end_other(connection: Connection, message: Message, *, at_once: bool) -> None:
    try:
        await transitions.cancel_execution(
            connection,
            execution_id=message.to,
            request=_request(message, "end"),
            at_once=at_once,
            payload=message.payload,
        )
    except (UnknownExecution, ExecutionAlreadyOver):
        logger.debug("%s has ended before it was to end with %s", message.to, message.sender)


async def _end(connection: Connection, message: Message) -> None:
    try:
        await transitions.tell_execution(
            connection,
            execution_id=message.to,
            request=f"end-of#{message.n}",
            type=message.plain["t"],
            payload=message.payload,
            n=message.n,
            incarnation=message.incarnation,
        )
    except (UnknownExecution, ExecutionAlreadyOver):
        logger.debug("%s has ended before %s", message.to, message.sender)


async def _answer(connection: Connection, message: Message, type_: str, payload: bytes) -> None:
    try:
        await transitions.tell_execution(
            connection,
            execution_id=message.sender,
            request=f"end-of#{message.n}",
            type=type_,
            payload=payload,
            n=message.n,
            incarnation=message.incarnation,
        )
    except (UnknownExecution, ExecutionAlreadyOver):
        logger.debug("%s has ended before its message was delivered", message.sender)


async def _refuse(
    connection: Connection, message: Message, error: errors.RhythmError, type_: str | None
) -> None:
    info = ErrorInfo(type(error).__name__, str(error), type_)
    await _answer(connection, message, "child_failed", events.encode(Failed(info)))


def _request(message: Message, what: str) -> str:
    return f"{message.sender}#{message.n}#{message.incarnation}#{what}"


_DELIVER: Final[dict[str, Callable[[Connection, Message], Awaitable[None]]]] = {
    "signal": _signal,
    "start": _start,
    "cancel": _cancel,
    "terminate": _terminate,
    "end": _end,
}
