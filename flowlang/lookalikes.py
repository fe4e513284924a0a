"""Characters that look like others: signs of a word processor, letters of another alphabet.

What is copied from a web page or a document often holds them. The program's meaning never depends
on this module: it only helps to say what was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SIGNS: Final[Mapping[str, str]] = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\uff0d", "-"),
    **dict.fromkeys("\u00d7\u22c5\uff0a", "*"),
    **dict.fromkeys("\u00f7\u2044\u2215\uff0f", "/"),
    **dict.fromkeys("\u2192\u21d2\u279c", "=>"),
    "\u2265": ">=",
    "\u2264": "<=",
    "\u2260": "!==",
    "\uff1d": "=",
    "\uff0b": "+",
    "\uff1b": ";",
    "\u037e": ";",
    **dict.fromkeys("\uff0c\u3001\u060c", ","),
    "\uff1a": ":",
    "\uff0e": ".",
    "\uff01": "!",
    "\uff1f": "?",
    **dict(zip("\uff08\uff09\uff3b\uff3d\uff5b\uff5d\uff1c\uff1e", "()[]{}<>", strict=True)),
}
"""What is meant by a sign that no program has outside of texts and comments."""

INVISIBLE: Final = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2028\u2029\ufffe")

_LATIN: Final = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0456\u0455\u0458"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0405\u0408"
    "\u03bf\u03bd\u03c1\u03b1\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1"
    "\u03a4\u03a7",
    "abekmhopctyxisjABEKMHOPCTXISJovpaABEZHIKMNOPTX",
)


def in_latin(name: str) -> str:
    """`name` with letters of other alphabets replaced by those of ours that look the same."""
    return name if name.isascii() else name.translate(_LATIN)
