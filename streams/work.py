"""What workers do: register, claim ready work, settle it, renew their lease, leave.

A worker's token is ``<incarnation>.<seq>``, one seq a call. The server keeps the last one, so a
call that is repeated because its answer was lost gets the same claims again, and a settlement that
is repeated finds what it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from streams import codec
from streams.codec import TaskClaim, WorkflowClaim
from streams.connection import BlockingReader, Connection, ThreadCaller
from streams.errors import WorkerLost
from streams.keys import PartitionKeys
from streams.scripts import Argument, load

_REGISTER = load("register_worker")
_RENEW = load("renew_lease")
_LEAVE = load("leave_worker")
_STEP = load("step")

UNITS = 256
"""The most commands that one chunk of a decision may carry: no script does more at once."""

Claim = TaskClaim | WorkflowClaim
Verdict = Literal["OK", "DONE", "STALE"]
"""What became of a settlement: done now, done by an earlier call, or not this worker's any more."""


class TaskSettlement(msgspec.Struct, frozen=True, gc=False):
    """How an attempt ended.

    Attributes:
        outcome: ``completed`` and ``failed`` end the task; ``attempt_failed`` runs it again at
            `due_ms`; ``released`` gives it back unrun, its attempt number kept; ``unknown`` is
            released because this worker has no such task.
        payload: encoded event of that outcome.
        due_ms: unix ms; None is at once, at the head of its queue.
    """

    id: str
    token: str
    outcome: Literal["completed", "failed", "attempt_failed", "released", "unknown"]
    payload: bytes
    due_ms: int | None = None

    def arguments(self) -> list[Argument]:
        """As the script takes it."""
        due = "" if self.due_ms is None else self.due_ms
        return ["task", self.id, self.token, self.outcome, self.payload, due]


