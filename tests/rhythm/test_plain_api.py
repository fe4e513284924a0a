"""The plain API: blocking, from any thread, for one process; named as in the original Rhythm."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rhythm
from rhythm import client, errors
from rhythm.config import PlainSettings, load
from tests.conftest import RedisServer

ROOT = Path(__file__).parents[2]

ORDER = """
const { item } = Inputs;
const price = await Task.run("plain.price", { item });
const answer = await Signal.when("approval");
return { price, answer };
"""
MAILING = """```
queue: mail
```
return "sent";
"""


@rhythm.task(name="plain.price")
def price(item: str) -> float:
    return {"tea": 4.5, "samovar": 240.0}[item]


@rhythm.task(name="plain.mailed", queue="mail")
async def mailed(to: str) -> str:
    return f"to {to}"


_alone = threading.Lock()


@rhythm.task(name="plain.alone")
def alone() -> bool:
    """Whether no other runs just now."""
    if not _alone.acquire(blocking=False):
        return False
    try:
        return not threading.Event().wait(0.01)
    finally:
        _alone.release()


@rhythm.task(name="plain.asks")
def asks(item: str) -> float:
    """Starts another task and waits for it."""
    found = client.wait_for_execution(price.queue(item=item), timeout=30).result()
    assert isinstance(found, int | float)
    return found


@rhythm.task(name="plain.blocks")
async def blocks() -> str:
    price.queue(item="tea")
    return "started"


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "order.flow").write_text(ORDER)
    (folder / "mailing.flow").write_text(MAILING)
    return folder


@pytest.fixture
def plain(
    database_url: str, namespace: str, flows: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """`rhythm.init` has been called."""
    monkeypatch.setenv("RHYTHM_NAMESPACE", namespace)
    rhythm.init(database_url, workflow_paths=[str(flows)], auto_migrate=True)
    yield
    client.close()


@contextmanager
def working(**options: Any) -> Iterator[None]:
    """A worker in a thread of this process, until the application is closed at the latest."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(rhythm.worker.run, **options)
        yield
        client.close()
        running.result(30)


# As in rhythm-py 0.1.2; what comes after these parameters is ours.
ORIGINAL: dict[Callable[..., Any], list[tuple[str, Any]]] = {
    rhythm.init: [
        ("database_url", ...),
        ("workflow_paths", None),
        ("auto_migrate", True),
    ],
    client.queue_task: [("name", ...), ("inputs", ...), ("queue", "default")],
    client.queue_workflow: [("name", ...), ("inputs", ...), ("queue", "default")],
    client.queue_execution: [
        ("exec_type", ...),
        ("target_name", ...),
        ("inputs", ...),
        ("queue", ...),
        ("parent_workflow_id", None),
    ],
    client.start_workflow: [("workflow_name", ...), ("inputs", ...)],
    client.schedule_task: [
        ("name", ...),
        ("inputs", ...),
        ("run_at", ...),
        ("queue", "default"),
    ],
    client.schedule_workflow: [
        ("name", ...),
        ("inputs", ...),
        ("run_at", ...),
        ("queue", "default"),
    ],
    client.get_execution: [("execution_id", ...)],
    client.list_executions: [
        ("queue", None),
        ("status", None),
        ("limit", 100),
        ("offset", 0),
    ],
    client.cancel_execution: [("execution_id", ...)],
    client.send_signal: [
        ("workflow_id", ...),
        ("signal_name", ...),
        ("payload", ...),
        ("queue", "default"),
    ],
    client.wait_for_execution: [
        ("execution_id", ...),
        ("timeout", 60.0),
        ("poll_interval", 0.5),
    ],
    rhythm.worker.run: [],
}


@pytest.mark.parametrize("function", ORIGINAL, ids=lambda function: function.__name__)
def test_a_call_that_fits_the_original_fits_here(function: Callable[..., Any]) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    original = ORIGINAL[function]

    assert [parameter.name for parameter in parameters][: len(original)] == [n for n, _ in original]
    for parameter, (_, default) in zip(parameters, original, strict=False):
        assert default is ... or parameter.default == default
    assert all(
        parameter.default is not parameter.empty for parameter in parameters[len(original) :]
    )


