"""What `rhythm doctor` finds: each thing that can be wrong is made to be so, on both servers where
it is not the server itself, and is told with what to do about it."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from click.testing import CliRunner

from rhythm import ConnectionLost, InitBuilder, Rhythm
from rhythm.builder import prepare
from rhythm.cli import main
from rhythm.models import Finding, Severity, from_unix_ms
from rhythm.services import diagnosis, staff
from rhythm.services.staff import TaskAbout, WorkerAbout
from rhythm.services.workflows import compile_all
from rhythm.settings import Settings
from rhythm.surroundings import Surroundings
from streams import inspection, projections
from streams.connection import Connection
from streams.errors import BackendUnavailable
from streams.work import WorkerSeat
from tests.conftest import RedisServer

Run = Callable[[Coroutine[Any, Any, None]], None]

FLOWS = {
    "order": 'await Task.run("pay")\nreturn await Workflow.run("report")',
    "report": "return 1",
}
NOON_MS = 1_772_366_400_000


class Clock(Surroundings):
    """A process's clock, which the test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.at_ms = NOON_MS

    def now_ms(self) -> int:
        return self.at_ms


class Ward:
    """An application whose store has a clock of its own, and workers that only say they are."""

    def __init__(self, url: str, namespace: str, replicas: int = 0) -> None:
        self.clock = Clock()
        self.store_ms = NOON_MS
        self.connection = Connection(url, namespace, clock=lambda: self.store_ms)
        settings = Settings(database_url=url, namespace=namespace, replicas=replicas)
        self.app = Rhythm(settings, self.connection, self.clock)

    def passes(self, seconds: float) -> None:
        """Let time pass, here and there."""
        self.clock.at_ms += round(seconds * 1000)
        self.store_ms += round(seconds * 1000)

    async def worker(self, name: str = "w1", lease_s: float = 10, **about: Any) -> WorkerSeat:
        """One that has registered, and has asked for work once."""
        given: dict[str, Any] = {
            "name": name,
            "host": "north",
            "pid": 7,
            "queues": ("default",),
            "tasks": {"pay": TaskAbout()},
            "started_ms": self.store_ms,
            "lease_ms": 10_000,
            "concurrency": 10,
        }
        keys = self.connection.keys.partitions[0]
        seat = WorkerSeat(self.connection, keys, name, lease_ms=round(lease_s * 1000))
        await seat.register(staff.encode_about(WorkerAbout(**{**given, **about})))
        await seat.step((), 0, [])
        return seat

    async def start(self, name: str = "report", **more: Any) -> str:
        return await self.app.execution_service.create_execution(target_name=name, **more)

    async def deploy(self, **sources: str) -> None:
        programs = compile_all([(name, text, f"{name}.flow") for name, text in sources.items()])
        await self.app.workflow_service.register(programs, deploy=True)

    async def found(self) -> dict[str, Finding]:
        """What is amiss by its code, but for what the server itself lacks in a test."""
        told = await self.app.diagnose(reads_workflows=True)
        return {one.code: one for one in told.findings}


@asynccontextmanager
async def in_ward(url: str, namespace: str, replicas: int = 0) -> AsyncIterator[Ward]:
    ward = Ward(url, namespace, replicas)
    try:
        await prepare(ward.connection, migrate=True, partitions=1)
        await ward.deploy(**FLOWS)
        yield ward
    finally:
        await ward.app.close()


async def no_workers(ward: Ward) -> None:
    await ward.start()


async def lease_overdue(ward: Ward) -> None:
    seat = await ward.worker("gone")
    await ward.start()
    await seat.step(["default"], 1, [])
    ward.passes(20)
    await ward.worker()


async def worker_silent(ward: Ward) -> None:
    seat = await ward.worker()
    for _ in range(3):
        ward.passes(6)
        await seat.renew()


async def clock_of_worker_is_off(ward: Ward) -> None:
    await ward.worker(ahead_ms=-60_000)


async def clock_here_is_off(ward: Ward) -> None:
    await ward.worker()
    ward.clock.at_ms += 9_000


async def mixed_releases(ward: Ward) -> None:
    await ward.worker("old", version="0.1.0")
    await ward.worker("new", version="0.2.0")


async def mixed_builds(ward: Ward) -> None:
    await ward.worker("old", build="3f1c")
    await ward.worker("new", build="a209")


async def queue_unserved(ward: Ward) -> None:
    await ward.worker()
    await ward.start(queue="mail")


