"""The workflow side of a worker: bring a machine up to date, run it, say what to settle.

Machines are kept between activations. One that is not at hand, or stands elsewhere than the store
says, is made anew from the history.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

import flowlang
from flowlang import Program, SnapshotUnusable, StateTooLarge, protocol
from rhythm import logs, tracing
from rhythm.engine.history import KeptMachine, LiveMachine, beginning_of, chained
from rhythm.engine.turn import KnownTask, KnownWorkflow, Names, settle
from rhythm.errors import ConnectionLost, RhythmError, UnreadableEvent, WorkflowNotRegistered
from rhythm.events import Created, SignalReceived, TraceContext, plain_number
from rhythm.events import decode as decode_event
from rhythm.services import staff
from rhythm.services.translation import unreadable
from rhythm.services.workflows import WorkflowService, known
from rhythm.settings import Settings
from rhythm.tasks import TaskRegistry
from rhythm.tracing import Tracer, Work
from rhythm.worker.metrics import Metrics
from rhythm.worker.pauses import Pauses
from streams import events as stream
from streams import projections
from streams.codec import DamagedClaim, Snapshot, StoredEvent, WorkflowClaim
from streams.connection import Connection
from streams.errors import BackendUnavailable, CorruptRecord
from streams.work import WorkflowSettlement

logger = logging.getLogger("rhythm.worker")
flow_logger = logging.getLogger("rhythm.flow")


class Keeping(msgspec.Struct, frozen=True):
    """How machines are kept between activations; what is decided never depends on it.

    Attributes:
        machines: as many as together weigh so much at hand: one that waits for one answer weighs
            two and takes about 5 KB, one that waits for a hundred 90 KB. A miss costs a replay.
        snapshot_after: events until a snapshot may be stored. It takes about as long as feeding
            some ten events, and is only worth it for what lasts.
        always: store one then even if it is larger than these events.
        uses_snapshots: begin with one where there is one.
        reopens: write and read the machine's state before every event that it is fed.
        programs: whether a program that was compiled for one activation serves the next.
    """

    machines: int = 20_000
    snapshot_after: int = 32
    always: bool = False
    uses_snapshots: bool = True
    reopens: bool = False
    programs: bool = True


USUAL = Keeping()

_RECENT_MS = 10_000
"""Whose machine was used since then is likely to come again soon. When there is no room, it stays,
and a new one is not kept: whoever is next makes it from what comes with the claim. If the oldest
made room, and there were always more of them than room, none would be there when it is needed."""

COLD = Keeping(machines=0, snapshot_after=2**62, uses_snapshots=False, programs=False)
"""Every activation compiles the source, and replays from the first event."""

HOT = Keeping(machines=0, snapshot_after=1, always=True, reopens=True)
"""Every activation stores a snapshot and begins with one, and no event is fed to a machine that
was not read from one."""

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class _Kept(NamedTuple):
    live: LiveMachine
    weight: int
    used_ms: int


class Activations:
    """Runs activations for a worker.

    Args:
        on_given_back: called with the id and the error of a workflow that could not go on.
        metrics: counts what is done; None counts nothing.
    """

    def __init__(
        self,
        connection: Connection,
        workflows: WorkflowService,
        registry: TaskRegistry,
        settings: Settings,
        keeping: Keeping,
        on_given_back: Callable[[str, Exception], None] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.keeping = keeping
        self._connection = connection
        self._workflows, self._registry, self._settings = workflows, registry, settings
        self._machines: OrderedDict[str, _Kept] = OrderedDict()
        self._weight = 0
        self._pauses = Pauses()
        self._tracer = tracing.tracer()
        self._on_given_back, self._metrics = on_given_back, metrics

    async def run(self, claim: WorkflowClaim, worker: str, now_ms: int) -> list[WorkflowSettlement]:
        """Run one activation for an incarnation; what to settle, in the order to send it.

        An execution that this worker cannot bring up to date is given back, to be tried again
        later; it is never failed for that.
        """
        tracer, began_ns = self._tracer, time.time_ns()
        try:
            live = await self._up_to_date(claim, worker)
            names = await self._names(claim.id, live)
            observed = tracer is not None or self._metrics is not None
            waited_ms = waited_for(claim, now_ms) if observed else None
            if self._metrics is not None and waited_ms is not None:
                self._metrics.count_wait(live.created.queue, "workflow", waited_ms / 1000)
            if tracer is None:
                # Who traces may be another worker: what it began goes on.
                began = live.created.trace
                settlements = self._decided(claim, live, names, began, began)
            else:
                work = Work(claim.id, live.created, worker, waited_ms=waited_ms)
                heard = traces_heard(claim)
                with tracer.turn(work, began_ns, is_first=claim.upto == 0, heard=heard) as trace:
                    then, begins = None, None
                    if isinstance(live.outcome, protocol.Restarted):
                        then, begins = tracer.succeeding(work)
                    settlements = self._decided(claim, live, names, trace, then)
                    if begins is not None and settlements[-1].outcome == "restarted":
                        begins()
                    if live.outcome is not None:
                        self._tell_end(tracer, work, live, settlements[-1], now_ms)
        except Exception as error:
            return [self._given_back(claim.id, claim.token, claim.upto, error, now_ms)]
        self._pauses.forget(claim.id)
        self._log(claim, live)
        if live.outcome is None:
            settlements[-1] = self._with_snapshot(settlements[-1], live)
            if not self._keep(claim.id, live, now_ms):
                settlements[-1] = msgspec.structs.replace(settlements[-1], held=False)
        return settlements

    def _decided(
        self,
        claim: WorkflowClaim,
        live: LiveMachine,
        names: Names,
        trace: TraceContext | None,
        successor_trace: TraceContext | None,
    ) -> list[WorkflowSettlement]:
        settings = self._settings
        return settle(
            claim,
            live,
            names,
            settings.payload_limit,
            settings.history_limit,
            settings.history_warning,
            trace,
            successor_trace,
        )

    def give_back_damaged(self, claim: DamagedClaim, now_ms: int) -> WorkflowSettlement:
        """What to settle for an activation whose events cannot be read."""
        return self._given_back(claim.id, claim.token, claim.upto, unreadable(claim.error), now_ms)

    def drop(self, execution_id: str) -> None:
        """Forget a machine: what it decided was not accepted."""
        self._taken(execution_id)

    def _taken(self, execution_id: str) -> LiveMachine | None:
        kept = self._machines.pop(execution_id, None)
        if kept is None:
            return None
        self._weight -= kept.weight
        return kept.live

    def _with_snapshot(
        self, settlement: WorkflowSettlement, live: LiveMachine
    ) -> WorkflowSettlement:
        if live.fed < self.keeping.snapshot_after:
            return settlement
        try:
            kept = live.kept()
        except StateTooLarge as error:
            logger.info("workflow %s has no snapshot: %s", settlement.id, error)
            kept = b""
        fed_bytes, live.fed, live.fed_bytes = live.fed_bytes, 0, 0
        if not kept or (len(kept) > fed_bytes and not self.keeping.always):
            # Reading these events again is less than reading it: the next one is worth more.
            live.fed_bytes = fed_bytes
            return settlement
        return msgspec.structs.replace(settlement, snapshot=kept)

    async def _up_to_date(self, claim: WorkflowClaim, worker: str) -> LiveMachine:
        live = self._taken(claim.id)
        known = list(claim.events)
        is_held = claim.held_by == worker
        if live is not None and is_held and live.upto == claim.upto and known:
            anchor, *news = known
            if (anchor.version, anchor.identity) == (live.upto, live.identity):
                news += await self._rest(claim, news, after=claim.upto)
                _check_gapless(claim, news, after=claim.upto)
                # Whoever holds it in the eyes of the store, decided this.
                live.be_recorded()
                self._feed(live, news)
                return live
        began = time.perf_counter()
        live = await self._from_snapshot(claim, worker)
        source = "snapshot"
        if live is None:
            source = "history"
            if not known or known[0].version != 1:
                known = []
            known += await self._rest(claim, known)
            _check_gapless(claim, known)
            live = LiveMachine(
                claim.id, await self._program(claim, known), beginning_of(claim.id, known)
            )
            self._feed(live, known[1:])
        if self._metrics is not None and claim.upto > 0:
            self._metrics.count_replay(source, time.perf_counter() - began)
        return live

    async def _from_snapshot(self, claim: WorkflowClaim, worker: str) -> LiveMachine | None:
        """The machine made from the store's snapshot, None if there is none that can be used."""
        if not self.keeping.uses_snapshots:
            return None
        kept, first, known = claim.snapshot, claim.first, list(claim.events)
        if claim.held_by == worker:
            # This worker had the machine and let it go, so the claim brought none.
            kept, first, known = await self._kept(claim)
        if kept is None or first is None:
            return None
        if any(event.type == "migrated" for event in known):
            return None  # What it is of has been left since.
        try:
            machine = KeptMachine.of(kept)
            program = await self._program(claim, [first], machine.definition)
            live = LiveMachine.restored(claim.id, program, first, kept, machine)
        except SnapshotUnusable as error:
            logger.info("workflow %s is replayed: %s", claim.id, error)
            return None
        known += await self._rest(claim, known, after=kept.upto)
        _check_gapless(claim, known, after=kept.upto)
        self._feed(live, known)
        return live

    async def _kept(
        self, claim: WorkflowClaim
    ) -> tuple[Snapshot | None, StoredEvent | None, list[StoredEvent]]:
        """The snapshot in the store, the first event, and those behind the snapshot."""
        try:
            kept = await stream.snapshot(self._connection, claim.id)
        except CorruptRecord as error:
            logger.info("workflow %s is replayed: %s", claim.id, error)
            kept = None
        if kept is None:
            return None, None, []
        stored = await projections.get_execution(self._connection, claim.id)
        if stored is None:
            return None, None, []
        since = await self._events(claim.id, kept.upto - 1, claim.version)
        # After a failover another event may stand where it was taken.
        is_of_this = bool(since) and since[0].identity == kept.identity
        return kept if is_of_this else None, stored.first, since[1:]

    def _tell_end(
        self,
        tracer: Tracer,
        work: Work,
        live: LiveMachine,
        settlement: WorkflowSettlement,
        now_ms: int,
    ) -> None:
        outcome = live.outcome
        error = outcome.error.name if isinstance(outcome, protocol.Failed) else None
        tracer.finished(work, settlement.outcome, error, max(now_ms - live.began_ms, 0))

    def _feed(self, live: LiveMachine, news: Sequence[StoredEvent]) -> None:
        if not self.keeping.reopens:
            live.advance(news)
            return
        for event in news:
            live.reopen()
            live.advance([event])

    async def _rest(
        self, claim: WorkflowClaim, known: Sequence[StoredEvent], after: int = 0
    ) -> list[StoredEvent]:
        """The events up to the claim's version that did not come with it."""
        seen = known[-1].version if known else after
        if seen >= claim.version:
            return []
        return await self._events(claim.id, seen, claim.version)

    async def _events(self, execution_id: str, after: int, upto: int) -> list[StoredEvent]:
        return [
            event
            async for event in stream.read(self._connection, execution_id, after=after, upto=upto)
        ]

    async def _program(
        self,
        claim: WorkflowClaim,
        history: Sequence[StoredEvent],
        definition: str | None = None,
    ) -> Program:
        """The program that a history runs by its end, or another one that it runs later on."""
        first = history[0]
        created = decode_event(claim.id, first.version, first.type, first.payload)
        if not isinstance(created, Created) or created.definition is None:
            raise UnreadableEvent(claim.id, first.version, "it does not begin a workflow")
        if definition is None:
            programs = await self._workflows.programs_of(created.target, claim.id, history)
        else:
            programs = [await self._workflows.program(created.target, definition)]
        if not self.keeping.programs:
            programs = [flowlang.compile(one.source, path=one.path) for one in programs]
        return chained(programs)

    async def _names(self, execution_id: str, live: LiveMachine) -> Names:
        tasks: dict[str, KnownTask] = {}
        workflows: dict[str, KnownWorkflow] = {}
        known_workflows: Sequence[str] = ()
        for command in live.undecided:
            match command:
                case protocol.RunTask() if command.name not in tasks:
                    keys = self._connection.keys.partition(execution_id)
                    about = await staff.declared_task(
                        self._connection, keys, self._registry, command.name
                    )
                    if about is not None:
                        tasks[command.name] = KnownTask(about.queue, about.options)
                case protocol.RunWorkflow() if command.name not in workflows:
                    try:
                        workflows[command.name] = await self._workflows.resolve(command.name)
                    except WorkflowNotRegistered as error:
                        known_workflows = error.known
        retry = _retry(live.program.front_matter.retry)
        successor = None
        if isinstance(live.outcome, protocol.Restarted):
            successor = await self._successor(live, live.outcome)
        return Names(tasks, workflows, known_workflows, retry, successor)

    async def _successor(self, live: LiveMachine, outcome: protocol.Restarted) -> KnownWorkflow:
        """What a workflow that restarts goes on with."""
        if outcome.definition == "latest":
            # Not what is registered here: of two releases side by side, no run goes back.
            return await self._workflows.resolve(live.created.target, by_name=True)
        return known(live.program)

    def _given_back(
        self, execution_id: str, token: str, upto: int, error: Exception, now_ms: int
    ) -> WorkflowSettlement:
        pause_ms = self._pauses.next_ms(execution_id)
        if isinstance(error, CorruptRecord):
            error = unreadable(error)
        expected = isinstance(error, RhythmError)
        # What this worker could not read, another may: nothing is the matter with the execution.
        is_cut_off = isinstance(error, ConnectionLost | BackendUnavailable)
        logger.log(
            logging.WARNING if is_cut_off else logging.ERROR,
            "workflow %s could not go on and is tried again in %.0f s: %s",
            execution_id,
            pause_ms / 1000,
            error if expected else repr(error),
            exc_info=None if expected or is_cut_off else error,
            extra={"execution_id": execution_id},
        )
        if self._on_given_back is not None:
            self._on_given_back(execution_id, error)
        # What an unexpected error says may show values; its log is the place for that.
        trouble = str(error) if expected else f"{type(error).__name__}, see its worker's log"
        return WorkflowSettlement(
            execution_id,
            token,
            upto,
            outcome="released",
            due_ms=now_ms + pause_ms,
            trouble="" if is_cut_off else trouble,
        )

    def _log(self, claim: WorkflowClaim, live: LiveMachine) -> None:
        is_long = claim.upto < self._settings.history_warning <= claim.version
        lines = [command for command in live.undecided if isinstance(command, protocol.Log)]
        if not (is_long or lines):
            return
        with logs.at_work_on(claim, live.created):
            if is_long:
                logger.warning(
                    "workflow %s has %s events: let its script call Workflow.restart, before it is "
                    "ended with more than %s",
                    claim.id,
                    f"{claim.version:,}",
                    f"{self._settings.history_limit:,}",
                )
            for command in lines:
                flow_logger.log(
                    _LEVELS.get(command.level, logging.INFO),
                    "%s",
                    command.text,
                    extra={"execution_id": claim.id, "flow_line": command.line},
                )

    def _keep(self, execution_id: str, live: LiveMachine, now_ms: int) -> bool:
        """Whether there is room for a machine."""
        weight = live.weight
        while self._weight + weight > self.keeping.machines:
            oldest = next(iter(self._machines), None)
            if oldest is None or now_ms - self._machines[oldest].used_ms < _RECENT_MS:
                return False
            self._taken(oldest)
        self._weight += weight
        self._machines[execution_id] = _Kept(live, weight, now_ms)
        return True


