"""What each command does, on both servers."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rhythm import InitBuilder, Worker
from rhythm.cli import main
from rhythm.cli.exits import Exit
from rhythm.cli.progress import wait_showing_progress
from rhythm.tasks import TaskRegistry
from rhythm.testing import replay
from streams.connection import Connection

Rhythm = Callable[..., Result]

TASKS = """\
from rhythm import task

@task
def cli_shout(text: str) -> str:
    return text.upper()

@task
def cli_stumble() -> None:
    raise LookupError("nothing there")
"""

HELLO = """\
const text = await Task.run("cli_shout", { text: Inputs.name ?? "nobody" });
return { greeting: `Hello, ${text}`, times: Inputs.times };
"""

STUMBLE = """\
const options = { retry: { maxAttempts: 1 } };

await Task.run("cli_stumble", {}, options);
"""

APPROVAL = """\
const approval = await Signal.when("approval");
return approval;
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with a module of tasks and workflows."""
    (tmp_path / "cli_tasks.py").write_text(TASKS)
    flows = tmp_path / "flows"
    flows.mkdir()
    for name, source in (("hello", HELLO), ("stumble", STUMBLE), ("approval", APPROVAL)):
        (flows / f"{name}.flow").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RHYTHM_DATABASE_URL", raising=False)
    yield tmp_path
    sys.modules.pop("cli_tasks", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]


@pytest.fixture
def rhythm(database_url: str, namespace: str, folder: Path) -> Rhythm:
    """Call a command on one kind of server, in a namespace of its own."""

    def call(*words: str) -> Result:
        where = ["--redis", database_url, "--namespace", namespace]
        return CliRunner().invoke(main, [*words, *where], catch_exceptions=False)

    return call


@pytest.fixture
def store(database_url: str, namespace: str, one_partition: None) -> Callable[..., Any]:
    """Send a command to the server, its key (the second word) without prefix."""

    def send(command: str, key: str, *words: str) -> None:
        async def body() -> None:
            async with Connection(database_url, namespace) as connection:
                await connection.command(command, f"{namespace}:{{0}}:{key}", *words)

        asyncio.run(body())

    return send


def started(rhythm: Rhythm, *words: str) -> str:
    """The id that `rhythm start` printed."""
    result = rhythm("start", *words, "--workflows", "flows")
    assert result.exit_code == Exit.OK, result.stderr
    return result.stdout.strip()


# run


def test_run_prints_the_output_alone_and_tells_progress_apart(rhythm: Rhythm) -> None:
    result = rhythm("run", "flows/hello.flow", "-m", "cli_tasks", "-i", "name=Ada", "-i", "times=2")

    assert result.exit_code == Exit.OK, result.stderr
    assert json.loads(result.stdout) == {"greeting": "Hello, ADA", "times": 2}
    assert "hello is exec_" in result.stderr
    assert "1/1 tasks done" in result.stderr


def test_run_needs_no_server(folder: Path) -> None:
    words = ["run", "flows/hello.flow", "-m", "cli_tasks", "--json"]

    result = CliRunner().invoke(main, words, catch_exceptions=False)

    execution = json.loads(result.stdout)
    assert (execution["status"], execution["target_name"]) == ("completed", "hello")
    assert execution["output"] == {"greeting": "Hello, NOBODY"}


def test_a_failed_run_says_why_in_one_line(rhythm: Rhythm) -> None:
    result = rhythm("run", "flows/stumble.flow", "-m", "cli_tasks")

    assert result.exit_code == Exit.FAILED
    assert result.stdout == ""
    assert "LookupError: nothing there (line 3 of the workflow)" in result.stderr
    assert "Traceback" not in result.stderr.splitlines()[-1]


def test_a_run_that_takes_too_long_ends_with_its_own_code(rhythm: Rhythm) -> None:
    result = rhythm("run", "flows/approval.flow", "--timeout", "0.2")

    assert result.exit_code == Exit.TIMED_OUT
    assert "did not finish within 0.2 s" in result.stderr


def test_run_shows_mistakes_in_the_flow_with_a_caret(rhythm: Rhythm, folder: Path) -> None:
    (folder / "wrong.flow").write_text("const x = 1;\nclass A {}\n")
    (folder / "odd.flow").write_text("const x = 1;\n")

    result = rhythm("run", "wrong.flow")

    assert result.exit_code == Exit.FAILED
    assert "wrong.flow:2:1" in result.stderr
    assert "^" in result.stderr


def test_run_of_a_missing_file_is_a_usage_error(rhythm: Rhythm) -> None:
    assert rhythm("run", "nowhere.flow").exit_code == Exit.USAGE


def test_ctrl_c_ends_a_run_without_a_traceback(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "rhythm", "run", "flows/approval.flow"],
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        next(line for line in running.stderr if "tasks done" in line)
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()

    assert running.returncode == Exit.INTERRUPTED
    assert rest.splitlines()[-1] == "interrupted"
    assert "Traceback" not in rest


class Terminal(io.StringIO):
    """Text that is written to something that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_progress_is_one_line_that_is_rewritten(
    run: Callable[..., Any], folder: Path
) -> None:
    async def progress() -> str:
        terminal = Terminal()
        builder = InitBuilder().database_url("memory://").workflow_paths(["flows"])
        async with builder as app, Worker(app, registry=TaskRegistry()):
            execution_id = await app.execution_service.create_execution(target_name="approval")
            await app.signal_service.send_signal(workflow_id=execution_id, signal_name="approval")
            await wait_showing_progress(app, execution_id, timeout=30, out=terminal)
        return terminal.getvalue()

    written = run(progress())

    assert written.startswith("\r\x1b[2K0/0 tasks done")
    assert written.count("\n") == 1
    assert written.endswith("\n")


