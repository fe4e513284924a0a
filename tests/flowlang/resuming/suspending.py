"""Make a program wait where it did not: before each statement of its body and async functions, and
at each `await`.

The program then does something else, but it stands still nearly everywhere, with everything alive
that it works with: that is what restoring a state has to be tried on.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowlang import nodes
from flowlang.parser import parse
from flowlang.source import join_pairs

_HELD = "\n;async function hold$(value) { await Timer.delay(1); return value }\n"


def suspending(source: str) -> str:
    """The program with a timer awaited wherever one can be.

    Raises:
        ValueError: the text is no program, or is one `main` function.
    """
    parsed = parse(source, "suspending.flow")
    if parsed.tree is None or parsed.tree.is_main:
        raise ValueError("a program that can be made to wait is the body of a function")
    units = parsed.source.text
    pieces: list[str] = []
    done = 0
    for offset, _, piece in sorted(_insertions(parsed.tree)):
        pieces += (units[done:offset], piece)
        done = offset
    return join_pairs("".join([*pieces, units[done:], _HELD]))


def _insertions(tree: nodes.Program) -> Iterator[tuple[int, int, str]]:
    """What to insert: the offset, an order among those at one offset, and the text."""
    stack: list[tuple[nodes.Node, bool]] = [(tree, True)]
    while stack:
        node, waits = stack.pop()
        if isinstance(node, nodes.Function):
            waits = node.is_async
        if isinstance(node, nodes.Await):
            yield node.start + len("await"), 1, " hold$("
            yield node.end, -node.start, ")"
        elif waits and isinstance(node, nodes.Program | nodes.Block | nodes.Case | nodes.Function):
            is_list = not (isinstance(node, nodes.Function) and node.has_expression_body)
            for statement in node.body if is_list else ():
                yield statement.start, 0, ";await hold$();"
        stack += ((part, waits) for part in nodes.parts_of(node))
