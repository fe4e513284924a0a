"""What is amiss with a namespace, its server and its workers, and what to do about it.

What was seen is put together first; every rule then looks at that alone.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from flowlang.asked_for import AskedFor, asked_for
from rhythm.errors import FlowSyntaxError, RhythmError, did_you_mean
from rhythm.models import (
    Diagnosis,
    ExecutionType,
    Finding,
    Latency,
    Pause,
    QueueInfo,
    Severity,
    WorkerInfo,
    from_unix_ms,
)
from rhythm.services import staff
from rhythm.services.pauses import PauseService
from rhythm.services.staff import Colleague
from rhythm.services.translation import translated
from rhythm.services.workflows import WorkflowService
from rhythm.settings import Settings
from rhythm.surroundings import Surroundings
from streams import definitions, outbox, pauses, projections, rules, schedules
from streams.connection import Connection
from streams.inspection import Concern, ServerReport
from streams.projections import Description
from streams.rules import OnItsWay
from streams.schedules import StoredSchedule

# Within a data centre a call takes a fraction of a millisecond; work that needs some calls for
# each step is slow from here on.
SLOW_CALL_S: Final = 0.05
# Clocks that are kept by NTP are within some milliseconds of each other.
CLOCKS_APART_MS: Final = 5_000
# Timers and schedules are tended within a lease's time also when the timekeeper has died.
OVERDUE_MS: Final = 30_000
# Long enough for a burst of work to be through.
WAITS_LONG_S: Final = 60.0
# What is paused for the night is resumed in the morning.
FORGOTTEN_S: Final = 24 * 3600.0
# A schedule that has so many due times waiting will not catch up by itself.
WAITING_FIRES: Final = 10

# The timekeeper delivers some thousand a second.
MESSAGES_WAIT: Final = 1_000
# Of one processor, which is all that Redis uses for scripts: from here on calls wait.
BUSY: Final = 0.85

# Long enough for what a system counts of a process to be right to some percent.
_WATCHED_S: Final = 0.1
_CALLS_TIMED: Final = 5
_NAMED: Final = 3


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules look at.

    Attributes:
        own_ms: this process's clock, and `server_ms` the server's, at the same moment.
        call_s: how long a call of the server takes.
        rests: since when executions are paused each by itself, the longest of them, by id; resting:
            how many there are for too long.
        busy: the share of a processor that the server's main thread takes, of a Cluster the busiest
            one's; None where nobody looked.
        messages: how many to other executions wait to be delivered.
        on_their_way: pauses and limits that some partitions have not heard of.
        replicas: how many are to confirm a call, by the settings.
        history_limit: events that a live workflow may have, by the settings.
        asked: what each workflow's latest source asks for by name; broken: why one cannot be read.
    """

    report: ServerReport
    described: Description
    workers: Sequence[Colleague]
    scheduled: Sequence[StoredSchedule]
    pauses: Sequence[Pause]
    own_ms: int
    server_ms: int
    call_s: float
    rests: Mapping[str, datetime] = {}
    resting: int = 0
    busy: float | None = None
    messages: int = 0
    on_their_way: Sequence[OnItsWay] = ()
    replicas: int
    history_limit: int
    asked: Mapping[str, Sequence[AskedFor]] = {}
    broken: Mapping[str, str] = {}

    @property
    def alive(self) -> list[Colleague]:
        """The workers whose lease has not run out."""
        return [worker for worker in self.workers if worker.lease_left_ms >= 0]

    def is_paused(self, kind: str, name: str) -> bool:
        """Whether nobody is to take work of it for now."""
        return any((pause.kind, pause.name) == (kind, name) for pause in self.pauses)

    def serving(self, queue: str) -> list[Colleague]:
        """The workers that live and serve a queue."""
        return [worker for worker in self.alive if queue in worker.about.queues]

    def waits_s(self, queue: str) -> float | None:
        """How long what a queue hands out next has been ready; None when nothing waits."""
        since_ms = self.described.oldest_ms.get(queue)
        return None if since_ms is None else max(self.described.now_ms - since_ms, 0) / 1000


