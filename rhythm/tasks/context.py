"""What a running task may know about itself, and say of itself."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Reports(Protocol):
    """Takes what a running attempt says of itself."""

    @property
    def cancelled(self) -> bool:
        """Whether the attempt is to end."""

    def heartbeat(self, details: Any) -> None:
        """The attempt lives; `details` are for the next one."""

    def progress(self, value: Any) -> None:
        """How far the attempt is."""


class _Unheard:
    """Of an attempt that nobody watches, such as one in a test of the task alone."""

    cancelled = False

    def heartbeat(self, details: Any) -> None:
        pass

    def progress(self, value: Any) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class TaskContext:
    """The attempt that a task is running in; a parameter annotated with it is filled in."""

    execution_id: str
    attempt: int
    """1 for the first; every start of the function counts one."""
    task_name: str
    queue: str
    parent_workflow_id: str | None
    """None for a task that was started by itself."""
    idempotency_key: str
    """The same in every attempt and in no other execution: hand it to services that take one."""
    heartbeat_details: Any = None
    """What an earlier attempt last gave to `heartbeat`."""
    reports: Reports = field(default=_Unheard(), repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether this attempt is to end: it was cancelled, took too long, or is another worker's.

        An async function is told by `asyncio.CancelledError`; a sync one has to look.
        """
        return self.reports.cancelled

    def heartbeat(self, details: Any = None) -> None:
        """Say that the attempt lives, when the task has a `heartbeat` limit.

        It returns at once and may be called often, from any thread.

        Args:
            details: a JSON value for the next attempt's `heartbeat_details`; None leaves what was
                said before.

        Raises:
            InvalidPayload: naming the path to what is no JSON value.
        """
        self.reports.heartbeat(details)

    def progress(self, value: Any) -> None:
        """Show how far the attempt is: `get_execution(id).progress` until the task has ended.

        It returns at once and may be called often, from any thread.

        Args:
            value: a JSON value.

        Raises:
            InvalidPayload: naming the path to what is no JSON value.
        """
        self.reports.progress(value)

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger ``rhythm.task.<name>``; its records carry execution_id, attempt and queue."""
        facts = {
            "execution_id": self.execution_id,
            "attempt": self.attempt,
            "queue": self.queue,
            "parent_workflow_id": self.parent_workflow_id,
        }
        return _Adapter(logging.getLogger(f"rhythm.task.{self.task_name}"), facts)


class _Adapter(logging.LoggerAdapter[logging.Logger]):
    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs
