"""How often each grammar rule, pair of an operator's kinds and library function ran.

A node of the tree ran as often as V8 says that the innermost range around it did; a library
function as often as Flow's own table was called; operators with the kinds of their operands are counted by
the generator, in lines that always run.
"""

# ruff: noqa: E501 - a line of the generated source is easier to read in one piece

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from flowlang import nodes
from flowlang.library import REGISTRY
from flowlang.parser import parse
from tests.flowlang.fuzz.generator.literals import KINDS
from tests.flowlang.fuzz.generator.operators import BINARY, UNARY
from tests.flowlang.fuzz.shrinking import walk

_KINDS_OF: dict[type[nodes.Node], str] = {
    nodes.VariableDeclaration: "kind",
    nodes.ForOf: "kind",
    nodes.ForIn: "kind",
    nodes.Assign: "operator",
    nodes.Logical: "operator",
    nodes.Unary: "operator",
    nodes.Update: "operator",
    nodes.Property: "kind",
    nodes.Function: "kind",
}
"""Nodes that are counted by this field too."""


class Coverage:
    """Counts over many programs."""

    def __init__(self) -> None:
        self.rules: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str, str]] = Counter()
        self.functions: Counter[str] = Counter()
        self._watched = False

    def watch_library(self) -> None:
        """Count every call of a library function from here on, in this process."""
        for name, function in REGISTRY.items():
            if function.method is not None:
                function.method = self._counted(name, function.method)
            else:
                function.call = self._counted(name, function.call)
            if function.construct is not None:
                function.construct = self._counted(f"new {name}", function.construct)

    def add_source(self, source: str, ran: list[tuple[int, int, int]]) -> None:
        """Count the nodes of a program that ran."""
        tree = parse(source, "fuzz.flow").tree
        if tree is None:
            return
        for node in walk(tree):
            if _count_at(node, ran):
                for rule in _rules(node):
                    self.rules[rule] += 1

    def report(self, least: int) -> str:
        """The counts, and what ran less often than `least` times."""
        rules, functions = dict(self.rules), {name: self.functions[name] for name in REGISTRY}
        missing = {name: 0 for name in _ALL_RULES if name not in rules}
        pairs = {
            f"{operator} {one} {other}": self.pairs[operator, one, other]
            for operator in BINARY
            for one in KINDS
            for other in (KINDS if operator != "instanceof" else ("function", "object", "number"))
        } | {
            f"{operator} {kind}": self.pairs[operator, kind, ""]
            for operator in UNARY
            for kind in KINDS
        }
        constructions = {name: n for name, n in self.functions.items() if name.startswith("new ")}
        return "\n\n".join(
            (
                _section("Grammar", {**missing, **rules}, least, True),
                _section("Library", {**functions, **constructions}, least, True),
                _section("Operators with kinds of operands", pairs, least, False),
            )
        )

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        functions = self.functions

        def counted(*args: Any) -> Any:
            functions[name] += 1
            return function(*args)

        return counted


def _section(title: str, counts: dict[str, int], least: int, in_full: bool) -> str:
    rare = sorted((count, name) for name, count in counts.items() if count < least)
    lines = [f"{title}: {len(counts)}, {len(rare)} of them under {least}"]
    if in_full:
        shown = sorted(counts.items(), key=lambda item: -item[1])
        lines.append("  " + ", ".join(f"{name} {count}" for name, count in shown))
    if rare:
        lines.append("  under: " + ", ".join(f"{name} {count}" for count, name in rare[:60]))
    return "\n".join(lines)


def _rules(node: nodes.Node) -> list[str]:
    kind = type(node)
    rules = [kind.__name__]
    if kind in _KINDS_OF:
        rules.append(f"{kind.__name__} {getattr(node, _KINDS_OF[kind])}")
    if isinstance(node, nodes.Function) and node.is_async:
        rules.append(f"async {node.kind}")
    if isinstance(node, nodes.Binary):
        rules += [f"Binary {operator}" for operator in node.operators]
    if isinstance(node, (nodes.Break, nodes.Continue)) and node.label:
        rules.append(f"{kind.__name__} label")
    if isinstance(node, nodes.Try):
        parts = ("catch" if node.handler else "") + ("finally" if node.finalizer else "")
        rules.append(f"Try {parts}")
    if isinstance(node, (nodes.Member, nodes.Call)) and node.is_optional:
        rules.append(f"{kind.__name__} ?.")
    if isinstance(node, nodes.Element) and node.is_rest:
        rules.append("Element rest")
    return rules


def _count_at(node: nodes.Node, ran: list[tuple[int, int, int]]) -> int:
    count = 1
    for start, end, times in ran:
        if start <= node.start and node.end <= end:
            count = times
        elif start > node.end:
            break
    return count


_ALL_RULES = tuple(
    name
    for name, kind in vars(nodes).items()
    if isinstance(kind, type) and issubclass(kind, nodes.Node) and kind is not nodes.Node
)
