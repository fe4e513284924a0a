"""Read, record, replay and explain the histories of executions. Nothing here writes to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

import msgspec

import flowlang
from rhythm import events
from rhythm.errors import ExecutionNotFound, FlowSyntaxError, InvalidRequest, UnreadableEvent
from rhythm.events import TERMINAL, Completed, Created, Decided, SignalReceived
from rhythm.history.cursor import Replay, opened
from rhythm.history.explain import Explanation, explain
from rhythm.history.explain import Surroundings as Around
from rhythm.history.impact import Impact, Parting, impact, what_if
from rhythm.history.recording import Recording, first_of
from rhythm.history.standing import Standing, standing
from rhythm.models import (
    Execution,
    ExecutionStatus,
    ExecutionType,
    HistoryEvent,
    check_execution_id,
    check_name,
    from_unix_ms,
)
from rhythm.services import staff
from rhythm.services.executions import execution_of
from rhythm.services.translation import translated
from rhythm.services.workflows import WorkflowService
from streams import events as stream
from streams import projections
from streams.codec import StoredEvent, StoredExecution
from streams.connection import Connection

_LIVE = [status for status in ExecutionStatus if not status.finished]
_ENDED = [status for status in ExecutionStatus if status.finished]
_ALL = 2**31 - 1


class HistoryService:
    """`app.history_service`."""

    def __init__(self, connection: Connection, workflows: WorkflowService) -> None:
        self._connection, self._workflows = connection, workflows

    async def events(self, execution_id: str) -> list[HistoryEvent]:
        """All events of an execution, the oldest first.

        Raises:
            ExecutionNotFound: there is no execution of this id.
            UnreadableEvent: an event is damaged, or of a type that this release does not know.
        """
        check_execution_id(execution_id, "execution_id")
        with translated():
            found = [
                readable(execution_id, event)
                async for event in stream.read(self._connection, execution_id)
            ]
        if not found:
            raise ExecutionNotFound(execution_id)
        return found

    async def record(self, execution_id: str) -> Recording:
        """A workflow's history and source as they are now, to be kept and replayed elsewhere.

        Raises:
            ExecutionNotFound: there is no execution of this id.
            InvalidRequest: it is a task, which has no decisions to replay.
            WorkflowNotRegistered: its source is not kept any more.
            UnreadableEvent: an event is damaged.
        """
        check_execution_id(execution_id, "execution_id")
        with translated():
            found = [event async for event in stream.read(self._connection, execution_id)]
        if not found:
            raise ExecutionNotFound(execution_id)
        for event in found:
            events.decode(execution_id, event.version, event.type, event.payload)
        created = first_of(execution_id, found)
        if created.definition is None:
            raise InvalidRequest("execution_id", f"{execution_id!r} is a task; record its workflow")
        program = await self._workflows.program(created.target, created.definition)
        return Recording(execution_id, created.target, program.path, program.source, tuple(found))

    async def replay(self, execution_id: str, upto: int | None = None) -> Replay:
        """A workflow's history, replayed and verified, as something to go about in.

        Args:
            upto: the version of the last event to read; None is all there are now.

        Raises:
            NondeterminismError: its script decides otherwise than the history records.
            InvalidRequest: it is a task, which has no script; or it has no such event.
            ExecutionNotFound, WorkflowNotRegistered, UnreadableEvent: as `record`.
        """
        recording = await self.record(execution_id)
        if upto is not None and not 1 <= upto <= len(recording.events):
            raise InvalidRequest("upto", f"the history has events 1 to {len(recording.events)}")
        return opened(recording, upto)

    async def what_if(self, execution_id: str, source: str) -> Parting | None:
        """Where another source would part from an execution's history; None if it decides as
        recorded. Nothing is written.

        Raises:
            FlowSyntaxError: the source is no program.
            ExecutionNotFound, InvalidRequest, UnreadableEvent: as `record`.
        """
        return what_if(await self.record(execution_id), _compiled(source))

    async def impact(
        self, name: str, source: str, *, last: int = 100, path: str = "workflow.flow"
    ) -> Impact:
        """What a source would do to executions of a workflow: all that live, and those that ended
        last. Nothing is written.

        Args:
            last: how many of those that have ended.

        Raises:
            FlowSyntaxError: the source is no program.
            UnreadableEvent: a history is damaged.
        """
        program = _compiled(source, path)
        ids = await self._of_workflow(name, _LIVE, None)
        ids += (await self._of_workflow(name, _ENDED, last))[:last]
        return impact([await self.record(id_) for id_ in ids], program)

    async def where(self, name: str) -> list[Standing]:
        """Where the live executions of a workflow stand, for each source that some of them run,
        the one that most run first.

        Raises:
            UnreadableEvent, NondeterminismError: one cannot be replayed.
        """
        ids = await self._of_workflow(name, _LIVE, None)
        return standing([await self.replay(id_) for id_ in ids])

    async def _of_workflow(
        self, name: str, statuses: Sequence[ExecutionStatus], limit: int | None
    ) -> list[str]:
        """Ids of a workflow's executions, the newest of each status first."""
        check_name(name, "name")
        found: list[str] = []
        with translated():
            for status in statuses:
                filters = projections.Filters(
                    target=name, type=ExecutionType.WORKFLOW.value, status=status.value
                )
                found += await projections.query_executions(
                    self._connection, filters, limit=limit or _ALL
                )
        return list(dict.fromkeys(found))

    async def explain(self, execution_id: str) -> Explanation:
        """Where an execution stands, what would wake it, what went wrong, and what is amiss.

        Raises:
            ExecutionNotFound, WorkflowNotRegistered, UnreadableEvent, NondeterminismError: as
                `replay`.
        """
        history = await self.events(execution_id)
        with translated():
            stored = await projections.get_execution(self._connection, execution_id)
        if stored is None:
            raise ExecutionNotFound(execution_id)
        execution = execution_of(stored)
        is_workflow = execution.type is ExecutionType.WORKFLOW
        replay = await self.replay(execution_id) if is_workflow else None
        return explain(execution, history, replay, await self._around(execution, history))

    async def _around(self, execution: Execution, history: list[HistoryEvent]) -> Around:
        asked = {
            command["n"]: f"{execution.id}/{command['n']}"
            for event in history
            for command in event.data.get("commands", ())
            if command["type"] in ("run_task", "run_workflow")
        }
        with translated():
            described = await projections.describe(self._connection)
            found = await projections.get_executions(self._connection, list(asked.values()))
        children = {
            n: execution_of(child)
            for n, child in zip(asked, found, strict=True)
            if isinstance(child, StoredExecution)
        }
        serving, knowing = Counter[str](), Counter[tuple[str, str]]()
        for worker in staff.colleagues(described):
            if worker.lease_left_ms > 0:
                serving.update(worker.about.queues)
                knowing.update((q, t) for q in worker.about.queues for t in worker.about.tasks)
        return Around(
            now=from_unix_ms(described.now_ms),
            children=children,
            child_events={
                n: await self.events(child.id)
                for n, child in children.items()
                if child.type is ExecutionType.TASK and not child.status.finished
            },
            serving=serving,
            knowing=knowing,
        )

    async def follow(self, execution_id: str) -> AsyncGenerator[HistoryEvent, None]:
        """The events of an execution, the oldest first, each as it comes; ends with the last one.

        Raises:
            ExecutionNotFound: there is no execution of this id.
            UnreadableEvent: an event is damaged, or of a type that this release does not know.
            ConnectionLost: the connection failed.
        """
        seen = 0
        for event in await self.events(execution_id):
            seen = event.version
            yield event
            if event.type in TERMINAL:
                return
        with translated():
            async with aclosing(
                stream.follow(self._connection, execution_id, after=seen)
            ) as coming:
                async for stored in coming:
                    yield readable(execution_id, stored)
                    if stored.type in TERMINAL:
                        return


def _compiled(source: str, path: str = "workflow.flow") -> flowlang.Program:
    try:
        return flowlang.compile(source, path)
    except flowlang.FlowSyntaxError as error:
        raise FlowSyntaxError(error.diagnostics) from error


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
        worker=event.plain.get("w"),
        attempt=number if of_attempt else None,
        child=None if of_attempt else number,
        line=_line(payload),
    )


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
