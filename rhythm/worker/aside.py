"""Where a worker does what must not wait for its event loop, which a task may block.

In a thread of its own, with an event loop and connections of its own; on a clock that jumps, where
nothing would wait for a thread, in the same loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from rhythm.ending import end
from streams.connection import Connection


class Aside(Protocol):
    """A place to run coroutines beside the worker's own."""

    connection: Connection
    """For use by those coroutines alone."""

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> Callable[[], object]:
        """Run it there; what is returned cancels it."""

    def tell(self, function: Callable[..., object], *arguments: object) -> None:
        """Called there: call a function in the worker's loop."""

    async def stop(self) -> None:
        """Cancel what still runs there, and wait until it has ended."""


class SideThread:
    """Runs them in a thread. It belongs to the running event loop."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self._main = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"rhythm-{name}", daemon=True)
        self._thread.start()

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> Callable[[], object]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).cancel

    def tell(self, function: Callable[..., object], *arguments: object) -> None:
        self._main.call_soon_threadsafe(function, *arguments)

    async def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(end(*asyncio.all_tasks(self._loop)))
            self._loop.run_until_complete(self.connection.close())
        finally:
            self._loop.close()


class SameLoop:
    """Runs them in the running event loop."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> Callable[[], object]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.cancel

    def tell(self, function: Callable[..., object], *arguments: object) -> None:
        function(*arguments)

    async def stop(self) -> None:
        await end(*self._tasks)
