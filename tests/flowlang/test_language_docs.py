"""The programs in docs/language.md compile and do what the text block under them says.

In such a block `inputs` gives the inputs; `→` lines are commands, `←` lines the events that are
fed, `log` lines the console; the last line is what the program `returns`, `restarts with` or the
error it `throws`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flowlang
from flowlang import (
    CancelRequested,
    Completed,
    ErrorInfo,
    Event,
    Failed,
    Log,
    Machine,
    Restarted,
    RunTask,
    RunWorkflow,
    SendSignal,
    SetAttribute,
    SetState,
    SignalReceived,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    Turn,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")

BLOCK = re.compile(
    r"^(`{3,})(?:js|flow)\n(?P<program>.*?)^\1\n(?:\n```text\n(?P<story>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
BLOCKS = [(found["program"], found["story"]) for found in BLOCK.finditer(PAGE)]
STORIES = [(program, story) for program, story in BLOCKS if story is not None]


@pytest.mark.parametrize("program", [program for program, _ in BLOCKS])
def test_every_program_is_free_of_mistakes(program: str) -> None:
    errors = [found for found in flowlang.check(program) if found.severity == "error"]

    assert not errors, "\n".join(map(str, errors))


@pytest.mark.parametrize(("program", "story"), STORIES)
def test_a_program_does_what_its_story_says(program: str, story: str) -> None:
    assert happened(program, story.splitlines()) == story.splitlines()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 20


def test_a_story_that_differs_is_found() -> None:
    assert happened("return 1", ["returns 2"]) == ["returns 1"]


def happened(program: str, story: list[str]) -> list[str]:
    """What a program does when fed the events of its story, told in the same words."""
    told = [line for line in story if line.startswith("inputs ")]
    inputs = json.loads(told[0].removeprefix("inputs ")) if told else {}
    now_ms = 1_700_000_000_000
    machine = Machine(flowlang.compile(program), inputs, {}, seed=1, now_ms=now_ms)
    told += tell(machine.start())
    for line in story:
        if line.startswith("← "):
            event, passed_ms = read_event(line.removeprefix("← "))
            now_ms += passed_ms
            told += [line, *tell(machine.feed(event, now_ms))]
    return told


def read_event(words: str) -> tuple[Event, int]:
    """The event a line speaks of, and the milliseconds that pass before it."""
    if found := re.fullmatch(r"signal (\w+) (.*)", words):
        return SignalReceived(found[1], json.loads(found[2])), 0
    if found := re.fullmatch(r"(\d+) fires after (\d+) ms", words):
        return TimerFired(int(found[1])), int(found[2])
    if found := re.fullmatch(r"(\d+) fails (\w+): (.*)", words):
        return TaskFailed(int(found[1]), ErrorInfo(found[2], found[3], "task_failed")), 0
    if found := re.fullmatch(r"cancelled: (.*)", words):
        return CancelRequested(found[1]), 0
    number, _, value = words.partition(" ")
    return TaskCompleted(int(number), json.loads(value)), 0


def tell(turn: Turn) -> list[str]:
    """A turn in the words of a story; the machine's own remarks are none of its business."""
    lines = []
    for command in turn.commands:
        match command:
            case RunTask(n=n, name=name, inputs=inputs):
                lines.append(f"→ {n} task {name} {json.dumps(inputs)}")
            case RunWorkflow(n=n, name=name, inputs=inputs):
                lines.append(f"→ {n} workflow {name} {json.dumps(inputs)}")
            case SendSignal(n=n, execution_id=execution_id, name=name, payload=payload):
                sent = json.dumps(payload)
                lines.append(f"→ {n} signal {name} to {execution_id} {sent}")
            case StartTimer(n=n):
                lines.append(f"→ {n} timer")
            case SetState(key=key, value=value):
                lines.append(f"→ state {key} {json.dumps(value)}")
            case SetAttribute(key=key, value=value):
                lines.append(f"→ attribute {key} {json.dumps(value)}")
            case Log(text=text, is_remark=False):
                lines.append(f"log {text}")
    match turn.outcome:
        case Completed(value):
            lines.append(f"returns {json.dumps(value)}")
        case Restarted(inputs, _, signals):
            left = [f", {one.name} {json.dumps(one.payload)}" for one in signals]
            lines.append(f"restarts with {json.dumps(inputs)}{''.join(left)}")
        case Failed(error):
            lines.append(f"throws {error.name}")
    return lines


def test_generated_pages_are_up_to_date() -> None:
    """docs/diagnostics.md and docs/stdlib.md say what tables say, docs/api.md what docstrings."""
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate-docs"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
