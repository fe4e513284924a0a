"""A machine that has been fed -> what to settle. Pure.

Commands become children, timers and the `decided` event that records them, in chunks that one
script of the store can commit. What a name means (a task's queue, a workflow's definition) comes in
as an argument and is recorded with the child: replay does not look again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from flowlang import protocol
from flowlang.protocol import Command, ErrorInfo
from rhythm import events
from rhythm.engine.attributes import Attribute, lines_of
from rhythm.engine.history import LiveMachine
from rhythm.engine.input_schema import check_inputs
from rhythm.engine.lanes import check_key, check_priority, in_lane, key_of
from rhythm.engine.options import (
    KEY_EXPRESSION,
    TASK_OPTIONS,
    WORKFLOW_OPTIONS,
    bounds_of,
    check_options,
    merged,
)
from rhythm.engine.retry import duration_ms
from rhythm.errors import (
    InvalidRequest,
    InvalidWorkflowInputs,
    PayloadTooLarge,
    WorkflowNotRegistered,
)
from rhythm.events import (
    Cancelled,
    CancelRequested,
    Completed,
    Created,
    Decided,
    Failed,
    Restarted,
    SignalReceived,
    TraceContext,
)
from rhythm.models import check_chosen_id, check_execution_id, check_name, check_queue
from rhythm.payloads import shortened
from streams.codec import WorkflowClaim
from streams.keys import run_id, run_of
from streams.work import (
    CARRIED_BYTES,
    UNITS,
    Bounds,
    NewChild,
    NewTimer,
    Outgoing,
    Refusal,
    Successor,
    WorkflowSettlement,
)

CANCELLED_TYPE: Final = "cancelled"

ChildPolicy = Literal["a", "c"]
"""Of a child workflow, as in `streams.work.NewChild`."""

HISTORY_LIMIT: Final = "history_limit"
"""The `type` of the error that ends a workflow whose history became too long."""

FAILED_TYPES: Final[Mapping[str, str]] = {"task": "task_failed", "workflow": "workflow_failed"}


_Ending = Completed | Failed | Cancelled | Restarted

_KINDS: Final[Mapping[type, Literal["completed", "failed", "cancelled", "restarted"]]] = {
    Completed: "completed",
    Failed: "failed",
    Cancelled: "cancelled",
    Restarted: "restarted",
}


class KnownWorkflow(msgspec.Struct, frozen=True):
    """What a workflow's name meant when an execution was started by it.

    Attributes:
        timeout_ms: of the whole run, by its front matter; 0 for none.
        inputs: the JSON Schema of its inputs, by its front matter.
        priority, key: by its front matter; the key is where in its inputs it stands.
    """

    definition: str
    queue: str | None
    timeout_ms: int = 0
    inputs: Mapping[str, Any] | None = None
    priority: int | None = None
    key: str | None = None


class KnownTask(msgspec.Struct, frozen=True):
    """What the declaration of a task says: its queue, and its options in a script's words."""

    queue: str | None = None
    options: Mapping[str, Any] = {}


class Names(msgspec.Struct, frozen=True):
    """What the names in a decision mean.

    Attributes:
        tasks: task -> what its declaration says; missing for unknown ones.
        workflows: workflow -> what is registered; missing for unknown ones.
        known_workflows: all names, for the error of an unknown one.
        retry: the front matter's default for the workflow's tasks.
        successor: what the workflow's own name means, if it restarts.
    """

    tasks: Mapping[str, KnownTask] = {}
    workflows: Mapping[str, KnownWorkflow] = {}
    known_workflows: Sequence[str] = ()
    retry: Mapping[str, Any] | None = None
    successor: KnownWorkflow | None = None


def settle(
    claim: WorkflowClaim,
    live: LiveMachine,
    names: Names,
    payload_limit: int,
    history_limit: int,
    history_warning: int,
    trace: TraceContext | None,
    successor_trace: TraceContext | None,
) -> list[WorkflowSettlement]:
    """What to settle for an activation whose machine has been fed, in the order to send it.

    Args:
        payload_limit: bytes that one encoded input or output may have.
        history_limit: events that the history of a workflow which goes on may have.
        history_warning: events from which on its history is told to be long.
        trace: what its children are to be part of.
        successor_trace: what its successor is to be part of, if it restarts.
    """
    chunks = _chunks(live.undecided)
    settlements = []
    for number, commands in enumerate(chunks, start=1):
        last = number == len(chunks)
        settlements.append(
            _Chunk(claim.id, live.created, names, payload_limit, trace, successor_trace).settlement(
                claim, live, commands, number, last
            )
        )
    settlements[-1:] = _carrying(settlements[-1])
    if live.outcome is None and claim.version > history_limit:
        too_long = Failed(_too_long(claim.version, history_limit))
        settlements[-1] = msgspec.structs.replace(
            settlements[-1],
            outcome="failed",
            payload=events.encode(too_long),
            error=too_long.found_by,
        )
    elif live.outcome is None and claim.version >= history_warning:
        settlements[-1] = msgspec.structs.replace(settlements[-1], outcome="long")
    return settlements


