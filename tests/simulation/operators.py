"""What those do who look after a simulated world: keep a schedule, limit work, let it rest, and ask
for the same thing again and again.

Chance decides apart from the rest of the run, so that runs without them go as they did.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from rhythm import ConnectionLost, Debounce, ScheduleExists, ScheduleNotFound
from rhythm.builder import Rhythm
from rhythm.models import from_unix_ms
from rhythm.services.translation import translated
from streams import limits, rules
from streams.keys import KeySpace
from streams.limits import Limits
from tests.simulation.scenario import FLOWS, QUEUES, Ledger, repeated

SCHEDULE = "each-second"
EVERY_MS = 1_000

# Calls that tell several partitions take some milliseconds.
LOST_WITHIN_S = 0.008

# Few enough that there is always something that waits.
LIMITS = {
    "task:square": Limits(most=2, begin=4, within_ms=3_000),
    "task:add": Limits(key_most=1),
    "task:slow": Limits(most=1),
    "queue:other": Limits(most=3),
}

_RESTING: tuple[tuple[Any, str], ...] = (
    *(("queue", queue) for queue in QUEUES),
    *(("workflow", name) for name in FLOWS),
    *(("task", name) for name in ("add", "square", "slow", "patient")),
)


async def keep_schedule(
    app: Rhythm, chance: random.Random, ledger: Ledger, quiet_at_s: float
) -> None:
    """Have something started every second for a while, whatever is lost."""
    loop = asyncio.get_running_loop()
    service = app.scheduler_service
    overlap = chance.choice(("allow", "skip", "queue", "cancel"))
    await asyncio.sleep(chance.uniform(0, quiet_at_s / 2))
    failovers = -1

    async def create() -> None:
        # Changed already; or lost by a failover before it was read, which the next change tells.
        with contextlib.suppress(ScheduleExists, ScheduleNotFound):
            await service.create_schedule(
                id=SCHEDULE,
                target_name="square",
                exec_type="task",
                inputs={"x": 5},
                every=EVERY_MS / 1000,
                overlap=overlap,
                queue="other",
            )

    async def change(call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        while True:
            try:
                await call()
                return
            except ScheduleNotFound:
                if failovers == ledger.failovers_of(SCHEDULE):
                    ledger.blame("the schedule was acknowledged and is gone")
                await create()  # of which a failover may lose the record again

    while failovers != ledger.failovers_of(SCHEDULE):
        # What was acknowledged may be gone with a failover, or as it was before.
        failovers = ledger.failovers_of(SCHEDULE)
        await repeated(create)
        await asyncio.sleep(chance.uniform(1, 5))
        await repeated(lambda: change(lambda: service.change_schedule(SCHEDULE, note="changed")))
        await asyncio.sleep(chance.uniform(0, 3))
        await repeated(lambda: change(lambda: service.pause_schedule(SCHEDULE)))
        await asyncio.sleep(max(quiet_at_s - loop.time(), 0))


async def let_rest(app: Rhythm, chance: random.Random, quiet_at_s: float) -> None:
    """Pause queues, workflows and tasks, and resume them; at the end nothing is paused. Where a
    call tells several partitions, its caller may be lost meanwhile."""
    loop = asyncio.get_running_loop()
    service = app.pause_service
    resting = chance.sample(_RESTING, chance.randint(1, 4))
    tells_many = len(app._connection.keys.partitions) > 1
    while loop.time() < quiet_at_s:
        kind, name = chance.choice(resting)
        for call in (partial(service.pause, kind, name), partial(service.resume, kind, name)):
            if tells_many and chance.random() < 0.5:
                await broken_off(call, chance)
            else:
                await repeated(call)
            if call.func == service.pause:
                await asyncio.sleep(chance.uniform(0.1, 4))
        await asyncio.sleep(chance.uniform(0, 2))
    for kind, name in resting:
        await repeated(partial(service.resume, kind, name))


async def tighten(app: Rhythm, chance: random.Random, quiet_at_s: float) -> None:
    """Lower limits and raise them again, never above `LIMITS`; callers are lost meanwhile, and
    nobody repeats what they began."""
    loop = asyncio.get_running_loop()

    async def put(scope: str, given: Limits) -> None:
        with translated():
            await limits.put(app._connection, {scope: given})

    while loop.time() < quiet_at_s:
        await asyncio.sleep(chance.uniform(0, 4))
        scope = chance.choice(list(LIMITS))
        lower = msgspec.structs.replace(LIMITS[scope], most=1)
        call = partial(put, scope, chance.choice((lower, LIMITS[scope])))
        if chance.random() < 0.7:
            await broken_off(call, chance)
        else:
            await repeated(call)


async def broken_off(call: Callable[[], Coroutine[Any, Any, Any]], chance: random.Random) -> None:
    """Have the caller be lost while it makes a call."""
    calling = asyncio.create_task(call())
    await asyncio.sleep(chance.uniform(0, LOST_WITHIN_S))
    calling.cancel()
    await asyncio.wait({calling})
    if not calling.cancelled():
        calling.exception()


async def judge_rules(app: Rhythm, ledger: Ledger, over_at_s: float) -> None:
    """Blame what some partitions never hear of; workers live."""
    while left := await rules.on_their_way(app._connection):
        if asyncio.get_running_loop().time() > over_at_s:
            ledger.blame(f"partitions have not heard of {left}")
            return
        await asyncio.sleep(1)


class Typist:
    """Somebody who asks for the square of one number after the other: of those that come soon after
    each other only the newest is to be had."""

    WAIT_MS, MOST_MS = 400, 1_500

    def __init__(self, key: str) -> None:
        self.key = key
        self.typed: dict[int, str] = {}
        self.unsure: set[int] = set()
        """Numbers of calls that ended without an answer: they may have been made twice."""

    async def type(self, app: Rhythm, chance: random.Random, quiet_at_s: float) -> None:
        """Ask, in bursts."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(chance.uniform(0, quiet_at_s / 2))
        for number in range(chance.randint(3, 15)):
            while number not in self.typed:
                try:
                    self.typed[number] = await app.execution_service.create_execution(
                        exec_type="task",
                        target_name="square",
                        inputs={"x": number},
                        debounce=Debounce(
                            key=self.key,
                            wait=self.WAIT_MS / 1000,
                            max_wait=self.MOST_MS / 1000,
                        ),
                    )
                except ConnectionLost:
                    self.unsure.add(number)
            await asyncio.sleep(chance.choice((0, 0.1, 0.3, 0.6, 2)))
        await asyncio.sleep(max(quiet_at_s - loop.time(), 0))

    async def judge(self, app: Rhythm, ledger: Ledger, ids: Iterable[str]) -> None:
        """Blame starts that were lost or had twice, and what did not come of the newest."""
        had = Counter[int]()
        for id_ in ids:
            if not id_.startswith(f"{self.key}!"):
                continue
            history = await app.history_service.events(id_)
            starts = [event for event in history if event.type in ("created", "postponed")]
            numbers = [event.data["inputs"]["x"] for event in starts]
            had.update(numbers)
            due = from_unix_ms(starts[-1].data["due_ms"])
            gaps = [b.at - a.at for a, b in itertools.pairwise(starts)]
            latest = starts[0].at + timedelta(milliseconds=self.MOST_MS)
            # What got no answer is asked again, and may come late once more.
            sure = [number for number in numbers if number not in self.unsure]
            if sure != sorted(sure) or history[-1].data.get("output") != numbers[-1] ** 2:
                ledger.blame(f"{id_} was started with {numbers} and gave {history[-1].data}")
            if any(gap >= timedelta(milliseconds=self.WAIT_MS) for gap in gaps) or due > latest:
                ledger.blame(f"{id_} took starts after its time: {gaps}, due {due}")
            told = {id_ for number, id_ in self.typed.items() if number in numbers}
            if told - {id_} and not self.unsure & set(numbers):
                ledger.blame(f"who started {id_} was told {told}")
        if ledger.failovers_of(f"{self.key}!"):
            return  # Some may be lost, or have been moved to others.
        for number in self.typed:
            if had[number] != 1 and not (had[number] and number in self.unsure):
                ledger.blame(f"{self.key} {number} was asked for once, and had {had[number]} times")


