"""What `scripts/fuzz-node` stands on: programs by number, everything's turn, smaller programs.

Nothing here needs Node.
"""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

import flowlang
from flowlang.library import REGISTRY
from tests.flowlang.fuzz import recorded
from tests.flowlang.fuzz.answers import Answer, difference
from tests.flowlang.fuzz.choices import Choices
from tests.flowlang.fuzz.coverage import Coverage
from tests.flowlang.fuzz.generator.library_table import METHODS
from tests.flowlang.fuzz.generator.literals import KINDS
from tests.flowlang.fuzz.generator.operators import BINARY, UNARY
from tests.flowlang.fuzz.generator.program import generate
from tests.flowlang.fuzz.shrinking import shrink_choices, shrink_source


def test_recorded_programs_are_those_the_generator_makes() -> None:
    """Whoever changes the generator records again: `scripts/fuzz-node --record 300`."""
    numbers = range(len(recorded.read()) + 5)  # a program that Node refuses is not recorded
    made = [generate(Choices(f"1/{number}"), number).source for number in numbers]

    assert {one.source for one in recorded.read()} <= set(made)


def test_every_operator_meets_every_pair_of_kinds_in_a_few_hundred_programs() -> None:
    """Whatever chance does: each program has its turn at a part of the pairs."""
    pairs: Counter[tuple[str, str, str]] = Counter()
    for number in range(230):
        pairs += generate(Choices(recorded=()), number).pairs

    assert {*product(BINARY, KINDS, KINDS), *product(UNARY, KINDS, [""])} <= set(pairs)


def test_every_function_of_the_library_has_its_turn() -> None:
    """The fuzzer's table leaves out nothing that programs can call."""
    owners = {
        "array": "Array.prototype", "string": "String.prototype", "number": "Number.prototype",
        "boolean": "Boolean.prototype", "object": "Object.prototype", "map": "Map.prototype",
        "set": "Set.prototype", "iterator": "Iterator.prototype", "error": "Error.prototype",
        "function": "Function.prototype", "promise": "Promise.prototype", "date": "Date.prototype",
    }  # fmt: skip
    tabled = {
        f"{owners[one.owner] if one.is_method else one.owner}.{one.name}".lstrip(".")
        for one in METHODS
    }
    elsewhere = ("console.", "Task.", "Workflow.", "Timer.", "Signal.", "State.", "Attributes.")

    missing = [name for name in REGISTRY if name not in tabled and not name.startswith(elsewhere)]

    assert missing == []


def test_coverage_counts_what_ran_and_not_what_stands_there() -> None:
    """A rule counts where V8 came to it, a function as often as it was called."""
    coverage = Coverage()
    source = "if (false) { while (true) break }\nreturn Math.abs(-1) + Math.abs(2)"
    start = source.index("{")
    with coverage.watching():
        flowlang.evaluate(source)
        coverage.add_latest([(0, len(source), 1), (start, source.index("}") + 1, 0)])

    assert (coverage.rules["if"], coverage.rules["while"], coverage.nodes["Break"]) == (1, 0, 0)
    assert (coverage.functions["Math.abs"], coverage.functions["Math.ceil"]) == (2, 0)
    assert "under 50" in coverage.report(50)


def test_choices_shrink_to_what_still_differs() -> None:
    """Of many choices those remain that matter, as small as may be."""
    small = shrink_choices([5, 9, 3, 70, 8, 8, 2], lambda taken: any(one >= 8 for one in taken))

    assert len(small) == 1 and 8 <= small[0] < 16


def test_a_source_shrinks_to_the_statement_that_differs() -> None:
    """Statements and parts of expressions go as long as the difference stays."""
    source = (
        "const a = [1, 2]\nfor (const x of a) { if (x > 1) { console.log(x ** 2, a) } }\nreturn 1"
    )

    small = shrink_source(source, lambda text: "**" in text and not _mistakes(text))

    assert len(small.strip()) < 40 and "**" in small


def _mistakes(text: str) -> bool:
    return any(found.severity == "error" for found in flowlang.check(text))


@pytest.mark.parametrize(
    ("node", "flow", "differs"),
    [
        (Answer("completed", 1), Answer("completed", 1.0), False),
        (Answer("completed", 1), Answer("completed", True), True),
        (Answer("completed", {"a": 1, "b": 2}), Answer("completed", {"b": 2, "a": 1}), True),
        (Answer("failed", error="TypeError"), Answer("failed", error="RangeError"), True),
        (_log := Answer("completed", trace=[["log", "info", "~ 0.5"]]), _log, False),
        (_log, Answer("completed", trace=[["log", "info", "~ 0.5000000000000001"]]), False),
        (_log, Answer("completed", trace=[["log", "info", "~ 0.5000000000000002"]]), True),
        (_log, Answer("completed", trace=[["log", "warning", "~ 0.5"]]), True),
        (_log, Answer("completed"), True),
    ],
)
def test_answers_agree_to_the_last_digit_of_inexact_functions(
    node: Answer, flow: Answer, differs: bool
) -> None:
    """Only a line that starts with a tilde may differ, in the last place of its numbers."""
    assert (difference(node, flow) is not None) == differs
