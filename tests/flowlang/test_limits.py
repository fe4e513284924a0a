"""What a program may spend, and that nothing of the program sees it end."""

from __future__ import annotations

import sys

import pytest

import flowlang
from flowlang import Limits
from flowlang.limits import RoomToRecurse

BIG = 'const text = "x".repeat(1e6), other = "x".repeat(1e6 - 1) + "y";'


@pytest.mark.parametrize(
    ("program", "limit"),
    [
        ("while (true);", "1,000,000 steps"),
        ("for (;;) await null", "units of new memory"),
        ("do {} while (true)", "1,000,000 steps"),
        ("const f = () => f(); f()", "400 calls"),
        ("const f = async () => { await f() }; await f()", "400 calls"),
        ("const o = { toString() { return `${o}` } }; `${o}`", "400 calls"),
        ("const o = { valueOf() { return o + 1 } }; o * 2", "400 calls"),
        ("const f = x => [x].map(f); f(1)", "400 calls"),
        ("const f = x => [x, 1].sort(f); f(1)", "400 calls"),
        ("const all = []; while (true) all.push({ a: 1 })", "units of new memory"),
        ("const all = []; while (true) all.push(() => all)", "units of new memory"),
        ("let f; while (true) { let x = f; f = () => x }", "units of new memory"),
        ("while (true) new Promise(() => {})", "units of new memory"),
        ('let s = "x"; while (true) s += s', "8,388,608 characters"),
        (BIG + 'const f = s => { s += "y"; return s }; while (true) f(text)', "new memory"),
        (BIG + 'let s = text, t; while (true) { t = s; s = s + "y" }', "units of new memory"),
        (
            BIG + "const o = { s: text }; while (true) { o.t = o.s; o.s += 1 }",
            "units of new memory",
        ),
        ('return "x".repeat(1e9)', "8,388,608 characters"),
        ("return new Array(4e9)", "1,048,576 elements"),
        ("return Array.from({ length: 1e7 })", "1,048,576 elements"),
        (BIG + "while (true) text < other", "1,000,000 steps"),
        (BIG + "while (true) text === other", "1,000,000 steps"),
        ("[3, 1, 2].sort(() => { while (true); })", "1,000,000 steps"),
        ("let a = []; for (let i = 0; i < 9e4; i++) a = [a]; JSON.stringify(a)", "400"),
        ("let a = []; for (let i = 0; i < 9e4; i++) a = [a]; return a", "400"),
    ],
)
def test_going_over_a_limit_fails_the_execution_naming_it(program: str, limit: str) -> None:
    outcome = flowlang.evaluate(program)

    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.name == "LimitError"
    assert limit in outcome.error.message


@pytest.mark.parametrize(
    "program",
    [
        "try { while (true); } catch { return 1 } finally { return 2 }",
        "function f() { try { while (true); } catch { return 1 } finally { return 2 } } return f()",
        "await new Promise(() => { while (true); }).catch(() => 1).finally(() => 2); return 3",
        "for (;;) { try { await null; while (true); } finally { break } } return 1",
        "const f = () => { try { return f() } finally { return 1 } }; return f()",
    ],
)
def test_no_catch_sees_a_limit_and_no_finally_swallows_it(program: str) -> None:
    outcome = flowlang.evaluate(program)

    assert outcome.error is not None
    assert outcome.error.name == "LimitError"


def test_the_line_at_the_edge_is_named() -> None:
    outcome = flowlang.evaluate("const a = 1\n\nconst f = () => {\n  while (a);\n}\nf()\n")

    assert outcome.error is not None
    assert outcome.error.line == 4


def test_what_was_asked_for_in_a_turn_over_the_limit_is_not_asked_for() -> None:
    program = flowlang.compile('Task.run("charge"); console.log("charged"); while (true);')

    turn = flowlang.Machine(program).start()

    assert turn.commands == ()
    assert isinstance(turn.outcome, flowlang.Failed)


def test_each_turn_has_the_whole_budget() -> None:
    program = flowlang.compile(
        """
        for (let round = 0; round < 3; round++) {
          for (let i = 0; i < 6e5; i++);
          await Task.run("pause")
        }
        return "done"
        """
    )
    machine = flowlang.Machine(program)

    turns = [machine.start()]
    for n in (1, 2, 3):
        turns.append(machine.feed(flowlang.TaskCompleted(n, None), 0))

    assert [turn.outcome for turn in turns] == [None, None, None, flowlang.Completed("done")]


