"""Which node of one syntax tree is which of another one, an edited one.

Both are gone through from the top. In two lists of statements (or of arguments, properties …) what
is the same in both, in the same order, belongs together; where several are alike, so that another
one could be meant, that is noted. In the gaps between those, two belong together when each is the
only one there with its name, or the only one of its kind. What does not belong to anything has been
added or taken away.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Final

from flowlang import nodes
from flowlang.limits import RoomToRecurse

_MOST_COMPARED: Final = 4_000_000
"""Of two lists whose lengths make more than this together only both ends are compared."""

Around = tuple[nodes.Node, str]
"""The node that another one is directly in, and the field that it is in."""


class Matching:
    """Two trees, the old one and the new one.

    Attributes:
        counterpart: for nodes of the old tree, those of the new one.
        doubtful: nodes of the old tree that could as well belong to another one than to theirs.
        around: where each node of either tree stands; neither tree itself does.
    """

    def __init__(self, old: nodes.Program, new: nodes.Program) -> None:
        self.counterpart: dict[nodes.Node, nodes.Node] = {}
        self.doubtful: set[nodes.Node] = set()
        self.around: dict[nodes.Node, Around] = {}
        self._shapes: dict[Hashable, int] = {}
        self._shape_of: dict[nodes.Node, int] = {}
        with RoomToRecurse():
            for tree in (old, new):
                self._note(tree)
            self._pair(old, new)

    def same(self, old: nodes.Node | None, new: nodes.Node | None) -> bool:
        """Whether two pieces of source are the same, apart from where they stand."""
        if old is None or new is None:
            return old is new
        return self._shape_of[old] == self._shape_of[new]

    def is_doubtful(self, node: nodes.Node) -> bool:
        """Whether a node of the old tree, or something around it, could belong elsewhere."""
        at: nodes.Node | None = node
        while at is not None:
            if at in self.doubtful:
                return True
            at = self.around[at][0] if at in self.around else None
        return False

    def awaits_the_same(self, old: nodes.Await, new: nodes.Await) -> bool:
        """Whether two `await`s wait for the same: what is given along may be another."""
        mine, other = old.operand, new.operand
        if isinstance(mine, nodes.Call) and isinstance(other, nodes.Call):
            return self._named(mine) == self._named(other)
        return self.same(mine, other)

    def _note(self, node: nodes.Node) -> int:
        """Where the nodes within one stand; the number of its shape."""
        shape: list[Hashable] = [type(node).__name__]
        for field in node.__struct_fields__[2:]:
            value = getattr(node, field)
            if isinstance(value, nodes.Node):
                self.around[value] = node, field
                value = self._note(value)
            elif isinstance(value, tuple):
                for item in value:
                    if isinstance(item, nodes.Node):
                        self.around[item] = node, field
                value = tuple(
                    (self._note(item),) if isinstance(item, nodes.Node) else item for item in value
                )
            shape.append((field, value))
        number = self._shapes.setdefault(tuple(shape), len(self._shapes))
        self._shape_of[node] = number
        return number

    def _pair(self, old: nodes.Node, new: nodes.Node) -> None:
        self.counterpart[old] = new
        for field in old.__struct_fields__[2:]:
            mine, other = getattr(old, field), getattr(new, field)
            if isinstance(mine, tuple):
                self._pair_lists(
                    [item for item in mine if isinstance(item, nodes.Node)],
                    [item for item in other if isinstance(item, nodes.Node)],
                )
            elif isinstance(mine, nodes.Node) and type(mine) is type(other):
                self._pair(mine, other)

    def _pair_lists(self, old: Sequence[nodes.Node], new: Sequence[nodes.Node]) -> None:
        shapes = [self._shape_of[node] for node in old], [self._shape_of[node] for node in new]
        early = common(*shapes)
        late = {
            (len(old) - 1 - i, len(new) - 1 - j)
            for i, j in common(shapes[0][::-1], shapes[1][::-1])
        }
        self.doubtful.update(old[i] for i, j in early if (i, j) not in late)
        at, other_at = 0, 0
        for i, j in [*early, (len(old), len(new))]:
            self._pair_changed(old[at:i], new[other_at:j])
            if i < len(old):
                self._pair(old[i], new[j])
            at, other_at = i + 1, j + 1

    def _pair_changed(self, old: Sequence[nodes.Node], new: Sequence[nodes.Node]) -> None:
        """What belongs together of what has been changed, between two places that have not."""
        left, others = list(old), list(new)
        for naming in (self._named, type):
            names = [naming(node) for node in left], [naming(node) for node in others]
            for node, name in zip(tuple(left), names[0], strict=True):
                if name is not None and names[0].count(name) == names[1].count(name) == 1:
                    other = others[[naming(node) for node in others].index(name)]
                    self._pair(node, other)
                    left.remove(node)
                    others.remove(other)

    def _named(self, node: nodes.Node) -> Hashable:
        """What tells a changed node from its neighbours; None if nothing does."""
        match node:
            case nodes.FunctionDeclaration(function=function):
                return "function", function.name and function.name.name
            case nodes.VariableDeclaration():
                return "variables", tuple(
                    self._shape_of[declarator.target] for declarator in node.declarations
                )
            case nodes.Declarator() | nodes.Assign() | nodes.PatternProperty() | nodes.Element():
                return type(node), self._shape_of[node.target]
            case nodes.ExpressionStatement(expression=expression):
                return self._named(expression)
            case nodes.Await(operand=operand):
                return "await", self._named(operand)
            case nodes.Call(callee=callee, arguments=(nodes.StringLiteral(value=first), *_)):
                return "call", self._shape_of[callee], first
            case nodes.Call(callee=callee):
                return "call", self._shape_of[callee]
            case nodes.Property(key=key):
                return "property", self._shape_of[key]
            case nodes.Branch(test=test) | nodes.While(test=test):
                return type(node), self._shape_of[test]
            case nodes.If(branches=(first_branch, *_)):
                return "if", self._shape_of[first_branch.test]
            case nodes.ForOf(iterable=over) | nodes.ForIn(object=over):
                return type(node), self._shape_of[over]
            case nodes.Case(test=nodes.Node() as test):
                return "case", self._shape_of[test]
            case nodes.Labelled(label=label):
                return "label", label
        return None


def common(old: Sequence[int], new: Sequence[int]) -> list[tuple[int, int]]:
    """The places of a longest sequence that both have, each as early as it can be."""
    start = 0
    end = min(len(old), len(new))
    if len(old) * len(new) > _MOST_COMPARED:
        while start < end and old[start] == new[start]:
            start += 1
        left, right = len(old), len(new)
        while left > start and right > start and old[left - 1] == new[right - 1]:
            left, right = left - 1, right - 1
        middle = (
            list(_common(old[start:left], new[start:right]))
            if (left - start) * (right - start) <= _MOST_COMPARED
            else []
        )
        return [
            *((i, i) for i in range(start)),
            *((start + i, start + j) for i, j in middle),
            *zip(range(left, len(old)), range(right, len(new)), strict=True),
        ]
    return list(_common(old, new))


def _common(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[int, int]]:
    # lengths[i][j]: of what old[i:] and new[j:] have in common.
    lengths = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        row, below = lengths[i], lengths[i + 1]
        for j in reversed(range(len(new))):
            row[j] = below[j + 1] + 1 if old[i] == new[j] else max(below[j], row[j + 1])
    i = j = 0
    while i < len(old) and j < len(new) and lengths[i][j]:
        if old[i] == new[j] and lengths[i][j] == lengths[i + 1][j + 1] + 1:
            yield i, j
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
