"""A cursor over the time of an execution: forwards and back, statement by statement. Pure.

A history is a sequence of turns: the first begins the script, each later one tells it one event of
the world. Within a turn a cursor stands before a statement, or at its end, where the script waits
for the next event. The history is verified once, when a cursor is made; going anywhere then starts
at the nearest state that was kept on the way, so that going back costs no more than going on.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

import flowlang
from flowlang import Log, Position, Stepper, Stop, Suspended, protocol
from flowlang.stepper import Lines, Look, Scout, by_line, every_line, stops_of
from flowlang.values import Value
from rhythm import events
from rhythm.engine.history import (
    LiveMachine,
    attributes_of,
    beginning_of,
    chained,
    context_of,
    told,
)
from rhythm.errors import FlowSyntaxError, InvalidRequest, UnreadableEvent
from rhythm.history.recording import Recording, check_follows, first_of
from streams.codec import StoredEvent

T = TypeVar("T")

_FIRST_INTERVAL: Final = 64
"""Turns between two kept states, at first: a jump then tells the script half of them on average,
which takes some milliseconds."""
_MOST_KEPT: Final = 256
"""Kept states. When there are more, every other one is dropped and the interval doubled: memory
stays within some MB however long a history is."""
_A_TURN: Final = 8192
"""Bytes of state whose writing takes about as long as a turn. A state of N times as many is kept
every N turns at most, so that keeping states never costs more than the replay itself."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""What the kept states may take in all; beyond it, as beyond their number, half of them go."""
_NEAR: Final = 64
"""States before turns that were lately passed, so that steps back find them at hand."""
_NEAR_BYTES: Final = 1024 * 1024
"""What the states that one jump puts at hand may take: of large states it is the last one only."""


class _Turn(NamedTuple):
    """One event that the script was told; None is said of the first, which begins it."""

    event: StoredEvent
    said: protocol.Event | None
    commands: tuple[protocol.Command, ...]


class Passed(NamedTuple, Generic[T]):
    """What ran in the turn of one event.

    Attributes:
        seen: what was seen at each statement that it came to.
        console: the lines that it wrote.
    """

    event: StoredEvent
    seen: list[T]
    console: list[Log]


class Found(NamedTuple):
    """What an expression gave where the script came to a line.

    Attributes:
        at_ms: the time of the event, unix ms.
        value: as `console` shows it; None if it threw.
        error: why it has no value.
    """

    version: int
    at_ms: int
    value: str | None
    error: str | None


