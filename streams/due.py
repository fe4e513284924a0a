"""What becomes due: timers, scheduled starts, retries, leases.

One worker per partition is timekeeper. It sleeps until the next due time, or until a script that
set an earlier one rings. The others wait for it to leave, and ask now and then in case it died.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from streams.connection import BlockingReader, Connection
from streams.keys import PartitionKeys
from streams.scripts import load

_TEND = load("tend_due")

UNITS = 256
"""How much one call does: a script must not hold the server for long."""


class Tended(msgspec.Struct, frozen=True, gc=False):
    """One turn of the timekeeper.

    Attributes:
        is_keeper: False if another worker is; the rest is then empty, but for `until_ms`.
        now_ms: the server's time, unix ms.
        next_due_ms: when the next thing becomes due; 0 for nothing; at most `now_ms` when work
            was left for another turn.
        lost_workers: whose leases had run out.
        fired: how many timers, starts and retries came due.
        has_shares_to_tell: whether something is to be said to homes of limits: see permits.py.
        until_ms: until when the other worker is timekeeper.
    """

    is_keeper: bool
    now_ms: int = 0
    next_due_ms: int = 0
    lost_workers: tuple[str, ...] = ()
    fired: int = 0
    has_shares_to_tell: bool = False
    until_ms: int = 0


class Failure(NamedTuple):
    """The name of an error, by which those that fail with it are found, and the encoded event."""

    error: str
    payload: bytes


class Endings(msgspec.Struct, frozen=True):
    """What is recorded of executions that time ends; of the last an encoded request to cancel.

    Attributes:
        lost: so many workers were lost with it.
        late: it did not end within its time.
        unclaimed: nobody began it within its time.
        silent: it sent no heartbeat.
        closed: why the children of an ended parent are cancelled.
    """

    lost: Failure
    late: Failure
    unclaimed: Failure
    silent: Failure
    closed: bytes


class Timekeeper:
    """A worker's candidacy for timekeeper of one partition.

    Args:
        term_ms: how long a turn makes it timekeeper; another one takes over after that.
        max_lost: after so many lost workers in a row a task fails instead of being handed out
            again, and a workflow is parked.
        endings: what is recorded of those whose time has run out.
        kept_ms: how long after its end a tree is kept; None is for ever.
    """

    def __init__(
        self,
        connection: Connection,
        keys: PartitionKeys,
        worker: str,
        *,
        term_ms: int,
        max_lost: int,
        endings: Endings,
        kept_ms: int | None = None,
    ) -> None:
        self._connection, self._keys, self._worker = connection, keys, worker
        self._kept_ms = kept_ms
        self._term_ms, self._max_lost, self._endings = term_ms, max_lost, endings

    async def tend(self) -> Tended:
        """Be timekeeper if nobody else is, and do what has become due."""
        seal, endings = self._connection.sealing.seal, self._endings
        answer = await self._connection.call(
            _TEND,
            [self._keys.due, self._keys.timekeeper, self._keys.workers],
            [
                self._connection.now(),
                self._worker,
                self._term_ms,
                UNITS,
                self._max_lost,
                endings.lost.error,
                seal(endings.lost.payload),
                endings.late.error,
                seal(endings.late.payload),
                endings.unclaimed.error,
                seal(endings.unclaimed.payload),
                endings.silent.error,
                seal(endings.silent.payload),
                seal(endings.closed),
                "" if self._kept_ms is None else self._kept_ms,
            ],
        )
        if answer[0] == b"OTHER":
            return Tended(False, until_ms=answer[1])
        _, now_ms, next_due_ms, lost, fired, to_tell = answer
        names = tuple(name.decode() for name in lost)
        return Tended(True, now_ms, next_due_ms, names, fired, bool(to_tell))

    async def wait_until_due(self, reader: BlockingReader, timeout_s: float) -> None:
        """As timekeeper: until something earlier is to come, or `timeout_s` passed."""
        await reader.pop([self._keys.due_bell], timeout_s)

    async def wait_for_resignation(self, reader: BlockingReader, timeout_s: float) -> None:
        """As any other worker: until the timekeeper leaves, or `timeout_s` passed."""
        await reader.pop([self._keys.resign_bell], timeout_s)
