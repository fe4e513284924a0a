"""Typed functions for the scripts by which clients change an execution.

What workers do to the work they hold is in `work`; what time does is in `due`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from streams.codec import StoredEvent
from streams.connection import Connection
from streams.errors import (
    BackendUnavailable,
    CorruptRecord,
    ExecutionAlive,
    ExecutionAlreadyOver,
    ExecutionConflict,
    NotAsked,
    NotParked,
    OtherLives,
    Overtaken,
    TakesNoSignals,
    UnknownExecution,
)
from streams.keys import PartitionKeys
from streams.outbox import Delivery, argument
from streams.scripts import Argument, load
from streams.work import UNBOUNDED, Bounds

_CREATE = load("create_execution")
_TELL = load("tell_execution")


_SIGNAL_WITH_START = load("signal_with_start")
_CANCEL = load("cancel_execution")
_PAUSE = load("pause_execution")
_RESUME = load("resume_execution")
_DELETE = load("delete_execution")

_STAGE = load("stage_events")
_FORK = load("fork_execution")
_MIGRATE = load("migrate_execution")

STAGED_AT_ONCE = 256
"""Events that one call stages, unless it has that many bytes before:"""

STAGED_BYTES = 1_048_576

DELETED_AT_ONCE = 64
"""Executions that one script call deletes: each costs about eight commands."""


class Debounce(msgspec.Struct, frozen=True):
    """How long a start waits for further ones, and at most after the first one of them; None for as
    long as they come, which are merged up to 200 at a time."""

    wait_ms: int
    most_ms: int | None = None

    def argument(self) -> str:
        """As the script takes it."""
        return f"{self.wait_ms} {self.most_ms or 0}"


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
    bounds: Bounds = UNBOUNDED,
    attributes: str = "",
    debounce: Debounce | None = None,
    delivery: Delivery | None = None,
    waiter: str = "",
) -> bool:
    """Append the first event of a root execution; False if this start was made before. Starts that
    are asked for at the same time go to the store together.

    Args:
        request: names this start; becomes the execution's incarnation.
        content: digest of type, target and inputs; another one under the same id is a conflict.
        definition: digest of the workflow's source; empty for a task.
        due_ms: unix ms before which no worker gets it; None or a past time is at once.
        bounds: how long it may take.
        payload: encoded `created` event.
        attributes: by which it is found, a line each: ``name=JSON``.
        debounce: it waits for further starts of its type, target, queue and what its id begins
            with, "<name>!<other than a digit>…".
        delivery: of the message that asks for it; not done by what is raised.
        waiter: who hears of its end; empty for nobody.

    Raises:
        ExecutionAlreadyOver: this start was made before, and what it began has ended: the waiter
            will not hear of it.
        ExecutionConflict: the id belongs to an execution of other content.
        OtherLives: the id is of a singleton, as above, and one lives; or it was merged into one
            that waits, and that was done.
        Overtaken: the message is not the next one.
    """
    keys = connection.keys.partition(execution_id)
    sealed = connection.sealing.seal(payload)
    start: _Start = (
        execution_id,
        request,
        content,
        type,
        target,
        queue,
        definition,
        "" if due_ms is None else due_ms,
        bounds.argument(),
        sealed,
        attributes,
        "" if debounce is None else debounce.argument(),
    )
    if delivery is None and not waiter:
        answer = await connection.starts(keys, _create).ask(start, len(sealed))
    else:
        (answer,) = await _create(connection, keys, [start], argument(delivery, keys), waiter)
    if answer == b"CONFLICT":
        raise ExecutionConflict(execution_id)
    if isinstance(answer, bytes) and answer.startswith((b"LIVES ", b"MERGED ")):
        raise OtherLives(answer.partition(b" ")[2].decode())
    if isinstance(answer, bytes) and answer.startswith(b"OVER "):
        raise ExecutionAlreadyOver(execution_id, answer.partition(b" ")[2].decode())
    if answer == b"OVERTAKEN" and delivery is not None:
        raise Overtaken(delivery.message.entry)
    if isinstance(answer, list):
        raise CorruptRecord(execution_id, answer[0].decode(errors="replace"))
    return bool(answer == b"CREATED")


_Start = tuple[Argument, ...]


async def _create(
    connection: Connection,
    keys: PartitionKeys,
    starts: Sequence[_Start],
    delivery: str = "",
    waiter: str = "",
) -> Sequence[Any]:
    """Begin executions of one partition in one call; the script's answers."""
    declared: list[str] = []
    if connection.declares_keys:
        for id_, *_ in starts:
            name = str(id_)
            declared += [keys.events(name), keys.control(name), keys.projection(name)]
    answers: Sequence[Any] = await connection.write(
        _CREATE,
        [keys.due, *declared],
        [connection.now(), delivery, waiter, *(word for start in starts for word in start)],
    )
    return answers