async def queue_waits(ward: Ward) -> None:
    await ward.start()
    ward.passes(300)
    await ward.worker()


async def execution_stuck(ward: Ward) -> None:
    seat = await ward.worker()
    id_ = await ward.start()
    keys = ward.connection.keys.partitions[0]
    await ward.connection.command("SET", keys.control(id_), "nonsense")
    await seat.step(["default"], 1, [])


async def executions_stuck(ward: Ward) -> None:
    await ward.worker()
    keys = ward.connection.keys.partitions[0]
    for number in range(21):
        await ward.connection.command("HSET", f"{keys.prefix}z", f"exec_{number}", "a reason")


async def due_is_late(ward: Ward) -> None:
    run_at = from_unix_ms(ward.store_ms + 1_000)
    await ward.app.scheduler_service.schedule_execution(target_name="report", run_at=run_at)
    ward.passes(120)
    await ward.worker()


async def paused_for_long(ward: Ward) -> None:
    await ward.app.pause_service.pause("task", "pay", "the bank is closed")
    ward.passes(2 * 24 * 3600)
    await ward.worker()


async def execution_paused_for_long(ward: Ward) -> None:
    ids = [await ward.start(queue="mail") for _ in range(3)]
    for id_ in ids:
        await ward.app.execution_service.pause_execution(id_)
    await ward.app.execution_service.resume_execution(ids[1])
    await ward.app.execution_service.terminate_execution(ids[1])
    await ward.app.execution_service.terminate_execution(ids[2])
    ward.passes(2 * 24 * 3600)
    await ward.worker(queues=("mail",))


async def many_paused_for_long(ward: Ward) -> None:
    for _ in range(5):
        await ward.app.execution_service.pause_execution(await ward.start(queue="mail"))
    ward.passes(2 * 24 * 3600)
    await ward.worker(queues=("mail",))


async def schedule_paused_for_long(ward: Ward) -> None:
    await scheduled(ward, paused=True)
    ward.passes(2 * 24 * 3600)
    await ward.worker()


async def scheduled(ward: Ward, *, paused: bool = False) -> None:
    await ward.app.scheduler_service.create_schedule(
        id="nightly", target_name="report", every="1h", overlap="queue", paused=paused
    )


async def schedule_late(ward: Ward) -> None:
    await scheduled(ward)
    ward.passes(2 * 3600)
    await ward.worker()


async def schedule_fails(ward: Ward) -> None:
    await scheduled(ward)
    await ward.worker()
    keys = ward.connection.keys.partition("nightly")
    await ward.connection.command("HSET", f"{keys.prefix}j:nightly", "er", "no such workflow")


async def schedule_behind(ward: Ward) -> None:
    await scheduled(ward)
    await ward.worker()
    keys = ward.connection.keys.partitions[0]
    for hour in range(20):
        await ward.connection.command("RPUSH", f"{keys.prefix}y:nightly", hour)


async def history_long(ward: Ward) -> None:
    await ward.worker()
    keys = ward.connection.keys.partitions[0]
    await ward.connection.command("ZADD", keys.long_histories, 12_345, "loops")


async def histories_long(ward: Ward) -> None:
    await ward.worker()
    keys = ward.connection.keys.partitions[0]
    for number in range(9):
        await ward.connection.command("ZADD", keys.long_histories, 10_000, f"loops-{number}")


async def messages_wait(ward: Ward) -> None:
    await ward.worker()
    outbox = ward.connection.keys.partitions[0].outbox
    many = "for i = 1, 1001 do redis.call('XADD', KEYS[1], i .. '-0', 'k', 'signal') end"
    await ward.connection.command("EVAL", many, 1, outbox)


async def task_unknown(ward: Ward) -> None:
    await ward.worker(tasks={})


async def task_misspelt(ward: Ward) -> None:
    await ward.worker()
    await ward.deploy(order='await Task.run("pai")')


async def workflow_unknown(ward: Ward) -> None:
    await ward.worker()
    await ward.deploy(order='await Workflow.start("dispatch")')


async def workflow_unreadable(ward: Ward) -> None:
    await ward.worker()
    key = ward.connection.keys.definition("report")
    await ward.connection.command("HSET", key, "latest", "0" * 32)