# start, get, list, wait, signal


def test_start_prints_the_id_and_get_shows_the_execution(rhythm: Rhythm) -> None:
    execution_id = started(rhythm, "hello", "-i", "name=Ada", "--id", "greeting-1")

    shown = rhythm("get", execution_id)
    as_json = json.loads(rhythm("get", execution_id, "--json").stdout)

    assert execution_id == "greeting-1"
    assert "workflow    hello" in shown.stdout
    assert "status      pending" in shown.stdout
    assert '{"name": "Ada"}' in shown.stdout
    assert as_json["inputs"] == {"name": "Ada"}
    assert as_json["output"] is None


def test_starts_that_are_debounced_print_one_id(rhythm: Rhythm) -> None:
    merged = ("--debounce", "ada", "--debounce-wait", "1h", "--debounce-max", "2h")
    first = started(rhythm, "hello", "-i", "name=Ada", *merged)

    assert started(rhythm, "hello", "-i", "name=Bob", *merged) == first
    assert json.loads(rhythm("get", first, "--json").stdout)["inputs"] == {"name": "Bob"}
    history = rhythm("history", first).stdout
    assert 'started again with {"name":"Bob"}' in history.replace(": ", ":")


def test_starting_twice_with_an_id_gives_the_first_unless_it_differs(rhythm: Rhythm) -> None:
    first = started(rhythm, "hello", "-i", "name=Ada", "--id", "once")

    again = started(rhythm, "hello", "-i", "name=Ada", "--id", "once")
    other = rhythm("start", "hello", "-i", "name=Bob", "--id", "once", "-w", "flows")

    assert again == first
    assert other.exit_code == Exit.REFUSED
    assert "once" in other.stderr


def test_an_unknown_workflow_is_not_found_and_the_known_ones_are_named(rhythm: Rhythm) -> None:
    result = rhythm("start", "helo", "--workflows", "flows")

    assert result.exit_code == Exit.NOT_FOUND
    assert "did you mean 'hello'" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        *(["get"], ["wait"], ["history"], ["signal"], ["cancel"], ["terminate"], ["resume"]),
        *(["delete"], ["verify"], ["rebuild"]),
    ],
    ids=lambda words: words[0],
)
def test_an_unknown_execution_is_not_found(words: list[str], rhythm: Rhythm) -> None:
    started(rhythm, "hello")
    name = ["go"] if words == ["signal"] else []

    result = rhythm(*words, "exec_nowhere", *name)

    assert result.exit_code == Exit.NOT_FOUND
    assert "exec_nowhere" in result.stderr
    assert result.stdout == ""


