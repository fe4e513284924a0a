"""The users in docs/operating.md may do what is theirs to do, and no command more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner

from rhythm import ConfigurationError, ExecutionFinished, InitBuilder, Rhythm, TaskContext, Worker
from rhythm.cli import main
from rhythm.services.workflows import WorkflowFile
from rhythm.tasks import TaskDefinition, TaskRegistry
from streams.scripts import load
from tests.conftest import RedisServer

Run = Callable[[Coroutine[Any, Any, None]], None]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()
RULES = {line.split()[2]: line.split() for line in PAGE.splitlines() if line.startswith("ACL SET")}

READER, CLIENT, WORKER = "rhythm-reader", "rhythm-client", "rhythm-worker"

# What each calls: scripts, and the commands that are sent without one.
READING = (
    {
        "count_executions",
        "describe_partition",
        "examine_execution",
        "find_limits",
        "get_executions",
        "query_executions",
        "read_limits",
        "read_schedules",
    },
    {
        "EVAL",
        "EVALSHA",
        "HGET",
        "HGETALL",
        "HMGET",
        "INFO",
        "SCAN",
        "SMEMBERS",
        "TIME",
        "XRANGE",
        "XREAD",
        "ZSCAN",
    },
)
ASKING = (
    {
        "await_execution",
        "cancel_execution",
        "create_execution",
        "delete_execution",
        "fork_execution",
        "delete_schedule",
        "fire_schedule",
        "forget_index_entry",
        "pause_execution",
        "put_rules",
        "put_schedule",
        "rebuild_execution",
        "register_definition",
        "migrate_execution",
        "resume_execution",
        "signal_with_start",
        "stage_events",
        "take_ended",
        "take_rules",
        "tell_execution",
    },
    {"BLPOP", "HSETNX"},
)
WORKING = (
    {
        "hand_over",
        "leave_worker",
        "register_worker",
        "remove_message",
        "exchange_permits",
        "grant_permits",
        "renew_lease",
        "report_attempt",
        "step",
        "tend_due",
    },
    set[str](),
)
ROLES: Mapping[str, tuple[tuple[set[str], set[str]], ...]] = {
    READER: (READING,),
    CLIENT: (READING, ASKING),
    WORKER: (READING, ASKING, WORKING),
}

_FUNCTION = re.compile(r"^local function (\w+)\(.*?^end$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"\bp?call\(([^,)]+)")


def commands_of(script: str) -> set[str]:
    """The commands that a script can come to call, through the functions that it calls."""
    text = re.sub(r"--.*", "", load(script).source)
    functions = {match[1]: match[0] for match in _FUNCTION.finditer(text)}
    reached, look_at = set[str](), [_FUNCTION.sub("", text)]
    found = set[str]()
    while look_at:
        part = look_at.pop()
        for first in _COMMAND.findall(part):
            found.update(re.findall('"([A-Z]+)"', first))
        called = functions.keys() & set(re.findall(r"\w+", part)) - reached
        reached |= called
        look_at += [functions[name] for name in called]
    return found


def needed(role: str) -> set[str]:
    """The commands that a role needs, as rules name them."""
    return {
        name.lower()
        for scripts, direct in ROLES[role]
        for name in direct.union(*map(commands_of, scripts))
    }


def allowed(role: str) -> set[str]:
    """The commands that the page allows it, on all or on some keys."""
    return {word[1:] for word in map(_bare, RULES[role]) if word.startswith("+")}


def on_indexes_alone(role: str) -> set[str]:
    """Those that it may use on indexes alone: the part of its rule in parentheses."""
    part = " ".join(RULES[role]).partition("(")[2]
    assert set(re.findall(r"~\S+", part)) <= {"~rhythm:{*}:i:*", "~rhythm:{*}:i"}
    return {word[1:] for word in map(_bare, part.split()) if word.startswith("+")}


def _bare(word: str) -> str:
    return word.strip("()")


@pytest.mark.parametrize("role", ROLES)
def test_the_page_allows_exactly_the_commands_that_are_needed(role: str) -> None:
    rule = " ".join(f"+{name}" for name in sorted(needed(role)))

    assert allowed(role) == needed(role), f"write: -@all {rule}"


def test_every_script_is_somebodys() -> None:
    scripts = {path.stem for path in (ROOT / "streams" / "lua").glob("*.lua")}

    assert {script for part in ROLES[WORKER] for script in part[0]} == scripts


def test_readers_write_nothing_but_indexes(redis_server: RedisServer) -> None:
    """They fold changes into indexes, which hold nothing that is not in the histories."""
    with redis.Redis(port=redis_server.port) as server:
        writing = {name.decode() for name in server.execute_command("ACL", "CAT", "write")}

    assert allowed(READER) & writing <= on_indexes_alone(READER)
    assert allowed(CLIENT) & writing


FLOWS = {
    "long": """
        State.set("step", 1);
        const retry = { maxAttempts: 3, initialInterval: "1ms" };
        const task = await Task.run("acl.work", {}, { retry });
        await Timer.delay("1ms");
        const child = await Workflow.run("short", {});
        const apart = await Workflow.run("short", {}, { id: "apart" });
        await Promise.race([Timer.delay("1h"), Signal.when("go")]);
        return [task, child, apart];
    """,
    "short": """
        if (Inputs.again) return 1;
        await Timer.delay("1ms");
        Workflow.restart({ again: true });
    """,
    "waits": 'return await Signal.when("go")',
}


async def work(context: TaskContext) -> int:
    """Says that it lives, and fails once."""
    context.heartbeat({"half": True})
    context.progress(0.5)
    if context.attempt == 1:
        raise ValueError("once")
    return context.attempt


def app_of(role: str, server: RedisServer) -> InitBuilder:
    return InitBuilder().database_url(url_of(role, server)).auto_migrate(role == WORKER)


def url_of(role: str, server: RedisServer) -> str:
    return f"redis://{role}:{role}@127.0.0.1:{server.port}/0"


@pytest.fixture
def guarded(own_redis_server: RedisServer) -> RedisServer:
    """A server with the page's users, and no way in without a password."""
    with redis.Redis(port=own_redis_server.port) as admin:
        for role, words in RULES.items():
            rule = " ".join(f">{role}" if word == ">CHANGE-ME" else word for word in words)
            # What stands in parentheses is one argument.
            admin.execute_command(*re.findall(r"\([^)]*\)|\S+", rule))
        admin.execute_command("ACL", "SETUSER", "admin", "on", ">admin", "~*", "+@all")
        admin.execute_command("ACL", "SETUSER", "default", "off")
    return own_redis_server