def _chunks(commands: Sequence[Command]) -> list[list[Command]]:
    """The commands in parts that one script can commit; at least one, perhaps empty."""
    chunks: list[list[Command]] = [[]]
    units = 0
    for command in commands:
        cost = 1 + len(child_attributes(command))
        if units + cost > UNITS:
            chunks.append([])
            units = 0
        chunks[-1].append(command)
        units += cost
    return chunks


def _carrying(last: WorkflowSettlement) -> list[WorkflowSettlement]:
    """The last chunk of a decision, in more of them if it is a restart whose signals are more than
    one script can carry along."""
    if last.successor is None:
        return [last]
    pieces: list[list[bytes]] = [[]]
    size = 0
    for signal in last.successor.signals:
        if len(pieces[-1]) == UNITS or size >= CARRIED_BYTES:
            pieces.append([])
            size = 0
        pieces[-1].append(signal)
        size += len(signal)
    if len(pieces) == 1:
        return [last]
    # What was decided comes first: its attributes go along too.
    chunks = [msgspec.structs.replace(last, last=False, outcome="", payload=b"", successor=None)]
    before = 0
    for number, piece in enumerate(pieces, start=1):
        successor = msgspec.structs.replace(last.successor, signals=tuple(piece), before=before)
        before += len(piece)
        is_last = number == len(pieces)
        chunks.append(
            WorkflowSettlement(
                last.id,
                last.token,
                last.upto,
                chunk=last.chunk + number,
                last=is_last,
                outcome="restarted",
                payload=last.payload if is_last else b"",
                successor=successor,
            )
        )
    return chunks


def child_attributes(command: Command) -> dict[str, Attribute]:
    """The attributes that the child of a command begins with."""
    if not isinstance(command, protocol.RunWorkflow):
        return {}
    given = (command.options or {}).get("attributes") or {}
    return {name: value for name, value in given.items() if value is not None}


def _too_long(events_: int, limit: int) -> ErrorInfo:
    return ErrorInfo(
        "LimitError",
        f"its history has {events_:,} events, and {limit:,} are the most (history_limit): let the "
        "script end with Workflow.restart(inputs) now and then, which begins a fresh one",
        HISTORY_LIMIT,
    )


