"""Tasks of asyncio end for certain, whatever a library does with their cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ending

Run = Callable[[Coroutine[Any, Any, None]], None]


def test_a_task_whose_cancellation_was_swallowed_ends(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    async def story() -> None:
        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        await ending.end(task, None)
        assert task.cancelled() and swallowed == 2

    run(story())


def test_who_is_cancelled_while_it_ends_tasks_waits_for_them_all_the_same(run: Run) -> None:

    async def tidy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)

    async def story() -> None:
        task = asyncio.create_task(tidy())
        await asyncio.sleep(0)
        ends = asyncio.create_task(ending.end(task))
        await asyncio.sleep(0)
        ends.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ends
        assert task.done()

    run(story())


def test_errors_of_what_is_ended_are_dropped(run: Run) -> None:
    async def failing() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("at the end")

    async def story() -> None:
        task = asyncio.create_task(failing())
        await asyncio.sleep(0)
        await ending.end(task)
        assert task.done()

    run(story())
