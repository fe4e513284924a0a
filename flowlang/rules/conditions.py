"""Conditions that are no question: they assign, always give the same, or decide about nothing."""

from __future__ import annotations

from collections.abc import Iterator

from flowlang import nodes
from flowlang.rules.facts import Facts
from flowlang.rules.unreachable import always_holds

_RELATIONS = frozenset(["<", ">", "<=", ">="])
_EQUALS = frozenset(["==", "===", "!=", "!=="])


def check_conditions(facts: Facts) -> None:
    for test in _tests(facts):
        if isinstance(test, nodes.Assign) and test.operator == "=":
            if not _is_in_own_parentheses(facts, test):
                facts.report("assigned-condition", test, target=facts.text(test.target))
        else:
            _check_parts(facts, test)
    for choice in facts.all(nodes.If):
        last = choice.branches[-1].body
        if choice.alternate is None and isinstance(last, nodes.Empty):
            facts.report("empty-branch", last)
    for binary in facts.all(nodes.Binary):
        _check_chain(facts, binary)
        _check_negation(facts, binary)


def _tests(facts: Facts) -> Iterator[nodes.Expression]:
    """What is asked for true or false; loops may ask nothing on purpose, with `while (true)`."""
    for node in facts.all(nodes.Branch, nodes.Conditional):
        yield node.test
    for node in facts.all(nodes.While, nodes.DoWhile, nodes.For):
        if isinstance(node.test, nodes.Logical):
            yield node.test


def _is_in_own_parentheses(facts: Facts, test: nodes.Expression) -> bool:
    """Whether a condition is written `if ((x = next()))`, which says that it is meant."""
    before = facts.source.text[: test.start].rstrip()[-2:]
    return before == "(("


def _check_parts(facts: Facts, test: nodes.Expression) -> None:
    """`a === 1 || 2` asks whether 2 is true, and it always is."""
    if not isinstance(test, nodes.Logical) or test.operator == "??":
        return
    for operand in test.operands:
        if isinstance(operand, nodes.Logical):
            _check_parts(facts, operand)
        elif isinstance(operand, nodes.NumberLiteral | nodes.StringLiteral | nodes.ArrayLiteral):
            holds = always_holds(operand)
            if holds == (test.operator == "||"):
                facts.report(
                    "constant-condition",
                    operand,
                    answer="true" if holds else "false",
                    hint=_comparison(facts, test, operand),
                )


def _comparison(facts: Facts, test: nodes.Logical, operand: nodes.Expression) -> str | None:
    """What was meant by `a === 1 || 2`."""
    index = test.operands.index(operand)
    before = test.operands[index - 1] if index else None
    if isinstance(before, nodes.Binary) and before.operators[0] in _EQUALS:
        left, operator = facts.text(before.operands[0]), before.operators[0]
        return f"compare it too: {left} {operator} {facts.text(operand)}"
    return None


def _check_chain(facts: Facts, node: nodes.Binary) -> None:
    """`1 < x < 3` compares true or false with 3."""
    for kinds in (_RELATIONS, _EQUALS):
        if len(node.operators) > 1 and node.operators[0] in kinds and node.operators[1] in kinds:
            first, second, third = node.operands[:3]
            left, right = node.operators[:2]
            if facts.type_of(third) == "boolean":
                return
            a, b, c = facts.text(first), facts.text(second), facts.text(third)
            hint = f"write '{a} {left} {b} && {b} {right} {c}'"
            facts.report("chained-comparison", node, operator=right, third=c, hint=hint)


def _check_negation(facts: Facts, node: nodes.Binary) -> None:
    """`!key in object` asks for the key "false"."""
    left = node.operands[0]
    if node.operators[0] not in ("in", "instanceof") or not isinstance(left, nodes.Unary):
        return
    if left.operator == "!":
        operand, right = facts.text(left.operand), facts.text(node.operands[1])
        hint = f"write '!({operand} {node.operators[0]} {right})'"
        facts.report("negated-operand", left, operand=operand, hint=hint)
