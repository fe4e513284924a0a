"""Typed functions for the scripts by which clients change an execution.

What workers do to the work they hold is in `work`; what time does is in `due`.
"""

from __future__ import annotations

from typing import Literal

from streams.connection import Connection
from streams.errors import ExecutionAlreadyOver, ExecutionConflict, UnknownExecution
from streams.scripts import load

_CREATE = load("create_execution")
_SIGNAL = load("send_signal")


async def create_execution(
    connection: Connection,
    *,
    execution_id: str,
    request: str,
    content: str,
    type: Literal["workflow", "task"],
    target: str,
    queue: str,
    definition: str,
    due_ms: int | None,
    payload: bytes,
) -> bool:
    """Append the first event of a root execution; False if this start was made before.

    Args:
        request: names this start; becomes the execution's incarnation.
        content: digest of type, target and inputs; another one under the same id is a conflict.
        definition: digest of the workflow's source; empty for a task.
        due_ms: unix ms before which no worker gets it; None or a past time is at once.
        payload: encoded `created` event.

    Raises:
        ExecutionConflict: the id belongs to an execution of other content.
    """
    keys = connection.keys.partition(execution_id)
    answer = await connection.call(
        _CREATE,
        [
            keys.due,
            keys.events(execution_id),
            keys.control(execution_id),
            keys.projection(execution_id),
        ],
        [
            connection.now(),
            execution_id,
            request,
            content,
            type,
            target,
            queue,
            definition,
            "" if due_ms is None else due_ms,
            payload,
        ],
    )
    if answer == b"CONFLICT":
        raise ExecutionConflict(execution_id)
    return bool(answer == b"CREATED")


async def send_signal(
    connection: Connection, *, execution_id: str, request: str, payload: bytes
) -> int:
    """Append a signal to a live workflow, once per `request`; return its event's version.

    Args:
        payload: encoded `signal_received` event.

    Raises:
        UnknownExecution: there is no such workflow.
        ExecutionAlreadyOver: it has ended.
    """
    keys = connection.keys.partition(execution_id)
    answer = await connection.call(
        _SIGNAL,
        [
            keys.due,
            keys.events(execution_id),
            keys.control(execution_id),
            keys.projection(execution_id),
            keys.requests(execution_id),
        ],
        [connection.now(), execution_id, request, payload],
    )
    if answer[0] == b"OVER":
        raise ExecutionAlreadyOver(execution_id, answer[1].decode())
    if answer[0] != b"OK":
        raise UnknownExecution(execution_id)
    return int(answer[1])