# What the calls do.


@pytest.mark.usefixtures("plain")
def test_a_workflow_is_started_told_and_waited_for() -> None:
    with working():
        id_ = client.start_workflow("order", inputs={"item": "samovar"})
        client.send_signal(workflow_id=id_, signal_name="approval", payload={"by": "Ada"})

        ended = client.wait_for_execution(id_, timeout=30.0)

    assert (ended.status, ended.type) == ("completed", "workflow")
    assert ended.output == {"price": 240, "answer": {"by": "Ada"}}


@pytest.mark.usefixtures("plain")
def test_a_task_is_queued_by_its_function_which_can_still_be_called() -> None:
    with working(queues=["default", "mail"]):
        in_its_queue = mailed.queue(to="Ada")
        by_name = client.queue_task(name="plain.mailed", inputs={"to": "Bob"})
        by_type = client.queue_execution("task", "plain.price", {"item": "tea"}, "mail")
        ends = [client.wait_for_execution(id_) for id_ in (in_its_queue, by_name, by_type)]

    assert [end.output for end in ends] == ["to Ada", "to Bob", 4.5]
    assert [end.queue for end in ends] == ["mail", "default", "mail"]
    assert price("tea") == 4.5


@pytest.mark.usefixtures("plain")
def test_a_workflow_goes_to_the_queue_of_the_call_else_to_default_and_started_to_its_own() -> None:
    ids = [
        client.queue_workflow("mailing", {}),
        client.queue_workflow("mailing", {}, queue="other"),
        client.start_workflow("mailing", {}),
    ]

    assert [found(id_).queue for id_ in ids] == ["default", "other", "mail"]


@pytest.mark.usefixtures("plain")
def test_what_is_scheduled_starts_at_its_time() -> None:
    with working():
        past = client.schedule_task("plain.price", {"item": "tea"}, "2024-01-15T10:30:00")
        future = client.schedule_workflow("order", {"item": "tea"}, run_at="2999-01-15T10:30:00")

        assert client.wait_for_execution(past, timeout=30).output == 4.5
        assert found(future).status == "pending"


@pytest.mark.usefixtures("plain")
def test_executions_are_listed_as_dicts_the_newest_first() -> None:
    ids = [client.queue_task("plain.price", {"item": "tea"}, queue="shop") for _ in range(3)]
    client.queue_task("plain.price", {"item": "tea"})

    listed = client.list_executions(queue="shop", status="pending", limit=2)

    assert [execution["id"] for execution in listed] == ids[:0:-1]
    assert listed[0]["inputs"] == {"item": "tea"}
    assert client.list_executions(queue="shop", offset=2)[0]["id"] == ids[0]
    assert client.list_executions(status="failed") == []


@pytest.mark.usefixtures("plain")
def test_cancelling_says_whether_there_was_something_to_cancel() -> None:
    id_ = client.queue_task("plain.price", {"item": "tea"})

    assert client.cancel_execution(id_) is True
    assert client.wait_for_execution(id_, timeout=30).status == "cancelled"
    assert client.cancel_execution(id_) is False
    assert client.cancel_execution("exec_nobody") is False
    assert client.cancel_execution("no id at all") is False


@pytest.mark.usefixtures("plain")
def test_nobody_of_that_id_is_none_and_cannot_be_waited_for() -> None:
    assert client.get_execution("exec_nobody") is None
    assert client.get_execution("no id at all") is None
    with pytest.raises(RuntimeError):
        client.wait_for_execution("exec_nobody", timeout=1)


@pytest.mark.usefixtures("plain")
def test_waiting_too_long_is_a_timeout_error_and_ends_nothing() -> None:
    id_ = client.queue_task("plain.price", {"item": "tea"})

    with pytest.raises(TimeoutError):
        client.wait_for_execution(id_, timeout=0.01, poll_interval=0.001)

    assert found(id_).status == "pending"


@pytest.mark.usefixtures("plain")
def test_a_parent_cannot_be_given_from_outside() -> None:
    with pytest.raises(errors.InvalidRequest, match="children are started by its script"):
        client.queue_execution("task", "plain.price", {}, "default", parent_workflow_id="exec_1")


