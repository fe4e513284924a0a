"""The functions of real numbers whose last bit the platform's C library would decide.

Everything that computes `**` or a transcendental `Math` function goes through here, so that one
place answers for the same bits on every machine. `math.sqrt` is not here: IEEE 754 fixes it.
Outside of a function's domain the answer is NaN, beyond its range an infinity; nothing raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def power_of(base: float, exponent: float) -> float:
    """`base ** exponent`, which differs from C's for NaN and for 1 to an infinite power."""
    if exponent != exponent:
        return math.nan
    if exponent in (math.inf, -math.inf) and abs(base) == 1.0:
        return math.nan
    odd = math.fmod(exponent, 2.0) in (1.0, -1.0) if math.isfinite(exponent) else False
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base == 0.0:  # to a negative power: a division by zero
            return math.copysign(math.inf, base) if odd else math.inf
        return math.nan


def acos(number: float) -> float:
    return math.acos(number) if abs(number) <= 1 else math.nan


def acosh(number: float) -> float:
    return math.acosh(number) if number >= 1 else math.nan


def asin(number: float) -> float:
    return math.asin(number) if abs(number) <= 1 else math.nan


def asinh(number: float) -> float:
    return math.asinh(number)


def atan(number: float) -> float:
    return math.atan(number)


def atan2(y: float, x: float) -> float:
    return math.atan2(y, x)


def atanh(number: float) -> float:
    if abs(number) < 1:
        return math.atanh(number)
    return math.copysign(math.inf, number) if abs(number) == 1 else math.nan


def cbrt(number: float) -> float:
    """The nearest float to the real root, by whole numbers: 27 must give 3."""
    if number == 0.0 or not math.isfinite(number):
        return number
    mantissa, exponent = math.frexp(abs(number))
    # The root of a whole number with 3 * 60 bits has 60 bits, more than a float can hold.
    shift = 180 + (exponent % 3)
    whole = int(math.ldexp(mantissa, 53)) << (shift - 53)
    root = 1 << 61
    while (closer := (2 * root + whole // (root * root)) // 3) < root:
        root = closer
    return math.copysign(math.ldexp(float(root), (exponent - shift) // 3), number)


def cos(number: float) -> float:
    return math.cos(number) if math.isfinite(number) else math.nan


def cosh(number: float) -> float:
    try:
        return math.cosh(number)
    except OverflowError:
        return math.inf


def exp(number: float) -> float:
    try:
        return math.exp(number)
    except OverflowError:
        return math.inf


def expm1(number: float) -> float:
    try:
        return math.expm1(number)
    except OverflowError:
        return math.inf


def hypot(numbers: Sequence[float]) -> float:
    """The square root of the sum of squares; an infinity wins over NaN."""
    return math.hypot(*numbers)


def log(number: float) -> float:
    return _logarithm(math.log, number)


def log10(number: float) -> float:
    return _logarithm(math.log10, number)


def log2(number: float) -> float:
    return _logarithm(math.log2, number)


def log1p(number: float) -> float:
    if number > -1:
        return math.log1p(number)
    return -math.inf if number == -1 else math.nan


def sin(number: float) -> float:
    return math.sin(number) if math.isfinite(number) else math.nan


def sinh(number: float) -> float:
    try:
        return math.sinh(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def tan(number: float) -> float:
    return math.tan(number) if math.isfinite(number) else math.nan


def tanh(number: float) -> float:
    return math.tanh(number)


def _logarithm(function: Callable[[float], float], number: float) -> float:
    if number > 0:
        return function(number)
    return -math.inf if number == 0 else math.nan
