"""What workers do: register, claim ready work, settle it, renew their lease, leave.

A worker's token is ``<incarnation>.<seq>``, one seq a call. The server keeps the last one, so a
call that is repeated because its answer was lost gets the same claims again, and a settlement that
is repeated finds what it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

import msgspec

from streams import codec
from streams.codec import DamagedClaim, TaskClaim, WorkflowClaim
from streams.connection import BlockingReader, Connection, DirectCaller
from streams.errors import WorkerLost
from streams.keys import PartitionKeys
from streams.scripts import Argument, ScriptCall, load
from streams.sealing import Change

_REGISTER = load("register_worker")
_RENEW = load("renew_lease")
_LEAVE = load("leave_worker")
_REPORT = load("report_attempt")
_STEP = load("step")
_HAND_OVER = load("hand_over")

HANDED_OVER_AT_ONCE = 64
"""Activations that one call leaves to others: each costs about four commands."""

UNITS = 256
"""The most commands that one chunk of a decision may carry: no script does more at once."""

CARRIED_BYTES = 1_048_576
"""Signals that one chunk of a restart carries along: no more once they have so many bytes."""

NO_LIMITS: Final[Mapping[str, str]] = MappingProxyType({})

Claim = TaskClaim | WorkflowClaim | DamagedClaim
_ENDS: Final = frozenset({"completed", "failed", "cancelled"})

Verdict = Literal["OK", "DONE", "MORE", "STALE", "DAMAGED"]
"""What became of a settlement: done now, done by an earlier call, to be settled again until all is
done (of a restart), not this worker's any more, or impossible since its records are damaged."""


class TaskSettlement(msgspec.Struct, frozen=True, gc=False):
    """How an attempt ended.

    Attributes:
        outcome: ``completed``, ``failed`` and ``cancelled`` end the task; ``attempt_failed`` runs
            it again at `due_ms`, unless it is to be cancelled; ``released`` gives it back unrun,
            its attempt number kept; ``unknown`` is
            released because this worker has no such task.
        payload: encoded event of that outcome.
        error: of what failed: the name by which it is found, in one line; empty for none.
        due_ms: unix ms; None is at once, at the head of its queue.
        worker: of an unknown task, who is to get it, while they live and have room; empty for none.
        trouble: of what is released: why it cannot be run, for people; empty if it could be.
    """

    id: str
    token: str
    outcome: Literal["completed", "failed", "cancelled", "attempt_failed", "released", "unknown"]
    payload: bytes
    due_ms: int | None = None
    worker: str = ""
    trouble: str = ""
    error: str = ""

    def arguments(self, sealed: Change) -> list[Argument]:
        """As the script takes it, but for its id."""
        common: list[Argument] = ["task", self.token, self.outcome, sealed(self.payload)]
        if self.outcome == "failed":
            return [*common, self.error]
        if self.outcome in _ENDS:
            return common
        due = "" if self.due_ms is None else self.due_ms
        return [*common, due, self.worker, self.trouble]


USUAL_PRIORITY: Final = 5
"""Of what has none of its own: some comes before, some behind."""


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """How long an execution may take, and in whose turn it comes; durations in ms, 0 for no bound.

    Attributes:
        deadline_ms: from its creation, or from when it was to start, to its end.
        queue_ms: of a task, from then to its first attempt.
        heartbeat_ms: of a task, the longest silence of an attempt.
        attempts: how many there may be, for a task that fell silent.
        interval_ms: from a silent attempt to the next.
        priority: 0 to 9, which comes first.
        key: whose it is: the keys of a queue take turns; empty for nobody's.
    """

    deadline_ms: int = 0
    queue_ms: int = 0
    heartbeat_ms: int = 0
    attempts: int = 1
    interval_ms: int = 0
    priority: int = USUAL_PRIORITY
    key: str = ""

    @classmethod
    def parse(cls, argument: str) -> Bounds:
        """What `argument` gave."""
        if not argument:
            return UNBOUNDED
        deadline, queue, heartbeat, attempts, interval, *lanes = argument.split(" ")
        priority, key, _ = (lanes[0] if lanes else f"{USUAL_PRIORITY}||").split("|")
        times = int(deadline), int(queue), int(heartbeat)
        return cls(*times, int(attempts), int(interval), int(priority), unquote(key))

    def argument(self) -> str:
        """As the scripts take it."""
        lane = lane_of(self.priority, self.key)
        if not (self.deadline_ms or self.queue_ms or self.heartbeat_ms or lane):
            return ""
        numbers = (
            f"{self.deadline_ms} {self.queue_ms} {self.heartbeat_ms} "
            f"{self.attempts} {self.interval_ms}"
        )
        return f"{numbers} {lane}" if lane else numbers


