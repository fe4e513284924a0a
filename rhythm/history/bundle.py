"""An execution with all below it, in one file that opens without a store. Pure.

A bundle holds the events of an execution and of its descendants, and the sources that they ran.
Values can be left out: then what they look like is all that is kept of them. Such a bundle tells
what happened and where each script stands, but cannot be replayed: scripts decide by values.

The file is JSON, one event a line, as that of a single recorded history, which opens as a bundle of
one.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from flowlang import Awaited, Suspended, protocol
from rhythm import events
from rhythm.engine.fold import Facts, fold, successor_of
from rhythm.engine.history import definition_of, definitions_of
from rhythm.errors import (
    ConfigurationError,
    ExecutionNotFound,
    InvalidRequest,
    UnreadableEvent,
    did_you_mean,
)
from rhythm.events import Cancelled, Completed, Decided, Failed
from rhythm.history import recording
from rhythm.history.cursor import Replay, compiled, opened
from rhythm.history.explain import Explanation, Script, Surroundings, explain
from rhythm.history.forking import Wanted
from rhythm.history.impact import Parting, what_if
from rhythm.history.reading import id_of, readable
from rhythm.history.recording import EventLine, Recording, first_of
from rhythm.history.rehearsal import Answers, Rehearsal, Trial, check_answers
from rhythm.history.timeline import Span, runs_of, timeline
from rhythm.models import Execution, ExecutionType, HistoryEvent, from_unix_ms
from rhythm.tracing import trace_id
from streams.codec import StoredEvent

FORMAT: Final = 2
"""Of the file. 1 is a single recorded history."""

MOST_BYTES: Final = 256 * 2**20
"""A larger file is not opened: in memory it takes several times as much."""


MOST_EXECUTIONS: Final = 10_000
"""In one bundle."""

MOST_RUNS: Final = 1_000
"""With so many executions in a bundle it is not followed any further who restarted as whom."""


class Source(msgspec.Struct, frozen=True):
    """A script: the workflow's name, where it came from, its text."""

    workflow: str
    path: str
    text: str


