"""Why an execution stands where it stands, in sentences. Pure.

Where it is, what it waits for and since when, what would wake it, what went wrong before, and what
is amiss around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from flowlang import Awaited, Suspended
from rhythm.errors import UnreadableEvent
from rhythm.models import Execution, ExecutionStatus, ExecutionType, HistoryEvent, from_unix_ms
from streams.limits import Held

_OVERDUE_S: Final = 10.0
"""What is due for longer than this should have fired: a timekeeper needs some ms."""


class Surroundings(msgspec.Struct, frozen=True):
    """What is known beside the execution itself.

    Attributes:
        now: the time of the store.
        children: of the execution, by the number of the command that asked.
        child_events: of those that are tasks and not over.
        serving: live workers of each queue that has some; None if that is not known.
        knowing: live workers of each queue and task that they know.
        held: id -> the limit at which a task waits, of the execution and its children.
    """

    now: datetime
    children: Mapping[int, Execution]
    child_events: Mapping[int, Sequence[HistoryEvent]]
    serving: Mapping[str, int] | None
    knowing: Mapping[tuple[str, str], int]
    held: Mapping[str, Held] = {}


class Script(msgspec.Struct, frozen=True):
    """What a workflow runs: where it came from, its text, and its functions that wait."""

    path: str
    text: str
    waiting: Sequence[Suspended]


class Explanation(msgspec.Struct, frozen=True):
    """Sentences for people.

    Attributes:
        stands: where it is and what it waits for.
        past: what went wrong before.
        amiss: what somebody should look at.
    """

    stands: list[str]
    past: list[str]
    amiss: list[str]


def explain(
    execution: Execution,
    history: Sequence[HistoryEvent],
    script: Script | None,
    around: Surroundings,
    damage: UnreadableEvent | None = None,
) -> Explanation:
    """Explain an execution.

    Args:
        history: its events, as far as they can be read.
        script: of a workflow, as it stands at the end of them.
        damage: why there are no more.
    """
    explanation = _explained(execution, history, script, around)
    if damage is None:
        return explanation
    told = f"Its history is damaged, and told here up to that: {damage}."
    return msgspec.structs.replace(explanation, amiss=[told, *explanation.amiss])


def _explained(
    execution: Execution,
    history: Sequence[HistoryEvent],
    script: Script | None,
    around: Surroundings,
) -> Explanation:
    if execution.type is ExecutionType.TASK:
        return _of_task(execution, history, around)
    assert script is not None
    if execution.status.finished:
        return Explanation([*_how_it_ended(execution, script)], [*_failures(around)], [])
    stands = [f"{_name(execution)} is {execution.status}."]
    amiss: list[str] = []
    waiting = script.waiting
    if execution.status is ExecutionStatus.PENDING:
        # It stands nowhere yet, although its script can tell what it will ask for first.
        stands, waiting = [_until_begun(execution, history, around)], ()
    for function in waiting:
        stands.append(_place(function, script))
        for awaited in _leaves(function.waits_for):
            sentence, trouble = _what_of(awaited, execution, around)
            stands += sentence
            amiss += trouble
    if not waiting:
        amiss += _unserved(execution.queue, around, "it")
    if execution.paused:
        amiss.append(_paused(execution))
    if execution.stuck:
        amiss.append(
            "It was parked as stuck, since worker after worker was lost with it: see why, then "
            f"rhythm resume {execution.id}."
        )
    return Explanation(stands, [*_failures(around)], list(dict.fromkeys(amiss)))


def _until_begun(
    execution: Execution, history: Sequence[HistoryEvent], around: Surroundings
) -> str:
    """What a workflow before its first turn, or a task before its next attempt, waits for."""
    last = next(
        event
        for event in reversed(history)
        if event.type in ("created", "postponed", "attempt_failed")
    )
    due_ms = last.data.get("due_ms", last.data.get("run_at_ms"))
    if due_ms is not None and (due := from_unix_ms(due_ms)) > around.now:
        verb = "is tried again" if last.type == "attempt_failed" else "is to begin"
        return f"{_name(execution)} {verb} {_when(due, around)}."
    since = _ago(max(execution.created_at, from_unix_ms(due_ms or 0)), around)
    return (
        f"{_name(execution)} waits in queue {execution.queue!r} since {since}."
        f"{_held_back(execution, around)}"
    )


def _paused(execution: Execution) -> str:
    return (
        f"It is paused: rhythm resume {execution.id}, or if its {execution.type} is paused as a "
        f"whole, rhythm resume --{execution.type} {execution.target_name}."
    )


def _name(execution: Execution) -> str:
    return f"{str(execution.type).capitalize()} {execution.target_name!r} ({execution.id})"


def _place(function: Suspended, script: Script) -> str:
    source = script.text.splitlines()
    line = source[function.line - 1].strip()
    return (
        f"Its function {function.name} stands at {script.path}:{function.line} and waits "
        f"for {function.waits_for}:\n    {function.line} | {line}"
    )


def _leaves(awaited: Awaited) -> Iterator[Awaited]:
    """What is asked of the world, in what is awaited."""
    if awaited.kind in ("task", "workflow", "timer", "signal", "sending"):
        yield awaited
    for part in awaited.parts:
        yield from _leaves(part)


def _what_of(
    awaited: Awaited, execution: Execution, around: Surroundings
) -> tuple[list[str], list[str]]:
    """About one thing that is awaited: how it is, and what is amiss with it."""
    match awaited.kind:
        case "signal":
            send = f"rhythm signal {execution.id} {awaited.name}"
            told = [f"Nobody has sent signal {awaited.name!r} yet ({send})."]
            if awaited.due_ms is not None:
                due = from_unix_ms(awaited.due_ms)
                told.append(f"Its time limit ends {_when(due, around)}.")
            return told, _overdue(awaited, around)
        case "timer":
            assert awaited.due_ms is not None
            due = from_unix_ms(awaited.due_ms)
            return [f"Timer {awaited.n} fires {_when(due, around)}."], _overdue(awaited, around)
        case "task" | "workflow":
            child = around.children.get(awaited.n or 0)
            if child is None:
                return [f"{awaited} has not been created yet."], []
            return _of_child(child, awaited.n or 0, around)
    return [f"The {awaited} has not been answered yet."], []


def _of_child(child: Execution, number: int, around: Surroundings) -> tuple[list[str], list[str]]:
    name = f"{str(child.type).capitalize()} {number} {child.target_name!r}"
    since = _ago(child.started_at or child.created_at, around)
    if child.type is ExecutionType.WORKFLOW:
        sentence = f"{name} is {child.status}, since {since} (rhythm explain {child.id})."
        return [sentence], []
    if child.status is ExecutionStatus.RUNNING:
        return [f"{name} has been running since {since}, attempt {child.attempt}."], []
    if child.status.finished:
        return [f"{name} is {child.status}, and the workflow is about to be told."], []
    sentence = f"{name} waits in queue {child.queue!r} since {_ago(child.created_at, around)}."
    sentence += _held_back(child, around)
    amiss = _unserved(child.queue, around, name)
    if (
        around.serving is not None
        and not amiss
        and not around.knowing.get((child.queue, child.target_name))
    ):
        amiss = [
            f"No worker of queue {child.queue!r} knows a task {child.target_name!r}: start one "
            "with the module that has it."
        ]
    failed = [e for e in around.child_events.get(number, ()) if e.type == "attempt_failed"]
    if failed:
        last = failed[-1]
        error = last.data.get("error") or {}
        due = last.data.get("due_ms")
        again = "" if due is None else f", and is tried again {_when(from_unix_ms(due), around)}"
        sentence += (
            f" Attempt {last.attempt} failed with {error.get('name')}: "
            f"{error.get('message', '')}{again}."
        )
    return [sentence], amiss


def _of_task(
    execution: Execution, history: Sequence[HistoryEvent], around: Surroundings
) -> Explanation:
    name = _name(execution)
    failed = [
        f"Attempt {event.attempt} failed {_ago(event.at, around)} with "
        f"{(event.data.get('error') or {}).get('name')}: "
        f"{(event.data.get('error') or {}).get('message', '')}."
        for event in history
        if event.type == "attempt_failed"
    ]
    amiss: list[str] = []
    if execution.status is ExecutionStatus.FAILED:
        error = execution.output if isinstance(execution.output, dict) else {}
        stands = [f"{name} failed with {error.get('name')}: {error.get('message')}."]
        if error.get("traceback"):
            stands.append(str(error["traceback"]).rstrip())
    elif execution.status is ExecutionStatus.RUNNING:
        begun = _ago(execution.started_at or execution.created_at, around)
        stands = [f"{name} has been running since {begun}, attempt {execution.attempt}."]
    elif execution.status.finished:
        stands = [f"{name} is {execution.status}."]
    else:
        stands = [_until_begun(execution, history, around)]
        amiss = _unserved(execution.queue, around, "it")
        if execution.paused:
            amiss.append(_paused(execution))
    return Explanation(stands, failed, amiss)


def _how_it_ended(execution: Execution, script: Script) -> Iterator[str]:
    ended = execution.completed_at
    when = "" if ended is None else f" at {ended:%Y-%m-%d %H:%M:%S} UTC"
    verb = "was cancelled" if execution.status is ExecutionStatus.CANCELLED else execution.status
    yield f"{_name(execution)} {verb}{when}."
    error = execution.output if isinstance(execution.output, dict) else {}
    if execution.status is ExecutionStatus.CANCELLED:
        yield f"It was ended from outside: {error.get('reason') or 'no reason given'}."
        return
    if execution.restarted_as is not None:
        yield f"It goes on as {execution.restarted_as}, with a fresh history."
    if execution.status is not ExecutionStatus.FAILED:
        return
    yield f"{error.get('name')}: {error.get('message')}"
    line = error.get("line")
    if isinstance(line, int):
        source = script.text.splitlines()
        text = source[line - 1] if line <= len(source) else ""
        inset = len(text) - len(text.lstrip())
        caret = " " * inset + "^" * max(len(text.strip()), 1)
        gap = " " * len(str(line))
        yield f"{script.path}:{line}\n    {line} | {text}\n    {gap} | {caret}"


def _failures(around: Surroundings) -> Iterator[str]:
    """Children that failed, whether the script caught it or not."""
    for number, child in sorted(around.children.items()):
        if child.status is not ExecutionStatus.FAILED:
            continue
        error = child.output if isinstance(child.output, dict) else {}
        sentence = (
            f"{str(child.type).capitalize()} {number} {child.target_name!r} failed with "
            f"{error.get('name')}: {error.get('message')} (rhythm explain {child.id})."
        )
        if error.get("traceback"):
            sentence += "\n" + str(error["traceback"]).rstrip()
        yield sentence


def _unserved(queue: str, around: Surroundings, what: str) -> list[str]:
    if around.serving is None or around.serving.get(queue):
        return []
    return [f"No worker serves queue {queue!r}, where {what} waits: start one."]


def _held_back(execution: Execution, around: Surroundings) -> str:
    held = around.held.get(execution.id)
    if held is None:
        return ""
    of = f"{held.kind} {held.name!r}" + ("" if held.key is None else f" of key {held.key!r}")
    if held.counts == "running":
        run = "run" if held.most > 1 else "runs"
        return f" A limit holds it back: of {of} {held.most} {run} at once (rhythm limit list)."
    begin = "begin" if held.most > 1 else "begins"
    opens = from_unix_ms(held.opens_ms) if held.opens_ms else None
    when = "" if opens is None else f"; the next {_when(opens, around)}"
    return (
        f" A limit holds it back: of {of} {held.most} {begin} within {held.within_ms / 1000:g} s"
        f"{when} (rhythm limit list)."
    )


def _overdue(awaited: Awaited, around: Surroundings) -> list[str]:
    if awaited.due_ms is None:
        return []
    late_s = (around.now - from_unix_ms(awaited.due_ms)).total_seconds()
    if late_s < _OVERDUE_S:
        return []
    return [
        f"What should have come to {awaited} is overdue by {_length(late_s)}: timers fire only "
        "while a worker of the namespace lives."
    ]


def _when(moment: datetime, around: Surroundings) -> str:
    left_s = (moment - around.now).total_seconds()
    at = f"at {moment:%Y-%m-%d %H:%M:%S} UTC"
    return f"{at}, in {_length(left_s)}" if left_s >= 0 else f"{at}, {_length(-left_s)} ago"


def _ago(moment: datetime, around: Surroundings) -> str:
    passed_s = max((around.now - moment).total_seconds(), 0.0)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {_length(passed_s)} ago"


def _length(seconds: float) -> str:
    """As a person would say it: `12 s`, `3 min`, `5 h`, `4 days`."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