class NewChild(msgspec.Struct, frozen=True, gc=False):
    """A child to create: its id is the parent's, a slash, and `n`."""

    n: int
    type: Literal["workflow", "task"]
    target: str
    queue: str
    definition: str
    payload: bytes


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A child that cannot be: answered at once with an encoded `child_failed` event."""

    n: int
    payload: bytes


class NewTimer(msgspec.Struct, frozen=True, gc=False):
    """A timer to start; `due_ms` is unix ms."""

    n: int
    due_ms: int


class WorkflowSettlement(msgspec.Struct, frozen=True, gc=False):
    """What an activation decided, or one chunk of it.

    Attributes:
        chunk: 1, 2, 3 …; all but the last only add.
        last: whether this chunk ends the activation.
        upto: the version up to which the machine has been fed.
        decided: encoded `decided` event; empty when there is nothing to record.
        stopped: timers not needed any more.
        outcome: empty while it goes on; ``released`` gives the activation back undone.
        payload: encoded terminal event.
        due_ms: for ``released``: when to hand it out again; None is at once.
    """

    id: str
    token: str
    upto: int
    chunk: int = 1
    last: bool = True
    decided: bytes = b""
    children: tuple[NewChild, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    timers: tuple[NewTimer, ...] = ()
    stopped: tuple[int, ...] = ()
    outcome: Literal["", "completed", "failed", "released"] = ""
    payload: bytes = b""
    due_ms: int | None = None

    def arguments(self) -> list[Argument]:
        """As the script takes it."""
        flat: list[Argument] = [
            "workflow",
            self.id,
            self.token,
            self.chunk,
            "1" if self.last else "0",
            self.upto,
            self.decided,
            len(self.children),
        ]
        for child in self.children:
            flat += [child.n, child.type, child.target, child.queue, child.definition]
            flat.append(child.payload)
        flat.append(len(self.refusals))
        for refusal in self.refusals:
            flat += [refusal.n, refusal.payload]
        flat.append(len(self.timers))
        for timer in self.timers:
            flat += [timer.n, timer.due_ms]
        flat += [len(self.stopped), *self.stopped]
        flat += [self.outcome, self.payload, "" if self.due_ms is None else self.due_ms]
        return flat


Settlement = TaskSettlement | WorkflowSettlement


class Step(msgspec.Struct, frozen=True, gc=False):
    """The answer of one call.

    Attributes:
        now_ms: the server's time, unix ms.
        verdicts: one per settlement, in order.
        claims: work handed out.
    """

    now_ms: int
    verdicts: tuple[Verdict, ...]
    claims: tuple[Claim, ...]


class WorkerSeat:
    """One incarnation of a worker in one partition.

    Args:
        worker: the incarnation, never used before.
        lease_ms: how long without a renewal until what it holds goes to others.
    """

    def __init__(
        self, connection: Connection, keys: PartitionKeys, worker: str, *, lease_ms: int
    ) -> None:
        self.worker, self.lease_ms = worker, lease_ms
        self._connection, self._keys = connection, keys
        self._seq = 0

    async def register(self, about: bytes) -> None:
        """Begin, with a full lease. `about` is shown to operators."""
        await self._connection.call(
            _REGISTER,
            [self._keys.due, self._keys.workers, self._keys.held(self.worker)],
            [self._connection.now(), self.worker, self.lease_ms, about],
        )

    async def renew(self) -> None:
        """Show that the worker lives.

        Raises:
            WorkerLost: the lease had run out and its work was taken back.
        """
        lease_ends_ms = await self._connection.call(
            _RENEW,
            [self._keys.due, self._keys.held(self.worker)],
            [self._connection.now(), self.worker, self.lease_ms],
        )
        self._judge_renewal(lease_ends_ms)

    def renew_from_thread(self, caller: ThreadCaller) -> None:
        """Show that the worker lives, from another thread than the event loop's.

        Raises:
            WorkerLost: the lease had run out and its work was taken back.
            BackendUnavailable: no answer; try again before the lease ends.
        """
        lease_ends_ms = caller.call(
            _RENEW,
            [self._keys.due, self._keys.held(self.worker)],
            [self._connection.now(), self.worker, self.lease_ms],
        )
        self._judge_renewal(lease_ends_ms)

    def _judge_renewal(self, lease_ends_ms: int) -> None:
        if not lease_ends_ms:
            raise WorkerLost(self.worker)

    async def step(
        self, queues: Sequence[str], room: int, settlements: Sequence[Settlement]
    ) -> Step:
        """Settle, then claim up to `room` pieces of work from `queues`, the first ones first.

        Raises:
            WorkerLost: the lease has run out; nothing was settled or claimed.
        """
        self._seq += 1
        token = f"{self.worker}.{self._seq}"
        declared: list[str] = []
        arguments: list[Argument] = [
            self._connection.now(),
            self.worker,
            self._seq,
            room,
            len(queues),
            *queues,
            len(settlements),
        ]
        for settlement in settlements:
            keys = self._keys
            declared += [
                keys.events(settlement.id),
                keys.control(settlement.id),
                keys.projection(settlement.id),
            ]
            arguments += settlement.arguments()
        answer = await self._connection.call(
            _STEP, [self._keys.due, self._keys.held(self.worker), *declared], arguments
        )
        if answer[0] != b"OK":
            raise WorkerLost(self.worker)
        _, now_ms, verdicts, items = answer
        return Step(
            now_ms,
            tuple(verdict.decode() for verdict in verdicts),
            tuple(
                codec.task_claim(item, token)
                if item[0] == b"task"
                else codec.workflow_claim(item, token)
                for item in items
            ),
        )

    async def wait_for_work(
        self, reader: BlockingReader, queues: Sequence[str], timeout_s: float
    ) -> bool:
        """Wait until a bell of one of `queues` rings; False when `timeout_s` passed."""
        bells = [self._keys.queue_bell(queue) for queue in queues]
        return await reader.pop(bells, timeout_s) is not None

    async def leave(self) -> bool:
        """Sign off; False when it still holds work, which comes back as its lease ends."""
        answer = await self._connection.call(
            _LEAVE,
            [
                self._keys.due,
                self._keys.workers,
                self._keys.held(self.worker),
                self._keys.timekeeper,
            ],
            [self.worker],
        )
        return bool(answer == b"LEFT")
