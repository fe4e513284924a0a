"""Check a live system: does everything that is kept agree with the events?"""

from __future__ import annotations

from collections.abc import AsyncIterator

from rhythm import events
from rhythm.engine.fold import fold
from rhythm.engine.history import LiveMachine, beginning_of, chained
from rhythm.errors import ExecutionNotFound, RhythmError, UnreadableEvent
from rhythm.history.recording import first_of
from rhythm.history.verify import Finding, check, projection
from rhythm.models import check_execution_id
from rhythm.services.translation import translated
from rhythm.services.workflows import WorkflowService
from streams import events as stream
from streams import projections
from streams.codec import StoredEvent
from streams.connection import Connection
from streams.errors import CorruptRecord

# An execution that works may change between two reads; it does not always.
_LOOKS = 10


class VerificationService:
    """`app.verification_service`."""

    def __init__(self, connection: Connection, workflows: WorkflowService) -> None:
        self._connection, self._workflows = connection, workflows

    async def verify(self, execution_id: str) -> list[Finding]:
        """What of one execution does not agree with its events; nothing, if all is well.

        A workflow's decisions are made once more from its history and compared. Nothing is
        changed.

        Raises:
            ExecutionNotFound: there is no execution of this id.
            ConnectionLost: no answer in time.
        """
        check_execution_id(execution_id, "execution_id")
        with translated():
            return await self._verify(execution_id)

    async def verify_all(self) -> AsyncIterator[tuple[str, list[Finding]]]:
        """Every execution of the namespace, by its id, with what does not agree in it.

        Executions are found by their events, so that one that an index has lost is found too; and
        by the indexes, so that one whose events are gone is told.

        Raises:
            ConnectionLost: no answer in time.
        """
        seen: set[str] = set()
        with translated():
            async for execution_id, _ in projections.all_executions(self._connection):
                if execution_id not in seen:
                    seen.add(execution_id)
                    yield execution_id, await self._verify_if_there(execution_id)
            async for execution_id, kind in projections.all_due(self._connection):
                try:
                    examined = await projections.examine(self._connection, execution_id)
                except CorruptRecord:
                    continue  # told above
                if not examined.has_record and kind not in ("close", "end"):
                    problem = f"it has ended, or never was, and a {kind} of it becomes due"
                    yield execution_id, [Finding(execution_id, problem)]

    async def rebuild(self, execution_id: str) -> None:
        """Make what readers see of one execution anew from its events alone.

        Raises:
            ExecutionNotFound: there is no execution of this id.
            UnreadableEvent: an event is damaged or unknown; nothing was changed.
            ConnectionLost: no answer in time.
        """
        check_execution_id(execution_id, "execution_id")
        with translated():
            if not await self._rebuild(execution_id):
                raise ExecutionNotFound(execution_id)

    async def rebuild_all(self) -> AsyncIterator[str]:
        """Make projections and indexes anew from the streams alone; each execution's id, as done.

        Others may work meanwhile. Queues, timers and what workers hold are no projections, and
        stay as they are.

        Raises:
            UnreadableEvent: an event is damaged or unknown; that execution was left as it is, and
                all others were made anew before this is raised.
            ConnectionLost: no answer in time; it is safe to begin again.
        """
        seen: set[str] = set()
        unreadable: Exception | None = None
        with translated():
            async for execution_id, created_ms in projections.all_executions(self._connection):
                if execution_id in seen:
                    continue
                seen.add(execution_id)
                try:
                    if not await self._rebuild(execution_id) and created_ms is not None:
                        await projections.forget_index_entry(
                            self._connection, execution_id, created_ms
                        )
                except (UnreadableEvent, CorruptRecord) as error:
                    unreadable = unreadable or error
                    continue
                yield execution_id
            if unreadable is not None:
                raise unreadable

    async def _rebuild(self, execution_id: str) -> bool:
        """False if there are no events of this id."""
        while True:
            history = [event async for event in stream.read(self._connection, execution_id)]
            if not history:
                return False
            facts = fold(execution_id, history)
            state = events.encode_value(facts.state) if facts.state else b""
            if await projections.rebuild(
                self._connection, execution_id, facts.version, projection(facts), state
            ):
                return True

    async def _verify_if_there(self, execution_id: str) -> list[Finding]:
        try:
            return await self._verify(execution_id)
        except ExecutionNotFound:
            return [Finding(execution_id, "an index has it, and nothing is stored of it")]

    async def _verify(self, execution_id: str) -> list[Finding]:
        for _ in range(_LOOKS):
            try:
                history = [event async for event in stream.read(self._connection, execution_id)]
                examined = await projections.examine(self._connection, execution_id)
            except CorruptRecord as error:
                return [Finding(execution_id, str(error))]
            if not history and not examined.facts and not examined.indexes:
                raise ExecutionNotFound(execution_id)
            if examined.version == len(history):
                break
        try:
            machine = await self._machine(execution_id, history)
        except RhythmError as error:
            return [*check(execution_id, history, examined), Finding(execution_id, str(error))]
        try:
            snapshot = await stream.snapshot(self._connection, execution_id) if machine else None
        except CorruptRecord as error:
            found = check(execution_id, history, examined, machine)
            return [*found, Finding(execution_id, str(error))]
        return check(execution_id, history, examined, machine, snapshot)

    async def _machine(self, execution_id: str, history: list[StoredEvent]) -> LiveMachine | None:
        if not history:
            return None
        created = first_of(execution_id, history)
        if created.definition is None:
            return None
        programs = await self._workflows.programs_of(created.target, execution_id, history)
        return LiveMachine(execution_id, chained(programs), beginning_of(execution_id, history))
