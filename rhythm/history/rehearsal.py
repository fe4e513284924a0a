"""Try a fork out: what it would do from there on, with nothing written and no task run. Pure.

The script runs on a clock of its own, which goes at once to the next moment at which something
happens. What it asks for is answered by what the history says of the same call, made after the
fork; else by whoever is asked, which are stubs or a person.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from flowlang import protocol
from rhythm import events
from rhythm.engine.history import LiveMachine
from rhythm.errors import InvalidRequest
from rhythm.events import Completed, Decided, Failed, SignalReceived
from rhythm.history import forking
from rhythm.history.forking import Fork, Wanted
from rhythm.history.reading import id_of
from rhythm.history.recording import Recording
from rhythm.models import Execution
from rhythm.payloads import kind_of
from streams.codec import StoredEvent

MOST_EVENTS: Final = 10_000
"""So many answers, timers and signals are given; a script that goes on then would for ever."""


class Asked(msgspec.Struct, frozen=True):
    """What is to be answered.

    Attributes:
        kind: a ``signal`` is asked for where the script waits for one.
        inputs: of a task or workflow.
        line: of the script, from 1; 0 where no statement asked.
    """

    kind: Literal["task", "workflow", "signal"]
    name: str
    inputs: Mapping[str, Any]
    line: int


class Answer(msgspec.Struct, frozen=True):
    """An output or a signal's payload; or an error, then the value is nothing."""

    value: Any = None
    error: protocol.ErrorInfo | None = None


Answers = Callable[[Asked], Answer | None]
"""Asked once for each; None leaves it unanswered, and for a signal lets time pass."""


class Step(msgspec.Struct, frozen=True):
    """Something that a rehearsed fork did or was told.

    Attributes:
        at_ms: when, by its own clock, unix ms.
        line: of the script, from 1; 0 where no statement asked.
        kind: ``task``, ``workflow``, ``timer``, ``sent`` (a signal to another execution),
            ``signal`` (to this one), ``state`` or ``console``.
        name: of what was asked for; of a timer nothing.
        value: inputs, payload, the state shown, the console line; of a timer when it is due.
        answer: None for what is not answered, or was not.
        event: the number of the recorded event that answered; None for any other answer.
    """

    at_ms: int
    line: int
    kind: Literal["task", "workflow", "timer", "sent", "signal", "state", "console"]
    name: str
    value: Any
    answer: Answer | None = None
    event: int | None = None


class Rehearsal(msgspec.Struct, frozen=True):
    """What a fork would do.

    Attributes:
        at: the last event that it shares.
        steps: in order.
        outcome: how its script ended; None if it waits, or would go on for ever.
        waits: what it waits for then, in words.
        is_endless: whether it was stopped after `MOST_EVENTS`.
    """

    at: int
    steps: tuple[Step, ...]
    outcome: protocol.Ended | None
    waits: tuple[str, ...]
    is_endless: bool = False


def check_answers(answers: object) -> None:
    """Refuse what cannot be asked.

    Raises:
        InvalidRequest: it is no function.
    """
    if answers is not None and not callable(answers):
        raise InvalidRequest("answers", f"must be a function, not {kind_of(answers)}")


class Trial:
    """A fork that is to be tried out, once.

    Attributes:
        asked: the ids of tasks and workflows that it had asked for by then and waits for, by the
            numbers of its commands.
    """

    def __init__(self, recording: Recording, wanted: Wanted) -> None:
        """Let the script come to where it is forked.

        Raises:
            InvalidRequest, NondeterminismError, FlowSyntaxError, UnreadableEvent: as
                `app.history_service.fork`.
        """
        self._recording, self._wanted = recording, wanted
        self._at, self._signals = wanted.point(recording)
        self._program = wanted.program(recording)
        self._live = forking.replayed(recording, self._at, self._program)
        self.asked: dict[int, str] = {
            n: id_of(recording.execution_id, n, command.options)
            for n, command in forking.unanswered(recording, self._at, self._live).items()
            if isinstance(command, protocol.RunTask | protocol.RunWorkflow)
        }

    def played(self, children: Mapping[int, Execution], answers: Answers | None) -> Rehearsal:
        """What the fork does.

        Args:
            children: those `asked` for that there are, as they are now.
            answers: None leaves unanswered what the history does not answer.

        Raises:
            InvalidRequest: an edit cannot be made.
        """
        recording, at, results = self._recording, self._at, self._wanted.results
        known = forking.later_results(recording, at, children) if results else {}
        terms = forking.Terms(
            forking.id_for(recording.execution_id, 0),
            "rehearsal",
            results=results,
            signals=self._signals,
        )
        fork = forking.forked(
            recording, at, self._program, self._live, terms, self._wanted.edits, known
        )
        return _Stage(recording, at, self._live, answers or (lambda asked: None)).played(fork)


