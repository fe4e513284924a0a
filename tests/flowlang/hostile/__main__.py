"""Measure what hostile programs and sources take, each in a process of its own.

    scripts/bench-limits                  all of them; exit status 1 if one is over a bound
    scripts/bench-limits texts sources    of these subjects only
    scripts/bench-limits --worst 20       the most expensive ones

The bounds: two seconds of processor; while running 100 MiB above the idle process, while compiling
200. What is in order is counted only. A busy machine is slow now and then, so what seems to take
too much is measured again, twice at most.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import flowlang
from flowlang import FlowSyntaxError
from tests.flowlang.hostile.measuring import MEBI, Measured, measure
from tests.flowlang.hostile.programs import SUBJECTS, programs
from tests.flowlang.hostile.sources import all_sources

MOST_SECONDS: Final = 2.0
MOST_WHILE_RUNNING: Final = 100 * MEBI
MOST_WHILE_COMPILING: Final = 200 * MEBI


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure.

    Attributes:
        expected: how its answer begins; none for those that may answer anything but a limit.
    """

    subject: str
    name: str
    work: Callable[[], str]
    expected: str | None
    most_memory: int


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("bench-limits", description=(__doc__ or "").splitlines()[0])
    subjects = [*SUBJECTS, "legal", "sources"]
    parser.add_argument("subjects", nargs="*", help=", ".join(subjects))
    parser.add_argument("--worst", type=int, default=10, help="how many of the worst are shown")
    parser.add_argument("--seconds", type=int, default=20, help="when one is ended")
    options = parser.parse_args(arguments)
    flowlang.evaluate("return 1")
    measured: list[tuple[Case, Measured]] = []
    bad = 0
    for case in cases(options.subjects or subjects):
        for _ in range(3):
            result = measure(case.work, at_most_seconds=options.seconds)
            problem = problem_of(case, result)
            if problem not in ("slow", "large"):
                break
        measured.append((case, result))
        if problem:
            bad += 1
            print(f"{problem:10} {line_of(case, result)}", flush=True)
    for what, key in (
        ("slowest", lambda pair: pair[1].seconds),
        ("largest", lambda pair: pair[1].peak),
    ):
        print(f"\nthe {what}:")
        for case, result in sorted(measured, key=key, reverse=True)[: options.worst]:
            print(f"{'':10} {line_of(case, result)}")
    print(f"\n{len(measured)} measured, {bad} not within their bounds")
    return 1 if bad else 0


def cases(subjects: list[str]) -> Iterator[Case]:
    """Everything about these subjects."""
    expected: str | None
    for subject in subjects:
        if subject == "sources":
            for name, text, is_legal in all_sources():
                work, expected = partial(_compiled, text), "diagnostics"
                if is_legal:
                    work, expected = partial(_answer, text), "completed"
                yield Case(subject, name, work, expected, MOST_WHILE_COMPILING)
            continue
        expected = None if subject == "legal" else "LimitError"
        for program in programs(subject):
            yield Case(subject, program, partial(_answer, program), expected, MOST_WHILE_RUNNING)


def problem_of(case: Case, result: Measured) -> str:
    """What is wrong with a result; empty when nothing is."""
    if result.died:
        return "died"
    if result.seconds > MOST_SECONDS:
        return "slow"
    if result.peak > case.most_memory:
        return "large"
    if case.expected is None:
        return "refused" if result.answer.startswith("LimitError") else ""
    return "" if result.answer.startswith(case.expected) else "answer"


def line_of(case: Case, result: Measured) -> str:
    name = case.name if len(case.name) <= 100 else case.name[:99] + "…"
    return f"{result.seconds:6.2f} s {result.peak // MEBI:5} MiB  {name}  → {result.answer[:70]}"


def _answer(program: str) -> str:
    outcome = flowlang.evaluate(program)
    if outcome.error is None:
        return f"{outcome.status}: {str(outcome.value)[:60]}"
    return f"{outcome.error.name}: {outcome.error.message[:60]}"


def _compiled(source: str) -> str:
    try:
        flowlang.compile(source)
    except FlowSyntaxError as error:
        first = error.diagnostics[0]
        return f"diagnostics: {len(error.diagnostics)}, {first.code}"
    return "diagnostics: none"


sys.exit(main(sys.argv[1:]))
