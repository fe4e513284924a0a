"""The functions of real numbers whose last bit the platform's C library would decide.

Everything that computes `**` or a transcendental `Math` function goes through here, so that a
program gets the same bits on every machine. The functions are computed in decimal arithmetic with
many more digits than a float has, and rounded once: the answer is the float nearest to the true
value (but for ties that no one will ever meet). That costs some ten microseconds; the powers that
programs really use, whole and square ones, take a short way that is exact as well.

Outside of a function's domain the answer is NaN, beyond its range an infinity; nothing raises.
`math.sqrt` is not here: IEEE 754 fixes its bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from decimal import Context, Decimal, localcontext
from functools import cache
from typing import Final

from flowlang.limits import charge_steps

_PRECISION: Final = 60
"""Digits of a calculation: a float has 17, cancellation in the formulas below takes a few."""
_CONTEXT: Final = Context(prec=_PRECISION, Emin=-999_999, Emax=999_999)
_SMALL: Final = Decimal("1e-6")
"""Below this, 1 + x would lose digits of x, and a short series does better."""
_ENOUGH: Final = Decimal(10) ** -_PRECISION
_ONE: Final = Decimal(1)
_TWO: Final = Decimal(2)
_HALF: Final = Decimal("0.5")
_PI_DIGITS: Final = 400
"""The largest float has 309 digits before the point; the rest is for the angle that remains."""
_MAX_WHOLE_POWER: Final = 1024
_STEPS: Final = 64
"""What a calculation counts: it takes up to a hundred microseconds, a step one or two at most."""


def _exactly() -> AbstractContextManager[Context]:
    """Within, decimals have the digits of a calculation; it counts the steps that take as long."""
    charge_steps(_STEPS)
    return localcontext(_CONTEXT)


def power_of(base: float, exponent: float) -> float:
    """`base ** exponent`, which differs from C's for NaN and for 1 to an infinite power."""
    if exponent == 2.0:
        return base * base
    if exponent != exponent or (base != base and exponent != 0.0):
        return math.nan
    if exponent == 0.0:
        return 1.0
    if math.isinf(exponent):
        if abs(base) == 1.0:
            return math.nan
        return math.inf if (abs(base) > 1.0) == (exponent > 0) else 0.0
    odd = math.fmod(exponent, 2.0) in (1.0, -1.0)
    if base == 0.0 or math.isinf(base):
        size = 0.0 if (base == 0.0) == (exponent > 0) else math.inf
        return math.copysign(size, base) if odd else size
    if base < 0.0 and not exponent.is_integer():
        return math.nan
    size = _power_of_positive(abs(base), exponent)
    return -size if base < 0.0 and odd else size


def _power_of_positive(base: float, exponent: float) -> float:
    if exponent == 0.5:
        return math.sqrt(base)
    if base == 1.0:
        return 1.0
    if base.is_integer() and exponent.is_integer() and 0 < exponent <= _MAX_WHOLE_POWER:
        bits = math.frexp(base)[1] * exponent
        if bits <= 2 * _MAX_WHOLE_POWER:  # else out of range, or far from exact
            return _to_float(Decimal(int(base) ** int(exponent)))
    with _exactly():
        power = Decimal(exponent) * Decimal(base).ln()
    return _exponential(power)


def exp(number: float) -> float:
    return _of_finite(_exponential, number, at_plus=math.inf, at_minus=0.0)


def expm1(number: float) -> float:
    if number > 710.0:
        return math.inf
    return _of_finite(_through(_expm1), max(number, -200.0), at_plus=math.inf, at_minus=-1.0)


def log(number: float) -> float:
    return _logarithm(number, lambda exact: exact.ln())


def log10(number: float) -> float:
    return _logarithm(number, lambda exact: exact.log10())


def log2(number: float) -> float:
    mantissa, exponent = math.frexp(number) if math.isfinite(number) else (0.0, 0)
    if mantissa == 0.5:  # a power of two: its logarithm is whole
        return float(exponent - 1)
    return _logarithm(number, lambda exact: exact.ln() / _TWO.ln())


def log1p(number: float) -> float:
    if number == -1.0:
        return -math.inf
    return math.nan if number < -1.0 else _of_finite(_through(_log1p), number, at_plus=math.inf)


