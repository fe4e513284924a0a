"""Group commit: what several callers ask for at the same time goes to the store in one call.

A caller who is alone waits for nobody. Who comes while calls are under way goes with the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ITEMS_AT_ONCE: Final = 64
"""Each is a transition of some ten commands; more would keep others waiting."""

BYTES_AT_ONCE: Final = 1024 * 1024
"""So that no reader waits long for another's words; a larger item goes alone."""

CALLS_AT_ONCE: Final = 2
"""One is answered while the other is made."""


class Gathering(Generic[Item, Answer]):
    """Sends items together.

    Args:
        send: one call of the store; one answer per item, in their order. What it raises, all of
            the call's callers get.
    """

    def __init__(self, send: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]]) -> None:
        self._send = send
        self._waiting: deque[tuple[Item, int, asyncio.Future[Answer]]] = deque()
        self._calls = 0
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, item: Item, size: int) -> Answer:
        """The answer to one item of `size` bytes."""
        if not self._calls:
            self._calls += 1
            try:
                (answer,) = await self._send([item])
                return answer
            finally:
                self._calls -= 1
                self._go_on()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, size, future))
        self._go_on()
        return await future

    def _go_on(self) -> None:
        if self._waiting and self._calls < CALLS_AT_ONCE:
            self._calls += 1
            task = asyncio.get_running_loop().create_task(self._send_together())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _send_together(self) -> None:
        try:
            while items := self._taken():
                await self._answer(items)
        finally:
            self._calls -= 1
            self._go_on()

    async def _answer(self, items: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._send([item for item, _ in items])
        except asyncio.CancelledError:
            for _, future in items:
                future.cancel()
            raise
        except Exception as error:
            for _, future in items:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(items, answers, strict=True):
            # Who was cancelled meanwhile does not hear of it.
            if not future.done():
                future.set_result(answer)

    def _taken(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        taken: list[tuple[Item, asyncio.Future[Answer]]] = []
        room = BYTES_AT_ONCE
        while self._waiting and len(taken) < ITEMS_AT_ONCE:
            item, size, future = self._waiting[0]
            if taken and size > room:
                break
            self._waiting.popleft()
            if not future.done():
                taken.append((item, future))
                room -= size
        return taken
