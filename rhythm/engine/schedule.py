"""When a schedule is due. Pure: what time it is, is told.

Cron expressions are cronsim's, which moves through daylight-saving time as Debian's cron does: a
job at a fixed time of day that falls into the gap runs right after it, one that falls into the
repeated hour runs once, and one that runs every so many minutes or hours runs by the time that
passes. Times are unix ms.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError

from rhythm.errors import InvalidRequest, quoted
from streams.keys import run_of

SHORTEST_MS: Final = 1_000
"""Between two due times: what is wanted more often is a workflow with a timer in a loop."""

MOST_COUNTED: Final = 1_000
"""Of due times that are passed over at once so many are counted; looking at each takes time."""

_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999: Python's times go no further."""

_NICKNAMES: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_OF_THE_MACHINE: Final = re.compile(r"(?:posix|right)/.*|posixrules|localtime")
"""Files beside the zones of the tz database: what they say differs from machine to machine."""
_FIRED_ID = re.compile(r"([^/!]+)!([0-9]{1,15})")


class Timing(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a schedule is due: by `cron`, or each `every_ms`, beginning `offset_ms` after 1970."""

    cron: str | None = None
    every_ms: int = 0
    offset_ms: int = 0
    time_zone: str = "UTC"


class Turn(msgspec.Struct, frozen=True):
    """What becomes of a due time that has come.

    Attributes:
        next_ms: the due time to set next; it may have come too. None: never again.
        missed: how many due times are passed over, this one among them; 0: it is to be had.
    """

    next_ms: int | None
    missed: int = 0


def check(timing: Timing) -> None:
    """Refuse a timing that cannot be.

    Raises:
        InvalidRequest: naming the parameter.
    """
    zone_of(timing)
    if timing.cron is None:
        if timing.every_ms < SHORTEST_MS:
            raise InvalidRequest("every", "must be a second at least")
        return
    try:
        CronSim(_expression(timing.cron), datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InvalidRequest(
            "cron",
            f"{quoted(timing.cron)} is no cron expression ({str(error).lower()}); it has 5 fields, "
            "as in '30 6 * * MON-FRI', or 6 with seconds in front, or is one of "
            f"{', '.join(_NICKNAMES)}",
        ) from error
    if next_due(timing, 0) is None:
        raise InvalidRequest("cron", f"{quoted(timing.cron)} is never due")


def zone_of(timing: Timing) -> tzinfo:
    """The time zone that it is in.

    Raises:
        InvalidRequest: there is none of this name.
    """
    if timing.time_zone == "UTC":
        return UTC
    try:
        if _OF_THE_MACHINE.fullmatch(timing.time_zone):
            raise ZoneInfoNotFoundError(timing.time_zone)
        return ZoneInfo(timing.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequest(
            "time_zone",
            f"there is no time zone {quoted(timing.time_zone)}; give a name such as "
            "'Europe/Berlin' of the tz database",
        ) from error


def due_times(timing: Timing, after_ms: int) -> Iterator[int]:
    """The due times after a time, in order, up to the year 9999."""
    if timing.cron is None:
        first = (after_ms - timing.offset_ms) // timing.every_ms + 1
        yield from range(first * timing.every_ms + timing.offset_ms, _LAST_MS + 1, timing.every_ms)
        return
    last_ms = after_ms
    # Python's calendar ends in the zone's time, up to a day before or after it does in UTC.
    with suppress(OverflowError, ValueError):
        after = datetime.fromtimestamp(after_ms / 1000, zone_of(timing))
        for moment in CronSim(_expression(timing.cron), after):
            due_ms = round(moment.timestamp() * 1000)
            # In the repeated hour it begins with the first of the two.
            if last_ms < due_ms <= _LAST_MS:
                last_ms = due_ms
                yield due_ms


def next_due(timing: Timing, after_ms: int) -> int | None:
    """The first due time after a time; None if there is none within 50 years."""
    return next(due_times(timing, after_ms), None)


def turn(timing: Timing, due_ms: int, now_ms: int, catch_up_ms: int) -> Turn:
    """What becomes of a due time that has come.

    Args:
        catch_up_ms: a due time longer past than this is passed over.
    """
    if due_ms >= now_ms - catch_up_ms:
        return Turn(next_due(timing, due_ms))
    next_ms = next_due(timing, now_ms - catch_up_ms - 1)
    between = itertools.takewhile(
        lambda other_ms: next_ms is None or other_ms < next_ms, due_times(timing, due_ms)
    )
    return Turn(next_ms, 1 + sum(1 for _ in itertools.islice(between, MOST_COUNTED - 1)))


def start_ms(schedule_id: str, due_ms: int, jitter_ms: int) -> int:
    """When what is due then is to start: up to `jitter_ms` later, by chance but always the same."""
    if not jitter_ms:
        return due_ms
    digest = hashlib.blake2b(fired_id(schedule_id, due_ms).encode(), digest_size=8).digest()
    return due_ms + int.from_bytes(digest) % (jitter_ms + 1)


def fired_id(schedule_id: str, due_ms: int) -> str:
    """The id of the execution that a schedule starts for a due time."""
    return f"{schedule_id}!{due_ms}"


def schedule_of(execution_id: str) -> str | None:
    """The schedule that started a root execution; None if none did."""
    match = _FIRED_ID.fullmatch(run_of(execution_id)[0])
    return match and match[1]


def due_of(execution_id: str) -> int | None:
    """The due time for which a schedule started a root execution; None if none did."""
    match = _FIRED_ID.fullmatch(run_of(execution_id)[0])
    return match and int(match[2])


def _expression(cron: str) -> str:
    return _NICKNAMES.get(cron, cron)