def test_a_step_is_a_round_of_a_loop_or_a_call_and_every_16_nodes_one_more() -> None:
    calls = "const f = () => 1; for (let i = 0; i < {}; i++) f(); return 1"
    long_body = "for (let i = 0; i < {}; i++) {{ " + "i + 1;" * 15 + " }} return 1"

    assert flowlang.evaluate(calls.format(499_000)).status == "completed"
    assert flowlang.evaluate(calls.format(501_000)).status == "failed"
    assert flowlang.evaluate(long_body.format(150_000)).status == "completed"
    assert flowlang.evaluate(long_body.format(260_000)).status == "failed"


def test_400_calls_deep_are_allowed_whatever_goes_between_them() -> None:
    for function in (
        "n => n ? f(n - 1) : 5",
        "n => n ? [n - 1].map(f)[0] : 5",
        "n => n ? f.call(null, n - 1) : 5",
        "n => n ? Math.max(...[n - 1].map(f)) : 5",
    ):
        outcome = flowlang.evaluate(f"const f = {function}; return f(390)")

        assert outcome.value == 5, function


@pytest.mark.parametrize(
    ("declaration", "place", "change"),
    [
        ('let s = ""', "s", "s += i"),
        ('let s = ""', "s", 's = s + "ab"'),
        ('let s = ""', "s", 's = s + i + ","'),
        ("let s = Inputs.nothing ?? ''", "s", "s += `${i},`"),
        ('let s = ""; const f = () => s', "s", 's = s + i + ","'),
        ('const o = { s: "" }', "o.s", "o.s += i"),
        ('const o = [""]', "o[0]", 'o[0] += i + ","'),
    ],
)
def test_a_string_that_grows_by_little_is_charged_for_what_is_added(
    declaration: str, place: str, change: str
) -> None:
    """As JavaScript's own strings do not copy what was there before."""
    outcome = flowlang.evaluate(
        f"{declaration}; for (let i = 0; i < 1e5; i++) {{ {change} }} return {place}.length"
    )

    assert outcome.error is None
    assert outcome.value >= 200_000


def test_limits_are_configurable_and_widened_for_replay() -> None:
    limits = Limits(steps=1000, memory=10_000, depth=10)
    loop = "for (let i = 0; i < 5000; i++); return 1"

    assert flowlang.evaluate(loop, limits=limits).status == "failed"
    assert flowlang.evaluate(loop, limits=limits.widened(10)).status == "completed"
    assert limits.widened(10).depth == limits.depth


def test_pythons_own_recursion_limit_is_afterwards_what_it_was() -> None:
    before = sys.getrecursionlimit()

    with RoomToRecurse():
        with RoomToRecurse():
            flowlang.evaluate("const f = n => n ? f(n - 1) : 5; return f(390)")
        assert sys.getrecursionlimit() > before

    assert sys.getrecursionlimit() == before


def test_a_text_kept_elsewhere_is_charged_for_when_appending_copies_it() -> None:
    """One that only its variable holds grows in place, and costs what is added."""
    program = 'let text = "x".repeat(1e6), kept; for (let i = 0; i < 1000; i++) {{ {} }} return 1'
    limits = Limits(steps=100_000)

    assert flowlang.evaluate(program.format('text += "y"'), limits=limits).value == 1
    shared = flowlang.evaluate(program.format('kept = text; text += "y"'), limits=limits)
    assert shared.error is not None


def test_replacing_many_matches_is_charged_once() -> None:
    assert flowlang.evaluate('return "ab".repeat(1e5).replaceAll("a", "c").length').value == 200_000


def test_a_queue_in_a_map_does_not_go_over_what_was_taken_out() -> None:
    outcome = flowlang.evaluate(
        """
        const queue = new Map()
        for (let i = 0; i < 2e4; i++) queue.set(i, i)
        let sum = 0
        while (queue.size) {
          const [key] = queue.keys()
          sum += key
          queue.delete(key)
          if (key % 7 === 0 && key < 1e4) queue.set(key + 0.5, 1)
        }
        return sum
        """
    )

    assert outcome.value == sum(range(20_000)) + sum(key + 0.5 for key in range(0, 10_000, 7))


@pytest.mark.parametrize(
    "call",
    [
        "(5e-324).toPrecision(100)",
        "(1.5).toFixed(100)",
        "(1.5).toExponential(99)",
        "(1e300).toString(2)",
        "(0.1).toString(3)",
    ],
)
def test_writing_a_number_is_charged_for_its_digits(call: str) -> None:
    few = Limits(steps=2_000)

    assert flowlang.evaluate(f"for (let i = 0; i < 1; i++) {call}", limits=few).error is None
    outcome = flowlang.evaluate(f"for (let i = 0; i < 100; i++) {call}", limits=few)
    assert outcome.error is not None and outcome.error.name == "LimitError"
