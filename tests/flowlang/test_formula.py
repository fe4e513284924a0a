"""An expression over the fields of an object gives the same everywhere, and only looks."""

from __future__ import annotations

from typing import Any

import pytest

from flowlang import EvaluationError, EvaluationRefused, check_formula, formula_value

FIELDS: dict[str, Any] = {
    "order": {"id": 7, "customer": {"id": "ada"}, "items": [{"sku": "b"}, {"sku": "a"}]},
    "region": "eu",
    "none": None,
    "huge": 2**60,
    "String": "an input",
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("order.customer.id", "ada"),
        ("`${region}-${order.id}`", "eu-7"),
        ("by ?? order.customer.id", "ada"),
        ("by?.name", None),
        ("none", None),
        ("order.id % 4", 3),
        ("order.items.map(item => item.sku).sort()[0]", "a"),
        ("Inputs.order.id + 1", 8),
        # A name of the language's own means that.
        ("String(order.id)", "7"),
        ("Inputs.String", "an input"),
        ("region // of the order", "eu"),
        ("order.items.sort().length", 2),
    ],
)
def test_it_has_the_value_that_a_script_would_see(expression: str, value: Any) -> None:
    fields = {name: value for name, value in FIELDS.items() if name != "huge"}
    check_formula(expression)

    assert formula_value(expression, fields) == value
    assert formula_value(expression, fields) == value
    assert fields["order"]["items"] == [{"sku": "b"}, {"sku": "a"}]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "no expression"),
        ("order +", "no expression: expected a value"),
        ("order; region", "no expression"),
        ("return 1", "no expression"),
        ("region = 1", "would change 'region'"),
        ("await order", "would wait"),
        ("Task.run('charge')", "uses 'Task'"),
        ("Context.executionId", "uses 'Context'"),
        ("Date.now()", "uses 'Date'"),
        ("[1].map(() => crypto.randomUUID())", "uses 'crypto'"),
        ("Math.random()", "draws a random number"),
    ],
)
def test_what_is_more_than_a_look_is_refused(expression: str, why: str) -> None:
    with pytest.raises(EvaluationRefused, match=why):
        check_formula(expression)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("by.name", "TypeError: cannot read"),
        ("(() => { for (;;); })()", "10,000 steps"),
        ("region.repeat(100000)", "65,536 characters"),
        ("huge + 1", "2\\^53"),
        ("new Promise(() => {})", "DeadlockError"),
    ],
)
def test_why_it_has_no_value_is_told(expression: str, why: str) -> None:
    check_formula(expression)
    with pytest.raises(EvaluationError, match=why):
        formula_value(expression, FIELDS)


def test_inputs_that_it_does_not_name_are_no_matter() -> None:
    assert formula_value("region + 1", FIELDS) == "eu1"
