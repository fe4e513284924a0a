"""An execution that stops before each statement, forwards and back, and can be looked at there.

Stepping code is ordinary code with a hook at each stop. To stop, the hook reads Python's frames and
raises; to go on, the turn is run once more from the state before it, to a later stop. Machines are
deterministic, so that is the same as going on, and a step back is no different from one forwards.
Between two turns the state is that of an ordinary machine, to the byte.

Nothing of this is charged to the program, and ordinary code knows nothing of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import repeat
from operator import length_hint
from types import FrameType
from typing import Any, Final

import msgspec

from flowlang import snapshot
from flowlang.errors import EvaluationError, EvaluationRefused, InternalError
from flowlang.limits import Budget, Limits, restore_budget, use_budget
from flowlang.machine import Frame, Machine
from flowlang.program import Program
from flowlang.protocol import Command, Event, Turn
from flowlang.values import Value, to_boolean
from flowlang.whereabouts import Awaited, Position, Suspended, suspended, visible


class Stop(msgspec.Struct, frozen=True):
    """A moment in a turn, before a statement that is about to run.

    Attributes:
        number: how many stops the turn has come to with this one; the first is 1.
        line, column: of the statement, from 1.
        is_round: whether it is a loop again, after a round.
        calls: the functions that run, innermost first, each where it stands. Functions of the
            library that call back, such as `map`, are left out.
    """

    number: int
    line: int
    column: int
    is_round: bool
    calls: tuple[Position, ...]

    @property
    def variables(self) -> dict[str, Any]:
        """All that the innermost function sees, as values of the program."""
        return self.calls[0].variables


Lines = Callable[[int], bool]
"""Says of a line, from 1, whether it is meant. Asked once for each statement of the program."""

Look = Callable[[Stop], bool | None]
"""Looks at a stop of a turn that runs on, whose variables are still to change; True stops there."""


def every_line(line: int) -> bool:
    """All lines are meant."""
    return True


class Stepper:
    """An execution seen statement by statement.

    A turn begins with `start` or `feed` and is then moved about in; when it is over, the next event
    can be fed. Where it stands is `stop`. A move costs about what it costs to run the turn from its
    beginning to there.

    Attributes:
        stop: None at the end of a turn, and before the first.
        turn: what came of the turn when it is over, else None.
    """

    def __init__(
        self,
        program: Program,
        inputs: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        seed: int = 0,
        now_ms: int = 0,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        attributes: Collection[str] = (),
    ) -> None:
        """An execution at its beginning, with the arguments of `Machine`."""
        self.program = program.stepping
        self.stop: Stop | None = None
        self.turn: Turn | None = None
        self._points = _points(self.program)
        self._context = context or {}
        self._limits = limits
        self._before: Callable[[], Machine] = lambda: Machine(
            self.program, inputs, context, seed, now_ms, limits, attributes
        )
        self._go: Callable[[Machine], Turn] = Machine.start
        self._machine = self._before()
        self._running: tuple[Frame, ...] = ()
        self._count = 0

    @classmethod
    def of_state(
        cls,
        program: Program,
        state: bytes,
        context: dict[str, Any],
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> Stepper:
        """An execution between two turns, with the arguments of `snapshot.decode`.

        Raises:
            SnapshotUnusable: the state is of another format, lowering or program.
        """
        stepper = cls(program, context=context, limits=limits)
        stepper._machine = stepper._decoded(state)
        return stepper

    # ------------------------------------------------------------------ turns

    def start(self) -> Stop | None:
        """Begin the first turn; where it stops first."""
        return self._open(Machine.start)

    def feed(self, event: Event, now_ms: int) -> Stop | None:
        """Begin the turn of an event; where it stops first, None if nothing of the program runs.

        Raises:
            ValueError: the turn before is not over.
            InternalError: the machine itself failed, or had ended before.
        """
        self._must_be_over()
        if self._machine.outcome is not None:
            raise InternalError("a machine that has ended was given an event")
        state = snapshot.encode(self._machine, limited=False)
        self._context = self._machine.facts
        self._before = lambda: self._decoded(state)
        return self._open(lambda machine: machine.feed(event, now_ms))

    def rest(self) -> None:
        """Begin a turn in which nothing runs, to stand where functions wait.

        Raises:
            ValueError: the turn before is not over.
        """
        self._must_be_over()
        state = snapshot.encode(self._machine, limited=False)
        self._before = lambda: self._decoded(state)
        self._open(lambda _: Turn())

    def finish(self) -> Turn:
        """Go to the end of the turn; what came of it."""
        self.goto(sys.maxsize)
        assert self.turn is not None
        return self.turn

    def state(self) -> bytes:
        """The state before or after a turn, for any machine to open, in ordinary code or not.

        Raises:
            ValueError: the turn is not over.
            StateTooLarge: it is larger than the limits allow.
        """
        self._must_be_over()
        return snapshot.encode(self._machine)

    # ------------------------------------------------------------------ moving

    def forward(self, count: int = 1) -> Stop | None:
        """Go so many stops on, or to the end of the turn."""
        return self.goto(self._count + count)

    def back(self, count: int = 1) -> Stop | None:
        """Go so many stops back, or to the first of the turn."""
        return self.goto(self._count + (self.stop is None) - count)

    def goto(self, number: int) -> Stop | None:
        """Go to the stop of that number: the first if it is less than 1, the end of the turn if
        there are not so many."""
        run = self._new_run()
        run.skip(max(0, number - 1), run.end)
        return self._take(run)

    def run(
        self, lines: Lines = every_line, look: Look | None = None, *, within: int | None = None
    ) -> Stop | None:
        """Go on to the next stop on one of `lines`, or to the end of the turn.

        Statements of other lines hardly cost more than in an ordinary run.

        Args:
            look: says whether to stop there; left out, it is yes.
            within: pass where more calls than that are within each other.
        """
        return self._watch(lines, self._count, _selective(look, within))

    def run_back(
        self, lines: Lines = every_line, look: Look | None = None, *, within: int | None = None
    ) -> Stop | None:
        """Go back to the last stop before this one that `run` would stop at, or to the first."""
        number = self._count + (self.stop is None)
        found = 1
        selects = _selective(look, within)

        def note(stop: Stop) -> bool:
            nonlocal found
            if stop.number < number and selects(stop):
                found = stop.number
            return stop.number >= number

        self._watch(lines, 0, note)
        return self.goto(found)

    def visit(self, look: Look, lines: Lines = every_line) -> Stop | None:
        """Run the turn from its beginning and look at each stop on one of `lines`. It ends where
        `look` says True, or at the end of the turn."""
        return self._watch(lines, 0, look)

    def over(self) -> Stop | None:
        """Go on to the next stop that is in no further call."""
        return self.run(within=0 if self.stop is None else len(self.stop.calls))

    def out(self) -> Stop | None:
        """Go on to the next stop after the innermost function has returned or waits."""
        return self.run(within=0 if self.stop is None else len(self.stop.calls) - 1)

    # ------------------------------------------------------------------ looking

    def hits(self) -> dict[int, int]:
        """How often the turn came to each line up to here, this stop included; lines that it did
        not come to are left out. A line with several statements counts as the busiest of them."""
        return _by_line(self._points, self.hits_of_stops())

    def hits_of_stops(self) -> list[int]:
        """As `hits`, for each place in the program to stop at."""
        run = self._new_run()
        hits = run.count_hits(self._count)
        self._play(run)
        return hits

    def commands(self) -> tuple[Command, ...]:
        """What the turn has asked for up to here, console lines included."""
        return self._machine.given if self.turn is None else self.turn.commands

    def lines(self) -> list[int]:
        """The lines that have a stop, in order."""
        return sorted({point.line for point in self._points})

    def evaluate(self, expression: str, at: Position | None = None) -> Value:
        """What an expression gives here, as a value of the program. It can only read.

        Args:
            at: one of the functions that run or wait; the innermost one that runs if left out.

        Raises:
            EvaluationRefused: it is no expression, or would do more than read.
            EvaluationError: it throws, or goes over a limit.
            ValueError: nothing runs.
        """
        if at is None:
            if self.stop is None:
                raise ValueError("no function runs: say at which of those that wait")
            at = self.stop.calls[0]
        return self._machine.evaluate(expression, at)

    def holds(self, condition: str) -> Look:
        """A look that says whether an expression is true at a stop; where it throws, it is not."""
        return lambda stop: _holds(self._machine, condition)(stop)

    def where(self) -> list[Suspended]:
        """The functions that wait, as `Machine.where` tells it; not those that run."""
        if self._machine.outcome is not None:
            return []
        return suspended(self._machine, self._running)

    def stack(self) -> list[Position]:
        """The functions that run, innermost first, then those that wait for one of them, nearest
        first: who called whom, and who awaits whom."""
        waiting = self.where()
        order = [at for at, one in enumerate(waiting) if _waits_for_running(one.waits_for)]
        seen = set(order)
        for at in order:  # which grows on the way
            more = [by for by in waiting[at].awaited_by if by not in seen]
            order += more
            seen.update(more)
        calls = () if self.stop is None else self.stop.calls
        return [*calls, *(waiting[at] for at in order)]

    # ------------------------------------------------------------------ running

    def _decoded(self, state: bytes) -> Machine:
        return snapshot.decode(self.program, state, self._context, self._limits)

    def _must_be_over(self) -> None:
        if self.stop is not None:
            raise ValueError("the turn is not over: finish it first")

    def _open(self, go: Callable[[Machine], Turn]) -> Stop | None:
        self._go = go
        return self.goto(1)

    def _watch(self, lines: Lines, after: int, look: Look) -> Stop | None:
        meant = {point.line: False for point in self._points}
        meant = {line: bool(lines(line)) for line in meant}
        run = self._new_run()

        def look_from_here(stop: Stop) -> bool | None:
            self.stop, self._machine, self._running = stop, run.machine, run.running
            return look(stop)

        before = self.stop, self._machine, self._running
        run.watch([meant[point.line] for point in self._points], after, look_from_here)
        try:
            return self._take(run)
        except BaseException:
            self.stop, self._machine, self._running = before
            raise

    def _new_run(self) -> _Run:
        return _Run(self._before(), self._points)

    def _take(self, run: _Run) -> Stop | None:
        """Play a run, and stand where it ends."""
        self.turn = self._play(run)
        self.stop, self._machine, self._running = run.stop, run.machine, run.running
        self._count = run.count()
        return self.stop

    def _play(self, run: _Run) -> Turn | None:
        """The turn, if the run gets to its end."""
        try:
            return self._go(run.machine)
        except _Stopped:
            if run.failure is not None:
                raise run.failure from None
            return None


class Scout:
    """Runs turns one after the other and looks at their stops on the way, forwards alone.

    It keeps no states and goes back nowhere, so that it costs little more than an ordinary run: to
    find where to send a `Stepper`.
    """

    def __init__(self, program: Program, machine: Machine) -> None:
        """Runs a machine of `program.stepping`, which it takes over."""
        self._points = _points(program.stepping)
        self._run = _Run(machine, self._points)
        self.machine = machine

    def turn(self, go: Callable[[Machine], Turn], lines: Lines, look: Look) -> Stop | None:
        """Run one turn and look at each stop on one of `lines`. Where `look` says True it ends, and
        with it the scout; None at the end of the turn."""
        meant = {point.line: False for point in self._points}
        meant = {line: bool(lines(line)) for line in meant}
        self._run.begin_anew()
        self._run.watch([meant[point.line] for point in self._points], 0, look)
        self._play(go)
        return self._run.stop

    def count(self, go: Callable[[Machine], Turn], hits: list[int]) -> None:
        """Run one turn, and add to `hits` how often it came to each stop of the program."""
        self._run.begin_anew()
        counted = self._run.count_hits(sys.maxsize)
        self._play(go)
        for number, count in enumerate(counted):
            hits[number] += count

    def holds(self, condition: str) -> Look:
        """As `Stepper.holds`."""
        return _holds(self.machine, condition)

    def _play(self, go: Callable[[Machine], Turn]) -> None:
        try:
            go(self.machine)
        except _Stopped:
            if self._run.failure is not None:
                raise self._run.failure from None


def stops_of(program: Program) -> int:
    """How many places there are in a program to stop at."""
    return len(_points(program.stepping))


def by_line(program: Program, hits: Sequence[int]) -> dict[int, int]:
    """Hits of stops as those of lines: of several statements in one the busiest counts."""
    return _by_line(_points(program.stepping), hits)


def _by_line(points: Sequence[_Point], hits: Sequence[int]) -> dict[int, int]:
    by_line: dict[int, int] = {}
    for point, count in zip(points, hits, strict=True):
        if count:
            by_line[point.line] = max(by_line.get(point.line, 0), count)
    return by_line


def _holds(machine: Machine, condition: str) -> Look:
    def look(stop: Stop) -> bool:
        try:
            return to_boolean(machine.evaluate(condition, stop.calls[0]))
        except EvaluationRefused:
            raise
        except EvaluationError:
            return False

    return look


def _selective(look: Look | None, within: int | None) -> Look:
    """Both conditions in one."""

    def selects(stop: Stop) -> bool:
        return (within is None or len(stop.calls) <= within) and (look is None or bool(look(stop)))

    return selects


def _waits_for_running(awaited: Awaited) -> bool:
    is_running = awaited.kind == "function" and awaited.function is None
    return is_running or any(_waits_for_running(part) for part in awaited.parts)


# ---------------------------------------------------------------------------------------- a run


class _Point(msgspec.Struct, frozen=True):
    """A stop of the program in terms of lines."""

    line: int
    column: int
    is_round: bool


def _points(program: Program) -> list[_Point]:
    assert program.stops is not None
    return [
        _Point(*program.text.position(point.offset), point.is_round)
        for point in program.stops.points
    ]


class _Stopped(BaseException):
    """Ends a run before its turn is over. No generated code and no library catches it."""


_GATE: Final = bytes(2**16)
"""What a gate that is to count gives, item by item: cheap to share, and it knows what is left."""


class _Run:
    """One run of a turn on a machine of its own.

    Attributes:
        stop: where it was ended.
        running: then, the frames of the functions that run.
        failure: what went wrong in whoever looked at a stop.
    """

    def __init__(self, machine: Machine, points: list[_Point]) -> None:
        self.machine = machine
        self.points = points
        self.stop: Stop | None = None
        self.running: tuple[Frame, ...] = ()
        self.failure: BaseException | None = None
        self._passed = 0
        self._open: list[tuple[Iterator[object], int]] = []
        self._act: Callable[[int, FrameType], None] = self.end
        machine.gates = [()] * len(points)
        machine.hook = self._arrive

    def begin_anew(self) -> None:
        """Be ready for another turn of the same machine, whose code knows these gates."""
        self.stop, self.running, self.failure = None, (), None
        self._passed, self._open, self._act = 0, [], self.end
        self.machine.gates[:] = [()] * len(self.points)

    # ------------------------------------------------------------------ what to do on the way

    def skip(self, count: int, then: Callable[[int, FrameType], None]) -> None:
        """Pass so many stops and do `then` at the next one."""
        gate = repeat(None, count)
        self._open = [(gate, count)]
        self.machine.gates[:] = [gate] * len(self.points)
        self._act = then

    def end(self, number: int, frame: FrameType) -> None:
        """Stop."""
        self._passed += 1
        self.stop = self._describe(number, frame)
        raise _Stopped

    def watch(self, meant: list[bool], after: int, look: Look) -> None:
        """Pass so many stops, then look at all that are meant, until `look` answers True."""

        def begin(number: int, frame: FrameType) -> None:
            self._passed = after
            self._open = []
            for at, is_meant in enumerate(meant):
                if is_meant:
                    self.machine.gates[at] = ()
                else:
                    self._new_gate(at)
            self._act = arrive
            arrive(number, frame)

        def arrive(number: int, frame: FrameType) -> None:
            self._passed += 1
            if not meant[number]:
                self._new_gate(number)
                return
            stop = self._describe(number, frame)
            if look(stop):
                self.stop = stop
                raise _Stopped

        self.skip(after, begin)

    def count_hits(self, upto: int) -> list[int]:
        """Count how often the run comes to each stop, and end it at its stop number `upto`."""
        hits = [0] * len(self.points)

        def count(number: int, frame: FrameType) -> None:
            hits[number] += 1
            self._passed += 1
            if self._passed == upto:
                raise _Stopped

        self._act = count
        return hits

    def count(self) -> int:
        """How many stops the run has come to."""
        return self._passed + sum(size - length_hint(gate) for gate, size in self._open)

    # ------------------------------------------------------------------ on the way

    def _new_gate(self, number: int) -> None:
        gate = iter(_GATE)
        self._open.append((gate, len(_GATE)))
        self.machine.gates[number] = gate

    def _arrive(self, number: int) -> None:
        """The machine's hook. What is done here is not charged to the program."""
        budget = use_budget(Budget(self.machine.limits))
        try:
            self._act(number, sys._getframe(1))
        except _Stopped:
            raise
        except BaseException as failure:
            # It must not be caught on its way out through the program and the machine.
            self.failure = failure
            raise _Stopped from None
        finally:
            restore_budget(budget)

    def _describe(self, number: int, frame: FrameType | None) -> Stop:
        machine = self.machine
        program = machine.program
        point = self.points[number]
        place = point.line, point.column
        calls: list[Position] = []
        running: list[Frame] = []
        while frame is not None and frame.f_code is not _TURN:
            code = program.function_of(frame.f_code)
            if code is not None:
                local = frame.f_locals
                at = frame.f_lineno - 1
                if calls:
                    place = program.text.position(code.offsets[at])
                scopes = visible(
                    code.scopes[at], machine, local.get("F", ()), local.get("S"), local
                )
                calls.append(Position(code.shown_name, *place, scopes))
                if "f" in local:
                    running.append(local["f"])
                if local.__class__ is dict:
                    # Up to Python 3.12 the frame keeps it, and with it a reference to each value.
                    local.clear()
            frame = frame.f_back
        self.running = tuple(running)
        return Stop(self.count(), point.line, point.column, point.is_round, tuple(calls))


_TURN: Final = Machine._turn.__code__
"""Python's stack is of no interest beyond it."""
