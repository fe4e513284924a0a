"""Take part in keeping the time: timers, scheduled starts, retries, the leases of others; and
deliver what trees send to each other, and what schedules want to be started; and carry permits and
rules between partitions.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from rhythm.ending import end
from rhythm.errors import ConnectionLost
from rhythm.services.firing import Firing
from rhythm.worker.delivery import deliver_all
from streams import permits, rules
from streams.connection import BlockingReader, Connection
from streams.due import Tended, Timekeeper
from streams.errors import BackendUnavailable
from streams.keys import PartitionKeys

logger = logging.getLogger("rhythm.worker")

_AFTER_FAILURE_S = 0.25
_ROUNDS_AT_ONCE = 8
# One that died while it told partitions of a pause leaves it to us for no longer than a lease; and
# where they agree this is one small read of each.
_RULES_EVERY_S = 3.0


async def keep_time(
    connection: Connection,
    keys: PartitionKeys,
    keeper: Timekeeper,
    firing: Firing,
    others: Others,
    *,
    term_s: float,
) -> None:
    """Run until cancelled: be timekeeper when nobody else is, and do what becomes due.

    Args:
        firing: does what schedules' messages ask for.
        others: attends to what there is to do with other partitions.
        term_s: how long a turn lasts; asked for again every third of it, so that a timekeeper
            that died is followed after at most one and a third terms.
    """
    reader = connection.reader()
    try:
        while True:
            try:
                await _turn(connection, keys, keeper, firing, others, reader, term_s / 3)
            except (BackendUnavailable, ConnectionLost) as error:
                logger.warning("timekeeping was interrupted: %s", error)
                await asyncio.sleep(_AFTER_FAILURE_S)
    finally:
        await reader.close()


class Others:
    """What a partition has to do with the others, beside what becomes due here: one that does not
    answer keeps nothing else waiting."""

    def __init__(self, connection: Connection, keys: PartitionKeys) -> None:
        self._connection, self._keys = connection, keys
        self._running = dict[str, asyncio.Task[None]]()
        self._rules_at = -math.inf
        self._is_to_tell = False

    def attend(self, tended: Tended) -> None:
        """As timekeeper: begin what there is to do, as far as that is not going on."""
        if len(self._connection.keys.partitions) == 1:
            return
        if tended.has_shares_to_tell:
            self.exchange_permits()
        now = asyncio.get_running_loop().time()
        if now >= self._rules_at:
            self._rules_at = now + _RULES_EVERY_S
            self._begin("rules", self._bring_rules)

    def exchange_permits(self) -> None:
        """Something is to be said to homes of limits: do, until there is nothing any more."""
        self._is_to_tell = True
        self._begin("permits", self._exchange_permits)

    def _begin(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        if what not in self._running or self._running[what].done():
            running = asyncio.create_task(self._do(what, work), name=f"rhythm-{what}")
            self._running[what] = running

    async def _do(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (BackendUnavailable, ConnectionLost, TimeoutError) as error:
            # It is done again in some seconds.
            reason = str(error) or "one did not answer in time"
            logger.warning("%s did not get to all partitions: %s", what, reason)

    async def _exchange_permits(self) -> None:
        rounds = 0
        while self._is_to_tell:
            # What is put there while this one is under way is said with the next.
            self._is_to_tell = False
            if await permits.exchange(self._connection, self._keys):
                self._is_to_tell = True
            rounds += 1
            if rounds % _ROUNDS_AT_ONCE == 0:
                # What is short may go to and fro without end: let others have the server.
                await asyncio.sleep(_AFTER_FAILURE_S)

    async def _bring_rules(self) -> None:
        # Without end a partition that cannot be reached would keep later rules from the others.
        async with asyncio.timeout(_RULES_EVERY_S):
            await rules.bring_together(self._connection, self._keys)

    async def stop(self) -> None:
        """Leave it to the next timekeeper."""
        await end(*self._running.values())


async def _turn(
    connection: Connection,
    keys: PartitionKeys,
    keeper: Timekeeper,
    firing: Firing,
    others: Others,
    reader: BlockingReader,
    longest_s: float,
) -> None:
    tended = await keeper.tend()
    for worker in tended.lost_workers:
        logger.warning("worker %s is lost: what it held goes to others", worker)
    if not tended.is_keeper:
        await keeper.wait_for_resignation(reader, longest_s)
        return
    others.attend(tended)
    if await deliver_all(connection, keys, firing):
        return
    if tended.next_due_ms == 0:
        await keeper.wait_until_due(reader, longest_s)
        return
    left_s = (tended.next_due_ms - tended.now_ms) / 1000
    if left_s > 0:
        await keeper.wait_until_due(reader, min(left_s, longest_s))
