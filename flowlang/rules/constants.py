"""Uses of a variable that certainly throw: assigning to a constant, reading too early."""

from __future__ import annotations

from flowlang import nodes
from flowlang.rules.facts import Facts, members_of
from flowlang.scope import Variable, names_in


def check_constants(facts: Facts) -> None:
    for node in facts.all(nodes.Assign, nodes.Update):
        for name in names_in(node.target):
            _check_assigned(facts, name)
    for node in facts.all(nodes.ForOf, nodes.ForIn):
        if node.kind is None:
            for name in names_in(node.target):
                _check_assigned(facts, name)
    for node in facts.all(nodes.Assign, nodes.Update):
        _check_builtin(facts, node.target)
    for name in sorted(facts.analysis.unsafe, key=lambda name: name.start):
        variable = facts.variable(name)
        if variable is not None and _comes_early(facts, name, variable):
            if _is_in_own_declaration(facts, name, variable):
                where, hint = "in its own declaration", "take the value from another variable"
            else:
                line = facts.source.position(facts.declared_at[variable])[0]
                where, hint = f"before its declaration in line {line}", None
            facts.report("early-use", name, name=name.name, where=where, hint=hint)


def _is_in_own_declaration(facts: Facts, use: nodes.Identifier, variable: Variable) -> bool:
    # A loop has a second variable of the name, for what it loops over: it stands for itself.
    if variable not in facts.declared_at:
        return True
    return any(
        isinstance(holder, nodes.Declarator)
        and any(facts.variable(name) is variable for name in names_in(holder.target))
        for holder in facts.around(use)
    )


def _check_builtin(facts: Facts, target: nodes.Target) -> None:
    """`Math.PI = 3`: what belongs to Flow is frozen."""
    if isinstance(target, nodes.Member) and isinstance(target.object, nodes.Identifier):
        owner = target.object
        if facts.is_builtin(owner) and members_of(owner.name):
            facts.report("builtin-write", target, name=facts.text(target))


def _check_assigned(facts: Facts, name: nodes.Identifier) -> None:
    variable = facts.variable(name)
    if variable is not None and variable.kind == "const":
        facts.report("constant-write", name, name=name.name)


def _comes_early(facts: Facts, name: nodes.Identifier, variable: Variable) -> bool:
    """Whether a use stands before its declaration in the very function. Code of one function runs
    from top to bottom, but for a `switch`, which jumps, and the defaults of a pattern, which come
    one after the other; functions are called later."""
    if variable.scope.kind == "switch" or variable.kind not in ("let", "const"):
        return False
    function = facts.analysis.function_of[facts.function_around(name)]
    if function is not variable.scope.function or name.start >= variable.initialised_at:
        return False
    patterns = nodes.ArrayPattern | nodes.ObjectPattern
    return not any(isinstance(holder, patterns) for holder in facts.around(name))
