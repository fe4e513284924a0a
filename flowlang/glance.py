"""What an expression gives by looking alone: no code of the program or the library runs.

For conditions that are asked at every stop, such as `order.total > 100`: a walk over the tree that
may look at what a machine itself holds. It knows names, literals, members and operators. For other
expressions, and where an operator would convert an object, which may run anything, it is `Unsure`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from flowlang import nodes, values
from flowlang.runtime import contains_key, join_text, too_early
from flowlang.source import from_units
from flowlang.values import TDZ, UNDEFINED, Value, get_index, is_object, to_boolean, to_string


class Unsure(Exception):
    """The expression might do more than look."""


def glance(node: nodes.Expression, names: Mapping[str, Value]) -> Value:
    """The value of an expression.

    Args:
        names: what each name means.

    Raises:
        Unsure: it cannot be told by looking alone.
        Throw: the expression throws.
        LimitError: it goes over a limit.
    """
    rule = _RULES.get(type(node))
    if rule is None:
        raise Unsure
    return rule(node, names)


def _primitive(value: Value) -> Value:
    """A value that an operator is about to convert."""
    if is_object(value):
        raise Unsure
    return value


# ---------------------------------------------------------------------------------------- rules


def _literal(
    node: nodes.NumberLiteral | nodes.StringLiteral | nodes.BooleanLiteral, _: Any
) -> Value:
    return node.value


def _null(node: nodes.NullLiteral, _: Any) -> Value:
    return None


def _identifier(node: nodes.Identifier, names: Mapping[str, Value]) -> Value:
    name = node.name
    if name in names:
        value = names[name]
        return too_early(from_units(name)) if value is TDZ else value
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    raise Unsure


def _template(node: nodes.TemplateLiteral, names: Mapping[str, Value]) -> Value:
    parts = [node.strings[0]]
    for expression, text in zip(node.expressions, node.strings[1:], strict=True):
        parts += (to_string(_primitive(glance(expression, names))), text)
    return join_text(parts)


class _GaveUp(Exception):
    """A `?.` met null or undefined."""


def _member(node: nodes.Member, names: Mapping[str, Value]) -> Value:
    owner = glance(node.object, names)
    if node.is_optional and (owner is None or owner is UNDEFINED):
        raise _GaveUp
    key = _primitive(glance(node.property, names))
    return get_index(owner, key)


def _chain(node: nodes.Chain, names: Mapping[str, Value]) -> Value:
    try:
        return glance(node.expression, names)
    except _GaveUp:
        return UNDEFINED


def _unary(node: nodes.Unary, names: Mapping[str, Value]) -> Value:
    if node.operator == "delete":
        raise Unsure
    value = glance(node.operand, names)
    match node.operator:
        case "!":
            return not to_boolean(value)
        case "typeof":
            return values.typeof(value)
        case "void":
            return UNDEFINED
    return _UNARY[node.operator](_primitive(value))


def _binary(node: nodes.Binary, names: Mapping[str, Value]) -> Value:
    left = glance(node.operands[0], names)
    for operator, operand in zip(node.operators, node.operands[1:], strict=True):
        left = _combine(operator, left, glance(operand, names))
    return left


def _combine(operator: str, left: Value, right: Value) -> Value:
    match operator:
        case "===":
            return values.strict_equals(left, right)
        case "!==":
            return not values.strict_equals(left, right)
        case "in":
            return contains_key(_primitive(left), right)
        case "==" | "!=":
            # Two objects are compared as they are, and one with null or undefined too.
            if is_object(left) is not is_object(right) and not _nullish(left) | _nullish(right):
                raise Unsure
            return values.loose_equals(left, right) is (operator == "==")
    function = _BINARY.get(operator)
    if function is None:
        raise Unsure
    return function(_primitive(left), _primitive(right))


def _nullish(value: Value) -> bool:
    return value is None or value is UNDEFINED


def _logical(node: nodes.Logical, names: Mapping[str, Value]) -> Value:
    for operand in node.operands:
        value = glance(operand, names)
        match node.operator:
            case "&&":
                goes_on = to_boolean(value)
            case "||":
                goes_on = not to_boolean(value)
            case "??":
                goes_on = _nullish(value)
        if not goes_on:
            break
    return value


def _conditional(node: nodes.Conditional, names: Mapping[str, Value]) -> Value:
    is_true = to_boolean(glance(node.test, names))
    return glance(node.consequent if is_true else node.alternate, names)


_CONSTANTS: Final[dict[str, Value]] = {
    "undefined": UNDEFINED,
    "NaN": math.nan,
    "Infinity": math.inf,
}

_UNARY: Final[dict[str, Callable[[Value], Value]]] = {
    "-": values.negate,
    "+": values.to_number,
    "~": values.bitwise_not,
}

_BINARY: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.remainder,
    "**": values.power,
    "<": values.less_than,
    "<=": values.less_equal,
    ">": values.greater_than,
    ">=": values.greater_equal,
    "&": values.bitwise_and,
    "|": values.bitwise_or,
    "^": values.bitwise_xor,
    "<<": values.shift_left,
    ">>": values.shift_right,
    ">>>": values.shift_right_unsigned,
}

_RULES: Final[dict[type, Callable[[Any, Mapping[str, Value]], Value]]] = {
    nodes.NumberLiteral: _literal,
    nodes.StringLiteral: _literal,
    nodes.BooleanLiteral: _literal,
    nodes.NullLiteral: _null,
    nodes.Identifier: _identifier,
    nodes.TemplateLiteral: _template,
    nodes.Member: _member,
    nodes.Chain: _chain,
    nodes.Unary: _unary,
    nodes.Binary: _binary,
    nodes.Logical: _logical,
    nodes.Conditional: _conditional,
}
