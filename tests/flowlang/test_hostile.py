"""Hostile programs and sources end in a limit or in diagnostics, and nothing else.

What they take is measured by `scripts/bench-limits`. Here they run with a twentieth of the steps,
which is enough to show what is not charged for: such a program would not end.
"""

from __future__ import annotations

from typing import Final

import pytest

import flowlang
from flowlang import FlowSyntaxError, Limits
from tests.flowlang.hostile.programs import SUBJECTS, programs
from tests.flowlang.hostile.sources import LEGAL, WRONG

LITTLE: Final = Limits(steps=50_000, memory=2 * 1024 * 1024)
FEW_STEPS: Final = Limits(steps=50_000)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_hostile_program_ends_in_a_limit(subject: str) -> None:
    # Those about texts need room to make long ones.
    limits = LITTLE if subject in ("promises", "objects", "recursion") else FEW_STEPS
    for program in programs(subject):
        outcome = flowlang.evaluate(program, limits=limits)

        assert outcome.error is not None, program
        assert outcome.error.name == "LimitError", program


def test_much_that_is_allowed_is_not_refused() -> None:
    for program in programs("legal"):
        outcome = flowlang.evaluate(program)

        assert outcome.error is None or outcome.error.name != "LimitError", program


def test_a_source_at_the_limits_compiles_and_runs() -> None:
    for name, source in LEGAL.items():
        outcome = flowlang.evaluate(source)

        assert outcome.status == "completed", name


def test_a_source_that_is_wrong_however_large_or_deep_gives_diagnostics() -> None:
    for name, source in WRONG.items():
        try:
            outcome = flowlang.evaluate(source, limits=LITTLE)
        except FlowSyntaxError as error:
            assert error.diagnostics, name
        else:
            assert outcome.status in ("completed", "failed"), name
