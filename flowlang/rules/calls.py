"""Calls of the durable library that certainly throw: names, inputs, options and durations as the
library will refuse them, told before anything runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Final

from flowlang import nodes
from flowlang.durations import DURATION, in_short, in_words, of_milliseconds
from flowlang.library.date import parse_date
from flowlang.library.durable import (
    DURATION_OPTIONS,
    MAX_DURATION_MS,
    RESTART_OPTIONS,
    RETRY_FIELDS,
    RUN_OPTIONS,
    SIGNAL_OPTIONS,
    TASK_OPTIONS,
)
from flowlang.rules.facts import Facts

_NAMED: Final = {
    "Task.run": "the name of a task",
    "Workflow.run": "the name of a workflow",
    "Workflow.start": "the name of a workflow",
    "Signal.when": "the name of a signal",
    "Signal.next": "the name of a signal",
    "Signal.send": "the id of an execution",
    "State.set": "a key",
    "State.get": "a key",
    "Attributes.set": "an attribute's name",
}
_INPUTS: Final = {"Task.run": 1, "Workflow.run": 1, "Workflow.start": 1, "Workflow.restart": 0}
"""Which argument the inputs are."""
_OPTIONS: Final = {
    "Task.run": (2, TASK_OPTIONS),
    "Workflow.run": (2, RUN_OPTIONS),
    "Workflow.start": (2, RUN_OPTIONS),
    "Workflow.restart": (1, RESTART_OPTIONS),
    "Signal.when": (1, SIGNAL_OPTIONS),
    "Signal.next": (1, SIGNAL_OPTIONS),
}
_DURATIONS: Final = DURATION_OPTIONS | {"initialInterval", "maxInterval"}
_LITERALS: Final = {
    nodes.StringLiteral: "a text",
    nodes.TemplateLiteral: "a text",
    nodes.NumberLiteral: "a number",
    nodes.BooleanLiteral: "a boolean",
    nodes.NullLiteral: "null",
    nodes.ArrayLiteral: "an array",
    nodes.ObjectLiteral: "an object",
    nodes.Function: "a function",
}


def check_calls(facts: Facts) -> None:
    for call in facts.all(nodes.Call):
        name = facts.called(call)
        if name is None or any(isinstance(each, nodes.Spread) for each in call.arguments):
            continue
        if name in _NAMED:
            _check_name(facts, call, name)
        if name in _INPUTS and len(call.arguments) > _INPUTS[name]:
            _check_inputs(facts, call.arguments[_INPUTS[name]], name)
        for argument in call.arguments[1:]:
            _check_named(facts, argument)
        if name in _OPTIONS:
            index, known = _OPTIONS[name]
            if len(call.arguments) > index:
                _check_options(facts, call.arguments[index], name, known)
        if name in ("Timer.delay", "Timer.until"):
            _check_wait(facts, call, name)


def _check_name(facts: Facts, call: nodes.Call, name: str) -> None:
    argument = call.arguments[0] if call.arguments else None
    if isinstance(argument, nodes.Identifier) and facts.is_undeclared(argument):
        facts.advise(argument, f"{_NAMED[name]} stands in quotes: {name}('{argument.name}')")
    found = "" if argument is None else _LITERALS.get(type(argument), "a text")
    if found != "a text":
        problem = f"{name} needs {_NAMED[name]} first" + (f", a text, not {found}" if found else "")
    elif isinstance(argument, nodes.StringLiteral) and not argument.value:
        problem = f"{name} needs {_NAMED[name]} first, and this is empty"
    else:
        return
    facts.report("wrong-argument", argument or call, problem=problem)


def _check_named(facts: Facts, argument: nodes.Node) -> None:
    """`Task.run("a", id=5)`, which is Python for an argument of a name."""
    if isinstance(argument, nodes.Assign) and isinstance(argument.target, nodes.Identifier):
        name, value = argument.target.name, facts.text(argument.value)
        facts.advise(argument.target, f"a named value stands in an object: {{ {name}: {value} }}")


def _check_inputs(facts: Facts, argument: nodes.Node, name: str) -> None:
    found = _LITERALS.get(type(argument))
    if found is not None and found != "an object":
        hint = f"give it a name: {{ value: {facts.text(argument)} }}"
        if isinstance(argument, nodes.NullLiteral):
            hint = "write {} where there are none"
        problem = f"the inputs of {name} must be an object, not {found}"
        facts.report("wrong-argument", argument, problem=problem, hint=hint)


def _check_options(facts: Facts, argument: nodes.Node, name: str, known: Collection[str]) -> None:
    found = _LITERALS.get(type(argument))
    if found is not None and found != "an object":
        problem = f"the options of {name} must be an object, not {found}"
        hint = f"write {{ timeout: {facts.text(argument)} }}" if known is SIGNAL_OPTIONS else None
        facts.report("wrong-argument", argument, problem=problem, hint=hint)
    for key, value in _entries(argument):
        if key.value not in known:
            _unknown(facts, key, f"an option of {name}", known)
        elif key.value == "retry":
            for inner, setting in _entries(value):
                if inner.value not in RETRY_FIELDS:
                    _unknown(facts, inner, "a part of 'retry'", RETRY_FIELDS)
                elif inner.value in _DURATIONS:
                    _check_duration(facts, setting, f"'{inner.value}'")
        elif key.value in _DURATIONS:
            _check_duration(facts, value, f"'{key.value}'")


def _entries(node: nodes.Node) -> Iterator[tuple[nodes.StringLiteral, nodes.Expression]]:
    """The properties of an object that is written out, as far as their names are."""
    if isinstance(node, nodes.ObjectLiteral):
        for entry in node.properties:
            if isinstance(entry, nodes.Property) and isinstance(entry.key, nodes.StringLiteral):
                yield entry.key, entry.value


def _unknown(facts: Facts, key: nodes.StringLiteral, what: str, known: Collection[str]) -> None:
    meant = facts.meant(key.value, known)
    hint = f"did you mean '{meant}'?" if meant else f"there are {', '.join(known)}"
    facts.report("unknown-option", key, name=key.value, what=what, hint=hint)


def _check_wait(facts: Facts, call: nodes.Call, name: str) -> None:
    if not call.arguments:
        needed = "a duration" if name == "Timer.delay" else "a moment"
        facts.report("wrong-argument", call, problem=f"{name} needs {needed}")
    elif name == "Timer.delay":
        _check_duration(facts, call.arguments[0], name)
    else:
        _check_moment(facts, call.arguments[0])


def _check_unit(facts: Facts, value: nodes.Node) -> None:
    """`Timer.delay(5000)` and `5 * 60 * 1000`: JavaScript's habit of milliseconds."""
    factors = value.operands if isinstance(value, nodes.Binary) else (value,)
    if isinstance(value, nodes.Binary) and set(value.operators) != {"*"}:
        return
    numbers = [each.value for each in factors if isinstance(each, nodes.NumberLiteral)]
    if len(numbers) < len(factors):
        return
    seconds = float(math.prod(numbers))
    if not (seconds.is_integer() and 1000 <= seconds <= MAX_DURATION_MS / 1000):
        return
    is_product = len(factors) > 1 and 1000 in numbers
    # 3600 and 7200 are seconds, and so may 36000 be; 5000 and 300000 are hardly.
    is_odd = seconds % 1000 == 0 and (seconds % 3600 != 0 or seconds >= 1_000_000)
    if is_product or is_odd:
        meant, time = of_milliseconds(seconds), in_words(seconds)
        facts.report("milliseconds", value, found=facts.text(value), time=time, meant=meant)


def _check_duration(facts: Facts, value: nodes.Node, what: str) -> None:
    hint = None
    match value:
        case nodes.NumberLiteral() | nodes.Binary():
            _check_unit(facts, value)
            return
        case nodes.StringLiteral():
            if DURATION.fullmatch(value.value):
                return
            short = in_short(value.value)
            hint = None if short is None else f"write '{short}'"
        case nodes.Unary(operator="-") | nodes.ObjectLiteral() | nodes.ArrayLiteral():
            pass
        case nodes.Function() | nodes.BooleanLiteral() | nodes.NullLiteral():
            pass
        case _:
            return
    facts.report("wrong-duration", value, what=what, found=facts.text(value), hint=hint)


def _check_moment(facts: Facts, value: nodes.Node) -> None:
    if not isinstance(value, nodes.StringLiteral) or not math.isnan(parse_date(value.value)):
        return
    found = facts.text(value)
    problem = f"Timer.until needs a Date, an ISO text or milliseconds since 1970, not {found}"
    hint = f"to wait that long, write 'Timer.delay({found})'"
    facts.report(
        "wrong-argument",
        value,
        problem=problem,
        hint=hint if DURATION.fullmatch(value.value) else None,
    )
