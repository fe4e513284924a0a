"""The text of a .flow file in JavaScript's terms: UTF-16 units, lines, columns.

Positions everywhere in flowlang are offsets into `Source.text`, which holds one Python character
per UTF-16 unit: that is what JavaScript counts, and what editors count columns in.
"""

from __future__ import annotations

import re
from bisect import bisect_right

LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udfff]")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
_TO_ESCAPE = re.compile(r"['\\\x00-\x1f\x7f\u2028\u2029]")


def to_units(text: str) -> str:
    """`text` with each character beyond U+FFFF as its surrogate pair."""
    if text.isascii():
        return text
    return _ASTRAL.sub(_split, text)


def from_units(units: str) -> str:
    """`units` with each surrogate pair joined; a lone surrogate becomes U+FFFD, so that the answer
    can be written as UTF-8."""
    if units.isascii():
        return units
    return _LONE.sub("\ufffd", _PAIR.sub(_join, units))


def join_pairs(units: str) -> str:
    """`units` with each surrogate pair joined and lone surrogates left alone."""
    if units.isascii():
        return units
    return _PAIR.sub(_join, units)


def quoted(text: str) -> str:
    """`text` in single quotes on one line, as `console` shows it and messages name it. Not by
    `repr`: what that escapes changes with Python's Unicode."""
    if text.isascii() and text.isidentifier():
        return f"'{text}'"
    return f"'{_TO_ESCAPE.sub(_escape, text)}'"


class Source:
    """One file's text, and where its lines are.

    Attributes:
        text: the whole text in UTF-16 units, front matter included.
        path: how messages call the file.
    """

    __slots__ = ("_line_starts", "path", "text")

    def __init__(self, text: str, path: str) -> None:
        self.text = to_units(text)
        self.path = path
        self._line_starts: list[int] | None = None

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
        end = LINE_END.search(self.text, offset)
        return end.start() if end else len(self.text)

    def line_start(self, number: int) -> int:
        """The offset where line `number` (from 1) begins."""
        return self._starts()[number - 1]

    def _starts(self) -> list[int]:
        if self._line_starts is None:
            self._line_starts = [0, *(found.end() for found in LINE_END.finditer(self.text))]
        return self._line_starts


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in "'\\":
        return "\\" + sign
    return _ESCAPES.get(sign) or f"\\u{ord(sign):04x}"


def _split(found: re.Match[str]) -> str:
    code = ord(found.group()) - 0x10000
    return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


def _join(found: re.Match[str]) -> str:
    pair = found.group()
    return chr(0x10000 + ((ord(pair[0]) - 0xD800) << 10) + (ord(pair[1]) - 0xDC00))
