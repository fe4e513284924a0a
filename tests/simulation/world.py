"""One simulated run: workers and clients on one server, and what befalls them, by a seed.

What must hold whatever befalls them, and who judges it, at the end and at moments between two
commands (`_World.inspect`):

1. An acknowledged start, signal or completion is not lost, and not applied twice: `client` and
   `_judge` in scenario.py, `_World.judge`.
2. Versions are 1, 2, 3 …, and no event is changed or removed: `check` of `rhythm verify`, and
   `_World.inspect`, which remembers the histories.
3. One terminal event, the last: `fold`, in `check`.
4. The projection is the fold of the events: `check`.
5. A snapshot is what replay comes to, to the bit: `check`. With what follows it decides the same:
   of the workers some begin with snapshots, some replay, some keep their machines, `check`
   makes every decision once more, and no worker gives a workflow back because it differs.
6. Of two workers that hold the same work one settles: two terminal events, decisions or numbers of
   attempts would not agree in `check`.
7. A task runs, its outcome is recorded once: `_World.judge`; attempts are numbered well: `check`.
8. Nothing that can go on is forgotten: `check` by where it is, `client` by its patience.
9. Signals are recorded once in the order accepted, and handed out in it: `_World.judge`, `_judge`.

And no more runs at once than limits allow: `judge_limits`; at the end nothing counts at them, and
all partitions have heard of pauses and limits, also of those whose caller was lost: `judge_rules`.

A fork is there once, begins as its source did, and ends: `fork_one`, `judge_forks`. What was
migrated goes on by the other definition: `judge_migrated`. What failed is retried once and well:
`judge_retried`. Of those that were deleted together nothing is left: `judge`.

A failover may lose what was acknowledged before it, and never more: clients then ask again. One of
a single partition may also lose what others had delivered to it: nobody judges what waits for that.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import redis

from rhythm import NondeterminismError
from rhythm.builder import Rhythm
from rhythm.services.workflows import compile_all
from rhythm.settings import Settings
from rhythm.virtual_time import SeededSurroundings, VirtualLoop
from rhythm.virtual_time import run as run_on
from rhythm.worker import Worker
from streams import definitions, limits
from streams import events as stream
from streams.codec import StoredEvent
from streams.connection import Connection
from streams.keys import KeySpace, even_tags
from tests.simulation.interventions import (
    OTHERS,
    fork_one,
    judge_forks,
    judge_migrated,
    judge_retried,
    migrate_one,
    retry_all,
    retry_failed,
    tend_herd,
    workflows,
)
from tests.simulation.network import Died, Network, Process
from tests.simulation.operators import (
    LIMITS,
    Typist,
    judge_limits,
    judge_rules,
    judge_schedule,
    judge_what_is_left,
    keep_schedule,
    let_rest,
    tighten,
)
from tests.simulation.profiles import PROFILES
from tests.simulation.scenario import (
    FLOWS,
    QUEUES,
    TENDED_FLOWS,
    Ledger,
    Violated,
    Wish,
    client,
    registry,
    wishes,
)
from tests.simulation.servers import Server

T = TypeVar("T")

# Short, so that the loss of a worker is soon over: a run is some virtual minutes.
LEASE_S = 3.0
# When faults end, and by when all must then be done.
QUIET_AT_S = 20.0
OVER_AT_S = 300.0
# Each costs about as much as a tenth of a run.
INSPECTIONS = 3

# The usual one in most runs.
_FOR_ANY = [name for name, profile in PROFILES.items() if profile.is_for_any]
_OF_SEEDS = (*_FOR_ANY, *["usual"] * 2 * (len(_FOR_ANY) - 1))

PROGRAMS = compile_all(
    [(name, source, f"{name}.flow") for name, source in {**FLOWS, **TENDED_FLOWS}.items()]
)


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


def simulate(
    seed: int,
    client: redis.Redis,
    *,
    profile: str = "",
    trace: bool = False,
    is_strict: bool = False,
) -> Report:
    """Run the world of a seed on a server, which loses what it held before.

    Args:
        profile: what chance has to choose from, see profiles.py; the seed says without.
        trace: print every command and reply.
        is_strict: end with the first violation.
    """
    server = Server(client)
    loop = VirtualLoop()
    world = _World(seed, profile, server, loop)
    world.ledger.is_strict = is_strict
    with _quiet_logs():
        try:
            run_on(world.live(), loop)
        except Violated:
            pass
        except (Exception, Died) as error:
            world.ledger.violations.append(f"the run broke off: {error!r}")
    server.close()
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
    def __init__(self, seed: int, profile: str, server: Server, loop: VirtualLoop) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.profile = PROFILES[profile or self.chance.choice(_OF_SEEDS)]
        self.namespace = f"sim{seed}"
        self.keys = KeySpace(self.namespace, even_tags(self.chance.choice(self.profile.partitions)))
        self.ledger = Ledger(lambda execution_id: self.keys.partition(execution_id).tag)
        faults = self.chance.choice(self.profile.faults)
        self.upheavals = self.chance.choice(self.profile.upheavals)
        self.kinds = self._some(self.profile.upheaval_kinds, 3)
        self.losses = self.chance.choice(self.profile.losses)
        self.keepings = self._some(self.profile.keepings, 3)
        fault_kinds = self._some(self.profile.fault_kinds, 4)
        self.network = Network(server, loop.time, self.chance, faults, fault_kinds)
        self.settings = Settings(
            database_url="redis://simulated:1/0",
            namespace=self.namespace,
            lease=LEASE_S,
            shutdown_grace=0.5,
            unknown_task_patience=30.0,
            max_lost_workers=1000,
        )
        self.workers: dict[Process, asyncio.Task[None]] = {}
        self.names = 0
        self.has_schedule = False
        self.typists: list[Typist] = []
        self.is_retried = False
        self.histories: dict[str, list[StoredEvent]] = {}

    def _some(self, kinds: Sequence[T], most: int) -> list[T]:
        """One to so many of these kinds, or all."""
        if self.profile.takes_all:
            return list(kinds)
        return self.chance.sample(kinds, self.chance.randint(1, min(most, len(kinds))))

    async def live(self) -> None:
        setup = self.app("setup", self.network.connect_at_once(self.namespace))
        await definitions.migrate(setup._connection, len(self.keys.partitions))
        await setup.workflow_service.register(PROGRAMS)
        self.ledger.has_limits = random.Random(f"{self.seed} limits").random() < self.profile.limits
        if self.ledger.has_limits:
            await limits.put(setup._connection, LIMITS)
        self.network.server.keep()
        for _ in range(self.chance.choice(self.profile.workers)):
            self.start_worker()
        wanted = wishes(self.chance, self.profile)
        clients = [
            client(
                self.remote_app(Process(f"client{number}")),
                number,
                wish,
                self.chance,
                self.ledger,
                QUIET_AT_S,
                OVER_AT_S,
            )
            for number, wish in enumerate(wanted)
        ]
        interventions = [each async for each in self.intervene(setup, wanted)]
        await asyncio.gather(
            *clients,
            *self.operate(),
            *interventions,
            self.upheave(),
            self.watch(setup),
            self.watch_limits(setup),
        )
        await self.until_all_ended(setup)
        if self.is_retried:
            await retry_all(setup, self.ledger)
            await self.until_all_ended(setup)
        await judge_rules(setup, self.ledger, OVER_AT_S)
        await self.end_workers()
        await self.judge(setup, wanted)

    def operate(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What those do in some runs who look after it."""
        chance = random.Random(f"{self.seed} operators")
        self.has_schedule, is_paused = chance.random() < 0.25, chance.random() < 0.25
        if self.has_schedule:
            app = self.remote_app(Process("keeper"))
            yield keep_schedule(app, chance, self.ledger, QUIET_AT_S)
        for key in ("ada", "bob"):
            if chance.random() < self.profile.typists:
                self.typists.append(Typist(key))
                app = self.remote_app(Process(key))
                yield self.typists[-1].type(app, random.Random(f"{self.seed} {key}"), QUIET_AT_S)
        if is_paused:
            yield let_rest(self.remote_app(Process("pauser")), chance, QUIET_AT_S)
        if self.profile.limits == 1.0:
            app = self.remote_app(Process("tightener"))
            yield tighten(app, random.Random(f"{self.seed} tightener"), QUIET_AT_S)

    async def intervene(
        self, setup: Rhythm, wanted: Sequence[Wish]
    ) -> AsyncIterator[Coroutine[Any, Any, None]]:
        """What those do in some runs who mend and tidy."""
        chance, ledger = random.Random(f"{self.seed} interventions"), self.ledger
        forks, migrates, self.is_retried, tidies = (
            chance.random() < self.profile.interventions for _ in range(4)
        )
        found = list(workflows(wanted).items())
        if forks:
            for id_, wish in chance.sample(found, min(3, len(found))):
                app = self.remote_app(Process(f"forker of {id_}"))
                yield fork_one(app, id_, wish, chance, ledger, QUIET_AT_S, OVER_AT_S)
        if migrates:
            for id_, wish in chance.sample(found, min(3, len(found))):
                await setup.workflow_service.keep(wish.target, OTHERS[wish.target])
                app = self.remote_app(Process(f"migrator of {id_}"))
                yield migrate_one(app, id_, wish, chance, ledger, QUIET_AT_S)
            self.network.server.keep()
        if self.is_retried:
            yield retry_failed(self.remote_app(Process("retrier")), chance, ledger, QUIET_AT_S)
        if tidies:
            app = self.remote_app(Process("herder"))
            yield tend_herd(app, chance, ledger, QUIET_AT_S, OVER_AT_S)

    def app(self, name: str, connection: Connection) -> Rhythm:
        """An application in a process of that name."""
        seed = f"{self.seed} {name}"
        surroundings = SeededSurroundings(self.network.now_ms, seed, name)
        connection.keys = self.keys
        return Rhythm(self.settings, connection, surroundings)

    def remote_app(self, process: Process) -> Rhythm:
        return self.app(process.name, self.network.connect(process, self.namespace))

    def start_worker(self) -> None:
        self.names += 1
        process = Process(f"worker{self.names}")
        self.workers[process] = asyncio.create_task(self.work(process), name=process.name)

    async def work(self, process: Process) -> None:
        app = self.remote_app(process)
        # As a process that starts with the workflows at hand does, without asking the store again.
        app.workflow_service.know(PROGRAMS)
        worker = Worker(
            app,
            queues=QUEUES,
            concurrency=self.chance.randint(*self.profile.concurrency),
            registry=registry(self.ledger),
            keeping=self.chance.choice(self.keepings),
            on_given_back=self.given_back,
        )
        process.drain = worker.stop
        await worker.run()

    def given_back(self, execution_id: str, error: Exception) -> None:
        """A worker that holds a machine of another history may not go on; whoever takes the work
        from it may, and nothing would be seen any more."""
        if isinstance(error, NondeterminismError):
            self.ledger.blame(f"{execution_id} was given back: {error}")

    async def upheave(self) -> None:
        """Kill, pause and start workers, and move the clock, until it is to be quiet."""
        loop = asyncio.get_running_loop()
        for at in sorted(self.chance.uniform(0, QUIET_AT_S) for _ in range(self.upheavals)):
            await asyncio.sleep(max(at - loop.time(), 0))
            # In the midst of something, rather than in one of the long pauses.
            await self.network.until_commands(self.chance.randint(1, 8))
            if loop.time() >= QUIET_AT_S:
                break
            what = self.chance.choice(self.kinds)
            self.network.counts[what] += 1
            await getattr(self, what)()
        await asyncio.sleep(max(QUIET_AT_S - loop.time(), 0))
        self.network.faults = 0.0
        for process in self.workers:
            process.go_on()
        # Of the others, all may have been drained or killed.
        self.start_worker()

    async def watch(self, app: Rhythm) -> None:
        """Now and then, between two commands, look whether all that is kept agrees."""
        loop = asyncio.get_running_loop()
        for at in sorted(self.chance.uniform(0, QUIET_AT_S) for _ in range(INSPECTIONS)):
            await asyncio.sleep(max(at - loop.time(), 0))
            await self.network.until_commands(self.chance.randint(1, 8))
            await self.inspect(app)

    async def watch_limits(self, app: Rhythm) -> None:
        """Where that is what a run is about: again and again."""
        loop = asyncio.get_running_loop()
        while self.profile.limits == 1.0 and loop.time() < QUIET_AT_S:
            await asyncio.sleep(0.2)
            await judge_limits(app, self.keys, self.ledger)

    async def inspect(self, app: Rhythm) -> set[str]:
        """Blame what does not agree with the events; all executions there are."""
        if self.ledger.has_limits:
            await judge_limits(app, self.keys, self.ledger)
        ids = {id_ for id_ in self.histories if id_.partition("/")[0] not in self.ledger.deleted}
        async for execution_id, findings in app.verification_service.verify_all():
            if execution_id.partition("/")[0] not in self.ledger.deleted:
                ids.add(execution_id)
            for finding in findings:
                self.ledger.blame(str(finding))
        for execution_id in sorted(ids):
            history = [event async for event in stream.read(app._connection, execution_id)]
            known = self.histories.get(execution_id, [])
            if history[: len(known)] != known:
                self.ledger.blame(f"{execution_id}: events that it had are gone, or others now")
            self.histories[execution_id] = history
        return ids

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

    async def failover(self) -> None:
        """Of the server that holds all partitions, or of one that holds one of several."""
        tags = [partition.tag for partition in self.keys.partitions]
        tag = self.chance.choice((None, *tags)) if tags[1:] else None
        snapshots = KeySpace(self.namespace, [tag or "*"]).partitions[0].snapshot("*")
        spared = snapshots if self.chance.choice(self.profile.spares_snapshots) else None
        self.network.fail_over(self.chance.choice(self.losses), tag, spared)
        lost_with_it = tags if tag is None else [tag]
        self.ledger.failovers.update(lost_with_it)
        if tag is not None:
            self.ledger.torn.add(tag)
        for execution_id in list(self.histories):
            if self.keys.partition(execution_id).tag in lost_with_it:
                del self.histories[execution_id]

    async def drain(self) -> None:
        if not self.workers:
            return
        process = self.chance.choice(list(self.workers))
        process.drain()
        self.start_worker()

    async def another(self) -> None:
        self.start_worker()

    async def until_all_ended(self, app: Rhythm) -> None:
        """Wait for what is left of trees whose roots have ended; blame what stays."""
        loop = asyncio.get_running_loop()
        while True:
            live = [
                execution.id
                for status in ("pending", "running", "suspended")
                for execution in await app.execution_service.query_executions({"status": status})
            ]
            if not live:
                return
            if loop.time() > OVER_AT_S:
                self.ledger.blame(f"{sorted(live)} live although nobody waits for them")
                return
            await asyncio.sleep(5)

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

    async def judge(self, app: Rhythm, wanted: Sequence[Wish]) -> None:
        """Blame what the invariants forbid; nobody works any more."""
        ids = await self.inspect(app)
        if self.has_schedule:
            await judge_schedule(app, self.ledger)
        if self.ledger.has_limits:
            await judge_what_is_left(app, self.keys, self.ledger)
        for typist in self.typists:
            await typist.judge(app, self.ledger, ids)
        await judge_forks(app, self.ledger, ids)
        await judge_migrated(app, self.ledger, workflows(wanted))
        if self.is_retried:
            await judge_retried(app, self.ledger)
        for id_ in sorted(self.ledger.deleted):
            if left := self.network.server.keys(f"*{id_}*"):
                self.ledger.blame(f"{id_} was deleted and left {left}")
        roots = {
            id_ for id_ in ids if not ({"/", "!", "~", "."} & set(id_) or id_.endswith("-peer"))
        }
        if len(roots) != len(wanted):
            self.ledger.blame(f"{len(wanted)} were asked for, there are {sorted(roots)}")
        for execution_id, count in self.ledger.signalled.items():
            history = await app.history_service.events(execution_id)
            arrived = [
                event.data["payload"] for event in history if event.type == "signal_received"
            ]
            if self.ledger.failovers_of(execution_id):
                arrived.sort()
            if arrived != list(range(count)):
                self.ledger.blame(f"{execution_id} was sent {count} signals and has {arrived}")
        for execution_id in ids:
            execution = await app.execution_service.get_execution(execution_id)
            is_done = execution and execution.type == "task" and execution.status == "completed"
            if is_done and not self.ledger.runs[execution_id]:
                self.ledger.blame(f"task {execution_id} is completed and never ran")
            if execution_id.endswith("-peer"):
                history = await app.history_service.events(execution_id)
                is_once = sum(event.type == "signal_received" for event in history) <= 1
                if not is_once and not self.ledger.is_torn(execution_id.removesuffix("-peer")):
                    self.ledger.blame(f"{execution_id} was sent one signal and got more")


class _quiet_logs:
    """What the engine says of the faults is not what is looked for here."""

    def __enter__(self) -> None:
        self._was = logging.root.manager.disable
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._was)
