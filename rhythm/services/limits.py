"""Limit how many tasks run at once, or begin within a time."""

from __future__ import annotations

from typing import Final

from rhythm.errors import InvalidRequest, did_you_mean, quoted
from rhythm.limits import LimitInfo, LimitKind, limits_of, shown_rate
from rhythm.models import check_name, check_queue
from rhythm.services.translation import translated
from streams import limits
from streams.connection import Connection
from streams.limits import Limits

KINDS: Final[tuple[LimitKind, ...]] = ("queue", "task")


class LimitService:
    """`app.limit_service`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def set_limits(
        self,
        kind: LimitKind,
        name: str,
        *,
        concurrency: int | None = None,
        rate: str | None = None,
        key_concurrency: int | None = None,
        key_rate: str | None = None,
    ) -> bool:
        """Limit the tasks of a queue, or those of a name, for all workers and at once.

        What was set before is replaced as a whole, and a task's declaration does not hold while
        something is set for its name. What runs is not ended; a task that began before its first
        limit was set does not count at it.

        Args:
            kind: "queue" or "task"; `name` is that of one.
            concurrency: how many may run at once.
            rate: how many may begin within a time, in any such time: "10/s", "100/1m", "5/30s".
            key_concurrency, key_rate: the same for each key.

        Returns:
            Whether that changed something.

        Raises:
            InvalidRequest: nothing to set, or what cannot be.
            ConnectionLost: no answer in time; repeat the call. Where there are several partitions,
                some may hold to it already; the others then do when they can be reached.
        """
        given = limits_of(concurrency, rate, key_concurrency, key_rate)
        if given == Limits():
            raise InvalidRequest(
                "concurrency",
                "is missing, and so are rate, key_concurrency and key_rate: give one of them, or "
                "call remove_limits",
            )
        return await self._put(kind, name, given)

    async def remove_limits(self, kind: LimitKind, name: str) -> bool:
        """Forget what `set_limits` said; what waits because of it goes on.

        A task's own declaration holds again.

        Returns:
            Whether something was set.

        Raises:
            As `set_limits`.
        """
        return await self._put(kind, name, Limits())

    async def list_limits(self) -> list[LimitInfo]:
        """All limits, by kind and name, with how they are used."""
        several = len(self._connection.keys.partitions) > 1
        with translated():
            found = await limits.read(self._connection)
        return [
            LimitInfo(
                kind=one.kind,
                name=one.name,
                concurrency=one.limits.most or None,
                rate=shown_rate(one.limits.begin, one.limits.within_ms),
                key_concurrency=one.limits.key_most or None,
                key_rate=shown_rate(one.limits.key_begin, one.limits.key_within_ms),
                declared=one.is_declared,
                granted=one.granted if several and one.limits.most else None,
                running=one.running,
                began=one.began,
                waiting=one.waiting,
            )
            for one in found
        ]

    async def _put(self, kind: LimitKind, name: str, given: Limits) -> bool:
        if kind not in KINDS:
            known = " or ".join(map(repr, KINDS))
            raise InvalidRequest(
                "kind", f"{quoted(str(kind))} is not {known}{did_you_mean(str(kind), KINDS)}"
            )
        checked = (check_queue if kind == "queue" else check_name)(name, "name")
        with translated():
            changed = await limits.put(self._connection, {f"{kind}:{checked}": given})
        return changed > 0
