"""End asyncio tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

# Long enough for a task to clean up in one go, short enough that nobody notices a second round.
_ROUND_S = 0.05


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks until they have ended; their results and errors are dropped.

    Once would do, but for `asyncio.wait_for` below Python 3.12: it swallows a cancellation that
    comes at the moment of a result, and the libraries below wait with it.
    """
    pending = {task for task in tasks if task is not None}
    while pending:
        for task in pending:
            task.cancel()
        ended, pending = await asyncio.wait(pending, timeout=_ROUND_S)
        for task in ended:
            if not task.cancelled():
                task.exception()  # asked for, so that asyncio does not report it as never seen
