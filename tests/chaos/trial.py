"""One run of chaos: clients with a ledger on a ground in storms, and what is found at the end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from pathlib import Path

import msgspec

from rhythm import InitBuilder, Rhythm
from streams.keys import run_of
from tests.chaos.ground import NAMESPACE, Ground
from tests.chaos.storm import Storm
from tests.simulation.profiles import PROFILES
from tests.simulation.scenario import Ledger, client, wishes

CLIENTS = 30
# What began before the last calm must then end: longer than a lost lease and all its retries.
RECOVERY_S = 90.0


# What is cancelled has so long to end by itself.
GRACE_S = 60.0


class Report(msgspec.Struct, frozen=True):
    """What came of a run.

    Attributes:
        faults: how many of each kind.
        asked: how many executions clients began.
        executions: how many there were in the end, with children.
        events: of all of them.
        ended: how many of each status.
        violations: what should not be, a sentence each.
    """

    faults: dict[str, int]
    asked: int
    executions: int
    events: int
    ended: dict[str, int]
    violations: tuple[str, ...]


async def chaos(
    folder: Path,
    seconds: float,
    seed: int,
    *,
    workers: int = 3,
    other: str | None = None,
    binary: Path | None = None,
) -> Report:
    """Storms for so many seconds, then calm until all has ended.

    Args:
        other: a commit whose code every second worker runs.
        binary: the server; None is the `redis-server` of the path.
    """
    logging.getLogger("rhythm").setLevel(logging.CRITICAL)
    chance, ledger = random.Random(seed), Ledger()
    async with Ground(folder, workers, other, binary) as ground:
        builder = InitBuilder().database_url(ground.proxy.url).namespace(NAMESPACE)
        async with builder.workflow_paths([folder / "flows"]) as app:
            loop = asyncio.get_running_loop()
            over_at = loop.time() + seconds
            asked = _Numbers()
            clients = [
                asyncio.create_task(_ask(app, asked, chance, ledger, over_at))
                for _ in range(CLIENTS)
            ]
            storm = Storm(ground, chance)
            await storm.rage(seconds)
            await asyncio.gather(*clients)
            await _all_listen(app, ground, storm)
            for problem in storm.problems:
                ledger.blame(problem)
            for number in range(workers):
                if status := await ground.drain_worker(number):
                    ledger.blame(f"a worker that was told to stop ended with status {status}")
            executions, events, ended = await _judge(app, ledger, asked.last)
        faults = storm.counts + Counter({"reply lost": ground.proxy.lost})
    return Report(
        dict(faults), asked.last, executions, events, dict(ended), tuple(ledger.violations)
    )


async def _all_listen(app: Rhythm, ground: Ground, storm: Storm) -> None:
    """Wait until all workers are registered: one that has just begun ends at once by a signal."""
    async with asyncio.timeout(RECOVERY_S):
        while not ground.pids() <= {one.pid for one in (await app.diagnose()).workers}:
            await asyncio.sleep(0.1)
            storm.replace_ended()


class _Numbers:
    last = 0

    def next(self) -> int:
        self.last += 1
        return self.last


async def _ask(
    app: Rhythm, numbers: _Numbers, chance: random.Random, ledger: Ledger, over_at: float
) -> None:
    """A client that wants one thing after the other."""
    loop = asyncio.get_running_loop()
    while loop.time() < over_at:
        for wish in wishes(chance, PROFILES["usual"]):
            if loop.time() >= over_at:
                return
            if wish.target == "stubborn" and loop.time() >= over_at - GRACE_S:
                # It resists its cancellation: all would wait until its time of grace is over.
                continue
            done_by = over_at + RECOVERY_S
            # It asks at once, and waits for no calm before the next.
            await client(app, numbers.next(), wish, chance, ledger, 0.0, done_by)


async def _judge(app: Rhythm, ledger: Ledger, asked: int) -> tuple[int, int, Counter[str]]:
    ids, events = set[str](), 0
    async for execution_id, findings in app.verification_service.verify_all():
        ids.add(execution_id)
        for finding in findings:
            ledger.blame(str(finding))
    # Who restarts goes on as another run of what was asked for.
    first_runs = {run_of(id_)[0] for id_ in ids}
    roots = {id_ for id_ in first_runs if "/" not in id_ and not id_.endswith("-peer")}
    wanted = {f"wish{number}" for number in range(1, asked + 1)}
    for execution_id in sorted(wanted - roots):
        ledger.blame(f"{execution_id} was acknowledged and is gone")
    for execution_id in sorted(roots - wanted):
        ledger.blame(f"nobody asked for {execution_id}")
    ended = Counter[str]()
    for execution_id in sorted(ids):
        execution = await app.execution_service.get_execution(execution_id)
        assert execution is not None
        events += execution.version
        ended[execution.status] += 1
        if not execution.status.finished:
            ledger.blame(f"{execution_id} ({execution.target_name}) is {execution.status}")
        history = await app.history_service.events(execution_id)
        signals = [e.data["payload"] for e in history if e.type == "signal_received"]
        if execution_id.endswith("-peer") and len(signals) > 1:
            ledger.blame(f"{execution_id} was sent one signal and got more")
        sent = ledger.signalled.get(execution_id)
        if sent is not None and signals != list(range(sent)):
            ledger.blame(f"{execution_id} was sent {sent} signals and has {signals}")
    return len(ids), events, ended
