"""What an execution spent its time on: spans of it, of all below it, and of its waits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

import flowlang
from flowlang import protocol
from rhythm import events
from rhythm.engine.fold import fold, successor_of
from rhythm.engine.history import LiveMachine, beginning_of, chained, definitions_of
from rhythm.events import TERMINAL, Decided, Forked
from rhythm.history.reading import id_of
from rhythm.history.recording import first_of
from rhythm.models import ExecutionType, from_unix_ms
from streams.codec import StoredEvent

Kind = Literal["workflow", "task", "attempt", "queued", "pause", "timer", "signal", "sending"]
"""What takes time. A task is first `queued`, then come an `attempt`, a `pause`, an `attempt` …"""


class Span(msgspec.Struct, frozen=True):
    """Something that took time.

    Attributes:
        name: of the workflow, task or signal; of an attempt its worker.
        id: of an execution.
        n: the number of the command that asked for it; of an attempt, which one it was.
        line: of the script that asked for it.
        ends: None while it goes on.
        status: how it ended or stands, in a word.
        parts: what it consists of or waited for, by their beginnings.
    """

    kind: Kind
    name: str
    begins: datetime
    ends: datetime | None
    status: str
    id: str | None = None
    n: int | None = None
    line: int | None = None
    parts: tuple[Span, ...] = ()

    def seconds(self, now: datetime) -> float:
        """How long it took, or has taken up to now."""
        return ((self.ends or now) - self.begins).total_seconds()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """It and all within it, each with how deep within."""
        yield depth, self
        for part in self.parts:
            yield from part.walk(depth + 1)


def timeline(
    execution_id: str,
    histories: Mapping[str, Sequence[StoredEvent]],
    programs: Mapping[str, flowlang.Program],
) -> Span:
    """The span of an execution.

    Args:
        histories: of it and of what is known below it, by id.
        programs: by definition; a workflow whose program is missing shows no waits for signals.

    Raises:
        UnreadableEvent: an event is damaged.
        NondeterminismError: a script decides otherwise than its history records.
    """
    return _execution(execution_id, histories, programs, set(), None, None)


def _execution(
    execution_id: str,
    histories: Mapping[str, Sequence[StoredEvent]],
    programs: Mapping[str, flowlang.Program],
    drawn: set[str],
    n: int | None,
    line: int | None,
) -> Span:
    drawn.add(execution_id)
    history = histories[execution_id]
    facts = fold(execution_id, history)
    parts = (
        _attempts(execution_id, history)
        if facts.type is ExecutionType.TASK
        else _asked(execution_id, history, histories, programs, drawn)
    )
    return Span(
        "task" if facts.type is ExecutionType.TASK else "workflow",
        facts.target,
        from_unix_ms(history[0].at_ms),
        None if facts.ended_ms is None else from_unix_ms(facts.ended_ms),
        str(facts.status),
        id=execution_id,
        n=n,
        line=line,
        parts=tuple(sorted(parts, key=lambda part: part.begins)),
    )


_AFTER_ATTEMPT = {
    "attempt_failed": "failed",
    "released": "given back",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


def _attempts(execution_id: str, history: Sequence[StoredEvent]) -> Iterator[Span]:
    """Of a task: it waits in its queue, is tried, pauses, is tried again."""
    kind: Kind = "queued"
    name, number, since = "", None, history[0]
    for event in history[1:]:
        at = from_unix_ms(event.at_ms)
        if event.type == "started":
            yield Span(kind, name, from_unix_ms(since.at_ms), at, "over")
            kind, name, since = "attempt", event.worker or "", event
            number = events.plain_number(execution_id, event.version, event.plain, "n")
        elif event.type in _AFTER_ATTEMPT and kind == "attempt":
            status = _AFTER_ATTEMPT[event.type]
            yield Span(kind, name, from_unix_ms(since.at_ms), at, status, n=number)
            kind, name, since = "pause", "", event
        if event.type in TERMINAL:
            return
    status = "running" if kind == "attempt" else "waiting"
    yield Span(
        kind,
        name,
        from_unix_ms(since.at_ms),
        None,
        status,
        n=number if kind == "attempt" else None,
    )


def _asked(
    execution_id: str,
    history: Sequence[StoredEvent],
    histories: Mapping[str, Sequence[StoredEvent]],
    programs: Mapping[str, flowlang.Program],
    drawn: set[str],
) -> Iterator[Span]:
    """Of a workflow: what it asked for, and which signals it waited for.

    Args:
        drawn: the ids of all that the whole has by now: in a file they may go round.
    """
    open_: dict[int, Span] = {}
    shown: set[int] = set()
    for event in history:
        at = from_unix_ms(event.at_ms)
        payload = events.decode(execution_id, event.version, event.type, event.payload)
        if isinstance(payload, Forked):
            # It goes on alone: whatever still runs, runs for the other one.
            for span in open_.values():
                yield _over(span, at, "forked from")
            open_.clear()
        elif isinstance(payload, Decided):
            for command in payload.commands:
                match command:
                    case protocol.CancelTimer(n) | protocol.CancelChild(n) if n in open_:
                        yield _over(open_.pop(n), at, "not needed")
                    case protocol.StartTimer(n):
                        open_[n] = _begun("timer", "", n, command.line, at)
                    case protocol.SendSignal(n):
                        open_[n] = _begun("sending", command.name, n, command.line, at)
                    case protocol.RunTask(n) | protocol.RunWorkflow(n):
                        child = id_of(execution_id, command.n, command.options)
                        is_new = child not in drawn and n not in shown
                        if is_new and _began(execution_id, child, histories):
                            shown.add(n)
                            for run in runs_of(child, histories):
                                if run not in drawn:
                                    yield _execution(
                                        run, histories, programs, drawn, n, command.line
                                    )
                        elif n not in shown:
                            kind: Kind = (
                                "task" if isinstance(command, protocol.RunTask) else "workflow"
                            )
                            open_[n] = _begun(kind, command.name, n, command.line, at)
        elif event.type in _ANSWERS:
            n = events.plain_number(execution_id, event.version, event.plain, "n")
            if n in open_:
                yield _over(open_.pop(n), at, _ANSWERS[event.type])
    last = history[-1]
    for span in open_.values():
        ended = last.type in TERMINAL
        yield _over(span, from_unix_ms(last.at_ms), "not needed") if ended else span
    ran = definitions_of(execution_id, history)
    if ran and all(definition in programs for definition in ran):
        program = chained([programs[definition] for definition in ran])
        yield from signal_waits(execution_id, history, program)


def runs_of(execution_id: str, histories: Mapping[str, Sequence[StoredEvent]]) -> Sequence[str]:
    """An execution that is known, and those that it went on as, the newest last."""
    runs = [execution_id]
    successor = successor_of(execution_id, histories[execution_id][-1])
    while successor is not None and successor in histories:
        if successor in runs:  # in a file they may go round
            break
        runs.append(successor)
        successor = successor_of(successor, histories[successor][-1])
    return runs


def _began(execution_id: str, child: str, histories: Mapping[str, Sequence[StoredEvent]]) -> bool:
    """Whether it is this execution's child: an id of its own may name somebody else's."""
    if child not in histories:
        return False
    created = first_of(child, histories[child])
    return (created.parent or created.started_by) == execution_id


_ANSWERS = {
    "timer_fired": "fired",
    "child_completed": "completed",
    "child_failed": "failed",
    "child_cancelled": "cancelled",
}


def _begun(kind: Kind, name: str, n: int, line: int, at: datetime) -> Span:
    return Span(kind, name, at, None, "waiting", n=n, line=line or None)


def _over(span: Span, at: datetime, status: str) -> Span:
    return msgspec.structs.replace(span, ends=at, status=status)


def signal_waits(
    execution_id: str, history: Sequence[StoredEvent], program: flowlang.Program
) -> Iterator[Span]:
    """The waits of a workflow for signals, by running its history again.

    Raises:
        NondeterminismError: its script decides otherwise than the history records.
    """
    waiting: dict[int, tuple[flowlang.Waiter, Span]] = {}

    def look(live: LiveMachine, event: StoredEvent) -> Iterator[Span]:
        at = from_unix_ms(event.at_ms)
        now = {} if live.outcome is not None else {id(one): one for one in live.waiters}
        for key in [key for key in waiting if key not in now]:
            came = event.type == "signal_received"
            yield _over(waiting.pop(key)[1], at, "came" if came else "did not come")
        for key, one in now.items():
            if key not in waiting:
                span = Span("signal", one.name, at, None, "waiting", line=one.line or None)
                waiting[key] = one, span

    live = LiveMachine(execution_id, program, beginning_of(execution_id, history))
    yield from look(live, history[0])
    for event in history[1:]:
        live.advance([event])
        yield from look(live, event)
    for _, span in waiting.values():
        yield span
