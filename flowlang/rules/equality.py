"""Comparisons that say less than they seem to: between two types, with NaN, with a new object, with
a word that `typeof` never gives."""

from __future__ import annotations

from typing import Final

from flowlang import nodes
from flowlang.rules.facts import Facts

_EQUAL: Final = frozenset(["==", "!=", "===", "!=="])
_TYPE_NAMES: Final = ("undefined", "object", "boolean", "number", "string", "function")
_WORDS: Final = {
    "number": "a number", "string": "a string", "boolean": "a boolean", "function": "a function",
    "null": "null", "undefined": "undefined",
}  # fmt: skip


def check_equality(facts: Facts) -> None:
    for node in facts.all(nodes.Binary):
        # Behind the first of a chain, `a == b == c` compares with true or false.
        if node.operators[0] in _EQUAL:
            _check(facts, node)
    for switch in facts.all(nodes.Switch):
        if _is_typeof(switch.discriminant):
            for case in switch.cases:
                if case.test is not None:
                    _check_type_name(facts, case.test)


def _check(facts: Facts, node: nodes.Binary) -> None:
    operator = node.operators[0]
    is_loose = operator in ("==", "!=")
    always = "false" if operator in ("==", "===") else "true"
    left, right = node.operands[:2]
    for one, other in ((left, right), (right, left)):
        if _is_nan(facts, one):
            advice = f"write 'Number.isNaN({facts.text(other)})'"
            what = "NaN equals nothing, not even itself"
            facts.report("never-equal", one, what=what, always=always, advice=advice)
            return
        if not is_loose and isinstance(one, nodes.ArrayLiteral | nodes.ObjectLiteral):
            what = "a new object equals no other"
            advice = _compare_advice(facts, one, other)
            facts.report("never-equal", one, what=what, always=always, advice=advice)
            return
        if _is_typeof(one) and _check_type_name(facts, other):
            return
    types = _type(facts, left), _type(facts, right)
    if types[0] == types[1] or not all(type in _WORDS for type in types):
        return
    if is_loose and {*types} == {"null", "undefined"}:
        return
    if is_loose:
        problem = f"'{operator}' converts before it compares"
    else:
        problem = f"this is always {always}"
    facts.report(
        "mixed-equality",
        _first_comparison(node),
        left=_WORDS[types[0]],
        right=_WORDS[types[1]],
        problem=problem,
    )


def _first_comparison(node: nodes.Binary) -> nodes.Node:
    left, right = node.operands[:2]
    return nodes.Binary(node.start, right.end, node.operators[:1], (left, right))


def _type(facts: Facts, node: nodes.Expression) -> str:
    if isinstance(node, nodes.NullLiteral):
        return "null"
    return "undefined" if facts.is_global(node, "undefined") else facts.type_of(node)


def _is_nan(facts: Facts, node: nodes.Expression) -> bool:
    if facts.is_global(node, "NaN"):
        return True
    return (
        isinstance(node, nodes.Member)
        and facts.is_global(node.object, "Number")
        and isinstance(node.property, nodes.StringLiteral)
        and node.property.value == "NaN"
    )


def _compare_advice(facts: Facts, new: nodes.Expression, other: nodes.Expression) -> str:
    if isinstance(new, nodes.ArrayLiteral) and not new.elements:
        return f"write '{facts.text(other)}.length === 0'"
    if isinstance(new, nodes.ObjectLiteral) and not new.properties:
        return f"write 'Object.keys({facts.text(other)}).length === 0'"
    return "compare what is in them, or JSON.stringify(…) of both"


def _is_typeof(node: nodes.Expression) -> bool:
    return isinstance(node, nodes.Unary) and node.operator == "typeof"


def _check_type_name(facts: Facts, node: nodes.Expression) -> bool:
    """Whether `typeof` is compared with something that it never gives, which is told."""
    if isinstance(node, nodes.StringLiteral):
        # Node has values of the last two types; programs that ask for them may run in both.
        if node.value in _TYPE_NAMES or node.value in ("symbol", "bigint"):
            return False
        meant = facts.meant(node.value, _TYPE_NAMES)
        advice = f"did you mean '{meant}'?" if meant else f"it gives {_listed(_TYPE_NAMES)}"
        if node.value in ("array", "Array"):
            advice = "of an array it gives 'object': write 'Array.isArray(x)'"
        if node.value == "null":
            advice = "of null it gives 'object': write 'x === null'"
        facts.report("typeof-word", node, word=facts.text(node), advice=advice)
        return True
    if facts.is_global(node, "undefined") or isinstance(node, nodes.NullLiteral):
        word = facts.text(node)
        advice = "write 'undefined' in quotes" if word == "undefined" else "write 'x === null'"
        facts.report("typeof-word", node, word=word, advice=advice)
        return True
    return False


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + " or " + words[-1]