def test_list_shows_the_newest_first_and_filters(rhythm: Rhythm) -> None:
    started(rhythm, "hello", "--id", "a")
    started(rhythm, "approval", "--id", "b")
    started(rhythm, "hello", "--id", "c")

    shown = rhythm("list")
    of_one = rhythm("list", "--target", "hello", "--limit", "1")
    as_json = json.loads(rhythm("list", "--json", "--status", "pending").stdout)

    assert [line.split()[-1] for line in shown.stdout.splitlines()[1:4]] == ["c", "b", "a"]
    assert shown.stdout.endswith("3 executions\n")
    assert of_one.stdout.endswith("1 of 2 executions\n")
    assert [execution["id"] for execution in as_json] == ["c", "b", "a"]
    assert rhythm("list", "--status", "failed").stdout == "0 executions\n"


def test_list_refuses_a_time_that_is_none(rhythm: Rhythm) -> None:
    started(rhythm, "hello")

    result = rhythm("list", "--after", "yesterday")

    assert result.exit_code == Exit.USAGE
    assert "created_after" in result.stderr


def test_wait_gives_the_output_of_what_has_ended(rhythm: Rhythm) -> None:
    rhythm("run", "flows/hello.flow", "-m", "cli_tasks", "-i", "name=Ada")
    [execution] = json.loads(rhythm("list", "--target", "hello", "--json").stdout)

    result = rhythm("wait", execution["id"])

    assert result.exit_code == Exit.OK
    assert json.loads(result.stdout) == {"greeting": "Hello, ADA"}


def test_wait_tells_when_no_worker_serves_the_queue(rhythm: Rhythm) -> None:
    execution_id = started(rhythm, "hello", "--queue", "lonely")

    result = rhythm("wait", execution_id, "--timeout", "0.1")

    assert result.exit_code == Exit.TIMED_OUT
    assert "no worker serves its queue 'lonely'" in result.stderr


def test_a_signal_is_recorded_with_its_payload(rhythm: Rhythm) -> None:
    execution_id = started(rhythm, "approval")

    sent = rhythm("signal", execution_id, "approval", "--payload", '{"approved": true}')
    events = json.loads(rhythm("history", execution_id, "--json").stdout)

    assert sent.exit_code == Exit.OK
    assert events[-1]["type"] == "signal_received"
    assert events[-1]["data"] == {"name": "approval", "payload": {"approved": True}}


def test_a_signal_to_what_has_ended_is_refused(rhythm: Rhythm) -> None:
    rhythm("run", "flows/hello.flow", "-m", "cli_tasks")
    [execution] = json.loads(rhythm("list", "--target", "hello", "--json").stdout)

    result = rhythm("signal", execution["id"], "approval")

    assert result.exit_code == Exit.REFUSED
    assert "completed" in result.stderr


# cancel, terminate, resume, delete


def test_cancel_asks_and_terminate_ends(rhythm: Rhythm) -> None:
    asked, ended = started(rhythm, "approval"), started(rhythm, "approval")

    cancelled = rhythm("cancel", asked, "--reason", "too late")
    terminated = rhythm("terminate", ended, "--reason", "too late", "--json")

    assert cancelled.stdout == f"asked {asked} to end\n"
    assert json.loads(terminated.stdout) == {"id": ended}
    assert "asked to end: too late" in rhythm("history", asked).stdout
    shown = rhythm("get", ended).stdout
    assert "status      cancelled" in shown
    assert "reason      too late" in shown
    again = rhythm("cancel", ended)
    assert again.exit_code == Exit.REFUSED
    assert "cancelled" in again.stderr


def test_what_is_not_stuck_is_not_resumed(rhythm: Rhythm) -> None:
    result = rhythm("resume", started(rhythm, "approval"))

    assert result.exit_code == Exit.REFUSED
    assert "is neither stuck nor paused by itself, it is queued" in result.stderr


def test_only_what_has_ended_is_deleted(rhythm: Rhythm) -> None:
    execution_id = started(rhythm, "approval")

    too_soon = rhythm("delete", execution_id)
    rhythm("terminate", execution_id)
    deleted = rhythm("delete", execution_id)

    assert too_soon.exit_code == Exit.REFUSED
    assert "cancel or terminate it" in too_soon.stderr
    assert deleted.stdout == f"deleted {execution_id}\n"
    assert rhythm("get", execution_id).exit_code == Exit.NOT_FOUND


