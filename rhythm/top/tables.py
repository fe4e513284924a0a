"""Two readings as rows of text. Pure.

Every rate is what changed between the two, divided by the time between them; without an earlier
reading there is none, and `-` stands for it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from rhythm.models import ExecutionStatus, Latency, QueueInfo, Severity, WorkerInfo
from rhythm.top.reading import Failure, Reading

_NONE: Final = "-"
# A few names are most of what runs; a screen has room for these.
_NAMES: Final = 8


class Table(NamedTuple):
    """Headers, and as many cells in each row."""

    headers: list[str]
    rows: list[list[str]]


def tables(now: Reading, before: Reading | None) -> list[Table]:
    """Executions, queues, workers and failures; what there is none of is left out.

    Args:
        before: an earlier reading of the same namespace, for rates.
    """
    found = [
        _executions(now, before),
        _queues(now, before),
        _latencies(now),
        _workers(now),
        _failures(now),
    ]
    return [table for table in found if table.rows]


def headline(now: Reading, before: Reading | None) -> str:
    """When and where that was, and how fast executions finish."""
    diagnosis = now.diagnosis
    return (
        f"{now.at:%H:%M:%S} UTC   finished per second: {_finished(now, before)}   "
        f"{diagnosis.due:,} due later   namespace {diagnosis.namespace}   "
        f"{diagnosis.server} {diagnosis.server_version}"
    )


def amiss(now: Reading) -> list[tuple[Severity, str]]:
    """What is amiss, errors first, a sentence each."""
    found = [(finding.severity, str(finding)) for finding in now.diagnosis.findings]
    if now.diagnosis.workers:
        return found
    return [(Severity.WARNING, "no workers"), *found]


def _executions(now: Reading, before: Reading | None) -> Table:
    counts = now.diagnosis.executions
    earlier = None if before is None else before.diagnosis.executions
    changes = [
        _change(number, None if earlier is None else earlier.get(status, 0), now, before)
        for status, number in counts.items()
    ]
    numbers = [f"{number:,}" for number in counts.values()]
    return Table(
        ["EXECUTIONS", *(status.upper() for status in counts)],
        [["now", *numbers], ["per second", *changes]],
    )


def _finished(now: Reading, before: Reading | None) -> str:
    """`-` too where more were deleted than finished: how many finished cannot be told then."""
    seconds = _seconds(now, before)
    if before is None or seconds is None:
        return _NONE
    grown = _over(now) - _over(before)
    return f"{grown / seconds:,.1f}" if grown >= 0 else _NONE


def _over(reading: Reading) -> int:
    executions = reading.diagnosis.executions
    return sum(number for name, number in executions.items() if ExecutionStatus(name).finished)


def _queues(now: Reading, before: Reading | None) -> Table:
    earlier = None if before is None else {one.name: one.ready for one in before.diagnosis.queues}
    paused = {pause.name for pause in now.diagnosis.pauses if pause.kind == "queue"}

    def row(queue: QueueInfo) -> list[str]:
        was = None if earlier is None else earlier.get(queue.name, 0)
        return [
            f"{queue.name} (paused)" if queue.name in paused else queue.name,
            f"{queue.ready:,}",
            _change(queue.ready, was, now, before),
            f"{queue.limited:,}",
            _NONE if queue.oldest_waits_s is None else f"{queue.oldest_waits_s:,.1f} s",
            f"{queue.workers:,}",
        ]

    headers = ["QUEUE", "READY", "PER SECOND", "AT A LIMIT", "OLDEST WAITS", "WORKERS"]
    return Table(headers, [row(queue) for queue in now.diagnosis.queues])


def _latencies(now: Reading) -> Table:
    def row(one: Latency) -> list[str]:
        times = (one.waited_s, one.waited_most_s, one.took_s, one.took_most_s)
        return [f"{one.type} {one.target_name}", f"{one.count:,}", *map(_short, times)]

    headers = ["COMPLETED LAST", "COUNT", "WAITED", "95 %", "TOOK", "95 %"]
    return Table(headers, [row(one) for one in now.latencies[:_NAMES]])


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _workers(now: Reading) -> Table:
    # A worker's name begins with its host and its process.
    headers = ["WORKER", "QUEUES", "HOLDS", "CLAIMED", "LEASE", "VERSION", "BUILD"]
    return Table(headers, [_worker(worker) for worker in now.diagnosis.workers])


def _worker(worker: WorkerInfo) -> list[str]:
    claimed, lease_s = worker.claimed_ms_ago, worker.lease_expires_in_ms / 1000
    return [
        worker.id,
        ", ".join(worker.queues),
        f"{worker.holding:,}",
        "never" if claimed is None else f"{claimed / 1000:.1f} s ago",
        f"{lease_s:.1f} s left" if lease_s >= 0 else f"overdue by {-lease_s:.1f} s",
        worker.version or _NONE,
        worker.build or _NONE,
    ]


def _failures(now: Reading) -> Table:
    return Table(["FAILED", "NAME", "ID", "ERROR"], [_failure(one) for one in now.failures])


def _failure(one: Failure) -> list[str]:
    at = _NONE if one.failed_at is None else f"{one.failed_at:%m-%d %H:%M:%S}"
    return [at, one.target_name, one.id, one.error.partition("\n")[0]]


def _change(number: int, earlier: int | None, now: Reading, before: Reading | None) -> str:
    seconds = _seconds(now, before)
    if earlier is None or seconds is None:
        return _NONE
    return "0" if number == earlier else f"{(number - earlier) / seconds:+,.1f}"


def _seconds(now: Reading, before: Reading | None) -> float | None:
    """The time between; None where there is none, as after the clock was set back."""
    if before is None or now.at <= before.at:
        return None
    return (now.at - before.at).total_seconds()
