"""Notice that a worker's event loop does not come round, since a task blocks it.

From aside: what waits for this worker is left to others meanwhile, and the log says
which line it is that blocks. The lease is not in danger: it is renewed from there too.
"""

from __future__ import annotations

import asyncio
import linecache
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from rhythm.worker.aside import Aside
from streams.errors import StreamsError
from streams.work import WorkerSeat

logger = logging.getLogger("rhythm.worker")

# Longer than most activations and callbacks take, shorter than people notice.
_LOOK_EVERY_S = 0.05
# Blocked for so long, it is worth a line in the log; once, until the loop comes round again.
_TELL_AFTER_S = 1.0

_SELECTING = "selectors.py"
_OURS = (str(Path(__file__).parents[1]), str(Path(asyncio.__file__).parent))


class Watch:
    """Watches the running event loop, from aside.

    Args:
        seats: where work may wait for the worker just now.
    """

    def __init__(
        self, aside: Aside, worker: str, seats: Callable[[], Sequence[WorkerSeat]]
    ) -> None:
        self._aside, self._worker, self._seats = aside, worker, seats
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if not self._is_busy():
                continue
            came_round = threading.Event()
            self._loop.call_soon_threadsafe(came_round.set)
            await asyncio.sleep(_LOOK_EVERY_S)
            blocked_s, is_told = _LOOK_EVERY_S, False
            while not came_round.is_set():
                await asyncio.gather(*map(self._hand_over, self._seats()))
                if blocked_s >= _TELL_AFTER_S and not is_told:
                    is_told = True
                    self._tell(blocked_s)
                await asyncio.sleep(_LOOK_EVERY_S)
                blocked_s += _LOOK_EVERY_S

    async def _hand_over(self, seat: WorkerSeat) -> None:
        try:
            await seat.hand_over(self._aside.connection)
        except StreamsError as error:
            logger.warning("what waits for %s waits on: %s", seat.worker, error)

    def _is_busy(self) -> bool:
        """A loop that waits for something to happen is not blocked; it need not be woken to ask."""
        frame = sys._current_frames().get(self._loop_thread)
        return frame is not None and Path(frame.f_code.co_filename).name != _SELECTING

    def _tell(self, blocked_s: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        blocker = None if frame is None else _blocker(frame)
        if blocker is not None:
            logger.warning(
                "the event loop of %s is blocked for over %.1f s by %s: async tasks have to await; "
                "make it a plain function, which runs in a thread",
                self._worker,
                blocked_s,
                blocker,
            )


def _blocker(frame: FrameType) -> str:
    """The line that was called from ours or from the event loop, and called what blocks."""
    while frame.f_back is not None and not frame.f_back.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    path, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(path, line).strip()
    return f"{frame.f_code.co_qualname} ({path}:{line}: {text})"
