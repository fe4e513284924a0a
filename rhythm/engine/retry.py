"""Whether a failed attempt is tried again, and when. Pure.

By default an exception is an answer: the task has failed, and the workflow may catch it. Only a
task that never answered because its worker was lost is handed out again. A policy, given with
`@task(retry=…)`, in `Task.run(…, { retry })` or as `retry` in the front matter, also repeats tasks
that raised.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from flowlang.frontmatter import MOST_ATTEMPTS, MOST_BACKOFF
from rhythm.errors import InvalidRequest, did_you_mean

Duration = float | str | timedelta
"""Seconds, text such as ``"500ms"``, ``"30s"``, ``"5m"``, ``"24h"``, ``"7d"``, or a timedelta."""

_UNITS_MS: Final[Mapping[str, int]] = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_MOST_DAYS: Final = 1_000_000


def duration_ms(value: object, what: str) -> int:
    """A duration in ms.

    Raises:
        InvalidRequest: it is none, or negative.
    """
    milliseconds = -1.0
    if isinstance(value, timedelta):
        milliseconds = value / timedelta(milliseconds=1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        milliseconds = value * 1000
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        milliseconds = float(match[1]) * _UNITS_MS[match[2]]
    if not 0 <= milliseconds <= _MOST_DAYS * _UNITS_MS["d"]:
        raise InvalidRequest(
            what,
            'give seconds, or text such as "500ms", "30s", "5m", "24h"; '
            f"none are negative or longer than {_MOST_DAYS:,} days",
        )
    return round(milliseconds)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often and when a task that raised is tried again.

    Attributes:
        max_attempts: of all, the first included; 1 never repeats.
        initial_interval: before the second attempt. A second lets a passing fault pass.
        backoff: by what each further interval is longer.
        max_interval: the longest interval. A minute: a recovered service is soon used again.
        jitter: part of an interval, 0 to 1, by which it may be shorter, so that tasks that
            failed together do not come back together.
        non_retryable: errors that are never tried again, by class or by name.

    Raises InvalidRequest when made with a value that cannot be.
    """

    max_attempts: int = 3
    initial_interval: Duration = 1.0
    backoff: float = 2.0
    max_interval: Duration = 60.0
    jitter: float = 0.1
    non_retryable: Sequence[str | type[BaseException]] = ()

    def __post_init__(self) -> None:
        attempts = self.max_attempts
        if not _is_number(attempts) or not 1 <= attempts <= MOST_ATTEMPTS or attempts % 1:
            raise InvalidRequest(
                "retry.max_attempts", f"give a whole number from 1 to {MOST_ATTEMPTS:,}"
            )
        if not _is_number(self.backoff) or not 1 <= self.backoff <= MOST_BACKOFF:
            raise InvalidRequest("retry.backoff", f"give a number from 1 to {MOST_BACKOFF:,}")
        if not _is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise InvalidRequest("retry.jitter", "give a number from 0 to 1")
        duration_ms(self.initial_interval, "retry.initial_interval")
        duration_ms(self.max_interval, "retry.max_interval")
        names = self.non_retryable
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise InvalidRequest("retry.non_retryable", "give a list of errors or their names")
        for name in names:
            if not isinstance(name, str) and not _is_error(name):
                raise InvalidRequest("retry.non_retryable", "give a list of errors or their names")
        plain = tuple(name if isinstance(name, str) else name.__name__ for name in names)
        msgspec.structs.force_setattr(self, "non_retryable", plain)

    @property
    def initial_interval_ms(self) -> int:
        """The pause before the second attempt."""
        return duration_ms(self.initial_interval, "retry.initial_interval")

    @property
    def max_interval_ms(self) -> int:
        """The longest pause."""
        return duration_ms(self.max_interval, "retry.max_interval")

    def as_option(self) -> dict[str, Any]:
        """The policy in a script's words, as histories keep it."""
        return {
            "maxAttempts": int(self.max_attempts),
            "initialInterval": self.initial_interval_ms / 1000,
            "backoff": float(self.backoff),
            "maxInterval": self.max_interval_ms / 1000,
            "jitter": float(self.jitter),
            "nonRetryable": list(self.non_retryable),
        }


NEVER: Final = RetryPolicy(max_attempts=1)
"""The default: what a task raises is its answer."""

_FIELDS: Final[Mapping[str, str]] = {
    "maxAttempts": "max_attempts",
    "initialInterval": "initial_interval",
    "backoff": "backoff",
    "maxInterval": "max_interval",
    "jitter": "jitter",
    "nonRetryable": "non_retryable",
}
"""A script's words -> the policy's."""


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
    return RetryPolicy(**{_FIELDS[name]: value for name, value in given.items()})


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
