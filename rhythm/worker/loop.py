"""The worker: what a process has one of, whichever partitions it serves.

Threads for sync tasks, resources, room and machines are shared. Each partition has a desk, which
begins anew under another name when its lease is lost; the others work on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rhythm import tasks
from rhythm.ending import end
from rhythm.errors import ConfigurationError
from rhythm.models import check_queue
from rhythm.payloads import kind_of
from rhythm.services import staff
from rhythm.services.firing import Firing
from rhythm.services.staff import TaskAbout, WorkerAbout
from rhythm.services.translation import translated
from rhythm.services.workflows import DEFAULT_QUEUE
from rhythm.settings import check_setting
from rhythm.tasks import TaskRegistry
from rhythm.worker import activations
from rhythm.worker.activations import Activations, Keeping
from rhythm.worker.aside import Aside, SameLoop, SideThread
from rhythm.worker.desk import AFTER_FAILURE_S, Desk, Workshop
from rhythm.worker.health import Condition
from rhythm.worker.metrics import Metrics
from rhythm.worker.room import Room
from rhythm.worker.watch import Watch
from streams import limits
from streams.connection import Connection
from streams.errors import SchemaMismatch, StreamsError, WorkerLost
from streams.keys import PartitionKeys
from streams.work import WorkerSeat

if TYPE_CHECKING:
    from rhythm.builder import Rhythm

logger = logging.getLogger("rhythm.worker")


# A server that needs longer to tell the time is not asked twice.
_CLOCK_S = 1.0


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
        metrics: counts what it does; None counts nothing.

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
        metrics: Metrics | None = None,
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
        self._on_given_back, self._metrics = on_given_back, metrics
        self._stopping, self._giving_back = asyncio.Event(), asyncio.Event()
        self._in_threads: set[str] = set()
        self._running: asyncio.Task[None] | None = None
        self._name: str | None = None
        self._desks: dict[str, Desk] = {}
        self._has_begun = False

    async def run(self) -> None:
        """Work until `stop` is called, then drain and return.

        Cancelled, it gives up at once: what it holds is run by others when its lease has run out.

        Raises:
            MissingResource: a task needs a type that the resources do not give.
            ConfigurationError: the resources are no such thing; or, while it works, another
                release has set the namespace up anew.
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
                await self._serve_all(provided, threads)
        finally:
            # A sync task that is still running cannot be ended: do not wait for it.
            if threads is not None:
                threads.shutdown(wait=False, cancel_futures=True)

    async def _serve_all(
        self, resources: Mapping[Any, object], threads: ThreadPoolExecutor | None
    ) -> None:
        connection, surroundings = self._app.worker_connection, self._app.surroundings
        name = self._name = surroundings.new_worker_name()
        partitions = connection.keys.partitions
        if len(partitions) > 1 and not await self._declare_limits(connection):
            return
        # What fails there is begun again in good time by those who ask: a lease does not wait.
        at_once = connection.another(patience_s=0.0)
        aside: Aside = SideThread(at_once, name) if surroundings.has_threads else SameLoop(at_once)
        workshop = Workshop(
            connection,
            self._app.settings,
            self._queues,
            self._registry,
            resources,
            threads,
            self._in_threads,
            Activations(
                connection,
                self._app.workflow_service,
                self._registry,
                self._app.settings,
                self._keeping,
                self._on_given_back,
                self._metrics,
            ),
            Firing(connection, surroundings, self._app.execution_service),
            Room(self._concurrency, len(partitions)),
            aside,
            staff.encode_about(await self._about(name)),
            {} if len(partitions) > 1 else self._limits(),
            self._stopping,
            self._giving_back,
            self._be_registered,
            self._metrics,
        )
        if surroundings.has_threads:
            aside.begin(Watch(aside, name, self._seats).run())
        serving = [asyncio.create_task(self._serve(workshop, keys, name)) for keys in partitions]
        try:
            await asyncio.gather(*serving)
        finally:
            await end(*serving)
            await aside.stop()

    async def _serve(self, workshop: Workshop, keys: PartitionKeys, name: str) -> None:
        """Serve a partition until the worker is to stop, under a new name after a lost lease."""
        while not self._stopping.is_set():
            desk = Desk(workshop, keys, name)
            try:
                await desk.run()
            except WorkerLost as error:
                if self._metrics is not None:
                    self._metrics.count_lost_lease()
                logger.warning("%s; what it held is run again by others", error)
            except StreamsError as error:
                if isinstance(error, SchemaMismatch) or not self._has_begun:
                    with translated():
                        raise
                # Whatever it is, a worker that looks alive must be able to claim.
                logger.error("%s; beginning anew", error, exc_info=error)
            self._desks.pop(keys.prefix, None)
            name = self._app.surroundings.new_worker_name()
            if not self._stopping.is_set():
                await asyncio.sleep(AFTER_FAILURE_S)

    def _be_registered(self, keys: PartitionKeys, desk: Desk) -> None:
        self._has_begun = True
        self._desks[keys.prefix] = desk
        if len(self._desks) < len(self._app.worker_connection.keys.partitions):
            return
        logger.info("worker %s serves %s", desk.seat.worker, ", ".join(self._queues))
        if self._on_ready is not None:
            self._on_ready()
            self._on_ready = None

    def _seats(self) -> list[WorkerSeat]:
        return [desk.seat for desk in list(self._desks.values())]

    def _limits(self) -> Mapping[str, str]:
        return {task.name: task.limits.argument() for task in self._registry}

    async def _declare_limits(self, connection: Connection) -> bool:
        """Before any partition is served, since all share them; False when the worker was stopped
        before the store answered."""
        declared = {task.name: task.limits for task in self._registry}
        declaring = asyncio.create_task(limits.put(connection, declared, declared=True))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({declaring, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not declaring.done():
                return False
            with translated():
                await declaring
            return True
        finally:
            await end(declaring, stopping)

    async def _about(self, name: str) -> WorkerAbout:
        surroundings = self._app.surroundings
        host, pid = surroundings.process()
        software = surroundings.software()
        return WorkerAbout(
            name=name,
            host=host,
            pid=pid,
            queues=self._queues,
            tasks={task.name: TaskAbout(task.queue, task.options) for task in self._registry},
            started_ms=surroundings.now_ms(),
            lease_ms=round(self._app.settings.lease * 1000),
            concurrency=self._concurrency,
            ahead_ms=await self._ahead_ms(),
            version=software.rhythm,
            python=software.python,
            build=self._app.settings.build_id or software.commit,
        )

    async def _ahead_ms(self) -> int:
        """By how much this process's clock is ahead of the store's; 0 where it does not answer at
        once, since to register is what is waited for without end, and until it is to stop."""
        before_ms = self._app.surroundings.now_ms()
        try:
            async with asyncio.timeout(_CLOCK_S):
                there_ms = await self._app.worker_connection.server_ms()
        except (TimeoutError, StreamsError):
            return 0
        return (before_ms + self._app.surroundings.now_ms()) // 2 - there_ms

    @property
    def in_threads(self) -> frozenset[str]:
        """Ids of the sync tasks whose functions run now. After `run` has ended: those that were
        given back, since a thread cannot be ended; Python waits for them before it exits."""
        return frozenset(self._in_threads)

    def condition(self) -> Condition:
        """How the worker is; may be asked from any thread."""
        desks, draining = list(self._desks.values()), self._stopping.is_set()
        silent_s = self._silent_s(desks)
        healthy = silent_s is not None and silent_s <= self._app.settings.lease
        return Condition(
            healthy=healthy,
            ready=healthy and not draining,
            draining=draining,
            worker=self._name,
            queues=self._queues,
            running=sum(desk.running() for desk in desks),
            silent_s=None if silent_s is None else round(silent_s, 3),
        )

    def _silent_s(self, desks: Sequence[Desk]) -> float | None:
        """How long the partition has not been asked that was asked the longest time ago; None when
        there is one that is not served."""
        silences = [silent_s for desk in desks if (silent_s := desk.silent_s()) is not None]
        if not silences or len(silences) < len(self._app.worker_connection.keys.partitions):
            return None
        return max(silences)

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