class DiagnosisService:
    """Looks at everything and judges it; behind `app.diagnose()`."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        surroundings: Surroundings,
        pauses: PauseService,
        workflows: WorkflowService,
    ) -> None:
        self._connection, self._settings, self._surroundings = connection, settings, surroundings
        self._pauses, self._workflows = pauses, workflows

    async def diagnose(self, *, reads_workflows: bool) -> Diagnosis:
        """The state of the server, the namespace, its workers and queues, for operators.

        Args:
            reads_workflows: compare the names in the latest sources with what workers know.
        """
        with translated():
            report = await self._connection.inspect()
            if any(concern.code == "is-replica" for concern in report.concerns):
                # It would refuse every script.
                described, stored = projections.NOTHING, []
            else:
                described = await projections.describe(self._connection)
                names = await schedules.names(self._connection)
                stored = await schedules.read(self._connection, names)
            own_ms, server_ms, call_s = await self._clocks()
            schema = await definitions.check(self._connection)
            messages = await outbox.waiting(self._connection)
            on_their_way = await rules.on_their_way(self._connection)
            resting, rests = await pauses.executions(
                self._connection, server_ms - round(FORGOTTEN_S * 1000), _NAMED
            )
            busy = await self._busy() if reads_workflows else None
        asked: dict[str, list[AskedFor]] = {}
        broken: dict[str, str] = {}
        for name in await self._workflows.known_names() if reads_workflows else ():
            try:
                asked[name] = asked_for(await self._workflows.latest(name))
            except (RhythmError, FlowSyntaxError) as error:
                broken[name] = str(error)
        seen = Seen(
            report=report,
            described=described,
            workers=staff.colleagues(described),
            scheduled=stored,
            pauses=await self._pauses.list_pauses(),
            own_ms=own_ms,
            server_ms=server_ms,
            call_s=call_s,
            rests={id_: from_unix_ms(since_ms) for id_, since_ms in rests.items()},
            resting=resting,
            busy=busy,
            messages=messages,
            on_their_way=on_their_way,
            replicas=self._settings.replicas,
            history_limit=self._settings.history_limit,
            asked=asked,
            broken=broken,
        )
        return self._diagnosis(seen, schema)

    async def latencies(self, limit: int) -> list[Latency]:
        """How long those of the `limit` newest executions took that have completed, by name."""
        filters = projections.Filters(status="completed")
        with translated():
            ids = await projections.query_executions(self._connection, filters, limit=limit)
            found = await projections.get_facts(self._connection, ids)
        return latencies(found)

    async def _clocks(self) -> tuple[int, int, float]:
        """This process's clock and the server's, and how long a call took; of some calls the one
        in the middle, since a single one may meet with anything."""
        loop_time = asyncio.get_running_loop().time
        timed = []
        for _ in range(_CALLS_TIMED):
            began = loop_time()
            server_ms = await self._connection.server_ms()
            timed.append((loop_time() - began, server_ms, self._surroundings.now_ms()))
        middle_s = statistics.median(took_s for took_s, _, _ in timed)
        took_s, server_ms, own_ms = min(timed)
        return own_ms - round(took_s * 500), server_ms, middle_s

    async def _busy(self) -> float | None:
        """The share of a processor that the server's main thread takes just now."""
        loop_time = asyncio.get_running_loop().time
        began, before = loop_time(), await self._connection.processor_s()
        if not before:
            return None
        await asyncio.sleep(_WATCHED_S)
        after = await self._connection.processor_s()
        elapsed_s = loop_time() - began
        # After a failover another one answers.
        return max(
            (min(max(b - a, 0) / elapsed_s, 1) for a, b in zip(before, after, strict=False)),
            default=None,
        )

    def _diagnosis(self, seen: Seen, schema: int) -> Diagnosis:
        report, described = seen.report, seen.described
        served = {queue for worker in seen.workers for queue in worker.about.queues}
        return Diagnosis(
            server=report.kind,
            server_version=report.version,
            persistence=report.persistence,
            maxmemory_policy=report.maxmemory_policy,
            namespace=self._settings.namespace,
            schema=schema,
            partitions=len(self._connection.keys.partitions),
            workers=[_worker_info(worker) for worker in seen.workers],
            queues=[
                QueueInfo(
                    name=queue,
                    ready=described.ready.get(queue, 0),
                    workers=sum(queue in worker.about.queues for worker in seen.workers),
                    limited=described.limited.get(queue, 0),
                    oldest_waits_s=seen.waits_s(queue),
                )
                for queue in sorted(served | set(described.ready))
            ],
            pauses=list(seen.pauses),
            due=described.due,
            executions=described.executions,
            findings=findings(seen),
        )


def _worker_info(worker: Colleague) -> WorkerInfo:
    about = worker.about
    return WorkerInfo(
        id=worker.id,
        host=about.host,
        pid=about.pid,
        queues=list(about.queues),
        tasks=sorted(about.tasks),
        started_at=from_unix_ms(about.started_ms),
        lease_expires_in_ms=worker.lease_left_ms,
        holding=worker.holding,
        claimed_ms_ago=worker.silent_ms,
        able_to_claim=worker.is_able,
        concurrency=about.concurrency,
        version=about.version,
        python=about.python,
        build=about.build,
        clock_ahead_ms=about.ahead_ms,
    )


