"""What the compiler asks about a piece of the tree before it lowers it.

Each answer is found once for a node and kept. A nested function counts as one node: what is inside
it is code of its own.
"""

from __future__ import annotations

from typing import NamedTuple

from flowlang import nodes
from flowlang.limits import ELEMENT_UNITS, OBJECT_UNITS, PROPERTY_UNITS, SCOPE_UNITS

WEIGHT_LIMIT = 60
"""How heavy a construct may get before it is lowered flat. Python takes 20 blocks within each other
and about 95 levels of indentation; the weights below keep any mixture of them within both."""

_WEIGHTS: dict[type[nodes.Node], int] = {
    nodes.Conditional: 1,
    nodes.Logical: 1,
    nodes.Assign: 1,
    nodes.If: 2,
    nodes.For: 5,
    nodes.ForOf: 5,
    nodes.ForIn: 5,
    nodes.While: 5,
    nodes.DoWhile: 5,
    nodes.Labelled: 5,
    nodes.Switch: 12,
    nodes.Try: 20,
}

_LOOPS = (nodes.For, nodes.ForOf, nodes.ForIn, nodes.While, nodes.DoWhile)


class Facts(NamedTuple):
    """What is known of one node.

    Attributes:
        awaits: whether an `await` stands in it.
        calls: whether a call or `new` stands in it.
        weight: how deep the Python code for it would nest, in the units of `_WEIGHTS`.
        size: how many nodes run one after the other in it: all but what loops repeat.
        memory: units of memory that its literals and functions take.
    """

    awaits: bool
    calls: bool
    weight: int
    size: int
    memory: int

    @property
    def is_flat(self) -> bool:
        """Whether it is lowered to parts that jump to each other, rather than to nested Python."""
        return self.awaits or self.weight > WEIGHT_LIMIT


class FactBook:
    """The facts of one function's nodes."""

    def __init__(self) -> None:
        self._known: dict[nodes.Node, Facts] = {}

    def of(self, node: nodes.Node) -> Facts:
        """The facts of a node."""
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._find(node)
        return known

    def is_flat(self, *parts: nodes.Node | None) -> bool:
        """Whether any of these nodes is lowered flat."""
        return any(part is not None and self.of(part).is_flat for part in parts)

    def calls(self, *parts: nodes.Node) -> bool:
        """Whether a call stands in any of these nodes."""
        return any(self.of(part).calls for part in parts)

    def size_of_round(self, *parts: nodes.Node | None) -> int:
        """How many nodes one round of a loop with these parts runs."""
        return sum(self.of(part).size for part in parts if part is not None)

    def _find(self, node: nodes.Node) -> Facts:
        awaits = isinstance(node, nodes.Await)
        calls = isinstance(node, nodes.Call | nodes.New)
        weight, size, memory = 0, 1, _own_memory(node)
        if not isinstance(node, nodes.Function):
            repeats = isinstance(node, _LOOPS)
            for part in nodes.parts_of(node):
                facts = self.of(part)
                awaits |= facts.awaits
                calls |= facts.calls
                weight = max(weight, facts.weight)
                size += 0 if repeats else facts.size
                memory += facts.memory
        if isinstance(node, nodes.Chain):
            weight += _optional_links(node)
        return Facts(awaits, calls, weight + _WEIGHTS.get(type(node), 0), size, memory)


def _optional_links(node: nodes.Chain) -> int:
    """How many `?.` a chain has; what follows each is lowered within its test."""
    count = 0
    at: nodes.Expression = node.expression
    while isinstance(at, nodes.Member | nodes.Call):
        count += at.is_optional
        at = at.object if isinstance(at, nodes.Member) else at.callee
    return count


def _own_memory(node: nodes.Node) -> int:
    match node:
        case nodes.ObjectLiteral():
            return OBJECT_UNITS + PROPERTY_UNITS * len(node.properties)
        case nodes.ArrayLiteral():
            return OBJECT_UNITS + ELEMENT_UNITS * len(node.elements)
        case nodes.Function():
            return SCOPE_UNITS
    return 0
