"""Two executions of a workflow, side by side: where they part, and by which variables. Pure."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

import flowlang
from flowlang.values import TDZ
from rhythm.history.cursor import Passed, Replay


class Side(msgspec.Struct, frozen=True):
    """One of the two, where they part.

    Attributes:
        version: the event whose turn it is.
        event: its type.
        line: where it went; None if it ends there or waits.
        last_line: where it stood before, which is the same place for both.
    """

    version: int
    event: str
    line: int | None
    last_line: int | None


class Difference(msgspec.Struct, frozen=True):
    """How two executions compare.

    Attributes:
        parts: "nowhere", if both went the same way to where each of them is; "told", where they
            were told different things of the world; "way", where the scripts went other ways.
        a, b: each where they part; None for nowhere.
        variables: those that differ there, or at the end if they part nowhere: as shown in each,
            None where it has none.
        outcomes: how each ended, in words.
    """

    parts: Literal["nowhere", "told", "way"]
    a: Side | None
    b: Side | None
    variables: dict[str, tuple[str | None, str | None]]
    outcomes: tuple[str, str]


def difference(a: Replay, b: Replay) -> Difference:
    """Where two executions part. Both cursors are moved.

    Their scripts may be two versions of one: lines are aligned by their texts.
    """
    outcomes = _ended(a), _ended(b)
    to_b = _aligned(a.program.source, b.program.source)
    before: tuple[Passed[int] | None, Passed[int] | None] = (None, None)
    for one, other in itertools.zip_longest(a.visit(_line), b.visit(_line)):
        if one is None or other is None:
            # One ended or still waits, where the other was told more.
            ends = _side(a, one, before[0]), _side(b, other, before[1])
            return Difference("told", *ends, _variables(a, b), outcomes)
        of_a = [to_b.get(line, -line) for line in one.seen]
        of_b = other.seen
        at = next((k for k, (x, y) in enumerate(itertools.zip_longest(of_a, of_b)) if x != y), None)
        if at is not None or _told(a, one.event.version) != _told(b, other.event.version):
            parts: Literal["told", "way"] = "way" if at else "told"
            at = at or 0
            sides = _side(a, one, before[0], at), _side(b, other, before[1], at)
            return Difference(parts, *sides, _variables(a, b), outcomes)
        before = one, other
    a.goto(a.last)
    b.goto(b.last)
    return Difference("nowhere", None, None, _variables(a, b), outcomes)


def _line(machine: flowlang.Machine, stop: flowlang.Stop) -> int:
    return stop.line


def _told(replay: Replay, version: int) -> tuple[str, str]:
    """What a turn begins with: an event's type, and which command it answers."""
    event = replay.event_at(version)
    return event.type, event.plain.get("n", "")


def _side(
    replay: Replay, turn: Passed[int] | None, before: Passed[int] | None, at: int = 0
) -> Side:
    """Go to the last place that both were at, and say what came after it.

    Args:
        turn: in which they part; None if there was none any more.
        at: how many stops of it both passed.
    """
    last_line: int | None = None
    if turn is not None and at:
        last_line = turn.seen[at - 1]
        replay.goto(turn.event.version, stop=at)
    elif before is not None:
        replay.goto(before.event.version)
        waiting = replay.where()
        last_line = waiting[0].line if waiting else None
    else:
        replay.goto(replay.first, stop=1)
    if turn is None:
        return Side(replay.version, replay.event.type, None, last_line)
    line = turn.seen[at] if at < len(turn.seen) else None
    return Side(turn.event.version, turn.event.type, line, last_line)


def _variables(a: Replay, b: Replay) -> dict[str, tuple[str | None, str | None]]:
    of_a, of_b = _shown(a), _shown(b)
    return {
        name: (of_a.get(name), of_b.get(name))
        for name in {**of_a, **of_b}
        if of_a.get(name) != of_b.get(name)
    }


def _shown(replay: Replay) -> Mapping[str, str]:
    found = {
        name: flowlang.show(value) for name, value in replay.variables().items() if value is not TDZ
    }
    return {"Inputs": _inputs(replay), **found}


def _inputs(replay: Replay) -> str:
    return msgspec.json.encode(replay.inputs).decode()


def _ended(replay: Replay) -> str:
    match replay.outcome:
        case flowlang.Completed():
            return "completed"
        case flowlang.Failed(error):
            return f"failed with {error.name}: {error.message}"
        case flowlang.Restarted():
            return "restarted"
    return "goes on"


def _aligned(a: str, b: str) -> dict[int, int]:
    """Lines of one text, from 1, each with the same line of the other."""
    lines: tuple[Sequence[str], Sequence[str]] = a.splitlines(), b.splitlines()
    if lines[0] == lines[1]:
        return {line: line for line in range(1, len(lines[0]) + 1)}
    matcher = difflib.SequenceMatcher(a=lines[0], b=lines[1], autojunk=False)
    return {
        block.a + at + 1: block.b + at + 1
        for block in matcher.get_matching_blocks()
        for at in range(block.size)
    }
