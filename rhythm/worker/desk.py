"""One partition's part of a worker: claims what there is room for, runs it, settles it with the
next claim, keeps the lease and takes part in keeping the time.

One call of the store both settles and claims, so whatever finishes while a call is under way goes
with the next one. Of what a call brought half is begun before the next call, and settled by it, and
half while that is under way: the worker and the store work at the same time. It waits on a bell
when there is nothing to do. When its lease is lost it drops what it held, which others run again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from flowlang.protocol import ErrorInfo
from rhythm import events
from rhythm.ending import end
from rhythm.events import CancelRequested, Failed, Released
from rhythm.services import staff
from rhythm.services.firing import Firing
from rhythm.settings import Settings
from rhythm.tasks import TaskRegistry
from rhythm.worker.activations import Activations
from rhythm.worker.aside import Aside
from rhythm.worker.attempt import Attempt
from rhythm.worker.lease import RENEWALS_PER_LEASE, keep_lease
from rhythm.worker.metrics import Metrics
from rhythm.worker.room import Room
from rhythm.worker.task_runner import TaskRunner, describe, failed
from rhythm.worker.timekeeping import Others, keep_time
from streams import definitions
from streams.codec import TaskClaim, WorkflowClaim
from streams.connection import BlockingReader, Connection
from streams.due import Endings, Failure, Timekeeper
from streams.errors import BackendFull, BackendUnavailable, WorkerLost
from streams.keys import PartitionKeys
from streams.work import (
    Claim,
    Settlement,
    Step,
    TaskSettlement,
    Told,
    WorkerSeat,
    WorkflowSettlement,
)

logger = logging.getLogger("rhythm.worker")

AFTER_FAILURE_S = 0.25

# From so many claims on, one half waits for the other to be on its way: a call of its own takes
# about as long as some of them.
_HALVED_FROM = 8

# For the answer to a registration when there will be no work: longer than a good network takes.
_LAST_ANSWER_S = 1.0
# To settle what finished in the grace time, and to sign off; then the process must go.
_GIVE_UP_AFTER_GRACE_S = 3.0


@dataclass(frozen=True)
class Workshop:
    """What all partitions of a worker share.

    Attributes:
        firing: starts what schedules start.
        about: what the worker says of itself, encoded.
        limits: what the declarations of its tasks say, as the store takes it.
        in_threads: ids of the sync tasks whose functions run now.
        stopping: set when it is to drain.
        giving_back: set when it is not to wait for what runs.
        metrics: counts what is done; None counts nothing.
        on_registered: called when a partition begins to be served.
    """

    connection: Connection
    settings: Settings
    queues: tuple[str, ...]
    registry: TaskRegistry
    resources: Mapping[Any, object]
    threads: Executor | None
    in_threads: set[str]
    activations: Activations
    firing: Firing
    room: Room
    aside: Aside
    about: bytes
    limits: Mapping[str, str]
    stopping: asyncio.Event
    giving_back: asyncio.Event
    on_registered: Callable[[PartitionKeys, Desk], None]
    metrics: Metrics | None = None


@dataclass
class _Listening:
    """A wait for bells.

    Attributes:
        task: gives which bell rang, None after some time without; or what was claimed then.
        is_for_work: whether it hears of work in queues, not only of word for this worker.
        room: for how much it claims when a bell rings; 0 if it does not.
        is_renewed: whether its end was asked for, so that another takes its place.
    """

    task: asyncio.Task[Step | str | None]
    is_for_work: bool
    room: int
    is_renewed: bool = False


class Desk:
    """One incarnation, from its registration to its leaving or its lost lease.

    Args:
        name: the incarnation, never used before in this partition.
    """

    def __init__(self, workshop: Workshop, keys: PartitionKeys, name: str) -> None:
        self._connection, self._settings = workshop.connection, workshop.settings
        self._workshop, self._room, self._keys = workshop, workshop.room, keys
        self._queues = workshop.queues
        self._activations = workshop.activations
        self._loop = asyncio.get_running_loop()
        lease_ms = round(self._settings.lease * 1000)
        self.seat = WorkerSeat(self._connection, keys, name, lease_ms=lease_ms)
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
        self._runner = TaskRunner(
            workshop.registry,
            workshop.resources,
            self._settings,
            workshop.threads,
            workshop.in_threads,
            self._known_elsewhere,
            workshop.metrics,
        )
        self._under_way: dict[str, tuple[TaskClaim, asyncio.Task[None]]] = {}
        self._attempts: dict[str, Attempt] = {}
        self._finished: list[Settlement] = []
        self._claimed: deque[Claim] = deque()
        # Calls of the store are numbered: one at a time.
        self._calling = asyncio.Lock()
        self._news = asyncio.Event()
        self._lost = False
        self._gave_up = False
        self._others = Others(self._connection, keys)
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
        """Work until the worker is to stop, then drain and leave.

        Raises:
            WorkerLost: the lease has run out.
            SchemaMismatch: another release has set the namespace up anew.
        """
        if not await self._register():
            return
        end_lease = self._workshop.aside.begin(
            keep_lease(self._workshop.aside, self.seat, self._be_told, self._be_lost)
        )
        timekeeping = asyncio.create_task(
            keep_time(
                self._connection,
                self._keys,
                self._keeper,
                self._workshop.firing,
                self._others,
                term_s=self._settings.lease,
            ),
            name="rhythm-timekeeper",
        )
        timekeeping.add_done_callback(self._report)
        working = asyncio.create_task(self._work(), name="rhythm-working")
        watching = asyncio.create_task(self._watch_stop(working))
        self._workshop.on_registered(self._keys, self)
        try:
            await working
        except asyncio.CancelledError:
            if not self._gave_up:
                raise
        finally:
            await self._abandon()
            await end(working, watching, timekeeping)
            await self._others.stop()
            end_lease()
        if self._gave_up:
            logger.error("Redis does not answer: %s leaves without a word", self.seat.worker)
        elif not await self.seat.leave():
            logger.warning("worker %s left work behind; its lease gives it back", self.seat.worker)

    async def _register(self) -> bool:
        """Whether it is registered; False when the worker was stopped before the store answered."""
        registering = asyncio.create_task(self._begin_lease())
        stopping = asyncio.create_task(self._workshop.stopping.wait())
        try:
            await asyncio.wait({registering, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # The answer may be on its way: who is registered already is to leave as it should.
            await asyncio.wait({registering}, timeout=_LAST_ANSWER_S)
            if not registering.done():
                return False
            await registering
            return True
        finally:
            await end(registering, stopping)

    async def _begin_lease(self) -> None:
        await definitions.check_again(self._connection)
        await self.seat.register(self._workshop.about, self._workshop.limits)

    async def _work(self) -> None:
        reader = self._connection.reader()
        listening: _Listening | None = None
        deadline: float | None = None
        room, asks = 0, True
        try:
            while True:
                draining = self._workshop.stopping.is_set()
                if draining and deadline is None:
                    deadline = self._loop.time() + self._settings.shutdown_grace
                    if self._under_way:
                        logger.info("draining: %d tasks are running", len(self._under_way))
                if self._workshop.giving_back.is_set():
                    deadline = self._loop.time()
                if self._claimed and not self._finished:
                    count = len(self._claimed)
                    await self._begin_until(count // 2 if count >= _HALVED_FROM else 0)
                if asks or self._finished:
                    if listening is not None and listening.room:
                        await self._break_off(listening)
                        listening = None
                    room = 0 if draining else self._room.take(self._news)
                    step = await self._step(room, listening)
                    # There may be more: fetch it while this runs.
                    asks = room > 0 and len(step.claims) >= room
                    continue
                if self._claimed:
                    continue
                if draining:
                    if not self._under_way:
                        break
                    if deadline is not None and self._loop.time() >= deadline:
                        await self._release_all()
                        continue
                if listening is None:
                    listening = self._listen(reader, room, draining)
                if not (room or draining):
                    self._room.stand_in_line(self._news)
                await self._wait(listening, deadline)
                asks = True
                if listening.task.done():
                    self._news.clear()
                    room, asks = listening.room or room, self._heard(listening) or self._lost
                    listening = None
        finally:
            if listening is not None:
                await self._break_off(listening)
            await reader.close()
        # A bell that rang for this worker at the last moment rings again for another.
        await self.seat.step(self._queues, 0, [])

    async def _step(self, room: int, listening: _Listening | None) -> Step:
        """Settle what has finished and claim; meanwhile begin what was claimed before."""
        claimed = 0
        try:
            if self._lost:
                raise WorkerLost(self.seat.worker)
            settled, self._finished = self._finished, []
            self._news.clear()
            # Without room it claims nothing, and rings for others if work is waiting; not so when
            # there will be room as soon as another partition's call has come back.
            is_soon = not (room or self._workshop.stopping.is_set() or self._room.is_full)
            renews = room > 0 and listening is not None and self._is_to_be_renewed(listening)
            call = self._call(() if is_soon else self._queues, room, settled, renews=renews)
            step = await (self._meanwhile_begin(call) if self._claimed else call)
            claimed = _tasks_in(step)
        finally:
            self._room.settle(room, claimed)
        self._take_on(step)
        for settlement, verdict in zip(settled, step.verdicts, strict=True):
            if verdict == "STALE":
                if self._workshop.metrics is not None:
                    self._workshop.metrics.count_stale()
                logger.warning("%s is no longer this worker's to settle: dropped", settlement.id)
            if verdict in ("STALE", "DAMAGED"):
                self._activations.drop(settlement.id)
            if verdict == "MORE":
                self._finish(settlement)
        return step

    async def _meanwhile_begin(self, call: Coroutine[Any, Any, Step]) -> Step:
        """Make a call, and begin what was claimed while it is under way."""
        calling = asyncio.create_task(call, name="rhythm-step")
        try:
            # It is sent now.
            await asyncio.sleep(0)
            await self._begin_until(0)
            return await calling
        finally:
            await end(calling)

    def _take_on(self, step: Step) -> None:
        self._clock_ms, self._clock_read_at = step.now_ms, self._loop.time()
        self._claimed.extend(step.claims)
        self._hear_beside(step)
        self._be_told(step.told)

    async def _call(
        self,
        queues: Sequence[str],
        room: int,
        settlements: Sequence[Settlement],
        *,
        renews: bool = False,
    ) -> Step:
        async with self._calling:
            return await self.seat.step(queues, room, settlements, rings=renews)

    async def _begin_until(self, left: int) -> None:
        """Begin what was claimed, until so much of it is left for later."""
        if len(self._claimed) <= left:
            return
        while len(self._claimed) > left:
            claim = self._claimed.popleft()
            if isinstance(claim, TaskClaim):
                running = asyncio.create_task(self._run_task(claim), name=f"rhythm-{claim.id}")
                self._under_way[claim.id] = (claim, running)
            elif isinstance(claim, WorkflowClaim):
                await self._run_activation(claim)
            else:
                self._finish(self._activations.give_back_damaged(claim, self._now_ms()))
        # Let what need not wait for anything finish: it is settled with the next call.
        await asyncio.sleep(0)

    async def _run_activation(self, claim: WorkflowClaim) -> None:
        began = self._loop.time()
        settlements = await self._activations.run(claim, self.seat.worker, self._now_ms())
        *firsts, last = settlements
        if self._workshop.metrics is not None:
            outcome = "waiting" if last.outcome in ("", "long") else last.outcome
            self._workshop.metrics.count_turn(outcome, self._loop.time() - began)
        for chunk in firsts:
            # One script does not take a large decision at once; the last chunk ends the claim.
            step = await self._call((), 0, [chunk])
            self._hear_beside(step)
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
        self._let_go(claim.id)
        self._attempts.pop(claim.id, None)
        self._finish(settlement)

    def _let_go(self, execution_id: str) -> None:
        if self._under_way.pop(execution_id, None) is not None:
            self._room.give_back()

    def _hear_beside(self, step: Step) -> None:
        """What an answer says beside verdicts and claims."""
        if step.has_shares_to_tell:
            # Others may begin by what was given up, as soon as they hear of it.
            self._others.exchange_permits()
        for execution_id, reason in step.damaged:
            logger.error(
                "%s is parked, nobody goes on with it: %s; 'rhythm verify %s' tells all that is "
                "wrong with it",
                execution_id,
                reason,
                execution_id,
            )

    def _begin(self, claim: TaskClaim, is_async: bool) -> Attempt:
        attempt = self._attempts[claim.id] = Attempt(claim, self.seat, is_async)
        return attempt

    def _finish(self, settlement: TaskSettlement | WorkflowSettlement) -> None:
        self._finished.append(settlement)
        self._news.set()

    def _listen(self, reader: BlockingReader, room: int, draining: bool) -> _Listening:
        """Begin to wait for what comes. Who has nothing at all to do claims in the same call."""
        queues = () if draining or not room else self._queues
        taken = self._room.take(self._news) if self._claims_when_rung() else 0
        task = asyncio.create_task(self._hear(reader, queues, taken), name="rhythm-listening")
        task.add_done_callback(lambda _: self._news.set())
        return _Listening(task, bool(queues), taken)

    def _claims_when_rung(self) -> bool:
        # Room that is kept for one partition is missing in the others.
        return not (self._under_way or self._room.is_shared or self._workshop.stopping.is_set())

    def _is_to_be_renewed(self, listening: _Listening) -> bool:
        """Whether it is not as it would be begun now; then its bell is to ring, once."""
        if not listening.is_renewed:
            listening.is_renewed = self._claims_when_rung() or not listening.is_for_work
            return listening.is_renewed
        return False

    async def _hear(
        self, reader: BlockingReader, queues: Sequence[str], room: int
    ) -> Step | str | None:
        # Now and then it looks without a bell: one may have been lost with a connection.
        timeout_s = self._settings.lease / RENEWALS_PER_LEASE
        try:
            if not room:
                return await self.seat.wait(reader, queues, timeout_s)
            return await self.seat.step_when_rung(reader, queues, room, timeout_s)
        except (BackendUnavailable, BackendFull) as error:
            logger.warning("waiting for work was interrupted: %s", error)
            await asyncio.sleep(AFTER_FAILURE_S)
            return await self.seat.step(queues, room, []) if room else None

    def _heard(self, listening: _Listening) -> bool:
        """Take on what came; whether to ask for more at once."""
        heard = listening.task.result()
        if isinstance(heard, Step):
            self._room.settle(listening.room, _tasks_in(heard))
            self._take_on(heard)
            return len(heard.claims) >= listening.room
        # With others in line for room it may be this one's turn.
        is_no_news = listening.is_renewed and heard == self.seat.own_bell
        return self._room.is_shared or not is_no_news

    async def _break_off(self, listening: _Listening) -> None:
        await end(listening.task)
        if listening.task.cancelled() or listening.task.exception() is not None:
            # What it claimed, if it did, the next call gives again.
            self._room.settle(listening.room, 0)
        else:
            self._heard(listening)

    async def _wait(self, listening: _Listening, deadline: float | None) -> None:
        """Until something has finished, the bell rang, or the time to drain is over; and not for
        long, since who does not ask for work now and then counts as unable to."""
        left_s = self._settings.lease / RENEWALS_PER_LEASE
        if deadline is not None:
            left_s = min(left_s, max(deadline - self._loop.time(), 0))
        if not listening.task.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._news.wait()
        self._room.leave_line(self._news)

    async def _watch_stop(self, working: asyncio.Task[None]) -> None:
        await self._workshop.stopping.wait()
        self._news.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown_grace):
                await self._workshop.giving_back.wait()
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
        await asyncio.wait(running, timeout=AFTER_FAILURE_S)
        for claim, _ in list(self._under_way.values()):
            self._finish(_released(claim))
            self._let_go(claim.id)

    async def _abandon(self) -> None:
        """End what still runs: after a lost lease it is not ours any more."""
        self._lost = True
        running = [task for _, task in self._under_way.values()]
        for execution_id in list(self._under_way):
            self._let_go(execution_id)
        for claim in self._claimed:
            if isinstance(claim, TaskClaim):
                self._room.give_back()
        self._claimed.clear()
        self._room.forget(self._news)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=AFTER_FAILURE_S)

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

    def _now_ms(self) -> int:
        """The store's time: its last answer, and what has passed since."""
        return self._clock_ms + round((self._loop.time() - self._clock_read_at) * 1000)

    async def _known_elsewhere(self, queue: str) -> Mapping[str, str]:
        known: dict[str, str] = {}
        for colleague in await staff.find_incarnations(self._connection, self._keys):
            if queue in colleague.about.queues and colleague.lease_left_ms > 0:
                known |= dict.fromkeys(colleague.about.tasks, colleague.id)
        return known


def _tasks_in(step: Step) -> int:
    """Activations take no room: they are done when they are begun."""
    return sum(isinstance(claim, TaskClaim) for claim in step.claims)


def _released(claim: TaskClaim) -> TaskSettlement:
    reason = Released("its worker was stopped")
    return TaskSettlement(claim.id, claim.token, "released", events.encode(reason))


def _ended_by(claim: TaskClaim, error: BaseException) -> TaskSettlement:
    return failed(claim, describe(error))


def _endings(max_lost: int) -> Endings:
    lost = f"{max_lost} workers in a row stopped answering while they ran it"
    return Endings(
        lost=_failure("WorkerLost", lost, "task_failed"),
        late=_failure("TimeoutError", "it did not end within its time", "timeout"),
        unclaimed=_failure("TimeoutError", "no worker began it within its time", "timeout"),
        silent=_failure("TimeoutError", "it sent no heartbeat within its time", "timeout"),
        closed=events.encode(CancelRequested("its parent has ended")),
    )


def _failure(name: str, message: str, type_: str) -> Failure:
    ended = Failed(ErrorInfo(name, message, type_))
    return Failure(ended.found_by, events.encode(ended))
