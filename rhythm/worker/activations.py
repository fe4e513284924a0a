"""The workflow side of a worker: bring a machine up to date, run it, say what to settle.

Machines are kept between activations. One that is not at hand, or stands elsewhere than the store
says, is made anew from the history.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from flowlang import protocol
from rhythm.engine.history import LiveMachine
from rhythm.engine.turn import KnownTask, KnownWorkflow, Names, settle
from rhythm.errors import RhythmError, WorkflowNotRegistered
from rhythm.events import Created
from rhythm.events import decode as decode_event
from rhythm.services import staff
from rhythm.services.workflows import WorkflowService
from rhythm.settings import Settings
from rhythm.tasks import TaskRegistry
from streams import events as stream
from streams.codec import StoredEvent, WorkflowClaim
from streams.connection import Connection
from streams.work import WorkflowSettlement

logger = logging.getLogger("rhythm.worker")
flow_logger = logging.getLogger("rhythm.flow")

# A machine that waits takes some tens of KB: this is some tens of MB, and a miss costs a replay.
MACHINES_KEPT = 1_000

# An execution that cannot be brought up to date is tried again with these pauses: another
# release of the worker may know how.
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 300_000

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class Activations:
    """Runs activations for one worker incarnation."""

    def __init__(
        self,
        connection: Connection,
        worker: str,
        workflows: WorkflowService,
        registry: TaskRegistry,
        settings: Settings,
    ) -> None:
        self._connection, self._worker = connection, worker
        self._workflows, self._registry, self._settings = workflows, registry, settings
        self._machines: OrderedDict[str, LiveMachine] = OrderedDict()
        self._pauses_ms: dict[str, int] = {}

    async def run(self, claim: WorkflowClaim, now_ms: int) -> list[WorkflowSettlement]:
        """Run one activation; what to settle, in the order to send it.

        An execution that this worker cannot bring up to date is given back, to be tried again
        later; it is never failed for that.
        """
        try:
            live = await self._up_to_date(claim)
            names = await self._names(live)
            settlements = settle(claim, live, names, self._settings.payload_limit)
        except Exception as error:
            return [self._given_back(claim, error, now_ms)]
        self._pauses_ms.pop(claim.id, None)
        self._log(claim.id, live.undecided)
        if live.outcome is None:
            self._keep(claim.id, live)
        return settlements

    def drop(self, execution_id: str) -> None:
        """Forget a machine: what it decided was not accepted."""
        self._machines.pop(execution_id, None)

    async def _up_to_date(self, claim: WorkflowClaim) -> LiveMachine:
        live = self._machines.pop(claim.id, None)
        warm = live is not None and claim.held_by == self._worker and live.upto == claim.upto
        known = list(claim.events)
        if live is None or not warm:
            if not known or known[0].version != 1:
                known = []
            known += await self._rest(claim, known)
            live = await self._new(claim, known[0])
            live.advance(known[1:])
            return live
        known += await self._rest(claim, known, after=claim.upto)
        live.advance(known)
        return live

    async def _rest(
        self, claim: WorkflowClaim, known: Sequence[StoredEvent], after: int = 0
    ) -> list[StoredEvent]:
        """The events up to the claim's version that did not come with it."""
        seen = known[-1].version if known else after
        if seen >= claim.version:
            return []
        return [
            event
            async for event in stream.read(
                self._connection, claim.id, after=seen, upto=claim.version
            )
        ]

    async def _new(self, claim: WorkflowClaim, first: StoredEvent) -> LiveMachine:
        created = decode_event(claim.id, first.version, first.type, first.payload)
        assert isinstance(created, Created) and created.definition is not None
        program = await self._workflows.program(created.target, created.definition)
        return LiveMachine(claim.id, program, first)

    async def _names(self, live: LiveMachine) -> Names:
        tasks: dict[str, KnownTask] = {}
        workflows: dict[str, KnownWorkflow] = {}
        known_workflows: Sequence[str] = ()
        for command in live.undecided:
            match command:
                case protocol.RunTask() if command.name not in tasks:
                    about = await staff.declared_task(
                        self._connection, self._registry, command.name
                    )
                    if about is not None:
                        tasks[command.name] = KnownTask(about.queue, about.options)
                case protocol.RunWorkflow() if command.name not in workflows:
                    try:
                        workflows[command.name] = await self._workflows.resolve(command.name)
                    except WorkflowNotRegistered as error:
                        known_workflows = error.known
        created = live.created
        assert created.definition is not None
        program = await self._workflows.program(created.target, created.definition)
        return Names(tasks, workflows, known_workflows, _retry(program.front_matter.retry))

    def _given_back(
        self, claim: WorkflowClaim, error: Exception, now_ms: int
    ) -> WorkflowSettlement:
        pause_ms = self._pauses_ms.get(claim.id, _FIRST_PAUSE_MS)
        self._pauses_ms[claim.id] = min(pause_ms * 2, _LONGEST_PAUSE_MS)
        expected = isinstance(error, RhythmError)
        logger.error(
            "workflow %s could not go on and is tried again in %.0f s: %s",
            claim.id,
            pause_ms / 1000,
            error if expected else repr(error),
            exc_info=None if expected else error,
        )
        return WorkflowSettlement(
            claim.id, claim.token, claim.upto, outcome="released", due_ms=now_ms + pause_ms
        )

    def _log(self, execution_id: str, commands: Sequence[protocol.Command]) -> None:
        for command in commands:
            if isinstance(command, protocol.Log):
                flow_logger.log(
                    _LEVELS.get(command.level, logging.INFO),
                    "%s",
                    command.text,
                    extra={"execution_id": execution_id, "flow_line": command.line},
                )

    def _keep(self, execution_id: str, live: LiveMachine) -> None:
        self._machines[execution_id] = live
        if len(self._machines) > MACHINES_KEPT:
            self._machines.popitem(last=False)


def _retry(given: object) -> Mapping[str, object] | None:
    return given if isinstance(given, Mapping) else None