def latencies(found: Sequence[Mapping[str, str]]) -> list[Latency]:
    """What projections tell of completed executions, by type and name, the most frequent first."""
    by_name: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for facts in found:
        if not facts.keys() >= {"ty", "tg", "cr", "sa", "co"}:
            continue  # ended before anybody began it, or deleted meanwhile
        created, began, ended = (int(facts[name]) / 1000 for name in ("cr", "sa", "co"))
        by_name.setdefault((facts["ty"], facts["tg"]), []).append((began - created, ended - began))
    told = []
    for (type_, name), times in by_name.items():
        waited, took = (sorted(one) for one in zip(*times, strict=True))
        told.append(
            Latency(
                type=ExecutionType(type_),
                target_name=name,
                count=len(times),
                waited_s=statistics.median(waited),
                waited_most_s=_most(waited),
                took_s=statistics.median(took),
                took_most_s=_most(took),
            )
        )
    return sorted(told, key=lambda one: (-one.count, one.type, one.target_name))


def _most(times: Sequence[float]) -> float:
    """The longest of sorted times but for the twentieth part."""
    return times[-1 - len(times) // 20]


# The rules.


def findings(seen: Seen) -> list[Finding]:
    """What is amiss, errors first."""
    found = [finding for rule in _RULES for finding in rule(seen)]
    return sorted(found, key=lambda finding: finding.severity is not Severity.ERROR)


def _error(code: str, text: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, text=text, remedy=remedy)


def _warning(code: str, text: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, text=text, remedy=remedy)


def _of_server(seen: Seen) -> Iterator[Finding]:
    yield from map(finding_of, seen.report.concerns)
    if seen.replicas > seen.report.replicas and seen.report.kind != "embedded":
        yield _error(
            "too-few-replicas",
            f"calls are to be confirmed by {seen.replicas} replicas (setting 'replicas'), and "
            f"{seen.report.replicas} follow: they end with NotReplicated",
            "start more replicas, or lower the setting",
        )
    if seen.call_s > SLOW_CALL_S:
        yield _warning(
            "slow-server",
            f"a call of Redis takes {seen.call_s * 1000:.0f} ms",
            "see 'redis-cli --latency' from here, SLOWLOG GET and the processor there: it "
            "should be near, and its disk its own",
        )
    if seen.busy is not None and seen.busy > BUSY:
        yield _warning(
            "server-busy",
            f"Redis's main thread takes {seen.busy:.0%} of a processor: calls wait for each other",
            "SLOWLOG GET and INFO commandstats show by what; leave it a processor of its own, or "
            "spread the work over a Cluster",
        )
    apart_ms = seen.own_ms - seen.server_ms
    if abs(apart_ms) > CLOCKS_APART_MS:
        yield _warning(
            "clock-here-is-off",
            f"the clock of this machine is {_off(apart_ms)} that of Redis, which is the one that "
            "timers go by",
            "set both by NTP: times given to schedule_execution() are meant by Redis's clock",
        )


def finding_of(concern: Concern) -> Finding:
    """What the server says of itself, as a finding."""
    severity = Severity.ERROR if concern.is_grave else Severity.WARNING
    return Finding(code=concern.code, severity=severity, text=concern.text, remedy=concern.remedy)


def _of_workers(seen: Seen) -> Iterator[Finding]:
    executions = seen.described.executions
    unfinished = sum(executions.get(name, 0) for name in ("pending", "running", "suspended"))
    if unfinished and not seen.alive:
        yield _error(
            "no-workers",
            f"no worker lives, and there are executions that have not ended ({unfinished:,}): "
            "nothing goes on, and nothing becomes due",
            "start some: rhythm worker -m MODULE --workflows DIR",
        )
    for worker in seen.workers:
        if worker.lease_left_ms < 0:
            yield _error(
                "lease-overdue",
                f"the lease of worker {worker.id} ran out {-worker.lease_left_ms / 1000:.0f} s "
                f"ago, and it still holds work ({worker.holding:,})",
                "any other worker takes them back within its own lease: see that one lives and "
                "reaches Redis",
            )
        elif not worker.is_able and worker.silent_ms is not None:
            yield _error(
                "worker-silent",
                f"worker {worker.id} lives, but has not asked for work for "
                f"{worker.silent_ms / 1000:.0f} s: something holds up its event loop",
                "make tasks that block or compute plain functions (def, not async def); py-spy "
                f"dump --pid {worker.about.pid} on {worker.about.host} shows where it is",
            )
        if abs(worker.about.ahead_ms) > CLOCKS_APART_MS:
            yield _warning(
                "clock-of-worker-is-off",
                f"the clock of worker {worker.id} on {worker.about.host} was "
                f"{_off(worker.about.ahead_ms)} that of Redis when it began",
                "set both by NTP: what its tasks log and store does not fit what others do",
            )
    for what, versions in (
        ("releases of Rhythm", _by(seen.alive, lambda worker: worker.about.version)),
        ("builds of your program", _by(seen.alive, lambda worker: worker.about.build)),
    ):
        if len(versions) > 1:
            each = "; ".join(
                f"{version or 'one that does not say'} on {', '.join(names)}"
                for version, names in sorted(versions.items())
            )
            yield _warning(
                "mixed-workers",
                f"workers run {len(versions)} {what}: {each}",
                "finish the deploy, or roll it back; 'rhythm workers' shows them all",
            )


def _of_queues(seen: Seen) -> Iterator[Finding]:
    for queue, ready in seen.described.ready.items():
        if not ready or seen.is_paused("queue", queue):
            continue
        serving, waits_s = seen.serving(queue), seen.waits_s(queue)
        if not serving:
            yield _error(
                "queue-unserved",
                f"no worker serves queue {queue!r}, in which work waits ({ready:,})",
                f"start one with --queue {queue}, or let one that runs serve it too",
            )
        elif waits_s is not None and waits_s > WAITS_LONG_S:
            room = sum(worker.about.concurrency for worker in serving)
            held = sum(worker.holding for worker in serving)
            yield _warning(
                "queue-waits",
                f"in queue {queue!r} the oldest has waited for {waits_s:,.0f} s ({ready:,} wait; "
                f"workers: {len(serving):,}, at {held:,} of at most {room:,})",
                "add workers (or concurrency, where tasks mostly wait); where they are at few, see "
                "what holds up their processors",
            )


def _of_executions(seen: Seen) -> Iterator[Finding]:
    described = seen.described
    for execution_id, trouble in described.troubles.items():
        yield _error(
            "execution-stuck",
            f"execution {execution_id!r} does not go on: {trouble}",
            f"see 'rhythm explain {execution_id}'; when its cause is mended, 'rhythm resume "
            f"{execution_id}'",
        )
    if described.in_trouble > len(described.troubles):
        others = described.in_trouble - len(described.troubles)
        yield _error(
            "executions-stuck",
            f"{others:,} executions do not go on",
            "'rhythm verify --all' tells which and why; 'rhythm bulk resume' resumes them",
        )
    longest = sorted(described.longest.items(), key=lambda one: -one[1])[:_NAMED]
    for execution_id, events in longest:
        yield _warning(
            "history-long",
            f"workflow {execution_id!r} has {events:,} events: it is ended when it has more than "
            f"{seen.history_limit:,}, and slow to take over from a lost worker until then",
            "let its script end with Workflow.restart(inputs) now and then; the limit is the "
            "setting 'history_limit'",
        )
    if described.long > len(longest):
        yield _warning(
            "histories-long",
            f"{described.long - len(longest):,} more workflows have long histories",
            "see 'history-long'",
        )
    if seen.messages > MESSAGES_WAIT and seen.alive:
        yield _warning(
            "messages-wait",
            f"{seen.messages:,} messages to other executions wait to be delivered: signals and "
            "starts of workflows under ids of their own, and their results, come late",
            "they are delivered by the worker that keeps the time, the oldest first: its log says "
            "what keeps it; more partitions share them out among workers",
        )
    late_ms = described.now_ms - described.first_due_ms if described.first_due_ms else 0
    if late_ms > OVERDUE_MS and seen.alive:
        yield _error(
            "due-is-late",
            f"what was due {late_ms / 1000:,.0f} s ago has not been done: timers, retries and "
            "leases stand still",
            "restart the workers one by one: the one that keeps the time does not come to it; its "
            "log says why",
        )


def _of_pauses(seen: Seen) -> Iterator[Finding]:
    now = from_unix_ms(seen.server_ms)
    for pause in seen.pauses:
        if (now - pause.since).total_seconds() > FORGOTTEN_S:
            yield _warning(
                "paused-for-long",
                f"{pause.kind} {pause.name!r} is paused since {_moment(pause.since)}: "
                f"{pause.note or 'nobody said why'}",
                f"rhythm resume --{pause.kind} {pause.name}",
            )
    for execution_id, since in seen.rests.items():
        yield _warning(
            "paused-for-long",
            f"execution {execution_id!r} is paused since {_moment(since)}",
            f"rhythm resume {execution_id}, or cancel it",
        )
    if seen.resting > len(seen.rests):
        yield _warning(
            "many-paused-for-long",
            f"{seen.resting - len(seen.rests):,} more executions are paused for more than a day",
            "'rhythm bulk resume' and 'rhythm bulk cancel' have filters for many",
        )
    for one in seen.scheduled:
        since_ms = max(one.last_due_ms or 0, one.created_ms)
        if one.is_paused and seen.server_ms - since_ms > FORGOTTEN_S * 1000:
            yield _warning(
                "paused-for-long",
                f"schedule {one.id!r} is paused, and has not been due since "
                f"{_moment(from_unix_ms(since_ms))}",
                f"rhythm schedule resume {one.id}, or delete it",
            )


def _of_rules(seen: Seen) -> Iterator[Finding]:
    for one in seen.on_their_way:
        about, _, scope = one.rule.partition(" ")
        kind, _, name = scope.partition(":")
        what = f"{'task' if kind == 'declared' else kind} {name!r}"
        change = (
            f"the limits of {what} were changed"
            if about == "limit"
            else f"{what} was {'paused' if one.says else 'resumed'}"
        )
        yield _warning(
            "rule-on-its-way",
            f"{change} {_moment(from_unix_ms(one.since_ms))}: that is on its way to "
            f"{one.partitions} of {one.of} partitions",
            "the workers that keep the time bring it, within some seconds: see that one lives; or "
            "repeat the call",
        )


def _of_schedules(seen: Seen) -> Iterator[Finding]:
    for one in seen.scheduled:
        if one.failure is not None:
            yield _error(
                "schedule-fails",
                f"schedule {one.id!r} could start nothing the last time: {one.failure}",
                f"mend that, or 'rhythm schedule change {one.id}'; see 'rhythm schedule get'",
            )
        late_ms = 0 if one.next_ms is None else seen.described.now_ms - one.next_ms
        if late_ms > OVERDUE_MS and not one.is_paused and seen.alive:
            yield _error(
                "schedule-late",
                f"schedule {one.id!r} was due {late_ms / 1000:,.0f} s ago and has not been had",
                "restart the workers one by one: the one that keeps the time does not come to it",
            )
        if one.waiting > WAITING_FIRES:
            yield _warning(
                "schedule-behind",
                f"{one.waiting:,} due times of schedule {one.id!r} wait for the end of "
                f"{', '.join(one.running[:_NAMED])}",
                "let it come less often, or change its overlap policy to skip",
            )


def _of_workflows(seen: Seen) -> Iterator[Finding]:
    for name, reason in seen.broken.items():
        yield _error(
            "workflow-unreadable",
            f"the latest source of workflow {name!r} cannot be used: {reason}",
            "deploy it again: rhythm deploy PATH",
        )
    if not seen.alive:
        return
    known = {
        "task": {task for worker in seen.alive for task in worker.about.tasks},
        "workflow": {*seen.asked, *seen.broken},
    }
    for workflow, asked in seen.asked.items():
        for one in asked:
            if one.name in known[one.kind]:
                continue
            near = did_you_mean(one.name, known[one.kind])
            where = f"workflow {workflow!r} asks for {one.kind} {one.name!r} in line {one.line}"
            if one.kind == "task":
                text = f"{where}, and no worker that lives knows it: it fails after a while"
                remedy = f"start a worker with its module, or correct the name{near}"
            else:
                text = f"{where}, and there is none of that name: it fails at once"
                remedy = f"deploy it (rhythm deploy PATH), or correct the name{near}"
            yield _warning(f"{one.kind}-unknown", text, remedy)


_RULES: Final[tuple[Callable[[Seen], Iterator[Finding]], ...]] = (
    _of_server,
    _of_workers,
    _of_queues,
    _of_executions,
    _of_schedules,
    _of_workflows,
    _of_pauses,
    _of_rules,
)


def _by(workers: Sequence[Colleague], aspect: Callable[[Colleague], str]) -> dict[str, list[str]]:
    """Names of workers by what `aspect` says of them."""
    found: dict[str, list[str]] = {}
    for worker in workers:
        found.setdefault(aspect(worker), []).append(worker.id)
    return {
        value: [*names[:_NAMED], f"{len(names) - _NAMED} more"] if len(names) > _NAMED else names
        for value, names in found.items()
    }


def _off(ahead_ms: int) -> str:
    return f"{abs(ahead_ms) / 1000:,.1f} s {'ahead of' if ahead_ms > 0 else 'behind'}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
