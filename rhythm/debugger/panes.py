"""What each part of the debugger's screen shows of a cursor. Pure.

Everything that is marked is marked by a sign too, so that it can be read without colour: `▶` is the
statement about to run, `●` a breakpoint, `+` a variable that the last step changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from rich.text import Text

import flowlang
from flowlang import Suspended, show
from flowlang.values import TDZ
from rhythm.history.cursor import Replay
from rhythm.models import from_unix_ms

_VALUE_WIDTH: Final = 200


def shown_variables(cursor: Replay) -> dict[str, str]:
    """The variables in sight, as text in one line each; those not yet initialised are left out."""
    return {
        name: _in_a_line(show(value, _VALUE_WIDTH))
        for name, value in cursor.variables().items()
        if value is not TDZ
    }


def current_line(cursor: Replay) -> int | None:
    """Where it stands, or where the outermost function waits; None when all is over."""
    if cursor.stop is not None:
        return cursor.stop.line
    waiting = cursor.where()
    return waiting[0].line if waiting else None


def source(cursor: Replay, breakpoints: Collection[int], selected: int) -> Text:
    """The source, with what is known of each line before it: breakpoint, where it stands, and how
    often this turn ran it."""
    lines = cursor.program.source.splitlines()
    here, hits = current_line(cursor), cursor.heat()
    waits = {function.line for function in cursor.where()}
    width = len(str(len(lines)))
    text = Text(no_wrap=True)
    for number, line in enumerate(lines, 1):
        is_here = number == here
        arrow = ("▶" if cursor.stop is not None else "◇") if is_here else " "
        if not is_here and number in waits:
            arrow = "◇"
        marks = Text()
        marks.append("●" if number in breakpoints else " ", "red")
        marks.append(arrow, "bold yellow")
        marks.append(f"{number:>{width}} ", "dim")
        heat = hits.get(number, 0)
        shown = str(heat) if heat < 10_000 else f"{heat // 1000}k"
        marks.append(f"{shown:>4} " if heat else "     ", _warmth(heat))
        marks.append(line, "reverse" if number == selected else "bold" if is_here else "")
        text.append_text(marks)
        text.append("\n")
    return text


def variables(now: Mapping[str, str], before: Mapping[str, str]) -> Text:
    """Each variable in sight; one that changed, or came into sight, is marked."""
    text = Text(no_wrap=True)
    for name, value in now.items():
        changed = before.get(name) != value
        text.append("+ " if changed else "  ", "green")
        text.append(name, "bold" if changed else "")
        text.append(f" = {value}\n", "green" if changed else "")
    if not now:
        text.append("  none\n", "dim")
    return text


def stack(cursor: Replay) -> Text:
    """Who runs, innermost first, and who waits for what."""
    text = Text(no_wrap=True)
    running = [] if cursor.stop is None else cursor.stop.calls
    for call in running:
        text.append(f"▶ {call.name}:{call.line}\n")
    for function in cursor.where():
        text.append(f"◇ {_waits(function)}\n")
    if not running and not cursor.where():
        text.append(f"  it {ended(cursor)}\n")
    return text


def timeline(cursor: Replay, width: int) -> Text:
    """Where in time it stands: a slider over the events, and the event in words."""
    at = from_unix_ms(cursor.event.at_ms)
    share = (cursor.version - 1) / max(cursor.last - 1, 1)
    position = round(share * (width - 1))
    text = Text(no_wrap=True)
    text.append("─" * position, "dim")
    text.append("●", "bold yellow")
    text.append("─" * (width - 1 - position) + "\n", "dim")
    number = "" if cursor.stop is None else f", statement {cursor.stop.number} of its turn"
    text.append(f"event {cursor.version}/{cursor.last} {cursor.event.type}", "bold")
    text.append(f" {at:%Y-%m-%d %H:%M:%S}{number}")
    if cursor.damage is not None:
        text.append(f"  damaged: {cursor.damage}", "red")
    return text


def console(cursor: Replay, lines: int) -> Text:
    """The last console lines up to here."""
    logged = cursor.console()[-lines:]
    text = Text(no_wrap=True)
    for line in logged:
        text.append(f"{line.line:>4} {_in_a_line(line.text)}\n")
    if not logged:
        text.append("nothing logged up to here\n", "dim")
    return text


def ended(cursor: Replay) -> str:
    """How it ended, in words."""
    match cursor.outcome:
        case flowlang.Completed(value):
            return f"completed with {_in_a_line(repr(value))}"
        case flowlang.Failed(error):
            return f"failed with {error.name}: {_in_a_line(error.message)}"
        case flowlang.Restarted(inputs):
            return f"restarted with {_in_a_line(repr(inputs))}"
    return "runs"


def _waits(function: Suspended) -> str:
    return f"{function.name}:{function.line} waits for {function.waits_for}"


def _warmth(heat: int) -> str:
    return "bold red" if heat >= 100 else "red" if heat >= 10 else "yellow"


def _in_a_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _VALUE_WIDTH else f"{line[: _VALUE_WIDTH - 1]}…"