class Replay:
    """A verified history, and a place in it.

    Attributes:
        damage: why the history cannot be read beyond `last`; None if all of it can.
        outcome: how the script ended, None while it goes on.
        program: the one that it runs.
        first, last: the versions of the first event that it can go to, and of the last that was
            read. The first is 1, or where it was moved onto its source by a mapping: what was
            before ran another one.
        unseen: world events that came too late for the script to be told of them.
    """

    def __init__(
        self,
        execution_id: str,
        program: flowlang.Program,
        history: Sequence[StoredEvent],
        upto: int | None = None,
    ) -> None:
        """Replay a history to its end, or up to a version, and stand there.

        Raises:
            NondeterminismError: the script decides otherwise than the history records.
            UnreadableEvent: not even the first event can be read.
        """
        self.execution_id, self.program = execution_id, program
        self.created = first_of(execution_id, history)
        self._first = beginning_of(execution_id, history)
        # What its script sees as `Context` from which turn on: a fork sees another one.
        self._contexts = [(0, context_of(execution_id, self.created, self._first.at_ms))]
        self.damage: UnreadableEvent | None = None
        self.unseen: list[StoredEvent] = []
        self._kept: dict[int, bytes] = {}
        self._near: OrderedDict[int, bytes] = OrderedDict()
        self._interval = _FIRST_INTERVAL
        # How often the script had come to each stop, before some turns.
        self._turns: list[_Turn] = []
        # Where the script stood when it was moved onto its source, else None.
        self._moved: bytes | None = None
        self._verify(history if upto is None else history[:upto])
        self.first = self._turns[0].event.version
        self._warmth: dict[int, list[int]] = {0: [0] * stops_of(self.program)}
        self._versions = [turn.event.version for turn in self._turns]
        self._at = 0
        self._stepper = self._opened(len(self._turns) - 1)
        self._stepper.finish()

    # ------------------------------------------------------------------ where it is

    @property
    def version(self) -> int:
        """The version of the event whose turn this is."""
        return self._turns[self._at].event.version

    @property
    def event(self) -> StoredEvent:
        """The event whose turn this is."""
        return self._turns[self._at].event

    @property
    def stop(self) -> Stop | None:
        """The statement that is about to run; None at the end of a turn."""
        return self._stepper.stop

    @property
    def is_over(self) -> bool:
        """Whether it stands at the end of the last turn."""
        return self.stop is None and self._at == len(self._turns) - 1

    @property
    def place(self) -> tuple[int, int]:
        """Version and number of the stop within its turn; 0 at the end of the turn."""
        return self.version, 0 if self.stop is None else self.stop.number

    # ------------------------------------------------------------------ going

    def forward(self) -> Stop | None:
        """To the next statement, in this turn or a later one; None at the end of the history."""
        if self.stop is not None and self._stepper.forward() is not None:
            return self.stop
        return self._to_next_stop()

    def back(self) -> Stop | None:
        """To the statement before, in this turn or an earlier one; the first if there is none."""
        here = self.stop
        if here is None or here.number > 1:
            self._stepper.back()
            if self.stop is not None:
                return self.stop
        if self._at == 0:
            return self.stop
        self._open(self._at - 1)
        self._stepper.finish()
        if self._stepper.back() is not None:
            return self.stop
        # Of many turns, as those that tell results to `Promise.all`, nothing of the script runs.
        return self._last_before(every_line, None)

    def over(self) -> Stop | None:
        """To the next statement that is in no further call; None at the end of the history."""
        if self.stop is not None and self._stepper.over() is not None:
            return self.stop
        return self._to_next_stop()

    def out(self) -> Stop | None:
        """To the next statement after the innermost function has returned or waits."""
        if self.stop is not None and self._stepper.out() is not None:
            return self.stop
        return self._to_next_stop()

    def next_event(self) -> int:
        """To the end of the next event's turn; its version. The last one stays."""
        if self._at < len(self._turns) - 1:
            self._go_on()
        self._stepper.finish()
        return self.version

    def previous_event(self) -> int:
        """To the end of the turn before; its version. Before the first, to its beginning."""
        if self._at == 0:
            self._stepper.goto(1)
        else:
            self._open(self._at - 1)
            self._stepper.finish()
        return self.version

    def goto(self, version: int, stop: int = 0) -> Stop | None:
        """To where the script stands when it has been told of all up to an event.

        Args:
            stop: the number of a stop of that event's turn, from 1; 0 is the end of the turn.

        Raises:
            InvalidRequest: the history has no such event, or it is from before `first`.
        """
        if not 1 <= version <= self.last:
            raise InvalidRequest("version", f"the history has events 1 to {self.last}")
        if version < self.first:
            raise InvalidRequest(
                "version",
                f"another source ran before event {self.first}: replay the history up to there",
            )
        at = bisect.bisect_right(self._versions, version) - 1
        if at != self._at:
            self._open(at)
        if stop:
            return self._stepper.goto(stop)
        self._stepper.finish()
        return None

    def run_to(self, line: int | None = None, condition: str | None = None) -> Stop | None:
        """On to the next statement on a line, where a condition holds; None if there is none.

        Args:
            line: None is any.
            condition: an expression, evaluated where the script stands; where it throws, it does
                not hold. None always does.

        Raises:
            InvalidRequest: neither is given, or the line has no statement.
            EvaluationRefused: the condition is no expression, or would do more than read.
        """
        return self.run_to_any(() if line is None else (line,), condition)

    def run_back_to(self, line: int | None = None, condition: str | None = None) -> Stop | None:
        """Back to the last statement before on a line, where a condition holds; None, and to the
        beginning, if there is none. Arguments and errors as `run_to`."""
        return self.run_back_to_any(() if line is None else (line,), condition)

    def run_to_any(self, lines: Collection[int], condition: str | None = None) -> Stop | None:
        """As `run_to`, to whichever of some lines; without any, to all."""
        meant = self._lines(lines, condition)
        # At the end of a turn there is nothing more to run in it.
        if self.stop is not None and self._stepper.run(meant, self._look(condition)) is not None:
            return self.stop
        return self._first_after(meant, condition)

    def run_back_to_any(self, lines: Collection[int], condition: str | None = None) -> Stop | None:
        """As `run_back_to`, to whichever of some lines; without any, to all."""
        meant = self._lines(lines, condition)
        here = self.stop
        found = self._stepper.run_back(meant, self._look(condition))
        # It goes to the first stop also if that is not meant, or if it stood there.
        is_before = found is not None and (here is None or found.number < here.number)
        if is_before and self._fits(meant, condition):
            return found
        return self._last_before(meant, condition)

    # ------------------------------------------------------------------ looking

    def stack(self) -> list[Position]:
        """Functions that run, innermost first, then those that wait for one of them."""
        return self._stepper.stack()

    def where(self) -> list[Suspended]:
        """Functions that wait: where, for what, and with which variables."""
        return self._stepper.where()

    def variables(self, at: Position | None = None) -> dict[str, Value]:
        """All that a function sees: the innermost that runs, else the first that waits."""
        if at is None:
            seen = self.stack() or self.where()
            if not seen:
                return {}
            at = seen[0]
        return at.variables

    def evaluate(self, expression: str, at: Position | None = None) -> Value:
        """What an expression gives here; it can only read.

        Raises:
            EvaluationRefused: it is no expression, or would do more than read.
            EvaluationError: it throws, or goes over a limit.
        """
        if at is None and self.stop is None:
            waiting = self.where()
            if not waiting:
                raise InvalidRequest("expression", "nothing runs and nothing waits here")
            at = waiting[0]
        return self._stepper.evaluate(expression, at)

    def commands(self) -> list[tuple[int, protocol.Command]]:
        """What the script has asked for up to here, each with the version of its turn's event."""
        asked = [
            (turn.event.version, command)
            for turn in self._turns[: self._at]
            for command in turn.commands
        ]
        return asked + [(self.version, command) for command in self._stepper.commands()]

    def console(self) -> list[Log]:
        """Console lines up to here."""
        return [command for _, command in self.commands() if isinstance(command, Log)]

    def hits(self) -> dict[int, int]:
        """How often this turn came to each line up to here."""
        return self._stepper.hits()

    def heat(self) -> dict[int, int]:
        """How often the script came to each line from its beginning up to here."""
        since = max(at for at in self._warmth if at <= self._at)
        hits = list(self._warmth[since])
        if since < self._at:
            scout = self._scout(since)
            for at in range(since, self._at):
                if at % self._interval == 0 and at not in self._warmth:
                    self._warmth[at] = list(hits)
                scout.count(self._go(at), hits)
            self._warmth[self._at] = list(hits)
            while len(self._warmth) > _MOST_KEPT:
                del self._warmth[sorted(self._warmth)[1]]
        now = self._stepper.hits_of_stops()
        return by_line(self.program, [a + b for a, b in zip(hits, now, strict=True)])

    def visit(
        self,
        look: Callable[[flowlang.Machine, Stop], T],
        lines: Lines = every_line,
        upto: int | None = None,
    ) -> Iterator[Passed[T]]:
        """What is seen at each stop on some lines, from the beginning; wherever it stands.

        It costs little more than the turns do, however many stops they have and however large the
        state is: nothing is kept to go back to.

        Args:
            look: sees the machine and the stop, whose variables are still to change.
            upto: the version of the last event; the last there is if left out.
        """
        scout = self._scout(0)
        for turn, (event, _, commands) in enumerate(self._turns):
            if upto is not None and event.version > upto:
                return
            seen: list[T] = []

            def note(stop: Stop, seen: list[T] = seen) -> None:
                seen.append(look(scout.machine, stop))

            scout.turn(self._go(turn), lines, note)
            yield Passed(event, seen, [command for command in commands if isinstance(command, Log)])

    def grep(self, line: int, expression: str) -> Iterator[Found]:
        """What an expression gives each time that the script comes to a line.

        Raises:
            InvalidRequest: no statement begins on the line.
            EvaluationRefused: it is no expression, or would do more than read.
        """

        def look(machine: flowlang.Machine, stop: Stop) -> tuple[str | None, str | None]:
            try:
                return flowlang.show(machine.evaluate(expression, stop.calls[0])), None
            except flowlang.EvaluationRefused:
                raise
            except flowlang.EvaluationError as reason:
                return None, str(reason)

        for passed in self.visit(look, self._lines((line,), None)):
            for value, error in passed.seen:
                yield Found(passed.event.version, passed.event.at_ms, value, error)

    @property
    def inputs(self) -> Any:
        """What it was started with."""
        return events.value_of(self.created.inputs)

    def event_at(self, version: int) -> StoredEvent:
        """The event whose turn a version falls into."""
        return self._turns[max(0, bisect.bisect_right(self._versions, version) - 1)].event

    def lines(self) -> list[int]:
        """Lines that have a statement."""
        return self._stepper.lines()

    def turns(self) -> list[tuple[StoredEvent, int]]:
        """The events that the script was told, each with how many commands it gave then."""
        return [(turn.event, len(turn.commands)) for turn in self._turns]

    # ------------------------------------------------------------------ inside

    def _verify(self, history: Sequence[StoredEvent]) -> None:
        live = LiveMachine(self.execution_id, self.program, self._first)
        self.program = live.program
        self._turns.append(_Turn(self._first, None, tuple(live.undecided)))
        self.last = 1
        for event in history[1:]:
            try:
                check_follows(self.execution_id, self.last, event)
                payload = events.decode(self.execution_id, event.version, event.type, event.payload)
                said = told(self.execution_id, event, payload)
                if said is not None and live.outcome is None:
                    self._keep(len(self._turns), live)
                elif said is not None:
                    self.unseen.append(event)
                known = len(live.undecided)
                goes_on = live.outcome is None
                live.advance([event])
            except UnreadableEvent as error:
                self.damage = error
                break
            if live.program is not self.program:
                self._begin_anew(live, event)
            if said is not None and goes_on:
                if isinstance(said, protocol.Forked):
                    self._contexts.append((len(self._turns), said.context))
                self._turns.append(_Turn(event, said, tuple(live.undecided[known:])))
            self.last = event.version
        self.outcome = live.outcome

    def _begin_anew(self, live: LiveMachine, event: StoredEvent) -> None:
        """Leave out what was before: it ran another source."""
        self.program, self._moved = live.program, live.state_bytes(limited=False)
        self._turns = [_Turn(event, None, ())]
        self._contexts = [(0, live.context)]
        self._kept.clear()
        self._interval = _FIRST_INTERVAL

    def _keep(self, turn: int, live: LiveMachine) -> None:
        """Keep the state before a turn, now and then."""
        if turn % self._interval:
            return
        try:
            state = self._kept[turn] = live.state_bytes()
        except flowlang.StateTooLarge:
            return
        while (
            len(state) > self._interval * _A_TURN
            or len(self._kept) > _MOST_KEPT
            or sum(map(len, self._kept.values())) > _MOST_BYTES
        ):
            self._interval *= 2
            self._kept = {at: kept for at, kept in self._kept.items() if not at % self._interval}

    def _opened(self, turn: int) -> Stepper:
        """A stepper in a turn, at its first stop."""
        self._at = turn
        if turn == 0 and self._moved is not None:
            stepper = Stepper.of_state(self.program, self._moved, self._contexts[0][1])
            stepper.rest()
            return stepper
        if turn == 0:
            stepper = Stepper(
                self.program,
                events.value_of(self.created.inputs),
                self._contexts[0][1],
                self.created.seed,
                self._first.at_ms,
                attributes=attributes_of(self._first),
            )
            stepper.start()
            return stepper
        event, said, _ = self._turns[turn]
        assert said is not None
        stepper = Stepper.of_state(self.program, self._before(turn), self._context(turn))
        stepper.feed(said, event.at_ms)
        return stepper

    def _context(self, turn: int) -> dict[str, Any]:
        """What the script sees as `Context` before a turn, which is not the first."""
        return next(seen for since, seen in reversed(self._contexts) if since < turn)

    def _open(self, turn: int) -> None:
        self._stepper = self._opened(turn)

    def _before(self, turn: int) -> bytes:
        """The state before a turn, which is not the first."""
        if (state := self._near.get(turn)) is not None:
            return state
        begun = max((at for at in (*self._kept, *self._near) if at <= turn), default=0)
        at_hand = _NEAR // 2
        if begun == 0:
            machine = self._at_beginning(self.program)
            self._go(0)(machine)
            begun = 1
        else:
            kept = self._near.get(begun) or self._kept[begun]
            machine = flowlang.decode_state(self.program, kept, self._context(begun))
            at_hand = min(at_hand, _NEAR_BYTES // len(kept))
        for at in range(begun, turn):
            if turn - at < at_hand:
                self._remember(at, flowlang.encode_state(machine))
            event, said, _ = self._turns[at]
            assert said is not None
            machine.feed(said, event.at_ms)
        state = flowlang.encode_state(machine)
        self._remember(turn, state)
        return state

    def _remember(self, turn: int, state: bytes) -> None:
        self._near[turn] = state
        self._near.move_to_end(turn)
        if len(self._near) > _NEAR:
            self._near.popitem(last=False)

    def _go_on(self) -> None:
        """To the first stop of the next turn, or to its end if it has none."""
        self._stepper.finish()
        self._at += 1
        event, said, _ = self._turns[self._at]
        assert said is not None
        self._stepper.feed(said, event.at_ms)

    def _to_next_stop(self) -> Stop | None:
        if self._at == len(self._turns) - 1:
            return None
        self._go_on()
        # Of many turns, as those that tell results to `Promise.all`, nothing of the script runs.
        return self.stop or self._first_after(every_line, None)

    def _go(self, turn: int) -> Callable[[flowlang.Machine], protocol.Turn]:
        """What a machine that stands before a turn does in it."""
        event, said, _ = self._turns[turn]
        if said is None:
            return flowlang.Machine.start if self._moved is None else lambda _: protocol.Turn()
        return lambda machine: machine.feed(said, event.at_ms)

    def _scout(self, turn: int) -> Scout:
        """A scout that stands before a turn."""
        stepping = self.program.stepping
        if turn == 0:
            machine = self._at_beginning(stepping)
        else:
            machine = flowlang.decode_state(stepping, self._before(turn), self._context(turn))
        return Scout(self.program, machine)

    def _scouted(
        self, since: int, upto: int, lines: Lines, condition: str | None, *, first: bool
    ) -> tuple[int, int] | None:
        """The first or last stop meant in some turns: which turn, and its number in that."""
        if since >= upto:
            return None
        scout = self._scout(since)
        look = None if condition is None else scout.holds(condition)
        found: tuple[int, int] | None = None
        for turn in range(since, upto):

            def note(stop: Stop, turn: int = turn) -> bool:
                nonlocal found
                if look is None or look(stop):
                    found = turn, stop.number
                    return first
                return False

            if scout.turn(self._go(turn), lines, note) is not None:
                break
        return found

    def _first_after(self, lines: Lines, condition: str | None) -> Stop | None:
        """On to the first stop meant in a turn after this one, else to the end."""
        last = len(self._turns) - 1
        found = self._scouted(self._at + 1, last + 1, lines, condition, first=True)
        if found is not None:
            self._open(found[0])
            return self._stepper.goto(found[1])
        if self._at < last:
            self._open(last)
        self._stepper.finish()
        return None

    def _last_before(self, lines: Lines, condition: str | None) -> Stop | None:
        """Back to the last stop meant in a turn before this one, else to the beginning."""
        upto = self._at
        while upto > 0:
            since = (upto - 1) // self._interval * self._interval
            there = self._scouted(since, upto, lines, condition, first=False)
            if there is not None:
                self._open(there[0])
                return self._stepper.goto(there[1])
            upto = since
        self._open(0)
        self._stepper.goto(1)
        return None

    def _at_beginning(self, program: flowlang.Program) -> flowlang.Machine:
        """A machine before the first turn."""
        if self._moved is not None:
            return flowlang.decode_state(program, self._moved, self._contexts[0][1])
        return flowlang.Machine(
            program,
            events.value_of(self.created.inputs),
            self._contexts[0][1],
            self.created.seed,
            self._first.at_ms,
            attributes=attributes_of(self._first),
        )

    def _lines(self, lines: Collection[int], condition: str | None) -> Lines:
        if not lines:
            if condition is None:
                raise InvalidRequest("line", "give a line, or a condition")
            return every_line
        known = self.lines()
        for line in lines:
            if line not in known:
                raise InvalidRequest("line", f"no statement begins on line {line}")
        return lambda at: at in lines

    def _look(self, condition: str | None) -> Look | None:
        return None if condition is None else self._stepper.holds(condition)

    def _fits(self, lines: Lines, condition: str | None) -> bool:
        stop = self.stop
        if stop is None or not lines(stop.line):
            return False
        look = self._look(condition)
        return look is None or bool(look(stop))


def opened(recording: Recording, upto: int | None = None) -> Replay:
    """A recorded history as something to go about in.

    Raises:
        FlowSyntaxError: this release does not accept its source.
        NondeterminismError, UnreadableEvent: as `Replay`.
    """
    program = program_of(recording)
    replay = Replay(recording.execution_id, program, recording.events, upto)
    if upto is None and replay.damage is None:
        replay.damage = recording.damage
    return replay


def program_of(recording: Recording, last: flowlang.Program | None = None) -> flowlang.Program:
    """What a recorded history runs, for `LiveMachine`.

    Args:
        last: instead of the recorded source.

    Raises:
        FlowSyntaxError: this release does not accept its source, or an earlier one.
    """
    earlier = [compiled(one.source, one.path) for one in recording.earlier]
    return chained([*earlier, last or compiled(recording.source, recording.path)])


def compiled(source: str, path: str = "workflow.flow") -> flowlang.Program:
    """The program of a text.

    Raises:
        FlowSyntaxError: this release does not accept it.
    """
    try:
        return flowlang.compile(source, path)
    except flowlang.FlowSyntaxError as error:
        raise FlowSyntaxError(error.diagnostics) from error
