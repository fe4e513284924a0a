"""`Math`. What the platform's C library would decide is in `flowlang.values.transcendental`."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from flowlang.library.registry import namespace, static
from flowlang.limits import charge_steps
from flowlang.machine import current
from flowlang.values import UNDEFINED, Value, to_int32, to_number, to_uint32
from flowlang.values import transcendental as real

namespace(
    "Math",
    {
        "E": 2.718281828459045,
        "LN10": 2.302585092994046,
        "LN2": 0.6931471805599453,
        "LOG10E": 0.4342944819032518,
        "LOG2E": 1.4426950408889634,
        "PI": 3.141592653589793,
        "SQRT1_2": 0.7071067811865476,
        "SQRT2": 1.4142135623730951,
    },
)


def _of_one_number(name: str, function: Callable[[float], float]) -> None:
    def call(value: Value = UNDEFINED, *_: Value) -> float:
        return function(value if value.__class__ is float else to_number(value))

    static(f"Math.{name}", 1)(call)


def ceil(number: float) -> float:
    if not math.isfinite(number) or abs(number) >= 2.0**52:
        return number
    return math.copysign(float(math.ceil(number)), number)


def floor(number: float) -> float:
    if not math.isfinite(number) or abs(number) >= 2.0**52:
        return number
    return math.copysign(float(math.floor(number)), number)


def fround(number: float) -> float:
    """The nearest 32-bit float."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def round_(number: float) -> float:
    """Half goes up: -2.5 to -2. What lies between -0.5 and 0 becomes -0."""
    whole = floor(number)
    if not math.isfinite(number):
        return number
    return math.copysign(whole if number - whole < 0.5 else whole + 1.0, number)


def sign(number: float) -> float:
    return number if number == 0 or number != number else math.copysign(1.0, number)


def sqrt(number: float) -> float:
    return math.sqrt(number) if number >= 0 else (number if number == 0 else math.nan)


def trunc(number: float) -> float:
    return math.copysign(float(math.trunc(number)), number) if math.isfinite(number) else number


def clz32(number: float) -> float:
    return float(32 - to_uint32(number).bit_length())


for _name, _function in (
    ("abs", math.fabs),
    ("acos", real.acos),
    ("acosh", real.acosh),
    ("asin", real.asin),
    ("asinh", real.asinh),
    ("atan", real.atan),
    ("atanh", real.atanh),
    ("cbrt", real.cbrt),
    ("ceil", ceil),
    ("clz32", clz32),
    ("cos", real.cos),
    ("cosh", real.cosh),
    ("exp", real.exp),
    ("expm1", real.expm1),
    ("floor", floor),
    ("fround", fround),
    ("log", real.log),
    ("log10", real.log10),
    ("log1p", real.log1p),
    ("log2", real.log2),
    ("round", round_),
    ("sign", sign),
    ("sin", real.sin),
    ("sinh", real.sinh),
    ("sqrt", sqrt),
    ("tan", real.tan),
    ("tanh", real.tanh),
    ("trunc", trunc),
):
    _of_one_number(_name, _function)


@static("Math.atan2", 2)
def atan2(y: Value = UNDEFINED, x: Value = UNDEFINED, *_: Value) -> float:
    return real.atan2(to_number(y), to_number(x))


@static("Math.hypot", 2)
def hypot(*values: Value) -> float:
    charge_steps(len(values))
    return real.hypot([to_number(value) for value in values])


@static("Math.imul", 2)
def imul(left: Value = UNDEFINED, right: Value = UNDEFINED, *_: Value) -> float:
    return float(to_int32(float((to_uint32(left) * to_uint32(right)) & 0xFFFF_FFFF)))


@static("Math.max", 2)
def max_(*values: Value) -> float:
    charge_steps(len(values))
    largest = -math.inf
    for number in [to_number(value) for value in values]:
        if number != number or largest != largest:
            largest = math.nan
        elif number > largest or (number == largest == 0 and math.copysign(1.0, number) > 0):
            largest = number
    return largest


@static("Math.min", 2)
def min_(*values: Value) -> float:
    charge_steps(len(values))
    smallest = math.inf
    for number in [to_number(value) for value in values]:
        if number != number or smallest != smallest:
            smallest = math.nan
        elif number < smallest or (number == smallest == 0 and math.copysign(1.0, number) < 0):
            smallest = number
    return smallest


@static("Math.pow", 2)
def pow_(base: Value = UNDEFINED, exponent: Value = UNDEFINED, *_: Value) -> float:
    return real.power_of(to_number(base), to_number(exponent))


@static("Math.random", 0)
def random(*_: Value) -> float:
    return current().random()
