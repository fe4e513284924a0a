"""How often each grammar rule, pair of an operator's kinds and library function ran.

A rule ran once for each place of a program that it matched and V8 came to; a kind of node likewise.
A library function ran as often as Flow's own table was called; operators with the kinds of their
operands are counted by the generator, in lines that always run.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Final

import flowlang
from flowlang import nodes, parser
from flowlang.library import REGISTRY
from flowlang.tree_builder import TreeBuilder
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


_NOT_COUNTED: Final = frozenset(
    [
        "with", "debugger", "module", "class", "yield", "yielded", "accessor", "new_target",
        "template_operand", "shorthand", "bare_condition", "constructor_member",
        "shorthand_default",
    ]
)  # fmt: skip
"""Rules that no program of the language holds, since what they match is refused; and `shorthand`,
which is another name of `name` and shows as a node."""

_GRAMMAR_RULES: Final = (
    frozenset(
        re.findall(
            r"^([a-z_]+) +=",
            files("flowlang").joinpath("flow.peg").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    - _NOT_COUNTED
)

Ranges = list[tuple[int, int, int]]
"""Start, end and count of what V8 ran, outer ranges before inner ones."""


class Coverage:
    """Counts over many programs.

    Attributes:
        is_counting: false while a program is run only to make it smaller.
    """

    def __init__(self) -> None:
        self.rules: Counter[str] = Counter(dict.fromkeys(_GRAMMAR_RULES, 0))
        self.nodes: Counter[str] = Counter(dict.fromkeys(_ALL_NODES, 0))
        self.pairs: Counter[str] = Counter(dict.fromkeys(_all_pairs(), 0))
        self.functions: Counter[str] = Counter(dict.fromkeys(_all_functions(), 0))
        self.is_counting = True
        self._parsed: tuple[Any, Any, nodes.Program] | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count every call of a library function, and see what the parser makes of each source."""
        for name, function in REGISTRY.items():
            if function.method is not None:
                function.method = self._counted(name, function.method)
            else:
                function.call = self._counted(name, function.call)
            if function.construct is not None:
                function.construct = self._counted(f"new {name}", function.construct)
        coverage = self
        # The parser looks it up there, but it is no name that others have from it.
        at_work: Any = parser

        class Watched(TreeBuilder):
            def program(self, match: Any) -> nodes.Program:
                tree = super().program(match)
                coverage._parsed = match, self.tokens, tree
                return tree

        at_work.TreeBuilder = Watched
        try:
            yield
        finally:
            at_work.TreeBuilder = TreeBuilder

    def add_file(self, path: Path) -> None:
        """Count what earlier runs counted, and write the sum there."""
        counters = self.rules, self.nodes, self.functions, self.pairs
        if path.exists():
            for counter, counts in zip(counters, json.loads(path.read_text()), strict=True):
                counter.update(counts)
        path.write_text(json.dumps(counters))

    def add(self, other: Coverage) -> None:
        """Count what another one counted too."""
        self.rules.update(other.rules)
        self.nodes.update(other.nodes)
        self.pairs.update(other.pairs)
        self.functions.update(other.functions)

    def add_pairs(self, pairs: Counter[tuple[str, str, str]]) -> None:
        """Count operators with the kinds of their operands."""
        for (operator, one, other), count in pairs.items():
            self.pairs[f"{operator} {one} {other}".rstrip()] += count

    def add_latest(self, ran: Ranges) -> None:
        """Count the rules and nodes of the program parsed last that V8 ran."""
        if self._parsed is None:
            return
        match, tokens, tree = self._parsed
        self._parsed = None
        times = _Times(ran, [token.start for token in tokens])
        open_matches = [match]
        while open_matches:
            one = open_matches.pop()
            open_matches += one.children
            if one.expr_name in _GRAMMAR_RULES and one.end > one.start:
                if times.at(tokens[one.start].start, tokens[one.end - 1].end):
                    self.rules[one.expr_name] += 1
            elif one.expr_name in _GRAMMAR_RULES:
                self.rules[one.expr_name] += 1
        for node in walk(tree):
            if times.at(node.start, node.end):
                self.nodes.update(_kinds(node))

    def report(self, least: int) -> str:
        """What ran, and what ran less often than `least` times."""
        return "\n\n".join(
            _section(title, counts, least)
            for title, counts in (
                ("Rules of the grammar", self.rules),
                ("Nodes of the tree", self.nodes),
                ("Functions of the library", self.functions),
                ("Operators with the kinds of their operands", self.pairs),
            )
        )

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        functions = self.functions

        def counted(*args: Any) -> Any:
            if self.is_counting:
                functions[name] += 1
            return function(*args)

        return counted


