"""Expressions evaluated where an execution stands see what the program would, and only read."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowlang
from flowlang import (
    EvaluationError,
    EvaluationRefused,
    Limits,
    Machine,
    Position,
    Stepper,
    Stop,
    encode_state,
    show,
)
from flowlang.evaluation import facts_of
from flowlang.glance import Unsure, glance
from flowlang.values import TDZ
from tests.flowlang.resuming.runs import CONTEXT, INPUTS, SEED
from tests.flowlang.resuming.world import START_MS

HERE = Path(__file__).parent

PROGRAM = """
const order = { total: 120, items: [{ sku: "b", n: 2 }, { sku: "a", n: 3 }] }
const seen = new Map([["a", new Set([1, 2])]])
const odd = { valueOf() { order.total += 1; return 5 }, toString: () => "odd" }
let missing, nothing = null
const double = n => n * 2
const forever = () => { for (;;); }
const deeper = n => deeper(n + 1)
const remember = () => { made = 1 }
count = 7
async function visit(list) {
  const unseen = "closed over by nobody"
  for (const item of list) {
    const label = `${item.sku}:${item.n}`
    await Task.run("ship", item)
  }
}
const work = visit(order.items)
const later = await work
return [order, later]
"""


def suspended() -> Machine:
    """The program where all of its functions wait."""
    machine = Machine(flowlang.compile(PROGRAM), {"city": "Ulm"}, {"executionId": "e-1"})
    machine.start()
    return machine


def place(machine: Machine, name: str) -> Position:
    return next(at for at in machine.where() if at.name == name)


LOOKS = [
    ("order.total > 100 && order.items.length === 2", "true"),
    ("order['items'][1].sku + `/${count}`", "'a/7'"),
    ("missing?.name.deeper", "undefined"),
    ("(missing ?? nothing) === null ? -count : ~count", "-7"),
    ("typeof order + typeof double + typeof missing", "'objectfunctionundefined'"),
    ("'total' in order || nothing.x", "true"),
    ("order == order && order != nothing && missing == null", "true"),
    ("count % 4 + 2 ** 3 - (9 >> 1) * 2 / 4", "9"),
    ("Inputs.city + Context.executionId + NaN + undefined", "'Ulme-1NaNundefined'"),
    ("void order", "undefined"),
    ("'length' in order.items === 'text'[1]", "false"),
    ("order.items.map", "[Function: map]"),
]

CALLS = [
    ("order.items.map(({ sku, n }) => sku.repeat(n)).sort()", "['aaa', 'bb']"),
    ("[...order.items].sort((a, b) => a.sku < b.sku ? -1 : 1).map(x => x.sku)", "['a', 'b']"),
    ("double(order.total)", "240"),
    ("[...seen.get('a')]", "[1, 2]"),
    ("Object.keys(order).join()", "'total,items'"),
    ("({ ...order, items: 0 })", "{ total: 120, items: 0 }"),
    ("(() => { let sum = 0; for (const { n } of order.items) sum += n; return sum })()", "5"),
    ("`${order}`", "'[object Object]'"),
    ("[1, [2, 3]] + 1", "'1,2,31'"),
    ("order.items === Object.values(order)[1]", "true"),
    ("order instanceof Object", "true"),
    ("typeof nowhere", "'undefined'"),
    ("Math.max(count, 3) // a comment", "7"),
    ("(console.log('not logged'), count)", "7"),
]


@pytest.mark.parametrize(("expression", "value"), LOOKS + CALLS)
def test_an_expression_sees_what_its_place_sees_and_changes_nothing(
    expression: str, value: str
) -> None:
    machine = suspended()
    before = encode_state(machine)

    assert show(machine.evaluate(expression, place(machine, "main"))) == value
    assert encode_state(machine) == before


@pytest.mark.parametrize(("expression", "value"), LOOKS)
def test_what_is_only_looked_at_is_what_running_it_gives(expression: str, value: str) -> None:
    """Those expressions are told without a copy, and are the same when a function forces one."""
    machine = suspended()
    at = place(machine, "main")
    names = {"Inputs": machine.inputs, "Context": machine.context, **at.variables}

    assert show(glance(facts_of(expression).tree, names)) == value
    assert show(machine.evaluate(f"(() => ({expression}))()", at)) == value


@pytest.mark.parametrize(
    "expression", ["odd + 1", "`${odd}`", "order < 1", "order == 1", "count[odd]", "-odd", "f()"]
)
def test_what_might_run_code_is_not_told_by_looking(expression: str) -> None:
    machine = suspended()

    with pytest.raises(Unsure):
        glance(facts_of(expression).tree, place(machine, "main").variables)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("order.total = 1", "would change 'order'"),
        ("order.items.reverse()", "would change 'order'"),
        ("delete order.total", "would change 'order'"),
        ("seen.set('b', 1)", "would change 'seen'"),
        ("odd + 1", "would change 'odd'"),
        ("(() => { fresh = 1 })()", "would change 'fresh'"),
        ("(odd => `${odd}`)({ toString: () => odd.valueOf() })", "would change 'odd'"),
        ("count = 8", "would change 'count'"),
        ("count++", "would change 'count'"),
        ("[count, missing] = [1]", "would change 'count'"),
        ("(() => { for (count of [1]); })()", "would change 'count'"),
        ("remember()", "would change what the program holds"),
        ("fresh = 1", "would change 'fresh'"),
        ("await work", "would wait"),
        ("Task.run('pay')", "would run a task"),
        ("(() => { try { Workflow.start('pay') } catch {} })()", "would start a workflow"),
        ("Workflow.run('pay')", "would run a workflow"),
        ("Workflow.restart({})", "would restart the workflow"),
        ("Timer.delay(1)", "would start a timer"),
        ("Signal.next('go')", "would wait for a signal"),
        ("Signal.send('e', 'go')", "would send a signal"),
        ("State.set('a', 1)", "would set a state"),
        ("Attributes.set('a', 1)", "would set an attribute"),
        ("work.then(() => 1)", "would change 'work'"),
        ("", "this is no expression"),
        ("1 +", "this is no expression"),
        ("let x = 1", "this is no expression"),
        ("1; 2", "this is no expression"),
        ("1\n); (2", "this is not one expression"),
        ("class {}", "this is no expression"),
    ],
)
def test_what_would_do_more_than_read_is_refused_and_leaves_no_trace(
    expression: str, why: str
) -> None:
    machine = suspended()
    before = encode_state(machine)

    with pytest.raises(EvaluationRefused, match=why.replace("(", r"\(")):
        machine.evaluate(expression, place(machine, "main"))
    assert encode_state(machine) == before


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("nothing.name", "TypeError"),
        ("nowhere", "ReferenceError: nowhere is not defined"),
        ("later", "ReferenceError: cannot use 'later' before"),
        ("double(later)", "ReferenceError: cannot use 'later' before"),
        ("(() => { throw { code: 7 } })()", r"\[object Object\]"),
        ("forever()", "steps"),
        ("deeper(0)", "calls"),
        ("'x'.repeat(1e9)", "string"),
        ("`${'x'.repeat(5e6)}${'x'.repeat(5e6)}`", "string"),
    ],
)
def test_an_expression_that_throws_or_goes_over_a_limit_says_so(expression: str, why: str) -> None:
    machine = suspended()

    with pytest.raises(EvaluationError, match=why) as raised:
        machine.evaluate(expression, place(machine, "main"))
    assert not isinstance(raised.value, EvaluationRefused)


def test_each_function_sees_its_own_variables_and_is_told_what_is_not_kept() -> None:
    machine = suspended()
    visit, main = place(machine, "visit"), place(machine, "main")

    assert machine.evaluate("label + list.length + order.total", visit) == "b:22120"
    with pytest.raises(EvaluationError, match="'seen' cannot be seen from here"):
        machine.evaluate("seen.size", visit)
    with pytest.raises(EvaluationError, match="label is not defined"):
        machine.evaluate("label", main)
    assert "seen" in [name for scope in visit.scopes for name in scope.gone]


# ---------------------------------------------------------------------------------------- stops


def stepper() -> Stepper:
    found = Stepper(
        flowlang.compile(
            """const odd = { valueOf() { return total } }
