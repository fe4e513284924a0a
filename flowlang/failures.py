"""Where a statement stops matching the grammar: what those who explain it look at."""

from __future__ import annotations

from typing import Final

from flowlang.diagnostics import Diagnostic, report
from flowlang.source import Source
from flowlang.tokens import Token

OPERAND_ENDS: Final = frozenset(
    [
        "name",
        "number",
        "string",
        "template",
        "tail",
        "regex",
        ")",
        "]",
        "}",
        "null",
        "true",
        "false",
    ]
)
"""Types of tokens that a value can end with."""


class Failure:
    """A statement that does not match.

    Attributes:
        start: the index of its first token; `at` that of the token where no rule could go on.
        expected: names of rules and types of tokens that could have stood there.
    """

    def __init__(
        self, source: Source, tokens: list[Token], start: int, at: int, expected: set[str]
    ) -> None:
        self.source = source
        self.tokens = tokens
        self.start = start
        self.at = at
        self.expected = expected
        self.first = tokens[start]
        self.here = tokens[at]
        self.previous = tokens[at - 1] if at > start else tokens[start]

    def say(self, code: str, token: Token | None = None, **fields: object) -> Diagnostic:
        """The diagnostic, at a token; at the one that does not match unless another is given."""
        token = token or self.here
        if token.type == "eof":
            # There may be empty lines before it: the last thing that stands there is shown.
            behind = self.tokens[-2].end if len(self.tokens) > 1 else token.start
            return self.say_at(code, behind, behind, **fields)
        return self.say_between(code, token, token, **fields)

    def say_between(self, code: str, first: Token, last: Token, **fields: object) -> Diagnostic:
        return self.say_at(code, first.start, last.end, **fields)

    def say_at(self, code: str, start: int, end: int, **fields: object) -> Diagnostic:
        return report(self.source, code, start, end, **fields)  # type: ignore[arg-type]  # fields and notes both pass through

    def token(self, offset: int) -> Token:
        """The token so many behind the one that does not match (before it when negative)."""
        last = len(self.tokens) - 1
        return self.tokens[max(0, min(self.at + offset, last))]

    @property
    def is_second(self) -> bool:
        """Whether only one token of the statement matches."""
        return self.at == self.start + 1

    @property
    def touches(self) -> bool:
        """Whether there is no space before the token."""
        return self.previous.end == self.here.start

    def enclosing(self) -> int:
        """The index of the innermost bracket of the statement around the token; -1 for none."""
        for index in range(self.at - 1, self.start - 1, -1):
            if self.tokens[index].partner > self.at - 1:
                return index
        return -1

    def follows_on_line(self, type: str) -> bool:
        """Whether such a token stands further right on the same line."""
        for token in self.tokens[self.at + 1 :]:
            if token.newline:
                return False
            if token.type == type:
                return True
        return False


def describe(token: Token) -> str:
    """How a message calls a token that was found."""
    type = token.type
    if type == "eof":
        return "the end of the file"
    if type == "string":
        text = token.text if len(token.text) <= 30 else token.text[:29] + "…"
        return f"the string {text}"
    if type == "number":
        return f"the number {token.text[:30]}"
    if type in ("template", "head"):
        return "a template"
    if type in ("middle", "tail"):
        return "'}'"
    return f"'{token.text[:30]}'"
