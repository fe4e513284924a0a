"""`Number`, `Boolean`, `parseInt`, `parseFloat`, and numbers written in all of JavaScript's ways.

Digits come from exact arithmetic (`decimal`, or V8's published algorithm for other bases), never
from Python's float formatting, which rounds half to even where JavaScript rounds half up.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Final

from flowlang.library.registry import REGISTRY, constructor, method, static
from flowlang.limits import charge_reading, charge_step, charge_steps
from flowlang.values import (
    UNDEFINED,
    WHITESPACE,
    Value,
    decimal_digits,
    number_to_string,
    throw,
    to_boolean,
    to_integer,
    to_number,
    to_string,
    to_uint32,
    whole_to_float,
)

CONSTANTS: Final[dict[str, float]] = {
    "EPSILON": 2.0**-52,
    "MAX_SAFE_INTEGER": 2.0**53 - 1,
    "MAX_VALUE": 1.7976931348623157e308,
    "MIN_SAFE_INTEGER": -(2.0**53) + 1,
    "MIN_VALUE": 5e-324,
    "NaN": math.nan,
    "NEGATIVE_INFINITY": -math.inf,
    "POSITIVE_INFINITY": math.inf,
}

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
# What exact decimal arithmetic costs beside its digits.
_DECIMAL_STEPS: Final = 8
_EXACT: Final = Context(prec=1200, rounding=ROUND_HALF_UP)
"""Enough digits for the exact value of every float (at most 767 significant ones)."""
_FLOAT_PREFIX: Final = re.compile(
    r"[+-]?(?:Infinity|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)


def _to_number(*args: Value) -> float:
    return to_number(args[0]) if args else 0.0


@constructor("Number", 1, call=_to_number)
def _new_number(*_: Value) -> Value:
    throw("TypeError", "'new Number' is not part of Flow: use Number(value)")


def _to_boolean(value: Value = UNDEFINED, *_: Value) -> bool:
    return to_boolean(value)


@constructor("Boolean", 1, call=_to_boolean)
def _new_boolean(*_: Value) -> Value:
    throw("TypeError", "'new Boolean' is not part of Flow: use Boolean(value)")


@static("parseFloat", 1)
def parse_float(value: Value = UNDEFINED, *_: Value) -> float:
    text = to_string(value).lstrip(WHITESPACE)
    charge_reading(len(text))
    found = _FLOAT_PREFIX.match(text)
    if found is None:
        return math.nan
    return float(found[0].replace("Infinity", "inf"))


@static("parseInt", 2)
def parse_int(value: Value = UNDEFINED, radix: Value = UNDEFINED, *_: Value) -> float:
    text = to_string(value).strip(WHITESPACE)
    charge_reading(len(text))
    base = to_uint32(radix)
    sign = -1.0 if text[:1] == "-" else 1.0
    if text[:1] in ("-", "+"):
        text = text[1:]
    if base in (0, 16) and text[:2] in ("0x", "0X"):
        text, base = text[2:], 16
    base = base or 10
    if not 2 <= base <= 36:
        return math.nan
    found = _digits_of(base).match(text)
    return math.nan if found is None else sign * _digits_to_float(found[0], base)


@cache
def _digits_of(base: int) -> re.Pattern[str]:
    digits = _DIGITS[:base]
    return re.compile(f"[{digits}{digits.upper()}]+")


@static("isNaN", 1)
def is_nan(value: Value = UNDEFINED, *_: Value) -> bool:
    number = to_number(value)
    return number != number


@static("isFinite", 1)
def is_finite(value: Value = UNDEFINED, *_: Value) -> bool:
    return math.isfinite(to_number(value))


@static("Number.isFinite", 1)
def number_is_finite(value: Value = UNDEFINED, *_: Value) -> bool:
    return value.__class__ is float and math.isfinite(value)


@static("Number.isInteger", 1)
def is_integer(value: Value = UNDEFINED, *_: Value) -> bool:
    return value.__class__ is float and value.is_integer()


@static("Number.isNaN", 1)
def number_is_nan(value: Value = UNDEFINED, *_: Value) -> bool:
    return value.__class__ is float and value != value


@static("Number.isSafeInteger", 1)
def is_safe_integer(value: Value = UNDEFINED, *_: Value) -> bool:
    return value.__class__ is float and value.is_integer() and abs(value) < 2.0**53


REGISTRY["Number"].members["parseFloat"] = REGISTRY["parseFloat"]
REGISTRY["Number"].members["parseInt"] = REGISTRY["parseInt"]
REGISTRY["Number"].members.update(CONSTANTS)


@method("Number.prototype.toString", 1)
def number_method_to_string(this: Value, radix: Value = UNDEFINED, *_: Value) -> str:
    number = _this_number(this, "toString")
    charge_step()
    base = 10.0 if radix is UNDEFINED else to_integer(radix)
    if not 2 <= base <= 36:
        throw("RangeError", "toString() needs a radix from 2 to 36")
    if base == 10 or not math.isfinite(number) or number == 0:
        return number_to_string(number)
    return _in_base(number, int(base))


@method("Number.prototype.valueOf", 0)
def number_value_of(this: Value, *_: Value) -> float:
    return _this_number(this, "valueOf")


@method("Number.prototype.toFixed", 1)
def to_fixed(this: Value, digits: Value = UNDEFINED, *_: Value) -> str:
    number = _this_number(this, "toFixed")
    charge_steps(_DECIMAL_STEPS)
    count = to_integer(digits)
    if not 0 <= count <= 100:
        throw("RangeError", "toFixed() needs a number of digits from 0 to 100")
    if not abs(number) < 1e21:
        return number_to_string(number)
    places = int(count)
    charge_steps(places)
    rounded = Decimal(number).quantize(Decimal(1).scaleb(-places), context=_EXACT)
    text = f"{rounded.copy_abs():f}"
    # A negative number keeps its sign even when it rounds to zero; -0 itself has none.
    return "-" + text if number < 0 else text


@method("Number.prototype.toExponential", 1)
def to_exponential(this: Value, digits: Value = UNDEFINED, *_: Value) -> str:
    number = _this_number(this, "toExponential")
    charge_steps(_DECIMAL_STEPS)
    count = to_integer(digits)
    if not math.isfinite(number):
        return number_to_string(number)
    if not 0 <= count <= 100:
        throw("RangeError", "toExponential() needs a number of digits from 0 to 100")
    if digits is UNDEFINED and number != 0:
        sign, shown, point = decimal_digits(number)
    else:
        sign, shown, point = _rounded(number, int(count) + 1)
    return sign + _exponential(shown, point - 1)


@method("Number.prototype.toPrecision", 1)
def to_precision(this: Value, precision: Value = UNDEFINED, *_: Value) -> str:
    number = _this_number(this, "toPrecision")
    charge_steps(_DECIMAL_STEPS)
    if precision is UNDEFINED:
        return number_to_string(number)
    count = to_integer(precision)
    if not math.isfinite(number):
        return number_to_string(number)
    if not 1 <= count <= 100:
        throw("RangeError", "toPrecision() needs a number of digits from 1 to 100")
    sign, shown, point = _rounded(number, int(count))
    if not -6 < point <= count:
        return sign + _exponential(shown, point - 1)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{shown}"
    return sign + shown if point == count else f"{sign}{shown[:point]}.{shown[point:]}"


@method("Boolean.prototype.toString", 0)
def boolean_to_string(this: Value, *_: Value) -> str:
    return "true" if boolean_value_of(this) else "false"


@method("Boolean.prototype.valueOf", 0)
def boolean_value_of(this: Value, *_: Value) -> bool:
    if this.__class__ is not bool:
        throw("TypeError", "a method of Boolean was called on something else")
    return this


def _this_number(this: Value, name: str) -> float:
    if this.__class__ is not float:
        throw("TypeError", f"Number.prototype.{name} was called on something that is no number")
    return this


def _digits_to_float(digits: str, base: int) -> float:
    """The value of checked digits.

    The standard lets a base that is neither ten nor a power of two come near to it. Here as in
    Node: as many digits at a time as keep the whole numbers small, each step rounded.
    """
    if base == 10:
        return float(digits)
    if base & (base - 1) == 0:
        return whole_to_float(int(digits, base))
    digits = digits.lstrip("0")
    size = _DIGITS_AT_A_TIME[base]
    total = 0.0
    for at in range(0, len(digits), size):
        group = digits[at : at + size]
        total = total * float(base ** len(group)) + float(int(group, base))
    return total


_DIGITS_AT_A_TIME: Final = {
    base: next(count for count in range(32) if base ** (count + 1) > 0xFFFFFFFF // 36)
    for base in range(2, 37)
}


def _rounded(number: float, count: int) -> tuple[str, str, int]:
    """Sign, `count` digits rounded half up, and where the point stands after the first one."""
    if number == 0:
        return "", "0" * count, 1
    charge_steps(count)
    exact = Decimal(abs(number))
    point = exact.adjusted() + 1
    rounded = exact.quantize(Decimal(1).scaleb(point - count), context=_EXACT)
    if rounded.adjusted() + 1 > point:  # 9.99 became 10.0
        point += 1
    shown = "".join(str(digit) for digit in rounded.as_tuple().digits)[:count]
    return ("-" if number < 0 else ""), shown, point


def _exponential(digits: str, exponent: int) -> str:
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"


def _in_base(number: float, base: int) -> str:
    """A number in another base, with as many digits after the point as it takes to tell it apart.

    This is V8's algorithm, in floats as V8 has it: the standard leaves the digits open.
    """
    value = abs(number)
    whole = float(math.floor(value)) if value < 2.0**53 else value
    fraction = value - whole
    delta = max(0.5 * (math.nextafter(value, math.inf) - value), 5e-324)
    digits: list[int] = []
    if fraction >= delta:
        while True:
            fraction *= base
            delta *= base
            digit = int(fraction)
            digits.append(digit)
            fraction -= digit
            if (fraction > 0.5 or (fraction == 0.5 and digit & 1)) and fraction + delta > 1:
                while digits and digits[-1] + 1 >= base:
                    digits.pop()
                if digits:
                    digits[-1] += 1
                else:
                    whole += 1
                break
            if fraction < delta:
                break
    shown: list[str] = []
    while whole / base >= 2.0**53:  # what a float cannot tell apart is written as zeros
        whole /= base
        shown.append("0")
    while True:
        rest = math.fmod(whole, base)
        shown.append(_DIGITS[int(rest)])
        whole = (whole - rest) / base
        if whole <= 0:
            break
    charge_steps(len(shown) + len(digits))
    text = ("-" if number < 0 else "") + "".join(reversed(shown))
    return f"{text}.{''.join(_DIGITS[digit] for digit in digits)}" if digits else text