AMISS: Mapping[str, tuple[Callable[[Ward], Awaitable[None]], str]] = {
    "no-workers": (no_workers, r"no worker lives, .* that have not ended .1.:"),
    "lease-overdue": (lease_overdue, r"worker gone ran out 10 s ago, and it still holds work .1."),
    "worker-silent": (worker_silent, r"worker w1 lives, but has not asked for work for 18 s"),
    "clock-of-worker-is-off": (clock_of_worker_is_off, r"on north was 60.0 s behind that of Redis"),
    "clock-here-is-off": (clock_here_is_off, r"this machine is 9.0 s ahead of that of Redis"),
    "mixed-workers": (mixed_releases, r"2 releases of Rhythm: 0.1.0 on old; 0.2.0 on new"),
    "mixed-workers ": (mixed_builds, r"2 builds of your program: 3f1c on old; a209 on new"),
    "queue-unserved": (queue_unserved, r"no worker serves queue 'mail', .* .1."),
    "queue-waits": (
        queue_waits,
        r"in queue .default. the oldest has waited for 300 s .1 wait; ",
    ),
    "execution-stuck": (execution_stuck, r"does not go on: its control record is incomplete"),
    "executions-stuck": (executions_stuck, r"21 executions do not go on"),
    "history-long": (history_long, r"'loops' has 12,345 events: it is ended .* than 50,000"),
    "histories-long": (histories_long, r"6 more workflows have long histories"),
    "messages-wait": (messages_wait, r"1,001 messages to other executions wait"),
    "due-is-late": (due_is_late, r"what was due 119 s ago has not been done"),
    "paused-for-long": (paused_for_long, r"task 'pay' is paused since .*: the bank is closed"),
    "paused-for-long  ": (execution_paused_for_long, r"execution 'exec_.*' is paused since 20"),
    "many-paused-for-long": (many_paused_for_long, r"2 more executions are paused for more than"),
    "paused-for-long ": (schedule_paused_for_long, r"schedule 'nightly' is paused, and has not"),
    "schedule-late": (schedule_late, r"schedule 'nightly' was due 3,600 s ago"),
    "schedule-fails": (
        schedule_fails,
        r"could start nothing .*no such workflow",
    ),
    "schedule-behind": (schedule_behind, r"20 due times of schedule 'nightly' wait"),
    "task-unknown": (
        task_unknown,
        r"asks for task .pay. in line 1, and no worker",
    ),
    "workflow-unknown": (workflow_unknown, r"'order' asks for workflow 'dispatch' in line 1"),
    "workflow-unreadable": (workflow_unreadable, r"latest source of workflow 'report' cannot be"),
}

# What else is wrong when that is.
IN_ITS_WAKE = {
    "no-workers": {"queue-unserved"},
    "lease-overdue": {"due-is-late", "lease-overdue"},
    "due-is-late": {"due-is-late"},
    "histories-long": {"history-long"},
    "many-paused-for-long": {"paused-for-long", "queue-waits"},
    "paused-for-long  ": {"queue-waits"},
    "schedule-late": {"schedule-late", "due-is-late"},
}


@pytest.mark.parametrize("code", AMISS, ids=lambda code: code.strip())
def test_what_is_amiss_is_told_with_what_to_do(
    database_url: str, namespace: str, run: Run, code: str
) -> None:
    provoke, words = AMISS[code]

    async def story() -> None:
        async with in_ward(database_url, namespace) as ward:
            before = await ward.found()
            await provoke(ward)
            found = await ward.found()
        new = found.keys() - before.keys()
        finding = found[code.strip()]
        assert re.search(words, finding.text), finding.text
        assert len(finding.remedy) > 10
        assert ("did you mean 'pay'?" in finding.remedy) == (provoke is task_misspelt)
        assert code.strip() in new
        assert new <= {code.strip()} | IN_ITS_WAKE.get(code, set()), new

    run(story())


