"""Does what the store keeps of an execution agree with its events? Pure.

The events are the truth. Everything else (projection, indexes, control, queues, timers) was derived
from them by the transitions, and must be what is derived from them here once more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from flowlang import protocol
from rhythm import events
from rhythm.engine.attributes import fields_of
from rhythm.engine.fold import Facts, fold
from rhythm.engine.history import LiveMachine
from rhythm.errors import NondeterminismError, UnreadableEvent
from rhythm.events import TERMINAL, Decided
from rhythm.history.replaying import ends
from rhythm.models import ExecutionStatus, ExecutionType
from streams.codec import Snapshot, StoredEvent
from streams.projections import Examination

OF_THE_WORLD: Final = frozenset(events.PAYLOADS) - TERMINAL - {"created", "decided"}
"""Types of what a workflow is told; the others it wrote itself."""

_ANSWERS: Final = frozenset({"child_completed", "child_failed", "child_cancelled", "timer_fired"})
"""Types of what answers a command of a workflow, by its number."""

_ANSWERED: Final = (
    protocol.RunTask,
    protocol.RunWorkflow,
    protocol.SendSignal,
    protocol.StartTimer,
)

_PLACES: Final = {
    "queued": (1, False, False),
    "claimed": (0, True, False),
    "due": (0, False, True),
    "idle": (0, False, False),
    "stuck": (0, False, False),
    "paused": (0, False, False),
}
"""Where an execution is while its wake says so: times queued, held, due."""


class Finding(msgspec.Struct, frozen=True):
    """Something that does not agree: in which execution, and what, in a sentence."""

    execution_id: str
    problem: str

    def __str__(self) -> str:
        return f"{self.execution_id}: {self.problem}"


def check(
    execution_id: str,
    history: Sequence[StoredEvent],
    examined: Examination,
    machine: LiveMachine | None = None,
    snapshot: Snapshot | None = None,
) -> list[Finding]:
    """What of an execution does not agree with its events.

    Args:
        history: all its events, oldest first.
        examined: what is kept beside them, read at the moment of the last event.
        machine: of a workflow, made from its first event and not advanced yet: it is fed the
            history here. Without it decisions and snapshot are not checked.
        snapshot: of that machine, if there is one.
    """
    problems = _Problems(execution_id)
    numbers = [event.version for event in history]
    if numbers != list(range(1, len(history) + 1)):
        problems.add(f"its events are numbered {_runs(numbers)}")
    if examined.trouble is not None:
        problems.add(f"it does not go on: {examined.trouble}")
    unreadable = list(_unreadable(execution_id, history))
    for error in unreadable:
        problems.add(str(error))
    if unreadable:
        return problems.found
    try:
        _check_order(execution_id, history, problems)
        _check_answers(execution_id, history, problems)
        facts = fold(execution_id, history)
        _check_attempts(execution_id, history, problems)
        _compare_facts(facts, examined, problems)
        if facts.status.finished:
            _check_ended(examined, problems)
        else:
            _check_alive(execution_id, facts, history, examined, problems)
    except UnreadableEvent as error:
        problems.add(str(error))
        return problems.found
    except ValueError as error:
        problems.add(f"what is kept beside its events cannot be read: {error}")
    if machine is not None:
        _replay(execution_id, machine, history, examined, snapshot, problems)
    return problems.found


def projection(facts: Facts) -> dict[str, str]:
    """The projection's fields, by their stored names, that these facts come to."""
    fields = {
        "ty": facts.type.value,
        "tg": facts.target,
        "q": facts.queue,
        "st": facts.status.value,
        "cr": str(facts.created_ms),
        "sa": None if facts.started_ms is None else str(facts.started_ms),
        "co": None if facts.ended_ms is None else str(facts.ended_ms),
        "at": str(facts.attempt) if facts.attempt else None,
        "df": facts.definition,
        "pv": None if facts.begins_with is None else str(facts.begins_with),
        "sc": facts.schedule,
        "er": facts.error or None,
    }
    known = {name: value for name, value in fields.items() if value is not None}
    return known | dict(fields_of(facts.attributes))


