"""Names that are declared and never read: variables, functions, labels.

A name that begins with `_` is meant to be unused. Parameters, what `catch` takes and the variables
of `for … of` stand where something has to stand, and are left alone; so is what a pattern has to
name in order to reach what stands behind it (`[unused, used]`) or to leave it out of the rest
(`{ unused, ...rest }`).
"""

from __future__ import annotations

from flowlang import nodes
from flowlang.frontmatter import KEYS
from flowlang.rules.facts import Facts, inside
from flowlang.scope import Variable, names_in


def check_unused(facts: Facts) -> None:
    for declaration in facts.all(nodes.VariableDeclaration):
        for declarator in declaration.declarations:
            for name in _needless(facts, declarator.target):
                _report_variable(facts, name, declaration, declarator)
    for info in facts.analysis.functions:
        variable = info.declared_as
        if variable is not None and _is_unread(facts, variable):
            _report_function(facts, info.node)
    for labelled in facts.all(nodes.Labelled):
        _check_label(facts, labelled)


def _is_unread(facts: Facts, variable: Variable | None) -> bool:
    if variable is None or variable in facts.read or variable.name.startswith("_"):
        return False
    # A slip elsewhere may be what keeps the name from being read.
    return f"did you mean '{variable.name}'?" not in facts.hints


def _needless(facts: Facts, target: nodes.Target) -> list[nodes.Identifier]:
    """The names of a declared target that are never read and need not be there."""
    match target:
        case nodes.Identifier():
            return [target] if _is_unread(facts, facts.variable(target)) else []
        case nodes.ArrayPattern():
            found: list[nodes.Identifier] = []
            for element in reversed(target.elements):
                if element is None:
                    continue
                names = list(names_in(element.target))
                needless = _needless(facts, element.target)
                found = needless + found
                if len(needless) < len(names):
                    break
            return found
        case nodes.ObjectPattern():
            if target.rest is not None and not _needless(facts, target.rest):
                return []
            found = [name for entry in target.properties for name in _needless(facts, entry.target)]
            return found + (_needless(facts, target.rest) if target.rest is not None else [])
    return []


def _report_variable(
    facts: Facts,
    name: nodes.Identifier,
    declaration: nodes.VariableDeclaration,
    declarator: nodes.Declarator,
) -> None:
    value = declarator.value
    holder = facts.parents[declaration]
    if isinstance(holder, nodes.For):
        return
    is_promise = name is declarator.target and facts.kind(value) == "promise"
    if is_promise and not isinstance(value, nodes.Identifier):
        return  # told by the rule on promises
    hint = None
    if name is declarator.target and len(declaration.declarations) == 1 and _acts(value):
        hint = f"leave '{declaration.kind} {name.name} =' out, if only the call matters"
    variable = facts.variable(name)
    assert variable is not None
    what = "is never used"
    if variable in facts.assigned:
        what = "is assigned but never read"
    facts.report("unused-name", name, name=name.name, what=what, hint=hint)


def _acts(value: nodes.Expression | None) -> bool:
    """Whether evaluating a value may do something besides giving it."""
    acting = nodes.Call | nodes.New | nodes.Await | nodes.Assign | nodes.Update
    if value is None or isinstance(value, nodes.Function):
        return False
    return any(isinstance(node, acting) for node in inside(value))


def _report_function(facts: Facts, function: nodes.Function | nodes.Program) -> None:
    assert isinstance(function, nodes.Function) and function.name is not None
    name = function.name
    hint = None
    if name.name == "main":
        hint = "call it with 'await main()'; it runs by itself only where nothing stands beside it"
        if function.parameters:
            hint = "call it with 'await main(Inputs)', or let it take no parameters"
    facts.report("unused-name", name, name=name.name, what="is never used", hint=hint)


def _check_label(facts: Facts, labelled: nodes.Labelled) -> None:
    label = labelled.label
    for node in inside(labelled.body):
        if isinstance(node, nodes.Break | nodes.Continue) and node.label == label:
            return
    start, end = labelled.start, labelled.start + len(label)
    holder = facts.parents[labelled]
    is_block_of_arrow = (
        isinstance(holder, nodes.Function)
        and holder.kind == "arrow"
        and isinstance(labelled.body, nodes.ExpressionStatement)
        and len(holder.body) == 1
    )
    if is_block_of_arrow:
        facts.report_at("block-for-object", start, end, label=label)
        facts.bury(labelled)
    elif not label.startswith("_"):
        what = "is a label that nothing jumps to"
        hint = _label_advice(holder, labelled)
        facts.report_at("unused-name", start, end, name=label, what=what, hint=hint)


def _label_advice(holder: nodes.Node, labelled: nodes.Labelled) -> str | None:
    """What somebody meant who wrote `name: order` or `count: int = 5`."""
    if isinstance(holder, nodes.Program) and labelled.label in KEYS:
        return "to describe the workflow, put this between lines of ``` at the top"
    body = labelled.body
    if isinstance(body, nodes.ExpressionStatement) and isinstance(body.expression, nodes.Assign):
        return f"to declare a variable, write 'let {labelled.label} = …'"
    return None
