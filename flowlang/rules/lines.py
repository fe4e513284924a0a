"""A line that goes on with the one above, where it looks like a statement of its own.

JavaScript inserts no semicolon before `(` and `[`: what stands above is called, or asked for an
element.
"""

from __future__ import annotations

from flowlang import nodes
from flowlang.rules.facts import Facts

_WORDS = {"(": "calls", "[": "asks for an element of"}


def check_lines(facts: Facts) -> None:
    for node in facts.all(nodes.Call, nodes.Member):
        if node.is_optional or (isinstance(node, nodes.Member) and not node.computed):
            continue
        above = node.callee if isinstance(node, nodes.Call) else node.object
        opener = facts.opener_behind(above)
        if opener is None or not opener.newline:
            continue
        sign = opener.type[0]
        if sign in _WORDS:
            facts.report_at(
                "continued-line",
                opener.start,
                opener.end,
                sign=sign,
                does=_WORDS[sign],
                what=facts.text(above, 30),
            )