def test_where_all_is_well_there_is_nothing(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with in_ward(database_url, namespace) as ward:
            before = await ward.found()
            await ward.worker(version="1", build="b")
            await ward.start()
            assert await ward.found() == before

    run(story())


def test_what_waits_at_a_limit_is_counted_and_nothing_amiss(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with in_ward(database_url, namespace) as ward:
            seat = await ward.worker()
            await ward.app.limit_service.set_limits("queue", "default", concurrency=1)
            before = await ward.found()
            for _ in range(3):
                await ward.start("pay", exec_type="task")
            for _ in range(2):
                await seat.step(["default"], 10, [])
            [queue] = (await ward.app.diagnose()).queues
            assert (queue.ready, queue.limited, queue.oldest_waits_s) == (0, 2, None)
            assert await ward.found() == before

    run(story())


def test_errors_stand_before_warnings(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with in_ward(database_url, namespace) as ward:
            await clock_here_is_off(ward)
            await queue_unserved(ward)
            severities = [one.severity for one in (await ward.app.diagnose()).findings]
        assert severities == sorted(severities)
        assert {Severity.ERROR, Severity.WARNING} <= set(severities)

    run(story())


# The server itself.


def the_server_says(
    run: Run,
    url: str,
    namespace: str,
    replicas: int = 0,
    then: Callable[[], object] | None = None,
) -> dict[str, Finding]:
    """What is found once the namespace is set up and `then` was done."""
    found: dict[str, Finding] = {}

    async def story() -> None:
        async with in_ward(url, namespace, replicas) as ward:
            if then is not None:
                then()
            found.update(await ward.found())

    run(story())
    return found


def test_a_server_that_keeps_nothing_is_told_of(
    own_redis_server: RedisServer, namespace: str, run: Run
) -> None:
    with redis.Redis(port=own_redis_server.port) as client:
        client.config_set("appendonly", "no")
    snapshots = the_server_says(run, own_redis_server.url, namespace)
    own_redis_server.stop()
    own_redis_server.start("--appendonly", "no")
    with redis.Redis(port=own_redis_server.port) as client:
        client.config_set("maxclients", 40)
        crowd = [client.client() for _ in range(38)]
        for one in crowd:
            one.ping()
        found = the_server_says(run, own_redis_server.url, namespace)
        for one in crowd:
            one.close()

    assert snapshots.keys() & {"no-persistence", "snapshots-only"}
    assert found.keys() & {"no-persistence", "snapshots-only"}
    assert re.search(r"\d+ of at most 40 connections", found["connections-nearly-used-up"].text)


def test_a_server_that_is_full_or_has_dropped_keys_is_told_of(
    own_redis_server: RedisServer, namespace: str, run: Run
) -> None:
    with redis.Redis(port=own_redis_server.port) as client:
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory-policy", "allkeys-random")
        client.config_set("maxmemory", used + 2_000_000)
        for number in range(60):
            client.set(f"other:{number}", "x" * 100_000)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 10 * used)

        def fill() -> None:
            client.config_set("maxmemory", client.info("memory")["used_memory"])

        found = the_server_says(run, own_redis_server.url, namespace, then=fill)

    assert re.search(r"Redis uses \d+% of maxmemory", found["memory-nearly-full"].text)
    assert found["memory-nearly-full"].severity is Severity.ERROR
    assert re.search(r"Redis has dropped \d+ keys", found["keys-evicted"].text)
    assert found["keys-evicted"].severity is Severity.ERROR


def test_a_replica_is_no_server_to_work_with_and_too_few_are_told_of(
    own_redis_server: RedisServer, tmp_path: Path, namespace: str, run: Run
) -> None:
    found = the_server_says(run, own_redis_server.url, namespace, replicas=2)
    with redis.Redis(port=own_redis_server.port) as client:
        client.config_set("repl-diskless-sync-delay", 0)
    (tmp_path / "replica").mkdir()
    replica = RedisServer(tmp_path / "replica")
    replica.start("--replicaof", "127.0.0.1", str(own_redis_server.port))
    try:
        with redis.Redis(port=replica.port) as client:
            until(client, lambda told: told["master_link_status"] == "up")
        of_replica = the_server_says_of_replica(run, replica.url, namespace)
        with redis.Redis(port=own_redis_server.port) as client:
            client.config_set("min-replicas-to-write", 1)
            client.config_set("min-replicas-max-lag", 1)
            replica.pause()
            until(client, lambda told: not told["min_slaves_good_slaves"])
            behind = inspection.judged("here", client.info("everything"))
    finally:
        replica.kill()

    assert "2 replicas (setting 'replicas'), and 0 follow" in found["too-few-replicas"].text
    assert of_replica["is-replica"].severity is Severity.ERROR
    assert str(own_redis_server.port) in of_replica["is-replica"].text
    assert "writes-refused" in {concern.code for concern in behind.concerns}


def until(client: redis.Redis, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Until that holds of what a server says of its replication."""
    deadline = time.monotonic() + 30
    while not holds(client.info("replication")):
        assert time.monotonic() < deadline, client.info("replication")


def the_server_says_of_replica(run: Run, url: str, namespace: str) -> dict[str, Finding]:
    found: dict[str, Finding] = {}

    async def story() -> None:
        ward = Ward(url, namespace)
        try:
            await prepare(ward.connection, migrate=False)
            found.update(await ward.found())
        finally:
            await ward.app.close()

    run(story())
    return found


def test_a_server_that_answers_slowly_is_told_of(
    own_redis_server: RedisServer, namespace: str, run: Run
) -> None:
    """The server's clock stands for the call: each takes as long as it holds it up."""
    found: dict[str, Finding] = {}

    async def story() -> None:
        async with in_ward(own_redis_server.url, namespace) as ward:
            ward.connection._clock = None  # so that it is asked for the time
            ward.clock.now_ms = Surroundings().now_ms  # type: ignore[method-assign]
            plain = ward.connection.server_ms

            async def held_up() -> int:
                await ward.connection.command("CLIENT", "PAUSE", "80", "ALL")
                return await plain()

            ward.connection.server_ms = held_up  # type: ignore[method-assign]
            found.update(await ward.found())

    run(story())
    assert re.search(r"a call of Redis takes \d+ ms", found["slow-server"].text)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, "aof-fails"),
        ({"rdb_last_bgsave_status": "err"}, "snapshot-fails"),
        (
            {"connected_slaves": 1, "slave0": {"ip": "b", "port": 1, "state": "online", "lag": 60}},
            "replica-behind",
        ),
    ],
)
def test_what_only_a_broken_disk_or_network_shows(said: dict[str, Any], code: str) -> None:
    """As INFO tells it: these take a full disk, or minutes, to be had."""
    report = inspection.judged("here", {"redis_version": "7.0.15", **said})

    assert code in {concern.code for concern in report.concerns}


