"""Transcendental functions: near the platform's, exact where the value is, never raising."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlang.values import transcendental as ours

RECORDED = [
    "-0x1.b453ab76bf397p-1",
    "0x1.fd712f9a817c1p-1",
    "0x1.d02967c31cdb5p+53",
    "0x1.5bf0a8b145769p+1",
    "0x1.26bb1bbb55516p+1",
    "0x1.5c341a3d40f19p+1",
    "0x0.0000000000001p-1022",
    "-0x1.56c6e7397f5aep+1",
    "0x1.d8f9811335b57p+664",
    "0x1.79ca10c924223p-67",
    "0x1.d9353d7568af3p-2",
]

FUNCTIONS = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "log",
    "log10",
    "log1p",
    "log2",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


@pytest.mark.parametrize("name", FUNCTIONS)
@given(number=st.one_of(st.floats(-1, 1), st.floats(-700, 700), st.floats()))
def test_a_function_is_within_a_few_last_bits_of_the_platforms(name: str, number: float) -> None:
    theirs: Callable[[float], float] = getattr(math, name)

    result = getattr(ours, name)(number)

    try:
        expected = theirs(number)
    except OverflowError:
        assert math.isinf(result)
    except ValueError:
        assert not math.isfinite(result)
    else:
        assert result == pytest.approx(expected, rel=1e-14, abs=1e-322, nan_ok=True)
        assert math.copysign(1, result) == math.copysign(1, expected) or math.isnan(result)


@given(st.floats(), st.floats())
def test_powers_and_angles_never_raise(left: float, right: float) -> None:
    for function, theirs in ((ours.power_of, math.pow), (ours.atan2, math.atan2)):
        result = function(left, right)
        try:
            expected = theirs(left, right)
        except (OverflowError, ValueError):
            continue
        if abs(left) == 1.0 or left != left or right != right:
            continue  # C takes 1 ** NaN for 1
        assert result == pytest.approx(expected, rel=1e-14, abs=1e-322, nan_ok=True)


@given(st.integers(-300, 300), st.integers(0, 15))
def test_whole_powers_are_exact(base: int, exponent: int) -> None:
    assert ours.power_of(float(base), float(exponent)) == float(base**exponent)


@given(st.integers(-100_000, 100_000))
def test_roots_of_cubes_are_whole(number: int) -> None:
    assert ours.cbrt(float(number**3)) == number


@given(st.integers(-1074, 1023))
def test_the_logarithm_of_a_power_of_two_is_whole(exponent: int) -> None:
    assert ours.log2(math.ldexp(1.0, exponent)) == exponent


def test_the_bits_are_the_same_everywhere() -> None:
    """Recorded once; another machine, Python or release must not give other ones."""
    assert [
        number.hex()
        for number in (
            ours.sin(1e22),
            ours.cos(0.1),
            ours.tan(1.5707963267948966),
            ours.exp(1.0),
            ours.log(10.0),
            ours.power_of(1.1, 10.5),
            ours.power_of(2.0, -1074.0),
            ours.atan2(-1.0, -2.0),
            ours.hypot([1e200, 1e200]),
            ours.expm1(1e-20),
            ours.tanh(0.5),
        )
    ] == RECORDED