def indexes(facts: Facts) -> frozenset[str]:
    """In which indexes, besides the one by status, such an execution is."""
    of_some = {"p": facts.parent, "c": facts.schedule, "e": facts.error}
    found = {"g", "q", "y"} | {name for name, value in of_some.items() if value}
    return frozenset(found | {f"@{name}" for name in facts.attributes})


class _Problems:
    def __init__(self, execution_id: str) -> None:
        self._execution_id = execution_id
        self.found: list[Finding] = []

    def add(self, problem: str) -> None:
        self.found.append(Finding(self._execution_id, problem))

    def unequal(self, what: str, kept: object, expected: object) -> None:
        if kept != expected:
            self.add(f"{what} is {kept!r}, its events say {expected!r}")


def _check_attempts(execution_id: str, history: Sequence[StoredEvent], problems: _Problems) -> None:
    """An attempt counts when it has failed or was lost; one that was given back begins again."""
    number = 1
    for event in history:
        if event.type == "started":
            began = events.plain_number(execution_id, event.version, event.plain, "n")
            problems.unequal("an attempt's number", began, number)
        elif event.type == "attempt_failed":
            number += 1


def _compare_facts(facts: Facts, examined: Examination, problems: _Problems) -> None:
    expected = projection(facts)
    for name in sorted(expected.keys() | examined.facts.keys()):
        problems.unequal(
            f"field {name!r} of its projection", examined.facts.get(name), expected.get(name)
        )
    shown = events.value_of(msgspec.Raw(examined.state)) if examined.state else {}
    problems.unequal("the state it shows", shown, facts.state)
    # What runs is found by who holds it, and goes on in a moment.
    runs = facts.status is ExecutionStatus.RUNNING
    by_status = ExecutionStatus.PENDING if runs else facts.status
    problems.unequal("its index by status", set(examined.statuses), {by_status.value})
    problems.unequal("its place in indexes", set(examined.indexes), set(indexes(facts)))


def _check_ended(examined: Examination, problems: _Problems) -> None:
    if examined.control:
        problems.add("it has ended and still has a control record")
    if examined.queued or examined.is_held or examined.due_ms is not None:
        problems.add("it has ended and is still handed out")


def _check_alive(
    execution_id: str,
    facts: Facts,
    history: Sequence[StoredEvent],
    examined: Examination,
    problems: _Problems,
) -> None:
    control = examined.control
    if not examined.has_record:
        problems.add("it has not ended and has no control record: nobody will go on with it")
        return
    problems.unequal("its control record's version", control.get("v"), str(facts.version))
    problems.unequal("its control record's status", control.get("st"), facts.status.value)
    wake = control.get("wk", "")
    place = (examined.queued, examined.is_held, examined.due_ms is not None)
    if wake not in _PLACES or place != _PLACES[wake]:
        problems.add(
            f"it is {wake or 'nowhere'!r}, but it is queued {examined.queued} times, "
            f"{'held' if examined.is_held else 'not held'} by its worker and "
            f"{'due' if examined.due_ms is not None else 'not due'} at a time"
        )
    if wake == "idle":
        upto = int(control.get("up", "0"))
        unseen = [e.version for e in history if e.version > upto and e.type in OF_THE_WORLD]
        if facts.type is ExecutionType.TASK:
            problems.add("it is a task that waits for nothing and is in no queue")
        elif unseen:
            problems.add(f"it sleeps although it was not told of events {_runs(unseen)}")
    kept = {int(name[1:]) for name in control if name[0] == "T"}
    problems.unequal("the timers it keeps", kept, _running_timers(execution_id, history))
    problems.unequal("the timers that will fire", set(examined.timers), kept)


