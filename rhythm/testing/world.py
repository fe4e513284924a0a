"""One run of a workflow in a test: the whole engine, in memory, on a clock that skips.

Workers, timekeeper and client are those of every application, on the embedded server. The clock
moves only when nothing can run, and then to the next moment at which something can. Nothing that
the engine does now and then (renewing leases, looking again) comes before a run is over: a lease
lasts for decades. So whatever is waited for takes no time, and when nothing is left to wait for,
that is seen at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import flowlang
from rhythm.builder import Rhythm
from rhythm.ending import end
from rhythm.errors import ConfigurationError, ExecutionFinished
from rhythm.events import TERMINAL
from rhythm.services.workflows import DEFAULT_QUEUE
from rhythm.settings import Settings
from rhythm.tasks import TaskDefinition, TaskRegistry
from rhythm.testing.run import Remains, Run
from rhythm.testing.stand_ins import TasksAtHand
from rhythm.testing.standstill import endless, stuck
from rhythm.virtual_time import SeededSurroundings, VirtualLoop
from rhythm.virtual_time import run as run_on
from rhythm.worker import Worker
from streams import definitions, projections
from streams import events as stream
from streams.codec import StoredEvent
from streams.connection import Connection
from streams.work import queues_used

NAMESPACE: Final = "test"

# The longest that there is: renewed every third of it, so once in ten years and a half.
_LEASE_S: Final = 1e9
# So before this nothing comes but what a workflow or task waits for; a script's durations are ten
# years at most.
_FOREVER_S: Final = 3_800 * 86_400.0

MAX_SKIPS: Final = 1_000
"""So often time may pass in one run: a day for nearly three years, which takes some seconds. A
workflow that goes on after that is taken for one that never ends."""


@dataclass(frozen=True)
class Signal:
    """A signal to be sent: to the workflow that is run, or to all that run of a name."""

    name: str
    payload: Any
    workflow: str | None


@dataclass(frozen=True)
class Cancel:
    """A request to end, to the workflow that is run."""

    reason: str | None


Action = Signal | Cancel


@dataclass(frozen=True)
class Plan:
    """What a run is to be.

    Attributes:
        programs: all that can be started, by name.
        workflow: which of them is run.
        replaced: tasks that go before the registered ones.
        provided: values for tasks, by type.
        actions: what happens from outside, with seconds after the start, in order.
        starts_at_ms: unix ms at which its clock begins.
        stop_after_s: when to end although it goes on; None for never.
        seed: what chance and ids are drawn from.
    """

    programs: Mapping[str, flowlang.Program]
    workflow: str
    inputs: Mapping[str, Any]
    replaced: Mapping[str, TaskDefinition]
    registered: TaskRegistry
    provided: Mapping[Any, object]
    actions: Sequence[tuple[float, Action]]
    starts_at_ms: int
    stop_after_s: float | None
    seed: int


def play(plan: Plan) -> Run:
    """Run a workflow to its end.

    Raises:
        RunStuck: it waits for what nothing will bring, or never ends.
        TaskNotRegistered, MissingResource: it asks for a task that the test does not have.
        ConfigurationError: an event loop runs already, or a signal is for nobody.
    """
    if asyncio._get_running_loop() is not None:
        raise ConfigurationError(
            "an event loop runs already, and a run has one of its own",
            "call it from a plain function: def test_…, not async def",
        )
    return _World(plan).run()


class _World:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._loop = VirtualLoop(self._at_rest, forever_s=_FOREVER_S)
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._skips = 0
        self._is_stopped = False
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._tasks = TasksAtHand(plan.replaced, plan.registered, plan.provided, self._break_off)

    def run(self) -> Run:
        return run_on(self._live(), self._loop)

    async def _live(self) -> Run:
        connection = Connection("memory://", NAMESPACE, clock=self._now_ms)
        settings = Settings(database_url="memory://", namespace=NAMESPACE, lease=_LEASE_S)
        surroundings = SeededSurroundings(self._now_ms, self._plan.seed, "test")
        await definitions.migrate(connection)
        async with Rhythm(settings, connection, surroundings) as self._app:
            await self._app.workflow_service.register(self._plan.programs)
            self._looking = connection.direct_caller()
            return await self._from_start_to_end(connection)

    async def _from_start_to_end(self, connection: Connection) -> Run:
        self._root = root = await self._app.execution_service.create_execution(
            target_name=self._plan.workflow, inputs=self._plan.inputs
        )
        self._partition = connection.keys.partition(root)
        self._serve(DEFAULT_QUEUE)
        acting = asyncio.create_task(self._act())
        acting.add_done_callback(self._look_after)
        if self._plan.stop_after_s is not None:
            self._loop.call_later(self._plan.stop_after_s, self._stop)
        try:
            await self._over
            histories = await _histories(connection)
        finally:
            await end(acting, *self._workers.values())
        if not self._has_ended() and not self._is_stopped:
            sent = [act.name for _, act in self._plan.actions if isinstance(act, Signal)]
            raise stuck(self._newest_run(), self._elapsed(), histories, self._plan.programs, sent)
        programs = {program.digest: program for program in self._plan.programs.values()}
        remains = Remains(histories, programs, self._tasks.names(), self._now_ms())
        return Run(self._newest_run(), remains)

    def _now_ms(self) -> int:
        return self._plan.starts_at_ms + round(self._loop.time() * 1000)

    def _at_rest(self, seconds: float | None) -> bool:
        """Called whenever nothing can run: what ought to be done before time passes?"""
        if self._over.done():
            return False
        unserved = queues_used(self._looking, self._partition) - self._workers.keys()
        for queue in sorted(unserved):
            self._serve(queue)
        if unserved:
            return True
        if self._has_ended() or self._is_stopped or seconds is None:
            self._over.set_result(None)
            return True
        self._skips += 1
        if self._skips > MAX_SKIPS and self._plan.stop_after_s is None:
            self._break_off(endless(self._plan.workflow, self._elapsed(), MAX_SKIPS))
            return True
        return False

    def _has_ended(self) -> bool:
        newest = stream.newest(self._looking, self._partition, self._newest_run())
        return newest is not None and newest.type in TERMINAL

    def _newest_run(self) -> str:
        """Of the workflow that is run: it may restart."""
        return projections.newest_run(self._looking, self._partition, self._root)

    def _serve(self, queue: str) -> None:
        """A worker for a queue: in a test every queue is served."""

        @asynccontextmanager
        async def resources() -> AsyncIterator[Mapping[Any, object]]:
            yield self._plan.provided

        worker = Worker(
            self._app,
            queues=[queue],
            resources=resources,
            registry=self._tasks,
            on_given_back=lambda _, error: self._break_off(error),
        )
        self._workers[queue] = asyncio.create_task(worker.run())
        self._workers[queue].add_done_callback(self._look_after)

    async def _act(self) -> None:
        """What the plan wants to happen from outside."""
        for after_s, action in self._plan.actions:
            await asyncio.sleep(max(after_s - self._loop.time(), 0))
            try:
                await self._do(action)
            except ExecutionFinished:
                continue  # It came too late, as it may.

    async def _do(self, action: Action) -> None:
        if isinstance(action, Cancel):
            await self._app.execution_service.cancel_execution(self._root, action.reason)
            return
        receivers = [self._root]
        if action.workflow is not None:
            receivers = await self._running(action.workflow)
            if not receivers:
                raise ConfigurationError(
                    f"signal {action.name!r} is for workflow {action.workflow!r}, and none of it "
                    f"runs {self._elapsed()} after the start",
                    "send it later, or leave workflow= out for the workflow under test",
                )
        for receiver in receivers:
            await self._app.signal_service.send_signal(
                workflow_id=receiver, signal_name=action.name, payload=action.payload
            )

    async def _running(self, workflow: str) -> list[str]:
        found = await self._app.execution_service.query_executions(
            {"target_name": workflow, "type": "workflow", "limit": 1_000}
        )
        return [execution.id for execution in reversed(found) if not execution.status.finished]

    def _stop(self) -> None:
        self._is_stopped = True

    def _break_off(self, error: BaseException) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    def _look_after(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._break_off(error)

    def _elapsed(self) -> timedelta:
        return timedelta(milliseconds=round(self._loop.time() * 1000))


async def _histories(connection: Connection) -> dict[str, list[StoredEvent]]:
    """All that happened, by execution."""
    ids = {id_ async for id_, _ in projections.all_executions(connection)}
    return {id_: [event async for event in stream.read(connection, id_)] for id_ in sorted(ids)}
