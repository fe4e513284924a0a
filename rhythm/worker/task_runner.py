"""Run one attempt of a task and say how to settle it."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextvars
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Final

import msgspec

from flowlang.frontmatter import MOST_ATTEMPTS
from flowlang.protocol import ErrorInfo
from rhythm import events, logs, tracing
from rhythm.engine.retry import NEVER, RetryPolicy, duration_ms, next_delay_ms, policy_of
from rhythm.engine.turn import FAILED_TYPES, bounded
from rhythm.errors import (
    InvalidPayload,
    InvalidTaskInputs,
    PayloadTooLarge,
    TaskNotRegistered,
    UnreadableEvent,
)
from rhythm.events import AttemptFailed, Cancelled, Completed, Created, Failed, Released
from rhythm.payloads import shortened
from rhythm.settings import Settings
from rhythm.tasks import Retry, TaskContext, TaskDefinition, TaskRegistry
from rhythm.tracing import Work
from rhythm.worker.attempt import Attempt
from rhythm.worker.metrics import Metrics
from rhythm.worker.pauses import Pauses
from streams.codec import TaskClaim
from streams.work import TaskSettlement

logger = logging.getLogger("rhythm.worker")

# Enough to see where it went wrong; a recursion error has a thousand equal frames.
TRACEBACK_FRAMES: Final = 50
TRACEBACK_BYTES: Final = 16 * 1024

# An unknown task is tried again after as long as it has been unknown, within these bounds: soon
# at first, since the worker that knows it may just be starting.
_UNKNOWN_AGAIN_MS: Final = (1_000, 8_000)

# For tasks that raise `Retry` and have no policy: their author says when it is enough.
_AS_OFTEN_AS_ASKED: Final = RetryPolicy(max_attempts=MOST_ATTEMPTS)

# What a function raised because its inputs or its result cannot be: another attempt would not help.
_HOPELESS: Final = (InvalidTaskInputs, InvalidPayload, PayloadTooLarge)


class TaskRunner:
    """Runs tasks of a registry with a worker's resources.

    Args:
        threads: where sync functions run; None is here, while everything else stands still.
        in_threads: filled with the ids of those that do just now.
        known_elsewhere: the tasks that workers of a queue know, each with one who does.
        metrics: counts what is done; None counts nothing.
    """

    def __init__(
        self,
        registry: TaskRegistry,
        resources: Mapping[Any, object],
        settings: Settings,
        threads: Executor | None,
        in_threads: set[str],
        known_elsewhere: Callable[[str], Awaitable[Mapping[str, str]]],
        metrics: Metrics | None = None,
    ) -> None:
        self._registry, self._resources, self._settings = registry, resources, settings
        self._threads, self._in_threads = threads, in_threads
        self._known_elsewhere, self._metrics = known_elsewhere, metrics
        self._pauses = Pauses()
        self._tracer = tracing.tracer()

    async def run(
        self,
        claim: TaskClaim,
        now_ms: Callable[[], int],
        begin: Callable[[TaskClaim, bool], Attempt],
    ) -> TaskSettlement:
        """Run the attempt to its end.

        Args:
            now_ms: the store's time, for when to try again.
            begin: called with the claim, and whether its function is async, before it runs.
        """
        try:
            created = events.decode(claim.id, 1, "created", claim.created)
            assert isinstance(created, Created)
            details = events.value_of(msgspec.Raw(claim.details)) if claim.details else None
        except (UnreadableEvent, msgspec.DecodeError) as error:
            # Another release, or another worker's codecs, may be able to read it.
            return self._given_back(claim, error, now_ms())
        self._pauses.forget(claim.id)
        definition = self._registry.get(created.target)
        logs.begin_work(claim, created)
        if definition is None:
            return await self._unknown(claim, created, now_ms())
        attempt = begin(claim, definition.is_async)
        if self._tracer is None and self._metrics is None:
            return await self._attempt(definition, created, details, attempt, now_ms)
        return await self._observed(definition, created, details, attempt, now_ms)

    async def _observed(
        self,
        definition: TaskDefinition,
        created: Created,
        details: Any,
        attempt: Attempt,
        now_ms: Callable[[], int],
    ) -> TaskSettlement:
        """Run the attempt under the eyes of metrics and traces."""
        claim, began = attempt.claim, asyncio.get_running_loop().time()
        waited_ms = max(now_ms() - max(claim.ready_ms, created.run_at_ms or 0), 0)
        work = Work(claim.id, created, claim.worker, claim.attempt, waited_ms)
        with nullcontext() if self._tracer is None else self._tracer.attempt(work):
            settlement = await self._attempt(definition, created, details, attempt, now_ms)
            if self._tracer is not None and settlement.outcome not in ("failed", "attempt_failed"):
                self._tracer.ended(settlement.outcome)
        if self._metrics is not None:
            seconds = asyncio.get_running_loop().time() - began
            self._metrics.count_task(created.target, settlement.outcome, seconds)
            self._metrics.count_wait(created.queue, "task", waited_ms / 1000)
            self._metrics.count_payload("in", len(memoryview(created.inputs)))
            if settlement.outcome == "completed":
                self._metrics.count_payload("out", len(settlement.payload))
        return settlement

    async def _attempt(
        self,
        definition: TaskDefinition,
        created: Created,
        details: Any,
        attempt: Attempt,
        now_ms: Callable[[], int],
    ) -> TaskSettlement:
        claim = attempt.claim
        try:
            output = await self._call(definition, created, details, attempt)
        except asyncio.CancelledError:
            if not attempt.cancelled:
                raise
            return _cancelled(claim)
        except Exception as error:
            if attempt.cancelled and not isinstance(error, _AttemptTimeout):
                return _cancelled(claim)
            return self._failed(claim, created, error, now_ms())
        finally:
            await attempt.close()
        return TaskSettlement(claim.id, claim.token, "completed", events.encode(Completed(output)))

    async def _call(
        self, definition: TaskDefinition, created: Created, details: Any, attempt: Attempt
    ) -> Any:
        claim = attempt.claim
        context = TaskContext(
            execution_id=claim.id,
            attempt=claim.attempt,
            task_name=created.target,
            queue=created.queue,
            parent_workflow_id=created.parent,
            idempotency_key=claim.id,
            heartbeat_details=details,
            reports=attempt,
        )
        arguments = definition.bind(events.value_of(created.inputs), context, self._resources)
        limit = created.options.get("timeout")
        if limit is None:
            result = await self._run(claim.id, definition, arguments)
        else:
            limit_s = duration_ms(limit, "timeout") / 1000
            try:
                async with asyncio.timeout(limit_s) as scope:
                    result = await self._run(claim.id, definition, arguments)
            except TimeoutError as error:
                if scope.expired():
                    attempt.abandon()
                    message = f"the attempt took longer than {limit_s:g} s"
                    raise _AttemptTimeout(message) from error
                raise
        encoded = events.raw(definition.encode_result(result))
        return bounded(encoded, "result", self._settings.payload_limit)

    async def _run(self, id_: str, definition: TaskDefinition, arguments: dict[str, Any]) -> Any:
        if definition.is_async:
            return await definition.function(**arguments)
        return await self._in_thread(id_, definition, arguments)

    async def _in_thread(
        self, id_: str, definition: TaskDefinition, arguments: dict[str, Any]
    ) -> Any:
        here = contextvars.copy_context()

        def call() -> Any:
            self._in_threads.add(id_)
            try:
                return here.run(definition.function, **arguments)
            except StopIteration as error:
                # It cannot pass through a future: Python would end the event loop's own iteration.
                raise RuntimeError("the task raised StopIteration") from error
            finally:
                self._in_threads.discard(id_)

        if self._threads is None:
            return call()
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _failed(
        self, claim: TaskClaim, created: Created, error: Exception, now_ms: int
    ) -> TaskSettlement:
        described = describe(error)
        delay_ms = None
        if not isinstance(error, _HOPELESS):
            policy = policy_of(created.options.get("retry"))
            if isinstance(error, Retry) and policy is NEVER:
                policy = _AS_OFTEN_AS_ASKED
            delay_ms = next_delay_ms(
                policy, attempt=claim.attempt, error=described.name, execution_id=claim.id
            )
            if isinstance(error, Retry) and delay_ms is not None and error.after_ms is not None:
                delay_ms = error.after_ms
        outcome = "failed" if delay_ms is None else "attempt_failed"
        if self._tracer is not None:
            self._tracer.ended(outcome, described.name, delay_ms)
        again = "no more attempts" if delay_ms is None else f"again in {delay_ms / 1000:g} s"
        logger.warning(
            "task %s (%s) attempt %d failed with %s, %s",
            created.target,
            claim.id,
            claim.attempt,
            described.name,
            again,
        )
        if delay_ms is None:
            return failed(claim, described)
        return TaskSettlement(
            claim.id,
            claim.token,
            "attempt_failed",
            events.encode(AttemptFailed(described)),
            now_ms + delay_ms,
        )

    def _given_back(self, claim: TaskClaim, error: Exception, now_ms: int) -> TaskSettlement:
        pause_ms = self._pauses.next_ms(claim.id)
        logger.error(
            "task %s could not be run and is tried again in %.0f s: %s",
            claim.id,
            pause_ms / 1000,
            error,
        )
        return TaskSettlement(
            claim.id,
            claim.token,
            "released",
            events.encode(Released("what is stored of it cannot be read")),
            now_ms + pause_ms,
            str(error),
        )

    async def _unknown(self, claim: TaskClaim, created: Created, now_ms: int) -> TaskSettlement:
        unknown_ms = now_ms - claim.unknown_since_ms if claim.unknown_since_ms else 0
        known = await self._known_elsewhere(created.queue)
        worker = known.get(created.target, "")
        if worker or unknown_ms < self._settings.unknown_task_patience * 1000:
            # Who knows it gets it at once, but may have no room; or is just starting.
            shortest, longest = _UNKNOWN_AGAIN_MS
            due_ms: int | None = now_ms + max(shortest, min(unknown_ms, longest))
            if worker and not claim.unknown_since_ms:
                due_ms = None
            reason = f"no task {created.target!r} is known to this worker"
            logger.warning("%s: %s, which was asked for by %s", reason, claim.id, created.parent)
            return TaskSettlement(
                claim.id, claim.token, "unknown", events.encode(Released(reason)), due_ms, worker
            )
        names = {*known, *self._registry.names()}
        error = TaskNotRegistered(created.target, sorted(names), created.queue)
        described = ErrorInfo(type(error).__name__, str(error), FAILED_TYPES["task"])
        return failed(claim, described)


def failed(claim: TaskClaim, error: ErrorInfo) -> TaskSettlement:
    """What to settle for a task that is not tried again."""
    ended = Failed(error)
    return TaskSettlement(
        claim.id, claim.token, "failed", events.encode(ended), error=ended.found_by
    )


def _cancelled(claim: TaskClaim) -> TaskSettlement:
    # The store knows the reason, and puts it in the place of this.
    return TaskSettlement(claim.id, claim.token, "cancelled", events.encode(Cancelled()))


class _AttemptTimeout(Exception):
    """An attempt went over its time limit; scripts see it as `TimeoutError`."""


def describe(error: BaseException) -> ErrorInfo:
    """An exception as histories and scripts see it."""
    if isinstance(error, _AttemptTimeout):
        return ErrorInfo("TimeoutError", str(error), "timeout")
    return ErrorInfo(
        name=type(error).__name__,
        message=_text(error),
        type=FAILED_TYPES["task"],
        traceback=_shown(error),
    )


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:
        return f"its text could not be made: {type(broken).__name__}"
    return shortened(text)


def _shown(error: BaseException) -> str:
    """The traceback from the task's function on: how it came to be called is the same for all."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_ours(trace):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace, limit=-TRACEBACK_FRAMES)
    text = "".join(lines).encode("utf-8", "replace")
    return text[-TRACEBACK_BYTES:].decode("utf-8", "ignore")


def _is_ours(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename in _OUR_FILES


# Of the frames between the worker and a task: its own, and those of the threads.
_OUR_FILES: Final = frozenset({__file__, concurrent.futures.thread.__file__})
