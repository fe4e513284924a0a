"""Deliver what workflows send to other trees: signals, starts under an id of one's own, their ends.

Every step may be repeated: the receiver knows each by a request id made of the sender and its
command. The last step of a message removes it from the outbox. Schedules leave messages there too,
when their time has come.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from flowlang.protocol import ErrorInfo
from rhythm import errors, events
from rhythm.engine.turn import FAILED_TYPES
from rhythm.events import Completed, Failed
from rhythm.services.firing import Firing
from rhythm.services.translation import takes_no_signals
from streams import outbox, projections, transitions
from streams.connection import Connection
from streams.errors import (
    CorruptRecord,
    ExecutionAlreadyOver,
    ExecutionConflict,
    NotAsked,
    Overtaken,
    TakesNoSignals,
    UnknownExecution,
)
from streams.keys import PartitionKeys
from streams.outbox import Delivery, Message
from streams.work import Bounds

logger = logging.getLogger("rhythm.worker")

_SENT: Final = events.encode(Completed(events.raw(None)))


async def deliver_all(connection: Connection, keys: PartitionKeys, firing: Firing) -> bool:
    """Deliver the oldest messages of a partition's outbox; whether there may be more.

    Args:
        firing: does what schedules' messages ask for.

    Raises:
        BackendUnavailable, ConnectionLost: the connection failed; what was not removed is
            delivered again.
    """
    messages = await outbox.read(connection, keys)
    for message in messages:
        try:
            if message.kind == "fire":
                last_receiver = await firing.deliver(message)
            else:
                last_receiver = await _DELIVER[message.kind](connection, message)
            if connection.keys.partition(last_receiver) != keys:
                await outbox.remove(connection, message)
        except Overtaken as error:
            logger.debug("%s", error)
            return True
    return len(messages) == outbox.READ_AT_ONCE


def starters_name(message: Message) -> str:
    """How the store keeps who is to be told of an end: see ``transition.lua``."""
    return f"@{message.sender}|{message.n}|{message.asked}"


async def _signal(connection: Connection, message: Message) -> str:
    try:
        await transitions.tell_execution(
            connection,
            execution_id=message.to,
            request=_request(message, "signal"),
            type="signal_received",
            payload=message.payload,
            delivery=Delivery(message),
        )
    except UnknownExecution as error:
        return await _refuse(
            connection, message, errors.ExecutionNotFound(error.execution_id), None
        )
    except ExecutionAlreadyOver as error:
        finished = errors.ExecutionFinished(error.execution_id, error.status)
        return await _refuse(connection, message, finished, None)
    except TakesNoSignals as error:
        refused = errors.InvalidRequest("executionId", takes_no_signals(error.execution_id))
        return await _refuse(connection, message, refused, None)
    sent = message.to, _request(message, "signal")
    return await _answer(connection, message, "child_completed", _SENT, sent)


async def _start(connection: Connection, message: Message) -> str:
    is_awaited = message.plain["w"] != ""
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
            attributes=message.plain.get("ab", ""),
            delivery=Delivery(message, last=True),
            waiter=starters_name(message) if is_awaited else "",
        )
    except ExecutionConflict as error:
        taken = errors.ExecutionExists(error.execution_id)
        return await _refuse(connection, message, taken, FAILED_TYPES["workflow"])
    except ExecutionAlreadyOver:
        (ended,) = await projections.get_executions(connection, [message.to])
    else:
        return message.to
    if ended is None:
        # It has come and gone: deleted between two calls.
        gone = errors.ExecutionNotFound(message.to)
        return await _refuse(connection, message, gone, FAILED_TYPES["workflow"])
    if isinstance(ended, CorruptRecord):
        damaged = errors.UnreadableEvent(ended.where, 0, ended.reason)
        return await _refuse(connection, message, damaged, FAILED_TYPES["workflow"])
    return await _answer(connection, message, f"child_{ended.last.type}", ended.last.payload)


async def _cancel(connection: Connection, message: Message) -> str:
    return await _end_other(connection, message, at_once=False)


async def _terminate(connection: Connection, message: Message) -> str:
    return await _end_other(connection, message, at_once=True)


async def _end_other(connection: Connection, message: Message, *, at_once: bool) -> str:
    try:
        await transitions.cancel_execution(
            connection,
            execution_id=message.to,
            request=_request(message, "end"),
            at_once=at_once,
            payload=message.payload,
            delivery=Delivery(message, last=True),
        )
    except (UnknownExecution, ExecutionAlreadyOver):
        logger.debug("%s has ended before it was to end with %s", message.to, message.sender)
    return message.to


async def _end(connection: Connection, message: Message) -> str:
    return await _tell_of_end(connection, message, message.to, message.plain["t"], message.payload)


async def _answer(
    connection: Connection,
    message: Message,
    type_: str,
    payload: bytes,
    sent: tuple[str, str] | None = None,
) -> str:
    return await _tell_of_end(connection, message, message.sender, type_, payload, sent)


async def _tell_of_end(
    connection: Connection,
    message: Message,
    waiting: str,
    type_: str,
    payload: bytes,
    sent: tuple[str, str] | None = None,
) -> str:
    """Tell who sent, or started, how that has ended: the last step."""
    try:
        await transitions.tell_execution(
            connection,
            execution_id=waiting,
            request=f"end-of#{message.n}",
            type=type_,
            payload=payload,
            n=message.n,
            asked=message.asked,
            delivery=Delivery(message, last=True),
            sent=sent,
        )
    except (UnknownExecution, ExecutionAlreadyOver):
        logger.debug("%s has ended before it heard of command %d", waiting, message.n)
    except NotAsked as error:
        logger.debug("%s", error)
    return waiting


async def _refuse(
    connection: Connection, message: Message, error: errors.RhythmError, type_: str | None
) -> str:
    info = ErrorInfo(type(error).__name__, str(error), type_)
    return await _answer(connection, message, "child_failed", events.encode(Failed(info)))


def _request(message: Message, what: str) -> str:
    return f"{message.sender}#{message.n}#{message.incarnation}#{what}"


# Each returns which execution got the last step.
_DELIVER: Final[dict[str, Callable[[Connection, Message], Awaitable[str]]]] = {
    "signal": _signal,
    "start": _start,
    "cancel": _cancel,
    "terminate": _terminate,
    "end": _end,
}
