"""An expression over the fields of an object, such as `order.customer ?? "nobody"`.

It depends on them alone: it has no clock, no chance and no world to ask, so the same object gives
the same value everywhere. A field that the object does not have is `undefined`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from flowlang import nodes
from flowlang.checker import GLOBALS
from flowlang.errors import EvaluationError, EvaluationRefused
from flowlang.evaluation import facts_of, within
from flowlang.limits import Limits
from flowlang.machine import Machine
from flowlang.program import Program, compile_afresh
from flowlang.protocol import Completed, Failed
from flowlang.source import from_units

LIMITS: Final = Limits(steps=10_000, memory=1024 * 1024, depth=50, string=64 * 1024, array=10_000)
"""Some milliseconds at most: whoever starts something waits for it."""

MOST_KEPT: Final = 256
"""So many formulas a process keeps compiled."""

_OF_THE_WORLD: Final = frozenset(
    {
        *("Task", "Workflow", "Timer", "Signal", "State", "Attributes", "Context"),
        *("Date", "console", "crypto"),
    }
)
"""Names that every program sees, and no formula."""


def check_formula(expression: str) -> None:
    """Is it one?

    Raises:
        EvaluationRefused: it is no expression, or would do more than look at the object.
    """
    _compiled(expression)


def formula_value(expression: str, fields: Mapping[str, Any]) -> Any:
    """What an expression gives, as a plain value; None for null and undefined.

    Args:
        fields: the names that it sees, with plain values; all together they are `Inputs`.

    Raises:
        EvaluationRefused: as `check_formula`.
        EvaluationError: it throws, or takes more than `LIMITS` allow.
    """
    program, names = _compiled(expression)
    # The others may be large, or none of JavaScript's.
    seen = {name: fields[name] for name in (fields if "Inputs" in names else names & fields.keys())}
    try:
        outcome = Machine(program, seen, limits=LIMITS).start().outcome
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    match outcome:
        case Completed(value):
            return value
        case Failed(thrown):
            raise EvaluationError(f"it throws {thrown.name}: {thrown.message}")
    raise EvaluationError("it has no value")


@lru_cache(MOST_KEPT)
def _compiled(expression: str) -> tuple[Program, frozenset[str]]:
    """A program that gives the expression's value, and the names that it looks up."""
    facts = facts_of(expression)
    names = [from_units(name) for name in facts.names]
    for name in names:
        if name in _OF_THE_WORLD:
            raise EvaluationRefused(
                f"the expression uses '{name}', and can only look at the inputs"
            )
    if any(_draws(node) for node, _ in within(facts.tree)):
        raise EvaluationRefused("the expression draws a random number, and is to be the same")
    fields = [name for name in names if name not in GLOBALS]
    source = f"const {{ {', '.join(fields)} }} = Inputs\nreturn ({expression}\n)"
    return compile_afresh(source, "expression"), frozenset(names)


def _draws(node: nodes.Node) -> bool:
    match node:
        case nodes.Member(
            object=nodes.Identifier(name="Math"), property=nodes.StringLiteral(value="random")
        ):
            return True
    return False
