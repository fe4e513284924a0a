"""Take part in keeping the time: timers, scheduled starts, retries, the leases of others; and
deliver what trees send to each other, and what schedules want to be started.
"""

from __future__ import annotations

import asyncio
import logging

from rhythm.errors import ConnectionLost
from rhythm.services.firing import Firing
from rhythm.worker.delivery import deliver_all
from streams.connection import BlockingReader, Connection
from streams.due import Timekeeper
from streams.errors import BackendUnavailable
from streams.keys import PartitionKeys

logger = logging.getLogger("rhythm.worker")

_AFTER_FAILURE_S = 0.25


async def keep_time(
    connection: Connection,
    keys: PartitionKeys,
    keeper: Timekeeper,
    firing: Firing,
    *,
    term_s: float,
) -> None:
    """Run until cancelled: be timekeeper when nobody else is, and do what becomes due.

    Args:
        firing: does what schedules' messages ask for.
        term_s: how long a turn lasts; asked for again every third of it, so that a timekeeper
            that died is followed after at most one and a third terms.
    """
    reader = connection.reader()
    try:
        while True:
            try:
                await _turn(connection, keys, keeper, firing, reader, term_s / 3)
            except (BackendUnavailable, ConnectionLost) as error:
                logger.warning("timekeeping was interrupted: %s", error)
                await asyncio.sleep(_AFTER_FAILURE_S)
    finally:
        await reader.close()


async def _turn(
    connection: Connection,
    keys: PartitionKeys,
    keeper: Timekeeper,
    firing: Firing,
    reader: BlockingReader,
    longest_s: float,
) -> None:
    tended = await keeper.tend()
    for worker in tended.lost_workers:
        logger.warning("worker %s is lost: what it held goes to others", worker)
    if not tended.is_keeper:
        await keeper.wait_for_resignation(reader, longest_s)
        return
    if await deliver_all(connection, keys, firing):
        return
    if tended.next_due_ms == 0:
        await keeper.wait_until_due(reader, longest_s)
        return
    left_s = (tended.next_due_ms - tended.now_ms) / 1000
    if left_s > 0:
        await keeper.wait_until_due(reader, min(left_s, longest_s))