class Fork(msgspec.Struct, frozen=True, gc=False):
    """A workflow that is to begin with events of another one.

    Attributes:
        parent, n, policy: of one below the root, as of any child; None, 0 and "" for the root.
        events: all it begins with, from the first on. One at 0 is of now.
        forked: the version of its `forked` event.
        state: encoded state that it shows; empty for none.
        attributes: by which it is found, as of a start.
    """

    id: str
    parent: str | None
    n: int
    policy: str
    events: Sequence[StoredEvent]
    forked: int
    target: str
    queue: str
    definition: str
    bounds: Bounds
    state: bytes
    attributes: str = ""


async def fork_execution(
    connection: Connection, tree: Sequence[Fork], *, request: str, content: str
) -> bool:
    """Let a root and others below it begin with given events; False if this was done before.

    Their events are gathered first where nobody sees them; all of the tree is there then at once.

    Args:
        tree: the root first, each parent before its children.
        request: names this fork.
        content: digest of what it is made of; another one under the same id is a conflict.

    Raises:
        ExecutionConflict: the id belongs to another execution.
        BackendUnavailable: the server lost what was gathered; nothing was created.
    """
    root = tree[0].id
    keys = connection.keys.partition(root)
    for fork in tree:
        await _stage(connection, fork)
    declared = [
        key
        for fork in tree
        for key in (
            keys.staged(fork.id),
            keys.events(fork.id),
            keys.control(fork.id),
            keys.projection(fork.id),
        )
    ]
    arguments: list[Argument] = [request, content]
    for fork in tree:
        arguments += [
            *(fork.id, fork.parent or "", fork.n, fork.policy, len(fork.events), fork.forked),
            *(fork.target, fork.queue, fork.definition, fork.bounds.argument()),
            connection.sealing.seal(fork.state),
            fork.attributes,
        ]
    answer = await connection.write(_FORK, [keys.due, keys.events(root), *declared], arguments)
    if answer == b"CONFLICT":
        raise ExecutionConflict(root)
    if answer == b"LOST":
        raise BackendUnavailable(connection.address, "it lost the events of a fork: fork again")
    return bool(answer == b"CREATED")


async def _stage(connection: Connection, fork: Fork) -> None:
    keys = connection.keys.partition(fork.id)
    after, at = 0, 0
    while at < len(fork.events):
        arguments: list[Argument] = [connection.now(), after]
        size = 0
        while at < len(fork.events) and at - after < STAGED_AT_ONCE and size < STAGED_BYTES:
            event = fork.events[at]
            fields = ["k", event.cause, *(word for pair in event.plain.items() for word in pair)]
            payload = connection.sealing.seal(event.payload)
            words: list[Argument] = [*fields, *(("d", payload) if payload else ())]
            arguments += [event.type, event.at_ms or "", len(words), *words]
            size += len(payload)
            at += 1
        answer = await connection.call(_STAGE, [keys.due, keys.staged(fork.id)], arguments)
        if answer == b"LOST":
            raise BackendUnavailable(connection.address, "it lost the events of a fork: fork again")
        after = at


async def tell_execution(
    connection: Connection,
    *,
    execution_id: str,
    request: str,
    type: str,
    payload: bytes,
    n: int | None = None,
    asked: str = "",
    delivery: Delivery | None = None,
    sent: tuple[str, str] | None = None,
) -> int:
    """Append an event of the world to a live workflow, once per `request`; return its version.

    Args:
        type: ``signal_received``, or how what the workflow asked of another tree has ended.
        payload: encoded event of that type.
        n: the command that it answers; None for a signal.
        asked: which event of it asked, see `Message.asked`; empty for a signal.
        delivery: of the message that this delivers; done also by what is raised, but for the last.
        sent: the signal whose delivery this tells of: receiver and request. It is not told if that
            lies in the same partition and has not got it, or no longer.

    Raises:
        Overtaken: the message is not the next one, or the step before it is undone.
        UnknownExecution: there is no such execution.
        ExecutionAlreadyOver: it has ended.
        TakesNoSignals: it is a task.
        NotAsked: its history has no event that asked for this answer.
    """
    keys = connection.keys.partition(execution_id)
    is_near = sent is not None and connection.keys.partition(sent[0]) == keys
    receiver, request_of_it = sent if sent is not None and is_near else ("", "")
    answer = await connection.write(
        _TELL,
        [
            keys.due,
            keys.events(execution_id),
            keys.control(execution_id),
            keys.projection(execution_id),
            keys.requests(execution_id),
        ],
        [
            connection.now(),
            execution_id,
            request,
            type,
            "" if n is None else n,
            asked,
            connection.sealing.seal(payload),
            argument(delivery, keys),
            receiver,
            request_of_it,
        ],
    )
    if answer[0] == b"OVERTAKEN" and delivery is not None:
        raise Overtaken(delivery.message.entry)
    if answer[0] == b"UNASKED" and n is not None:
        raise NotAsked(execution_id, n)
    _refuse(execution_id, answer)
    return int(answer[1])


