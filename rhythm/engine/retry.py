"""Whether a failed attempt is tried again, and when. Pure.

By default an exception is an answer: the task has failed, and the workflow may catch it. Only a
task that never answered because its worker was lost is handed out again. A policy, given in
`Task.run(…, { retry })` or as `retry` in the front matter, also repeats tasks that raised.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from rhythm.errors import InvalidRequest, did_you_mean

_UNITS_MS: Final[Mapping[str, int]] = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often and when a task that raised is tried again.

    Attributes:
        max_attempts: of all, the first included; 1 never repeats.
        initial_interval_ms: before the second attempt. A second lets a passing fault pass.
        backoff: by what each further interval is longer.
        max_interval_ms: the longest interval. A minute: a recovered service is soon used again.
        jitter: part of an interval, 0 to 1, by which it may be shorter, so that tasks that
            failed together do not come back together.
        non_retryable: names of errors that are never tried again.
    """

    max_attempts: int = 3
    initial_interval_ms: int = 1_000
    backoff: float = 2.0
    max_interval_ms: int = 60_000
    jitter: float = 0.1
    non_retryable: tuple[str, ...] = ()


NEVER: Final = RetryPolicy(max_attempts=1)
"""The default: what a task raises is its answer."""

_FIELDS: Final = (
    "maxAttempts",
    "initialInterval",
    "backoff",
    "maxInterval",
    "jitter",
    "nonRetryable",
)


def duration_ms(value: object, what: str) -> int:
    """A duration in ms: seconds as a number, or text such as ``"500ms"``, ``"5m"``, ``"24h"``.

    Raises:
        InvalidRequest: it is neither, or negative.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11:
        return round(value * 1000)
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        return round(float(match[1]) * _UNITS_MS[match[2]])
    raise InvalidRequest(what, 'give seconds, or text such as "500ms", "30s", "5m", "24h", "7d"')


def policy_of(given: Mapping[str, Any] | None) -> RetryPolicy:
    """The policy that a script's `retry` object or the front matter describes; None is `NEVER`.

    Raises:
        InvalidRequest: an unknown field, or a value that cannot be.
    """
    if given is None:
        return NEVER
    for name in given:
        if name not in _FIELDS:
            raise InvalidRequest("retry", f"unknown field {name!r}{did_you_mean(name, _FIELDS)}")
    default = RetryPolicy()
    max_attempts = given.get("maxAttempts", default.max_attempts)
    if not isinstance(max_attempts, int) or isinstance(max_attempts, bool) or max_attempts < 1:
        raise InvalidRequest("retry.maxAttempts", "give a whole number from 1")
    backoff = given.get("backoff", default.backoff)
    if not isinstance(backoff, int | float) or isinstance(backoff, bool) or backoff < 1:
        raise InvalidRequest("retry.backoff", "give a number from 1")
    jitter = given.get("jitter", default.jitter)
    if not isinstance(jitter, int | float) or isinstance(jitter, bool) or not 0 <= jitter <= 1:
        raise InvalidRequest("retry.jitter", "give a number from 0 to 1")
    names = given.get("nonRetryable", ())
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InvalidRequest("retry.nonRetryable", "give a list of names of errors")
    return RetryPolicy(
        max_attempts=max_attempts,
        initial_interval_ms=duration_ms(
            given.get("initialInterval", default.initial_interval_ms / 1000),
            "retry.initialInterval",
        ),
        backoff=float(backoff),
        max_interval_ms=duration_ms(
            given.get("maxInterval", default.max_interval_ms / 1000), "retry.maxInterval"
        ),
        jitter=float(jitter),
        non_retryable=tuple(names),
    )


def next_delay_ms(
    policy: RetryPolicy, *, attempt: int, error: str, execution_id: str
) -> int | None:
    """How long after a failed attempt the next one begins; None when there is none.

    Args:
        attempt: the number of the attempt that failed, from 1.
        error: its error's name.
        execution_id: what the jitter is drawn from, so that it is the same on every worker.
    """
    if attempt >= policy.max_attempts or error in policy.non_retryable:
        return None
    # The exponent is bounded: 2.0 ** 1100 would be an overflow long after the interval is capped.
    interval = min(
        policy.initial_interval_ms * policy.backoff ** min(attempt - 1, 64),
        float(policy.max_interval_ms),
    )
    digest = hashlib.blake2b(f"{execution_id} {attempt}".encode(), digest_size=4).digest()
    share = int.from_bytes(digest, "big") / 2**32
    return round(interval * (1 - policy.jitter * share))
