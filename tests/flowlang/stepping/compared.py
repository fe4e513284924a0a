"""What a stepper shows of a run, against an ordinary run and what the program says when marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import flowlang
from flowlang import Limits, Log, Machine, Stepper, Stop, Turn
from flowlang.library.console import console_line
from flowlang.source import from_units
from flowlang.values import TDZ, Value
from tests.flowlang.resuming.runs import CONTEXT, INPUTS, SEED, Run
from tests.flowlang.resuming.world import START_MS
from tests.flowlang.stepping.marking import UNSET, marked

ROOMY: Final = Limits().widened(1000)
"""For programs that log all they can see."""


class SteppingDiffers(AssertionError):
    """A stepper does something else than an ordinary machine, or shows something else."""


@dataclass
class Shown:
    """One stop.

    Attributes:
        variables: what `console.log` writes for each variable that can be seen.
        own: the names of those that the running function has declared itself.
    """

    line: int
    column: int
    is_round: bool
    variables: dict[str, str]
    own: set[str]

    @property
    def place(self) -> tuple[int, int, bool]:
        return self.line, self.column, self.is_round


def stepper_of(source: str, limits: Limits = Limits()) -> Stepper:  # noqa: B008 - frozen
    """A stepper at the beginning of what `resuming.run` runs."""
    return Stepper(flowlang.compile(source), INPUTS, CONTEXT, SEED, START_MS, limits)


def check_like_ordinary(done: Run) -> int:
    """See that stepping through a run leads to the same turns and states; how many stops it had.

    Each turn is opened from the state that the ordinary machine had before it.

    Raises:
        SteppingDiffers: it does not.
    """
    stops = 0
    program = flowlang.compile(done.source)
    stepper = stepper_of(done.source)
    stepper.start()
    for position, turn in enumerate(done.turns):
        if position:
            moment = done.moments[position - 1]
            stepper = Stepper.of_state(program, moment.state, CONTEXT)
            stepper.feed(moment.event, moment.now_ms)
        stops += len(shown(stepper))
        if stepper.turn != turn:
            raise SteppingDiffers(f"turn {position}\n  {stepper.turn}\n  {turn}")
        if position < len(done.moments) and stepper.state() != done.moments[position].state:
            raise SteppingDiffers(f"the state after turn {position} has other bytes")
    return stops


def check_shown(done: Run) -> int:
    """See that a stepper shows of a run what the program says when it is marked; how many stops
    were compared. A program that notices the marks, in the text of a function, is left at that.

    Raises:
        SteppingDiffers: something is shown that was not said, or the other way round.
    """
    try:
        program = flowlang.compile(marked(done.source))
    except flowlang.FlowSyntaxError:
        return 0  # too long with all its marks
    stops = 0
    machine = Machine(program, INPUTS, CONTEXT, SEED, START_MS, ROOMY)
    stepper = stepper_of(done.source)
    for position, turn in enumerate(done.turns):
        if position:
            moment = done.moments[position - 1]
            stepper.feed(moment.event, moment.now_ms)
            marked_turn = machine.feed(moment.event, moment.now_ms)
        else:
            stepper.start()
            marked_turn = machine.start()
        said = _said(done.source, marked_turn)
        if _without_lines(marked_turn) != _without_lines(turn):
            return stops
        seen = shown(stepper)
        if [stop.place for stop in seen] != [stop.place for stop in said]:
            raise SteppingDiffers(f"turn {position} stops elsewhere\n  {seen}\n  {said}")
        for one, other in zip(seen, said, strict=True):
            _compare(one, other)
        stops += len(seen)
    return stops


def shown(stepper: Stepper) -> list[Shown]:
    """All stops of the turn that a stepper is in, which is over then."""
    found: list[Shown] = []
    stepper.visit(lambda stop: found.append(shown_at(stop)))
    return found


def shown_at(stop: Stop) -> Shown:
    """One stop, as `Shown`."""
    own = {
        name
        for scope in stop.calls[0].scopes
        if scope.kind in ("block", "function")
        for name in scope.variables
    }
    variables = {name: _logged(value) for name, value in stop.variables.items()}
    return Shown(stop.line, stop.column, stop.is_round, variables, own)


def _logged(value: Value) -> str:
    return UNSET if value is TDZ else from_units(console_line((value,)))


def _said(source: str, turn: Turn) -> list[Shown]:
    """What a marked program said in a turn."""
    position = flowlang.compile(source).text.position
    stops: list[Shown] = []
    for command in turn.commands:
        words = command.text.split(" ", 2) if isinstance(command, Log) else []
        if words[:1] == ["#$"]:
            line, column = position(int(words[1]))
            stops.append(Shown(line, column, words[2:] == ["again"], {}, set()))
        elif words[:1] in (["+$"], ["=$"]):
            stops[-1].variables[words[1]] = words[2]
            if words[0] == "+$":
                stops[-1].own.add(words[1])
    return stops


def _without_lines(turn: Turn) -> list[object]:
    """What a turn led to, but for marks and places."""
    return [
        (type(command), getattr(command, "n", None), getattr(command, "text", None))
        for command in turn.commands
        if not (isinstance(command, Log) and command.text.startswith(("#$ ", "+$ ", "=$ ")))
    ]


def _compare(seen: Shown, said: Shown) -> None:
    for name, text in seen.variables.items():
        expected = said.variables.get(name)
        # Names of a loop's own are not told after a round, to be sure that none of them hides one.
        if expected is None and (seen.is_round or name not in seen.own):
            continue
        if text != expected and "mark$" not in str(expected):
            raise SteppingDiffers(f"{name} at {seen.place}\n  {text}\n  {expected}")
    if said.own - seen.own:
        raise SteppingDiffers(f"{said.own - seen.own} at {seen.place} are not shown")
