"""Comments within comments: the first `*/` ends them all, and what stands between them is no code.

So a comment whose end was forgotten swallows the program up to the end of the next one.
"""

from __future__ import annotations

import re
from typing import Final

from flowlang.rules.facts import Facts

_COMMENT: Final = re.compile(r"//[^\n\r\u2028\u2029]*+|/\*[\s\S]*?\*/")
_SIGN: Final = "/*"


def check_comments(facts: Facts) -> None:
    source = facts.source
    if source.text.find(_SIGN, facts.begin) < 0:
        return
    before = facts.begin
    for token in facts.tokens:
        if token.start - before > 2 * len(_SIGN):
            for comment in _COMMENT.finditer(source.text, before, token.start):
                inner = source.text.find(_SIGN, comment.start() + len(_SIGN), comment.end())
                if inner >= 0 and not comment.group().startswith("//"):
                    line, _ = source.position(comment.start())
                    facts.report_at("nested-comment", inner, inner + len(_SIGN), line=line)
        before = token.end
