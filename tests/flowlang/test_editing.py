"""Variables edited in a machine that waits, and a machine that goes on as another execution."""

from __future__ import annotations

import pytest

import flowlang
from flowlang import Edit, EditRefused, Forked, Machine, TaskCompleted

ORDER = """
const order = { items: [{ price: 3 }, { price: 4 }], "to go": true }
let total = 7
async function ship(weight) {
  const sent = await Task.run("ship", { weight })
  return [weight, sent, total]
}
const shipped = ship(2)
const paid = await Task.run("pay", { total })
return [total, order, paid, await shipped, Context.executionId]
"""


def suspended(source: str = ORDER) -> Machine:
    machine = Machine(flowlang.compile(source), context={"executionId": "first"})
    machine.start()
    return machine


def after(machine: Machine, *edits: Edit) -> object:
    machine.feed(Forked({"executionId": "second"}, edits), 0)
    machine.feed(TaskCompleted(1, "shipped"), 0)
    turn = machine.feed(TaskCompleted(2, "paid"), 0)
    assert isinstance(turn.outcome, flowlang.Completed), turn
    return turn.outcome.value


def test_a_variable_a_property_and_an_element_are_edited() -> None:
    edits = [
        Edit("total", 10),
        Edit("order.items[1].price", [5]),
        Edit("order['to go']", None),
        Edit("order.fresh", "yes"),
        Edit("weight", 9),
    ]

    assert after(suspended(), *edits) == [
        10,
        {"items": [{"price": 3}, {"price": [5]}], "to go": None, "fresh": "yes"},
        "paid",
        [9, "shipped", 10],
        "second",
    ]


def test_edits_and_facts_are_the_same_in_a_machine_that_was_read_back() -> None:
    source = """
    const c = Context
    let x = 1
    await Task.run("a", {})
    return [x, c.executionId, c === Context]
    """
    machine = suspended(source)
    assert machine.context is not None

    machine.feed(Forked({"executionId": "second"}, (Edit("x", 2),)), 0)
    read_back = flowlang.decode_state(
        machine.program, flowlang.encode_state(machine), machine.facts
    )

    ends = [each.feed(TaskCompleted(1, None), 0).outcome for each in (machine, read_back)]
    assert ends == [flowlang.Completed([2, "second", True])] * 2


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("totl", "no function that waits has a variable 'totl'; there are "),
        ("pay:total", "no waiting function 'pay' has a variable 'total'"),
        ("order.missing.x", "TypeError: cannot set a property of undefined"),
        ("total = 3", "this is no path"),
        ("order[total]", "this is no path"),
        ("order?.items", "this is no path"),
        ("", "this is no path"),
        (") (", "this is no path"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, problem: str) -> None:
    with pytest.raises(EditRefused) as caught:
        suspended().feed(Forked({}, (Edit(path, 1),)), 0)

    assert problem in str(caught.value)


def test_a_name_of_two_variables_is_refused_until_the_function_is_named() -> None:
    source = """
    async function one() { let n = 1; await Task.run("a", {}); return n }
    async function two() { let n = 2; await Task.run("b", {}); return n }
    return await Promise.all([one(), two()])
    """
    machine = suspended(source)
    with pytest.raises(EditRefused, match="say which, as in main:n"):
        machine.feed(Forked({}, (Edit("n", 5),)), 0)

    machine = suspended(source)
    machine.feed(Forked({}, (Edit("two:n", 5),)), 0)
    machine.feed(TaskCompleted(1, None), 0)
    assert machine.feed(TaskCompleted(2, None), 0).outcome == flowlang.Completed([1, 5])
