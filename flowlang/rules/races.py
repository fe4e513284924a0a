"""`Signal.when` in a race: the loser goes on waiting and takes the next signal all the same."""

from __future__ import annotations

from typing import Any, Final

from flowlang import nodes
from flowlang.rules.facts import Facts, inside, member_name

_RACES: Final = frozenset(["Promise.race", "Promise.any", "Promise.race_kv", "Promise.any_kv"])
_SIGNALS: Final = frozenset(["Signal.when", "Signal.next"])
_TIMERS: Final = frozenset(["Timer.delay", "Timer.until"])


def check_races(facts: Facts) -> None:
    for race in facts.all(nodes.Call):
        if facts.called(race) not in _RACES or not race.arguments:
            continue
        racers = _racers(facts, facts.given(race.arguments[0]))
        calls = [_call(facts, racer) for racer in racers]
        has_timer = any(facts.called(call) in _TIMERS for call in calls)
        for racer, call in zip(racers, calls, strict=True):
            if facts.called(call) not in _SIGNALS:
                continue
            assert isinstance(call, nodes.Call)
            if not _has_timeout(call):
                _report(facts, racer, facts.text(call.callee), has_timer)


def _report(facts: Facts, racer: nodes.Node, name: str, has_timer: bool) -> None:
    advice = 'give it a timeout, so that it stops waiting: { timeout: "1h" }'
    if has_timer:
        advice = f'leave the timer out: {name}(name, {{ timeout: "1h" }}) throws a TimeoutError'
    facts.report("signal-race", racer, advice=advice)


def _call(facts: Facts, racer: Any) -> Any:
    """The call that a racer is, or the one that the function it calls does nothing but make."""
    call = facts.given(_started_by(racer))
    if isinstance(call, nodes.Call) and facts.called(call) is None:
        return _result(facts.function_called(call)) or call
    return call


def _result(function: Any) -> Any:
    """What a function returns that does nothing else."""
    match function:
        case nodes.Function(body=(nodes.Return(value=value),)):
            return _started_by(value)
    return None


def _racers(facts: Facts, value: Any) -> list[Any]:
    if isinstance(value, nodes.ArrayLiteral):
        return list(value.elements)
    if isinstance(value, nodes.ObjectLiteral):
        return [item.value for item in value.properties if isinstance(item, nodes.Property)]
    match value:
        case nodes.Call(callee=nodes.Member() as method, arguments=(callback, *_)):
            result = _result(facts.given(callback)) if member_name(method) == "map" else None
            return [] if result is None else [result]
    return []


def _started_by(node: Any) -> Any:
    """The call at the beginning of `Signal.when(…).then(…)`."""
    while isinstance(node, nodes.Call) and isinstance(node.callee, nodes.Member):
        if not isinstance(node.callee.object, nodes.Call):
            break
        node = node.callee.object
    return node


def _has_timeout(call: nodes.Call) -> bool:
    """Whether the call gives a timeout, or something that may hold one."""
    if any(isinstance(argument, nodes.Spread) for argument in call.arguments):
        return True
    if len(call.arguments) < 2:
        return False
    options = call.arguments[1]
    if not isinstance(options, nodes.ObjectLiteral):
        return True
    return any(
        isinstance(node, nodes.Spread)
        or (isinstance(node, nodes.StringLiteral) and node.value == "timeout")
        for node in inside(options)
    )