class _Chunk:
    """Collects what the commands of one chunk come to."""

    def __init__(
        self,
        execution_id: str,
        created: Created,
        names: Names,
        payload_limit: int,
        trace: TraceContext | None,
        successor_trace: TraceContext | None,
    ) -> None:
        self._execution_id, self._created = execution_id, created
        self._trace, self._successor_trace = trace, successor_trace
        self._names, self._payload_limit = names, payload_limit
        self._children: list[NewChild] = []
        self._refusals: list[Refusal] = []
        self._timers: list[NewTimer] = []
        self._stopped: list[int] = []
        self._ended: list[int] = []
        self._outbox: list[Outgoing] = []
        self._shows_state = False
        self._attributes: dict[str, Attribute | None] = {}

    def settlement(
        self,
        claim: WorkflowClaim,
        live: LiveMachine,
        commands: Sequence[Command],
        number: int,
        last: bool,
    ) -> WorkflowSettlement:
        for command in commands:
            self._add(command)
        decided = Decided(tuple(commands), more=not last)
        # A turn without commands writes no event, but for the first: a workflow that only waits
        # for a signal is suspended, and its history must say so.
        is_told = bool(commands) or (claim.upto == 0 and live.outcome is None)
        outcome = self._ending(live) if last and live.outcome is not None else None
        return WorkflowSettlement(
            claim.id,
            claim.token,
            live.upto,
            chunk=number,
            last=last,
            decided=events.encode(decided) if is_told else b"",
            state=events.encode_value(live.state) if self._shows_state else b"",
            attributes=lines_of(self._attributes),
            children=tuple(self._children),
            refusals=tuple(self._refusals),
            timers=tuple(self._timers),
            stopped=tuple(self._stopped),
            ended=tuple(self._ended),
            outbox=tuple(self._outbox),
            identity=live.identity,
            reason=events.encode(live.cancel or CancelRequested()) if self._ended else b"",
            outcome="" if outcome is None else _KINDS[type(outcome)],
            payload=b"" if outcome is None else events.encode(outcome),
            error=outcome.found_by if isinstance(outcome, Failed) else "",
            successor=self._successor(outcome, live) if isinstance(outcome, Restarted) else None,
        )

    def _add(self, command: Command) -> None:
        match command:
            case protocol.RunTask():
                self._add_task(command)
            case protocol.RunWorkflow():
                self._add_workflow(command)
            case protocol.StartTimer():
                self._timers.append(NewTimer(command.n, command.due_ms))
            case protocol.CancelTimer():
                self._stopped.append(command.n)
            case protocol.CancelChild():
                self._ended.append(command.n)
            case protocol.SendSignal():
                self._add_signal(command)
            case protocol.SetState():
                self._shows_state = True
            case protocol.SetAttribute():
                self._attributes[command.key] = command.value
            case protocol.Log():
                pass

    def _add_task(self, command: protocol.RunTask) -> None:
        declared = self._names.tasks.get(command.name, KnownTask())
        front_matter = {"retry": self._names.retry}
        options = merged(command.options, declared.options, front_matter)
        expression = options.pop(KEY_EXPRESSION, None)
        try:
            check_options("Task.run", options, TASK_OPTIONS)
            _check_names(command.name, options)
            inputs = self._encoded(command.inputs)
            priority, key = turn_of(options, expression, command.inputs, self._created)
        except (InvalidRequest, PayloadTooLarge) as error:
            self._refuse(command.n, ErrorInfo(type(error).__name__, str(error), "task_failed"))
            return
        queue = options.pop("queue", None) or declared.queue
        options.pop("priority", None), options.pop("key", None)
        self._child(
            command.n,
            "t",
            in_lane(bounds_of(options), priority, key),
            Created(
                type="task",
                target=command.name,
                queue=queue or self._created.queue,
                inputs=inputs,
                options=options,
                trace=self._trace,
                priority=priority,
                key=key,
            ),
        )

    def _add_workflow(self, command: protocol.RunWorkflow) -> None:
        known = self._names.workflows.get(command.name)
        options = merged(command.options)
        try:
            check_options("Workflow.run", options, WORKFLOW_OPTIONS)
            _check_names(command.name, options)
            if known is None:
                raise WorkflowNotRegistered(command.name, self._names.known_workflows)
            check_inputs(command.name, known.inputs, command.inputs)
            inputs = self._encoded(command.inputs)
            own = merged(options, {"priority": known.priority})
            priority, key = turn_of(own, known.key, command.inputs, self._created)
        except (
            InvalidRequest,
            InvalidWorkflowInputs,
            PayloadTooLarge,
            WorkflowNotRegistered,
        ) as error:
            self._refuse(command.n, ErrorInfo(type(error).__name__, str(error), "workflow_failed"))
            return
        policy, bounds = terms_of(command, known, priority, key)
        attributes = lines_of(child_attributes(command))
        chosen = options.get("id")
        created = Created(
            type="workflow",
            target=command.name,
            queue=options.get("queue") or known.queue or self._created.queue,
            inputs=inputs,
            definition=known.definition,
            seed=child_seed(self._created.seed, command.n),
            started_by=None if chosen is None else self._execution_id,
            trace=self._trace,
            priority=priority,
            key=key,
        )
        if chosen is None:
            self._child(command.n, policy, bounds, created, attributes)
            return
        self._outbox.append(
            Outgoing(
                "start",
                command.n,
                chosen,
                events.encode(created),
                policy if command.wait or policy == "c" else "",
                created.target,
                created.queue,
                known.definition,
                events.content_of(created),
                bounds,
                attributes,
            )
        )

    def _add_signal(self, command: protocol.SendSignal) -> None:
        try:
            check_execution_id(command.execution_id, "execution id")
            check_name(command.name, "signal name")
            payload = bounded(events.raw(command.payload), "payload", self._payload_limit)
        except (InvalidRequest, PayloadTooLarge) as error:
            self._refuse(command.n, ErrorInfo(type(error).__name__, str(error)))
            return
        received = events.encode(SignalReceived(command.name, payload, self._trace))
        self._outbox.append(Outgoing("signal", command.n, command.execution_id, received))

    def _child(
        self,
        n: int,
        policy: Literal["a", "c", "t"],
        bounds: Bounds,
        created: Created,
        attributes: str = "",
    ) -> None:
        self._children.append(
            NewChild(
                n,
                created.type,
                created.target,
                created.queue,
                created.definition or "",
                events.encode(created),
                policy,
                bounds,
                attributes,
            )
        )

    def _refuse(self, n: int, error: ErrorInfo) -> None:
        self._refusals.append(Refusal(n, events.encode(Failed(error))))

    def _encoded(self, inputs: Mapping[str, Any]) -> msgspec.Raw:
        return bounded(events.raw(inputs), "inputs", self._payload_limit)

    def _successor(self, restarted: Restarted, live: LiveMachine) -> Successor:
        known, outcome, before = self._names.successor, live.outcome, self._created
        assert known is not None
        assert isinstance(outcome, protocol.Restarted)
        created = Created(
            type="workflow",
            target=before.target,
            queue=before.queue,
            inputs=restarted.inputs,
            definition=known.definition,
            # 0 is no command's number.
            seed=child_seed(before.seed, 0),
            started_by=before.started_by,
            restarted_from=self._execution_id,
            trace=self._successor_trace,
            priority=before.priority,
            key=before.key,
        )
        left = (SignalReceived(one.name, events.raw(one.payload)) for one in outcome.signals)
        return Successor(
            before.target,
            known.definition,
            in_lane(Bounds(deadline_ms=known.timeout_ms), before.priority, before.key),
            events.encode(created),
            tuple(map(events.encode, left)),
        )

    def _restart(self, outcome: protocol.Restarted, live: LiveMachine) -> _Ending:
        if live.cancel is not None:
            # Or it would never end.
            return Cancelled(live.cancel.reason)
        known = self._names.successor
        assert known is not None
        try:
            check_inputs(self._created.target, known.inputs, outcome.inputs)
            inputs = self._encoded(outcome.inputs)
        except (InvalidWorkflowInputs, PayloadTooLarge) as error:
            return Failed(ErrorInfo(type(error).__name__, str(error)))
        first, number = run_of(self._execution_id)
        return Restarted(run_id(first, number + 1), inputs, known.definition)

    def _failed(self, error: ErrorInfo) -> Failed:
        """The end by an error: without what it has in addition, where that is too large."""
        failed = Failed(msgspec.structs.replace(error, message=shortened(error.message)))
        if len(events.encode(failed)) <= self._payload_limit:
            return failed
        return Failed(msgspec.structs.replace(failed.error, details=None))

    def _ending(self, live: LiveMachine) -> _Ending:
        outcome = live.outcome
        assert outcome is not None
        if isinstance(outcome, protocol.Restarted):
            return self._restart(outcome, live)
        if isinstance(outcome, protocol.Failed):
            # A script that lets the error of its own cancellation through has ended as asked.
            if live.cancel is not None and outcome.error.type == CANCELLED_TYPE:
                return Cancelled(live.cancel.reason)
            return self._failed(outcome.error)
        try:
            output = bounded(events.raw(outcome.value), "output", self._payload_limit)
        except PayloadTooLarge as error:
            return Failed(ErrorInfo(type(error).__name__, str(error)))
        return Completed(output)


