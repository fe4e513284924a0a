"""What becomes of a text: it is refused with diagnostics, or runs to an outcome, soon and in little
memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

import flowlang
from flowlang import Diagnostic, FlowSyntaxError, Limits
from tests.flowlang.hostile.measuring import MEBI, Measured, measure, taken

MOST_SECONDS: Final = 2.0
MOST_WHILE_RUNNING: Final = 100 * MEBI
MOST_WHILE_COMPILING: Final = 200 * MEBI

FULL: Final = Limits()
A_TENTH: Final = Limits(steps=FULL.steps // 10, memory=FULL.memory // 10)

PATIENCE: Final = 60.0
"""Seconds to make a text shorter: where each attempt takes some, a few must do."""


def outcome_of(text: str, limits: Limits = FULL) -> str:
    """How a text ends, in one word: "refused", "completed", "failed", "suspended" or "limited".

    Raises:
        AssertionError: the diagnostics are none, or not about the text.
        Exception: whatever else should not have come out.
    """
    try:
        flowlang.compile(text)
    except FlowSyntaxError as error:
        assert error.diagnostics, "refused without a diagnostic"
        assert str(error)
        _check_places(error.diagnostics)
        return "refused"
    warnings = flowlang.check(text)
    assert all(warning.severity != "error" for warning in warnings), "refused by check alone"
    _check_places(warnings)
    outcome = flowlang.evaluate(text, limits=limits)
    if outcome.error is not None and outcome.error.name == "LimitError":
        return "limited"
    return outcome.status


def _check_places(diagnostics: Sequence[Diagnostic]) -> None:
    for diagnostic in diagnostics:
        assert 0 <= diagnostic.start <= diagnostic.end, diagnostic


def ended(texts: Sequence[str]) -> Iterator[Measured]:
    """How texts end, and what each takes.

    All of them run in one process first, with a tenth of the limits, since most texts that reach
    the limits are alike. One that takes more than a tenth of what it may has to show what it takes
    with all of them; when that process dies, each has to.
    """
    batch = measure(partial(_all_ended, texts), at_most_seconds=10 * len(texts))
    if batch.died:
        yield from map(measured, texts)
        return
    results = msgspec.json.decode(batch.answer, type=list[Measured])
    for text, result in zip(texts, results, strict=True):
        little = result.seconds < MOST_SECONDS / 10 and result.peak < MOST_WHILE_RUNNING / 10
        yield result if little and not result.died else measured(text)


def _all_ended(texts: Sequence[str]) -> str:
    results = [taken(partial(outcome_of, text, A_TENTH)) for text in texts]
    return msgspec.json.encode(results).decode()


def measured(text: str) -> Measured:
    """How a text ends, in a process of its own, and what that takes. A busy machine is slow now and
    then, so what seems to take too much is measured again."""
    for _ in range(3):
        result = measure(partial(outcome_of, text), at_most_seconds=10)
        if problem_of(result) is None:
            break
    return result


def problem_of(result: Measured) -> str | None:
    """What is wrong with how a text ended; None when nothing is."""
    if result.died:
        return result.answer
    if result.seconds > MOST_SECONDS:
        return f"slow: {result.seconds:.1f} s until {result.answer}"
    most = MOST_WHILE_COMPILING if result.answer == "refused" else MOST_WHILE_RUNNING
    if result.peak > most:
        return f"large: {result.peak // MEBI} MiB until {result.answer}"
    return None


def shrunk(text: str, problem: str) -> str:
    """A shorter text with the same kind of problem: pieces are left out as long as it stays."""
    until = time.monotonic() + PATIENCE
    size = max(1, len(text) // 2)
    while size:
        at = 0
        while at < len(text):
            if time.monotonic() > until:
                return text
            shorter = text[:at] + text[at + size :]
            found = problem_of(measured(shorter))
            if found is not None and found.split()[0] == problem.split()[0]:
                text = shorter
            else:
                at += size
        size //= 2
    return text
