"""The schema in a workflow's front matter: what does not fit is refused where it enters."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import InvalidWorkflowInputs
from tests.rhythm.test_workflows import on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

ORDER = """\
```
inputs:
  type: object
  required: [customer, items]
  additionalProperties: false
  properties:
    customer: { type: string, minLength: 1 }
    kind: { enum: [gift, plain] }
    items:
      type: array
      items: { type: object, required: [sku], properties: { sku: { type: string } } }
```
return Inputs.items.length
"""

GOOD = {"customer": "Ada", "items": [{"sku": "tea"}, {"sku": "cup"}], "kind": "gift"}

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({}, "inputs", "misses 'customer', 'items'"),
    (GOOD | {"customer": 7}, "inputs.customer", "must be of type string"),
    (GOOD | {"customer": ""}, "inputs.customer", "does not fit 'minLength': 1"),
    (GOOD | {"kind": "other"}, "inputs.kind", "must be one of 'gift', 'plain'"),
    (GOOD | {"items": [{"sku": "a"}, {}]}, "inputs.items[1]", "misses 'sku'"),
    (GOOD | {"itms": []}, "inputs", "has 'itms', which the workflow does not take"),
]


@pytest.mark.parametrize(("inputs", "path", "reason"), WRONG, ids=[why for _, _, why in WRONG])
def test_a_start_with_inputs_that_do_not_fit_is_refused(
    database_url: str, namespace: str, run: Run, inputs: dict[str, Any], path: str, reason: str
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, workers=0, order=ORDER) as stage:
            with pytest.raises(InvalidWorkflowInputs) as error:
                await stage.start("order", inputs)
            assert (error.value.path, error.value.reason) == (path, reason)
            assert await stage.app.execution_service.count_executions() == 0

    run(story())


def test_inputs_that_fit_are_as_they_were_given(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, order=ORDER) as stage:
            assert (await stage.ended("order", GOOD)).result() == 2

    run(story())


def test_a_script_sees_its_child_refused(database_url: str, namespace: str, run: Run) -> None:
    source = """
        try { await Workflow.run("order", { customer: "Ada" }) }
        catch (error) { return [error.name, error.message, error.type] }
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, order=ORDER) as stage:
            assert (await stage.ended("it")).result() == [
                "InvalidWorkflowInputs",
                "workflow 'order', inputs: misses 'items'",
                "workflow_failed",
            ]

    run(story())
