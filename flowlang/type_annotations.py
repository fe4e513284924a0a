"""Where a type of TypeScript ends, so that what stands behind it can be read.

Flow has no types; files that were TypeScript are told of each one, not of the first alone.
"""

from __future__ import annotations

from typing import Final

from flowlang.tokens import KEYWORDS, Token

_WORDS: Final = (KEYWORDS - {"in", "instanceof"}) | {"name", "string", "number", "template"}
_JOINING: Final = frozenset(["|", "&", ".", "=>", "?", ":", "...", "<", ","])


def type_end(tokens: list[Token], pos: int) -> int:
    """The index behind the type that begins at `pos`; `pos` itself when none does."""
    depth = 0
    at = pos
    while True:
        token = tokens[at]
        previous = tokens[at - 1].type
        goes_on = at == pos or previous in _JOINING or depth > 0
        if token.newline and at > pos and not goes_on and token.type not in ("|", "&"):
            return at
        if token.type == "<":
            depth += 1
        elif token.type in (">", ">>", ">>>") and depth >= len(token.type):
            depth -= len(token.type)
        elif token.type in ("(", "(=>", "{", "[", "[=", "{="):
            if token.type in ("{", "{=") and not goes_on:
                return at
            at = token.partner
        elif token.type in ("|", "&", ".", "=>") or (token.type == "," and depth > 0):
            pass
        elif token.type in _WORDS:
            is_operator = tokens[at - 1].text in ("keyof", "typeof", "readonly", "is", "infer")
            if not goes_on and not is_operator and token.text not in ("is", "extends"):
                return at
        else:
            return at if depth == 0 else pos
        at += 1
