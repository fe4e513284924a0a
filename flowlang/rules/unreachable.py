"""Code that can never be reached: what leaves, or never ends, stands before it.

Function declarations, which exist before anything runs, and `var` without a value are left alone;
so is a `break` behind a `return` in a `switch`, which many write by habit. `Workflow.restart`
leaves all at once: no `finally` around it runs either.
"""

from __future__ import annotations

from typing import Final

from flowlang import nodes
from flowlang.rules.facts import Facts, inside

_LEAVING: Final = {
    nodes.Return: "return", nodes.Throw: "throw", nodes.Break: "break", nodes.Continue: "continue",
}  # fmt: skip


RESTART: Final = "Workflow.restart"


def check_reach(facts: Facts) -> None:
    for holder in facts.all(nodes.Program, nodes.Function, nodes.Block, nodes.Case):
        _check_list(facts, holder.body, in_case=isinstance(holder, nodes.Case))
    for call in facts.all(nodes.Call):
        if facts.called(call) == RESTART:
            _check_around(facts, call)


def _check_around(facts: Facts, call: nodes.Call) -> None:
    """A `finally` in the way of a restart was hardly written to be passed over."""
    before: nodes.Node = call
    for node in facts.around(call):
        if isinstance(node, nodes.Function):
            return
        if isinstance(node, nodes.Try) and node.finalizer not in (None, before):
            facts.report("skipped-finally", call)
            return
        before = node


def _check_list(facts: Facts, body: tuple[nodes.Statement, ...], *, in_case: bool) -> None:
    for index, leaving in enumerate(body):
        if not (leaves(leaving) or _restarts(facts, leaving)):
            continue
        dead = [statement for statement in body[index + 1 :] if _does_something(statement)]
        if in_case and dead and dead[-1] is body[-1] and isinstance(dead[-1], nodes.Break):
            dead.pop()
        if dead:
            _report(facts, leaving, dead[0])
        for statement in dead:
            facts.bury(statement)
        return


def _report(facts: Facts, leaving: nodes.Statement, dead: nodes.Statement) -> None:
    is_bare = isinstance(leaving, nodes.Return) and leaving.value is None
    if is_bare and isinstance(dead, nodes.ExpressionStatement | nodes.Block):
        facts.report("return-newline", dead)
        return
    line = facts.line(leaving)
    if isinstance(leaving, nodes.For | nodes.While | nodes.DoWhile):
        why = f"the loop in line {line} never ends"
    elif isinstance(leaving, nodes.ExpressionStatement):
        why = f"'{RESTART}' in line {line} ends the execution"
    elif type(leaving) in _LEAVING:
        why = f"the '{_LEAVING[type(leaving)]}' in line {line} leaves before it"
    else:
        why = f"what begins in line {line} always leaves before it"
    facts.report("unreachable-code", dead, why=why)


def _restarts(facts: Facts, statement: nodes.Statement) -> bool:
    match statement:
        case nodes.ExpressionStatement(expression=nodes.Await(operand=call) | call):
            return facts.called(call) == RESTART
    return False


def _does_something(statement: nodes.Statement) -> bool:
    if isinstance(statement, nodes.VariableDeclaration) and statement.kind == "var":
        return any(declarator.value is not None for declarator in statement.declarations)
    return not isinstance(statement, nodes.FunctionDeclaration | nodes.Empty)


def leaves(statement: nodes.Statement) -> bool:
    """Whether what stands behind a statement is certainly never reached from it."""
    match statement:
        case nodes.Return() | nodes.Throw() | nodes.Break() | nodes.Continue():
            return True
        case nodes.Block():
            return any(map(leaves, statement.body))
        case nodes.If():
            if statement.alternate is None or not leaves(statement.alternate):
                return False
            return all(leaves(branch.body) for branch in statement.branches)
        case nodes.For() | nodes.While() | nodes.DoWhile():
            return is_endless(statement)
        case nodes.Labelled():
            return leaves(statement.body) and not breaks(statement.body, statement.label)
        case nodes.Switch():
            return _switch_leaves(statement)
        case nodes.Try():
            if statement.finalizer is not None and leaves(statement.finalizer):
                return True
            handler = statement.handler
            return leaves(statement.block) and (handler is None or leaves(handler.body))
    return False


def _switch_leaves(statement: nodes.Switch) -> bool:
    cases = statement.cases
    if not any(case.test is None for case in cases) or not any(map(leaves, cases[-1].body)):
        return False
    return not breaks(statement, None)


def is_endless(statement: nodes.For | nodes.While | nodes.DoWhile) -> bool:
    """Whether a loop has a condition that always holds and no `break` of its own."""
    return always_holds(statement.test) and not breaks(statement, None)


def always_holds(test: nodes.Expression | None) -> bool:
    """Whether a condition is certainly true; a missing one is."""
    match test:
        case None:
            return True
        case nodes.BooleanLiteral():
            return test.value
        case nodes.NumberLiteral():
            return test.value != 0
        case nodes.StringLiteral():
            return test.value != ""
        case nodes.ArrayLiteral() | nodes.ObjectLiteral():
            return not any(isinstance(node, nodes.Await) for node in inside(test))
    return False


def breaks(statement: nodes.Statement, label: str | None) -> bool:
    """Whether a `break` within ends this statement: one of that label or, of a loop or a switch,
    one without (`label` None), or one that leaves through it."""
    own_labels: set[str] = set()
    waiting: list[tuple[nodes.Node, bool]] = [(statement, True)]
    if label is None:
        waiting = [(part, True) for part in nodes.parts_of(statement)]
    while waiting:
        node, is_direct = waiting.pop()
        match node:
            case nodes.Function():
                continue
            case nodes.Break():
                if node.label == label and (label is not None or is_direct):
                    return True
                if node.label is not None and node.label not in own_labels:
                    return True
            case nodes.Labelled():
                own_labels.add(node.label)
            case nodes.For() | nodes.ForOf() | nodes.ForIn() | nodes.While() | nodes.DoWhile():
                is_direct = False
            case nodes.Switch():
                is_direct = False
        waiting.extend((part, is_direct) for part in nodes.parts_of(node))
    return False
