"""The store under random histories, on both servers: its invariants hold after every step.

Workers claim, settle, lose answers and their leases, come late; clients start and signal, and
repeat themselves; time passes. After every step each execution is checked: its events are numbered
without a gap and end once (2, 3), its projection and indexes are what the events fold to (4), and
it is where somebody finds it: in its queue once, in one worker's hands, or due (8). What a worker
settles after it lost its claim is refused (6), and what was acknowledged is recorded once (1).
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import rhythm.events as vocabulary
from flowlang.protocol import ErrorInfo
from rhythm.engine.fold import fold
from rhythm.events import TERMINAL
from streams import events, projections
from streams.codec import TaskClaim, WorkflowClaim
from streams.due import Endings
from streams.errors import ExecutionAlreadyOver, UnknownExecution, WorkerLost
from streams.projections import Filters
from streams.work import (
    Claim,
    NewChild,
    NewTimer,
    Refusal,
    Settlement,
    Step,
    TaskSettlement,
    WorkerSeat,
    WorkflowSettlement,
)
from tests.conftest import RedisServer
from tests.streams.house import House

LEASE_MS = 1_000
QUEUES = ("left", "right")
OUTPUT = vocabulary.encode(vocabulary.Completed(vocabulary.raw(1)))
FAILED = vocabulary.encode(vocabulary.Failed(ErrorInfo("Error", "no", "task_failed")))
AGAIN = vocabulary.encode(vocabulary.AttemptFailed(ErrorInfo("Error", "no", "task_failed")))
RELEASED = vocabulary.encode(vocabulary.Released("stopped"))
REASON = vocabulary.encode(vocabulary.CancelRequested("over"))
ENDINGS = Endings(FAILED, FAILED, FAILED, FAILED, REASON)
DECIDED = vocabulary.encode(vocabulary.Decided(()))

_numbers = itertools.count()


def created(type_: Any, target: str, queue: str, parent: str | None, n: int | None) -> bytes:
    return vocabulary.encode(
        vocabulary.Created(
            type_,
            target,
            queue,
            vocabulary.raw({}),
            parent,
            n,
            "d1" if type_ == "workflow" else None,
        )
    )


class Hand(msgspec.Struct):
    """A worker of the story: what it believes to hold, and its last call."""

    seat: WorkerSeat
    holds: dict[str, Claim] = {}
    last: tuple[tuple[str, ...], int, list[Settlement]] | None = None
    chunks: dict[str, int] = {}


class Store(RuleBasedStateMachine):
    """Moves and checks. Subclasses say which server."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.house = House(self.url, f"machine{next(_numbers)}")
        self.hands: dict[str, Hand] = {}
        self.names = itertools.count(1)
        self.counters: Counter[str] = Counter()
        self.signals: dict[str, set[str]] = {}
        self.dead_tokens: dict[str, set[str]] = {}
        self.ended: dict[str, str] = {}
        self.arrive()
        self.create(1, "workflow", "left", None)
        self.create(1, "task", "right", None)

    def teardown(self) -> None:
        self.do(self.house.connection.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def do(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    # Clients

    @rule(
        number=st.integers(1, 4),
        type_=st.sampled_from(["workflow", "workflow", "task"]),
        queue=st.sampled_from(QUEUES),
        delay_ms=st.sampled_from([None, None, -5, 700]),
    )
    def create(self, number: int, type_: Any, queue: str, delay_ms: int | None) -> None:
        id_ = f"{type_[0]}{number}"
        due_ms = None if delay_ms is None else self.house.clock.now_ms + delay_ms
        for _ in range(2):  # The second time as if the first answer had been lost.
            self.do(
                self.house.start(
                    id_,
                    type_,
                    queue=queue,
                    due_ms=due_ms,
                    payload=created(type_, "greet", queue, None, None),
                )
            )

    @rule(number=st.integers(1, 4), request=st.integers(1, 3))
    def signal(self, number: int, request: int) -> None:
        id_, name = f"w{number}", f"r{request}"
        payload = vocabulary.encode(vocabulary.SignalReceived("go", vocabulary.raw(request)))
        try:
            self.do(self.house.signal(id_, name, payload))
        except ExecutionAlreadyOver:
            assert id_ in self.ended and name not in self.signals.get(id_, ())
        except UnknownExecution:
            pass
        else:
            self.signals.setdefault(id_, set()).add(name)

    # Workers

    @precondition(lambda self: len(self.hands) < 3)
    @rule()
    def another_arrives(self) -> None:
        self.arrive()

    def arrive(self) -> None:
        name = f"worker{next(self.names)}"
        self.hands[name] = Hand(self.do(self.house.seat(name, LEASE_MS)))

    @rule(data=st.data(), room=st.integers(1, 3))
    def claim(self, data: st.DataObject, room: int) -> None:
        hand = self.hands[data.draw(st.sampled_from(sorted(self.hands)))]
        self.step(hand, QUEUES, room, [])

    @precondition(lambda self: any(hand.holds for hand in self.hands.values()))
    @rule(data=st.data(), room=st.integers(0, 3))
    def settle_all(self, data: st.DataObject, room: int) -> None:
        hand = self.busy(data)
        self.step(
            hand,
            QUEUES,
            room,
            [self.settlement(data, hand, hand.holds[id_]) for id_ in sorted(hand.holds)],
        )

    @precondition(lambda self: any(hand.holds for hand in self.hands.values()))
    @rule(data=st.data(), room=st.integers(0, 3))
    def settle_one(self, data: st.DataObject, room: int) -> None:
        hand = self.busy(data)
        claim = hand.holds[data.draw(st.sampled_from(sorted(hand.holds)))]
        self.step(hand, QUEUES, room, [self.settlement(data, hand, claim)])

    def busy(self, data: st.DataObject) -> Hand:
        busy = sorted(name for name, hand in self.hands.items() if hand.holds)
        return self.hands[data.draw(st.sampled_from(busy))]

    def settlement(self, data: st.DataObject, hand: Hand, claim: Claim) -> Settlement:
        due_ms = data.draw(st.sampled_from([None, self.house.clock.now_ms + 300]))
        if isinstance(claim, TaskClaim):
            ended: Any
            ended, payload = data.draw(
                st.sampled_from(
                    [
                        ("completed", OUTPUT),
                        ("failed", FAILED),
                        ("attempt_failed", AGAIN),
                        ("released", RELEASED),
                        ("unknown", RELEASED),
                    ]
                )
            )
            return TaskSettlement(claim.id, claim.token, ended, payload, due_ms)
        chunk = hand.chunks.get(claim.id, 0) + 1
        if chunk == 1 and data.draw(st.integers(0, 4)) == 0:
            return WorkflowSettlement(
                claim.id, claim.token, claim.upto, outcome="released", due_ms=due_ms
            )
        last = chunk == 3 or data.draw(st.booleans())
        outcome: Any = data.draw(st.sampled_from(["", "", "completed", "failed"])) if last else ""
        commands = data.draw(st.booleans())
        children: list[NewChild] = []
        timers: list[NewTimer] = []
        refusals: list[Refusal] = []
        stopped: list[int] = []
        if commands:
            for kind in data.draw(st.lists(st.sampled_from("ctwrs"), max_size=3)):
                self.counters[claim.id] += 1
                n = self.counters[claim.id]
                if kind in "cw":
                    type_: Any = "task" if kind == "c" else "workflow"
                    definition = "" if kind == "c" else "d1"
                    payload = created(type_, "child", "left", claim.id, n)
                    children.append(NewChild(n, type_, "child", "left", definition, payload))
                elif kind == "t":
                    timers.append(NewTimer(n, self.house.clock.now_ms + 100 * n))
                elif kind == "r":
                    refusals.append(Refusal(n, FAILED))
                else:
                    stopped.append(n - 1)
        return WorkflowSettlement(
            claim.id,
            claim.token,
            claim.version if isinstance(claim, WorkflowClaim) else 0,
            chunk=chunk,
            last=last,
            decided=DECIDED if commands else b"",
            children=tuple(children),
            timers=tuple(timers),
            refusals=tuple(refusals),
            stopped=tuple(stopped),
            outcome=outcome,
            payload={"completed": OUTPUT, "failed": FAILED}.get(outcome, b""),
        )

    def step(
        self, hand: Hand, queues: tuple[str, ...], room: int, settlements: list[Settlement]
    ) -> None:
        hand.last = (queues, room, settlements)
        try:
            step: Step = self.do(hand.seat.step(queues, room, settlements))
        except WorkerLost:
            self.forget(hand)
            return
        for settlement, verdict in zip(settlements, step.verdicts, strict=True):
            # Its lease is alive, so nobody else can have had what it held.
            assert verdict == "OK", (settlement, verdict)
            if isinstance(settlement, WorkflowSettlement) and not settlement.last:
                hand.chunks[settlement.id] = settlement.chunk
                continue
            self.dead_tokens.setdefault(settlement.id, set()).add(settlement.token)
            hand.holds.pop(settlement.id)
            hand.chunks.pop(settlement.id, None)
        for claim in step.claims:
            assert claim.id not in hand.holds
            hand.holds[claim.id] = claim
        assert len(step.claims) <= room

    def forget(self, hand: Hand) -> None:
        for claim in hand.holds.values():
            self.dead_tokens.setdefault(claim.id, set()).add(claim.token)
        del self.hands[hand.seat.worker]
        if not self.hands:
            self.arrive()

    @precondition(lambda self: any(hand.last for hand in self.hands.values()))
    @rule(data=st.data())
    def repeat_the_last_call(self, data: st.DataObject) -> None:
        """As if its answer had been lost: nothing happens again, the same work is handed out."""
        called = sorted(name for name, hand in self.hands.items() if hand.last)
        hand = self.hands[data.draw(st.sampled_from(called))]
        assert hand.last is not None
        queues, room, settlements = hand.last
        before = self.do(self.everything())
        hand.seat._seq -= 1
        try:
            step: Step = self.do(hand.seat.step(queues, room, settlements))
        except WorkerLost:
            self.forget(hand)
            return
        assert "OK" not in step.verdicts
        token = f"{hand.seat.worker}.{hand.seat._seq}"
        expected = {id_ for id_, claim in hand.holds.items() if claim.token == token}
        assert {claim.id for claim in step.claims} == expected
        for claim in step.claims:
            hand.holds[claim.id] = claim
        assert self.do(self.everything()) == before

    @precondition(lambda self: self.dead_tokens)
    @rule(data=st.data())
    def settle_too_late(self, data: st.DataObject) -> None:
        """A settlement with a token that is spent or belongs to a lost claim changes nothing."""
        hand = self.hands[data.draw(st.sampled_from(sorted(self.hands)))]
        id_ = data.draw(st.sampled_from(sorted(self.dead_tokens)))
        token = data.draw(st.sampled_from(sorted(self.dead_tokens[id_])))
        owner = token.rpartition(".")[0]
        if owner not in self.hands and self.do(self.lease_of(owner)) is not None:
            return  # What it held is only being taken back; and its own calls are refused.
        is_task = id_.startswith("t") or self.do(self.type_of(id_)) == "task"
        late: Settlement = (
            TaskSettlement(id_, token, "completed", OUTPUT)
            if is_task
            else WorkflowSettlement(id_, token, 1, outcome="completed", payload=OUTPUT)
        )
        before = self.do(self.everything())
        hand.last = ((), 0, [late])
        try:
            step = self.do(hand.seat.step((), 0, [late]))
        except WorkerLost:
            self.forget(hand)
            return
        assert step.verdicts[0] in ("DONE", "STALE")
        assert self.do(self.everything()) == before

    @precondition(lambda self: len(self.hands) > 1)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        hand = self.hands[data.draw(st.sampled_from(sorted(self.hands)))]
        if self.do(hand.seat.leave()):
            # What it thought to hold was taken back before: the checks see that it is not lost.
            self.forget(hand)

    # Time

    @rule(ms=st.sampled_from([1, 100, 400, LEASE_MS + 1, -200]))
    def time_passes(self, ms: int) -> None:
        self.house.clock.now_ms += ms

    @rule(units=st.sampled_from([1, 2, 256]), data=st.data())
    def tend(self, units: int, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.hands)))
        keeper = self.house.timekeeper(worker, max_lost=3, endings=ENDINGS)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("streams.due.UNITS", units)
            tended = self.do(keeper.tend())
        for lost in tended.lost_workers:
            if lost in self.hands:
                self.forget(self.hands[lost])

    # Checks

    async def everything(self) -> list[tuple[str, list[Any], Any]]:
        """All executions: their histories and what readers are told."""
        ids = await projections.query_executions(self.house.connection, Filters(), limit=10_000)
        stored = await projections.get_executions(self.house.connection, ids)
        return [
            (id_, [event async for event in events.read(self.house.connection, id_)], found)
            for id_, found in zip(ids, stored, strict=True)
        ]

    async def lease_of(self, worker: str) -> Any:
        due = self.house.keys.due
        return await self.house.connection.command("ZSCORE", due, f"lease|{worker}|0|0")

    async def has_lease(self, worker: str) -> bool:
        member = f"lease|{worker}|0|0"
        found = await self.house.connection.command("ZSCORE", self.house.keys.due, member)
        return found is not None

    async def type_of(self, id_: str) -> str:
        (found,) = await projections.get_executions(self.house.connection, [id_])
        assert found is not None
        return found.facts["ty"]

    @invariant()
    def every_execution_is_as_it_should_be(self) -> None:
        self.do(self.check())

    async def check(self) -> None:
        connection, keys = self.house.connection, self.house.keys
        queued: Counter[str] = Counter()
        for queue in QUEUES:
            for message in await connection.command("LRANGE", keys.ready(queue), 0, -1):
                queued[message.decode().partition(" ")[2]] += 1
        holders: Counter[str] = Counter()
        members = await connection.command("ZRANGE", keys.due, 0, -1)
        due = {member.decode().split("|")[1] for member in members if member.startswith(b"ready|")}
        leased = {m.decode().split("|")[1] for m in members if m.startswith(b"lease|")}
        for worker in leased:
            for message in await connection.command("LRANGE", keys.door(worker), 0, -1):
                queued[message.decode().partition(" ")[2]] += 1
            for id_ in await connection.command("HKEYS", keys.held(worker)):
                holders[id_.decode()] += 1
        indexed = {
            status: {
                id_.decode()
                for id_ in await connection.command("ZRANGE", keys.index("s", status), 0, -1)
            }
            for status in ("pending", "running", "suspended", "completed", "failed")
        }
        for id_, history, found in await self.everything():
            assert [event.version for event in history] == list(range(1, len(history) + 1))
            assert all(a.at_ms <= b.at_ms for a, b in itertools.pairwise(history))
            assert all(event.type not in TERMINAL for event in history[:-1])
            if history[-1].type in TERMINAL:
                assert self.ended.setdefault(id_, history[-1].cause) == history[-1].cause
            requests = Counter(e.cause for e in history if e.type == "signal_received")
            assert requests == Counter(self.signals.get(id_, ()))

            facts = fold(id_, history)
            assert found is not None
            assert {
                "ty": facts.type.value,
                "tg": facts.target,
                "q": facts.queue,
                "st": facts.status.value,
                "cr": str(facts.created_ms),
                **({"sa": str(facts.started_ms)} if facts.started_ms is not None else {}),
                **({"co": str(facts.ended_ms)} if facts.ended_ms is not None else {}),
                **({"at": str(facts.attempt)} if facts.attempt else {}),
                **({"p": facts.parent} if facts.parent else {}),
                **({"df": facts.definition} if facts.definition else {}),
            } == found.facts, (history, found.facts)
            assert [status for status, ids in indexed.items() if id_ in ids] == [facts.status]

            where = (queued[id_], holders[id_], int(id_ in due))
            if facts.status.finished:
                assert where == (0, 0, 0)
            elif found.wake == "idle":
                upto = int((await connection.command("HGET", keys.control(id_), "up")) or 0)
                news = [e for e in history if e.version > upto and e.type not in ("decided",)]
                assert where == (0, 0, 0) and not news, (where, news)
            else:
                wakes = {"queued": (1, 0, 0), "claimed": (0, 1, 0), "due": (0, 0, 1)}
                assert where == wakes[found.wake]


def play(url: str, examples: int) -> None:
    machine = type("Machine", (Store,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_invariants_hold_on_the_embedded_server() -> None:
    play("memory://store-machine", 20)


def test_invariants_hold_on_redis(redis_server: RedisServer) -> None:
    play(redis_server.url, 60)
