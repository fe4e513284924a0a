"""Keep a worker's lease from a thread of its own, so that a busy event loop does not lose it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from streams.connection import Connection
from streams.errors import StreamsError, WorkerLost
from streams.work import WorkerSeat

logger = logging.getLogger("rhythm.worker")

# Three chances within a lease; one lost renewal is harmless.
RENEWALS_PER_LEASE = 3
# After a failed renewal, sooner: the lease is running.
_AGAIN_S = 0.25


class LeaseThread:
    """Renews one seat's lease until stopped or lost.

    Args:
        on_lost: called once, from this thread, when the lease has run out.
    """

    def __init__(
        self, connection: Connection, seat: WorkerSeat, on_lost: Callable[[], None]
    ) -> None:
        self._connection, self._seat, self._on_lost = connection, seat, on_lost
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"rhythm-lease-{seat.worker}", daemon=True
        )

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until the thread has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        interval_s = self._seat.lease_ms / 1000 / RENEWALS_PER_LEASE
        caller = self._connection.thread_caller()
        try:
            pause_s = interval_s
            while not self._stop.wait(pause_s):
                try:
                    self._seat.renew(caller)
                    pause_s = interval_s
                except WorkerLost:
                    self._on_lost()
                    return
                except StreamsError as error:
                    logger.warning("lease of %s not renewed: %s", self._seat.worker, error)
                    pause_s = min(_AGAIN_S, interval_s)
        finally:
            caller.close()
