"""A program run from its beginning, its state written down at every suspension."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

import flowlang
from flowlang import Event, Machine, Program, Suspended, Turn, show, snapshot
from tests.flowlang.resuming.world import START_MS, World

INPUTS: Final[dict[str, Any]] = {"users": [{"name": "Ada 🦉"}, {"name": "é"}], "n": 3}
CONTEXT: Final[dict[str, Any]] = {
    "executionId": "exec_1",
    "workflowName": "resumed",
    "queue": "default",
    "startedAt": "2023-11-14T22:13:20.000Z",
}
SEED: Final = 20_231_114
MAX_EVENTS: Final = 400


@dataclass(frozen=True)
class Moment:
    """One suspension and what came next.

    Attributes:
        state: the whole machine.
        event, now_ms: what it was given then.
        after: what could be seen of it afterwards, by `seen`.
    """

    state: bytes
    event: Event
    now_ms: int
    after: bytes


@dataclass
class Run:
    """What a machine did that never stopped.

    Attributes:
        start: what could be seen of it before the first event.
        turns: what it asked for, turn by turn, and how it ended.
    """

    source: str
    start: bytes
    turns: list[Turn]
    moments: list[Moment] = field(default_factory=list)


def run(source: str, script: tuple[int, ...] = (), max_events: int = MAX_EVENTS) -> Run:
    """Run a program to its end, or through so many events, chosen by `script` (see `World`)."""
    machine = new_machine(flowlang.compile(source))
    world = World(machine)
    turn = machine.start()
    done = Run(source, seen(machine, turn), [turn])
    for position in range(max_events):
        world.take(turn.commands)
        if turn.outcome is not None:
            break
        event = world.event(script[position] if position < len(script) else 0)
        if event is None:
            break
        state = snapshot.encode(machine)
        turn = machine.feed(event, world.now_ms)
        done.turns.append(turn)
        done.moments.append(Moment(state, event, world.now_ms, seen(machine, turn)))
    return done


def new_machine(program: Program) -> Machine:
    """A machine as every run has it."""
    return Machine(program, INPUTS, CONTEXT, SEED, START_MS)


def seen(machine: Machine, turn: Turn) -> bytes:
    """All there is to see after a turn: commands, console, outcome and state."""
    state = None if turn.outcome is not None else snapshot.encode(machine)
    return msgspec.msgpack.encode((turn, state, [_told(at) for at in machine.where()]))


def _told(at: Suspended) -> tuple[Any, ...]:
    scopes = [
        (scope.kind, [(name, show(value)) for name, value in scope.variables.items()])
        for scope in at.scopes
    ]
    return at.name, at.line, at.column, at.awaits, at.waits_for, at.awaited_by, scopes