# verify, rebuild


def test_verify_finds_what_rebuild_mends(rhythm: Rhythm, store: Callable[..., Any]) -> None:
    whole, broken = started(rhythm, "approval"), started(rhythm, "approval")
    assert rhythm("verify", "--all").stdout == "2 executions checked, 0 problems\n"
    store("HSET", f"x:{broken}", "st", "completed")

    found = rhythm("verify", "--all")
    as_json = json.loads(rhythm("verify", broken, "--json").stdout)
    rebuilt = rhythm("rebuild", "--all")

    assert found.exit_code == Exit.FAILED
    assert f"problem: {broken}: field 'st' of its projection is 'completed'" in found.stdout
    assert found.stdout.endswith("2 executions checked, 1 problem\n")
    assert as_json["checked"] == 1
    assert as_json["findings"][0]["execution_id"] == broken
    assert rebuilt.stdout == "rebuilt 2 executions\n"
    assert rhythm("verify", broken).stdout == "1 execution checked, 0 problems\n"
    assert rhythm("verify", whole).exit_code == Exit.OK
    assert rhythm("rebuild", whole).stdout == "rebuilt 1 execution\n"


@pytest.mark.parametrize("words", [["verify"], ["rebuild"], ["verify", "exec_1", "--all"]])
def test_one_or_all_has_to_be_said(words: list[str], rhythm: Rhythm) -> None:
    result = rhythm(*words)

    assert result.exit_code == Exit.USAGE
    assert "give the ID of an execution, or --all" in result.stderr


# deploy


def test_deploy_tells_what_new_executions_run(rhythm: Rhythm, folder: Path) -> None:
    flow = folder / "flows" / "hello.flow"
    first = json.loads(rhythm("deploy", str(flow), "--json").stdout)[0]["definition"]
    flow.write_text("return 2;\n")

    second = rhythm("deploy", "flows/hello.flow")
    same = rhythm("deploy", "flows/hello.flow")
    flow.write_text(HELLO)
    back = rhythm("deploy", "flows")
    as_json = json.loads(rhythm("deploy", "flows", "--json").stdout)

    assert f"took the place of {first}" in second.stdout
    assert "nothing, it was the latest already" in same.stdout
    assert "took the place of" in back.stdout
    assert "is new" in back.stdout
    assert {one["name"]: one["definition"] for one in as_json}["hello"] == first


def test_with_a_mistake_in_one_file_none_is_deployed(rhythm: Rhythm, folder: Path) -> None:
    (folder / "flows" / "wrong.flow").write_text("class A {}\n")

    result = rhythm("deploy", "flows")

    assert result.exit_code == Exit.FAILED
    assert "wrong.flow:1:1" in result.stderr
    assert "known are: none" in rhythm("start", "hello").stderr


# history, get after a failure, doctor, migrate


def test_history_tells_in_words_what_happened(rhythm: Rhythm) -> None:
    rhythm("run", "flows/hello.flow", "-m", "cli_tasks", "-i", "name=Ada")
    [execution] = json.loads(rhythm("list", "--target", "hello", "--json").stdout)

    lines = rhythm("history", execution["id"]).stdout.splitlines()

    told = "\n".join(lines)
    for words in (
        'workflow hello created in queue default with {"name": "Ada"}',
        'asks for task cli_shout [1] with {"text": "Ada"}',
        'task cli_shout [1] completed: "ADA"',
        'completed: {"greeting": "Hello, ADA"}',
    ):
        assert words in told
    assert next(line for line in lines if "asks for" in line).split()[-1] == "1"
    assert lines[-1].startswith("4 events; of [n] see rhythm history exec_")


def test_history_is_recorded_for_tests_to_replay(rhythm: Rhythm, folder: Path) -> None:
    rhythm("run", "flows/hello.flow", "-m", "cli_tasks", "-i", "name=Ada")
    [execution] = json.loads(rhythm("list", "--target", "hello", "--json").stdout)

    result = rhythm("history", execution["id"], "--record", "kept/hello.json")

    assert (result.exit_code, result.output) == (0, "")
    assert replay("kept", flows="flows") == 1


