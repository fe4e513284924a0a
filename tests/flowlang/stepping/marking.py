"""Make a program log where it is: before each statement and after each round of a loop, which
statement it is, and every variable that can be seen.

What a stepper shows of the program as it was written can be compared with that. The variables are
read by functions of the program itself, so what stepping knows of scopes and slots has no part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowlang import nodes
from flowlang.parser import parse
from flowlang.scope import Analysis, Scope, analyse
from flowlang.source import join_pairs

UNSET = "<not yet initialised>"

_MARK = (
    "\n;function mark$(key, ...variables) { console.log('#$', key);"
    " for (const [sign, name, read] of variables) { let value; try { value = read() }"
    f" catch {{ value = '{UNSET}' }} console.log(sign, name, value) }} }}\n"
)
_STATEMENTS = (
    nodes.ExpressionStatement,
    nodes.VariableDeclaration,
    nodes.If,
    nodes.Switch,
    nodes.Break,
    nodes.Continue,
    nodes.Return,
    nodes.Throw,
)
_LOOPS = (nodes.For, nodes.ForOf, nodes.ForIn, nodes.While, nodes.DoWhile)
_SEMICOLON = re.compile(r"\s*;")


def marked(source: str) -> str:
    """The program that logs `#$ OFFSET`, or `#$ OFFSET again` after a round.

    Then it logs `+$ NAME VALUE` for each variable of the running function, and `=$ NAME VALUE` for
    each of those around it.

    Raises:
        ValueError: the text is no program, or is one `main` function.
    """
    parsed = parse(source, "marked.flow")
    if parsed.tree is None or parsed.tree.is_main:
        raise ValueError("a program that can be marked is the body of a function")
    units = parsed.source.text
    walk = _Walk(units, analyse(parsed.tree))
    walk.function(parsed.tree)
    pieces: list[str] = []
    done = 0
    for offset, _, piece, left_out in sorted(walk.insertions):
        pieces += (units[done:offset], piece)
        done = offset + left_out
    return join_pairs("".join([*pieces, units[done:], _MARK]))


class _Walk:
    """Finds what to insert: the offset, an order among those at one offset, the text, and how much
    of the source it replaces."""

    def __init__(self, units: str, analysis: Analysis) -> None:
        self.units = units
        self.analysis = analysis
        self.insertions: list[tuple[int, int, str, int]] = []
        # The loops around, innermost last, each with its labels.
        self.loops: list[tuple[nodes.Statement, frozenset[str]]] = []

    def insert(self, offset: int, order: int, text: str, left_out: int = 0) -> None:
        self.insertions.append((offset, order, text, left_out))

    def mark(self, key: str, scope: Scope, hidden: Sequence[str] = ()) -> str:
        names: dict[str, str] = {}
        at: Scope | None = scope
        while at is not None:
            for name in at.variables:
                names.setdefault(name, "+$" if at.function is scope.function else "=$")
            at = at.parent
        reads = [
            f", ['{sign}', '{name}', () => {name}]"
            for name, sign in names.items()
            if name not in hidden
        ]
        return f"mark$('{key}'{''.join(reads)})"

    # ------------------------------------------------------------------ functions and statements

    def function(self, node: nodes.Function | nodes.Program) -> None:
        info = self.analysis.function_of[node]
        around, self.loops = self.loops, []
        for parameter in info.parameters:
            self.expressions(parameter)
        if isinstance(node, nodes.Function) and node.has_expression_body:
            (body,) = node.body
            self.insert(body.start, 0, f"({self.mark(str(body.start), info.body_scope)}, ")
            self.insert(body.end, -body.start, ")")
            self.expressions(body)
        else:
            self.list(node.body, info.body_scope)
        self.loops = around

    def list(self, statements: Sequence[nodes.Statement], scope: Scope) -> None:
        for statement in statements:
            inner, labels = _unlabelled(statement)
            if isinstance(inner, (*_STATEMENTS, *_LOOPS)):
                self.insert(statement.start, 0, f";{self.mark(str(inner.start), scope)};")
            self.statement(inner, labels, scope)

    def body(self, node: nodes.Statement, scope: Scope, end: str = "", name: str = "") -> None:
        """A statement that is no member of a list: put in a block, which `end` ends."""
        inner, labels = _unlabelled(node)
        begin = f"{{ {name}: {{ " if name else "{ "
        if isinstance(inner, (*_STATEMENTS, *_LOOPS)):
            begin += f"{self.mark(str(inner.start), scope)}; "
        self.insert(node.start, 0, begin)
        semicolon = _SEMICOLON.match(self.units, node.end)
        at = node.end if semicolon is None else semicolon.end()
        self.insert(at, -node.start, f"{' }' if name else ''} {end} }}")
        self.statement(inner, labels, scope)

    def statement(self, node: nodes.Statement, labels: frozenset[str], scope: Scope) -> None:
        scopes = self.analysis.scopes
        match node:
            case nodes.Block():
                self.list(node.body, scopes[node])
            case nodes.If():
                for branch in node.branches:
                    self.expressions(branch.test)
                    self.body(branch.body, scope)
                if node.alternate is not None:
                    self.body(node.alternate, scope)
            case nodes.Switch():
                self.expressions(node.discriminant)
                for case in node.cases:
                    if case.test is not None:
                        self.expressions(case.test)
                    self.list(case.body, scopes[node])
            case nodes.Try():
                self.list(node.block.body, scopes[node.block])
                if node.handler is not None:
                    if node.handler.parameter is not None:
                        self.expressions(node.handler.parameter)
                    self.list(node.handler.body.body, scopes[node.handler.body])
                if node.finalizer is not None:
                    self.list(node.finalizer.body, scopes[node.finalizer])
            case nodes.Continue():
                loop = next(
                    loop
                    for loop, its_labels in reversed(self.loops)
                    if node.label is None or node.label in its_labels
                )
                self.insert(node.start, 1, f"break round{loop.start}", node.end - node.start)
            case _ if isinstance(node, _LOOPS):
                self.loop(node, labels, scope)
            case _:
                self.expressions(node)

    def loop(self, node: nodes.Statement, labels: frozenset[str], scope: Scope) -> None:
        inner, hidden = scope, list[str]()
        match node:
            case nodes.For():
                inner = self.analysis.scopes[node]
                for part in (node.initial, node.test, node.update):
                    if part is not None:
                        self.expressions(part)
            case nodes.ForOf() | nodes.ForIn():
                inner = self.analysis.scopes[node]
                hidden = [*inner.variables]
                self.expressions(node.target)
                self.expressions(node.iterable if isinstance(node, nodes.ForOf) else node.object)
            case nodes.While() | nodes.DoWhile():
                self.expressions(node.test)
        self.loops.append((node, labels))
        name = f"round{node.start}"
        if isinstance(node, nodes.DoWhile):
            again = self.mark(f"{node.test.start} again", scope)
            self.body(node.body, scope, name=name)
            self.insert(node.test.start, 0, f"({again}, ")
            self.insert(node.test.end, -node.test.start, ")")
        else:
            around = inner if isinstance(node, nodes.For) else scope
            again = self.mark(f"{node.start} again", around, hidden)
            assert isinstance(node, nodes.For | nodes.ForOf | nodes.ForIn | nodes.While)
            self.body(node.body, inner, f"{again};", name)
        self.loops.pop()

    def expressions(self, node: nodes.Node) -> None:
        """The functions within an expression, or a statement made of expressions."""
        if isinstance(node, nodes.Function):
            self.function(node)
        else:
            for part in nodes.parts_of(node):
                self.expressions(part)


def _unlabelled(node: nodes.Statement) -> tuple[nodes.Statement, frozenset[str]]:
    labels = set[str]()
    while isinstance(node, nodes.Labelled):
        labels.add(node.label)
        node = node.body
    return node, frozenset(labels)
