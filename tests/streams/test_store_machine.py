"""The store under random histories, on both servers: its invariants hold after every step.

Workers claim, settle, report, keep snapshots, lose answers and their leases, come late; clients
start, signal, cancel, terminate, resume and delete, and repeat themselves; schedules start things;
messages go to other trees, some twice; time passes, and limits with it. After every step each
execution is checked: its events are numbered without a gap and end once (2, 3), its projection and
indexes are what the events fold to (4), and it is where somebody finds it: in its queue once, in
one worker's hands, or due (8). What a worker settles after it lost its claim is refused (6), what
was acknowledged is recorded once (1), and what the last claim's worker kept is handed to the next
(5).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import rhythm.events as vocabulary
from flowlang.protocol import ErrorInfo, SetState
from rhythm.builder import Rhythm
from rhythm.engine.fold import fold
from rhythm.engine.schedule import schedule_of
from rhythm.events import TERMINAL
from rhythm.services.firing import Firing
from rhythm.services.staff import WorkerAbout, encode_about
from rhythm.settings import Settings
from rhythm.worker.delivery import deliver_all
from streams import events, outbox, projections, transitions
from streams.codec import StoredEvent, StoredExecution, TaskClaim, WorkflowClaim
from streams.due import Endings, Failure
from streams.errors import (
    ExecutionAlive,
    ExecutionAlreadyOver,
    ExecutionConflict,
    NotParked,
    OtherLives,
    TakesNoSignals,
    UnknownExecution,
    WorkerLost,
)
from streams.projections import Filters
from streams.transitions import Debounce
from streams.work import (
    Bounds,
    Claim,
    NewChild,
    NewTimer,
    Outgoing,
    Refusal,
    Settlement,
    Step,
    TaskSettlement,
    WorkerSeat,
    WorkflowSettlement,
)
from tests.conftest import RedisServer
from tests.streams.house import House
from tests.streams.scheduled import Scheduling

LEASE_MS = 1_000
QUEUES = ("left", "right")
OUTPUT = vocabulary.encode(vocabulary.Completed(vocabulary.raw(1)))
ERROR = "Own Error"
FAILED = vocabulary.encode(vocabulary.Failed(ErrorInfo(ERROR, "no", "task_failed")))
AGAIN = vocabulary.encode(vocabulary.AttemptFailed(ErrorInfo("Error", "no", "task_failed")))
RELEASED = vocabulary.encode(vocabulary.Released("stopped"))
REASON = vocabulary.encode(vocabulary.CancelRequested("over"))
OUTCOMES = {"completed": OUTPUT, "failed": FAILED, "cancelled": REASON}
TIMED_OUT = Failure(ERROR, FAILED)
ENDINGS = Endings(TIMED_OUT, TIMED_OUT, TIMED_OUT, TIMED_OUT, REASON)
BOUNDS = st.builds(
    Bounds,
    deadline_ms=st.sampled_from([0, 0, 800]),
    queue_ms=st.sampled_from([0, 0, 500]),
    heartbeat_ms=st.sampled_from([0, 300]),
    attempts=st.just(2),
    interval_ms=st.just(50),
)
ABOUT = encode_about(WorkerAbout("w", "host", 1, QUEUES, {}, 0))
# Tasks that run are in the index of the pending ones, and workers hold them.
STATUSES = ("pending", "suspended", "completed", "failed", "cancelled")

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


def still_has(claim: Claim, history: list[StoredEvent]) -> bool:
    """Whether nothing in the history took a claim from its worker, whose lease is alive."""
    if isinstance(claim, WorkflowClaim):
        return bool(history) and history[-1].type not in TERMINAL
    begun = [e.version for e in history if e.type == "started" and e.cause == claim.token]
    ends = TERMINAL | {"attempt_failed", "released", "started"}
    return bool(begun) and not any(e.type in ends for e in history[begun[-1] :])


def is_to_end(history: list[StoredEvent]) -> bool:
    return any(event.type == "cancel_requested" for event in history)


def of_type(type_: str, bounds: Bounds) -> Bounds:
    """What of these bounds an execution of this type can have: only tasks send heartbeats, and
    wait for a first attempt."""
    if type_ == "task":
        return bounds
    return msgspec.structs.replace(bounds, heartbeat_ms=0, queue_ms=0)


def root_of(id_: str) -> str:
    return id_.partition("/")[0]


class Waiting(msgspec.Struct):
    """An execution that further starts are merged into until it is due."""

    id: str
    first_ms: int
    due_ms: int


class Hand(msgspec.Struct):
    """A worker of the story: what it believes to hold, and its last call."""

    seat: WorkerSeat
    holds: dict[str, Claim] = {}
    last: tuple[tuple[str, ...], int, list[Settlement]] | None = None
    chunks: dict[str, int] = {}


class Store(Scheduling):
    """Moves and checks. Subclasses say which server."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.house = House(self.url, f"machine{next(_numbers)}")
        app = Rhythm(Settings(), self.house.connection)
        self.firing = Firing(self.house.connection, app.surroundings, app.execution_service)
        self.hands: dict[str, Hand] = {}
        self.names = itertools.count(1)
        self.counters: Counter[str] = Counter()
        self.signals: dict[str, set[str]] = {}
        self.dead_tokens: dict[str, set[str]] = {}
        self.ended: dict[str, str] = {}
        self.wakes: dict[str, str] = {}
        self.lives: Counter[str] = Counter()
        self.left_queued: Counter[str] = Counter()
        self.deadlines: dict[str, int] = {}
        self.terminated: set[str] = set()
        self.waiting: dict[tuple[str, ...], Waiting] = {}
        self.details: dict[str, bytes] = {}
        self.snapshots: dict[str, tuple[int, bytes]] = {}
        self.arrive()
        self.create(1, "workflow", "left", None, Bounds())
        self.create(1, "task", "right", None, Bounds())
        self.every_execution_is_as_it_should_be()

    def teardown(self) -> None:
        self.do(self.house.connection.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def do(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def any_id(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*sorted(self.wakes), "w9"]))

    def history(self, id_: str) -> list[StoredEvent]:
        async def read() -> list[StoredEvent]:
            return [event async for event in events.read(self.house.connection, id_)]

        found: list[StoredEvent] = self.do(read())
        return found

    def request_of_start(self, id_: str) -> str:
        return f"start-{id_}-{self.lives[id_]}"

    def born(self, id_: str, deadline_ms: int, due_ms: int | None = None) -> None:
        if id_ not in self.wakes and deadline_ms:
            now_ms = self.house.clock.now_ms
            self.deadlines[id_] = max(now_ms, due_ms or 0) + deadline_ms

    # Clients

    @rule(
        number=st.integers(1, 4),
        type_=st.sampled_from(["workflow", "workflow", "task"]),
        queue=st.sampled_from(QUEUES),
        delay_ms=st.sampled_from([None, None, -5, 700]),
        bounds=BOUNDS,
    )
    def create(
        self, number: int, type_: Any, queue: str, delay_ms: int | None, bounds: Bounds
    ) -> None:
        id_ = f"{type_[0]}{number}"
        bounds = of_type(type_, bounds)
        due_ms = None if delay_ms is None else self.house.clock.now_ms + delay_ms
        try:
            for _ in range(2):  # The second time as if the first answer had been lost.
                self.do(
                    self.house.start(
                        id_,
                        type_,
                        request=self.request_of_start(id_),
                        queue=queue,
                        due_ms=due_ms,
                        bounds=bounds,
                        payload=created(type_, "greet", queue, None, None),
                    )
                )
        except ExecutionConflict:
            assert self.history(id_)[0].cause.endswith("#start")
        else:
            self.born(id_, bounds.deadline_ms, due_ms)

    @rule(
        key=st.sampled_from(["ada", "bob"]),
        type_=st.sampled_from(["workflow", "task"]),
        queue=st.sampled_from(QUEUES),
        most_ms=st.sampled_from([None, 900]),
        bounds=BOUNDS,
    )
    def create_debounced(
        self, key: str, type_: Any, queue: str, most_ms: int | None, bounds: Bounds
    ) -> None:
        """Starts of a key that come in time are one execution; sent again, they do nothing."""
        id_ = f"{key}!{type_[0]}{next(self.names)}"
        now_ms, bounds = self.house.clock.now_ms, of_type(type_, bounds)

        def start() -> str:
            try:
                is_new = self.do(
                    self.house.start(
                        id_,
                        type_,
                        queue=queue,
                        bounds=bounds,
                        payload=created(type_, "greet", queue, None, None),
                        debounce=Debounce(600, most_ms),
                    )
                )
            except OtherLives as lives:
                return lives.execution_id
            return f"new {id_}" if is_new else id_

        waiting = self.waiting.get((key, type_, queue))
        if waiting and now_ms < waiting.due_ms and not is_to_end(self.history(waiting.id)):
            assert start() == waiting.id
            latest_ms = waiting.first_ms + most_ms if most_ms else now_ms + 600
            waiting.due_ms = max(now_ms, min(now_ms + 600, latest_ms))
            self.deadlines.pop(waiting.id, None)
        else:
            assert start() == f"new {id_}"
            waiting = Waiting(id_, now_ms, now_ms + 600)
            self.waiting[key, type_, queue] = waiting
        if bounds.deadline_ms:
            self.deadlines[waiting.id] = waiting.due_ms + bounds.deadline_ms
        before = self.do(self.everything())
        assert start() == waiting.id
        assert self.do(self.everything()) == before
        assert [found.due_ms for id_, _, found in before if id_ == waiting.id] == [waiting.due_ms]

    @rule(data=st.data(), request=st.integers(1, 3))
    def signal(self, data: st.DataObject, request: int) -> None:
        id_, name = self.any_id(data), f"r{request}"
        payload = vocabulary.encode(vocabulary.SignalReceived("go", vocabulary.raw(request)))
        try:
            self.do(self.house.signal(id_, name, payload))
        except ExecutionAlreadyOver:
            assert id_ in self.ended and name not in self.signals.get(id_, ())
        except UnknownExecution:
            assert id_ not in self.wakes
        except TakesNoSignals:
            assert self.do(self.type_of(id_)) == "task"
        else:
            self.signals.setdefault(id_, set()).add(name)

    @rule(number=st.integers(1, 4), request=st.integers(1, 3), queue=st.sampled_from(QUEUES))
    def signal_with_start(self, number: int, request: int, queue: str) -> None:
        id_ = f"w{number}"
        name = f"s{request}-{id_}-{self.lives[id_]}"
        payload = vocabulary.encode(vocabulary.SignalReceived("go", vocabulary.raw(request)))

        def send() -> bool:
            started: bool = self.do(
                transitions.signal_with_start(
                    self.house.connection,
                    execution_id=id_,
                    request=name,
                    content="c0",
                    target="greet",
                    queue=queue,
                    definition="d1",
                    bounds=Bounds(),
                    created=created("workflow", "greet", queue, None, None),
                    signal=payload,
                )
            )
            return started

        try:
            started = send()
        except ExecutionConflict:
            assert self.history(id_)[0].cause.endswith("#start")
            return
        except ExecutionAlreadyOver:
            assert id_ in self.ended and name not in self.signals.get(id_, ())
            return
        assert started == (id_ not in self.wakes)
        self.signals.setdefault(id_, set()).add(name)
        before = self.do(self.everything())
        assert not send()
        assert self.do(self.everything()) == before

    @rule(data=st.data(), request=st.integers(1, 3), at_once=st.booleans())
    def cancel(self, data: st.DataObject, request: int, at_once: bool) -> None:
        id_ = self.any_id(data)

        def ask() -> None:
            self.do(
                transitions.cancel_execution(
                    self.house.connection,
                    execution_id=id_,
                    request=f"c{request}-{at_once}",
                    at_once=at_once,
                    payload=REASON,
                )
            )

        before = self.do(self.everything())
        try:
            ask()
        except UnknownExecution:
            assert id_ not in self.wakes
        except ExecutionAlreadyOver:
            assert id_ in self.ended
        else:
            if at_once and id_ not in self.ended:
                self.terminated.add(id_)
                assert self.history(id_)[-1].type == "cancelled"
            elif id_ not in self.ended:
                assert is_to_end(self.history(id_)) or self.history(id_)[-1].type == "cancelled"
            before = self.do(self.everything())
            ask()
        assert self.do(self.everything()) == before

    @precondition(lambda self: "stuck" in self.wakes.values())
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        id_ = self.any_id(data)
        try:
            self.do(transitions.resume_execution(self.house.connection, id_))
        except NotParked:
            assert self.wakes[id_] not in ("stuck", "")
        except ExecutionAlreadyOver:
            assert id_ in self.ended
        except UnknownExecution:
            assert id_ not in self.wakes
        else:
            assert self.wakes[id_] == "stuck"

    @precondition(lambda self: any("/" not in id_ for id_ in self.ended))
    @rule(data=st.data(), units=st.sampled_from([1, 64]))
    def delete(self, data: st.DataObject, units: int) -> None:
        """A tree that has ended goes with all its keys; its id can be used anew."""
        roots = sorted(id_ for id_ in self.ended if "/" not in id_)
        root = data.draw(st.sampled_from(roots))
        tree = [id_ for id_ in self.wakes if root_of(id_) == root]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(transitions, "DELETED_AT_ONCE", units)
            try:
                self.do(transitions.delete_execution(self.house.connection, root))
            except ExecutionAlive:
                assert any(id_ not in self.ended for id_ in tree)
                return
        assert all(id_ in self.ended for id_ in tree)
        names = self.do(self.house.connection.command("KEYS", self.house.keys.prefix + "*"))
        assert [n for n in names if (n + b"/").partition(f":{root}/".encode())[1]] == []
        self.lives[root] += 1
        for id_ in tree:
            for known in (self.ended, self.wakes, self.signals, self.dead_tokens, self.counters):
                known.pop(id_, None)
            for left in (self.deadlines, self.details, self.snapshots):
                left.pop(id_, None)
            self.left_queued[id_] = self.do(self.queued())[id_]
            self.terminated.discard(id_)
            for hand in self.hands.values():
                hand.holds.pop(id_, None)
                hand.chunks.pop(id_, None)

    # Workers

    @precondition(lambda self: len(self.hands) < 3)
    @rule()
    def another_arrives(self) -> None:
        self.arrive()

    def arrive(self) -> None:
        name = f"worker{next(self.names)}"
        self.hands[name] = Hand(self.do(self.house.seat(name, LEASE_MS, ABOUT)))

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
            how: Any
            how, payload = data.draw(
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
            return TaskSettlement(claim.id, claim.token, how, payload, due_ms, error=ERROR)
        chunk = hand.chunks.get(claim.id, 0) + 1
        if chunk == 1 and data.draw(st.integers(0, 4)) == 0:
            return WorkflowSettlement(
                claim.id, claim.token, claim.upto, outcome="released", due_ms=due_ms
            )
        last = chunk == 3 or data.draw(st.booleans())
        outcome: Any = data.draw(st.sampled_from(["", "", *OUTCOMES])) if last else ""
        commands = data.draw(st.booleans())
        children: list[NewChild] = []
        timers: list[NewTimer] = []
        refusals: list[Refusal] = []
        stopped: list[int] = []
        ended: list[int] = []
        sent: list[Outgoing] = []
        shown: list[SetState] = []
        assert isinstance(claim, WorkflowClaim)
        if commands:
            for kind in data.draw(st.lists(st.sampled_from("ctwrseSox"), max_size=3)):
                self.counters[claim.id] += 1
                n = self.counters[claim.id]
                match kind:
                    case "c" | "w":
                        children.append(self.child(data, claim.id, n, kind == "c"))
                    case "t":
                        timers.append(NewTimer(n, self.house.clock.now_ms + 100 * n))
                    case "r":
                        refusals.append(Refusal(n, FAILED))
                    case "s":
                        stopped.append(n - 1)
                    case "e":
                        ended.append(n - 1)
                    case "S":
                        shown.append(SetState("n", n))
                    case _:
                        sent.append(self.message(data, n, kind == "o"))
        # The machine has been fed all that came with the claim.
        history = self.history(claim.id)
        identity = history[claim.version - 1].identity if claim.version <= len(history) else ""
        is_kept = last and not outcome and data.draw(st.booleans())
        return WorkflowSettlement(
            claim.id,
            claim.token,
            claim.version,
            chunk=chunk,
            last=last,
            decided=vocabulary.encode(vocabulary.Decided(tuple(shown))) if commands else b"",
            state=vocabulary.encode_value({"n": shown[-1].value}) if shown else b"",
            children=tuple(children),
            timers=tuple(timers),
            refusals=tuple(refusals),
            stopped=tuple(stopped),
            ended=tuple(ended),
            reason=REASON if ended else b"",
            outbox=tuple(sent),
            identity=identity if is_kept else "",
            snapshot=f"machine of {claim.token}".encode() if is_kept else b"",
            outcome=outcome,
            payload=OUTCOMES.get(outcome, b""),
            error=ERROR if outcome == "failed" else "",
        )

    def child(self, data: st.DataObject, parent: str, n: int, is_task: bool) -> NewChild:
        type_: Any = "task" if is_task else "workflow"
        policy: Any = "t" if is_task else data.draw(st.sampled_from("ac"))
        return NewChild(
            n,
            type_,
            "child",
            "left",
            "" if is_task else "d1",
            created(type_, "child", "left", parent, n),
            policy,
            of_type(type_, data.draw(BOUNDS)),
        )

    def message(self, data: st.DataObject, n: int, is_signal: bool) -> Outgoing:
        to = f"w{data.draw(st.integers(1, 4))}"
        if is_signal:
            payload = vocabulary.encode(vocabulary.SignalReceived("go", vocabulary.raw(n)))
            return Outgoing("signal", n, to, payload)
        return Outgoing(
            "start",
            n,
            to,
            created("workflow", "greet", "right", None, None),
            policy=data.draw(st.sampled_from(["", "a", "c"])),
            target="greet",
            queue="right",
            definition="d1",
            content=data.draw(st.sampled_from(["c0", "c1"])),
        )

    def step(
        self, hand: Hand, queues: tuple[str, ...], room: int, settlements: list[Settlement]
    ) -> None:
        hand.last = (queues, room, settlements)
        had = {s.id: still_has(hand.holds[s.id], self.history(s.id)) for s in settlements}
        try:
            step: Step = self.do(hand.seat.step(queues, room, settlements))
        except WorkerLost:
            self.forget(hand)
            return
        for settlement, verdict in zip(settlements, step.verdicts, strict=True):
            # Its lease is alive: nobody but who ends it can have taken what it held.
            assert (verdict == "OK") == had[settlement.id], (settlement, verdict)
            if isinstance(settlement, WorkflowSettlement) and verdict == "OK":
                if not settlement.last:
                    hand.chunks[settlement.id] = settlement.chunk
                    continue
                if settlement.snapshot:
                    self.snapshots[settlement.id] = (settlement.upto, settlement.snapshot)
            self.dead_tokens.setdefault(settlement.id, set()).add(settlement.token)
            hand.holds.pop(settlement.id)
            hand.chunks.pop(settlement.id, None)
        for told in step.told:
            held = hand.holds.get(told.id)
            if held is not None and held.token == told.token:
                history = self.history(told.id)
                assert is_to_end(history) or not still_has(held, history)
        for claim in step.claims:
            if claim.id in hand.holds:
                before = hand.holds[claim.id]
                assert not still_has(before, self.history(claim.id))
                self.dead_tokens.setdefault(claim.id, set()).add(before.token)
            hand.holds[claim.id] = claim
            self.as_it_was_left(hand, claim)
        assert len(step.claims) <= room

    def as_it_was_left(self, hand: Hand, claim: Claim) -> None:
        """A claim brings what earlier workers left, and the events from there on."""
        if isinstance(claim, TaskClaim):
            assert claim.details == self.details.get(claim.id, b"")
            return
        assert isinstance(claim, WorkflowClaim)
        kept = claim.snapshot
        begins = 1
        if claim.held_by == hand.seat.worker:
            begins = max(claim.upto, 1)
            assert kept is None
        elif claim.id in self.snapshots:
            assert kept is not None
            assert (kept.upto, kept.data) == self.snapshots[claim.id]
            assert claim.first is not None and claim.first.version == 1
            begins = kept.upto + 1
        else:
            assert kept is None
        history = self.history(claim.id)
        assert claim.version == len(history)
        assert list(claim.events) == history[begins - 1 :]

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
        hand.seat._answered -= 1
        try:
            step: Step = self.do(hand.seat.step(queues, room, settlements))
        except WorkerLost:
            self.forget(hand)
            return
        assert "OK" not in step.verdicts
        token = f"{hand.seat.worker}.{hand.seat._answered}"
        expected = {
            id_
            for id_, claim in hand.holds.items()
            if claim.token == token and still_has(claim, self.history(id_))
        }
        assert {claim.id for claim in step.claims} == expected
        for claim in step.claims:
            hand.holds[claim.id] = claim
        assert self.do(self.everything()) == before

    @precondition(lambda self: any(hand.holds for hand in self.hands.values()))
    @rule(data=st.data(), says=st.booleans())
    def report(self, data: st.DataObject, says: bool) -> None:
        hand = self.busy(data)
        claim = hand.holds[data.draw(st.sampled_from(sorted(hand.holds)))]
        if not isinstance(claim, TaskClaim):
            return
        details = f"so far of {claim.token}".encode() if says else b""
        history = self.history(claim.id)
        answer = self.do(hand.seat.report(claim.id, claim.token, details))
        if not still_has(claim, history):
            assert answer == "STALE"
            return
        assert answer == ("CANCEL" if is_to_end(history) else "OK")
        if says:
            self.details[claim.id] = details

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        hand = self.hands[data.draw(st.sampled_from(sorted(self.hands)))]
        try:
            told = {word.id for word in self.do(hand.seat.renew())}
        except WorkerLost:
            self.forget(hand)
            return
        for id_, claim in hand.holds.items():
            history = self.history(id_)
            if not still_has(claim, history):
                continue  # It is told so with its next call.
            assert (id_ in told) == (isinstance(claim, TaskClaim) and is_to_end(history))

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

        if tended.is_keeper and not 0 < tended.next_due_ms <= self.house.clock.now_ms:
            # All that was due was done.
            now_ms = self.house.clock.now_ms
            alive = [id_ for id_, _, found in self.do(self.everything()) if found.wake]
            assert [id_ for id_ in alive if self.deadlines.get(id_, now_ms + 1) <= now_ms] == []
            assert [id_ for id_ in alive if self.is_below_terminated(id_)] == []

    def is_below_terminated(self, id_: str) -> bool:
        return any(id_.startswith(f"{ended}/") for ended in self.terminated)

    # The outbox

    @rule(is_broken_off=st.booleans())
    def deliver(self, is_broken_off: bool) -> None:
        """Messages to other trees; broken off before one is removed, they are delivered again."""
        messages = self.do(outbox.read(self.house.connection, self.house.keys))
        alive = {id_ for id_, _, found in self.do(self.everything()) if found.wake}

        async def fail(*_: Any) -> None:
            raise ConnectionError

        with pytest.MonkeyPatch.context() as patched:
            if is_broken_off:
                patched.setattr(outbox, "remove", fail)
                with contextlib.suppress(ConnectionError):
                    self.do(deliver_all(self.house.connection, self.house.keys, self.firing))
                messages = messages[:1]
            else:
                self.do(deliver_all(self.house.connection, self.house.keys, self.firing))
        for message in messages:
            if message.kind != "signal" or message.sender not in alive:
                continue
            sender = self.history(message.sender)
            if sender[0].cause == message.incarnation:
                answers = [e.type for e in sender if e.plain.get("n") == str(message.n)]
                assert answers in (["child_completed"], ["child_failed"])

    @precondition(lambda self: self.fired)
    @rule(ms=st.sampled_from([600, 2_500]), data=st.data())
    def a_due_time_comes(self, ms: int, data: st.DataObject) -> None:
        """Of a schedule: rare by single moves."""
        self.time_passes(ms)
        self.tend(256, data)
        self.deliver(False)

    # Checks

    async def queued(self) -> Counter[str]:
        """How often each execution waits, in queues and at workers' doors."""
        connection, keys = self.house.connection, self.house.keys
        doors = [keys.door(worker) for worker in await self.leased()]
        waiting: Counter[str] = Counter()
        for name in [*map(keys.ready, QUEUES), *doors]:
            for message in await connection.command("LRANGE", name, 0, -1):
                waiting[message.split(b"\0", 2)[1].decode()] += 1
        return waiting

    async def leased(self) -> list[str]:
        members = await self.house.connection.command("ZRANGE", self.house.keys.due, 0, -1)
        return [m.decode().split("|")[1] for m in members if m.startswith(b"lease|")]

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
        assert isinstance(found, StoredExecution)
        return found.facts["ty"]

    @invariant()
    def every_execution_is_as_it_should_be(self) -> None:
        self.do(self.check())

    async def check(self) -> None:
        connection, keys = self.house.connection, self.house.keys
        # What changes in indexes is folded in when somebody reads them by the scripts.
        await projections.count_executions(connection, Filters())
        queued = await self.queued()
        holders: Counter[str] = Counter()
        members = await connection.command("ZRANGE", keys.due, 0, -1)
        due = {member.decode().split("|")[1] for member in members if member.startswith(b"ready|")}
        for worker in await self.leased():
            for id_ in await connection.command("HKEYS", keys.held(worker)):
                holders[id_.decode()] += 1
        indexed = {
            status: {
                id_.decode()
                for id_ in await connection.command("ZRANGE", keys.index("s", status), 0, -1)
            }
            for status in STATUSES
        }
        named = await connection.command("ZRANGE", keys.index("e", ERROR), 0, -1)
        of_error = {id_.decode() for id_ in named}
        everything = await self.everything()
        self.wakes = {id_: found.wake for id_, _, found in everything}
        # What was handed out once takes no more starts, even if it is due again.
        self.waiting = {n: w for n, w in self.waiting.items() if self.wakes.get(w.id) == "due"}
        below = Counter(root_of(id_) for id_, wake in self.wakes.items() if wake and "/" in id_)
        for id_, history, found in everything:
            assert [event.version for event in history] == list(range(1, len(history) + 1))
            assert all(a.at_ms <= b.at_ms for a, b in itertools.pairwise(history))
            assert all(event.type not in TERMINAL for event in history[:-1])
            if history[-1].type in TERMINAL:
                assert self.ended.setdefault(id_, history[-1].cause) == history[-1].cause
            requests = Counter(e.cause for e in history if e.type == "signal_received")
            from_others = {cause for cause in requests if cause.endswith("#signal")}
            assert requests == Counter([*self.signals.get(id_, ()), *from_others])
            answers = Counter(e.plain["n"] for e in history if e.type.startswith("child_"))
            assert all(count == 1 for count in answers.values())
            if "/" not in id_:
                entries = await connection.command("HVALS", keys.children(id_))
                assert any(not entry.startswith(b"@") for entry in entries) == (below[id_] > 0)

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
                **({"sc": schedule} if (schedule := schedule_of(id_)) else {}),
                **({"df": facts.definition} if facts.definition else {}),
                **({"pv": str(facts.begins_with)} if facts.begins_with else {}),
                **({"er": facts.error} if facts.error else {}),
            } == found.facts, (history, found.facts)
            runs = facts.status.value == "running"
            by_status = "pending" if runs else facts.status.value
            assert [status for status, ids in indexed.items() if id_ in ids] == [by_status]
            assert not runs or holders[id_] == 1
            assert (id_ in of_error) == bool(facts.error)
            shown = vocabulary.value_of(msgspec.Raw(found.state)) if found.state else {}
            assert shown == facts.state

            where = (queued[id_], holders[id_], int(id_ in due))
            if facts.status.finished:
                # What ended in a queue may still be named there: nobody gets it.
                assert where[1:] == (0, 0)
                continue
            # As may be one of this id that was deleted.
            spare = min(self.left_queued[id_], queued[id_] - (found.wake == "queued"))
            where = (queued[id_] - max(spare, 0), *where[1:])
            if found.wake == "idle":
                upto = int((await projections.examine(connection, id_)).control.get("up", "0"))
                news = [e for e in history if e.version > upto and e.type not in ("decided",)]
                assert where == (0, 0, 0) and not news, (where, news)
            else:
                wakes = {
                    "queued": (1, 0, 0),
                    "claimed": (0, 1, 0),
                    "due": (0, 0, 1),
                    "stuck": (0, 0, 0),
                }
                assert where == wakes[found.wake]
        await self.check_schedules(everything)


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
    play("memory://store-machine", 15)


def test_invariants_hold_on_redis(redis_server: RedisServer) -> None:
    play(redis_server.url, 40)
