"""JavaScript's operators on values. Each tries the common pair of classes first."""

from __future__ import annotations

import math
from typing import Final

from flowlang.limits import charge_steps, check_string
from flowlang.values.convert import (
    to_int32,
    to_number,
    to_primitive,
    to_string,
    to_uint32,
)
from flowlang.values.kinds import UNDEFINED, Value, is_object
from flowlang.values.transcendental import power_of

_LONG: Final = 64
"""Comparing texts longer than this counts as steps, one for as many characters."""


def strict_equals(left: Value, right: Value) -> bool:
    """`left === right`."""
    kind = left.__class__
    if kind is not right.__class__:
        return False
    if kind is float:
        return left == right  # type: ignore[no-any-return]  # floats compare to a bool
    if kind is str:
        if len(left) > _LONG and len(left) == len(right):
            charge_steps(len(left) // _LONG)
        return left == right  # type: ignore[no-any-return]  # texts compare to a bool
    return left is right


def loose_equals(left: Value, right: Value) -> bool:
    """`left == right`, with its conversions."""
    if left is None or left is UNDEFINED:
        return right is None or right is UNDEFINED
    if right is None or right is UNDEFINED:
        return False
    if left.__class__ is right.__class__:
        return strict_equals(left, right)
    if is_object(left):
        return False if is_object(right) else loose_equals(to_primitive(left), right)
    if is_object(right):
        return loose_equals(left, to_primitive(right))
    return to_number(left) == to_number(right)


def same_value_zero(left: Value, right: Value) -> bool:
    """Equality as `includes`, `Map` and `Set` see it: NaN equals itself, -0 equals 0."""
    return strict_equals(left, right) or (left != left and right != right)


def same_value(left: Value, right: Value) -> bool:
    """`Object.is`: as `same_value_zero`, but telling -0 from 0."""
    if left.__class__ is float and right.__class__ is float and left == right == 0.0:
        return math.copysign(1.0, left) == math.copysign(1.0, right)
    return same_value_zero(left, right)


def add(left: Value, right: Value) -> Value:
    """`left + right`: a text if one of them is one once they are primitive, else a sum."""
    kind = left.__class__
    if kind is right.__class__:
        if kind is float:
            return left + right
        if kind is str:
            check_string(len(left) + len(right))
            return left + right
    left, right = to_primitive(left), to_primitive(right)
    if left.__class__ is str or right.__class__ is str:
        left, right = to_string(left), to_string(right)
        check_string(len(left) + len(right))
        return left + right
    return to_number(left) + to_number(right)


def subtract(left: Value, right: Value) -> float:
    if left.__class__ is float and right.__class__ is float:
        return left - right
    return to_number(left) - to_number(right)


def multiply(left: Value, right: Value) -> float:
    if left.__class__ is float and right.__class__ is float:
        return left * right
    return to_number(left) * to_number(right)


def divide(left: Value, right: Value) -> float:
    dividend, divisor = to_number(left), to_number(right)
    if divisor != 0.0:
        return dividend / divisor
    if dividend == 0.0 or dividend != dividend:
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def remainder(left: Value, right: Value) -> float:
    dividend, divisor = to_number(left), to_number(right)
    if divisor == 0.0 or dividend - dividend != 0.0:
        return math.nan
    return math.fmod(dividend, divisor)


def power(left: Value, right: Value) -> float:
    """`left ** right`."""
    base, exponent = to_number(left), to_number(right)
    return power_of(base, exponent)


def negate(value: Value) -> float:
    return -to_number(value)


def less_than(left: Value, right: Value) -> bool:
    """`left < right`: texts by UTF-16 units, everything else by number."""
    kind = left.__class__
    if kind is not right.__class__ or (kind is not float and kind is not str):
        left, right = _comparable(left, right)
    elif kind is str:
        _charge_comparison(left, right)
    return left < right  # type: ignore[no-any-return]  # two floats or two texts


def less_equal(left: Value, right: Value) -> bool:
    kind = left.__class__
    if kind is not right.__class__ or (kind is not float and kind is not str):
        left, right = _comparable(left, right)
    elif kind is str:
        _charge_comparison(left, right)
    return left <= right  # type: ignore[no-any-return]  # two floats or two texts


def greater_than(left: Value, right: Value) -> bool:
    kind = left.__class__
    if kind is not right.__class__ or (kind is not float and kind is not str):
        left, right = _comparable(left, right)
    elif kind is str:
        _charge_comparison(left, right)
    return left > right  # type: ignore[no-any-return]  # two floats or two texts


def greater_equal(left: Value, right: Value) -> bool:
    kind = left.__class__
    if kind is not right.__class__ or (kind is not float and kind is not str):
        left, right = _comparable(left, right)
    elif kind is str:
        _charge_comparison(left, right)
    return left >= right  # type: ignore[no-any-return]  # two floats or two texts


def bitwise_and(left: Value, right: Value) -> float:
    return float(to_int32(left) & to_int32(right))


def bitwise_or(left: Value, right: Value) -> float:
    return float(to_int32(left) | to_int32(right))


def bitwise_xor(left: Value, right: Value) -> float:
    return float(to_int32(left) ^ to_int32(right))


def bitwise_not(value: Value) -> float:
    return float(~to_int32(value))


def shift_left(left: Value, right: Value) -> float:
    number, count = to_int32(left), to_uint32(right) & 31
    return float(((number << count) & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000)


def shift_right(left: Value, right: Value) -> float:
    number, count = to_int32(left), to_uint32(right) & 31
    return float(number >> count)


def shift_right_unsigned(left: Value, right: Value) -> float:
    number, count = to_uint32(left), to_uint32(right) & 31
    return float(number >> count)


def _comparable(left: Value, right: Value) -> tuple[Value, Value]:
    """Both sides as two texts or two numbers, converted left to right."""
    left, right = to_primitive(left, "number"), to_primitive(right, "number")
    if left.__class__ is str and right.__class__ is str:
        _charge_comparison(left, right)
        return left, right
    return to_number(left), to_number(right)


def _charge_comparison(left: str, right: str) -> None:
    shorter = min(len(left), len(right))
    if shorter > _LONG:
        charge_steps(shorter // _LONG)