@pytest.mark.usefixtures("plain")
def test_many_threads_call_at_once() -> None:
    def one(number: int) -> Any:
        item = "tea" if number % 2 else "samovar"
        return client.wait_for_execution(price.queue(item=item), timeout=30).output

    with working(concurrency=10), ThreadPoolExecutor(20) as pool:
        outputs = list(pool.map(one, range(60)))

    assert outputs == [240, 4.5] * 30


@pytest.mark.usefixtures("plain")
def test_one_task_runs_at_a_time_unless_more_are_asked_for() -> None:
    with working():
        ids = [alone.queue() for _ in range(5)]
        assert all(client.wait_for_execution(id_, timeout=30).output for id_ in ids)


@pytest.mark.usefixtures("plain")
def test_a_task_may_use_the_api_in_its_thread() -> None:
    with working(concurrency=2):
        id_ = asks.queue(item="samovar")

        assert client.wait_for_execution(id_, timeout=30).output == 240


@pytest.mark.usefixtures("plain")
def test_an_async_task_is_told_what_to_await_instead() -> None:
    with working():
        ended = client.wait_for_execution(blocks.queue(), timeout=30)

    assert ended.status == "failed"
    assert ended.output["name"] == "BlockingCall"
    assert "create_execution" in ended.output["message"]


@pytest.mark.usefixtures("plain")
def test_a_failed_task_shows_its_exception_in_the_fields_that_the_docs_name() -> None:
    with working():
        failed = client.wait_for_execution(price.queue(item="coffee"), timeout=30)

    assert failed.status == "failed"
    assert failed.output["message"] == "'coffee'"
    assert (failed.output["name"], failed.output["type"]) == ("KeyError", "task_failed")
    assert "KeyError" in failed.output["traceback"]


# Where it refuses.

CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "init": (lambda: rhythm.init("memory://"), "await InitBuilder()"),
    "queue_task": (lambda: client.queue_task("x", {}), "create_execution"),
    "queue_workflow": (lambda: client.queue_workflow("x", {}), "create_execution"),
    "queue_execution": (lambda: client.queue_execution("task", "x", {}, "q"), "create_execution"),
    "start_workflow": (lambda: client.start_workflow("x", {}), "create_execution"),
    "schedule_task": (lambda: client.schedule_task("x", {}, "2030-01-01"), "schedule_execution"),
    "schedule_workflow": (
        lambda: client.schedule_workflow("x", {}, "2030-01-01"),
        "schedule_execution",
    ),
    "get_execution": (lambda: client.get_execution("exec_1"), "get_execution"),
    "list_executions": (lambda: client.list_executions(), "query_executions"),
    "cancel_execution": (lambda: client.cancel_execution("exec_1"), "cancel_execution"),
    "send_signal": (lambda: client.send_signal("exec_1", "s", None), "send_signal"),
    "wait_for_execution": (lambda: client.wait_for_execution("exec_1"), "wait_for_execution"),
    "task.queue": (lambda: price.queue(item="tea"), "create_execution"),
    "worker.run": (lambda: rhythm.worker.run(), "Worker(app).run()"),
    "close": (lambda: client.close(), "app.close()"),
}


@pytest.fixture
def in_memory() -> Iterator[None]:
    rhythm.init("memory://")
    yield
    client.close()


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize("name", CALLS)
def test_in_an_event_loop_a_call_names_what_to_await_instead(name: str) -> None:
    call, instead = CALLS[name]

    async def inside() -> None:
        with pytest.raises(errors.BlockingCall, match="event loop") as caught:
            call()
        assert instead in caught.value.instead

    asyncio.run(inside())
    assert client.list_executions() == []


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("init", "close")])
def test_before_init_a_call_says_that_it_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(errors.ConfigurationError, match=r"call rhythm\.init"):
        CALLS[name][0]()


def test_init_needs_an_address_and_takes_it_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.ConfigurationError, match="no Redis address"):
        rhythm.init()

    monkeypatch.setenv("RHYTHM_DATABASE_URL", "memory://")
    rhythm.init()
    client.close()


