"""End asyncio tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

# Longer than what a task does at its end, which a further word would break off.
_AGAIN_S = 5.0


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until they have ended; their results and errors are dropped.

    A library may swallow a cancellation that comes in an unlucky moment, so a task that goes on is
    cancelled again. Cancelled itself, it waits all the same.
    """
    ending = {task for task in tasks if task is not None}
    interrupted: asyncio.CancelledError | None = None
    while ending:
        for task in ending:
            task.cancel()
        try:
            await asyncio.wait(ending, timeout=_AGAIN_S)
        except asyncio.CancelledError as error:
            interrupted = error
        for task in [task for task in ending if task.done()]:
            ending.remove(task)
            if not task.cancelled():
                task.exception()
    if interrupted is not None:
        raise interrupted
