"""The functions of real numbers whose last bit the platform's C library would decide.

Everything that computes `**` or a transcendental `Math` function goes through here, so that one
place answers for the same bits on every machine. `math.sqrt` is not here: IEEE 754 fixes it.
"""

from __future__ import annotations

import math


def power_of(base: float, exponent: float) -> float:
    """`base ** exponent`, which differs from C's for NaN and for 1 to an infinite power."""
    if exponent != exponent:
        return math.nan
    if exponent in (math.inf, -math.inf) and abs(base) == 1.0:
        return math.nan
    odd = exponent % 2.0 == 1.0
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base == 0.0:  # to a negative power: a division by zero
            return math.copysign(math.inf, base) if odd else math.inf
        return math.nan