def test_a_server_that_is_at_work_all_the_time_is_told_of() -> None:
    """As it was seen: how busy one is that a test keeps at work depends on the machine."""
    seen = diagnosis.Seen(
        report=inspection.EMBEDDED,
        described=projections.NOTHING,
        workers=[],
        scheduled=[],
        pauses=[],
        own_ms=NOON_MS,
        server_ms=NOON_MS,
        call_s=0.001,
        busy=0.97,
        replicas=0,
        history_limit=1,
    )

    (finding,) = diagnosis.findings(seen)
    assert finding.code == "server-busy" and "takes 97% of a processor" in finding.text
    assert not diagnosis.findings(msgspec.structs.replace(seen, busy=0.5))


@pytest.mark.parametrize(
    ("info", "seconds"),
    [
        ({"used_cpu_user_main_thread": 1.5, "used_cpu_sys_main_thread": 0.25}, 1.75),
        ({"used_cpu_user": 2, "used_cpu_sys": 1}, 3.0),
        ({}, 0.0),
    ],
)
def test_how_long_a_server_was_at_work_is_read_from_what_it_says(
    info: dict[str, Any], seconds: float
) -> None:
    assert inspection.processor_s(info) == seconds


def test_a_server_says_how_long_it_was_at_work(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with in_ward(database_url, namespace) as ward:
            before = await ward.connection.processor_s()
            after = await ward.connection.processor_s()
            masters = {"memory": 0, "redis+cluster": 3}
            assert len(before) == masters.get(database_url.partition(":")[0], 1)
            assert all(0 < one <= other for one, other in zip(before, after, strict=True))

    run(story())


# The command.


def test_an_error_is_an_exit_code_and_a_warning_is_none(
    redis_server: RedisServer, namespace: str, run: Run
) -> None:
    words = ["doctor", "--redis", redis_server.url, "--namespace", namespace]

    async def with_a_worker(*, broken: bool) -> None:
        async with in_ward(redis_server.url, namespace) as ward:
            ward.connection._clock = None
            await ward.worker(lease_s=60, ahead_ms=9_000, tasks={"pay": TaskAbout()})
            if broken:
                await ward.start(queue="mail")

    run(with_a_worker(broken=False))
    warned = CliRunner().invoke(main, words, catch_exceptions=False)
    run(with_a_worker(broken=True))
    failed = CliRunner().invoke(main, words, catch_exceptions=False)
    as_json = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False)
    told = msgspec.json.decode(as_json.stdout)["findings"]

    assert (warned.exit_code, failed.exit_code, as_json.exit_code) == (0, 1, 1)
    assert re.search(r"^warning: .*\[clock-of-worker-is-off\]\n  set both", warned.stdout, re.M)
    assert re.search(r"^error: .*\[queue-unserved\]\n  start one with", failed.stdout, re.M)
    assert told[0]["code"] == "queue-unserved"
    assert told[0].keys() == {"code", "severity", "text", "remedy"}


