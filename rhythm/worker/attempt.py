"""One attempt of a task while it runs: what it says of itself, and that it is to end."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from rhythm import events
from rhythm.payloads import to_payload
from streams.codec import TaskClaim
from streams.errors import StreamsError
from streams.work import WorkerSeat

logger = logging.getLogger("rhythm.worker")

_NOTHING: Final = b""


class Attempt:
    """What a task's context talks to. Its methods may be called from any thread.

    Reports go to the store one at a time; of what is said meanwhile the latest counts.
    """

    def __init__(self, claim: TaskClaim, seat: WorkerSeat, is_async: bool) -> None:
        self.claim = claim
        self._seat, self._is_async = seat, is_async
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.current_task()
        # Read by the task's thread, which never waits for it.
        self._to_end = False
        self._details = self._progress = _NOTHING
        self._is_waiting = False
        self._reporting: asyncio.Task[None] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether it is to end."""
        return self._to_end

    def heartbeat(self, details: Any) -> None:
        """It lives; `details` are for the next attempt."""
        if details is None:
            self._loop.call_soon_threadsafe(self._say, _NOTHING, _NOTHING)
            return
        encoded = events.encode_value(to_payload(details, "details"))
        self._loop.call_soon_threadsafe(self._say, encoded, _NOTHING)

    def progress(self, value: Any) -> None:
        """How far it is."""
        encoded = events.encode_value(to_payload(value, "progress"))
        self._loop.call_soon_threadsafe(self._say, _NOTHING, encoded)

    def end(self) -> None:
        """It is not to go on. An async function is interrupted; a sync one has to look."""
        if self._to_end:
            return
        self._to_end = True
        if self._is_async and self._running is not None:
            self._running.cancel()

    def abandon(self) -> None:
        """Nobody waits for it any more; its thread may still look whether it is to end."""
        self._to_end = True

    async def close(self) -> None:
        """Say what is still to be said."""
        if self._reporting is not None:
            await asyncio.gather(self._reporting, return_exceptions=True)

    def _say(self, details: bytes, progress: bytes) -> None:
        self._details = details or self._details
        self._progress = progress or self._progress
        self._is_waiting = True
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._report())

    async def _report(self) -> None:
        while self._is_waiting:
            self._is_waiting = False
            details, self._details = self._details, _NOTHING
            progress, self._progress = self._progress, _NOTHING
            try:
                verdict = await self._seat.report(
                    self.claim.id, self.claim.token, details, progress
                )
            except StreamsError as error:
                logger.warning("what %s said of itself is lost: %s", self.claim.id, error)
                return
            if verdict != "OK":
                self.end()
                return