let total = 0, text = "x".repeat(5000)
for (const n of [40, 50, 60]) {
  total += n
  text += "y"
}
const after = total
return text.length
"""
        ),
        limits=Limits(memory=20_000),
    )
    found.start()
    return found


@pytest.mark.parametrize("condition", ["total > 80", "odd > 80", "((n) => n > 80)(total)"])
def test_a_run_stops_where_a_condition_first_holds_in_both_directions(condition: str) -> None:
    """Also where the condition calls functions of the program, which a stop could be in."""
    walk = stepper()

    stop = walk.run(look=walk.holds(condition))
    assert stop is not None
    assert (stop.line, stop.variables["total"]) == (5, 90.0)
    assert (walk.evaluate("total"), walk.evaluate("n + total")) == (90.0, 140.0)
    walk.run(lambda line: line == 7)
    back = walk.run_back(look=walk.holds(f"!({condition})"))
    assert back is not None
    assert (back.line, back.variables["total"]) == (4, 40.0)


@pytest.mark.parametrize(
    "expression", ["text", "text + total", "odd", "odd + 1", "((s) => s)(text)", "nowhere", "later"]
)
def test_a_turn_goes_on_as_if_nobody_had_evaluated_anything(expression: str) -> None:
    """At each stop: a text grows in place, and nothing is charged."""
    walk = stepper()
    kept: list[object] = []

    def look(stop: Stop) -> None:
        try:
            kept.append(walk.evaluate(expression))
        except EvaluationError as error:
            kept.append(error)

    walk.visit(look)

    assert len(kept) == 14
    ordinary = Machine(walk.program.ordinary, limits=Limits(memory=20_000)).start()
    assert walk.turn == ordinary


def test_a_condition_that_is_no_expression_is_refused_and_one_that_throws_does_not_hold() -> None:
    walk = stepper()
    here = walk.stop

    with pytest.raises(EvaluationRefused):
        walk.run(look=walk.holds("total = 7"))
    assert walk.stop == here
    assert walk.run(look=walk.holds("nowhere.x")) is None
    with pytest.raises(ValueError, match="no function runs"):
        walk.evaluate("1")


@pytest.mark.parametrize("part", range(2))
def test_every_visible_variable_of_every_program_has_as_expression_its_own_value(part: int) -> None:
    """Looked at, and on a copy, at the stops of the first turn; which ends as it does unseen."""
    evaluated = 0
    for path in sorted((HERE / "programs").glob("*.flow"))[part::20]:
        source = path.read_text(encoding="utf-8")
        ordinary = Machine(flowlang.compile(source), INPUTS, CONTEXT, SEED, START_MS).start()
        walk = Stepper(flowlang.compile(source), INPUTS, CONTEXT, SEED, START_MS)
        walk.start()

        def look(stop: Stop) -> bool:
            nonlocal evaluated
            for name, value in stop.variables.items():
                if value is not TDZ:
                    assert show(walk.evaluate(name)) == show(value)  # noqa: B023 - run at once
                    assert show(walk.evaluate(f"[{name}][0]")) == show(value)  # noqa: B023
                    evaluated += 1
            return stop.number > 200

        if walk.visit(look) is None:
            assert walk.turn == ordinary

    assert evaluated > 500
