"""Events -> machine. Pure.

A live machine is kept between activations by the worker that holds it, or made anew by replaying
the history from its first event; the two cannot be told apart. Replay compares what the script
decides with what the history records.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

import flowlang
from flowlang import protocol
from flowlang.protocol import Command, Turn
from rhythm import events
from rhythm.engine.schedule import due_of
from rhythm.errors import NondeterminismError, UnreadableEvent
from rhythm.events import (
    Cancelled,
    CancelRequested,
    Completed,
    Created,
    Decided,
    Failed,
    Forked,
    Migrated,
)
from rhythm.events import SignalReceived as Signalled
from streams.codec import Snapshot, StoredEvent

CANCELLED_CHILD = "CancelledError"
"""The name under which a script sees that a child was ended from outside."""


class KeptMachine(msgspec.Struct, array_like=True, frozen=True):
    """A machine as a snapshot keeps it: flowlang's bytes, and the request to end it was told of.

    Attributes:
        context: of a fork, what its script sees as `Context`.
        definition: of one that was migrated, the program it is a machine of.
    """

    state: bytes
    cancel: CancelRequested | None
    context: dict[str, Any] | None = None
    definition: str | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> KeptMachine:
        """What a snapshot keeps.

        Raises:
            flowlang.SnapshotUnusable: it is damaged: replay instead.
        """
        try:
            return msgspec.msgpack.decode(events.without_sum(snapshot.data), type=cls)
        except ValueError as error:  # also of msgspec
            raise flowlang.SnapshotUnusable(f"it cannot be read ({error})") from error


class LiveMachine:
    """A workflow's machine, and where in the history it stands.

    Attributes:
        upto: the version up to which the machine has been fed; `identity` is of that event.
        undecided: commands that the script gave and no event records yet, in order.
        outcome: how the script ended, None while it goes on.
        cancel: the request to end that the script was told of, None while there is none.
        fed, fed_bytes: events fed since the beginning or the last snapshot, and their size.
    """

    __slots__ = (
        "_context",
        "_execution_id",
        "_later",
        "_machine",
        "_recorded_before",
        "began_ms",
        "cancel",
        "created",
        "fed",
        "fed_bytes",
        "identity",
        "outcome",
        "undecided",
        "upto",
    )

    def __init__(
        self,
        execution_id: str,
        program: flowlang.Program,
        first: StoredEvent,
        limits: flowlang.Limits | None = None,
    ) -> None:
        """Start the script; what it then asks for is in `undecided`.

        Args:
            program: of one that was moved onto another source by a mapping, what came of
                `chained` of all that its history runs.
            first: how the execution begins: see `beginning_of`.
        """
        self._begin(execution_id, first)
        while program.earlier is not None:
            self._later.insert(0, program)
            program = program.earlier
        self._machine = flowlang.Machine(
            program,
            inputs=events.value_of(self.created.inputs),
            context=self._context,
            seed=self.created.seed,
            now_ms=first.at_ms,
            limits=limits or flowlang.Limits(),
            attributes=attributes_of(first),
        )
        self._take(self._machine.start())

    @classmethod
    def restored(
        cls,
        execution_id: str,
        program: flowlang.Program,
        first: StoredEvent,
        snapshot: Snapshot,
        kept: KeptMachine,
    ) -> LiveMachine:
        """The machine as it stood when the snapshot was taken.

        Args:
            kept: what the snapshot keeps, a machine of `program`.

        Raises:
            flowlang.SnapshotUnusable: it was taken by another release: replay instead.
            UnreadableEvent: the first event is damaged or unknown.
        """
        live = cls.__new__(cls)
        live._begin(execution_id, first)
        context = live._context if kept.context is None else kept.context
        live._machine = flowlang.decode_state(program, kept.state, context)
        live.cancel = kept.cancel
        live.upto, live.identity = snapshot.upto, snapshot.identity
        # It was stored together with the decision it had made, which need not be made again.
        live.be_recorded()
        return live

    def _begin(self, execution_id: str, first: StoredEvent) -> None:
        created = events.decode(execution_id, first.version, first.type, first.payload)
        if not isinstance(created, Created):
            raise UnreadableEvent(execution_id, first.version, "it is not the first event")
        self.created = created
        self._context = context_of(execution_id, created, first.at_ms)
        self.began_ms = first.at_ms
        self.upto, self.identity = first.version, first.identity
        self.undecided: list[Command] = []
        self.outcome: protocol.Ended | None = None
        self.cancel: CancelRequested | None = None
        self.fed, self.fed_bytes = 1, len(first.payload)
        self._recorded_before = 0
        self._execution_id = execution_id
        self._later: list[flowlang.Program] = []

    def be_recorded(self) -> None:
        """The store has what was decided up to here: it need not be read and compared."""
        self._recorded_before = self.upto
        self.undecided.clear()

    def kept(self) -> bytes:
        """The machine for a snapshot at `upto`; to be stored with what is `undecided`.

        Raises:
            flowlang.StateTooLarge: it is larger than its limits allow.
        """
        state = flowlang.encode_state(self._machine)
        context = None if self._machine.facts is self._context else self._machine.facts
        digest = self._machine.program.digest
        definition = None if digest == self.created.definition else digest
        kept = KeptMachine(state, self.cancel, context, definition)
        return events.with_sum(msgspec.msgpack.encode(kept))

    def state_bytes(self, *, limited: bool = True) -> bytes:
        """The state of the machine alone, for flowlang to open.

        Args:
            limited: whether it must not be larger than its limits allow.

        Raises:
            flowlang.StateTooLarge: it is larger than its limits allow.
        """
        return flowlang.encode_state(self._machine, limited=limited)

    def reopen(self) -> None:
        """Go on with a machine read from what this one is written as: nothing changes by it.

        One that has ended, or is too large to be written, stays as it is.
        """
        if self.outcome is not None:
            return
        try:
            state = flowlang.encode_state(self._machine)
        except flowlang.StateTooLarge:
            return
        before = self._machine
        self._machine = flowlang.decode_state(before.program, state, before.facts)

    def advance(self, news: Sequence[StoredEvent]) -> None:
        """Feed what came after `upto`, in order, each to quiescence.

        Recorded decisions among `news` are compared with what the script decided and taken off
        `undecided`. Once the script has ended nothing more is fed, and `upto` stays there.

        Raises:
            NondeterminismError: the script decided otherwise than the history records.
            UnreadableEvent: an event is damaged or unknown.
        """
        recorded: list[tuple[int, Command]] = []
        for event in news:
            if event.type == "decided":
                if self._number(event, "u") > self._recorded_before:
                    recorded += self._recorded(event)
                if self.outcome is None:
                    self._stand_at(event)
                continue
            payload = events.decode(self._execution_id, event.version, event.type, event.payload)
            if self.outcome is not None:
                continue
            if isinstance(payload, CancelRequested):
                self.cancel = payload
            said = told(self._execution_id, event, payload)
            if said is not None:
                self._take(self._fed(said, event))
            if isinstance(payload, Forked):
                self.undecided += payload.again
            if isinstance(payload, Migrated) and payload.mapping is not None:
                self._machine = self._moved(payload.definition, payload.mapping, event)
            self._stand_at(event)
        self._compare(recorded)

    def _recorded(self, event: StoredEvent) -> list[tuple[int, Command]]:
        decided = events.decode(self._execution_id, event.version, event.type, event.payload)
        assert isinstance(decided, Decided)
        return [(event.version, command) for command in decided.commands]

    def _number(self, event: StoredEvent, name: str) -> int:
        return events.plain_number(self._execution_id, event.version, event.plain, name)

    def _stand_at(self, event: StoredEvent) -> None:
        self.upto, self.identity = event.version, event.identity
        self.fed += 1
        self.fed_bytes += len(event.payload)

    def _fed(self, said: protocol.Event, event: StoredEvent) -> Turn:
        try:
            return self._machine.feed(said, event.at_ms)
        except flowlang.EditRefused as error:
            # Another source has other variables.
            raise NondeterminismError(
                self._execution_id, event.version, f"an edit of {error.path}", str(error)
            ) from error

    def _moved(
        self, definition: str, mapping: flowlang.SourceMapping, event: StoredEvent
    ) -> flowlang.Machine:
        """The machine as it goes on with another source."""
        program = self._later.pop(0) if self._later else None
        why = "none such: this source has run from the beginning"
        if program is not None and program.digest == definition:
            try:
                return flowlang.mapped(self._machine, program, mapping)
            except flowlang.MappingRefused as error:
                why = str(error)
        raise NondeterminismError(
            self._execution_id, event.version, f"a move onto the source {definition}", why
        )

    def mapping_onto(self, program: flowlang.Program) -> flowlang.SourceMapping:
        """Where it would go on in another program.

        Raises:
            flowlang.MappingRefused: it cannot be told.
        """
        return flowlang.map_source(self._machine, program)

    @property
    def context(self) -> dict[str, Any]:
        """What the script sees as `Context`."""
        return self._machine.facts

    @property
    def awaited(self) -> set[int]:
        """The numbers of the commands whose answers the script has not been told and could be."""
        timers = {waiter.timer for waiter in self._machine.waiters if waiter.timer is not None}
        return timers | set(self._machine.requests)

    @property
    def weight(self) -> int:
        """How much there is of it, about: one, and one for each answer that it waits for."""
        return 1 + len(self._machine.requests) + len(self._machine.waiters)

    @property
    def program(self) -> flowlang.Program:
        """The program that runs."""
        return self._machine.program

    @property
    def waiters(self) -> Sequence[flowlang.Waiter]:
        """The waits for signals that have none yet."""
        return self._machine.waiters

    @property
    def state(self) -> dict[str, Any]:
        """What the script showed with `State.set`."""
        return self._machine.state

    def where(self) -> Sequence[Any]:
        """Where the script stands: see `flowlang.Machine.where`."""
        return self._machine.where()

    def _take(self, turn: Turn) -> None:
        self.undecided += turn.commands
        if turn.outcome is not None:
            self.outcome = turn.outcome

    def _compare(self, recorded: Sequence[tuple[int, Command]]) -> None:
        for position, (version, command) in enumerate(recorded):
            decided = self.undecided[position] if position < len(self.undecided) else None
            if decided is None or essence(decided) != essence(command):
                raise NondeterminismError(
                    self._execution_id,
                    version,
                    in_words(command),
                    "nothing" if decided is None else in_words(decided, command),
                    getattr(decided, "line", None) or getattr(command, "line", None),
                    getattr(command, "line", None),
                )
        del self.undecided[: len(recorded)]


_ONLY_RECORDED = ("options", "line")


def essence(command: Command) -> tuple[Any, ...]:
    """What of a command must be the same in every replay: options and lines are only recorded."""
    names = (name for name in command.__struct_fields__ if name not in _ONLY_RECORDED)
    return (type(command).__name__, *(getattr(command, name) for name in names))


def in_words(command: Command, other: Command | None = None) -> str:
    """A command for people's eyes, without its values.

    Args:
        other: one that it is not; where both are told alike, what is different is named.
    """
    told = _in_words(command)
    if other is None or told != _in_words(other):
        return told
    names = [name for name in command.__struct_fields__ if name not in _ONLY_RECORDED]
    different = [name for name in names if getattr(command, name) != getattr(other, name)]
    return f"{told} with other {' and '.join(different)}"


def _in_words(command: Command) -> str:
    match command:
        case protocol.RunTask():
            return f"task {command.name!r} (command {command.n})"
        case protocol.RunWorkflow():
            return f"workflow {command.name!r} (command {command.n})"
        case protocol.StartTimer():
            return f"a timer until {_iso(command.due_ms)} (command {command.n})"
        case protocol.CancelTimer():
            return f"the end of timer {command.n}"
        case protocol.CancelChild():
            return f"the end of child {command.n}"
        case protocol.SendSignal():
            return f"signal {command.name!r} to {command.execution_id!r} (command {command.n})"
        case protocol.SetState():
            return f"state {command.key!r}"
        case protocol.SetAttribute():
            return f"attribute {command.key!r}"
        case protocol.Log():
            return f"a console line of {len(command.text)} characters"


def told(
    execution_id: str, event: StoredEvent, payload: events.Payload | None
) -> protocol.Event | None:
    """The event as the machine takes it; None for what it need not know.

    Raises:
        UnreadableEvent: it does not say what it answers.
    """

    def number() -> int:
        return events.plain_number(execution_id, event.version, event.plain, "n")

    match event.type, payload:
        case "child_completed", Completed():
            return protocol.TaskCompleted(number(), events.value_of(payload.output))
        case "child_failed", Failed():
            # The traceback is for people: a script that saw it would decide by line numbers.
            error = msgspec.structs.replace(payload.error, traceback=None)
            return protocol.TaskFailed(number(), error)
        case "child_cancelled", Cancelled():
            error = protocol.ErrorInfo(CANCELLED_CHILD, payload.reason or "", "cancelled")
            return protocol.TaskFailed(number(), error)
        case "timer_fired", None:
            return protocol.TimerFired(number())
        case "signal_received", Signalled():
            return protocol.SignalReceived(payload.name, events.value_of(payload.payload))
        case "cancel_requested", CancelRequested():
            return protocol.CancelRequested(payload.reason)
        case "forked", Forked():
            return protocol.Forked(payload.context, payload.edits)
    return None


def beginning_of(execution_id: str, history: Sequence[StoredEvent]) -> StoredEvent:
    """The first event of a history, with what the newest start says that was merged into it: how
    the execution begins. A fork's says that already.

    Raises:
        UnreadableEvent: it does not begin with its first event.
    """
    first = history[0]
    if first.type != "created" or first.version != 1:
        raise UnreadableEvent(execution_id, first.version, "it is not the first event")
    for event in reversed(history):
        if event.type == "postponed":
            created = events.decode(execution_id, first.version, first.type, first.payload)
            if isinstance(created, Created) and created.forked_from is not None:
                break
            events.decode(execution_id, event.version, event.type, event.payload)
            plain = {name: first.plain[name] for name in first.plain if name != "b"}
            if "b" in event.plain:
                plain["b"] = event.plain["b"]
            return msgspec.structs.replace(first, payload=event.payload, plain=plain)
    return first


def attributes_of(first: StoredEvent) -> list[str]:
    """The names of the attributes that an execution has from its start."""
    lines = filter(None, first.plain.get("b", "").split("\n"))
    return [line.partition("=")[0] for line in lines]


def definition_of(execution_id: str, history: Iterable[StoredEvent]) -> str | None:
    """The definition that a workflow runs by the end of its history; None for a task.

    Raises:
        UnreadableEvent: the event that says it is damaged.
    """
    found = definitions_of(execution_id, history)
    return found[-1] if found else None


def definitions_of(execution_id: str, history: Iterable[StoredEvent]) -> list[str]:
    """The definitions that replaying a history takes: the one to begin with, and those that it was
    moved onto by a mapping; none for a task.

    Raises:
        UnreadableEvent: an event that says it is damaged.
    """
    found: list[str] = []
    for event in history:
        if event.type in ("created", "postponed", "forked", "migrated"):
            said = events.decode(execution_id, event.version, event.type, event.payload)
            if isinstance(said, Forked):
                found[-1:] = [said.context["definition"]]
            elif isinstance(said, Migrated):
                found[len(found) if said.mapping is not None else -1 :] = [said.definition]
            elif isinstance(said, Created) and said.definition is not None:
                found = [said.definition]
    return found


def chained(programs: Iterable[flowlang.Program]) -> flowlang.Program:
    """The last of some programs, for a machine that goes through all of them in this order."""
    return functools.reduce(lambda earlier, later: later.after(earlier), programs)


def context_of(execution_id: str, created: Created, at_ms: int) -> dict[str, Any]:
    """What a script sees as `Context`, of an execution that was created at `at_ms`; of a fork, what
    it saw before that."""
    if created.context is not None:
        return created.context
    facts = {
        "executionId": execution_id,
        "workflowName": created.target,
        "definition": created.definition,
        "queue": created.queue,
        "parentWorkflowId": created.parent or created.started_by,
        "startedAt": _iso(at_ms),
    }
    if (scheduled_ms := due_of(execution_id)) is not None:
        facts["scheduledAt"] = _iso(scheduled_ms)
    return facts


def _iso(at_ms: int) -> str:
    """As JavaScript's toISOString writes it."""
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03}Z"


@functools.lru_cache(maxsize=1)
def _second(at_s: int) -> str:
    # Many executions are created in the same one.
    return datetime.fromtimestamp(at_s, UTC).isoformat().removesuffix("+00:00")
