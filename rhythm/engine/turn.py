"""A machine that has been fed -> what to settle. Pure.

Commands become children, timers and the `decided` event that records them, in chunks that one
script of the store can commit. What a name means (a task's queue, a workflow's definition) comes in
as an argument and is recorded with the child: replay does not look again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from flowlang import protocol
from flowlang.protocol import Command, ErrorInfo
from rhythm import events
from rhythm.engine.history import LiveMachine
from rhythm.engine.retry import duration_ms, policy_of
from rhythm.errors import InvalidRequest, PayloadTooLarge, WorkflowNotRegistered
from rhythm.events import Completed, Created, Decided, Failed
from rhythm.models import check_name, check_queue
from streams.codec import WorkflowClaim
from streams.work import UNITS, NewChild, NewTimer, Refusal, WorkflowSettlement

TASK_OPTIONS: Final = frozenset({"queue", "retry", "timeout"})
WORKFLOW_OPTIONS: Final = frozenset({"queue", "onParentClose"})
"""The options that take effect today. Any other is refused, not ignored."""

FAILED_TYPES: Final[Mapping[str, str]] = {"task": "task_failed", "workflow": "workflow_failed"}


class KnownWorkflow(msgspec.Struct, frozen=True):
    """What a workflow's name meant when a child was started by it."""

    definition: str
    queue: str | None


class Names(msgspec.Struct, frozen=True):
    """What the names in a decision mean.

    Attributes:
        tasks: task -> the queue its declaration names; missing or None for none.
        workflows: workflow -> what is registered; missing for unknown ones.
        known_workflows: all names, for the error of an unknown one.
        retry: the front matter's default for the workflow's tasks.
    """

    tasks: Mapping[str, str | None] = {}
    workflows: Mapping[str, KnownWorkflow] = {}
    known_workflows: Sequence[str] = ()
    retry: Mapping[str, Any] | None = None


def settle(
    claim: WorkflowClaim, live: LiveMachine, names: Names, payload_limit: int
) -> list[WorkflowSettlement]:
    """What to settle for an activation whose machine has been fed, in the order to send it.

    Args:
        payload_limit: bytes that one encoded input or output may have.
    """
    chunks = [live.undecided[i : i + UNITS] for i in range(0, len(live.undecided), UNITS)] or [[]]
    settlements = []
    for number, commands in enumerate(chunks, start=1):
        last = number == len(chunks)
        settlements.append(
            _Chunk(claim.id, live.created, names, payload_limit).settlement(
                claim, live, commands, number, last
            )
        )
    return settlements


class _Chunk:
    """Collects what the commands of one chunk come to."""

    def __init__(
        self, execution_id: str, created: Created, names: Names, payload_limit: int
    ) -> None:
        self._execution_id, self._created = execution_id, created
        self._names, self._payload_limit = names, payload_limit
        self._children: list[NewChild] = []
        self._refusals: list[Refusal] = []
        self._timers: list[NewTimer] = []
        self._stopped: list[int] = []

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
        settlement = WorkflowSettlement(
            claim.id,
            claim.token,
            live.upto,
            chunk=number,
            last=last,
            decided=events.encode(decided) if is_told else b"",
            children=tuple(self._children),
            refusals=tuple(self._refusals),
            timers=tuple(self._timers),
            stopped=tuple(self._stopped),
        )
        if not last or live.outcome is None:
            return settlement
        outcome = self._ending(live.outcome)
        return msgspec.structs.replace(
            settlement,
            outcome="completed" if isinstance(outcome, Completed) else "failed",
            payload=events.encode(outcome),
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
            case protocol.SendSignal():
                self._refuse(
                    command.n,
                    ErrorInfo("NotSupported", "Signal.send is not available yet"),
                )
            case protocol.SetState() | protocol.Log():
                pass

    def _add_task(self, command: protocol.RunTask) -> None:
        options = dict(command.options)
        if "retry" not in options and self._names.retry is not None:
            options["retry"] = dict(self._names.retry)
        try:
            _refuse_unknown("Task.run", options, TASK_OPTIONS)
            _check_names(command.name, options)
            policy_of(options.get("retry"))
            if options.get("timeout") is not None:
                duration_ms(options["timeout"], "timeout")
            inputs = self._encoded(command.inputs)
        except (InvalidRequest, PayloadTooLarge) as error:
            self._refuse(command.n, ErrorInfo(type(error).__name__, str(error), "task_failed"))
            return
        queue = options.pop("queue", None) or self._names.tasks.get(command.name)
        self._child(
            Created(
                type="task",
                target=command.name,
                queue=queue or self._created.queue,
                inputs=inputs,
                parent=self._execution_id,
                n=command.n,
                options=options,
            )
        )

    def _add_workflow(self, command: protocol.RunWorkflow) -> None:
        known = self._names.workflows.get(command.name)
        try:
            _refuse_unknown("Workflow.run", command.options, WORKFLOW_OPTIONS)
            _check_names(command.name, command.options)
            if known is None:
                raise WorkflowNotRegistered(command.name, self._names.known_workflows)
            inputs = self._encoded(command.inputs)
        except (InvalidRequest, PayloadTooLarge, WorkflowNotRegistered) as error:
            self._refuse(command.n, ErrorInfo(type(error).__name__, str(error), "workflow_failed"))
            return
        self._child(
            Created(
                type="workflow",
                target=command.name,
                queue=command.options.get("queue") or known.queue or self._created.queue,
                inputs=inputs,
                parent=self._execution_id,
                n=command.n,
                definition=known.definition,
                seed=child_seed(self._created.seed, command.n),
            )
        )

    def _child(self, created: Created) -> None:
        assert created.n is not None
        self._children.append(
            NewChild(
                created.n,
                created.type,
                created.target,
                created.queue,
                created.definition or "",
                events.encode(created),
            )
        )

    def _refuse(self, n: int, error: ErrorInfo) -> None:
        self._refusals.append(Refusal(n, events.encode(Failed(error))))

    def _encoded(self, inputs: Mapping[str, Any]) -> msgspec.Raw:
        return bounded(events.raw(inputs), "inputs", self._payload_limit)

    def _ending(self, outcome: protocol.Completed | protocol.Failed) -> Completed | Failed:
        if isinstance(outcome, protocol.Failed):
            return Failed(outcome.error)
        try:
            output = bounded(events.raw(outcome.value), "output", self._payload_limit)
        except PayloadTooLarge as error:
            return Failed(ErrorInfo(type(error).__name__, str(error)))
        return Completed(output)


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


def _refuse_unknown(call: str, options: Mapping[str, Any], available: frozenset[str]) -> None:
    for name in sorted(set(options) - available):
        raise InvalidRequest(name, f"this option of {call} is not available yet")
