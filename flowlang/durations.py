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
