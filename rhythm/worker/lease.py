"""Keep a worker's lease: from a thread of its own, so that a busy event loop does not lose it.

Without threads, on a clock that jumps, an asyncio task does it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from rhythm.ending import end
from streams.connection import Connection
from streams.errors import StreamsError, WorkerLost
from streams.work import Told, WorkerSeat

logger = logging.getLogger("rhythm.worker")

# Three chances within a lease; one lost renewal is harmless.
RENEWALS_PER_LEASE = 3
# After a failed renewal, sooner: the lease is running.
_AGAIN_S = 0.25


class LeaseKeeper(Protocol):
    """Renews one seat's lease until stopped or lost."""

    def start(self) -> None:
        """Begin to renew."""

    async def stop(self) -> None:
        """End, and wait until it has ended."""


class LeaseThread:
    """Renews from a thread.

    Args:
        on_told: called, from that thread, with what the worker is not to go on with.
        on_lost: called once, from that thread, when the lease has run out.
    """

    def __init__(
        self,
        connection: Connection,
        seat: WorkerSeat,
        on_told: Callable[[Sequence[Told]], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._connection, self._seat = connection, seat
        self._on_told, self._on_lost = on_told, on_lost
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"rhythm-lease-{seat.worker}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        interval_s = _interval_s(self._seat)
        caller = self._connection.thread_caller()
        try:
            pause_s = interval_s
            while not self._stop.wait(pause_s):
                try:
                    if told := self._seat.renew_from_thread(caller):
                        self._on_told(told)
                    pause_s = interval_s
                except WorkerLost:
                    self._on_lost()
                    return
                except StreamsError as error:
                    pause_s = _after(error, self._seat)
        finally:
            caller.close()


class LeaseTask:
    """Renews from a task of the event loop.

    Args:
        on_told: called with what the worker is not to go on with.
        on_lost: called once when the lease has run out.
    """

    def __init__(
        self,
        seat: WorkerSeat,
        on_told: Callable[[Sequence[Told]], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._seat, self._on_told, self._on_lost = seat, on_told, on_lost
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"rhythm-lease-{self._seat.worker}")

    async def stop(self) -> None:
        await end(self._task)

    async def _run(self) -> None:
        pause_s = _interval_s(self._seat)
        while True:
            await asyncio.sleep(pause_s)
            try:
                if told := await self._seat.renew():
                    self._on_told(told)
                pause_s = _interval_s(self._seat)
            except WorkerLost:
                self._on_lost()
                return
            except StreamsError as error:
                pause_s = _after(error, self._seat)


def _interval_s(seat: WorkerSeat) -> float:
    return seat.lease_ms / 1000 / RENEWALS_PER_LEASE


def _after(error: StreamsError, seat: WorkerSeat) -> float:
    """Tell of a failed renewal; the pause before the next."""
    logger.warning("lease of %s not renewed: %s", seat.worker, error)
    return min(_AGAIN_S, _interval_s(seat))
