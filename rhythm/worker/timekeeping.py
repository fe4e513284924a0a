"""Take part in keeping the time: timers, scheduled starts, retries, the leases of others; and
deliver what trees send to each other, and what schedules want to be started; and carry permits
between partitions.
"""

from __future__ import annotations

import asyncio
import logging

from rhythm.ending import end
from rhythm.errors import ConnectionLost
from rhythm.services.firing import Firing
from rhythm.worker.delivery import deliver_all
from streams import permits
from streams.connection import BlockingReader, Connection
from streams.due import Timekeeper
from streams.errors import BackendUnavailable
from streams.keys import PartitionKeys

logger = logging.getLogger("rhythm.worker")

_AFTER_FAILURE_S = 0.25
_ROUNDS_AT_ONCE = 8


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
    shares = Permits(connection, keys)
    try:
        while True:
            try:
                await _turn(connection, keys, keeper, firing, shares, reader, term_s / 3)
            except (BackendUnavailable, ConnectionLost) as error:
                logger.warning("timekeeping was interrupted: %s", error)
                await asyncio.sleep(_AFTER_FAILURE_S)
    finally:
        await shares.stop()
        await reader.close()


class Permits:
    """Exchanges permits with other partitions, beside what becomes due here: one that does not
    answer keeps nothing else waiting."""

    def __init__(self, connection: Connection, keys: PartitionKeys) -> None:
        self._connection, self._keys = connection, keys
        self._exchanging: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Exchange until there is nothing to say, unless that is going on."""
        if self._exchanging is None or self._exchanging.done():
            self._exchanging = asyncio.create_task(self._exchange(), name="rhythm-permits")

    async def _exchange(self) -> None:
        rounds = 0
        try:
            while await permits.exchange(self._connection, self._keys):
                rounds += 1
                if rounds % _ROUNDS_AT_ONCE == 0:
                    # What is short may go to and fro without end: let others have the server.
                    await asyncio.sleep(_AFTER_FAILURE_S)
        except (BackendUnavailable, ConnectionLost) as error:
            # What was to be said is due again in a second.
            logger.warning("permits were not exchanged: %s", error)

    async def stop(self) -> None:
        """Leave it to the next timekeeper."""
        await end(self._exchanging)


async def _turn(
    connection: Connection,
    keys: PartitionKeys,
    keeper: Timekeeper,
    firing: Firing,
    shares: Permits,
    reader: BlockingReader,
    longest_s: float,
) -> None:
    tended = await keeper.tend()
    for worker in tended.lost_workers:
        logger.warning("worker %s is lost: what it held goes to others", worker)
    if not tended.is_keeper:
        await keeper.wait_for_resignation(reader, longest_s)
        return
    if tended.limits_to_tell:
        shares.begin()
    if await deliver_all(connection, keys, firing):
        return
    if tended.next_due_ms == 0:
        await keeper.wait_until_due(reader, longest_s)
        return
    left_s = (tended.next_due_ms - tended.now_ms) / 1000
    if left_s > 0:
        await keeper.wait_until_due(reader, min(left_s, longest_s))