async def judge_limits(app: Rhythm, keys: KeySpace, ledger: Ledger) -> None:
    """Blame what runs beyond a limit now."""
    if len(keys.partitions) > 1 and ledger.failovers.total():
        # What was given up by one partition and granted to another may be lost with either.
        return
    executions = app.execution_service
    running = await executions.query_executions({"status": "running", "type": "task"})
    for scope, set_ in LIMITS.items():
        kind, _, name = scope.partition(":")
        counts = Counter[str | None]()
        for one in running:
            if name == (one.queue if kind == "queue" else one.target_name):
                counts[None] += 1
                counts[one.key or ""] += 1
        for key, count in counts.items():
            most = set_.most if key is None else key and set_.key_most
            if most and count > most:
                ledger.blame(f"{count} of {scope} run at once, of key {key!r}")


async def judge_what_is_left(app: Rhythm, keys: KeySpace, ledger: Ledger) -> None:
    """Blame what counts at a limit although it has ended; nobody works any more."""
    # A partition that has no share of a limit takes out what waits there, and has been cancelled,
    # when it is given one.
    may_wait = len(keys.partitions) > 1
    for one in await limits.read(app._connection):
        if one.running or (one.waiting and not may_wait):
            ledger.blame(f"of {one.kind} {one.name} {one.running} run, {one.waiting} wait")


async def judge_schedule(app: Rhythm, ledger: Ledger) -> None:
    """Blame due times that were had twice, or not at all; nobody works any more."""
    schedule = await app.scheduler_service.get_schedule(SCHEDULE)
    if schedule is None:
        ledger.blame("the schedule was acknowledged and is gone")
        return
    found = await app.execution_service.query_executions({"schedule": SCHEDULE, "limit": 10_000})
    if len(found) != schedule.started:
        ledger.blame(f"the schedule counts {schedule.started} starts, there are {len(found)}")
    if schedule.running or schedule.failed or schedule.missed:
        ledger.blame(f"the schedule ended as {schedule}")
    for one in found:
        is_well = one.status == "completed" and one.output == 25
        if not is_well and not (schedule.overlap == "cancel" and one.status == "cancelled"):
            ledger.blame(f"{one.id} is {one.status} with {one.output!r}")
    had = sorted(int(one.id.partition("!")[2]) for one in found)
    # A paused schedule that a failover woke has no times between.
    if had and schedule.overlap != "skip" and not ledger.failovers_of(SCHEDULE):
        due = list(range(had[0], had[-1] + 1, EVERY_MS))
        if had != due:
            ledger.blame(f"of the schedule's due times {sorted({*due} ^ {*had})} are missing")