def sinh(number: float) -> float:
    if abs(number) > 711.0:
        return math.copysign(math.inf, number)
    return _of_finite(_through(_sinh), number)


def cosh(number: float) -> float:
    if abs(number) > 711.0:
        return math.inf

    def exact(value: Decimal) -> Decimal:
        grown = value.exp()
        return (grown + _ONE / grown) / _TWO

    return _of_finite(_through(exact), number)


def tanh(number: float) -> float:
    if abs(number) > 30.0:
        return math.copysign(1.0, number)

    def exact(value: Decimal) -> Decimal:
        doubled = _expm1(_TWO * value)
        return doubled / (doubled + _TWO)

    return _of_finite(_through(exact), number)


def asinh(number: float) -> float:
    def exact(value: Decimal) -> Decimal:
        size = abs(value)
        return (_log1p(size + size * size / (_ONE + (_ONE + size * size).sqrt()))).copy_sign(value)

    return _of_finite(_through(exact), number, at_plus=math.inf, at_minus=-math.inf)


def acosh(number: float) -> float:
    def exact(value: Decimal) -> Decimal:
        above = value - _ONE
        return _log1p(above + (_TWO * above + above * above).sqrt())

    return math.nan if number < 1.0 else _of_finite(_through(exact), number, at_plus=math.inf)


def atanh(number: float) -> float:
    if abs(number) >= 1.0:
        return math.copysign(math.inf, number) if abs(number) == 1.0 else math.nan
    return _of_finite(_through(lambda value: _log1p(_TWO * value / (_ONE - value)) / _TWO), number)


def sin(number: float) -> float:
    return _of_finite(_through(lambda value: _sine_and_cosine(value)[0]), number)


def cos(number: float) -> float:
    return _of_finite(_through(lambda value: _sine_and_cosine(value)[1]), number)


def tan(number: float) -> float:
    def exact(value: Decimal) -> Decimal:
        sine, cosine = _sine_and_cosine(value)
        return sine / cosine

    return _of_finite(_through(exact), number)


def asin(number: float) -> float:
    if abs(number) > 1.0:
        return math.nan
    if abs(number) == 1.0:
        return math.copysign(_to_float(_pi() / 2), number)
    return _of_finite(
        _through(lambda value: _arctangent(value / ((_ONE - value) * (_ONE + value)).sqrt())),
        number,
    )


def acos(number: float) -> float:
    if abs(number) > 1.0:
        return math.nan
    if number == -1.0:
        return _to_float(_pi())
    return _of_finite(
        _through(lambda value: _TWO * _arctangent(((_ONE - value) / (_ONE + value)).sqrt())), number
    )


def atan(number: float) -> float:
    quarter = _to_float(_pi() / 2)
    return _of_finite(_through(_arctangent), number, at_plus=quarter, at_minus=-quarter)


def atan2(y: float, x: float) -> float:
    """The angle of the point (x, y), with all of IEEE's cases of zeros and infinities."""
    if x != x or y != y:
        return math.nan
    if math.isinf(x) and math.isinf(y):
        x, y = math.copysign(1.0, x), math.copysign(1.0, y)
    elif math.isinf(x):
        x, y = math.copysign(1.0, x), math.copysign(0.0, y)
    elif math.isinf(y):
        x, y = 0.0, math.copysign(1.0, y)
    behind = math.copysign(1.0, x) < 0
    if y == 0.0:
        return math.copysign(_to_float(_pi()) if behind else 0.0, y)
    if x == 0.0:
        return math.copysign(_to_float(_pi() / 2), y)
    with _exactly():
        angle = _arctangent(abs(Decimal(y) / Decimal(x)))
        if behind:
            angle = _pi() - angle
    return math.copysign(_to_float(angle), y)


def cbrt(number: float) -> float:
    """The cube root, by whole numbers: that of 27 must be 3."""
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


