"""Keep a worker's lease in a partition, aside from its event loop: a busy one loses nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from rhythm.worker.aside import Aside
from streams.errors import StreamsError, WorkerLost
from streams.work import Told, WorkerSeat

logger = logging.getLogger("rhythm.worker")

# Three chances within a lease; one lost renewal is harmless.
RENEWALS_PER_LEASE = 3
# After a failed renewal, sooner: the lease is running.
_AGAIN_S = 0.25


async def keep_lease(
    aside: Aside,
    seat: WorkerSeat,
    on_told: Callable[[Sequence[Told]], None],
    on_lost: Callable[[], None],
) -> None:
    """Renew a seat's lease until cancelled or lost; runs in `aside`.

    Args:
        on_told: called, in the worker's loop, with what the worker is not to go on with.
        on_lost: called once, in the worker's loop, when the lease has run out.
    """
    interval_s = seat.lease_ms / 1000 / RENEWALS_PER_LEASE
    pause_s = interval_s
    is_told = False
    while True:
        await asyncio.sleep(pause_s)
        try:
            if told := await seat.renew(aside.connection):
                aside.tell(on_told, told)
            pause_s, is_told = interval_s, False
        except WorkerLost:
            aside.tell(on_lost)
            return
        except StreamsError as error:
            # Once: that it goes on is told by the calls of the worker itself.
            if not is_told:
                logger.warning("lease of %s not renewed: %s", seat.worker, error)
                is_told = True
            pause_s = min(_AGAIN_S, interval_s)
