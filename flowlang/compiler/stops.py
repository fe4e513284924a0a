"""The places where a stepping machine stops: before each statement, before each further round.

A statement that does nothing itself when it is reached (a block, `try`, a label, a function's
declaration, `;`) is no stop. An `if` with all its `else if`s is one statement; an arrow function's
body that is an expression is one too. A loop is stopped at again after each round, before it is
decided whether there is a next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowlang import nodes

_LOOPS = (nodes.For, nodes.ForOf, nodes.ForIn, nodes.While, nodes.DoWhile)

_STATEMENTS = (
    nodes.ExpressionStatement,
    nodes.VariableDeclaration,
    nodes.If,
    nodes.Switch,
    nodes.Break,
    nodes.Continue,
    nodes.Return,
    nodes.Throw,
    *_LOOPS,
)


@dataclass(frozen=True, slots=True)
class StopPoint:
    """One such place.

    Attributes:
        offset: where it stands in the source.
        is_round: whether it is a loop after a round.
    """

    offset: int
    is_round: bool


class StopPoints:
    """All stops of a program.

    Attributes:
        points: in the order of the source; code knows them by their number.
    """

    def __init__(self, program: nodes.Program) -> None:
        self.points: list[StopPoint] = []
        self._before: dict[nodes.Node, int] = {}
        self._rounds: dict[nodes.Node, int] = {}
        for node in _statements(program):
            self._before[node] = self._add(node.start, is_round=False)
            if isinstance(node, _LOOPS):
                again = node.test.start if isinstance(node, nodes.DoWhile) else node.start
                self._rounds[node] = self._add(again, is_round=True)

    def before(self, node: nodes.Statement) -> int | None:
        """The number of the stop before a statement; None if there is none."""
        return self._before.get(node)

    def after_round(self, loop: nodes.Statement) -> int:
        """The number of the stop after each round of a loop."""
        return self._rounds[loop]

    def _add(self, offset: int, *, is_round: bool) -> int:
        self.points.append(StopPoint(offset, is_round))
        return len(self.points) - 1


def _statements(program: nodes.Program) -> Iterator[nodes.Statement]:
    """Those that are stopped at, in the order of the source."""
    stack: list[nodes.Node] = [program]
    while stack:
        node = stack.pop()
        if isinstance(node, _STATEMENTS):
            yield node
        parts: list[nodes.Node] = []
        for name in node.__struct_fields__:
            value = getattr(node, name)
            if isinstance(value, nodes.Node):
                parts.append(value)
            elif isinstance(value, tuple):
                parts += [item for item in value if isinstance(item, nodes.Node)]
        if isinstance(node, nodes.For) and isinstance(node.initial, nodes.VariableDeclaration):
            # Stopped at with its loop; functions within it have stops of their own.
            parts[:1] = node.initial.declarations
        stack += reversed(parts)
