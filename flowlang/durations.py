"""Durations as programs and front matter write them: seconds, or text such as "500ms" and "5m"."""

from __future__ import annotations

import re
from typing import Final

UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

DURATION: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(ms|s|m|h|d)")
"""A duration as text: a number and its unit."""

_IN_WORDS: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) *([a-z]*)")
_UNITS: Final = {
    "": "s", "sec": "s", "second": "s", "ms": "ms", "msec": "ms", "millisecond": "ms", "m": "m",
    "min": "m", "minute": "m", "h": "h", "hr": "h", "hour": "h", "d": "d", "day": "d",
}  # fmt: skip
"""Words for units, without the "s" of the plural."""


def in_short(text: str) -> str | None:
    """The duration that somebody meant who wrote "5 minutes"; None if that cannot be told."""
    found = _IN_WORDS.fullmatch(text.strip().lower())
    if found is None:
        return None
    word = found[2]
    unit = _UNITS.get(word) or _UNITS.get(word.removesuffix("s"))
    return None if unit is None else f"{found[1]}{unit}"


def of_milliseconds(ms: float) -> str:
    """A duration as text, in the largest unit that it is a whole number of: "5m" of 300,000."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if ms % UNITS_MS[unit] == 0)
    return f"{ms / UNITS_MS[unit]:.0f}{unit}"


def in_words(seconds: float) -> str:
    """A duration for people, in its two largest units: "16 h 40 min"."""
    parts: list[tuple[float, str]] = []
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count:,.0f} {unit}" for count, unit in parts[:2] if count)
