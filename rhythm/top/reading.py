"""What the view shows, read at one moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from rhythm.builder import Rhythm
from rhythm.models import (
    Diagnosis,
    Execution,
    ExecutionFilters,
    ExecutionStatus,
    ExecutionType,
    Latency,
)

_FAILURES: Final = 5


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that failed, without its payloads."""

    id: str
    type: ExecutionType
    target_name: str
    failed_at: datetime | None
    error: str
    """The error's name and message."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a namespace at one moment."""

    at: datetime
    """When it was there, by the reader's clock."""
    diagnosis: Diagnosis
    failures: list[Failure]
    """The five that were created last of those that failed, the newest first."""
    latencies: list[Latency] = []
    """How long the hundred that were created last of those that completed waited and took."""


async def read(app: Rhythm) -> Reading:
    """How an application's namespace is now.

    Raises:
        RhythmError: Redis does not answer, or refuses.
    """
    diagnosis = await app.diagnose()
    failed = await app.execution_service.query_executions(
        ExecutionFilters(status=ExecutionStatus.FAILED, limit=_FAILURES)
    )
    return Reading(
        at=datetime.now(UTC),
        diagnosis=diagnosis,
        failures=[_failure(one) for one in failed],
        latencies=await app.latencies(),
    )


def _failure(execution: Execution) -> Failure:
    error = execution.output if isinstance(execution.output, dict) else {}
    return Failure(
        id=execution.id,
        type=execution.type,
        target_name=execution.target_name,
        failed_at=execution.completed_at,
        error=f"{error.get('name')}: {error.get('message')}",
    )