def _check_order(execution_id: str, history: Sequence[StoredEvent], problems: _Problems) -> None:
    """Time does not go back, and nobody decides by what is still to come."""
    for before, event in itertools.pairwise(history):
        if event.at_ms < before.at_ms:
            problems.add(f"event {event.version} is older than event {before.version}")
        if event.type == "decided" or "u" in event.plain:
            upto = events.plain_number(execution_id, event.version, event.plain, "u")
            if upto >= event.version:
                problems.add(f"event {event.version} was decided by event {upto}")


def _check_answers(execution_id: str, history: Sequence[StoredEvent], problems: _Problems) -> None:
    """Whatever a workflow is told of a command, it asked for before, and is told once."""
    asked: dict[int, bool] = {}
    answered: set[int] = set()
    for event, payload in _decoded(execution_id, history):
        if isinstance(payload, Decided):
            for command in payload.commands:
                if isinstance(command, _ANSWERED):
                    asked[command.n] = isinstance(command, protocol.StartTimer)
        elif event.type in _ANSWERS:
            n = events.plain_number(execution_id, event.version, event.plain, "n")
            if asked.get(n) is not (event.type == "timer_fired"):
                problems.add(f"event {event.version} answers command {n}, which did not ask for it")
            elif n in answered:
                problems.add(f"event {event.version} answers command {n} once more")
            answered.add(n)


def _running_timers(execution_id: str, history: Sequence[StoredEvent]) -> set[int]:
    running: set[int] = set()
    for event, payload in _decoded(execution_id, history):
        if event.type == "forked":
            running.clear()  # they run for the other one
        elif event.type == "timer_fired":
            running.discard(events.plain_number(execution_id, event.version, event.plain, "n"))
        elif isinstance(payload, Decided):
            for command in payload.commands:
                if isinstance(command, protocol.StartTimer):
                    running.add(command.n)
                elif isinstance(command, protocol.CancelTimer):
                    running.discard(command.n)
    return running


def _decoded(
    execution_id: str, history: Sequence[StoredEvent]
) -> Iterator[tuple[StoredEvent, events.Payload | None]]:
    for event in history:
        yield event, events.decode(execution_id, event.version, event.type, event.payload)


def _unreadable(execution_id: str, history: Sequence[StoredEvent]) -> Iterator[UnreadableEvent]:
    for event in history:
        try:
            events.decode(execution_id, event.version, event.type, event.payload)
        except UnreadableEvent as error:
            yield error


def _replay(
    execution_id: str,
    machine: LiveMachine,
    history: Sequence[StoredEvent],
    examined: Examination,
    snapshot: Snapshot | None,
    problems: _Problems,
) -> None:
    seen = 1
    try:
        if snapshot and _is_of(history, snapshot):
            seen = snapshot.upto
            machine.advance(history[1:seen])
            if machine.kept() != snapshot.data:
                problems.add(f"its snapshot at event {seen} is not what its events come to")
        machine.advance(history[seen:])
        _check_end(execution_id, machine, history[-1], problems)
    except (NondeterminismError, UnreadableEvent) as error:
        problems.add(str(error))
        return
    if examined.control.get("wk") == "idle" and machine.undecided:
        problems.add(f"it sleeps and has decided {len(machine.undecided)} things nobody recorded")


def _check_end(
    execution_id: str, machine: LiveMachine, last: StoredEvent, problems: _Problems
) -> None:
    """Of a workflow that ended by itself: others end it without saying what it was told up to."""
    if "u" not in last.plain:
        return
    said = events.decode(execution_id, last.version, last.type, last.payload)
    if isinstance(said, events.Completed | events.Failed | events.Restarted):
        recorded, replayed = ends(said, machine.outcome)
        if recorded != replayed:
            problems.add(f"it has ended with {recorded}, its events come to {replayed}")


def _is_of(history: Sequence[StoredEvent], snapshot: Snapshot) -> bool:
    """Whether a claim would use it; else it may be of events that a failover lost, or newer."""
    return (
        snapshot.upto <= len(history) and history[snapshot.upto - 1].identity == snapshot.identity
    )


def _runs(numbers: Sequence[int]) -> str:
    """``1-3, 5`` for 1, 2, 3, 5."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs) or "not at all"
