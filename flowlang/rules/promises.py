"""Promises that nobody awaits: their value is never seen, or the program does not wait.

A call that stands alone is a wish (`Task.run("log", …)` runs, and nobody waits for it), unless
waiting is all it is good for. Everywhere else a promise that is used as if it were its value is a
forgotten `await`. What may be passed on, kept or returned is left alone: it can be awaited there.
"""

from __future__ import annotations

from typing import Final

from flowlang import nodes
from flowlang.rules.facts import Facts, inside, member_name, words

_ONLY_WAIT: Final = frozenset(
    ["Timer.delay", "Timer.until", "Signal.when", "Signal.next"]
    + [f"Promise.{name}" for name in ("all", "allSettled", "any", "race", "any_kv", "race_kv")]
)
"""Calls that are good for nothing if nobody waits."""

_OF_A_PROMISE: Final = words(
    """
    then catch finally constructor toString valueOf hasOwnProperty
    """
)
_IDENTITY: Final = frozenset(["==", "!=", "===", "!==", "in", "instanceof"])
_WANTS_VALUES: Final = words(
    """
    Task.run Workflow.run Workflow.start Workflow.restart Signal.send State.set JSON.stringify
    String Number Boolean parseInt parseFloat isNaN isFinite structuredClone Object.keys
    Object.values Object.entries Object.fromEntries Timer.delay Timer.until encodeURIComponent
    """
)
_WAITS_FOR_NONE: Final = {
    "forEach": "does not wait for an async function",
    **dict.fromkeys(
        ("filter", "some", "every", "find", "findIndex", "findLast", "findLastIndex"),
        "takes the promise of an async function for true",
    ),
    **dict.fromkeys(
        ("sort", "toSorted"), "cannot compare by the promises that an async function gives"
    ),
}


def check_promises(facts: Facts) -> None:
    for node in facts.all(nodes.Call, nodes.New, nodes.Identifier):
        if facts.kind(node) == "promise":
            _check_use(facts, node)
    for node in facts.all(nodes.Call, nodes.ArrayLiteral, nodes.Identifier):
        if facts.kind(node) == "promises":
            _check_array(facts, node)
    for call in facts.all(nodes.Call):
        _check_callback(facts, call)


def _check_use(facts: Facts, node: nodes.Expression) -> None:
    """What becomes of one promise."""
    holder = facts.parents[node]
    match holder:
        case nodes.ExpressionStatement():
            if facts.called(node) in _ONLY_WAIT:
                _report(facts, node, "the program goes on at once")
            elif _calls_back(node):
                _report(facts, node, "the workflow may end before the function is called")
        case nodes.Branch() | nodes.While() | nodes.DoWhile():
            _report(facts, node, "as a condition it is always true")
        case nodes.For():
            if node is holder.test:
                _report(facts, node, "as a condition it is always true")
        case nodes.Conditional():
            if node is holder.test:
                _report(facts, node, "as a condition it is always true")
        case nodes.Logical():
            if node is not holder.operands[-1]:
                what = "never null" if holder.operator == "??" else "always true"
                _report(facts, node, f"as an operand of '{holder.operator}' it is {what}")
        case nodes.Unary():
            if holder.operator in ("!", "-", "+", "~"):
                _report(facts, node, f"'{holder.operator}' gets the promise, not its value")
        case nodes.Binary():
            _check_operand(facts, node, holder)
        case nodes.TemplateLiteral():
            _report(facts, node, "in a text it reads [object Promise]")
        case nodes.Member():
            name = member_name(holder)
            is_own = name in _OF_A_PROMISE or facts.is_own_name(name)
            if node is holder.object and name and not is_own:
                advice = _quoted(facts, "(await ", node, f").{name}") or "await it first"
                _report(facts, node, f"the promise has no '{name}'", advice)
        case nodes.Declarator() | nodes.Assign():
            target = holder.target
            if isinstance(target, nodes.ArrayPattern | nodes.ObjectPattern):
                _report(facts, node, "it is taken apart before its value is there")
            elif isinstance(holder, nodes.Declarator):
                _check_kept(facts, node, holder)
        case nodes.ForOf() | nodes.ForIn():
            if node is not holder.target:
                _report(facts, node, "there is nothing in a promise to loop over")
        case nodes.Spread():
            if not isinstance(facts.parents[holder], nodes.Call):
                _report(facts, node, "'...' gets the promise, not its value")
        case nodes.Switch():
            _report(facts, node, "no 'case' equals a promise")
        case nodes.Return():
            _check_returned(facts, node, holder)
        case nodes.Call():
            if node is not holder.callee:
                _check_handed(facts, node, holder)
        case nodes.Property():
            if node is holder.value:
                _check_handed(facts, node, holder)


def _calls_back(node: nodes.Expression) -> bool:
    """`p.then(f)`, which waits for nothing; where failures are handled, it is left on purpose."""
    calls_back = False
    while isinstance(node, nodes.Call) and isinstance(node.callee, nodes.Member):
        method = member_name(node.callee)
        if method == "catch" or (method == "then" and len(node.arguments) > 1):
            return False
        calls_back |= method in ("then", "finally")
        node = node.callee.object
    return calls_back