class _Stage:
    def __init__(self, recording: Recording, at: int, live: LiveMachine, answers: Answers) -> None:
        self._recording, self._at, self._live, self._answers = recording, at, live, answers
        self._now_ms = recording.events[at - 1].at_ms
        self._version = 0
        self._coming: list[tuple[int, int, StoredEvent]] = []
        self._dropped: set[int] = set()
        self._asked_for: set[tuple[str, int | None]] = set()
        self._steps: list[Step] = []
        self._recorded = _recorded(recording, at)

    def played(self, fork: Fork) -> Rehearsal:
        self._version = fork.forked
        self._take()
        for known in fork.events[fork.forked :]:
            self._come(self._now_ms, known.type, known.payload, known.plain)
        while self._live.outcome is None and self._version < fork.forked + MOST_EVENTS:
            if not self._signal_given() and not self._next_told():
                break
        outcome = self._live.outcome
        return Rehearsal(
            self._at,
            tuple(self._steps),
            outcome,
            tuple(self._waits()) if outcome is None else (),
            outcome is None and self._version >= fork.forked + MOST_EVENTS,
        )

    def _waits(self) -> Iterator[str]:
        for place in self._live.where():
            if place.waits_for.kind != "function":
                yield f"{place.waits_for} (line {place.line})"

    def _come(self, at_ms: int, type_: str, payload: bytes, plain: Mapping[str, str]) -> None:
        self._version += 1
        event = _event(self._version, type_, at_ms, payload, plain)
        heapq.heappush(self._coming, (max(at_ms, self._now_ms), self._version, event))

    def _next_told(self) -> bool:
        """Go to the next moment at which something happens; False when nothing will."""
        while self._coming:
            at_ms, _, event = heapq.heappop(self._coming)
            if "n" in event.plain and int(event.plain["n"]) in self._dropped:
                continue
            self._now_ms = max(self._now_ms, at_ms)
            self._tell(event)
            return True
        return False

    def _tell(self, event: StoredEvent) -> None:
        if event.type == "signal_received":
            said = events.decode(
                self._recording.execution_id, event.version, event.type, event.payload
            )
            assert isinstance(said, SignalReceived)
            self._show("signal", said.name, events.value_of(said.payload), 0)
        self._live.advance([msgspec.structs.replace(event, at_ms=self._now_ms)])
        self._take()

    def _signal_given(self) -> bool:
        """Whether a signal that the script waits for is given now."""
        for waiter in self._live.waiters:
            if (waiter.name, waiter.timer) in self._asked_for:
                continue
            answer = self._answers(Asked("signal", waiter.name, {}, waiter.line))
            if answer is None:
                self._asked_for.add((waiter.name, waiter.timer))
                continue
            said = events.encode(SignalReceived(waiter.name, events.raw(answer.value)))
            self._version += 1
            self._tell(_event(self._version, "signal_received", self._now_ms, said, {}))
            return True
        return False

    def _take(self) -> None:
        """What the script asked for since the last time."""
        commands, self._live.undecided = self._live.undecided, []
        for command in commands:
            match command:
                case protocol.RunTask() | protocol.RunWorkflow():
                    self._answer(command)
                case protocol.StartTimer():
                    self._show("timer", "", command.due_ms, command.line)
                    self._come(command.due_ms, "timer_fired", b"", {"n": str(command.n)})
                case protocol.SendSignal():
                    self._show("sent", command.name, command.payload, command.line)
                    done = events.encode(Completed(events.raw(None)))
                    self._come(self._now_ms, "child_completed", done, {"n": str(command.n)})
                case protocol.CancelTimer() | protocol.CancelChild():
                    self._dropped.add(command.n)
                case protocol.SetState():
                    self._show("state", command.key, command.value, 0)
                case protocol.Log():
                    self._show("console", command.level, command.text, command.line)

    def _answer(self, command: protocol.RunTask | protocol.RunWorkflow) -> None:
        kind: Literal["task", "workflow"] = (
            "task" if isinstance(command, protocol.RunTask) else "workflow"
        )
        recorded = self._recorded[_call(command)]
        answer: Answer | None
        if recorded:
            event, output = recorded.popleft()
            answer, version, at_ms = Answer(events.value_of(output)), event.version, event.at_ms
        else:
            answer = self._answers(Asked(kind, command.name, command.inputs, command.line))
            version, at_ms = None, self._now_ms
        self._show(kind, command.name, command.inputs, command.line, answer, version)
        if answer is None:
            return
        number = {"n": str(command.n)}
        if answer.error is None:
            done = Completed(events.raw(answer.value))
            self._come(at_ms, "child_completed", events.encode(done), number)
        else:
            self._come(at_ms, "child_failed", events.encode(Failed(answer.error)), number)

    def _show(
        self,
        kind: Any,
        name: str,
        value: Any,
        line: int,
        answer: Answer | None = None,
        event: int | None = None,
    ) -> None:
        self._steps.append(Step(self._now_ms, line, kind, name, value, answer, event))


def _event(
    version: int, type_: str, at_ms: int, payload: bytes, plain: Mapping[str, str]
) -> StoredEvent:
    return StoredEvent(version, type_, at_ms, "rehearsal", payload, dict(plain))


def _call(command: protocol.RunTask | protocol.RunWorkflow) -> bytes:
    """What two calls that are the same have in common."""
    same = [type(command).__name__, command.name, command.inputs]
    return msgspec.json.encode(same, order="deterministic")


def _recorded(recording: Recording, at: int) -> defaultdict[bytes, deque[tuple[StoredEvent, Any]]]:
    """How calls that were made after an event completed; of the same ones the first comes first."""
    calls: dict[int, bytes] = {}
    found: defaultdict[bytes, deque[tuple[StoredEvent, Any]]] = defaultdict(deque)
    for event in recording.events[at:]:
        said = events.decode(recording.execution_id, event.version, event.type, event.payload)
        if isinstance(said, Decided):
            calls |= {
                command.n: _call(command)
                for command in said.commands
                if isinstance(command, protocol.RunTask | protocol.RunWorkflow)
            }
        elif event.type == "child_completed" and isinstance(said, Completed):
            n = events.plain_number(recording.execution_id, event.version, event.plain, "n")
            if n in calls:
                found[calls[n]].append((event, said.output))
    return found
