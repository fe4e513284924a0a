"""One simulated run: workers and clients on one server, and what befalls them, by a seed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections import Counter

import msgspec
import redis

from rhythm.builder import Rhythm
from rhythm.services.workflows import compile_all
from rhythm.settings import Settings
from rhythm.virtual_time import SeededSurroundings, VirtualLoop
from rhythm.virtual_time import run as run_on
from rhythm.worker import Worker
from rhythm.worker.activations import COLD, HOT, USUAL
from streams import definitions
from tests.simulation.network import Died, Network, Process
from tests.simulation.scenario import FLOWS, QUEUES, Ledger, client, registry, wishes

# Short, so that the loss of a worker is soon over: a run is some virtual minutes.
LEASE_S = 3.0
# When faults end, and by when all must then be done.
QUIET_AT_S = 40.0
OVER_AT_S = 1_200.0

PROGRAMS = compile_all([(name, source, f"{name}.flow") for name, source in FLOWS.items()])


# Methods of `_World`; the more often named, the more often seen.
_UPHEAVALS = ("kill", "kill", "pause", "pause", "clock", "another", "drain")


class Report(msgspec.Struct, frozen=True):
    """What came of a run.

    Attributes:
        faults: how many of each kind.
        violations: what an invariant forbids and was seen, a sentence each.
        calls: how many commands the server carried out.
        seconds: virtual time.
        digest: of all commands and replies in order; the same for the same seed.
    """

    seed: int
    faults: dict[str, int]
    violations: tuple[str, ...]
    calls: int
    seconds: float
    digest: str


def simulate(seed: int, server: redis.Redis, *, trace: bool = False) -> Report:
    """Run the world of a seed on a server, in a namespace of its own."""
    loop = VirtualLoop()
    world = _World(seed, server, loop)
    with _quiet_logs():
        try:
            run_on(world.live(), loop)
        except (Exception, Died) as error:
            world.ledger.blame(f"the run broke off: {error!r}")
    if trace:
        print("\n".join(world.network.trace))
    digest = hashlib.sha256("\n".join(world.network.trace).encode()).hexdigest()[:16]
    return Report(
        seed,
        dict(world.network.counts),
        tuple(world.ledger.violations),
        world.network.calls,
        loop.time(),
        digest,
    )


class _World:
    def __init__(self, seed: int, server: redis.Redis, loop: VirtualLoop) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.ledger = Ledger()
        self.namespace = f"sim{seed}"
        # Some runs are calm, so that what goes wrong without faults is seen as that.
        faults = self.chance.choice((0.0, 0.01, 0.03, 0.1))
        self.upheavals = self.chance.choice((0, 2, 6))
        self.network = Network(server, loop.time, self.chance, faults)
        self.settings = Settings(
            database_url="redis://simulated:1/0",
            namespace=self.namespace,
            lease=LEASE_S,
            shutdown_grace=1.0,
            unknown_task_patience=30.0,
            max_lost_workers=1000,
        )
        self.workers: dict[Process, asyncio.Task[None]] = {}
        self.names = 0
        self.keeping = self.chance.choice((USUAL, COLD, HOT, HOT))

    async def live(self) -> None:
        setup = await self.app(Process("setup"), careful=True)
        await definitions.migrate(setup._connection)
        await setup.workflow_service.register(PROGRAMS)
        for _ in range(self.chance.randint(1, 3)):
            self.start_worker()
        wanted = wishes(self.chance)
        clients = [
            asyncio.create_task(
                client(
                    await self.app(Process(f"client{number}")),
                    number,
                    wish,
                    self.chance,
                    self.ledger,
                    OVER_AT_S,
                )
            )
            for number, wish in enumerate(wanted)
        ]
        for number, done in enumerate(clients):
            done.set_name(f"client{number}")
        upheaval = asyncio.create_task(self.upheave())
        await asyncio.gather(*clients)
        await upheaval
        await self.end_workers()
        await self.judge(setup, len(wanted))

    async def app(self, process: Process, careful: bool = False) -> Rhythm:
        """An application in a process; a careful one meets no faults."""
        network = self.network
        if careful:
            network = Network(network.server, network._now_s, random.Random(self.seed), 0.0)
        connection = network.connect(process, self.namespace)
        surroundings = SeededSurroundings(
            self.network.now_ms, f"{self.seed} {process.name}", process.name
        )
        return Rhythm(self.settings, connection, surroundings)

    def start_worker(self) -> None:
        self.names += 1
        process = Process(f"worker{self.names}")
        self.workers[process] = asyncio.create_task(self.work(process), name=process.name)

    async def work(self, process: Process) -> None:
        app = await self.app(process)
        # As a process that starts with the workflows at hand does, without asking the store again.
        app.workflow_service.know(PROGRAMS)
        worker = Worker(
            app,
            queues=QUEUES,
            concurrency=self.chance.randint(1, 8),
            registry=registry(self.ledger),
            keeping=self.keeping,
        )
        process.drain = worker.stop
        await worker.run()

    async def upheave(self) -> None:
        """Kill, pause and start workers, and move the clock, until it is to be quiet."""
        loop = asyncio.get_running_loop()
        for at in sorted(self.chance.uniform(0, QUIET_AT_S) for _ in range(self.upheavals)):
            await asyncio.sleep(max(at - loop.time(), 0))
            what = self.chance.choice(_UPHEAVALS)
            self.network.counts[what] += 1
            await getattr(self, what)()
        await asyncio.sleep(max(QUIET_AT_S - loop.time(), 0))
        self.network.faults = 0.0
        for process in self.workers:
            process.go_on()
        if not self.workers:
            self.start_worker()

    async def kill(self) -> None:
        if not self.workers:
            return
        process = self.chance.choice(list(self.workers))
        await self.end_at_once(process)
        if self.chance.random() < 0.8:
            self.start_worker()

    async def pause(self) -> None:
        if not self.workers:
            return
        process = self.chance.choice(list(self.workers))
        process.pause()
        loop = asyncio.get_running_loop()
        loop.call_later(self.chance.uniform(0.1, 4 * LEASE_S), process.go_on)

    async def clock(self) -> None:
        self.network.clock_offset_ms += self.chance.choice((-5_000, -200, 300, 2_000, 20_000))

    async def drain(self) -> None:
        if not self.workers:
            return
        process = self.chance.choice(list(self.workers))
        process.drain()
        self.start_worker()

    async def another(self) -> None:
        self.start_worker()

    async def end_at_once(self, process: Process) -> None:
        process.kill()
        running = self.workers.pop(process)
        running.cancel()
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()

    async def end_workers(self) -> None:
        for process in list(self.workers):
            await self.end_at_once(process)

    async def judge(self, app: Rhythm, wanted: int) -> None:
        """Blame what the invariants forbid; nobody works any more."""
        ids = set()
        async for execution_id, findings in app.verification_service.verify_all():
            ids.add(execution_id)
            for finding in findings:
                self.ledger.blame(str(finding))
        for execution_id in self.ledger.started:
            if execution_id not in ids:
                self.ledger.blame(f"{execution_id} was acknowledged and is gone")
        roots = {id_ for id_ in ids if "/" not in id_ and not id_.endswith("-peer")}
        if len(roots) != wanted:
            self.ledger.blame(f"{wanted} were asked for, there are {sorted(roots)}")
        for execution_id, requests in self.ledger.signalled.items():
            history = await app.history_service.events(execution_id)
            arrived = [
                event.data["payload"] for event in history if event.type == "signal_received"
            ]
            if arrived != list(range(len(requests))):
                self.ledger.blame(f"{execution_id} was sent {requests} and has {arrived}")
        for execution_id in ids:
            execution = await app.execution_service.get_execution(execution_id)
            is_done = execution and execution.type == "task" and execution.status == "completed"
            if is_done and not self.ledger.runs[execution_id]:
                self.ledger.blame(f"task {execution_id} is completed and never ran")
            if execution_id.endswith("-peer"):
                history = await app.history_service.events(execution_id)
                if sum(event.type == "signal_received" for event in history) > 1:
                    self.ledger.blame(f"{execution_id} was sent one signal and got more")


class _quiet_logs:
    """What the engine says of the faults is not what is looked for here."""

    def __enter__(self) -> None:
        self._was = logging.root.manager.disable
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._was)


def total(reports: list[Report]) -> Counter[str]:
    """All faults of some runs, by kind."""
    counted: Counter[str] = Counter()
    for report in reports:
        counted.update(report.faults)
    return counted
