"""What goes on in a simulation: workflows and tasks whose results are known, and clients that keep
a ledger of what they were promised."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from rhythm import (
    ConnectionLost,
    Execution,
    ExecutionFinished,
    ExecutionNotFound,
    ExecutionStatus,
    TaskContext,
    WaitTimeout,
)
from rhythm.builder import Rhythm
from rhythm.tasks import TaskDefinition, TaskRegistry
from tests.simulation.profiles import Profile

FLOWS = {
    "steps": """
        let total = 0
        for (let i = 0; i < Inputs.n; i++) total = await Task.run("add", { a: total, b: i })
        return total
    """,
    "fan": """
        return await Promise.all(
            Array.from({ length: Inputs.n }, (_, x) => Task.run("square", { x })))
    """,
    "again": """
        const retry = { maxAttempts: 4, initialInterval: "500ms", maxInterval: "3s" }
        return await Task.run("third_time", {}, { retry })
    """,
    "catching": """
        try { await Task.run("stumble") } catch (error) { return error.name }
    """,
    "signals": """
        const got = []
        for (let i = 0; i < Inputs.n; i++) got.push(await Signal.when("go"))
        return got
    """,
    "impatient": """
        try { await Signal.when("never", { timeout: "4s" }) } catch (error) { return error.name }
    """,
    "timers": """
        const fired = []
        await Promise.all([3, 1, 2].map(async s => { await Timer.delay(s); fired.push(s) }))
        return fired
    """,
    "parent": """
        return await Promise.all([
            Workflow.run("steps", { n: 3 }), Workflow.run("catching"),
            Task.run("square", { x: 5 })])
    """,
    "race": """
        const slow = Task.run("slow")
        await Promise.race([slow, Timer.delay("1s")])
        await slow
        return "over"
    """,
    "hasty": """
        await Promise.race([Task.run("add", { a: 1, b: 2 }), Timer.delay("1d")])
        return "over"
    """,
    "careful": """
        try {
            await Promise.all([Task.run("slow"), Workflow.run("signals", { n: 1 }), Timer.delay(9)])
        } finally {
            State.set("cleaned", await Task.run("add", { a: 1, b: 1 }))
        }
    """,
    "stubborn": """
        try { await Signal.when("never") } catch (error) { await Signal.when("never") }
    """,
    "peers": """
        const id = Context.executionId + "-peer"
        Workflow.start("signals", { n: 1 }, { id })
        await Signal.send(id, "go", 41)
        return await Workflow.run("signals", { n: 1 }, { id })
    """,
    "beating": """
        const retry = { maxAttempts: 20, initialInterval: "100ms" }
        return await Task.run("falls_silent", {}, { heartbeat: "2s", retry })
    """,
    "diary": """
        const times = []
        for (let i = 0; i < Inputs.n; i++) {
            await Timer.delay("400ms")
            times.push(Date.now())
            State.set("times", times)
        }
        return "over"
    """,
    "endless": """
        const got = [...(Inputs.got ?? []), await Signal.when("go")]
        if (got.length < Inputs.n) Workflow.restart({ n: Inputs.n, got })
        return got
    """,
    "rounds": """
        const { n, done = 0, sum = 0 } = Inputs
        const next = await Task.run("add", { a: sum, b: done })
        Attributes.set("done", done)
        Attributes.set("first", done === 0 ? true : null)
        if (done < n) Workflow.restart({ n, done: done + 1, sum: next })
        return next
    """,
    "parent_of_rounds": """
        Workflow.start("rounds", { n: 1 })
        return await Promise.all([Workflow.run("rounds", { n: 3 }), Task.run("square", { x: 2 })])
    """,
    "limited": """
        try { await Task.run("slow", {}, { timeout: "500ms" }) } catch (error) { return error.name }
    """,
}

# Of those who mend and tidy, see interventions.py: nobody else wants them.
TENDED_FLOWS = {
    "falters": """
        const five = await Task.run("add", { a: 2, b: 3 })
        return five + await Task.run("goes_well_again")
    """,
    "herd": """
        await Promise.all([Task.run("slow"), Workflow.run("signals", { n: 1 }), Timer.delay("1d")])
    """,
}

QUEUES = ("default", "other")


class Violated(Exception):
    """What an invariant forbids was seen."""


class Ledger:
    """What clients were promised and saw kept or not, and what tasks did.

    Args:
        place_of: where an execution is kept: what fails over as one.

    Attributes:
        signalled: execution -> how many signals it was sent.
        runs: idempotency key -> how often the function was called.
        failovers: how many there were of each place; what was acknowledged before one may be lost
            with it.
        torn: places that failed over while others did not: what went to or came from those, and was
            delivered, may be lost.
        forked: fork -> after which event, and how many failovers of it there were by then.
        migrated: execution -> how many failovers of it there were when it had another definition;
            None while it may have it.
        deleted: executions that are to be deleted in the end.
        violations: a sentence each.
        has_limits: whether tasks are limited in this run, and executions have priorities and keys.
        is_strict: whether the first one is to break the run off.
    """

    is_strict = False
    has_limits = False

    def __init__(self, place_of: Callable[[str], str] = lambda execution_id: "") -> None:
        self._place_of = place_of
        self.signalled: dict[str, int] = {}
        self.runs: Counter[str] = Counter()
        self.failovers: Counter[str] = Counter()
        self.torn: set[str] = set()
        self.forked: dict[str, tuple[int, int]] = {}
        self.migrated: dict[str, int | None] = {}
        self.deleted: set[str] = set()
        self.violations: list[str] = []

    def failovers_of(self, execution_id: str) -> int:
        """How many there were of what keeps an execution, or what it starts."""
        return sum(self.failovers[place] for place in self._places_of(execution_id))

    def is_torn(self, execution_id: str) -> bool:
        """Whether it and what it starts are no longer both as they were at any one moment."""
        places = self._places_of(execution_id)
        return len(places) > 1 and bool(places & self.torn)

    def _places_of(self, execution_id: str) -> set[str]:
        ids = (execution_id, peer_of(execution_id), source_of(execution_id))
        return {self._place_of(id_) for id_ in ids}

    def blame(self, problem: str) -> None:
        self.violations.append(problem)
        if self.is_strict:
            raise Violated(problem)


def peer_of(execution_id: str) -> str:
    """What the flow "peers" starts by an id of its own."""
    return execution_id + "-peer"


def source_of(execution_id: str) -> str:
    """What a fork was forked from; itself of another one."""
    return execution_id.partition(".fork")[0]


def registry(ledger: Ledger) -> TaskRegistry:
    """The tasks, each of which tells the ledger that it runs."""

    async def add(a: int, b: int, context: TaskContext) -> int:
        ledger.runs[context.idempotency_key] += 1
        await asyncio.sleep(0.2)
        return a + b

    async def square(x: int, context: TaskContext) -> int:
        ledger.runs[context.idempotency_key] += 1
        await asyncio.sleep(0.1 * x)
        return x * x

    async def third_time(context: TaskContext) -> str:
        ledger.runs[context.idempotency_key] += 1
        if context.attempt < 3:
            raise ConnectionError("not yet")
        return "at last"

    async def stumble(context: TaskContext) -> None:
        ledger.runs[context.idempotency_key] += 1
        raise LookupError("nothing there")

    async def goes_well_again(context: TaskContext) -> int:
        ledger.runs[context.idempotency_key] += 1
        if ".retry" not in context.idempotency_key:
            raise LookupError("not before somebody retries it")
        return 9

    async def slow(context: TaskContext) -> str:
        ledger.runs[context.idempotency_key] += 1
        await asyncio.sleep(2)
        return "slow"

    async def patient(context: TaskContext) -> str:
        ledger.runs[context.idempotency_key] += 1
        await asyncio.sleep(6)
        return "done"

    async def falls_silent(context: TaskContext) -> Any:
        ledger.runs[context.idempotency_key] += 1
        if context.heartbeat_details is None:
            context.heartbeat({"step": 1})
            await asyncio.sleep(3600)
        return context.heartbeat_details

    tasks = TaskRegistry()
    for function, queue in (
        (add, None), (square, "other"), (third_time, None), (stumble, "other"), (slow, None),
        (falls_silent, "other"), (patient, None), (goes_well_again, None),
    ):  # fmt: skip
        tasks.add(TaskDefinition(function.__name__, queue, function, {"TaskContext": TaskContext}))
    return tasks


# Longer than the minute of grace of what was asked to end.
PATIENCE_S = 90


@dataclass(frozen=True)
class Wish:
    """One thing a client wants done, and what comes of it when all is well."""

    target: str
    inputs: dict[str, Any] = field(default_factory=dict)
    is_task: bool = False
    expected: Any = None
    fails: bool = False
    ends: Literal["by itself", "cancel", "terminate"] = "by itself"
    """Whether its client lets it come to its end, or asks for one before or after."""


def wishes(chance: random.Random, profile: Profile) -> list[Wish]:
    """What the clients of one run want."""
    makers: dict[str, Callable[[], Wish]] = {
        "steps": lambda: _steps(chance.randint(1, 6)),
        "fan": lambda: _fan(chance.randint(1, 12)),
        "again": lambda: Wish("again", expected="at last"),
        "catching": lambda: Wish("catching", expected="LookupError"),
        "signals": lambda: _signals(chance.randint(1, 4)),
        "impatient": lambda: Wish("impatient", expected="TimeoutError"),
        "timers": lambda: Wish("timers", expected=[1, 2, 3]),
        "parent": lambda: Wish("parent", expected=[3, "LookupError", 25]),
        "race": lambda: Wish("race", expected="over"),
        "patient": lambda: Wish("patient", is_task=True, expected="done"),
        "hasty": lambda: Wish("hasty", expected="over"),
        "square": lambda: _square(chance.randint(0, 9)),
        "careful": lambda: Wish("careful", ends=chance.choice(("cancel", "terminate"))),
        "parent to end": lambda: Wish("parent", expected=[3, "LookupError", 25], ends="terminate"),
        "stubborn": lambda: Wish("stubborn", ends=chance.choice(("cancel", "cancel", "terminate"))),
        "peers": lambda: Wish("peers", expected=[41]),
        "beating": lambda: Wish("beating", expected={"step": 1}),
        "limited": lambda: Wish("limited", expected="TimeoutError"),
        "endless": lambda: _endless(chance.randint(1, 5)),
        "rounds": lambda: _rounds(chance.randint(1, 5)),
        "rounds to end": lambda: Wish(
            "rounds", {"n": 40}, expected=820, ends=chance.choice(("cancel", "terminate"))
        ),
        "parent of rounds": lambda: Wish("parent_of_rounds", expected=[6, 4]),
        "parent of rounds to end": lambda: Wish(
            "parent_of_rounds", expected=[6, 4], ends="terminate"
        ),
        "diary": lambda: Wish("diary", {"n": chance.randint(2, 8)}, expected="over"),
        "long diary": lambda: Wish("diary", {"n": chance.randint(10, 25)}, expected="over"),
        "falters": lambda: Wish("falters", fails=True),
    }
    # Few kinds at a time, so that many of one kind meet in some runs.
    chosen = list(profile.wishes or [kind for kind in makers if kind not in TENDED_FLOWS])
    if not profile.takes_all:
        chosen = chance.sample(chosen, chance.randint(1, min(4, len(chosen))))
    return [makers[chance.choice(chosen)]() for _ in range(chance.randint(4, 10))]


def _steps(n: int) -> Wish:
    return Wish("steps", {"n": n}, expected=n * (n - 1) // 2)


def _fan(n: int) -> Wish:
    return Wish("fan", {"n": n}, expected=[x * x for x in range(n)])


def _signals(n: int) -> Wish:
    return Wish("signals", {"n": n}, expected=list(range(n)))


def _endless(n: int) -> Wish:
    return Wish("endless", {"n": n}, expected=list(range(n)))


def _rounds(n: int) -> Wish:
    return Wish("rounds", {"n": n}, expected=n * (n + 1) // 2)


def _square(x: int) -> Wish:
    return Wish("square", {"x": x}, is_task=True, expected=x * x)


async def client(
    app: Rhythm,
    number: int,
    wish: Wish,
    chance: random.Random,
    ledger: Ledger,
    quiet_at_s: float,
    over_at_s: float,
) -> None:
    """Ask for something as a careful client does, and blame what is not kept.

    Args:
        quiet_at_s: when there are no faults any more.
        over_at_s: when all must be done.
    """
    loop = asyncio.get_running_loop()
    execution_id = f"wish{number}"
    await asyncio.sleep(chance.uniform(0, quiet_at_s / 2))
    queue = chance.choice((None, *QUEUES))
    failovers = -1
    while failovers != ledger.failovers_of(execution_id):
        # What was acknowledged may be gone with a failover; what is not is not done twice.
        failovers = ledger.failovers_of(execution_id)
        try:
            await _ask(app, execution_id, wish, queue, chance, ledger)
            ended = await wait(app, execution_id, wish, over_at_s, ledger, failovers)
        except ExecutionNotFound:
            if ledger.failovers_of(execution_id) == failovers:
                ledger.blame(f"{execution_id} ({wish.target}) was acknowledged and is gone")
            continue
        except (ConnectionLost, WaitTimeout) as error:
            if wish.target == "peers" and ledger.is_torn(execution_id):
                await _end_both(app, execution_id)
                return
            ledger.blame(f"{execution_id} ({wish.target}) is stuck: {error}")
            return
        if ended is not None:
            if wish.target == "peers" and ledger.is_torn(execution_id):
                await _end_both(app, execution_id)
            judge(execution_id, wish, ended, ledger)
            await asyncio.sleep(max(quiet_at_s - loop.time(), 0))


async def wait(
    app: Rhythm, execution_id: str, wish: Wish, over_at_s: float, ledger: Ledger, failovers: int
) -> Execution | None:
    """The execution when it has ended; None when a failover may have lost what it needs.

    Args:
        failovers: how many there were before it was asked for.
    """
    while True:
        try:
            return await app.execution_service.wait_for_execution(execution_id, timeout=PATIENCE_S)
        except (ConnectionLost, WaitTimeout):
            if ledger.failovers_of(execution_id) != failovers:
                return None
            may_never_end = wish.target == "peers" and ledger.is_torn(execution_id)
            if may_never_end or asyncio.get_running_loop().time() > over_at_s:
                raise


def judge(execution_id: str, wish: Wish, ended: Execution, ledger: Ledger) -> None:
    if wish.ends != "by itself" and ended.status is ExecutionStatus.CANCELLED:
        if wish.ends == "cancel" and ended.state not in ({}, {"cleaned": 2}):
            ledger.blame(f"{execution_id} was cancelled with the state {ended.state}")
        return
    if wish.target == "peers" and ledger.is_torn(execution_id):
        # Its peer may have done with an earlier it, or wait for a signal that was lost.
        return
    if wish.fails:
        if ended.status is not ExecutionStatus.FAILED:
            ledger.blame(f"{execution_id} ({wish.target}) is {ended.status}, not failed")
        return
    output = ended.output
    has_failed_over = ledger.failovers_of(execution_id) > 0
    if wish.target in ("signals", "endless") and has_failed_over and isinstance(output, list):
        # One that was lost, and is sent again, comes after later ones.
        output = sorted(output)
    if ended.status is not ExecutionStatus.COMPLETED or output != wish.expected:
        ledger.blame(
            f"{execution_id} ({wish.target}) is {ended.status} with {ended.output!r}, "
            f"not completed with {wish.expected!r}"
        )


async def _ask(
    app: Rhythm,
    execution_id: str,
    wish: Wish,
    queue: str | None,
    chance: random.Random,
    ledger: Ledger,
) -> None:
    """Start it, send it its signals, ask for its end: each until it was acknowledged."""

    turn = random.Random(execution_id)
    priority = turn.choice((None, 0, 9)) if ledger.has_limits else None
    key = turn.choice((None, "ada", "bob")) if ledger.has_limits else None

    async def start() -> None:
        await app.execution_service.create_execution(
            exec_type="task" if wish.is_task else "workflow",
            target_name=wish.target,
            inputs=wish.inputs,
            id=execution_id,
            queue=queue,
            priority=priority,
            key=key,
        )

    await repeated(start)
    if wish.target in ("signals", "endless"):
        for i in range(wish.inputs["n"]):
            await asyncio.sleep(chance.expovariate(1))
            await send(app, execution_id, i, ledger)
        if wish.target == "signals":
            ledger.signalled[execution_id] = wish.inputs["n"]
    if wish.ends != "by itself":
        await asyncio.sleep(chance.expovariate(0.4))
        await end(app, execution_id, wish.ends)


async def send(app: Rhythm, execution_id: str, number: int, ledger: Ledger) -> None:
    async def tell() -> None:
        await app.signal_service.send_signal(
            workflow_id=execution_id,
            signal_name="go",
            payload=number,
            request_id=f"{execution_id}-signal{number}",
        )

    try:
        await repeated(tell)
    except ExecutionFinished:
        ledger.blame(f"{execution_id} ended before signal {number} came")


async def end(app: Rhythm, execution_id: str, how: str) -> None:
    executions = app.execution_service
    call = executions.cancel_execution if how == "cancel" else executions.terminate_execution

    async def ask() -> None:
        await call(execution_id, "enough", request_id=f"{how}-{execution_id}")

    with contextlib.suppress(ExecutionFinished):
        await repeated(ask)


async def _end_both(app: Rhythm, execution_id: str) -> None:
    for id_ in (execution_id, peer_of(execution_id)):
        with contextlib.suppress(ExecutionNotFound):
            await end(app, id_, "terminate")


async def repeated(call: Callable[[], Any]) -> None:
    """Repeat a call until it was answered: its id or request id makes that harmless."""
    while True:
        try:
            await call()
            return
        except ConnectionLost:
            await asyncio.sleep(1)