def test_workers_are_listed_with_what_they_run(
    redis_server: RedisServer, namespace: str, run: Run
) -> None:
    words = ["workers", "--redis", redis_server.url, "--namespace", namespace]

    async def with_workers() -> None:
        async with in_ward(redis_server.url, namespace) as ward:
            ward.connection._clock = None
            await ward.worker("north-1", lease_s=60, version="0.1.0", python="3.12.1", build="a209")

    run(with_workers())
    table = CliRunner().invoke(main, words, catch_exceptions=False).stdout.splitlines()
    one = CliRunner().invoke(main, [*words, "north-1"], catch_exceptions=False).stdout
    none = CliRunner().invoke(main, [*words, "south"], catch_exceptions=False)
    as_json = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False).stdout

    assert table[0].split()[-3:] == ["VERSION", "PYTHON", "BUILD"]
    assert table[1].split()[-3:] == ["0.1.0", "3.12.1", "a209"]
    assert "0/10" in table[1]
    assert "tasks" in one and "pay" in one
    assert (none.exit_code, "south" in none.stderr) == (2, True)
    assert msgspec.json.decode(as_json)[0]["build"] == "a209"


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "files",
    [
        {".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": f"{COMMIT}\n"},
        {
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/packed-refs": f"# pack-refs\n{'f' * 40} refs/heads/x\n{COMMIT} refs/heads/main\n",
        },
        {".git/HEAD": f"{COMMIT}\n"},
        {
            ".git": "gitdir: ../repository/worktrees/one\n",
            "../repository/worktrees/one/HEAD": "ref: refs/heads/main\n",
            "../repository/worktrees/one/commondir": "../..\n",
            "../repository/refs/heads/main": f"{COMMIT}\n",
        },
    ],
    ids=["branch", "packed", "detached", "worktree"],
)
def test_without_a_build_id_it_is_the_commit_where_the_worker_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    inside = tmp_path / "project" / "inside"
    inside.mkdir(parents=True)
    for name, text in files.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(inside)

    assert Surroundings().software().commit == COMMIT[:12]


def test_where_there_is_no_commit_there_is_no_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/unborn\n")
    monkeypatch.chdir(tmp_path)

    assert Surroundings().software().commit == ""


@pytest.mark.parametrize("what", ["pause", "resume", "limit"])
def test_what_was_broken_off_is_told_until_all_partitions_know(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("RHYTHM_PARTITIONS", "3")

    async def story() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:

            async def change() -> None:
                if what == "pause":
                    await app.pause_service.pause("queue", "mail")
                elif what == "resume":
                    await app.pause_service.resume("queue", "mail")
                else:
                    await app.limit_service.set_limits("queue", "mail", concurrency=1)

            if what == "resume":
                await app.pause_service.pause("queue", "mail")
            write = app._connection.write
            calls = 0

            async def lost(*call: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == 3:
                    raise BackendUnavailable("here", "lost")
                return await write(*call)

            monkeypatch.setattr(app._connection, "write", lost)
            with pytest.raises(ConnectionLost):
                await change()

            pauses = await app.pause_service.list_pauses()
            [told] = [
                finding
                for finding in (await app.diagnose()).findings
                if finding.code == "rule-on-its-way"
            ]
            await change()
            told_later = {finding.code for finding in (await app.diagnose()).findings}

        assert len(pauses) == (what == "pause")
        word = {"pause": "was paused", "resume": "was resumed", "limit": "were changed"}[what]
        assert word in told.text and "on its way to 1 of 3 partitions" in told.text
        assert "rule-on-its-way" not in told_later

    run(story())


# Nothing is told that is not provoked here and explained in the docs.


def codes() -> set[str]:
    """All codes of findings, as the sources have them."""
    found: set[str] = set()
    for module in (diagnosis, inspection):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        found |= set(re.findall(r'(?:_error|_warning|Concern)\(\s*"([a-z-]+)"', text))
    return found | {"task-unknown", "workflow-unknown"}


def test_every_finding_is_provoked_and_is_in_the_docs() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    page = (Path(__file__).parents[2] / "docs/operating.md").read_text(encoding="utf-8")

    assert len(codes()) > 25
    assert [code for code in sorted(codes()) if f'"{code}"' not in here] == []
    assert [code for code in sorted(codes()) if f"`{code}`" not in page] == []
