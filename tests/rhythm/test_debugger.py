"""The debugger on a screen of 80 by 24: what keys do, and what can be read."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest

from rhythm.debugger import Debugger
from rhythm.history.cursor import opened
from rhythm.history.files import read
from tests.rhythm.made_up import history_of_tasks

HISTORIES = Path(__file__).parents[1] / "histories"
WIDTH, HEIGHT = 80, 24

LOOP = """\
let total = 0
for (let i = 0; i < 30; i++) {
  total += await Task.run("add", { i })
  if (total > 100) console.log("over", total)
}
return total
"""


def looping() -> Debugger:
    return Debugger(opened(history_of_tasks(LOOP, [{"output": i} for i in range(30)])))


def trial() -> Debugger:
    return Debugger(opened(read(HISTORIES / "trial.json")))


def screen(app: Debugger) -> str:
    """What can be read, without colour."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def unmarked(shown: str) -> str:
    """A screen without the marks of what the last step changed: they depend on the way there."""
    return shown.replace("+", " ")


def pressed(make: Callable[[], Debugger], *keys: str) -> str:
    """The screen after some keys; a word of several letters that is no key is typed."""

    async def story() -> str:
        app = make()
        async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
            for key in keys:
                if key.startswith("type "):
                    await pilot.press(*(_NAMES.get(c, c) for c in key.removeprefix("type ")))
                    await pilot.press("enter")
                else:
                    await pilot.press(key)
            await pilot.pause()
            return screen(app)

    return asyncio.run(story())


_NAMES = {" ": "space", ">": "greater_than_sign", "*": "asterisk", "(": "left_parenthesis"}


def test_it_begins_at_the_end_and_says_how_it_ended() -> None:
    shown = pressed(trial)

    assert "event 7/8 timer_fired" in shown
    assert "it completed with" in shown
    assert "5 approved by Ada" in shown


def test_steps_mark_the_line_and_what_changed() -> None:
    shown = pressed(trial, "home", "n", "n", "n", "n")

    assert " ▶5    1 console.log" in shown
    assert "+ approved = true" in shown
    assert "  userId = 'ada'" in shown
    assert "▶ main:5" in shown


def test_a_step_back_is_a_step() -> None:
    back, there = pressed(trial, "home", "n", "n", "N"), pressed(trial, "home", "n")

    assert unmarked(back) == unmarked(there)


def test_events_are_gone_through_in_both_directions() -> None:
    there = pressed(trial, "home", "]", "]")
    back = pressed(trial, "home", "]", "]", "]", "[")

    assert "event 5/8 signal_received" in there
    assert "◇6" in there
    assert "main:6 waits for timer 2" in there
    assert unmarked(back) == unmarked(there)


def test_it_runs_to_a_breakpoint_and_back() -> None:
    to_four = ("home", "down", "down", "down", "b")
    there = pressed(looping, *to_four, "r", "r")
    back = pressed(looping, *to_four, "r", "r", "R")

    assert "●▶4" in there
    assert "i = 1" in there
    assert "●▶4" in back
    assert "i = 0" in back


def test_it_stops_where_a_condition_first_holds_in_both_directions() -> None:
    first = pressed(looping, "home", "c", "type total > 100", "r")
    last = pressed(looping, "c", "type total > 100", "R")

    assert "total = 105" in first
    assert "i = 14" in first
    assert "total = 435" in last


def test_an_expression_is_evaluated_where_it_stands() -> None:
    assert "approved = true" in pressed(trial, "home", "n", "n", "n", "n", "e", "type approved")


def test_what_cannot_be_is_told_below() -> None:
    assert "no statement begins on line 5" in pressed(looping, "home", *4 * ["down"], "b")
    assert "set a breakpoint with b" in pressed(trial, "home", "r")
    assert "the history has events 1 to 8" in pressed(trial, "g", "type 99")
    assert "'x' is no number of an event" in pressed(trial, "g", "type x")
    assert "is nowhere in the source" in pressed(trial, "slash", "type nothing")
    assert "nothing to follow" in pressed(trial, "f")


def test_help_names_all_keys_and_closes() -> None:
    shown = pressed(trial, "question_mark")

    assert "back to a breakpoint or where the condition holds" in shown
    assert pressed(trial, "question_mark", "escape") == pressed(trial)


def test_in_a_real_terminal_keys_move_it_and_q_ends_it() -> None:
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    terminal = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.ByteStream(terminal)
    process = subprocess.Popen(
        [sys.executable, "-m", "rhythm", "debug", str(HISTORIES / "trial.json"), "--at", "1"],
        stdin=side,
        stdout=side,
        stderr=side,
        env=os.environ | {"TERM": "xterm-256color", "NO_COLOR": "1"},
    )
    os.close(side)

    def until(text: str) -> None:
        while text not in "\n".join(terminal.display):
            try:
                stream.feed(os.read(main, 65536))
            except OSError:
                pytest.fail("it ended with\n" + "\n".join(terminal.display))

    until("event 1/8 created")
    os.write(main, b"n")
    until("event 3/8 child_completed")
    os.write(main, b"q")
    while True:
        try:
            if not os.read(main, 65536):
                break
        except OSError:  # how Linux tells that the other side is closed
            break
    os.close(main)
    assert process.wait(20) == 0