def turn_of(
    options: Mapping[str, Any], expression: str | None, inputs: Mapping[str, Any], parent: Created
) -> tuple[int | None, str | None]:
    """Priority and key of a child: as its options say, else its declaration, else its parent's.

    Args:
        expression: how its declaration makes the key of its inputs.

    Raises:
        InvalidRequest: what that gives cannot be a key.
    """
    priority, key = options.get("priority"), options.get("key")
    if key is not None:
        key = check_key(key, "key")
    elif expression is not None:
        key = key_of(expression, inputs)
    return (
        parent.priority if priority is None else check_priority(priority, "priority"),
        parent.key if key is None else key,
    )


def terms_of(
    command: protocol.RunWorkflow, known: KnownWorkflow, priority: int | None, key: str | None
) -> tuple[ChildPolicy, Bounds]:
    """What becomes of a child workflow when its parent ends, how long it may take, and in whose
    turn it comes."""
    options = merged(command.options)
    timeout_ms = (
        known.timeout_ms
        if options.get("timeout") is None
        else max(duration_ms(options["timeout"], "timeout"), 1)
    )
    closes = options.get("onParentClose", "cancel" if command.wait else "abandon")
    bounds = in_lane(Bounds(deadline_ms=timeout_ms), priority, key)
    return "c" if closes == "cancel" else "a", bounds


def bounded(encoded: msgspec.Raw, path: str, limit: int) -> msgspec.Raw:
    """`encoded` itself.

    Raises:
        PayloadTooLarge: it takes more than `limit` bytes.
    """
    size = len(memoryview(encoded))
    if size > limit:
        raise PayloadTooLarge(path, size, limit)
    return encoded


def child_seed(seed: int, n: int) -> int:
    """The seed of the child that command `n` starts: the same in every replay."""
    digest = hashlib.blake2b(f"{seed} {n}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _check_names(target: str, options: Mapping[str, Any]) -> None:
    check_name(target, "name")
    if options.get("queue") is not None:
        check_queue(options["queue"], "queue")
    if options.get("id") is not None:
        check_chosen_id(options["id"], "id")