def test_an_init_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file or folder"):
        rhythm.init("memory://", workflow_paths=[str(tmp_path / "nowhere")])

    rhythm.init("memory://")
    client.close()


@pytest.mark.usefixtures("plain")
def test_a_second_init_changes_nothing_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    id_ = client.queue_task("plain.price", {"item": "tea"})

    rhythm.init("memory://elsewhere")

    assert found(id_).status == "pending"
    assert "keeps its first application" in caplog.text


@pytest.mark.usefixtures("plain")
def test_closing_ends_those_who_wait() -> None:
    id_ = client.queue_task("plain.price", {"item": "tea"})
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        client.wait_for_execution(id_, timeout=None)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        begun.wait()

        client.close()

        # Which of them depends on whether it waited already.
        with pytest.raises((errors.ConnectionLost, errors.ConfigurationError)):
            waiting.result(30)


FORKING = """
import os, sys
import rhythm
from rhythm import client

@rhythm.task
def double(x):
    return 2 * x

rhythm.init()
first = double.queue(x=1)
child = os.fork()
if child == 0:
    try:
        client.get_execution(first)
    except rhythm.ConfigurationError as error:
        print("refused" if "after the fork" in str(error) else error, flush=True)
    rhythm.init()
    print(client.get_execution(first).status, flush=True)
    sys.exit(7)
_, how = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(how), len({first, double.queue(x=2)}), flush=True)
print(client.cancel_execution(first), client.wait_for_execution(first, 30).status)
"""


def test_after_a_fork_the_child_begins_anew_and_the_parent_goes_on(
    redis_server: RedisServer, namespace: str
) -> None:
    told = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING],
        cwd=ROOT,
        env=os.environ | {"RHYTHM_DATABASE_URL": redis_server.url, "RHYTHM_NAMESPACE": namespace},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert told.stderr == ""
    assert told.stdout.splitlines() == ["refused", "pending", "7 2", "True cancelled"]


@pytest.mark.parametrize(
    ("ours", "originals"),
    [
        (errors.ExecutionNotFound, RuntimeError),
        (errors.ConnectionLost, RuntimeError),
        (errors.FlowSyntaxError, RuntimeError),
        (errors.ConfigurationError, ValueError),
        (errors.ConfigurationError, RuntimeError),
        (errors.InvalidRequest, ValueError),
        (errors.InvalidPayload, TypeError),
        (errors.WaitTimeout, TimeoutError),
    ],
)
def test_a_program_that_catches_pythons_own_errors_catches_ours(
    ours: type[Exception], originals: type[Exception]
) -> None:
    assert issubclass(ours, originals)


# rhythm.config.settings


def test_settings_are_ours_and_the_originals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text('[database]\nurl = "redis://file/0"\nmax_connections = 9\n')

    settings = load(
        {
            "RHYTHM_CONFIG_PATH": "own.toml",
            "RHYTHM_LEASE": "3",
            "WORKFLOWS_WORKER_VERBOSE": "true",
            "WORKFLOWS_DEFAULT_RETRIES": "5",
        }
    )

    assert settings.database_url == "redis://file/0"
    assert (settings.lease, settings.worker_verbose, settings.default_retries) == (3, True, 5)
    assert (settings.worker_max_concurrent, settings.default_timeout) == (10, 300)
    assert load({"WORKFLOWS_DATABASE_URL": "redis://old/0"}).database_url == "redis://old/0"
    assert isinstance(rhythm.config.settings, PlainSettings)


def test_a_setting_of_the_original_that_cannot_be_is_named() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"WORKFLOWS_DEFAULT_RETRIES is 'some'"):
        load({"WORKFLOWS_DEFAULT_RETRIES": "some"})


def test_a_table_of_the_original_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rhythm.toml"
    path.write_text('[database]\nurll = "redis://file/0"\n')

    with pytest.raises(errors.ConfigurationError, match=r"\[database\] has no 'urll'.*'url'"):
        load({"RHYTHM_CONFIG_PATH": str(path)})


def found(execution_id: str) -> rhythm.Execution:
    execution = client.get_execution(execution_id)
    assert execution is not None
    return execution