def hypot(numbers: Sequence[float]) -> float:
    """The square root of the sum of squares; an infinity wins over NaN.

    Scaled by the greatest, then added with Kahan's correction, as Node does: not always the nearest
    float, but each step is rounded the same way on every machine, and so to the same bits.
    """
    if any(math.isinf(number) for number in numbers):
        return math.inf
    if any(number != number for number in numbers):
        return math.nan
    greatest = max(map(abs, numbers), default=0.0)
    if greatest == 0.0:
        return 0.0
    total = lost = 0.0
    for number in numbers:
        scaled = number / greatest
        square = scaled * scaled - lost
        nearly = total + square
        lost = (nearly - total) - square
        total = nearly
    return math.sqrt(total) * greatest


def _of_finite(
    function: Callable[[float], float],
    number: float,
    *,
    at_plus: float = math.nan,
    at_minus: float = math.nan,
) -> float:
    """The function's value; at the infinities what is given. Of -0 a zero is -0."""
    if number != number:
        return number
    if math.isinf(number):
        return at_plus if number > 0 else at_minus
    result = function(number)
    return math.copysign(result, number) if result == number == 0.0 else result


def _through(function: Callable[[Decimal], Decimal]) -> Callable[[float], float]:
    """A function of decimals as one of floats."""

    def call(number: float) -> float:
        with _exactly():
            return _to_float(function(Decimal(number)))

    return call


def _exponential(power: float | Decimal) -> float:
    if power > 710:
        return math.inf
    if power < -746:
        return 0.0
    with _exactly():
        return _to_float(Decimal(power).exp())


def _logarithm(number: float, function: Callable[[Decimal], Decimal]) -> float:
    if number <= 0.0:
        return -math.inf if number == 0.0 else math.nan
    return _of_finite(_through(function), number, at_plus=math.inf)


def _to_float(exact: Decimal) -> float:
    """The nearest float; the one rounding of a calculation."""
    return float(exact)


def _expm1(value: Decimal) -> Decimal:
    if abs(value) > _SMALL:
        return value.exp() - _ONE
    total = term = value
    count = 1
    while term and abs(term) > abs(total) * _ENOUGH:
        count += 1
        term = term * value / count
        total += term
    return total


def _log1p(value: Decimal) -> Decimal:
    if abs(value) > _SMALL:
        return (_ONE + value).ln()
    total = power = value
    count = 1
    while power and abs(power) > abs(total) * _ENOUGH:
        count += 1
        power = -power * value
        total += power / count
    return total


def _sinh(value: Decimal) -> Decimal:
    grown = _expm1(abs(value))
    return ((grown + grown / (grown + _ONE)) / _TWO).copy_sign(value)


def _sine_and_cosine(angle: Decimal) -> tuple[Decimal, Decimal]:
    """Both by their series, of what is left of the angle after quarter turns are taken off."""
    if not angle:
        return angle, _ONE
    with localcontext(Context(prec=_PI_DIGITS + _PRECISION)):
        quarter = _pi() / 2
        turns = (angle / quarter).to_integral_value()
        rest = angle - turns * quarter
    rest = +rest
    square = rest * rest
    sine = term = rest
    count = 1
    while term and abs(term) > abs(sine) * _ENOUGH:
        term = -term * square / ((count + 1) * (count + 2))
        sine += term
        count += 2
    cosine = (_ONE - sine * sine).sqrt()
    return ((sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine))[int(turns) % 4]


def _arctangent(value: Decimal) -> Decimal:
    """By its series, after the angle was halved until that is quick."""
    halvings = 0
    while abs(value) > Decimal("0.05"):
        value = value / (_ONE + (_ONE + value * value).sqrt())
        halvings += 1
    square = value * value
    total = power = value
    count = 1
    while power and abs(power) > abs(total) * _ENOUGH:
        count += 2
        power = -power * square
        total += power / count
    return total * (_TWO**halvings)


@cache
def _pi() -> Decimal:
    """By Machin's formula: 16 atan(1/5) - 4 atan(1/239)."""

    def of_inverse(whole: int) -> int:
        total = power = unit // whole
        count = 1
        while power:
            power //= -whole * whole
            count += 2
            total += power // count
        return total

    unit: int = 10 ** (_PI_DIGITS + _PRECISION)
    scaled = 16 * of_inverse(5) - 4 * of_inverse(239)
    return Decimal(scaled).scaleb(
        -(_PI_DIGITS + _PRECISION), Context(prec=_PI_DIGITS + _PRECISION + 5)
    )