def _check_operand(facts: Facts, node: nodes.Expression, holder: nodes.Binary) -> None:
    """`p === q` and `p instanceof Promise` ask about the promise itself; nothing else does."""
    asks = all(operator in _IDENTITY for operator in holder.operators)
    if asks and not any(map(_is_literal, holder.operands)):
        return
    operator = holder.operators[max(0, holder.operands.index(node) - 1)]
    _report(facts, node, f"'{operator}' gets the promise, not its value")


def _is_literal(node: nodes.Expression) -> bool:
    return isinstance(
        node,
        nodes.StringLiteral
        | nodes.NumberLiteral
        | nodes.BooleanLiteral
        | nodes.NullLiteral
        | nodes.TemplateLiteral,
    )


def _check_kept(facts: Facts, node: nodes.Expression, holder: nodes.Declarator) -> None:
    """A variable that holds a promise and is never read."""
    variable = facts.variable(holder.target)
    if variable is None or isinstance(node, nodes.Identifier) or variable in facts.read:
        return
    declaration = facts.parents[holder]
    assert isinstance(declaration, nodes.VariableDeclaration)
    _report(
        facts,
        node,
        f"'{variable.name}' is never used",
        f"await it, or leave '{declaration.kind} {variable.name} =' out to let it run on its own",
    )


def _check_returned(facts: Facts, node: nodes.Expression, holder: nodes.Return) -> None:
    """`try { return load() } catch …` leaves before the promise fails."""
    within: nodes.Node = holder
    for around in facts.around(holder):
        if isinstance(around, nodes.Function):
            return
        is_guarded = isinstance(around, nodes.Try) and within is around.block
        if is_guarded and isinstance(around, nodes.Try) and around.handler is not None:
            function = facts.function_around(holder)
            if isinstance(function, nodes.Program) or function.is_async:
                advice = _quoted(facts, "return await ", node) or "write 'return await …'"
                _report(facts, node, "it is returned, and 'catch' does not see it fail", advice)
            return
        within = around


def _check_handed(facts: Facts, node: nodes.Expression, holder: nodes.Node) -> None:
    """A promise within what is handed to a function that needs its value."""
    while isinstance(holder, nodes.Property | nodes.ObjectLiteral | nodes.ArrayLiteral):
        holder = facts.parents[holder]
    if isinstance(holder, nodes.Call):
        name = facts.called(holder)
        if name in _WANTS_VALUES or (name and name.startswith(("console.", "Math.", "Number."))):
            _report(facts, node, f"{name} gets the promise, not its value")
    elif _is_output(facts, holder):
        _report(facts, node, "the workflow's output cannot hold a promise")


def _check_array(facts: Facts, node: nodes.Expression) -> None:
    """An array of promises that is awaited as if it were one."""
    holder = facts.parents[node]
    advice = _quoted(facts, "await Promise.all(", node, ")") or "put them in Promise.all(…)"
    if isinstance(holder, nodes.Await):
        problem = "'await' does not look into an array"
    elif isinstance(holder, nodes.ExpressionStatement):
        problem = "the program goes on at once"
        advice = advice.replace("put them in", "await")
    elif _is_output(facts, holder):
        problem = "the workflow's output cannot hold them"
    else:
        return
    facts.report("unawaited-promises", node, problem=problem, advice=advice)


def _is_output(facts: Facts, holder: nodes.Node) -> bool:
    """Whether it is the workflow itself that returns a value."""
    return isinstance(holder, nodes.Return) and isinstance(
        facts.function_around(holder), nodes.Program
    )


def _check_callback(facts: Facts, call: nodes.Call) -> None:
    """An async function given to a method that does not wait for it."""
    callee = call.callee
    if not isinstance(callee, nodes.Member) or not call.arguments:
        return
    method = member_name(callee)
    if method not in _WAITS_FOR_NONE or facts.is_own_name(method):
        return
    callback = facts.given(call.arguments[0])
    if not isinstance(callback, nodes.Function) or not callback.is_async:
        return
    if method == "forEach" and not any(isinstance(part, nodes.Await) for part in inside(callback)):
        # It waits for nothing; what it starts may be left to itself.
        return
    advice = "loop with 'for (const x of …)' and await inside"
    if method == "forEach":
        advice += ", or await Promise.all(….map(…))"
    node = call.arguments[0]
    end = min(node.end, node.start + len("async")) if node is callback else node.end
    facts.report_at(
        "async-callback",
        node.start,
        end,
        method=method,
        problem=_WAITS_FOR_NONE[method],
        advice=advice,
    )


def _quoted(facts: Facts, before: str, node: nodes.Node, after: str = "") -> str | None:
    """The advice to write a node between these words; None if that is too long to read."""
    text = facts.text(node)
    return None if text.endswith("…") else f"write '{before}{text}{after}'"


def _report(facts: Facts, node: nodes.Expression, problem: str, advice: str | None = None) -> None:
    if advice is None:
        function = facts.function_around(node)
        advice = _quoted(facts, "await ", node) or "put 'await' before it"
        if isinstance(function, nodes.Function) and not function.is_async:
            advice = "await it, in a function that is async"
    facts.report("unawaited-promise", node, problem=problem, advice=advice)
