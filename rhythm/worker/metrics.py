"""What a worker did and how long it took, in the form that Prometheus reads.

A worker only counts; what is in the store is looked up when somebody asks, so that nobody pays for
metrics that are not read. Names of tasks and queues are labels, ids are not.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric

from rhythm.errors import RhythmError
from rhythm.models import Diagnosis, Severity
from rhythm.worker.health import Condition

if TYPE_CHECKING:
    from rhythm.worker.loop import Worker

# From what a call over the network takes to what a batch job takes.
_TASK_S: Final = (0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
# A turn without replay takes a fraction of a millisecond.
_TURN_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5)
# Each step is sixteen times the one before: most payloads are small, and none is above a few MiB.
_BYTES: Final = (64, 1024, 16 * 1024, 256 * 1024, 4 * 1024 * 1024)
# A scrape gives up after ten seconds; what the worker counts must come even if Redis is away.
_LOOK_S: Final = 3.0


class Metrics:
    """Counts for one worker; give it to `Worker` and to `HealthServer`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._tasks = Counter(
            "rhythm_tasks", "Attempts of tasks that ended.", ["task", "outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._task_seconds = Histogram(
            "rhythm_task_seconds", "How long an attempt ran.", ["task"],
            buckets=_TASK_S, registry=self._registry,
        )  # fmt: skip
        self._turns = Histogram(
            "rhythm_activation_seconds",
            "How long a workflow's turn took, bringing its machine up to date included.",
            ["outcome"],
            buckets=_TURN_S,
            registry=self._registry,
        )
        self._waits = Histogram(
            "rhythm_wait_seconds", "How long work was ready before a worker took it.",
            ["queue", "type"], buckets=_TASK_S, registry=self._registry,
        )  # fmt: skip
        self._replays = Histogram(
            "rhythm_replay_seconds",
            "How long it took to make a machine that was not at hand from what is stored.",
            ["source"], buckets=_TURN_S, registry=self._registry,
        )  # fmt: skip
        self._payloads = Histogram(
            "rhythm_payload_bytes", "Inputs and outputs of tasks, before codecs.",
            ["direction"], buckets=_BYTES, registry=self._registry,
        )  # fmt: skip
        self._stale = Counter(
            "rhythm_stale_settlements", "What was settled too late: it was another's by then.",
            registry=self._registry,
        )  # fmt: skip
        self._leases = Counter(
            "rhythm_leases_lost", "How often the worker was taken for lost.",
            registry=self._registry,
        )  # fmt: skip
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def count_task(self, task: str, outcome: str, seconds: float) -> None:
        """An attempt has ended."""
        self._tasks.labels(task, outcome).inc()
        self._task_seconds.labels(task).observe(seconds)

    def count_turn(self, outcome: str, seconds: float) -> None:
        """A workflow's turn has ended: with that outcome, or "waiting"."""
        self._turns.labels(outcome).observe(seconds)

    def count_wait(self, queue: str, type: str, seconds: float) -> None:
        """A task or a workflow's turn was taken that had been ready for so long."""
        self._waits.labels(queue, type).observe(seconds)

    def count_replay(self, source: str, seconds: float) -> None:
        """A machine was made from its "snapshot" or its whole "history"."""
        self._replays.labels(source).observe(seconds)

    def count_payload(self, direction: str, size: int) -> None:
        """The inputs ("in") or output ("out") of a task's attempt, in bytes."""
        self._payloads.labels(direction).observe(size)

    def count_stale(self) -> None:
        """Something was settled too late."""
        self._stale.inc()

    def count_lost_lease(self) -> None:
        """The worker was taken for lost."""
        self._leases.inc()

    def of(self, worker: Worker, diagnose: Callable[[], Coroutine[None, None, Diagnosis]]) -> Pages:
        """What to serve for a worker.

        Args:
            diagnose: asks the store; called in the loop that runs now.
        """
        return Pages(self._registry, worker.condition, diagnose, asyncio.get_running_loop())


class Pages:
    """Makes the page that Prometheus reads; from any thread."""

    def __init__(
        self,
        registry: CollectorRegistry,
        condition: Callable[[], Condition],
        diagnose: Callable[[], Coroutine[None, None, Diagnosis]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._registry, self._condition = registry, condition
        self._diagnose, self._loop = diagnose, loop
        registry.register(self)

    def page(self) -> bytes:
        """All metrics, in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """How worker and store are now, for `prometheus_client`."""
        condition = self._condition()
        yield _gauge("rhythm_worker_healthy", "Whether it is able to claim.", condition.healthy)
        yield _gauge("rhythm_worker_ready", "Whether it takes work.", condition.ready)
        yield _gauge("rhythm_worker_running", "Tasks that it is at.", condition.running)
        diagnosis = self._look()
        yield _gauge("rhythm_store_up", "Whether Redis answers.", diagnosis is not None)
        if diagnosis is None:
            return
        ready = GaugeMetricFamily("rhythm_queue_ready", "Executions that wait.", labels=["queue"])
        workers = GaugeMetricFamily("rhythm_queue_workers", "Who serves it.", labels=["queue"])
        limited = GaugeMetricFamily(
            "rhythm_queue_limited", "Executions that wait at a limit.", labels=["queue"]
        )
        oldest = GaugeMetricFamily(
            "rhythm_queue_oldest_seconds", "How long the oldest has waited.", labels=["queue"]
        )
        for queue in diagnosis.queues:
            ready.add_metric([queue.name], queue.ready)
            limited.add_metric([queue.name], queue.limited)
            oldest.add_metric([queue.name], queue.oldest_waits_s or 0.0)
            workers.add_metric([queue.name], queue.workers)
        executions = GaugeMetricFamily("rhythm_executions", "That are kept.", labels=["status"])
        for status, count in diagnosis.executions.items():
            executions.add_metric([status], count)
        yield from (ready, limited, oldest, workers, executions)
        yield _gauge("rhythm_due", "Timers, retries and starts that become due.", diagnosis.due)
        yield _gauge("rhythm_paused", "Queues, workflows, tasks at rest.", len(diagnosis.pauses))
        found = GaugeMetricFamily("rhythm_findings", "Of 'rhythm doctor'.", labels=["severity"])
        for severity in Severity:
            count = sum(finding.severity is severity for finding in diagnosis.findings)
            found.add_metric([severity], count)
        yield found

    def describe(self) -> Iterator[Metric]:
        """Nothing: asking the store for names alone is not worth it."""
        return iter(())

    def _look(self) -> Diagnosis | None:
        """The store's state; None if it does not answer in good time, or the loop does not."""
        try:
            asked = asyncio.run_coroutine_threadsafe(self._diagnose(), self._loop)
        except RuntimeError:  # the loop has ended
            return None
        try:
            return asked.result(_LOOK_S)
        except (TimeoutError, concurrent.futures.CancelledError, RhythmError):
            asked.cancel()
            return None


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))
