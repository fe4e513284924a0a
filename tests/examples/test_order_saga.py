"""What was done for an order that fails is taken back, in reverse order."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.order_saga import tasks
from rhythm import InitBuilder, Worker
from rhythm.tasks import TaskRegistry

FLOWS = Path(tasks.__file__).parent / "flows"


@pytest.fixture
def place(
    run: Callable[..., Any], database_url: str, namespace: str, saga_tasks: TaskRegistry
) -> Callable[..., Any]:
    """Place orders, one after another, in one shop; what came of each, and the shop."""

    async def placed(*orders: dict[str, Any]) -> tuple[list[Any], tasks.Shop]:
        shop = tasks.Shop()

        @asynccontextmanager
        async def resources() -> Any:
            yield {tasks.Shop: shop}

        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with (
            builder.workflow_paths([FLOWS]) as app,
            Worker(app, resources=resources, registry=saga_tasks),
        ):
            results = []
            for number, order in enumerate(orders, 1):
                id = await app.execution_service.create_execution(
                    target_name="place_order", inputs={"orderId": f"o{number}", **order}
                )
                ended = await app.execution_service.wait_for_execution(id, timeout=50)
                results.append(ended.result())
        return results, shop

    return lambda *orders: run(placed(*orders))


def test_an_order_that_goes_well_is_shipped(place: Callable[..., Any]) -> None:
    [result], shop = place({"item": "tea", "total": 9})

    assert (result["status"], result["parcel"]) == ("shipped", "parcel of o1")
    assert (shop.stock["tea"], shop.paid, shop.sent) == (9, {"o1": 9}, {"o1": "parcel of o1"})


def test_each_failure_leaves_the_shop_as_it_was(place: Callable[..., Any]) -> None:
    results, shop = place(
        {"item": "samovar", "total": 240},
        {"item": "tea", "total": 9000},
        {"item": "anvil", "total": 5},
    )

    assert [result["because"] for result in results] == [
        "the post takes no samovars",
        "the card does not cover 9000",
        "there is no anvil left",
    ]
    assert {result["status"] for result in results} == {"taken back"}
    assert shop == tasks.Shop()