_SHOWN_IN_FULL: Final = 400


def _section(title: str, counts: Counter[str], least: int) -> str:
    rare = sorted((count, name) for name, count in counts.items() if count < least)
    lowest, name = min((count, name) for name, count in counts.items())
    lines = [f"{title}: {len(counts)}, the least {lowest} ({name}), {len(rare)} under {least}"]
    if len(counts) <= _SHOWN_IN_FULL:
        lines.append("  " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
    if rare:
        more = f" and {len(rare) - 100} more" if len(rare) > 100 else ""
        lines.append("  under: " + ", ".join(f"{name} {n}" for n, name in rare[:100]) + more)
    return "\n".join(lines)


def _kinds(node: nodes.Node) -> list[str]:
    kind = type(node)
    kinds = [kind.__name__]
    if kind in _KINDS_OF:
        kinds.append(f"{kind.__name__} {getattr(node, _KINDS_OF[kind])}")
    if isinstance(node, nodes.Function) and node.is_async:
        kinds.append(f"async {node.kind}")
    if isinstance(node, nodes.Binary):
        kinds += [f"Binary {operator}" for operator in node.operators]
    if isinstance(node, (nodes.Break, nodes.Continue)) and node.label:
        kinds.append(f"{kind.__name__} label")
    if isinstance(node, nodes.Try):
        parts = ("catch" if node.handler else "") + ("finally" if node.finalizer else "")
        kinds.append(f"Try {parts}")
    if isinstance(node, (nodes.Member, nodes.Call)) and node.is_optional:
        kinds.append(f"{kind.__name__} ?.")
    if isinstance(node, nodes.Element) and node.is_rest:
        kinds.append("Element rest")
    return kinds


class _Times:
    """How often V8 came to a place: the count of the innermost range around it."""

    def __init__(self, ran: Ranges, starts: list[int]) -> None:
        self._ran = ran
        self._parents: list[int] = []
        self._innermost: dict[int, int] = {}
        around: list[int] = []
        position = 0
        for start in starts:
            while position < len(ran) and ran[position][0] <= start:
                while around and ran[around[-1]][1] <= ran[position][0]:
                    around.pop()
                self._parents.append(around[-1] if around else -1)
                around.append(position)
                position += 1
            while around and ran[around[-1]][1] <= start:
                around.pop()
            self._innermost[start] = around[-1] if around else -1

    def at(self, start: int, end: int) -> int:
        """For a place that begins with a token; 1 where V8 says nothing."""
        index = self._innermost.get(start, -1)
        while index >= 0 and self._ran[index][1] < end:
            index = self._parents[index]
        return self._ran[index][2] if index >= 0 else 1


def _all_pairs() -> Iterator[str]:
    for operator, one, other in product(BINARY, KINDS, KINDS):
        yield f"{operator} {one} {other}"
    for operator, kind in product(UNARY, KINDS):
        yield f"{operator} {kind}"


def _all_functions() -> Iterator[str]:
    for name, function in REGISTRY.items():
        yield name
        if function.construct is not None and not _is_refused(f"new {name}()"):
            yield f"new {name}"


def _is_refused(source: str) -> bool:
    return any(found.severity == "error" for found in flowlang.check(source))


_ALL_NODES: Final = tuple(
    name
    for name, kind in vars(nodes).items()
    if isinstance(kind, type) and issubclass(kind, nodes.Node) and not kind.__subclasses__()
)
