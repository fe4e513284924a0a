"""Statements that only compute a value, which nobody takes: `total == 5`, `console.log`."""

from __future__ import annotations

from flowlang import nodes
from flowlang.rules.facts import Facts, inside

_PURE = (
    nodes.Identifier
    | nodes.NumberLiteral
    | nodes.StringLiteral
    | nodes.TemplateLiteral
    | nodes.BooleanLiteral
    | nodes.NullLiteral
    | nodes.ArrayLiteral
    | nodes.ObjectLiteral
    | nodes.Function
    | nodes.Unary
    | nodes.Binary
    | nodes.Member
    | nodes.Chain
)
_ACTS = nodes.Call | nodes.New | nodes.Await | nodes.Assign | nodes.Update


def check_values(facts: Facts) -> None:
    for sequence in facts.all(nodes.Sequence):
        _check_sequence(facts, sequence)
    for statement in facts.all(nodes.ExpressionStatement):
        value = statement.expression
        if not isinstance(value, _PURE) or _is_directive(facts, statement):
            continue
        if isinstance(value, nodes.Unary) and value.operator in ("void", "delete"):
            continue
        if not isinstance(value, nodes.Function) and any(
            isinstance(node, _ACTS) for node in inside(value)
        ):
            continue
        facts.report("unused-value", value, hint=_advice(facts, value))


def _check_sequence(facts: Facts, node: nodes.Sequence) -> None:
    """`a, b = 1, 2` and `return 1, 2`, which other languages have."""
    plain = nodes.Identifier | nodes.NumberLiteral | nodes.StringLiteral | nodes.Member
    useless = next((each for each in node.expressions[:-1] if isinstance(each, plain)), None)
    if useless is None or any(isinstance(each, _ACTS) for each in inside(useless)):
        return
    holder = facts.parents[node]
    hint = "only the last of several values counts"
    if isinstance(holder, nodes.Return):
        hint = f"to return several values, write '[{facts.text(node)}]'"
    elif any(isinstance(each, nodes.Assign) for each in node.expressions):
        hint = "to assign several values, write '[a, b] = [1, 2]'"
    facts.report("unused-value", useless, hint=hint)


def _is_directive(facts: Facts, statement: nodes.ExpressionStatement) -> bool:
    """A text that begins a body is a remark to tools."""
    holder = facts.parents[statement]
    if not isinstance(holder, nodes.Program | nodes.Function):
        return False
    return isinstance(statement.expression, nodes.StringLiteral) and holder.body[0] is statement


def _advice(facts: Facts, value: nodes.Expression) -> str | None:
    if isinstance(value, nodes.Binary) and value.operators[0] in ("==", "==="):
        return f"to assign, write '{facts.text(value.operands[0])} = …'"
    if facts.builtin(value) is not None or _is_function(facts, value):
        return f"to call it, write '{facts.text(value)}(…)'"
    if isinstance(value, nodes.Function):
        return "call it, or give it a name"
    return None


def _is_function(facts: Facts, value: nodes.Expression) -> bool:
    return isinstance(value, nodes.Identifier) and isinstance(facts.given(value), nodes.Function)
