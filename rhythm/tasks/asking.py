"""What a task raises to be tried again later."""

from __future__ import annotations

from rhythm.engine.retry import Duration, duration_ms
from rhythm.errors import InvalidRequest
from rhythm.payloads import kind_of


class Retry(Exception):
    """Raised inside a task: this attempt gives no answer, the next one begins after a while.

    A policy's `max_attempts` still counts; without a policy there is no end but the `deadline`.

    Args:
        after: seconds, text such as ``"5m"``, or a timedelta; None leaves it to the policy.
        reason: for the history.

    Raises:
        InvalidRequest: `after` is no duration, or `reason` no text.
    """

    def __init__(self, after: Duration | None = None, reason: str = "to be tried again") -> None:
        super().__init__(after, reason)
        self.after_ms = None if after is None else duration_ms(after, "after")
        if not isinstance(reason, str):
            raise InvalidRequest("reason", f"must be text, not {kind_of(reason)}")
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
