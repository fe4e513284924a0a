"""Case mapping and normalization of texts made of UTF-16 units, by Unicode 14 on every Python.

Python brings its own version of the character database. A character that Unicode 14 does not
know is passed through untouched: later versions only add characters, never change these
properties of old ones, so what is left behaves the same everywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final, Literal

from flowlang.source import join_pairs, to_units

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: Final[tuple[Form, ...]] = ("NFC", "NFD", "NFKC", "NFKD")


def lower_case(text: str) -> str:
    if text.isascii():
        return text.lower()
    return _by_known_stretches(str.lower, text)


def upper_case(text: str) -> str:
    if text.isascii():
        return text.upper()
    return _by_known_stretches(str.upper, text)


def normal_form(form: Form, text: str) -> str:
    if text.isascii():
        return text

    def normalized(part: str) -> str:
        return unicodedata.normalize(form, part)

    return _by_known_stretches(normalized, text)


def _by_known_stretches(change: Callable[[str], str], text: str) -> str:
    return to_units(change(join_pairs(text)))
