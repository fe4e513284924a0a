"""The worker: claims what it has room for, runs it, settles it with the next claim.

One call of the store both settles and claims, so whatever finishes while a call is under way goes
with the next one. The worker waits on a bell when there is nothing to do. When its lease is lost it
drops what it held, which others run again, and begins anew under another name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flowlang.protocol import ErrorInfo
from rhythm import events, tasks
from rhythm.ending import end
from rhythm.errors import ConfigurationError
from rhythm.events import CancelRequested, Failed, Released
from rhythm.models import check_queue
from rhythm.payloads import kind_of
from rhythm.services import staff
from rhythm.services.staff import TaskAbout, WorkerAbout
from rhythm.services.translation import translated
from rhythm.services.workflows import DEFAULT_QUEUE
from rhythm.settings import check_setting
from rhythm.tasks import TaskRegistry
from rhythm.worker import activations
from rhythm.worker.activations import Activations, Keeping
from rhythm.worker.attempt import Attempt
from rhythm.worker.health import Condition
from rhythm.worker.lease import RENEWALS_PER_LEASE, LeaseKeeper, LeaseTask, LeaseThread
from rhythm.worker.task_runner import TaskRunner, describe
from rhythm.worker.timekeeping import keep_time
from rhythm.worker.watch import Watch
from streams.codec import TaskClaim, WorkflowClaim
from streams.due import Endings, Timekeeper
from streams.errors import BackendUnavailable, StreamsError, WorkerLost
from streams.work import (
    Settlement,
    Step,
    TaskSettlement,
    Told,
    WorkerSeat,
    WorkflowSettlement,
)

if TYPE_CHECKING:
    from rhythm.builder import Rhythm

logger = logging.getLogger("rhythm.worker")

_AFTER_FAILURE_S = 0.25

# To settle what finished in the grace time, and to sign off; then the process must go.
_GIVE_UP_AFTER_GRACE_S = 3.0


class Worker:
    """Runs the workflows and tasks of some queues.

    Args:
        app: an initialised application.
        queues: which queues to serve, the most wanted first.
        concurrency: how many executions it is at, at most; default from the settings.
        resources: an async context manager, or a function that makes one, that yields
            `{type: value}` for tasks' `Provided[T]` parameters. Entered once, left after draining.
        on_ready: called once when it has registered and begins to claim.
        registry: the tasks it knows; default: those of `@task`.
        keeping: how machines are kept between activations.
        on_given_back: called with the id and the error of a workflow that could not go on and is
            tried again later.

    Raises:
        ConfigurationError: no application, no queue, or a concurrency that is no whole number
            from 1 on.
        InvalidRequest: a name that is no queue's.
    """

    def __init__(
        self,
        app: Rhythm,
        queues: Sequence[str] = (DEFAULT_QUEUE,),
        concurrency: int | None = None,
        resources: Any = None,
        on_ready: Callable[[], None] | None = None,
        registry: TaskRegistry = tasks.registry,
        keeping: Keeping | None = None,
        on_given_back: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._keeping = keeping or activations.USUAL
        if not hasattr(app, "worker_connection"):
            raise ConfigurationError(
                f"a worker needs an initialised application, not {kind_of(app)}",
                "give it what `await InitBuilder()….init()` returns",
            )
        if isinstance(queues, str | bytes) or not (isinstance(queues, Iterable) and queues):
            raise ConfigurationError(
                "a worker needs a list of queues", 'give queues=["default"] or others'
            )
        self._app = app
        self._queues = tuple(dict.fromkeys(check_queue(queue, "queues") for queue in queues))
        if concurrency is not None:
            check_setting("concurrency", concurrency, "a worker's concurrency")
        self._concurrency = app.settings.concurrency if concurrency is None else concurrency
        self._resources, self._on_ready, self._registry = resources, on_ready, registry
        self._on_given_back = on_given_back
        self._stopping, self._giving_back = asyncio.Event(), asyncio.Event()
        self._in_threads: set[str] = set()
        self._running: asyncio.Task[None] | None = None
        self._life: _Life | None = None

    async def run(self) -> None:
        """Work until `stop` is called, then drain and return.

        Cancelled, it gives up at once: what it holds is run by others when its lease has run out.

        Raises:
            MissingResource: a task needs a type that the resources do not give.
            ConfigurationError: the resources are no such thing.
            ConnectionLost: Redis is not there at the start. Later losses are waited out.
        """
        threads = (
            ThreadPoolExecutor(self._concurrency, thread_name_prefix="rhythm-task")
            if self._app.surroundings.has_threads
            else None
        )
        try:
            async with tasks.open_resources(self._resources) as provided:
                tasks.require_resources(self._registry, provided)
                has_worked = False
                while not self._stopping.is_set():
                    life = self._life = _Life(self, provided, threads)
                    try:
                        await life.run()
                    except WorkerLost as error:
                        logger.warning("%s; what it held is run again by others", error)
                    except StreamsError as error:
                        if not (has_worked or life.is_registered):
                            with translated():
                                raise
                        # Whatever it is, a worker that looks alive must be able to claim.
                        logger.error("%s; beginning anew", error, exc_info=error)
                    has_worked = True
                    if not self._stopping.is_set():
                        await asyncio.sleep(_AFTER_FAILURE_S)
        finally:
            # A sync task that is still running cannot be ended: do not wait for it.
            if threads is not None:
                threads.shutdown(wait=False, cancel_futures=True)

    @property
    def in_threads(self) -> frozenset[str]:
        """Ids of the sync tasks whose functions run now. After `run` has ended: those that were
        given back, since a thread cannot be ended; Python waits for them before it exits."""
        return frozenset(self._in_threads)

    def condition(self) -> Condition:
        """How the worker is; may be asked from any thread."""
        life, draining = self._life, self._stopping.is_set()
        silent_s = None if life is None else life.silent_s()
        healthy = silent_s is not None and silent_s <= self._app.settings.lease
        return Condition(
            healthy=healthy,
            ready=healthy and not draining,
            draining=draining,
            worker=None if life is None else life.name,
            queues=self._queues,
            running=0 if life is None else life.running(),
            silent_s=None if silent_s is None else round(silent_s, 3),
        )

    def stop(self) -> None:
        """Begin to drain: claim nothing more, finish what runs within the grace time."""
        self._stopping.set()

    def give_back(self) -> None:
        """Stop at once: what runs is given back, and others run it again without delay."""
        self._stopping.set()
        self._giving_back.set()

    async def __aenter__(self) -> Self:
        ready = asyncio.Event()
        told = self._on_ready

        def on_ready() -> None:
            ready.set()
            if told is not None:
                told()

        self._on_ready = on_ready
        self._running = asyncio.create_task(self.run(), name="rhythm-worker")
        started = asyncio.create_task(ready.wait())
        await asyncio.wait({self._running, started}, return_when=asyncio.FIRST_COMPLETED)
        if self._running.done():
            started.cancel()
            await self._running
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        assert self._running is not None
        await self._running


class _Life:
    """One incarnation, from its registration to its leaving or its lost lease."""

    def __init__(
        self, worker: Worker, resources: Mapping[Any, object], threads: ThreadPoolExecutor | None
    ) -> None:
        app = worker._app
        self._worker, self._settings = worker, app.settings
        self._connection = app.worker_connection
        self._queues, self._registry = worker._queues, worker._registry
        self._surroundings = app.surroundings
        self._loop = asyncio.get_running_loop()
        name = self.name = self._surroundings.new_worker_name()
        keys = self._keys = self._connection.keys.partitions[0]
        lease_ms = round(self._settings.lease * 1000)
        self._seat = WorkerSeat(self._connection, keys, name, lease_ms=lease_ms)
        self._keeper = Timekeeper(
            self._connection,
            keys,
            name,
            term_ms=lease_ms,
            max_lost=self._settings.max_lost_workers,
            endings=_endings(self._settings.max_lost_workers),
            kept_ms=(
                None if self._settings.retention is None else round(self._settings.retention * 1000)
            ),
        )
        self._activations = Activations(
            self._connection,
            name,
            app.workflow_service,
            self._registry,
            self._settings,
            worker._keeping,
            worker._on_given_back,
        )
        self._runner = TaskRunner(
            self._registry,
            resources,
            self._settings,
            threads,
            worker._in_threads,
            self._known_elsewhere,
        )
        self._under_way: dict[str, tuple[TaskClaim, asyncio.Task[None]]] = {}
        self._attempts: dict[str, Attempt] = {}
        self._finished: list[Settlement] = []
        self._news = asyncio.Event()
        self._lost = False
        self._gave_up = False
        self.is_registered = False
        self._clock_ms = 0
        self._clock_read_at = 0.0

    def silent_s(self) -> float | None:
        """Seconds since it last claimed, or asked for work in vain; None before the first time and
        when its lease is lost."""
        if not self._clock_ms or self._lost:
            return None
        return self._loop.time() - self._clock_read_at

    def running(self) -> int:
        """How many tasks are running."""
        return len(self._under_way)

    async def run(self) -> None:
        await self._seat.register(staff.encode_about(self._about()))
        self.is_registered = True
        lease = self._lease_keeper()
        lease.start()
        watch = Watch(self._connection, self._seat) if self._surroundings.has_threads else None
        if watch is not None:
            watch.start()
        term_s = self._settings.lease
        timekeeping = asyncio.create_task(
            keep_time(self._connection, self._keys, self._keeper, term_s=term_s),
            name="rhythm-timekeeper",
        )
        timekeeping.add_done_callback(self._report)
        hearing = asyncio.create_task(self._hear(), name="rhythm-hearing")
        working = asyncio.create_task(self._work(), name="rhythm-working")
        watching = asyncio.create_task(self._watch_stop(working))
        logger.info("worker %s serves %s", self._seat.worker, ", ".join(self._queues))
        if self._worker._on_ready is not None:
            self._worker._on_ready()
            self._worker._on_ready = None
        try:
            await working
        except asyncio.CancelledError:
            if not self._gave_up:
                raise
        finally:
            await self._abandon()
            await end(working, watching, timekeeping, hearing)
            await lease.stop()
            if watch is not None:
                await watch.stop()
        if self._gave_up:
            logger.error("Redis does not answer: %s leaves without a word", self._seat.worker)
        elif not await self._seat.leave():
            logger.warning("worker %s left work behind; its lease gives it back", self._seat.worker)

    def _lease_keeper(self) -> LeaseKeeper:
        if not self._surroundings.has_threads:
            return LeaseTask(self._seat, self._be_told, self._be_lost)

        def on_told(told: Sequence[Told]) -> None:
            self._loop.call_soon_threadsafe(self._be_told, told)

        def on_lost() -> None:
            self._loop.call_soon_threadsafe(self._be_lost)

        return LeaseThread(self._connection, self._seat, on_told, on_lost)

    async def _work(self) -> None:
        reader = self._connection.reader()
        bell: asyncio.Task[bool] | None = None
        deadline: float | None = None
        try:
            while True:
                draining = self._worker._stopping.is_set()
                if draining and deadline is None:
                    deadline = self._loop.time() + self._settings.shutdown_grace
                    if self._under_way:
                        logger.info("draining: %d tasks are running", len(self._under_way))
                if self._worker._giving_back.is_set():
                    deadline = self._loop.time()
                room = 0 if draining else self._concurrency_left()
                step = await self._step(room)
                if step.claims or self._finished:
                    continue
                if draining:
                    if not self._under_way:
                        break
                    if deadline is not None and self._loop.time() >= deadline:
                        await self._release_all()
                        continue
                if bell is None and not draining and self._concurrency_left() > 0:
                    bell = asyncio.create_task(self._listen(reader))
                bell = await self._wait(bell, deadline)
        finally:
            await end(bell)
            await reader.close()
        # A bell that rang for this worker at the last moment rings again for another.
        await self._seat.step(self._queues, 0, [])

    async def _step(self, room: int) -> Step:
        if self._lost:
            raise WorkerLost(self._seat.worker)
        settled, self._finished = self._finished, []
        self._news.clear()
        # Without room it claims nothing, and rings for others if work is waiting.
        step = await self._seat.step(self._queues, room, settled)
        self._clock_ms, self._clock_read_at = step.now_ms, self._loop.time()
        for settlement, verdict in zip(settled, step.verdicts, strict=True):
            if verdict == "STALE":
                logger.warning("%s is no longer this worker's to settle: dropped", settlement.id)
            if verdict in ("STALE", "DAMAGED"):
                self._activations.drop(settlement.id)
        self._mourn(step)
        self._be_told(step.told)
        for claim in step.claims:
            if isinstance(claim, TaskClaim):
                running = asyncio.create_task(self._run_task(claim), name=f"rhythm-{claim.id}")
                self._under_way[claim.id] = (claim, running)
            elif isinstance(claim, WorkflowClaim):
                await self._run_activation(claim)
            else:
                self._finish(self._activations.give_back_damaged(claim, self._now_ms()))
        return step

    async def _run_activation(self, claim: WorkflowClaim) -> None:
        settlements = await self._activations.run(claim, self._now_ms())
        *firsts, last = settlements
        for chunk in firsts:
            # One script does not take a large decision at once; the last chunk ends the claim.
            step = await self._seat.step((), 0, [chunk])
            self._mourn(step)
            if step.verdicts[0] in ("STALE", "DAMAGED"):
                self._activations.drop(claim.id)
                return
        self._finish(last)

    async def _run_task(self, claim: TaskClaim) -> None:
        try:
            settlement = await self._runner.run(claim, self._now_ms, self._begin)
        except asyncio.CancelledError as error:
            if self._lost:
                raise
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                settlement = _released(claim)
            else:
                # Nobody cancelled it: the task raised this itself, as it may raise anything.
                settlement = _ended_by(claim, error)
        except BaseException as error:
            # What is no Exception, such as SystemExit, must not end the worker.
            settlement = _ended_by(claim, error)
            logger.error("task %s ended with %r", claim.id, error)
        self._under_way.pop(claim.id, None)
        self._attempts.pop(claim.id, None)
        self._finish(settlement)

    def _mourn(self, step: Step) -> None:
        for execution_id, reason in step.damaged:
            logger.error(
                "%s is parked, nobody goes on with it: %s; 'rhythm verify %s' tells all that is "
                "wrong with it",
                execution_id,
                reason,
                execution_id,
            )

    def _begin(self, claim: TaskClaim, is_async: bool) -> Attempt:
        attempt = self._attempts[claim.id] = Attempt(claim, self._seat, is_async)
        return attempt

    def _finish(self, settlement: TaskSettlement | WorkflowSettlement) -> None:
        self._finished.append(settlement)
        self._news.set()

    async def _hear(self) -> None:
        """Step at once when there is something to tell this worker, also when it has no room."""
        reader = self._connection.reader()
        timeout_s = self._settings.lease / RENEWALS_PER_LEASE
        try:
            while True:
                try:
                    if await self._seat.wait_for_word(reader, timeout_s):
                        self._news.set()
                except BackendUnavailable as error:
                    logger.warning("waiting for word was interrupted: %s", error)
                    await asyncio.sleep(_AFTER_FAILURE_S)
        finally:
            await reader.close()

    async def _listen(self, reader: Any) -> bool:
        # Now and then it looks without a bell: one may have been lost with a connection.
        timeout_s = self._settings.lease / RENEWALS_PER_LEASE
        try:
            return await self._seat.wait_for_work(reader, self._queues, timeout_s)
        except BackendUnavailable as error:
            logger.warning("waiting for work was interrupted: %s", error)
            await asyncio.sleep(_AFTER_FAILURE_S)
            return False

    async def _wait(
        self, bell: asyncio.Task[bool] | None, deadline: float | None
    ) -> asyncio.Task[bool] | None:
        """Until something has finished, the bell rang, or the time to drain is over; and not for
        long, since who does not ask for work now and then counts as unable to."""
        news = asyncio.create_task(self._news.wait())
        left_s = self._settings.lease / RENEWALS_PER_LEASE
        if deadline is not None:
            left_s = min(left_s, max(deadline - self._loop.time(), 0))
        await asyncio.wait(
            {news} if bell is None else {news, bell},
            timeout=left_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        news.cancel()
        if bell is not None and bell.done():
            await bell
            return None
        return bell

    async def _watch_stop(self, working: asyncio.Task[None]) -> None:
        await self._worker._stopping.wait()
        self._news.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown_grace):
                await self._worker._giving_back.wait()
        self._news.set()
        await asyncio.sleep(_GIVE_UP_AFTER_GRACE_S)
        # Draining waits for Redis, which may be away for longer than anybody waits for a process.
        self._gave_up = True
        working.cancel()

    async def _release_all(self) -> None:
        """Give back what did not finish in time: others run it again."""
        logger.warning("given back: %d tasks that did not finish in time", len(self._under_way))
        running = [task for _, task in self._under_way.values()]
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_AFTER_FAILURE_S)
        for claim, _ in list(self._under_way.values()):
            self._finish(_released(claim))
        self._under_way.clear()

    async def _abandon(self) -> None:
        """End what still runs: after a lost lease it is not ours any more."""
        self._lost = True
        running = [task for _, task in self._under_way.values()]
        self._under_way.clear()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_AFTER_FAILURE_S)

    def _be_told(self, told: Sequence[Told]) -> None:
        for claim in told:
            attempt = self._attempts.get(claim.id)
            if attempt is not None and attempt.claim.token == claim.token:
                attempt.end()

    def _be_lost(self) -> None:
        self._lost = True
        self._news.set()

    def _report(self, timekeeping: asyncio.Task[None]) -> None:
        if not timekeeping.cancelled() and (error := timekeeping.exception()) is not None:
            logger.error("timekeeping ended: %s", error, exc_info=error)
            self._be_lost()

    def _concurrency_left(self) -> int:
        return self._worker._concurrency - len(self._under_way)

    def _now_ms(self) -> int:
        """The store's time: its last answer, and what has passed since."""
        return self._clock_ms + round((self._loop.time() - self._clock_read_at) * 1000)

    def _about(self) -> WorkerAbout:
        host, pid = self._surroundings.process()
        return WorkerAbout(
            host=host,
            pid=pid,
            queues=self._queues,
            tasks={task.name: TaskAbout(task.queue, task.options) for task in self._registry},
            started_ms=self._surroundings.now_ms(),
            lease_ms=self._seat.lease_ms,
        )

    async def _known_elsewhere(self, queue: str) -> Mapping[str, str]:
        known: dict[str, str] = {}
        for colleague in await staff.find_colleagues(self._connection):
            if queue in colleague.about.queues and colleague.lease_left_ms > 0:
                known |= dict.fromkeys(colleague.about.tasks, colleague.id)
        return known


def _released(claim: TaskClaim) -> TaskSettlement:
    reason = Released("its worker was stopped")
    return TaskSettlement(claim.id, claim.token, "released", events.encode(reason))


def _ended_by(claim: TaskClaim, error: BaseException) -> TaskSettlement:
    return TaskSettlement(claim.id, claim.token, "failed", events.encode(Failed(describe(error))))


def _endings(max_lost: int) -> Endings:
    lost = f"{max_lost} workers in a row stopped answering while they ran it"
    return Endings(
        lost=_failure("WorkerLost", lost, "task_failed"),
        late=_failure("TimeoutError", "it did not end within its time", "timeout"),
        unclaimed=_failure("TimeoutError", "no worker began it within its time", "timeout"),
        silent=_failure("TimeoutError", "it sent no heartbeat within its time", "timeout"),
        closed=events.encode(CancelRequested("its parent has ended")),
    )


def _failure(name: str, message: str, type_: str) -> bytes:
    return events.encode(Failed(ErrorInfo(name, message, type_)))
