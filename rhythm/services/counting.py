"""How many executions there are, by one of their properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rhythm.engine.attributes import check_attributes
from rhythm.errors import InvalidRequest, did_you_mean, quoted
from rhythm.models import ExecutionStatus, ExecutionType
from streams import projections
from streams.connection import Connection
from streams.projections import Filters

_COUNTED: Mapping[str, str] = {
    "status": "st",
    "target_name": "tg",
    "queue": "q",
    "type": "ty",
    "schedule": "sc",
}
"""Properties that executions are counted by, as fields of their projections."""

_FEW: Mapping[str, Sequence[str]] = {
    "status": [status.value for status in ExecutionStatus],
    "type": [kind.value for kind in ExecutionType],
}
"""Those with so few values that there is an index of each to be asked."""

_HOUR_MS = 3_600_000
_AGES: Mapping[str, int | None] = {
    "under a minute": 60_000,
    "under an hour": _HOUR_MS,
    "under a day": 24 * _HOUR_MS,
    "under a week": 7 * 24 * _HOUR_MS,
    "under 30 days": 30 * 24 * _HOUR_MS,
    "older": None,
}


async def count_by(
    connection: Connection, filters: Filters, by: str, now_ms: int
) -> dict[str, int]:
    """How many match by each value of a property, the most first; for an age the youngest first.

    Raises:
        InvalidRequest: they cannot be counted by this.
    """
    known = (*_COUNTED, "error", "age")
    if by == "age":
        return await _by_age(connection, filters, now_ms)
    counts: Mapping[str, int]
    if by == "error":
        counts = await _by_error(connection, filters)
    elif by in _FEW and not filters.has_index:
        counts = {
            value: await projections.count_executions(
                connection, msgspec.structs.replace(filters, **{by: value})
            )
            for value in _FEW[by]
        }
    elif by in _COUNTED:
        counts = await projections.tally(connection, filters, _COUNTED[by])
    elif isinstance(by, str) and by.startswith("attribute:"):
        (name,) = check_attributes({by.removeprefix("attribute:"): ""}, "by")
        counts = await projections.tally(connection, filters, f"@{name}")
    else:
        raise InvalidRequest(
            "by",
            f"must be one of {', '.join(known)} or attribute:NAME, not {quoted(str(by))}"
            f"{did_you_mean(str(by), known)}",
        )
    most_first = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return {value: count for value, count in most_first if count}


async def _by_error(connection: Connection, filters: Filters) -> Mapping[str, int]:
    if filters.status not in (None, ExecutionStatus.FAILED):
        return {}
    failed = msgspec.structs.replace(filters, status=ExecutionStatus.FAILED.value)
    return await projections.tally(connection, failed, "er")


async def _by_age(connection: Connection, filters: Filters, now_ms: int) -> dict[str, int]:
    newest = filters.newest_ms
    counts: dict[str, int] = {}
    for name, age_ms in _AGES.items():
        oldest = None if age_ms is None else now_ms - age_ms
        if filters.oldest_ms is not None:
            oldest = max(filters.oldest_ms, oldest or 0)
        if newest is None or oldest is None or oldest <= newest:
            of_age = msgspec.structs.replace(filters, oldest_ms=oldest, newest_ms=newest)
            counts[name] = await projections.count_executions(connection, of_age)
            newest = None if oldest is None else oldest - 1
    return counts
