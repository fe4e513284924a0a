"""JavaScript's conversions between values, exactly as the standard says.

Python's own text functions are not trusted with text from outside: `float("1_0")`, `str.strip`
and `str.isdigit` all accept what JavaScript refuses. Text is checked by a pattern first.
"""

from __future__ import annotations

import math
import re
from typing import Final

from flowlang.limits import TEXT_PER_STEP, call_deeper, charge_reading, charge_step
from flowlang.values.kinds import (
    PRIMITIVES,
    UNDEFINED,
    JSCallable,
    JSDate,
    JSObject,
    Undefined,
    Value,
    is_object,
    throw,
)
from flowlang.values.members import bind_call, get_member

WHITESPACE: Final = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What `trim` and number parsing skip. Not Python's idea of it."""

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX: Final = {
    "0x": (16, re.compile("[0-9a-fA-F]+")),
    "0o": (8, re.compile("[0-7]+")),
    "0b": (2, re.compile("[01]+")),
}
_TYPES: Final[dict[type, str]] = {
    float: "number",
    str: "string",
    bool: "boolean",
    Undefined: "undefined",
}
_MAX_EXACT: Final = 1e15
"""Below this an integral float prints as its int does; chosen under 2^53 with room to spare."""


def typeof(value: Value) -> str:
    """What the `typeof` operator says."""
    name = _TYPES.get(value.__class__)
    if name is not None:
        return name
    return "function" if isinstance(value, JSCallable) else "object"


def to_boolean(value: Value) -> bool:
    """Whether the value counts as true in a condition."""
    kind = value.__class__
    if kind is bool:
        return value  # type: ignore[no-any-return]  # a bool
    if kind is str:
        return value != ""  # type: ignore[no-any-return]  # a bool
    if kind is float:
        return value == value and value != 0.0  # type: ignore[no-any-return]  # a bool
    return value is not None and value is not UNDEFINED


def to_string(value: Value) -> str:
    """ToString: what a template literal or `"" + value` shows (but for objects' hints)."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]  # a str
    if kind is float:
        return number_to_string(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    return to_string(to_primitive(value, "string"))


def to_number(value: Value) -> float:
    """ToNumber."""
    kind = value.__class__
    if kind is float:
        return value  # type: ignore[no-any-return]  # a float
    if kind is str:
        return string_to_number(value)
    if kind is bool:
        return 1.0 if value else 0.0
    if value is None:
        return 0.0
    if value is UNDEFINED:
        return math.nan
    return to_number(to_primitive(value, "number"))


def to_primitive(value: Value, hint: str = "default") -> Value:
    """ToPrimitive: asks an object's `valueOf` and `toString`, the program's own ones too.

    Args:
        hint: "string", "number" or "default" (a number, except that dates are strings).
    """
    if value.__class__ in PRIMITIVES:
        return value
    if hint == "default":
        hint = "string" if isinstance(value, JSDate) else "number"
    for name in ("toString", "valueOf") if hint == "string" else ("valueOf", "toString"):
        method = get_member(value, name)
        if isinstance(method, JSCallable):
            result = call_deeper(bind_call(method, value, name))
            if not is_object(result):
                return result
    throw("TypeError", "cannot convert this object to a primitive value")


def to_property_key(value: Value) -> str:
    """The name under which `o[value]` looks."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]  # a str
    if kind is float:
        return number_to_string(value)
    return to_string(value)


def to_integer(value: Value) -> float:
    """ToIntegerOrInfinity, as a float: NaN gives 0, fractions are cut off, never -0."""
    number = value if value.__class__ is float else to_number(value)
    if number != number:
        return 0.0
    if number in (math.inf, -math.inf):
        return number
    return float(math.trunc(number))


def to_length(value: Value) -> int:
    """ToLength: a whole number from 0 to 2^53 - 1."""
    return int(min(max(to_integer(value), 0.0), 2.0**53 - 1))


def relative_index(value: Value, length: int, default: int) -> int:
    """A `slice`-like argument as an index from 0 to `length`; negative ones count from the end."""
    if value is UNDEFINED:
        return default
    position = to_integer(value)
    if position < 0:
        return int(max(position + length, 0.0))
    return int(min(position, float(length)))


def to_int32(value: Value) -> int:
    """ToInt32, as a Python int from -2^31 to 2^31 - 1."""
    number = to_uint32(value)
    return number - 0x1_0000_0000 if number & 0x8000_0000 else number


def to_uint32(value: Value) -> int:
    """ToUint32, as a Python int."""
    number = value if value.__class__ is float else to_number(value)
    if number - number != 0.0:  # NaN and the infinities
        return 0
    return int(number) & 0xFFFF_FFFF


def number_to_string(number: float) -> str:
    """Number::toString in base 10: the shortest digits that read back as the same number."""
    if -_MAX_EXACT < number < _MAX_EXACT:
        if number == (whole := int(number)):
            return str(whole)
        if not -1e-4 < number < 1e-4:
            return repr(number)  # where neither writes an exponent, both write the same
        charge_step()  # the digits of a number so small, or large, take as long to find
        if -1e-6 < number < 1e-6:
            return repr(number).replace("e-0", "e-")  # where both do, almost
    elif number != number:
        return "NaN"
    elif number - number != 0.0:
        return "Infinity" if number > 0 else "-Infinity"
    else:
        charge_step()
    sign, digits, point = decimal_digits(number)
    return sign + place_point(digits, point)


def decimal_digits(number: float) -> tuple[str, str, int]:
    """Sign, shortest digits without outer zeros, and where the point stands after the first one.

    A finite number other than 0. 0.00123 is ("", "123", -2); 1200 is ("", "12", 4).
    """
    text = repr(number)
    sign = ""
    if text[0] == "-":
        sign, text = "-", text[1:]
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + (int(exponent) if exponent else 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0"), point


def place_point(digits: str, point: int) -> str:
    """Digits and point in JavaScript's notation: plain from 1e-7 up to 1e21, else exponential."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    exponent = point - 1
    fraction = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{fraction}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"


def string_to_number(text: str) -> float:
    """StringToNumber: the whole text must be a number, but for white space around it."""
    if len(text) > TEXT_PER_STEP:
        charge_reading(len(text))
    text = text.strip(WHITESPACE)
    if not text:
        return 0.0
    if _DECIMAL.fullmatch(text):
        return float(text)
    radix = _RADIX.get(text[:2].lower())
    if radix is not None:
        base, digits = radix
        return whole_to_float(int(text[2:], base)) if digits.fullmatch(text, 2) else math.nan
    if text in ("Infinity", "+Infinity"):
        return math.inf
    return -math.inf if text == "-Infinity" else math.nan


def whole_to_float(whole: int) -> float:
    """The nearest number to a Python int, an infinity when it is too large for any."""
    try:
        return float(whole)
    except OverflowError:
        return math.inf if whole > 0 else -math.inf


def require_object(value: Value, what: str) -> JSObject:
    """The value, if it is a plain object; `what` names it in the TypeError otherwise."""
    if not isinstance(value, JSObject):
        throw("TypeError", f"{what} must be an object, not {typeof(value)}")
    return value