UNBOUNDED: Final = Bounds()


def lane_of(priority: int, key: str) -> str:
    """The lane of a queue in which work of that priority and key waits, as the scripts name it;
    empty for the usual one."""
    if priority == USUAL_PRIORITY and not key:
        return ""
    return f"{priority}|{quote(key, safe=_LEFT_AS_IT_IS)}|"


# Neither what separates words in a record, nor the bar between the parts of a lane.
_LEFT_AS_IT_IS: Final = "!#$&'()*+,/:;=?@[]"


class NewChild(msgspec.Struct, frozen=True, gc=False):
    """A child to create: its id is the parent's, a slash, and `n`.

    Attributes:
        policy: ``c`` is cancelled when its parent ends, ``a`` goes on and is not cancelled with it
            either, ``t`` goes on but is cancelled with it.
        attributes: by which it is found, a line each: ``name=JSON``.
    """

    n: int
    type: Literal["workflow", "task"]
    target: str
    queue: str
    definition: str
    payload: bytes
    policy: Literal["a", "c", "t"] = "t"
    bounds: Bounds = UNBOUNDED
    attributes: str = ""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A child that cannot be: answered at once with an encoded `child_failed` event."""

    n: int
    payload: bytes


class NewTimer(msgspec.Struct, frozen=True, gc=False):
    """A timer to start; `due_ms` is unix ms."""

    n: int
    due_ms: int


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message to another tree.

    Attributes:
        kind: a ``signal`` to the execution `to`, or the ``start`` of one of that id.
        n: the command that asked for it.
        policy: of what is started: as of a child; empty when the starter is not told of its end.
        target, queue, definition, content, bounds, attributes: of what is started, as for a start
            by a client.
        payload: encoded `signal_received` or `created` event.
    """

    kind: Literal["signal", "start"]
    n: int
    to: str
    payload: bytes
    policy: Literal["", "a", "c"] = ""
    target: str = ""
    queue: str = ""
    definition: str = ""
    content: str = ""
    bounds: Bounds = UNBOUNDED
    attributes: str = ""


class Successor(msgspec.Struct, frozen=True, gc=False):
    """What begins where a workflow restarts.

    Attributes:
        payload: encoded `created` event.
        signals: encoded signals that came and that nobody took, the oldest first, at most `UNITS`.
        before: how many of them earlier chunks have carried along.
    """

    target: str
    definition: str
    bounds: Bounds
    payload: bytes
    signals: tuple[bytes, ...] = ()
    before: int = 0


