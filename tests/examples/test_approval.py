"""An expense goes from one person to the next, on a clock that skips the days between."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import examples.approval
from rhythm.testing import RhythmTest

FLOW = str(Path(examples.approval.__file__).parent / "flows" / "expense.flow")
LARGE = {"amount": 250, "approvers": ["ada", "grace"]}


def test_a_small_expense_asks_nobody(rhythm_test: RhythmTest) -> None:
    run = rhythm_test.run(FLOW, {"amount": 20, "approvers": ["ada"]})

    assert run.output["status"] == "approved" and run.elapsed == timedelta()


@pytest.mark.parametrize(("approved", "status"), [(True, "approved"), (False, "refused")])
def test_the_first_answer_counts(rhythm_test: RhythmTest, approved: bool, status: str) -> None:
    asked: list[dict[str, Any]] = []
    rhythm_test.task("ask", calls=lambda **inputs: asked.append(inputs))
    rhythm_test.signal("decision", {"approved": approved, "by": "grace"}, after="3d")

    run = rhythm_test.run(FLOW, LARGE)

    assert run.output == {"status": status, "by": "grace"} and run.elapsed == timedelta(days=3)
    assert [call["approver"] for call in asked] == ["ada", "grace"]
    assert run.state == {"waitsFor": "grace"}
    assert run.console == ["ada did not answer within 2d"]


def test_nobody_answers(rhythm_test: RhythmTest) -> None:
    rhythm_test.task("ask", returns=None)

    run = rhythm_test.run(FLOW, LARGE)

    assert run.output == {"status": "refused", "by": "nobody answered"}
    assert run.elapsed == timedelta(days=4)