async def signal_with_start(
    connection: Connection,
    *,
    execution_id: str,
    request: str,
    content: str,
    target: str,
    queue: str,
    definition: str,
    bounds: Bounds,
    created: bytes,
    signal: bytes,
    attributes: str = "",
) -> bool:
    """Start a workflow under an id unless it lives, and send it a signal; True if it was started.

    Args:
        request: names this call: of the start and of the signal.
        content, target, queue, definition, bounds, attributes: as `create_execution`.
        created, signal: encoded `created` and `signal_received` events.

    Raises:
        ExecutionConflict: the id belongs to an execution of other content.
        ExecutionAlreadyOver: it has ended.
    """
    keys = connection.keys.partition(execution_id)
    answer = await connection.write(
        _SIGNAL_WITH_START,
        [
            keys.due,
            keys.events(execution_id),
            keys.control(execution_id),
            keys.projection(execution_id),
            keys.requests(execution_id),
        ],
        [
            connection.now(),
            execution_id,
            request,
            content,
            target,
            queue,
            definition,
            bounds.argument(),
            connection.sealing.seal(created),
            connection.sealing.seal(signal),
            attributes,
        ],
    )
    if answer[0] == b"CONFLICT":
        raise ExecutionConflict(execution_id)
    if answer[0] == b"OVER":
        raise ExecutionAlreadyOver(execution_id, answer[1].decode())
    return bool(answer[0] == b"STARTED")


async def cancel_execution(
    connection: Connection,
    *,
    execution_id: str,
    request: str,
    at_once: bool,
    payload: bytes,
    delivery: Delivery | None = None,
) -> None:
    """Ask a live execution to end, once per `request`; or end it and all below it `at_once`.

    Args:
        payload: encoded reason; of the request's event and of the terminal one.

    Raises:
        UnknownExecution: there is no such execution.
        ExecutionAlreadyOver: it has ended.
    """
    keys = connection.keys.partition(execution_id)
    answer = await connection.write(
        _CANCEL,
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
            "1" if at_once else "0",
            connection.sealing.seal(payload),
            argument(delivery, keys),
        ],
    )
    if answer[0] == b"OVERTAKEN" and delivery is not None:
        raise Overtaken(delivery.message.entry)
    _refuse(execution_id, answer)


async def pause_execution(connection: Connection, execution_id: str) -> None:
    """Let nobody go on with an execution until it is resumed.

    Raises:
        UnknownExecution, ExecutionAlreadyOver: as `cancel_execution`.
    """
    keys = connection.keys.partition(execution_id)
    answer = await connection.write(
        _PAUSE,
        [keys.due, keys.control(execution_id), keys.projection(execution_id)],
        [connection.now(), execution_id],
    )
    _refuse(execution_id, answer)


async def resume_execution(connection: Connection, execution_id: str) -> None:
    """Hand out again what was paused, or parked because so many workers were lost with it.

    Raises:
        NotParked: it is neither.
        UnknownExecution, ExecutionAlreadyOver: as `cancel_execution`.
    """
    keys = connection.keys.partition(execution_id)
    answer = await connection.write(
        _RESUME,
        [keys.due, keys.control(execution_id), keys.projection(execution_id)],
        [execution_id],
    )
    if answer[0] == b"NOT":
        raise NotParked(execution_id, answer[1].decode())
    _refuse(execution_id, answer)


async def migrate_execution(
    connection: Connection,
    *,
    execution_id: str,
    request: str,
    version: int,
    definition: str,
    payload: bytes,
) -> bool:
    """Let a live workflow go on with another definition; False if it is at work, or has more events
    than `version`, and nothing was changed.

    Args:
        request: names this migration.
        definition: digest of the source.
        payload: encoded `migrated` event.

    Raises:
        UnknownExecution, ExecutionAlreadyOver: as `cancel_execution`.
    """
    keys = connection.keys.partition(execution_id)
    answer = await connection.write(
        _MIGRATE,
        [
            keys.due,
            keys.control(execution_id),
            keys.projection(execution_id),
            keys.snapshot(execution_id),
            keys.requests(execution_id),
        ],
        [
            connection.now(),
            execution_id,
            request,
            version,
            definition,
            connection.sealing.seal(payload),
        ],
    )
    if answer[0] == b"CHANGED":
        return False
    _refuse(execution_id, answer)
    return True


async def delete_execution(connection: Connection, execution_id: str) -> None:
    """Remove a finished root and all below it. Broken off, it may be called again.

    Raises:
        UnknownExecution: there is no such execution.
        ExecutionAlive: it, or something below it, has not ended.
    """
    keys = connection.keys.partition(execution_id)
    deleted_some = False
    while True:
        answer = await connection.call(
            _DELETE, [keys.due, keys.projection(execution_id)], [execution_id, DELETED_AT_ONCE]
        )
        if answer[0] == b"ALIVE":
            raise ExecutionAlive(execution_id, answer[1].decode(), int(answer[2]))
        if answer[0] == b"UNKNOWN" and not deleted_some:
            raise UnknownExecution(execution_id)
        if answer[0] != b"MORE":
            return
        deleted_some = True


def _refuse(execution_id: str, answer: list[bytes]) -> None:
    if answer[0] == b"OVER":
        raise ExecutionAlreadyOver(execution_id, answer[1].decode())
    if answer[0] == b"TASK":
        raise TakesNoSignals(execution_id)
    if answer[0] != b"OK":
        raise UnknownExecution(execution_id)