def test_an_execution_is_moved_by_its_place(rhythm: Rhythm, folder: Path) -> None:
    flow = folder / "flows" / "standing.flow"
    flow.write_text('const a = 1\nawait Signal.when("go")\nreturn a\n')
    id_ = started(rhythm, "standing")
    rhythm("run", "flows/hello.flow", "-m", "cli_tasks", "-i", "name=Ada")
    flow.write_text('const a = 2\nconsole.log(a)\nawait Signal.when("go")\nreturn a\n')
    words = ("migrate-execution", id_, "--to", "flows/standing.flow")

    would = rhythm(*words, "--map", "--dry")
    done = json.loads(rhythm(*words, "--map", "--json").stdout)

    assert would.stdout == (
        f"{id_} would go on with {done['definition']}\n"
        "Its history does not replay on it. What waits goes on by its place:\n"
        "  main: line 2 -> line 3\n"
    )
    assert done["moved"] == [{"function": "main", "old_line": 2, "new_line": 3}]
    now, before = (rhythm("replay", id_, "--at", at).stdout for at in ("3", "2"))
    assert "main waits at line 3" in now and "a = 1" in now
    assert "main waits at line 2" in before and "a = 1" in before


def test_history_of_a_task_names_worker_and_attempt(rhythm: Rhythm) -> None:
    rhythm("run", "flows/stumble.flow", "-m", "cli_tasks")
    [task] = json.loads(rhythm("list", "--type", "task", "--json").stdout)

    told = rhythm("history", task["id"]).stdout

    assert "attempt 1" in told
    assert "failed: LookupError: nothing there" in told


def test_get_shows_the_traceback_of_a_failed_task(rhythm: Rhythm) -> None:
    rhythm("run", "flows/stumble.flow", "-m", "cli_tasks")
    [task] = json.loads(rhythm("list", "--type", "task", "--json").stdout)

    told = rhythm("get", task["id"]).stdout

    assert re.search(r"^error +LookupError: nothing there$", told, re.MULTILINE)
    assert "cli_tasks.py" in told


def test_doctor_tells_of_work_that_nobody_does(rhythm: Rhythm) -> None:
    started(rhythm, "hello", "--queue", "lonely")

    shown = rhythm("doctor")
    as_json = json.loads(rhythm("doctor", "--json").stdout)

    assert shown.exit_code == Exit.FAILED
    assert "error: no worker serves queue 'lonely'" in shown.stdout
    assert "1 pending" in shown.stdout
    assert "no workers" in shown.stdout
    assert as_json["executions"]["pending"] == 1


def test_migrate_may_be_repeated_and_reading_before_it_is_refused(
    redis_server: Any, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_DATABASE_URL", redis_server.url)
    monkeypatch.setenv("RHYTHM_NAMESPACE", namespace)
    before = CliRunner().invoke(main, ["list"], catch_exceptions=False)
    first = CliRunner().invoke(main, ["migrate"], catch_exceptions=False)
    second = CliRunner().invoke(main, ["migrate", "--json"], catch_exceptions=False)
    after = CliRunner().invoke(main, ["list"], catch_exceptions=False)

    assert before.exit_code == Exit.UNAVAILABLE
    assert "rhythm migrate" in before.stderr
    assert (first.exit_code, second.exit_code, after.exit_code) == (Exit.OK, Exit.OK, Exit.OK)
    assert json.loads(second.stdout)["done"]


# check


def test_check_passes_a_good_file_and_counts_mistakes(folder: Path) -> None:
    (folder / "wrong.flow").write_text("const x = 1;\nclass A {}\n")
    (folder / "odd.flow").write_text("const x = 1;\n")

    good = CliRunner().invoke(main, ["check", "flows"], catch_exceptions=False)
    bad = CliRunner().invoke(main, ["check", "flows", "wrong.flow"], catch_exceptions=False)
    odd = CliRunner().invoke(main, ["check", "odd.flow"], catch_exceptions=False)
    as_json = CliRunner().invoke(main, ["check", "wrong.flow", "--json"], catch_exceptions=False)

    assert odd.exit_code == Exit.OK
    assert odd.stdout.endswith("1 file checked, no mistakes, 1 warning\n")
    assert (good.exit_code, good.stdout) == (Exit.OK, "3 files checked, no mistakes\n")
    assert bad.exit_code == Exit.FAILED
    assert "wrong.flow:2:1" in bad.stdout
    assert bad.stdout.endswith("4 files checked, 1 mistake\n")
    assert [(found["line"], found["severity"]) for found in json.loads(as_json.stdout)] == [
        (2, "error")
    ]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [("nowhere.flow", None, "cannot read"), ("latin.flow", b"// caf\xe9\n", "not UTF-8")],
)
def test_check_of_a_file_it_cannot_read_is_told_in_one_line(
    name: str, content: bytes | None, what: str, folder: Path
) -> None:
    if content is not None:
        (folder / name).write_bytes(content)

    result = CliRunner().invoke(main, ["check", name], catch_exceptions=False)

    assert result.exit_code == Exit.UNAVAILABLE
    assert what in result.stderr
    assert len(result.stderr.splitlines()) == 1


