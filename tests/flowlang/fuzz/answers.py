"""What a program did, in the words both sides use, and whether two answers agree."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec

MAX_EVENTS: Final = 60

_NUMBER: Final = re.compile(r"-?(?:\d+\.?\d*(?:e[+-]\d+)?)")


class Answer(msgspec.Struct):
    """What one side says about a program.

    Attributes:
        status: completed, failed or suspended; refused when it is no program; limit when it spent
            too much, and crash with anything that must never happen.
        trace: console lines and commands in their order.
        ran: how often which ranges of the source ran, if that was asked for.
    """

    status: str
    value: Any = None
    error: str | None = None
    trace: list[list[Any]] = []
    ran: list[tuple[int, int, int]] = []


def difference(node: Answer, flow: Answer) -> str | None:
    """The first thing that the two say differently, or None."""
    for position in range(max(len(node.trace), len(flow.trace))):
        one = node.trace[position] if position < len(node.trace) else None
        other = flow.trace[position] if position < len(flow.trace) else None
        if not _same_entry(one, other):
            return f"line {position + 1} of the trace\n  node: {one}\n  flow: {other}"
    for name in ("status", "error", "value"):
        one, other = getattr(node, name), getattr(flow, name)
        if not _same(one, other):
            return f"{name}\n  node: {one!r}\n  flow: {other!r}"
    return None


def _same_entry(one: Any, other: Any) -> bool:
    if _same(one, other):
        return True
    if not (one and other and one[:2] == other[:2] and one[0] == "log"):
        return False
    # Lines that start with a tilde hold numbers that may differ in the last digit.
    if not (one[2].startswith("~") and other[2].startswith("~")):
        return False
    if _NUMBER.sub("#", one[2]) != _NUMBER.sub("#", other[2]):
        return False
    numbers = zip(_NUMBER.findall(one[2]), _NUMBER.findall(other[2]), strict=True)
    return all(_close(float(left), float(right)) for left, right in numbers)


def _close(one: float, other: float) -> bool:
    return one == other or math.nextafter(one, other) == other


def _same(one: Any, other: Any) -> bool:
    """Equality of plain values, in which true is not 1, and 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return float(one) == float(other)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = zip(one.items(), other.items(), strict=False)
        return len(one) == len(other) and all(_same(left, right) for left, right in pairs)
    if isinstance(one, str) and isinstance(other, str):
        return _at_border(one) == _at_border(other)
    return type(one) is type(other) and bool(one == other)


def _at_border(text: str) -> str:
    """A text as it leaves a machine: half a surrogate pair is U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
