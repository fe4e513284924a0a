"""Every program in `programs/` does what Node 20 did with it.

The answers stand beside the programs, written by `node/record.py`; these tests need no Node.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import flowlang

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.flow"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_program_answers_as_node_did(program: Path) -> None:
    """Same value, same thrown error by name, same console lines in the same order."""
    recorded = json.loads(program.with_suffix(".json").read_text(), parse_int=float)

    outcome = flowlang.evaluate(program.read_text(encoding="utf-8"))

    assert comparable(answer_of(outcome)) == comparable(recorded)


def test_every_program_has_an_answer() -> None:
    """An answer without a program, or a program without an answer, is a mistake of ours."""
    answers = {path.stem for path in (Path(__file__).parent / "programs").glob("*.json")}

    assert {program.stem for program in PROGRAMS} == answers
    assert len(PROGRAMS) >= 120


def comparable(value: Any) -> str:
    """JSON with every number as a float, so that true is not 1 and 5 is 5.0."""
    return json.dumps(json.loads(json.dumps(value), parse_int=float), indent=1)


def answer_of(outcome: flowlang.Outcome) -> dict[str, Any]:
    return {
        "status": outcome.status,
        "value": outcome.value,
        "error": None if outcome.error is None else outcome.error.name,
        # Node has no line for a rejection that nobody handled.
        "console": [line for line in outcome.console if not line.startswith("unhandled rejection")],
    }