class WorkflowSettlement(msgspec.Struct, frozen=True, gc=False):
    """What an activation decided, or one chunk of it.

    Attributes:
        chunk: 1, 2, 3 …; all but the last only add.
        last: whether this chunk ends the activation.
        upto: the version up to which the machine has been fed.
        decided: encoded `decided` event; empty when there is nothing to record.
        state: encoded state for outsiders; empty when it did not change.
        attributes: those that changed, a line each: ``name=JSON``, or ``name=`` to take it away.
        stopped: timers not needed any more.
        ended: children not needed any more; `reason` is the encoded request to cancel them.
        outbox: what goes to other trees.
        snapshot: encoded machine as it stands at `upto`, whose event has `identity`; empty for
            none.
        outcome: empty while it goes on; ``released`` gives the activation back undone.
        payload: encoded terminal event.
        error: for ``failed``: as of a task.
        due_ms: for ``released``: when to hand it out again; None is at once.
        trouble: for ``released``: why nobody can go on with it, for people; empty if all is well.
        successor: of a restart; earlier chunks may carry signals along, and nothing else.
        held: whether the worker keeps the machine, and is to have it when there is news.
    """

    id: str
    token: str
    upto: int
    chunk: int = 1
    last: bool = True
    decided: bytes = b""
    state: bytes = b""
    attributes: str = ""
    children: tuple[NewChild, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    timers: tuple[NewTimer, ...] = ()
    stopped: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    reason: bytes = b""
    outbox: tuple[Outgoing, ...] = ()
    identity: str = ""
    snapshot: bytes = b""
    outcome: Literal["", "long", "completed", "failed", "cancelled", "restarted", "released"] = ""
    payload: bytes = b""
    due_ms: int | None = None
    trouble: str = ""
    successor: Successor | None = None
    held: bool = True
    error: str = ""

    def arguments(self, sealed: Change) -> list[Argument]:
        """As the script takes it, but for its id."""
        parts: list[tuple[str, Argument]] = []
        if self.state:
            parts.append(("s", sealed(self.state)))
        if self.attributes:
            parts.append(("b", self.attributes))
        found_by = "\n".join(
            f"{one.n}\n{one.attributes}" for one in self.children if one.attributes
        )
        if found_by:
            parts.append(("c", found_by))
        if self.reason:
            parts.append(("r", sealed(self.reason)))
        if self.snapshot:
            parts += [("n", self.identity), ("", sealed(self.snapshot))]
        if self.payload:
            parts.append(("p", sealed(self.payload)))
        if self.trouble:
            parts.append(("t", self.trouble))
        if self.error:
            parts.append(("e", self.error))
        letters = "".join(letter for letter, _ in parts)
        outline = (
            f"{self.chunk}\0{self.last:d}\0{self.upto}\0{len(self.children)}\0{len(self.refusals)}\0"
            f"{len(self.timers)}\0{len(self.stopped)}\0{len(self.ended)}\0{len(self.outbox)}\0"
            f"{self.outcome}\0{'' if self.due_ms is None else self.due_ms}\0"
            f"{self.held:d}\0{letters}\0"
        )
        flat: list[Argument] = ["workflow", self.token, outline, sealed(self.decided)]
        for child in self.children:
            about = (
                f"{child.n}\0{child.type}\0{child.policy}\0{child.target}\0{child.queue}\0"
                f"{child.definition}\0{child.bounds.argument()}\0"
            )
            flat += [about, sealed(child.payload)]
        for refusal in self.refusals:
            flat += [refusal.n, sealed(refusal.payload)]
        for timer in self.timers:
            flat += [timer.n, timer.due_ms]
        flat += self.stopped
        flat += self.ended
        for sent in self.outbox:
            flat += [sent.kind, sent.n, sent.to, sent.policy, sent.target, sent.queue]
            flat += [sent.definition, sent.content, sent.bounds.argument(), sent.attributes]
            flat.append(sealed(sent.payload))
        flat += [part for _, part in parts]
        if (then := self.successor) is not None:
            flat += [then.target, then.definition, then.bounds.argument(), sealed(then.payload)]
            flat += [then.before, len(then.signals), *map(sealed, then.signals)]
        return flat


Settlement = TaskSettlement | WorkflowSettlement


class Told(msgspec.Struct, frozen=True, gc=False):
    """A claim that its worker is not to go on with: it is to be cancelled, or is another's now."""

    id: str
    token: str


class Step(msgspec.Struct, frozen=True, gc=False):
    """The answer of one call.

    Attributes:
        now_ms: the server's time, unix ms.
        verdicts: one per settlement, in order.
        claims: work handed out.
        told: claims that the worker is not to go on with.
        damaged: executions whose records are damaged, and what is wrong, in words; they are parked.
        has_shares_to_tell: whether something is to be said to homes of limits: see permits.py.
    """

    now_ms: int
    verdicts: tuple[Verdict, ...]
    claims: tuple[Claim, ...]
    told: tuple[Told, ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()
    has_shares_to_tell: bool = False


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
        self._answered = 0

    async def register(self, about: bytes, limits: Mapping[str, str] = NO_LIMITS) -> None:
        """Begin, with a full lease.

        Args:
            about: shown to operators.
            limits: of the tasks that it knows, what their declarations say, as the scripts take it.
        """
        await self._connection.call(
            _REGISTER,
            [self._keys.due, self._keys.workers, self._keys.held(self.worker)],
            [
                self._connection.now(),
                self.worker,
                self.lease_ms,
                about,
                *(word for pair in limits.items() for word in pair),
            ],
        )

    async def renew(self, connection: Connection | None = None) -> tuple[Told, ...]:
        """Show that the worker lives; what it is not to go on with.

        Args:
            connection: to be used instead of the seat's own, in another event loop.

        Raises:
            WorkerLost: the lease had run out and its work was taken back, or a failover lost it.
        """
        connection = connection or self._connection
        answer = await connection.call(
            _RENEW,
            [self._keys.due, self._keys.held(self.worker)],
            [connection.now(), self.worker, self.lease_ms, self._answered],
        )
        lease_ends_ms, *told = answer
        if not lease_ends_ms:
            raise WorkerLost(self.worker)
        return _told(told)

    async def hand_over(self, connection: Connection) -> int:
        """Leave what waits for this worker, since it holds the machines, to others; how much.

        Args:
            connection: to be used instead of the seat's own, in another event loop.
        """
        moved: int = await connection.call(
            _HAND_OVER,
            [self._keys.due, self._keys.door(self.worker)],
            [self.worker, HANDED_OVER_AT_ONCE],
        )
        return moved

    @property
    def own_bell(self) -> str:
        """The bell that rings when a step has something to tell this worker."""
        return self._keys.mailbox_bell(self.worker)

    async def step(
        self,
        queues: Sequence[str],
        room: int,
        settlements: Sequence[Settlement],
        *,
        rings: bool = False,
    ) -> Step:
        """Settle, then claim up to `room` pieces of work from `queues`, the first ones first.

        Args:
            rings: the worker's own bell, so that whoever waits for it begins anew.

        Raises:
            WorkerLost: the lease has run out, or a failover lost what this worker was answered;
                nothing was settled or claimed.
        """
        call = self._call(queues, room, settlements, rings)
        return self._heard(await self._connection.call(*call))

    async def step_when_rung(
        self, reader: BlockingReader, queues: Sequence[str], room: int, timeout_s: float
    ) -> Step:
        """Wait as `wait`, then claim as `step`, in one round trip where that can be.

        Broken off, it may have claimed: then the next `step`, which has its number, tells.

        Raises:
            WorkerLost: as `step`.
            BackendUnavailable, BackendFull: the connection failed, or there is no memory for more.
        """
        bells = self._bells(queues)
        _, answer = await reader.pop_then(bells, timeout_s, lambda: self._call(queues, room))
        return self._heard(answer)

    async def wait(
        self, reader: BlockingReader, queues: Sequence[str], timeout_s: float
    ) -> str | None:
        """Wait until the next `step` has something to tell, or a bell of one of `queues` rings;
        which it is, or None when `timeout_s` passed."""
        found = await reader.pop(self._bells(queues), timeout_s)
        return None if found is None else found[0]

    def _bells(self, queues: Sequence[str]) -> list[str]:
        return [self.own_bell, *map(self._keys.queue_bell, queues)]

    def _call(
        self,
        queues: Sequence[str],
        room: int,
        settlements: Sequence[Settlement] = (),
        rings: bool = False,
    ) -> ScriptCall:
        """The next call. One that got no answer is made again, perhaps in other words: the store
        gives again what it gave."""
        keys, sealing = self._keys, self._connection.sealing
        declared: list[str] = []
        arguments: list[Argument] = [
            self._connection.now(),
            self.worker,
            self._answered + 1,
            self._answered,
            room,
            int(rings),
            len(queues),
            *queues,
            len(settlements),
            *[settlement.id for settlement in settlements],
        ]
        for settlement in settlements:
            arguments += settlement.arguments(sealing.seal)
            if self._connection.declares_keys:
                id_ = settlement.id
                declared += [keys.events(id_), keys.control(id_), keys.projection(id_)]
        return ScriptCall(_STEP, [keys.due, keys.held(self.worker), *declared], arguments)

    def _heard(self, answer: Sequence[Any]) -> Step:
        if answer[0] != b"OK":
            raise WorkerLost(self.worker)
        _, now_ms, verdicts, items, told, damaged, to_tell = answer
        self._answered += 1
        token, unsealed = f"{self.worker}.{self._answered}", self._connection.sealing.open
        return Step(
            now_ms,
            tuple(verdict.decode() for verdict in verdicts),
            tuple(codec.claim(item, token, unsealed) for item in items),
            _told(told),
            tuple((id_.decode(), reason.decode()) for id_, reason in codec.pairs(damaged)),
            bool(to_tell),
        )

    async def report(
        self, execution_id: str, token: str, details: bytes = b"", progress: bytes = b""
    ) -> Literal["OK", "CANCEL", "STALE"]:
        """Say that an attempt lives, and how far it is.

        Args:
            details: encoded, for the next attempt; empty leaves what was said before.
            progress: encoded, for people; empty leaves what was said before.

        Returns:
            Whether it may go on, is to end, or is not this worker's any more.
        """
        answer = await self._connection.call(
            _REPORT,
            [self._keys.due, self._keys.control(execution_id)],
            [
                self._connection.now(),
                execution_id,
                token,
                self._connection.sealing.seal(details),
                self._connection.sealing.seal(progress),
            ],
        )
        verdict: Literal["OK", "CANCEL", "STALE"] = answer.decode()
        return verdict

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


def queues_used(caller: DirectCaller, keys: PartitionKeys) -> frozenset[str]:
    """The queues that ever got work, but for ``default``, which always exists."""
    return frozenset(name.decode() for name in caller.command("SMEMBERS", keys.queues))


def _told(items: Sequence[bytes]) -> tuple[Told, ...]:
    words = (item.decode().partition(" ") for item in items)
    return tuple(Told(id_, token) for token, _, id_ in words)
