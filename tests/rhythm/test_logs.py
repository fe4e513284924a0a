"""What is logged says what it is about, whoever logs it."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from rhythm import InitBuilder, RetryPolicy, TaskContext, Worker
from rhythm.logs import JsonLines
from rhythm.tasks import TaskDefinition, TaskRegistry
from tests.conftest import RedisServer
from tests.rhythm.test_workflows import flows

Run = Callable[[Coroutine[Any, Any, None]], None]

FLOW = """
    console.log("counting", 3)
    await Task.run("count")
    return await Task.run("stumble")
"""


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """All that is logged from INFO on, by anybody, as JSON."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in text.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


def registry() -> TaskRegistry:
    def count() -> None:
        logging.getLogger("shop").info("in a thread")

    async def stumble(context: TaskContext) -> int:
        context.logger.info("attempt", extra={"cart": 7})
        if context.attempt == 1:
            raise ConnectionError("the bank is closed")
        return 1

    known = TaskRegistry()
    policy = RetryPolicy(initial_interval=0.01)
    known.add(TaskDefinition("count", None, count))
    known.add(TaskDefinition("stumble", None, stumble, options={"retry": policy.as_option()}))
    return known


def test_every_line_says_what_was_at_work(
    database_url: str, namespace: str, run: Run, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(it=FLOW)) as app, Worker(app, registry=registry()):
            await app.execution_service.create_execution(target_name="it", id="one")
            await app.execution_service.wait_for_execution("one", timeout=30)

    run(story())
    told = {(line["logger"], line["message"]): line for line in lines()}
    console = told["rhythm.flow", "counting 3"]
    thread = told["shop", "in a thread"]
    attempts = [line for line in lines() if line["message"] == "attempt"]
    [failed] = [line for line in lines() if "failed with ConnectionError" in line["message"]]

    assert (console["execution_id"], console["workflow"], console["flow_line"]) == ("one", "it", 2)
    assert (thread["task"], thread["parent_workflow_id"], thread["attempt"]) == ("count", "one", 1)
    assert thread["execution_id"].startswith("one/")
    assert thread["level"] == "info" and thread["time"].endswith("+00:00")
    assert thread["worker"] == console["worker"]
    assert [line["attempt"] for line in attempts] == [1, 2]
    assert [(line["logger"], line["cart"]) for line in attempts] == [("rhythm.task.stumble", 7)] * 2
    assert (failed["task"], failed["attempt"], failed["level"]) == ("stumble", 1, "warning")
    [begun] = [line for line in lines() if "serves default" in line["message"]]
    assert "execution_id" not in begun


def test_a_line_names_the_span_that_is_under_way(
    database_url: str,
    namespace: str,
    run: Run,
    lines: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(it=FLOW)) as app:
            monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider())
            id_ = await app.execution_service.create_execution(target_name="it")
            async with Worker(app, registry=registry()):
                execution = await app.execution_service.wait_for_execution(id_, timeout=30)
            traces.append(execution.trace_id)

    traces: list[str | None] = []
    run(story())
    [thread] = [line for line in lines() if line["message"] == "in a thread"]
    [console] = [line for line in lines() if line["logger"] == "rhythm.flow"]
    assert thread["trace_id"] == console["trace_id"] == traces[0]
    assert len(thread["span_id"]) == 16


def test_what_is_no_json_and_what_was_raised_are_told_as_text() -> None:
    record = logging.LogRecord("shop", logging.ERROR, __file__, 1, "no %s", ("tea",), None)
    record.path = Path("/tmp/x")
    try:
        raise KeyError("cup")
    except KeyError:
        record.exc_info = sys.exc_info()

    line = json.loads(JsonLines().format(record))

    assert (line["message"], line["path"], line["error"]) == ("no tea", "/tmp/x", "KeyError")
    assert line["traceback"].endswith("KeyError: 'cup'")
    assert "\n" not in JsonLines().format(record)


TASKS = """\
import logging
from rhythm import task

@task
def log_loudly() -> None:
    logging.getLogger("shop").warning("line one\\nline two")
"""


def test_a_worker_process_logs_nothing_but_json(
    redis_server: RedisServer, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "log_tasks.py").write_text(TASKS)
    (tmp_path / "loud.flow").write_text('return await Task.run("log_loudly")')
    environment = {
        **os.environ,
        "RHYTHM_DATABASE_URL": redis_server.url,
        "RHYTHM_NAMESPACE": namespace,
        "RHYTHM_LOG_FORMAT": "json",
    }
    words = ["worker", "-m", "log_tasks", "--workflows", "loud.flow"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "rhythm", *words],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stderr is not None
    try:
        told = [json.loads(next(worker.stderr))]
        while not told[-1]["message"].startswith("ready on"):
            told.append(json.loads(next(worker.stderr)))
        subprocess.run(
            [sys.executable, "-m", "rhythm", "start", "loud"],
            env=environment,
            check=True,
            capture_output=True,
        )
        while told[-1]["logger"] != "shop":
            told.append(json.loads(next(worker.stderr)))
        worker.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in worker.stderr]
        code = worker.wait(30)
    finally:
        worker.kill()
        worker.wait()
        worker.stderr.close()

    assert told[-1]["message"] == "line one\nline two"
    assert told[-1]["task"] == "log_loudly"
    assert [line["message"] for line in rest][-1] == "stopped, nothing left in hand"
    assert code == 0