# worker, a process of its own


def test_a_worker_process_does_the_work_and_drains_on_sigterm(
    redis_server: Any, namespace: str, folder: Path
) -> None:
    environment = {
        **os.environ,
        "RHYTHM_DATABASE_URL": redis_server.url,
        "RHYTHM_NAMESPACE": namespace,
    }
    base = [sys.executable, "-m", "rhythm"]
    worker = subprocess.Popen(
        [*base, "worker", "-m", "cli_tasks", "--workflows", "flows"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stderr is not None
    try:
        ready = next(line for line in worker.stderr if line.startswith("ready"))
        start = subprocess.run(
            [*base, "start", "hello", "--input", "name=Ada"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        wait = subprocess.run(
            [*base, "wait", start.stdout.strip(), "--timeout", "30"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        worker.send_signal(signal.SIGTERM)
        rest = worker.stderr.read()
        code = worker.wait(30)
    finally:
        worker.kill()
        worker.wait()
        worker.stderr.close()

    assert "queues default" in ready
    assert "cli_shout" in ready
    assert json.loads(wait.stdout) == {"greeting": "Hello, ADA"}
    assert code == Exit.OK
    assert "finishing what is in hand" in rest


# replay, explain


def test_replay_shows_where_it_stands_and_what_ran(rhythm: Rhythm) -> None:
    rhythm("run", "flows/hello.flow", "-m", "cli_tasks", "-i", "name=Ada")
    [execution] = json.loads(rhythm("list", "--target", "hello", "--json").stdout)

    ended = rhythm("replay", execution["id"])
    earlier = rhythm("replay", execution["id"], "--at", "1")
    traced = rhythm("replay", execution["id"], "--trace")

    assert "it completed with {'greeting': 'Hello, ADA'" in ended.stdout
    assert "main waits at line 1 for task 1 'cli_shout'" in earlier.stdout
    assert "-- event 1," in traced.stdout
    assert '1 | const text = await Task.run("cli_shout"' in traced.stdout
    assert "text = 'ADA'" in traced.stdout


def test_a_recorded_history_is_replayed_without_redis(rhythm: Rhythm, folder: Path) -> None:
    execution_id = started(rhythm, "approval")
    rhythm("history", execution_id, "--record", "approval.json")

    result = CliRunner().invoke(main, ["replay", "approval.json"], catch_exceptions=False)

    assert result.exit_code == Exit.OK
    assert "main waits at line 1 for signal 'approval'" in result.stdout


def test_replay_of_a_task_and_of_no_event_is_refused(rhythm: Rhythm) -> None:
    rhythm("run", "flows/hello.flow", "-m", "cli_tasks")
    [task] = json.loads(rhythm("list", "--type", "task", "--json").stdout)
    [execution] = json.loads(rhythm("list", "--target", "hello", "--json").stdout)

    assert rhythm("replay", task["id"]).exit_code == Exit.USAGE
    beyond = rhythm("replay", execution["id"], "--at", "99")
    assert beyond.exit_code == Exit.USAGE
    assert "the history has events 1 to" in beyond.stderr


def test_explain_names_what_is_waited_for_and_what_is_amiss(rhythm: Rhythm) -> None:
    rhythm("run", "flows/stumble.flow", "-m", "cli_tasks")
    [failed] = json.loads(rhythm("list", "--target", "stumble", "--json").stdout)
    waiting = started(rhythm, "approval", "--queue", "lonely")

    shown = rhythm("explain", failed["id"]).stdout
    pending = rhythm("explain", waiting).stdout

    assert '3 | await Task.run("cli_stumble", {}, options);' in shown
    assert "before: Task 1 'cli_stumble' failed with LookupError: nothing there" in shown
    assert "amiss: No worker serves queue 'lonely'" in pending


# where, what-if, impact


def test_where_draws_the_numbers_beside_the_source(rhythm: Rhythm) -> None:
    first = started(rhythm, "approval")
    started(rhythm, "approval")

    shown = rhythm("where", "approval").stdout
    listed = rhythm("where", "approval", "--line", "1").stdout

    assert "2 live executions" in shown
    assert '     2 1 | const approval = await Signal.when("approval");' in shown
    assert first in listed.splitlines()
    assert rhythm("where", "hello").stdout == "no execution of hello is alive\n"


def test_an_edited_script_is_tried_on_what_was_recorded(rhythm: Rhythm, folder: Path) -> None:
    rhythm("run", "flows/hello.flow", "-m", "cli_tasks", "-i", "name=Ada")
    [execution] = json.loads(rhythm("list", "--target", "hello", "--json").stdout)
    same, other = folder / "same.flow", folder / "hello.flow"
    same.write_text("// a comment\n" + HELLO)
    other.write_text("// a comment\n" + HELLO.replace("cli_shout", "cli_whisper"))

    unchanged = rhythm("what-if", execution["id"], "--source", "same.flow")
    changed = rhythm("what-if", execution["id"], "--source", "hello.flow")
    report = rhythm("impact", "hello.flow")
    calm = rhythm("impact", "same.flow", "--name", "hello", "--json", "--status", "completed")
    none = rhythm("impact", "hello.flow", "--error", "LookupError", "--after", "2026-01-01")

    assert unchanged.stdout == f"{execution['id']} would decide as it did\n"
    assert changed.exit_code == report.exit_code == Exit.FAILED
    difference = (
        "recorded task 'cli_shout' (command 1) (line 1), "
        "it would be task 'cli_whisper' (command 1) (now line 2)"
    )
    assert f"parts at event 2: {difference}" in changed.stdout
    assert f"1 execution: {difference}" in report.stdout
    assert "1 execution replayed, 0 would decide as they did" in report.stdout
    assert json.loads(calm.stdout) == {"unchanged": [execution["id"]], "parting": {}}
    assert (none.exit_code, none.stdout) == (
        Exit.OK,
        "0 executions replayed, 0 would decide as they did\n",
    )


# schedule


def test_a_schedule_from_its_making_to_its_end(rhythm: Rhythm) -> None:
    made = rhythm(
        *("schedule", "create", "daily", "hello", "--cron", "@daily", "--jitter", "90s"),
        *("-i", "name=Ada", "--workflows", "flows", "--priority", "7", "-a", "team=tea"),
    )
    assert made.exit_code == Exit.OK, made.stderr
    assert "priority    7" in made.stdout and '{"team": "tea"}' in made.stdout
    assert 'workflow hello with {"name": "Ada"}' in made.stdout
    assert "up to 90s" in made.stdout

    times = rhythm("schedule", "next", "daily", "--count", "2", "--after", "2026-01-01")
    assert times.stdout == "2026-01-02 00:00:00.000\n2026-01-03 00:00:00.000\n"
    changed = rhythm("schedule", "change", "daily", "--every", "24h", "--json")
    assert json.loads(changed.stdout)["cron"] is None
    assert json.loads(changed.stdout)["attributes"] == {"team": "tea"}
    assert rhythm("schedule", "pause", "daily", "--note", "holidays").stdout == "daily is paused\n"
    listed = rhythm("schedule", "list").stdout
    assert "every 1d" in listed and "paused" in listed and "1 schedule" in listed
    execution_id = rhythm("schedule", "trigger", "daily").stdout.strip()
    assert execution_id.startswith("daily!")
    assert rhythm("schedule", "trigger", "daily").stdout == ""
    filled = rhythm("schedule", "backfill", "daily", "2026-01-01", "2026-01-04")
    assert filled.stdout == "3 started, 0 wait, 0 skipped, 0 there already\n"
    assert "4 executions" in rhythm("list", "--schedule", "daily").stdout
    shown = json.loads(rhythm("schedule", "get", "daily", "--json").stdout)
    assert (shown["paused"], shown["note"], shown["started"]) == (True, "holidays", 4)
    assert "is due next at" in rhythm("schedule", "resume", "daily").stdout
    assert rhythm("schedule", "delete", "daily").stdout == "daily is deleted\n"
    assert rhythm("schedule", "get", "daily").exit_code == Exit.NOT_FOUND
    assert rhythm("schedule", "change", "daily", "--note", "x").exit_code == Exit.NOT_FOUND
    assert rhythm("schedule", "change", "daily").exit_code == Exit.USAGE


# pause


def test_pause_and_resume_by_id_and_by_name(rhythm: Rhythm) -> None:
    id_ = started(rhythm, "approval")

    assert rhythm("pause", id_).stdout == f"{id_} is paused\n"
    assert "it rests" in rhythm("get", id_).stdout
    assert rhythm("resume", id_).stdout == f"{id_} waits for a worker again\n"
    assert rhythm("resume", id_).exit_code == Exit.REFUSED
    assert rhythm("pause", "--queue", "mail", "--note", "down").stdout == "queue mail is paused\n"
    assert re.search(r"queue mail +\d.* +down", rhythm("doctor").stdout)
    assert rhythm("resume", "--queue", "mail").stdout == "queue mail is resumed\n"
    assert rhythm("resume", "--queue", "mail").stdout == "queue mail was not paused\n"
    assert rhythm("pause").exit_code == Exit.USAGE
    assert rhythm("pause", id_, "--task", "x").exit_code == Exit.USAGE
    assert rhythm("pause", id_, "--note", "x").exit_code == Exit.USAGE


def test_limits_are_set_shown_and_removed(rhythm: Rhythm) -> None:
    started(rhythm, "approval")
    charge = ("--task", "charge")

    assert rhythm("limit", "set", *charge, "--rate", "100/m").stdout == "task charge is limited\n"
    again = rhythm("limit", "set", *charge, "--rate", "100/1m").stdout
    assert again == "task charge was limited so before\n"
    rhythm("limit", "set", "--queue", "mail", "--concurrency", "5", "--key-concurrency", "1")
    head, *rows = rhythm("limit", "list").stdout.splitlines()
    assert head.split()[:4] == ["of", "name", "at", "once"]
    assert [row.split() for row in rows] == [
        ["queue", "mail", "5", "-", "1", "-", "0", "0", "hand"],
        ["task", "charge", "-", "100/1m", "-", "-", "0", "0", "hand"],
    ]
    removed = rhythm("limit", "remove", *charge).stdout
    assert removed == "limits of task charge are removed\n"
    assert rhythm("limit", "remove", *charge).stdout == "limits of task charge were not set\n"
    [left] = json.loads(rhythm("limit", "list", "--json").stdout)
    assert (left["name"], left["key_concurrency"]) == ("mail", 1)
    assert rhythm("limit", "set", "--rate", "5/s").exit_code == Exit.USAGE
    assert rhythm("limit", "set", *charge, "--queue", "x").exit_code == Exit.USAGE
    assert rhythm("limit", "set", *charge, "--rate", "fast").exit_code == Exit.USAGE
    assert rhythm("limit", "set", *charge).exit_code == Exit.USAGE


# bulk


def test_bulk_looks_first_and_wants_to_be_told(rhythm: Rhythm) -> None:
    ids = {started(rhythm, "approval") for _ in range(3)}
    words = ("bulk", "terminate", "--target", "approval")

    assert rhythm(*words).exit_code == Exit.USAGE
    looked = rhythm(*words, "--dry-run")
    assert set(looked.stdout.split()) == ids
    assert "would terminate 3 executions" in looked.stderr
    assert rhythm("bulk", "terminate", "--yes").exit_code == Exit.USAGE
    done = rhythm(*words, "--yes", "--reason", "enough")
    assert done.stdout == "terminate: 3 of 3 done, 0 had moved on, 0 refused\n"
    removed = json.loads(rhythm("bulk", "delete", "--every", "--yes", "--json").stdout)
    assert set(removed["ids"]) == ids
    assert rhythm("list").stdout == "0 executions\n"
