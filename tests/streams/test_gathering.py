"""What is asked for at the same time goes together, and each hears of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from streams.gathering import BYTES_AT_ONCE, ITEMS_AT_ONCE, Gathering

BAD = 1000


class Calls:
    """Answers each item with itself when it is let; a call with a bad one fails."""

    def __init__(self) -> None:
        self.made: list[list[int]] = []
        self.may_answer = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.made.append(list(items))
        await self.may_answer.wait()
        if BAD in items:
            raise ValueError("bad")
        return items


def test_who_comes_while_calls_are_under_way_goes_with_the_next() -> None:
    async def story() -> None:
        calls = Calls()
        gathering = Gathering(calls)
        asked = [asyncio.ensure_future(gathering.ask(n, 1)) for n in range(200)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        calls.may_answer.set()

        assert await asyncio.gather(*asked) == list(range(200))
        assert calls.made[0] == [0]
        assert max(map(len, calls.made)) == ITEMS_AT_ONCE

    asyncio.run(story())


def test_a_call_carries_so_many_bytes() -> None:
    async def story() -> None:
        calls = Calls()
        calls.may_answer.set()
        gathering = Gathering(calls)

        await asyncio.gather(*(gathering.ask(n, BYTES_AT_ONCE // 2 + n) for n in range(4)))

        assert max(map(len, calls.made)) == 1

    asyncio.run(story())


def test_a_failure_is_of_those_who_went_together() -> None:
    async def story() -> None:
        calls = Calls()
        gathering = Gathering(calls)
        asked = [asyncio.ensure_future(gathering.ask(n, 1)) for n in (1, 12, BAD)]
        await asyncio.sleep(0)
        calls.may_answer.set()
        await asyncio.wait(asked)

        assert asked[0].result() == 1 and str(asked[2].exception()) == "bad"
        with pytest.raises(ValueError, match="bad"):
            asked[1].result()
        assert await gathering.ask(2, 1) == 2

    asyncio.run(story())


def test_who_gives_up_takes_nobody_along() -> None:
    async def story() -> None:
        calls = Calls()
        gathering = Gathering(calls)
        asked = [asyncio.ensure_future(gathering.ask(n, 1)) for n in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked[0].cancel()
        asked[1].cancel()
        await asyncio.sleep(0)
        calls.may_answer.set()

        assert await asked[2] == 2

    asyncio.run(story())
