"""`Task`, `Workflow`, `Timer`, `Signal` and `State`: what is asked for, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import flowlang
from flowlang.library.registry import REGISTRY
from flowlang.protocol import (
    Completed,
    Restarted,
    RunTask,
    RunWorkflow,
    SendSignal,
    SetAttribute,
    SetState,
    SignalReceived,
    StartTimer,
    TaskCompleted,
)

NOW = 1_700_000_000_000


def machine_of(source: str, inputs: dict[str, Any] | None = None) -> flowlang.Machine:
    program = flowlang.compile(source)
    return flowlang.Machine(program, inputs or {}, {"executionId": "e1"}, seed=7, now_ms=NOW)


def commands_of(source: str) -> list[Any]:
    return list(machine_of(source).start().commands)


def thrown_by(expression: str) -> str:
    """The message of the TypeError that an expression throws."""
    outcome = flowlang.evaluate(
        f"try {{ {expression} }} catch (e) {{ return e.name + ': ' + e.message }} return 'nothing'"
    )
    assert outcome.status == "completed"
    return str(outcome.value)


def test_a_task_gets_its_inputs_as_json_and_its_options_as_written() -> None:
    (command,) = commands_of(
        "await Task.run('charge', { amount: 5, when: new Date(0), no: undefined },"
        " { timeout: '30s', retry: { maxAttempts: 3, initialInterval: 1 }, queue: 'money' })"
    )

    assert command == RunTask(
        n=1,
        name="charge",
        inputs={"amount": 5, "when": "1970-01-01T00:00:00.000Z"},
        options={
            "timeout": "30s",
            "retry": {"maxAttempts": 3, "initialInterval": 1},
            "queue": "money",
        },
        line=1,
    )


def test_inputs_may_be_left_out() -> None:
    (command,) = commands_of("await Task.run('ping')")

    assert (command.inputs, command.options) == ({}, {})


def test_workflows_are_run_and_started() -> None:
    run, started = commands_of("Workflow.run('child', { a: 1 }); return Workflow.start('other')")

    assert isinstance(run, RunWorkflow)
    assert (run.name, run.inputs, run.wait) == ("child", {"a": 1}, True)
    assert (started.name, started.wait) == ("other", False)


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        ("5", 5_000),
        ("0", 0),
        ("0.5", 500),
        ("'500ms'", 500),
        ("'30s'", 30_000),
        ("'1.5m'", 90_000),
        ("'24h'", 86_400_000),
        ("'7d'", 604_800_000),
    ],
)
def test_durations(duration: str, milliseconds: int) -> None:
    (command,) = commands_of(f"await Timer.delay({duration})")

    assert isinstance(command, StartTimer)
    assert command.due_ms == NOW + milliseconds


@pytest.mark.parametrize(
    "duration", ["-1", "NaN", "Infinity", "'5'", "'5 s'", "'5S'", "'-5s'", "null", "{}", "1e12", ""]
)
def test_what_is_no_duration(duration: str) -> None:
    assert thrown_by(f"Timer.delay({duration})").startswith("TypeError: Timer.delay got")


@pytest.mark.parametrize("when", ["new Date(5000)", "5000", "'1970-01-01T00:00:05Z'"])
def test_a_timer_until_a_moment(when: str) -> None:
    (command,) = commands_of(f"await Timer.until({when})")

    assert command.due_ms == 5_000


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("Task.run()", "Task.run needs a name"),
        ("Task.run('')", "Task.run needs a name"),
        ("Task.run('t', null)", "must be an object, not null"),
        ("Task.run('t', [1])", "must be an object, not an array"),
        ("Task.run('t', 5)", "must be an object, not a number"),
        ("Task.run('t', { a: { b: new Map() } })", "the inputs of task 't': a.b is a Map"),
        ("Task.run('t', { p: Promise.resolve() })", "p is a promise"),
        ("const o = {}; o.self = o; Task.run('t', o)", "self contains itself"),
        ("Task.run('t', {}, { timeOut: 5 })", "did you mean 'timeout'"),
        ("Task.run('t', {}, { timeout: 'soon' })", "timeout of Task.run got 'soon'"),
        ("Task.run('t', {}, { retry: 3 })", "retry of Task.run must be an object"),
        ("Task.run('t', {}, { retry: { maxAttempts: 0 } })", "must be a number from 1"),
        ("Task.run('t', {}, { retry: { attempts: 2 } })", "'attempts' is not a field"),
        ("Workflow.run('w', {}, { onParentClose: 'die' })", "must be 'cancel' or 'abandon'"),
        ("Workflow.run('w', {}, { attributes: 'a' })", "must be an object of names and values"),
        ("Workflow.run('w', {}, { attributes: ['a'] })", "must be an object of names and values"),
        ("Workflow.start('w', {}, { attributes: { 'a b': 1 } })", "'a b' cannot be an attribute's"),
        ("Workflow.run('w', {}, { attributes: { a: {} } })", "attribute 'a' must be a text of at"),
        ("Workflow.run('w', {}, { attributes: { a: NaN } })", "attribute 'a' must be a text of"),
        ("Workflow.run('w', {}, { attributes: { a: 'x'.repeat(65) } })", "attribute 'a' must be"),
        ("Task.run('t', {}, { attributes: { a: 1 } })", "'attributes' is not an option of Task"),
        ("Signal.when('s', { after: 5 })", "'after' is not an option of Signal.when"),
        ("Signal.send('e', '', 1)", "needs the signal's name"),
        ("State.set('k', new Set())", "is a Set"),
        ("Timer.until(1e300)", "Timer.until needs a Date"),
        ("Timer.until('tomorrow')", "Timer.until needs a Date"),
    ],
)
def test_mistakes_in_arguments_are_type_errors(call: str, problem: str) -> None:
    message = thrown_by(call)

    assert message.startswith("TypeError: ")
    assert problem in message


def test_signals_are_awaited_and_sent() -> None:
    machine = machine_of(
        "const got = await Signal.next('go'); await Signal.send('other', 'hello', { got })"
    )
    assert machine.start().commands == ()

    (command,) = machine.feed(SignalReceived("go", {"n": 1}), NOW).commands

    assert command == SendSignal(
        n=1, execution_id="other", name="hello", payload={"got": {"n": 1}}, line=1
    )


def test_state_is_kept_as_json() -> None:
    machine = machine_of(
        "State.set('progress', { done: 1 }); const s = State.get('progress'); s.done = 9;"
        " return [State.get('progress').done, State.get('other') === undefined]"
    )

    turn = machine.start()

    assert turn.commands == (SetState("progress", {"done": 1}),)
    assert turn.outcome == Completed([1, True])


def test_combinators_take_objects_and_give_back_their_keys() -> None:
    outcome = flowlang.evaluate(
        """
        const later = async v => { await null; return v }
        return [
          await Promise.all({ a: 1, b: later(2) }),
          await Promise.allSettled({ x: Promise.reject("no"), y: 1 }),
          await Promise.any({ bad: Promise.reject(1), good: later(2) }),
          await Promise.race({ slow: new Promise(() => {}), fast: 3 }),
          await Promise.any_kv({ bad: Promise.reject(1), good: later(2) }),
          await Promise.race_kv([new Promise(() => {}), later(4)]),
        ]
        """
    )

    assert outcome.value == [
        {"a": 1, "b": 2},
        {"x": {"status": "rejected", "reason": "no"}, "y": {"status": "fulfilled", "value": 1}},
        2,
        3,
        {"key": "good", "value": 2},
        {"key": 1, "value": 4},
    ]


def test_the_same_seed_and_clock_give_the_same_values() -> None:
    source = "return [Math.random(), crypto.randomUUID(), Date.now(), new Date().toISOString()]"

    first, second = machine_of(source).start().outcome, machine_of(source).start().outcome

    assert first == second
    assert isinstance(first, Completed)
    number, uuid, now, iso = first.value
    assert 0 <= number < 1
    assert uuid[14] == "4"
    assert uuid[19] in "89ab"
    assert (now, iso) == (NOW, "2023-11-14T22:13:20.000Z")


def test_a_combinator_survives_a_suspension() -> None:
    machine = machine_of(
        "const r = await Promise.all({ a: Task.run('t', { i: 1 }), b: Task.run('t', { i: 2 }) });"
        " return r"
    )
    machine.start()

    assert machine.feed(TaskCompleted(2, "two"), NOW).outcome is None
    assert machine.feed(TaskCompleted(1, "one"), NOW).outcome == Completed({"a": "one", "b": "two"})


def test_every_function_of_the_library_has_a_name_and_an_arity() -> None:
    """Snapshots keep functions by their names, the documentation lists their arity."""
    for name, function in REGISTRY.items():
        assert function.name == name
        assert 0 <= function.length <= 7
        assert callable(function.call)


def test_a_restart_ends_the_program_where_it_stands() -> None:
    """No catch, no finally, no other function runs; what was asked for before stays asked for."""
    machine = machine_of(
        "const other = async () => { await null; console.log('other') }; other();"
        "const go = () => { try { Workflow.restart({ n: 2, no: undefined }) } catch { return 1 }"
        " finally { console.log('finally') } };"
        "Task.run('left', {}); go(); console.log('behind')"
    )

    turn = machine.start()

    assert turn.outcome == Restarted({"n": 2})
    assert turn.commands == (RunTask(1, "left", {}, line=1),)
    assert machine.outcome == turn.outcome


def test_a_restart_says_which_signals_nobody_took() -> None:
    machine = machine_of(
        "await Signal.when('a'); await Signal.when('go');"
        "Workflow.restart({}, { definition: 'same' })"
    )
    machine.start()
    for name, payload in (("a", 1), ("b", {"x": [1]}), ("a", 2), ("a", 3), ("go", None)):
        outcome = machine.feed(SignalReceived(name, payload), NOW).outcome

    left = (SignalReceived("b", {"x": [1]}), SignalReceived("a", 2), SignalReceived("a", 3))
    assert outcome == Restarted({}, "same", left)


def test_a_return_in_the_same_turn_goes_before_a_restart() -> None:
    source = "(async () => { await null; await null; Workflow.restart() })(); return 'first'"

    assert flowlang.evaluate(source).value == "first"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("Workflow.restart([1])", "the inputs of Workflow.restart must be an object, not an array"),
        ("Workflow.restart({ m: new Map() })", "the inputs of Workflow.restart"),
        ("Workflow.restart({}, { definition: 'abc' })", "must be 'latest' or 'same'"),
        ("Workflow.restart({}, { queue: 'x' })", "'queue' is not an option of Workflow.restart"),
    ],
)
def test_what_is_no_restart_is_thrown_and_goes_on(call: str, said: str) -> None:
    assert said in thrown_by(call)


def test_attributes_are_texts_numbers_and_booleans() -> None:
    commands = commands_of(
        "Attributes.set('customer', 'c-1'); Attributes.set('items', 3);"
        "Attributes.set('w.eight', 1.5); Attributes.set('vip', false);"
        "Attributes.set('items', null); Attributes.set('x')"
    )

    assert commands == [
        SetAttribute("customer", "c-1"),
        SetAttribute("items", 3),
        SetAttribute("w.eight", 1.5),
        SetAttribute("vip", False),
        SetAttribute("items", None),
        SetAttribute("x", None),
    ]


def test_there_are_sixteen_attributes_at_a_time_with_those_of_the_start() -> None:
    program = flowlang.compile(
        """
        Attributes.set("start", 2)
        for (let i = 0; i < 15; i++) Attributes.set("a" + i, i)
        try { Attributes.set("b", 1) } catch (error) { Attributes.set("a0", error.name) }
        await Signal.when("go")
        try { Attributes.set("b", 1) } catch (error) { Attributes.set("a1", error.name) }
        Attributes.set("a2", null)
        Attributes.set("b", 1)
        """
    )
    machine = flowlang.Machine(program, attributes=["start"])

    assert machine.start().commands[-1] == SetAttribute("a0", "RangeError")
    for again in (machine, flowlang.decode_state(program, flowlang.encode_state(machine), {})):
        assert again.feed(SignalReceived("go", None), 0).commands == (
            SetAttribute("a1", "RangeError"),
            SetAttribute("a2", None),
            SetAttribute("b", 1),
        )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("Attributes.set('', 1)", "a text that is not empty, not an empty one"),
        (
            "Attributes.set(1, 1)",
            "a text that is not empty, not a number",
        ),
        ("Attributes.set('two words', 1)", "'two words' cannot be an attribute's name"),
        ("Attributes.set('a'.repeat(65), 1)", "cannot be an attribute's name"),
        ("Attributes.set('a', {})", "must be a text of at most 64 characters"),
        ("Attributes.set('a', NaN)", "attribute 'a' must be"),
        ("Attributes.set('a', 'x'.repeat(65))", "attribute 'a' must be"),
        (
            "for (let i = 0; i < 17; i++) Attributes.set('a' + i, i)",
            "attribute 'a16' would be one more than the 16 that an execution may have",
        ),
    ],
)
def test_what_is_no_attribute(call: str, said: str) -> None:
    assert said in thrown_by(call)
