"""What those do in a simulated world who mend and tidy: fork, migrate, and do the same to many.

Chance decides apart from the rest of the run, as for operators.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from flowlang import Program
from rhythm import (
    ConnectionLost,
    ExecutionExists,
    ExecutionFinished,
    ExecutionNotFound,
    ExecutionStatus,
    HistoryEvent,
    InvalidRequest,
    NondeterminismError,
    WaitTimeout,
)
from rhythm.builder import Rhythm
from rhythm.events import TERMINAL
from rhythm.services.bulk import BulkAction, BulkResult
from rhythm.services.workflows import compile_all
from tests.simulation.network import MOST_LATE_S
from tests.simulation.scenario import (
    FLOWS,
    TENDED_FLOWS,
    Ledger,
    Wish,
    end,
    judge,
    repeated,
    send,
    wait,
)

# Each decides as the flow of its name does, by another program and with one variable more.
_OTHER_SOURCES: Final = {
    name: f"let generation = 2\n{source}" for name, source in {**FLOWS, **TENDED_FLOWS}.items()
}
OTHERS: Final[Mapping[str, Program]] = compile_all(
    [(name, source, f"{name}.flow") for name, source in _OTHER_SOURCES.items()]
)

# Their runs follow each other under one id, or they talk to others that are not forked with them.
_NEITHER = frozenset({"endless", "rounds", "parent_of_rounds", "peers"})

FALTERING, HERD = "falters", "herd"

T = TypeVar("T")


def workflows(wanted: Sequence[Wish]) -> dict[str, Wish]:
    """Those that can be forked and migrated, by id."""
    return {
        f"wish{number}": wish
        for number, wish in enumerate(wanted)
        if not wish.is_task and wish.target not in _NEITHER
    }


async def fork_one(
    app: Rhythm,
    source: str,
    wish: Wish,
    chance: random.Random,
    ledger: Ledger,
    quiet_at_s: float,
    over_at_s: float,
) -> None:
    """Fork what a client asked for, after any of its events, perhaps onto another script and with
    another value in it; it ends as that does."""
    loop = asyncio.get_running_loop()
    fork = f"{source}.fork"
    results, signals = chance.random() < 0.5, chance.random() < 0.5
    script = _OTHER_SOURCES[wish.target] if chance.random() < 0.4 else None
    await asyncio.sleep(chance.uniform(0, quiet_at_s))
    began, failovers, at = ledger.failovers_of(fork), -1, 0
    while failovers != ledger.failovers_of(fork):
        failovers = ledger.failovers_of(fork)
        try:
            history = await _answered(lambda: app.history_service.events(source))
            at = at or _some_event(chance, history)

            async def make(at: int = at) -> None:
                await app.history_service.fork(
                    source,
                    at,
                    id=fork,
                    # It has no variables before its first turn.
                    edits={"generation": 3} if script and at > 1 else None,
                    source=script,
                    results=results,
                    signals=signals,
                )

            try:
                await repeated(make)
                ledger.forked[fork] = (at, failovers)
            except ExecutionExists as error:
                # What it was made of before the failover, or before its source was migrated.
                if (
                    failovers == began == ledger.failovers_of(fork)
                    and source not in ledger.migrated
                ):
                    ledger.blame(f"{fork} was made once, and there is another one: {error}")
            except InvalidRequest as error:
                if ledger.failovers_of(fork) != began:
                    at = 1
                    failovers = -1
                    continue
                ledger.blame(f"{source} cannot be forked at {at}: {error}")
                return
            if wish.target == "signals":
                await _send_the_rest(app, fork, wish.inputs["n"], ledger)
            if wish.ends != "by itself":
                await asyncio.sleep(chance.expovariate(0.4))
                await end(app, fork, wish.ends)
            ended = await wait(app, fork, wish, over_at_s, ledger, failovers)
        except ExecutionNotFound:
            if loop.time() > quiet_at_s:
                # Its source may be gone, by a failover since it was made.
                _, made_at = ledger.forked.get(fork, (0, -1))
                if made_at == ledger.failovers_of(fork):
                    ledger.blame(f"{fork} was acknowledged and is gone")
                return
            # Its source is not there yet, or a failover lost one of them.
            await asyncio.sleep(1)
            failovers = -1
            continue
        except (ConnectionLost, WaitTimeout) as error:
            ledger.blame(f"{fork} ({wish.target}) is stuck: {error}")
            return
        if ended is not None:
            judge(fork, wish, ended, ledger)
            await asyncio.sleep(max(quiet_at_s - loop.time(), 0))


def _some_event(chance: random.Random, history: Sequence[HistoryEvent]) -> int:
    """One at which its script had not ended, nor was to end."""
    asked_to_end = [event.version for event in history if event.type == "cancel_requested"]
    decided = [event.version for event in history if event.type == "decided"]
    if history[-1].type in TERMINAL:
        # By the last one its script may have ended.
        decided = decided[:-1]
    most = min([*asked_to_end, len(history)])
    return chance.randint(1, max((version for version in decided if version < most), default=1))


async def _send_the_rest(app: Rhythm, fork: str, count: int, ledger: Ledger) -> None:
    """The signals that did not come along with its history."""
    history = await _answered(lambda: app.history_service.events(fork))
    had = {event.data["payload"] for event in history if event.type == "signal_received"}
    for number in range(count):
        if number not in had:
            await send(app, fork, number, ledger)


async def migrate_one(
    app: Rhythm,
    execution_id: str,
    wish: Wish,
    chance: random.Random,
    ledger: Ledger,
    quiet_at_s: float,
) -> None:
    """Let what a client asked for go on with another definition; it ends as it would have."""
    loop = asyncio.get_running_loop()
    digest = OTHERS[wish.target].digest
    await asyncio.sleep(chance.uniform(0, quiet_at_s / 2))
    failovers, may_be_done = ledger.failovers_of(execution_id), False
    while loop.time() < quiet_at_s:
        if failovers != ledger.failovers_of(execution_id):
            failovers, may_be_done = ledger.failovers_of(execution_id), True
        ledger.migrated.setdefault(execution_id, None)
        try:
            await app.history_service.migrate_execution(execution_id, digest)
        except ConnectionLost:
            may_be_done = True
            await asyncio.sleep(1)
            continue
        except ExecutionNotFound:
            # It is not there yet, or no more.
            await asyncio.sleep(1)
            continue
        except ExecutionFinished:
            return
        except NondeterminismError as error:
            ledger.blame(f"{execution_id} does not replay on the other definition: {error}")
            return
        except InvalidRequest as error:
            if error.argument == "execution_id":
                # It is at work without a pause.
                await asyncio.sleep(1)
                continue
            if not may_be_done and failovers == ledger.failovers_of(execution_id):
                ledger.blame(f"{execution_id} was migrated by this call, which says: {error}")
        if failovers == ledger.failovers_of(execution_id):
            ledger.migrated[execution_id] = failovers
            # The clock may stand a moment before that, which is not the time for another one.
            await asyncio.sleep(max(quiet_at_s - loop.time(), 0))
            return


async def retry_failed(
    app: Rhythm, chance: random.Random, ledger: Ledger, quiet_at_s: float
) -> None:
    """Retry all that have failed, again and again."""
    loop = asyncio.get_running_loop()
    while loop.time() < quiet_at_s:
        await asyncio.sleep(chance.uniform(1, 6))
        await retry_all(app, ledger)


async def retry_all(app: Rhythm, ledger: Ledger) -> None:
    before = ledger.failovers.total()
    filters = {"target_name": FALTERING, "status": "failed"}
    result = await _bulk(app, "retry", filters)
    if result.refused and ledger.failovers.total() == before == 0:
        ledger.blame(f"retries were refused: {result.refused}")


async def tend_herd(
    app: Rhythm, chance: random.Random, ledger: Ledger, quiet_at_s: float, over_at_s: float
) -> None:
    """Start some that never end, pause, resume and end them all at once, and delete them."""
    loop = asyncio.get_running_loop()
    ids = [f"{HERD}.{number}" for number in range(chance.randint(2, 5))]
    how: BulkAction = chance.choice(("cancel", "terminate"))
    wish = Wish(HERD, ends="cancel" if how == "cancel" else "terminate")
    ledger.deleted.update(ids)
    failovers = -1
    while failovers != sum(map(ledger.failovers_of, ids)):
        failovers = sum(map(ledger.failovers_of, ids))
        try:
            for id_ in ids:
                await repeated(partial(_begin, app, id_))
            for id_ in chance.sample(ids, chance.randint(0, len(ids))):
                # Of some, what a failover did not lose has ended already.
                with contextlib.suppress(ExecutionFinished):
                    await repeated(partial(app.execution_service.pause_execution, id_))
            await asyncio.sleep(chance.uniform(0, 2))
            await _bulk(app, "resume", {"target_name": HERD})
            # A start may still arrive whose sender has given up: it would begin a deleted one anew.
            await asyncio.sleep(MOST_LATE_S)
            before = {id_: ledger.failovers_of(id_) for id_ in ids}
            await _bulk(app, how, {"target_name": HERD})
            for id_ in ids:
                ended = await wait(app, id_, wish, over_at_s, ledger, before[id_])
                if ended is None:
                    break
                if ended.status is not ExecutionStatus.CANCELLED:
                    ledger.blame(f"{id_} is {ended.status} after all were to {how}")
            await _delete_all(app, ledger, over_at_s)
        except ExecutionNotFound as error:
            if failovers == sum(map(ledger.failovers_of, ids)):
                ledger.blame(f"of those that were to {how} together: {error}")
        except (ConnectionLost, WaitTimeout) as error:
            ledger.blame(f"of those that were to {how} together one is stuck: {error}")
            return
        await asyncio.sleep(max(quiet_at_s - loop.time(), 0))


async def _begin(app: Rhythm, execution_id: str) -> None:
    await app.execution_service.create_execution(
        exec_type="workflow", target_name=HERD, inputs={}, id=execution_id
    )


async def _delete_all(app: Rhythm, ledger: Ledger, over_at_s: float) -> None:
    """Until there is none; of some a child is still to end."""
    while True:
        result = await _bulk(app, "delete", {"target_name": HERD})
        if result.refused:
            ledger.blame(f"deletions were refused: {result.refused}")
        if not result.matched:
            return
        if asyncio.get_running_loop().time() > over_at_s:
            ledger.blame(f"there are {result.matched} that cannot be deleted")
            return
        await asyncio.sleep(1)


async def _bulk(app: Rhythm, action: BulkAction, filters: Mapping[str, Any]) -> BulkResult:
    return await _answered(lambda: app.bulk_service.run(action, filters))


async def _answered(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    while True:
        try:
            return await call()
        except ConnectionLost:
            await asyncio.sleep(1)


async def judge_forks(app: Rhythm, ledger: Ledger, ids: Collection[str]) -> None:
    """Blame forks that are gone or share another history than their source's."""
    for fork, (at, failovers) in ledger.forked.items():
        if failovers != ledger.failovers_of(fork):
            continue
        if fork not in ids:
            ledger.blame(f"{fork} was acknowledged and is gone")
            continue
        theirs = await app.history_service.events(fork.removesuffix(".fork"))
        own = await app.history_service.events(fork)
        if own[1:at] != theirs[1:at]:
            ledger.blame(f"{fork} does not share what its source had done by event {at}")
        if [event.version for event in own if event.type == "forked"] != [at + 1]:
            ledger.blame(f"{fork} is not forked once, after event {at}")


async def judge_migrated(app: Rhythm, ledger: Ledger, wanted: Mapping[str, Wish]) -> None:
    """Blame what was to go on with another definition, and did not, or more than once."""
    for execution_id, failovers in ledger.migrated.items():
        if failovers is None or failovers != ledger.failovers_of(execution_id):
            continue
        history = await app.history_service.events(execution_id)
        execution = await app.execution_service.get_execution(execution_id)
        times = sum(event.type == "migrated" for event in history)
        digest = OTHERS[wanted[execution_id].target].digest
        if times != 1 or execution is None or execution.definition != digest:
            ledger.blame(f"{execution_id} was migrated and shows that {times} times: {execution}")


async def judge_retried(app: Rhythm, ledger: Ledger) -> None:
    """Blame what failed and was not retried, once and well."""
    found = await app.execution_service.query_executions(
        {"target_name": FALTERING, "limit": 10_000}
    )
    failed = {one.id for one in found if one.status == "failed"}
    well = {one.id for one in found if one.status == "completed" and one.output == 14}
    if {f"{id_}.retry" for id_ in failed} != well or len(found) != len(failed) + len(well):
        ledger.blame(f"of {sorted(failed)} there are {sorted(one.id for one in found)}")