def traces_heard(claim: WorkflowClaim) -> list[TraceContext]:
    """The traces of the signals among an activation's news, which have been decoded before."""
    signals = (
        decode_event(claim.id, event.version, event.type, event.payload)
        for event in claim.events
        if event.version > claim.upto and event.type == "signal_received"
    )
    return [
        signal.trace
        for signal in signals
        if isinstance(signal, SignalReceived) and signal.trace is not None
    ]


def waited_for(claim: WorkflowClaim, now_ms: int) -> int | None:
    """How long an activation was ready before it was claimed; None where its events do not tell."""
    news = next((event for event in claim.events if event.version > claim.upto), None)
    if news is None:
        return None
    ready_ms = news.at_ms
    if news.version == 1:
        # Since the newest of its starts, or since that made it due.
        start = [event for event in claim.events if event.type in ("created", "postponed")][-1]
        ready_ms = start.at_ms
        if "r" in start.plain:
            ready_ms = plain_number(claim.id, start.version, start.plain, "r")
    return max(now_ms - ready_ms, 0)


def _check_gapless(claim: WorkflowClaim, events: Sequence[StoredEvent], after: int = 0) -> None:
    for expected, event in enumerate(events, start=after + 1):
        if event.version != expected:
            raise UnreadableEvent(claim.id, expected, "it is missing")
    if after + len(events) < claim.version:
        raise UnreadableEvent(claim.id, after + len(events) + 1, "it is missing")


def _retry(given: object) -> Mapping[str, object] | None:
    return given if isinstance(given, Mapping) else None