def denied(server: RedisServer) -> list[str]:
    """What was refused for want of rights."""
    with redis.Redis.from_url(url_of("admin", server)) as admin:
        return [f"{entry['username']}: {entry['object']}" for entry in admin.acl_log()]


def seen(server: RedisServer) -> set[str]:
    """The commands that were ever called."""
    with redis.Redis.from_url(url_of("admin", server)) as admin:
        return {name.removeprefix("cmdstat_") for name in admin.info("commandstats")}


async def ask_all(client: Rhythm, reader: Rhythm) -> None:
    """Everything that clients do, and workers for them; meanwhile a reader follows."""
    executions = client.execution_service
    long = await executions.create_execution(target_name="long", id="long")
    begun = asyncio.Event()
    following = asyncio.create_task(followed(reader, long, begun))
    await begun.wait()
    await client.signal_service.send_signal(workflow_id=long, signal_name="go", payload=1)
    assert (await executions.wait_for_execution(long, timeout=40)).result() == [2, 1, 1]
    assert (await following)[-1] == "completed"
    task = await executions.create_execution(exec_type="task", target_name="acl.work")
    await client.scheduler_service.schedule_execution(
        target_name="short", run_at="2020-01-01", id="scheduled"
    )
    both = await client.signal_service.signal_with_start(
        execution={"target_name": "waits", "id": "both"}, signal_name="go"
    )
    for name in ("cancelled", "terminated"):
        await executions.create_execution(target_name="waits", id=name)
    await executions.cancel_execution("cancelled", "enough")
    await executions.terminate_execution("terminated")
    for id_ in (task, "scheduled", both, "cancelled", "terminated"):
        await executions.wait_for_execution(id_, timeout=40)
    with pytest.raises(ExecutionFinished):
        await executions.resume_execution(both)
    await executions.delete_execution(both)
    await client.verification_service.rebuild(long)
    assert [id_ async for id_ in client.verification_service.rebuild_all()]


async def followed(reader: Rhythm, execution_id: str, begun: asyncio.Event) -> list[str]:
    """The events of an execution to its end; tells when it has the first."""
    types = []
    async for event in reader.history_service.follow(execution_id):
        types.append(event.type)
        begun.set()
    return types


async def read_all(reader: Rhythm) -> None:
    """Everything that can be read; and nothing can be written."""
    executions = reader.execution_service
    found = await executions.query_executions({"target_name": "long"})
    assert [execution.id for execution in found] == ["long"]
    assert await executions.count_executions() > 5
    assert len(await reader.workflow_service.list_workflows()) == 3
    await reader.history_service.explain("long")
    wrong = [found async for _, found in reader.verification_service.verify_all() if found]
    assert wrong == []
    with pytest.raises(ConfigurationError, match="can't run this command"):
        await executions.create_execution(target_name="short", id="not-theirs")
    assert await executions.get_execution("not-theirs") is None


def test_everything_runs_under_the_users_of_the_page(guarded: RedisServer, run: Run) -> None:
    registry = TaskRegistry()
    registry.add(TaskDefinition("acl.work", None, work))
    flows = [WorkflowFile(name, source, f"{name}.flow") for name, source in FLOWS.items()]

    async def story() -> None:
        async with (
            app_of(WORKER, guarded).workflows(flows) as worker_app,
            app_of(CLIENT, guarded) as client,
            app_of(READER, guarded) as reader,
            Worker(worker_app, registry=registry),
        ):
            await ask_all(client, reader)
            assert (await client.diagnose()).workers

    run(story())
    for words in (
        "get long",
        "list",
        "history long",
        "verify --all",
        "doctor",
        "top --json",
        "explain long",
        "where long",
        "replay long",
    ):
        where = ["--redis", url_of(READER, guarded)]
        result = CliRunner().invoke(main, [*words.split(), *where], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert denied(guarded) == []

    async def reading() -> None:
        async with app_of(READER, guarded) as reader:
            await read_all(reader)

    run(reading())
    assert all(entry.startswith(READER) for entry in denied(guarded))
    direct = {name.lower() for _, names in ROLES[WORKER] for name in names}
    assert direct <= seen(guarded)


@pytest.mark.parametrize("role", ROLES)
def test_nobody_comes_at_other_keys_or_at_the_server(guarded: RedisServer, role: str) -> None:
    with redis.Redis.from_url(url_of(role, guarded)) as theirs:
        for words in ("HGET other:x y", "FLUSHALL", "CONFIG GET *", "KEYS rhythm:*", "ACL LIST"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                theirs.execute_command(*words.split())
