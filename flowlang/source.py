"""The text of a .flow file in JavaScript's terms: UTF-16 units, lines, columns.

Positions everywhere in flowlang are offsets into `Source.text`, which holds one Python character
per UTF-16 unit: that is what JavaScript counts, and what editors count columns in.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from json.encoder import encode_basestring_ascii

LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_RUN = re.compile("[\ud800-\udfff]+")

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
_TO_ESCAPE = re.compile(r"['\\\x00-\x1f\x7f\u2028\u2029]")

_STRETCH = 1 << 14
"""So many characters are converted at a time: what the conversion needs on the way stays small."""


def to_units(text: str) -> str:
    """`text` with each character beyond U+FFFF as its surrogate pair."""
    if text.isascii() or _ASTRAL.search(text) is None:
        return text
    # Escaped as JSON, such a character is its pair; Python's own unescaping leaves pairs apart.
    return "".join(
        encode_basestring_ascii(stretch)[1:-1].encode().decode("unicode_escape")
        for stretch in stretches(text)
    )


def from_units(units: str) -> str:
    """`units` with each surrogate pair joined; a lone surrogate becomes U+FFFD, so that the answer
    can be written as UTF-8."""
    joined = join_pairs(units)
    if joined.isascii() or _SURROGATE.search(joined) is None:
        return joined
    return "".join(
        _RUN.sub(lambda run: "\ufffd" * len(run[0]), stretch) for stretch in stretches(joined)
    )


def join_pairs(units: str) -> str:
    """`units` with each surrogate pair joined and lone surrogates left alone."""
    if units.isascii() or _PAIR.search(units) is None:
        return units
    # JSON's own reader joins pairs, and it is the fastest there is.
    return "".join(json.loads(encode_basestring_ascii(stretch)) for stretch in stretches(units))


def surrogates_in(units: str) -> int:
    """How many surrogates there are in `units`, each half of a pair counted."""
    if units.isascii() or _SURROGATE.search(units) is None:
        return 0
    return len(units) - len(units.encode("utf-8", "ignore").decode())


def quoted(text: str) -> str:
    """`text` in single quotes on one line, as `console` shows it. Not by `repr`: what that escapes
    changes with Python's Unicode."""
    if text.isascii() and text.isidentifier():
        return f"'{text}'"
    return f"'{_TO_ESCAPE.sub(_escape, text)}'"


def named(text: str) -> str:
    """`text` in quotes for a message; a long one is shortened."""
    return quoted(shortened(text))


def shortened(text: str) -> str:
    """`text` as far as a message shows it."""
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


_LONGEST_NAME = 80
"""Characters of a text that a message shows."""


class Source:
    """One file's text, and where its lines are.

    Attributes:
        text: the whole text in UTF-16 units, front matter included.
        path: how messages call the file.
    """

    __slots__ = ("_line_ends", "_line_starts", "path", "text")

    def __init__(self, text: str, path: str) -> None:
        self.text = to_units(text)
        self.path = path
        self._line_starts: list[int] = []
        self._line_ends: list[int] = []

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`, both counted from 1, the column in UTF-16 units."""
        starts = self._starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its line end; empty beyond the last."""
        starts = self._starts()
        if not 1 <= number <= len(starts):
            return ""
        begin = starts[number - 1]
        return self.text[begin : self.line_end(begin)]

    def line_end(self, offset: int) -> int:
        """Where the line that `offset` is on ends: the offset of its line end, or of the text's."""
        line = bisect_right(self._starts(), offset)
        return max(offset, self._line_ends[line - 1])

    def line_start(self, number: int) -> int:
        """The offset where line `number` (from 1) begins."""
        return self._starts()[number - 1]

    def _starts(self) -> list[int]:
        if not self._line_starts:
            self._line_starts.append(0)
            for end in LINE_END.finditer(self.text):
                self._line_ends.append(end.start())
                self._line_starts.append(end.end())
            self._line_ends.append(len(self.text))
        return self._line_starts


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in "'\\":
        return "\\" + sign
    return _ESCAPES.get(sign) or f"\\u{ord(sign):04x}"


def stretches(text: str) -> Iterator[str]:
    """`text` in pieces; no surrogate pair is cut in two."""
    start = 0
    while start < len(text):
        end = start + _STRETCH
        if "\ud800" <= text[end - 1 : end] <= "\udbff":
            end += 1
        yield text[start:end]
        start = end
