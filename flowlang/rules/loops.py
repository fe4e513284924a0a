"""Loops that never end, and loops that run over something else than is meant.

The first have no `await`, no exit and no change of what their condition asks. Such a loop runs into
the limit of steps, and the execution fails. A call may throw, or change a variable that functions
share; where one of the program's own could, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flowlang import nodes
from flowlang.rules.facts import Facts, inside
from flowlang.rules.unreachable import always_holds, breaks
from flowlang.scope import Variable, names_in

_Loop = nodes.For | nodes.While | nodes.DoWhile


def check_loops(facts: Facts) -> None:
    for loop in facts.all(nodes.For, nodes.While, nodes.DoWhile):
        if breaks(loop, None) or _has_exit(facts, loop):
            continue
        head = _head(loop)
        if always_holds(loop.test):
            why = "it has no 'break', 'return', 'throw' or 'await'"
            facts.report_at("endless-loop", *head, why=why)
        elif loop.test is not None and (names := _unchanged(facts, loop, loop.test)):
            listed = " and ".join(f"'{name}'" for name in names)
            verb = "changes" if len(names) == 1 else "change"
            why = f"{listed} never {verb} in it"
            hint = f"change {listed} in the loop, or leave it with 'break'"
            facts.report_at("endless-loop", *head, why=why, hint=hint)
        elif isinstance(loop, nodes.For) and (name := _wrong_way(loop)):
            why = f"'{name}' goes away from where it ends"
            assert isinstance(loop.update, nodes.Update)
            sign = "--" if loop.update.operator == "++" else "++"
            facts.report_at("endless-loop", *head, why=why, hint=f"write '{name}{sign}'")
    for each in facts.all(nodes.ForIn):
        _check_keys(facts, each)
    for each in facts.all(nodes.ForOf, nodes.ForIn):
        if isinstance(each.target, nodes.Identifier) and facts.is_undeclared(each.target):
            word = "of" if isinstance(each, nodes.ForOf) else "in"
            hint = f"declare it in the loop: for (const {each.target.name} {word} …)"
            facts.advise(each.target, hint)


_OVER: Final[dict[str | None, str]] = {
    "array": "the indices of an array, as texts",
    "promises": "the indices of an array, as texts",
    "string": "the indices of a text, as texts",
    "map": "nothing of a Map",
    "set": "nothing of a Set",
}
"""What a for…in loop gives, by the kind of what it runs over."""


def _check_keys(facts: Facts, loop: nodes.ForIn) -> None:
    """`for (const x in [1, 2])`, which is Python for looping over what is in an array."""
    gives = _OVER.get(facts.kind(loop.object))
    hint = None
    if gives is None and isinstance(loop.target, nodes.ArrayPattern | nodes.ObjectPattern):
        gives = "keys, which are texts"
        hint = f"write 'of Object.entries({facts.text(loop.object)})'"
    if gives is not None:
        facts.report_at("for-in", loop.start, loop.start + len("for"), gives=gives, hint=hint)


def _head(loop: _Loop) -> tuple[int, int]:
    word = "do" if isinstance(loop, nodes.DoWhile) else "while"
    return loop.start, loop.start + len("for" if isinstance(loop, nodes.For) else word)


def _has_exit(facts: Facts, loop: _Loop) -> bool:
    """Whether something in the loop waits, leaves, or calls what may throw on purpose."""
    for node in _repeated(loop):
        match node:
            case nodes.Await() | nodes.Return() | nodes.Throw():
                return True
            case nodes.Continue():
                if node.label is not None:
                    return True
            case nodes.Call():
                if _may_throw(facts, node):
                    return True
    return False


def _repeated(loop: _Loop) -> Iterable[nodes.Node]:
    """What runs in every turn; the initial part of a `for` does not."""
    parts: list[Any] = [loop.test, loop.body]
    if isinstance(loop, nodes.For):
        parts.append(loop.update)
    for part in parts:
        if part is not None:
            yield from inside(part)


def _may_throw(facts: Facts, call: nodes.Call) -> bool:
    """Whether a call runs code of the program that has a `throw` somewhere, or code that cannot be
    seen."""
    if facts.builtin(call.callee) is not None:
        return any(isinstance(argument, nodes.Function) for argument in call.arguments)
    function = facts.function_called(call)
    if function is None:
        # A method of an array or a text, unless the program has one of that name.
        callee = call.callee
        name = callee.property if isinstance(callee, nodes.Member) else None
        return not isinstance(name, nodes.StringLiteral) or facts.is_own_name(name.value)
    within = inside(function, functions=True)
    return any(isinstance(node, nodes.Throw | nodes.Call) for node in within)


def _unchanged(facts: Facts, loop: _Loop, test: nodes.Expression) -> list[str]:
    """The variables of a condition, if it asks of nothing else and none of them ever changes."""
    variables: dict[Variable, None] = {}
    for node in inside(test):
        match node:
            case nodes.Identifier():
                variable = facts.variable(node)
                if variable is None:
                    if node.name in ("undefined", "NaN", "Infinity"):
                        continue
                    return []
                variables[variable] = None
            case nodes.Binary() | nodes.Logical() | nodes.Unary():
                pass
            case nodes.NumberLiteral() | nodes.StringLiteral() | nodes.BooleanLiteral():
                pass
            case nodes.NullLiteral():
                pass
            case _:
                return []
    if not variables or any(variable.kind == "const" for variable in variables):
        # A constant condition is decided before the loop; it may be false.
        variables = {v: None for v in variables if v.kind != "const"}
    changed = _assigned(facts, _repeated(loop))
    shared = _assigned_elsewhere(facts, loop, variables)
    if any(variable in changed or variable in shared for variable in variables):
        return []
    return [variable.name for variable in variables]


def _assigned(facts: Facts, found: Iterable[nodes.Node]) -> set[Variable]:
    """The variables that these nodes assign to."""
    targets: list[nodes.Target] = []
    for node in found:
        match node:
            case nodes.Assign() | nodes.Update() | nodes.ForOf() | nodes.ForIn():
                targets.append(node.target)
            case nodes.Declarator():
                targets.append(node.target)
    variables = (facts.variable(name) for target in targets for name in names_in(target))
    return {variable for variable in variables if variable is not None}


def _assigned_elsewhere(facts: Facts, loop: _Loop, variables: Iterable[Variable]) -> set[Variable]:
    """Those of the variables that another function assigns to, which the loop might call."""
    here = facts.function_around(loop)
    found = set()
    wanted = {variable for variable in variables if variable.captured}
    if wanted:
        for node in facts.all(nodes.Assign, nodes.Update, nodes.ForOf, nodes.ForIn):
            for name in names_in(node.target):
                variable = facts.variable(name)
                if variable in wanted and facts.function_around(node) is not here:
                    found.add(variable)
    return found


def _wrong_way(loop: nodes.For) -> str | None:
    """The counter of `for (let i = 0; i < n; i--)`."""
    test, update = loop.test, loop.update
    if not isinstance(test, nodes.Binary) or not isinstance(update, nodes.Update):
        return None
    counter, target = test.operands[0], update.target
    if not isinstance(counter, nodes.Identifier) or not isinstance(target, nodes.Identifier):
        return None
    is_up = test.operators[0] in ("<", "<=")
    is_down = test.operators[0] in (">", ">=")
    if counter.name != target.name or len(test.operators) > 1:
        return None
    wrong = (is_up and update.operator == "--") or (is_down and update.operator == "++")
    return counter.name if wrong else None
