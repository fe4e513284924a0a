"""Lowering of statements but loops and exits."""

from __future__ import annotations

from flowlang import nodes
from flowlang.compiler.assignments import assign, assign_unneeded, initialise, update
from flowlang.compiler.exits import leave_with, throw_value
from flowlang.compiler.expressions import discard
from flowlang.compiler.lowering import UNDEFINED, Line, Lowering, Operand, lowers_statement
from flowlang.compiler.operators import truth


@lowers_statement(nodes.Empty)
def _empty(low: Lowering, node: nodes.Empty) -> None:
    pass


@lowers_statement(nodes.Block)
def _block(low: Lowering, node: nodes.Block) -> None:
    block(low, node)


def block(low: Lowering, node: nodes.Block) -> None:
    """A block with the scope of its own."""
    with low.within(low.analysis.scopes[node], node):
        low.statements(node.body)


@lowers_statement(nodes.ExpressionStatement)
def _expression_statement(low: Lowering, node: nodes.ExpressionStatement) -> None:
    low.charge(node.expression)
    evaluate(low, node.expression)


def evaluate(low: Lowering, node: nodes.Expression) -> None:
    """An expression for its effects alone."""
    if isinstance(node, nodes.Update):
        value = update(low, node, needed=False)
        if not isinstance(node.target, nodes.Identifier):
            discard(low, value)
    elif isinstance(node, nodes.Assign):
        assign_unneeded(low, node)
    else:
        discard(low, low.expression(node))


@lowers_statement(nodes.VariableDeclaration)
def _variable_declaration(low: Lowering, node: nodes.VariableDeclaration) -> None:
    for declarator in node.declarations:
        target = declarator.target
        if declarator.value is None:
            if node.kind != "var":
                initialise(low, target, UNDEFINED)
            continue
        value = low.whole(declarator.value)
        if not isinstance(target, nodes.Identifier):
            value = low.hold(value, target)
        if node.kind == "var":
            assign(low, target, value)
        else:
            initialise(low, target, value)


@lowers_statement(nodes.FunctionDeclaration)
def _function_declaration(low: Lowering, node: nodes.FunctionDeclaration) -> None:
    # The function was made when its scope was entered. In a block, Annex B.3.3 has the
    # declaration copy it to a variable of the function when it is reached.
    outer = low.analysis.block_functions.get(node)
    if outer is not None:
        assert node.function.name is not None
        own = low.analysis.function_of[node.function].declared_as
        assert own is not None
        low.emit(f"{low.place(outer)} = {low.place(own)}")


MOST_ELIFS = 500
"""Python's parser recurses over `elif`, and gives up after some thousands of them."""


@lowers_statement(nodes.If)
def _if(low: Lowering, node: nodes.If) -> None:
    if low.facts.is_flat(node):
        _flat_if(low, node)
        return
    tests: list[str] = []
    for branch in node.branches:
        low.offset = branch.start
        if not tests:
            low.charge(branch.test)
            tests.append(truth(low, branch.test))
            if len(node.branches) > MOST_ELIFS:
                _if_with_statements(low, node, tests, [])
                return
            continue
        with low.captured(indent=0) as lines:
            low.charge(branch.test)
            tests.append(truth(low, branch.test))
        if lines:
            _if_with_statements(low, node, tests, lines)
            return
    for position, branch in enumerate(node.branches):
        with low.indented(f"{'elif' if position else 'if'} {tests[position]}:"):
            low.statement(branch.body)
    if node.alternate is not None:
        with low.indented("else:"):
            low.statement(node.alternate)


def _if_with_statements(low: Lowering, node: nodes.If, tests: list[str], lines: list[Line]) -> None:
    """`else if` whose test needs statements: which branch is taken is found first, flat."""
    chosen = low.name("t")
    position = 0
    with low.indented("while True:"):
        for position, test in enumerate(tests[:-1]):
            low.emit(f"{chosen} = {position}")
            low.emit(f"if {test}: break")
        low.lines.extend(lines)
        for line in lines:
            line.indent += 1
        low.emit(f"{chosen} = {len(tests) - 1}")
        low.emit(f"if {tests[-1]}: break")
        for position in range(len(tests), len(node.branches)):
            branch = node.branches[position]
            low.offset = branch.start
            low.charge(branch.test)
            test = truth(low, branch.test)
            low.emit(f"{chosen} = {position}")
            low.emit(f"if {test}: break")
        low.emit(f"{chosen} = {len(node.branches)}")
        low.emit("break")
    for position, branch in enumerate(node.branches):
        with low.indented(f"if {chosen} == {position}:"):
            low.statement(branch.body)
    if node.alternate is not None:
        with low.indented(f"if {chosen} == {len(node.branches)}:"):
            low.statement(node.alternate)


def _flat_if(low: Lowering, node: nodes.If) -> None:
    end = low.new_part()
    for branch in node.branches:
        low.offset = branch.start
        otherwise = low.new_part()
        low.charge(branch.test)
        low.emit(f"if not {truth(low, branch.test)}: return {otherwise.index}")
        low.statement(branch.body)
        low.go(end)
        low.begin(otherwise)
    if node.alternate is not None:
        low.statement(node.alternate)
    low.go(end)
    low.begin(end)


@lowers_statement(nodes.Return)
def _return(low: Lowering, node: nodes.Return) -> None:
    value = UNDEFINED if node.value is None else low.whole(node.value)
    leave_with(low, value)


@lowers_statement(nodes.Throw)
def _throw(low: Lowering, node: nodes.Throw) -> None:
    throw_value(low, low.whole(node.value))


def declare(low: Lowering, kind: str | None, target: nodes.Target, value: Operand) -> None:
    """What `for (kind target of …)` does with each value."""
    if kind in (None, "var"):
        assign(low, target, value)
    else:
        initialise(low, target, value)
