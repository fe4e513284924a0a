"""The steps of an order, and the shop that they change.

The shop lives in the worker's memory, so that the example needs nothing else. Each step may run
more than once, after a crash, so each is told by its order and changes the shop once.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rhythm import Provided, RetryPolicy, task


class Refused(Exception):
    """The answer is no, and will be no when asked again."""


ONCE_REFUSED = RetryPolicy(max_attempts=5, non_retryable=[Refused])


@dataclass
class Shop:
    """Stock by item; who has what reserved, paid and sent, by order."""

    stock: dict[str, int] = field(default_factory=lambda: {"tea": 10, "samovar": 1})
    reserved: dict[str, str] = field(default_factory=dict)
    paid: dict[str, float] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def resources() -> AsyncIterator[Mapping[type, object]]:
    """What the tasks below find in their `Provided` parameters, made once per worker process."""
    yield {Shop: Shop()}


@task(retry=ONCE_REFUSED)
async def reserve(orderId: str, item: str, shop: Provided[Shop]) -> str:
    """The shelf of the piece that is kept for the order."""
    if orderId not in shop.reserved:
        if not shop.stock.get(item):
            raise Refused(f"there is no {item} left")
        shop.stock[item] -= 1
        shop.reserved[orderId] = item
    return f"shelf of {item}"


@task
async def release(orderId: str, item: str, shop: Provided[Shop]) -> None:
    """Put back what was kept for the order."""
    if shop.reserved.pop(orderId, None) is not None:
        shop.stock[item] += 1


@task(retry=ONCE_REFUSED)
async def charge(orderId: str, total: float, shop: Provided[Shop]) -> str:
    """The receipt's number."""
    if total > 1000:
        raise Refused(f"the card does not cover {total:g}")
    shop.paid[orderId] = total
    return f"receipt of {orderId}"


@task
async def refund(orderId: str, receipt: str, shop: Provided[Shop]) -> None:
    """Give the money back, once."""
    shop.paid.pop(orderId, None)


@task(retry=ONCE_REFUSED)
async def ship(orderId: str, item: str, place: str, shop: Provided[Shop]) -> str:
    """The parcel's number. Samovars are too heavy, which only the post finds out."""
    if item == "samovar":
        raise Refused("the post takes no samovars")
    return shop.sent.setdefault(orderId, f"parcel of {orderId}")
