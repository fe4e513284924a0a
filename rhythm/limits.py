"""How many tasks may run at once, and begin within a time: what callers say and are shown."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from rhythm.engine.retry import duration_ms
from rhythm.errors import InvalidRequest, number, quoted
from rhythm.payloads import kind_of
from streams.limits import Limits

LimitKind = Literal["queue", "task"]

MOST_AT_ONCE: Final = 1_000_000
MOST_BEGUN: Final = 100_000
"""Of a rate: each of so many times is kept for as long as it counts."""

LONGEST_MS: Final = 31 * 86_400_000

_RATE = re.compile(r"\s*([0-9]{1,9})\s*/\s*(\S.*?)\s*")
_UNITS: Final = {"s": "1s", "min": "1m", "m": "1m", "h": "1h", "d": "1d"}


class LimitInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a queue or task, and how they are used."""

    kind: str
    """`queue` or `task`."""
    name: str
    concurrency: int | None
    """How many tasks may run at once."""
    rate: str | None
    """How many may begin within a time, as in `100/1m`."""
    key_concurrency: int | None
    """How many of one key may run at once."""
    key_rate: str | None
    """How many of one key may begin within a time."""
    declared: bool
    """Whether a task's declaration says so, and not `set_limits`."""
    granted: int | None
    """Of `concurrency`, what the partitions have shared out among them; None with one partition."""
    running: int
    """How many tasks run that count at `concurrency`."""
    began: int
    """How many began within the time of `rate`."""
    waiting: int
    """How many wait because of these limits; of very many some are not counted."""


def limits_of(
    concurrency: int | None,
    rate: str | None,
    key_concurrency: int | None,
    key_rate: str | None,
) -> Limits:
    """Checked limits; None is no limit.

    Raises:
        InvalidRequest: naming the argument that cannot be.
    """
    begin, within_ms = _rate(rate, "rate")
    key_begin, key_within_ms = _rate(key_rate, "key_rate")
    return Limits(
        _count(concurrency, "concurrency"),
        begin,
        within_ms,
        _count(key_concurrency, "key_concurrency"),
        key_begin,
        key_within_ms,
    )


def shown_rate(begin: int, within_ms: int) -> str | None:
    """A rate as people write it; None for none."""
    if not begin:
        return None
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if within_ms % size == 0:
            return f"{begin}/{within_ms // size}{unit}"
    return f"{begin}/{within_ms}ms"


def _count(value: object, argument: str) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequest(argument, f"must be a whole number, not {kind_of(value)}")
    if not 1 <= value <= MOST_AT_ONCE:
        raise InvalidRequest(
            argument,
            f"must be from 1 to {MOST_AT_ONCE:,}, is {number(value)}; to let nothing begin, pause "
            "the work",
        )
    return value


def _rate(value: object, argument: str) -> tuple[int, int]:
    if value is None:
        return 0, 0
    example = "write it like '10/s', '100/1m' or '5/30s'"
    if not isinstance(value, str):
        raise InvalidRequest(argument, f"must be text, not {kind_of(value)}: {example}")
    parts = _RATE.fullmatch(value)
    if parts is None:
        raise InvalidRequest(argument, f"{quoted(value)} is no rate: {example}")
    begin = int(parts[1])
    try:
        within_ms = duration_ms(_UNITS.get(parts[2], parts[2]), argument)
    except InvalidRequest:
        raise InvalidRequest(argument, f"{quoted(value)} is no rate: {example}") from None
    if not (1 <= begin <= MOST_BEGUN and 1 <= within_ms <= LONGEST_MS):
        raise InvalidRequest(
            argument,
            f"{quoted(value)} is beyond what can be: 1 to {MOST_BEGUN:,} within at most 31 days",
        )
    return begin, within_ms