class Wait(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function of a script that waits, without its variables."""

    name: str
    line: int
    column: int
    awaits: str
    waits_for: Awaited
    awaited_by: tuple[int, ...] = ()

    @classmethod
    def of(cls, one: Suspended) -> Wait:
        """What is kept of a function."""
        return cls(one.name, one.line, one.column, one.awaits, one.waits_for, one.awaited_by)

    def suspended(self) -> Suspended:
        """The function again."""
        return Suspended(
            self.name, self.line, self.column, (), self.awaits, self.waits_for, self.awaited_by
        )


class Bundle(msgspec.Struct, frozen=True):
    """An execution with all below it.

    Attributes:
        root: the id of the execution that was exported.
        exported_ms: when, unix ms.
        has_values: whether inputs, outputs and all else that scripts decide by are in it.
        executions: the events of each, by id; the root's first.
        sources: by definition.
        waits: where the scripts that go on wait, if there are no values.
        damage: why there are no more events of some, by id; of one that had none to be read it is
            all there is.
    """

    root: str
    exported_ms: int
    has_values: bool
    executions: dict[str, tuple[StoredEvent, ...]]
    sources: dict[str, Source]
    waits: dict[str, list[Wait]] = {}
    damage: dict[str, UnreadableEvent] = {}

    def history(self, execution_id: str | None = None) -> tuple[StoredEvent, ...]:
        """The events of one of its executions; of the root, if none is named.

        Raises:
            ExecutionNotFound: it is not in the bundle.
        """
        found = self.executions.get(execution_id or self.root)
        if found is None:
            raise ExecutionNotFound(execution_id or self.root)
        return found

    def recording(self, execution_id: str | None = None) -> Recording:
        """The history of a workflow in it, with its source.

        Raises:
            ExecutionNotFound: it is not in the bundle.
            InvalidRequest: it is a task, or its values were left out.
        """
        id_ = execution_id or self.root
        history = self.history(id_)
        source = self.source(id_)
        if source is None:
            raise InvalidRequest("execution_id", f"{id_!r} is a task, which has no script")
        if not self.has_values:
            raise InvalidRequest(
                "bundle",
                f"the values of {id_!r} were left out, and its script decides by them: export it "
                "with --with-values to replay it",
            )
        earlier = [self.sources[digest] for digest in definitions_of(id_, history)[:-1]]
        return Recording(
            id_,
            source.workflow,
            source.path,
            source.text,
            history,
            self.damage.get(id_),
            tuple(recording.EarlierSource(one.path, one.text) for one in earlier),
        )

    def source(self, execution_id: str | None = None) -> Source | None:
        """The script that an execution ran; None for a task."""
        id_ = execution_id or self.root
        definition = definition_of(id_, self.history(id_))
        if definition is None:
            return None
        return self.sources[definition]

    def replay(self, execution_id: str | None = None, upto: int | None = None) -> Replay:
        """The history of a workflow in it, as something to go about in.

        Raises:
            NondeterminismError, FlowSyntaxError: this release decides otherwise.
            ExecutionNotFound, InvalidRequest: as `recording`.
        """
        return opened(self.recording(execution_id), upto)

    def what_if(self, source: str, execution_id: str | None = None) -> Parting | None:
        """Where another source would part from the history of a workflow in it.

        Raises:
            FlowSyntaxError: the source is no program.
            ExecutionNotFound, InvalidRequest: as `recording`.
        """
        return what_if(self.recording(execution_id), compiled(source))

    def rehearse(
        self,
        at: int | None = None,
        execution_id: str | None = None,
        *,
        edits: Mapping[str, Any] | None = None,
        source: str | None = None,
        path: str = "workflow.flow",
        results: bool = True,
        signals: bool | None = None,
        answers: Answers | None = None,
    ) -> Rehearsal:
        """What a fork of a workflow in it would do: see `app.history_service.rehearse`.

        Raises:
            InvalidRequest, NondeterminismError, FlowSyntaxError, UnreadableEvent: as there.
            ExecutionNotFound, InvalidRequest: as `recording`.
        """
        wanted = Wanted.checked(at, edits, source, path, results, signals)
        check_answers(answers)
        id_ = execution_id or self.root
        trial = Trial(self.recording(id_), wanted)
        children = {
            n: self.execution(child) for n, child in self.children(id_).items() if n in trial.asked
        }
        return trial.played(children, answers)

    def waiting(self, execution_id: str | None = None) -> list[Suspended]:
        """The functions of a workflow that wait, at the end of its history."""
        id_ = execution_id or self.root
        if self.has_values:
            return self.replay(id_).where()
        return [one.suspended() for one in self.waits.get(id_, ())]

    def execution(self, execution_id: str | None = None) -> Execution:
        """An execution as its events tell it."""
        id_ = execution_id or self.root
        return execution_of(id_, self.history(id_))

    def events(self, execution_id: str | None = None) -> list[HistoryEvent]:
        """All events of an execution, the oldest first.

        Raises:
            UnreadableEvent: one is damaged.
        """
        id_ = execution_id or self.root
        return [readable(id_, event) for event in self.history(id_)]

    def timeline(self, execution_id: str | None = None) -> Span:
        """What an execution spent its time on. Without values, waits for signals are not told."""
        programs = {
            digest: compiled(source.text, source.path)
            for digest, source in (self.sources.items() if self.has_values else ())
        }
        return timeline(execution_id or self.root, self.executions, programs)

    def explain(self, execution_id: str | None = None) -> Explanation:
        """Where an execution stood when it was exported, and what had gone wrong. What was amiss
        around it, a bundle cannot tell."""
        id_ = execution_id or self.root
        source = self.source(id_)
        script = None if source is None else Script(source.path, source.text, self.waiting(id_))
        children = {n: self.execution(child) for n, child in self.children(id_).items()}
        around = Surroundings(
            now=from_unix_ms(self.exported_ms),
            children=children,
            child_events={
                n: self.events(child.id)
                for n, child in children.items()
                if child.type is ExecutionType.TASK and not child.status.finished
            },
            serving=None,
            knowing={},
        )
        return explain(self.execution(id_), self.events(id_), script, around, self.damage.get(id_))

    def children(self, execution_id: str | None = None) -> dict[int, str]:
        """The ids of what an execution asked for and is in the bundle, by number; of what restarted
        that of the newest run."""
        id_ = execution_id or self.root
        asked = asked_for(id_, self.history(id_))
        return {
            n: runs_of(child, self.executions)[-1]
            for n, child in asked.items()
            if child in self.executions
        }


def asked_for(execution_id: str, history: Sequence[StoredEvent]) -> dict[int, str]:
    """The ids of the tasks and workflows that a workflow asked for, by the numbers of its commands;
    of a workflow under an id of its own that id, whoever began it.

    Raises:
        UnreadableEvent: an event is damaged.
    """
    asked: dict[int, str] = {}
    for event in history:
        payload = events.decode(execution_id, event.version, event.type, event.payload)
        if isinstance(payload, Decided):
            for command in payload.commands:
                if isinstance(command, protocol.RunTask | protocol.RunWorkflow):
                    asked[command.n] = id_of(execution_id, command.n, command.options)
    return asked


def execution_of(execution_id: str, history: Sequence[StoredEvent]) -> Execution:
    """An execution as its events tell it.

    Raises:
        UnreadableEvent: one is damaged.
    """
    created = first_of(execution_id, history)
    facts = fold(execution_id, history)
    return Execution(
        id=execution_id,
        type=facts.type,
        target_name=facts.target,
        status=facts.status,
        inputs=events.value_of(created.inputs),
        output=_output(execution_id, facts, history[-1]),
        created_at=from_unix_ms(facts.created_ms),
        completed_at=None if facts.ended_ms is None else from_unix_ms(facts.ended_ms),
        started_at=None if facts.started_ms is None else from_unix_ms(facts.started_ms),
        queue=facts.queue,
        attempt=facts.attempt,
        parent_workflow_id=created.parent or created.started_by,
        definition=facts.definition,
        version=facts.version,
        state=facts.state,
        attributes=facts.attributes,
        forked_from=created.forked_from,
        trace_id=trace_id(created.trace),
        restarted_from=created.restarted_from,
        restarted_as=successor_of(execution_id, history[-1]),
    )


def _output(execution_id: str, facts: Facts, last: StoredEvent) -> Any:
    if not facts.status.finished:
        return None
    match events.decode(execution_id, last.version, last.type, last.payload):
        case Completed(output):
            return events.value_of(output)
        case Failed(error):
            return msgspec.to_builtins(error)
        case Cancelled(reason):
            return {"reason": reason}
    return None


# ---------------------------------------------------------------------------------------- the file


class _Execution(msgspec.Struct, omit_defaults=True):
    id: str
    waits: list[Wait] = []
    events: list[EventLine] = []


class _Source(msgspec.Struct):
    workflow: str
    path: str
    lines: list[str]


class _Damage(msgspec.Struct):
    version: int
    reason: str


class _File(msgspec.Struct, kw_only=True):
    format: int
    root: str
    exported_ms: int
    has_values: bool
    sources: dict[str, _Source]
    damage: dict[str, _Damage] | msgspec.UnsetType = msgspec.UNSET
    executions: list[_Execution]


class _Format(msgspec.Struct):
    format: int


def encode(bundle: Bundle) -> bytes:
    """The content of a file."""
    damage = {id_: _Damage(one.version, one.reason) for id_, one in bundle.damage.items()}
    head = _File(
        format=FORMAT,
        root=bundle.root,
        exported_ms=bundle.exported_ms,
        has_values=bundle.has_values,
        sources={
            digest: _Source(source.workflow, source.path, source.text.split("\n"))
            for digest, source in bundle.sources.items()
        },
        damage=damage or msgspec.UNSET,
        executions=[],
    )
    shown = msgspec.json.format(msgspec.json.encode(head), indent=2)
    parts = [shown.removesuffix(b"[]\n}") + b"["]
    for position, (id_, history) in enumerate(bundle.executions.items()):
        waits = bundle.waits.get(id_, [])
        one = msgspec.json.encode(_Execution(id_, waits)).removesuffix(b"}")
        lines = b",\n      ".join(
            msgspec.json.encode(recording.line_of(event, tracebacks=True)) for event in history
        )
        comma = b"," if position else b""
        parts.append(comma + b"\n    " + one + b',"events":[\n      ' + lines + b"\n    ]}")
    return b"".join(parts) + b"\n  ]\n}\n"


def decode(content: bytes, path: str) -> Bundle:
    """What a file holds: a bundle, or a single recorded history as one.

    Args:
        path: of the file, for messages.

    Raises:
        ConfigurationError: it is neither, it is too large, or a later release wrote it.
    """
    if len(content) > MOST_BYTES:
        raise ConfigurationError(
            f"{path} has {len(content):,} bytes, {MOST_BYTES:,} are opened at most"
        )
    try:
        number = msgspec.json.decode(content, type=_Format).format
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} is no recorded history or bundle: {error}", "make one with rhythm export"
        ) from error
    if number <= recording.FORMAT:
        return _of_recording(recording.decode(content, path))
    if number > FORMAT:
        raise ConfigurationError(
            f"{path} has format {number}, this release knows {FORMAT}", "use a later release"
        )
    try:
        read = msgspec.json.decode(content, type=_File)
        executions = {
            one.id: tuple(recording.event_of(line) for line in one.events)
            for one in read.executions
        }
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error) as error:
        raise ConfigurationError(
            f"{path} is no recorded history or bundle: {error}", "make one with rhythm export"
        ) from error
    sources = {
        digest: Source(source.workflow, source.path, "\n".join(source.lines))
        for digest, source in read.sources.items()
    }
    waits = {one.id: one.waits for one in read.executions if one.waits}
    damage = {
        id_: UnreadableEvent(id_, one.version, one.reason)
        for id_, one in (read.damage or {}).items()
    }
    bundle = Bundle(
        read.root, read.exported_ms, read.has_values, executions, sources, waits, damage
    )
    _check(bundle, path)
    return bundle


def _check(bundle: Bundle, path: str) -> None:
    """Refuse a bundle that lacks what it says is in it."""
    if bundle.root not in bundle.executions:
        raise ConfigurationError(f"{path} lacks its root {bundle.root!r}", "export it again")
    for id_, history in bundle.executions.items():
        if not history:
            raise ConfigurationError(f"{path} has no event of {id_!r}", "export it again")
        try:
            first_of(id_, history)
            run = definitions_of(id_, history)
        except UnreadableEvent as error:
            raise ConfigurationError(f"{path}: {error}", "export it again") from error
        for definition in run:
            if definition not in bundle.sources:
                raise ConfigurationError(
                    f"{path} lacks the source of {id_!r}{did_you_mean(definition, bundle.sources)}",
                    "export it again",
                )


def _of_recording(recorded: Recording) -> Bundle:
    id_ = recorded.execution_id
    last = recording.EarlierSource(recorded.path, recorded.source)
    run = zip(definitions_of(id_, recorded.events), (*recorded.earlier, last), strict=True)
    sources = {digest: Source(recorded.workflow, one.path, one.source) for digest, one in run}
    return Bundle(id_, recorded.events[-1].at_ms, True, {id_: recorded.events}, sources)


# ---------------------------------------------------------------------------------------- values


def without_values(bundle: Bundle) -> Bundle:
    """The bundle with every value replaced by what it looks like: its type, its length, its keys.

    Names, ids, queues, times and the sources stay.

    Raises:
        UnreadableEvent: an event is damaged.
        NondeterminismError, FlowSyntaxError: this release decides otherwise than a history records,
            so that where its script stands cannot be told.
    """
    waits = {
        id_: [Wait.of(one) for one in bundle.waiting(id_)]
        for id_ in bundle.executions
        if bundle.source(id_) is not None
    }
    return Bundle(
        bundle.root,
        bundle.exported_ms,
        False,
        {
            id_: tuple(_bared(id_, event) for event in history)
            for id_, history in bundle.executions.items()
        },
        bundle.sources,
        {id_: found for id_, found in waits.items() if found},
        bundle.damage,
    )


def shape(value: Any) -> Any:
    """What a value looks like: `"text(12)"`, `"number"`, and so on within lists and objects."""
    match value:
        case None:
            return None
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return f"text({len(value)})"
        case dict():
            return {key: shape(one) for key, one in value.items()}
        case list() | tuple():
            return [shape(one) for one in value]
    return type(value).__name__


_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "created": frozenset({"inputs"}),
    "postponed": frozenset({"inputs"}),
    "completed": frozenset({"output"}),
    "child_completed": frozenset({"output"}),
    "signal_received": frozenset({"payload"}),
    "cancelled": frozenset({"reason"}),
    "restarted": frozenset({"inputs"}),
    "child_cancelled": frozenset({"reason"}),
    "cancel_requested": frozenset({"reason"}),
}
"""Fields of a payload that hold values as a whole. Errors, commands and edits hold some within."""

_OF_COMMANDS: Final = frozenset({"inputs", "payload", "value", "text"})
_OF_ERRORS: Final = frozenset({"message", "details", "traceback"})


def _bared(execution_id: str, event: StoredEvent) -> StoredEvent:
    if not event.payload:
        return event
    # So that what this release does not know is not let through.
    events.decode(execution_id, event.version, event.type, event.payload)
    payload = msgspec.msgpack.decode(events.without_sum(event.payload))
    bared = _of_fields(payload, _VALUES.get(event.type, frozenset()))
    if "error" in bared:
        bared["error"] = _of_fields(bared["error"], _OF_ERRORS)
    for name in ("commands", "again"):
        if name in bared:
            bared[name] = [_of_fields(one, _OF_COMMANDS) for one in bared[name]]
    if "edits" in bared:
        bared["edits"] = [_of_fields(one, {"value"}) for one in bared["edits"]]
    return msgspec.structs.replace(event, payload=events.with_sum(msgspec.msgpack.encode(bared)))


def _of_fields(fields: Mapping[str, Any], values: Iterable[str]) -> dict[str, Any]:
    chosen = set(values)
    return {name: shape(one) if name in chosen else one for name, one in fields.items()}
