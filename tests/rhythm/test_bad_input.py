"""Bad input gets a clear error at the border and changes nothing, on both servers."""

import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rhythm import (
    ConfigurationError,
    ConnectionLost,
    ExecutionExists,
    ExecutionFilters,
    ExecutionFinished,
    ExecutionNotFound,
    FlowSyntaxError,
    InitBuilder,
    InvalidPayload,
    InvalidRequest,
    PayloadTooLarge,
    Rhythm,
    WaitTimeout,
    Worker,
    WorkflowFile,
    WorkflowNotRegistered,
)
from rhythm.tasks import TaskRegistry

CALLS: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("create", {}, InvalidRequest, "target_name: is missing"),
    ("create", {"target_name": ""}, InvalidRequest, "target_name: must not be empty"),
    ("create", {"target_name": "x" * 129}, InvalidRequest, "target_name: is 129 characters long"),
    ("create", {"exec_type": "job"}, InvalidRequest, "exec_type: 'job' is none of 'workflow'"),
    ("create", {"inputs": [1, 2]}, InvalidRequest, "inputs: must be a dict, not a list"),
    ("create", {"inputs": {"at": datetime(2026, 1, 1)}}, InvalidPayload, "inputs.at: a datetime"),
    ("create", {"inputs": {"n": [1, Decimal(1)]}}, InvalidPayload, "inputs.n[1]: a Decimal is no"),
    ("create", {"inputs": {"n": math.inf}}, InvalidPayload, "inputs.n: JSON has no inf"),
    ("create", {"inputs": {"n": 2**60}}, InvalidPayload, "inputs.n: an int beyond 2^53"),
    ("create", {"inputs": {"n": {1: 2}}}, InvalidPayload, "inputs.n: has an int as a key"),
    ("create", {"inputs": {"n": "x" * 2**20}}, PayloadTooLarge, "inputs: 1,048,584 bytes"),
    ("create", {"queue": "a b"}, InvalidRequest, "queue: 'a b' has ' ' in it"),
    ("create", {"id": "a/b"}, InvalidRequest, "id: 'a/b' is not made of"),
    ("create", {"id": "taken", "inputs": {"other": 1}}, ExecutionExists,
     "execution 'taken' exists already and differs in inputs;"),
    ("create", {"id": "taken", "target_name": "other"}, ExecutionExists,
     "execution 'taken' exists already and differs in target_name and"),
    ("create", {"input": {}}, InvalidRequest, "create_execution: has no parameter 'input' (did"),
    ("create", {"exec_type": "workflow"}, WorkflowNotRegistered, "no workflow 'some_task' is reg"),
    ("schedule", {}, InvalidRequest, "run_at: is missing"),
    ("schedule", {"run_at": "soon"}, InvalidRequest, "run_at: 'soon' is no ISO 8601 time"),
    ("schedule", {"run_at": 1769860800}, InvalidRequest, "run_at: must be a datetime or ISO 8601"),
    ("signal", {"signal_name": "go"}, InvalidRequest, "workflow_id: is missing"),
    ("signal", {"workflow_id": "no", "signal_name": ""}, InvalidRequest, "signal_name: must not"),
    ("signal", {"workflow_id": "no", "signal_name": "go"}, ExecutionNotFound, "no execution 'no'"),
    ("signal", {"workflow_id": "no", "signal_name": "go", "payload": {1}}, InvalidPayload,
     "payload: a set is no JSON value"),
    ("get", {"execution_id": ""}, InvalidRequest, "execution_id: must not be empty"),
    ("get", {"execution_id": 7}, InvalidRequest, "execution_id: must be text, not an int"),
    ("wait", {"execution_id": "no", "timeout": 1}, ExecutionNotFound, "no execution 'no'"),
    ("query", {"limit": -1}, InvalidRequest, "limit: must not be negative, is -1"),
    ("query", {"state": "failed"}, InvalidRequest, "query_executions: has no parameter 'state'"),
    ("count", {"status": "done"}, InvalidRequest, "status: 'done' is none of 'pending'"),
]  # fmt: skip


def made(app: Rhythm, call: str, given: dict[str, Any]) -> Awaitable[Any]:
    """One of `CALLS`, with a target where it needs one that is good."""
    executions: Any = app.execution_service
    start = {"exec_type": "task", "target_name": "some_task", **given}
    if call == "create":
        return executions.create_execution(start if given else {})  # type: ignore[no-any-return]  # any call
    if call == "schedule":
        schedule: Any = app.scheduler_service.schedule_execution
        return schedule(**start)  # type: ignore[no-any-return]  # any call
    calls: dict[str, Callable[..., Any]] = {
        "signal": app.signal_service.send_signal,
        "get": executions.get_execution,
        "wait": executions.wait_for_execution,
        "query": lambda **filters: executions.query_executions(filters),
        "count": lambda **filters: executions.count_executions(filters),
    }
    return calls[call](**given)  # type: ignore[no-any-return]  # any call


def test_bad_calls_are_refused_and_change_nothing(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            await app.execution_service.create_execution(
                target_name="some_task", exec_type="task", id="taken", inputs={"first": 1}
            )
            before = await app.execution_service.query_executions()
            for call, given, kind, message in CALLS:
                with pytest.raises(kind) as caught:
                    await made(app, call, given)
                assert str(caught.value).startswith(message), (call, given)
                assert await app.execution_service.query_executions() == before, (call, given)

    run(scenario())


def test_what_looks_odd_and_is_good(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    """The edges on the good side of the table above."""

    async def scenario() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            executions = app.execution_service
            inputs = {"": None, "big": 2**53, "deep": [[[{}]]], "text": "ü€𝄞\0", "x": -0.0}
            execution_id = await executions.create_execution(
                target_name="größe", exec_type="task", inputs=inputs, queue="日本", id="@:._-" * 25
            )
            stored = await executions.get_execution(execution_id)
            assert stored is not None
            assert (stored.inputs, stored.queue) == (inputs, "日本")
            assert (stored.target_name, stored.id) == ("größe", "@:._-" * 25)
            again = await executions.create_execution(
                {"target_name": "größe", "exec_type": "task", "inputs": inputs, "queue": "日本",
                 "id": "@:._-" * 25}
            )  # fmt: skip
            assert again == execution_id
            assert await executions.get_execution("exec_unknown") is None
            assert await executions.query_executions(ExecutionFilters(limit=0)) == []
            assert await executions.count_executions() == 1

    run(scenario())


def test_a_wait_that_times_out_says_that_nobody_serves_the_queue(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            execution_id = await app.execution_service.create_execution(
                target_name="some_task", exec_type="task", queue="lonely"
            )
            with pytest.raises(WaitTimeout) as caught:
                await app.execution_service.wait_for_execution(execution_id, timeout=0.05)
            assert caught.value == WaitTimeout(execution_id, 0.05, "pending", "lonely", 0)

    run(scenario())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda b: b.database_url("postgres://user:pass@localhost/db"),
         "'postgres://user:***@localhost/db': Rhythm keeps its state in Redis, not in PostgreSQL; "
         "give redis://"),
        (lambda b: b.workflow_paths("flows"), "workflow_paths() takes a list; give ['flows']"),
        (lambda b: b.workflow_paths(["nowhere"]), "nowhere"),
        (lambda b: b.workflows(["a.flow"]), "workflows() takes WorkflowFile objects, not str"),
        (lambda b: b.namespace("a b"), "namespace is 'a b'"),
        (lambda b: b.workflows([WorkflowFile(name="a", source="", file_path="1.flow"),
                                WorkflowFile(name="a", source="", file_path="2.flow")]), "'a'"),
        (lambda b: b.config_path("none.toml"), "the config file 'none.toml' does not exist"),
    ],
)  # fmt: skip
def test_an_application_that_cannot_be_built(
    build: Callable[[InitBuilder], InitBuilder], message: str, run: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError) as caught:
            await build(InitBuilder().database_url("memory://")).init()
        assert message in str(caught.value)

    run(scenario())


def test_a_server_that_is_down_is_named_without_its_password(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0.2")

    async def scenario() -> None:
        with pytest.raises(ConnectionLost) as caught:
            await InitBuilder().database_url("redis://:secret@127.0.0.1:1/0").init()
        assert str(caught.value).startswith("no answer from Redis at redis://:***@127.0.0.1:1/0")

    run(scenario())


def test_mistakes_in_one_file_leave_all_files_unregistered(
    database_url: str, namespace: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    """All mistakes of all files are told, with place, line and caret; the good file waits too."""
    (tmp_path / "bad.flow").write_text("const n = 1\nlet total = ;\n")
    (tmp_path / "good.flow").write_text("return Inputs.name\n")
    (tmp_path / "worse.flow").write_text("return (1\n")

    async def scenario() -> None:
        def builder() -> InitBuilder:
            return InitBuilder().database_url(database_url).namespace(namespace)

        async with builder() as app:
            with pytest.raises(FlowSyntaxError) as caught:
                await builder().workflow_paths([tmp_path]).init()
            bad = f"{tmp_path}/bad.flow:2:13: error: "
            assert str(caught.value).startswith(bad)
            assert "\n    let total = ;\n                ^\n" in str(caught.value)
            assert f"{tmp_path}/worse.flow:" in str(caught.value)
            assert await app.workflow_service.list_workflows() == []
            with pytest.raises(WorkflowNotRegistered, match="known are: none"):
                await app.execution_service.create_execution(target_name="good")

    run(scenario())


def test_an_unknown_workflow_is_told_with_the_nearest_and_all_known(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    files = [
        WorkflowFile(name=name, source="return 1", file_path=f"{name}.flow")
        for name in ("onboard_user", "daily_report")
    ]

    async def scenario() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace).workflows(files)
        async with builder as app:
            with pytest.raises(WorkflowNotRegistered) as caught:
                await app.execution_service.create_execution(target_name="onbord_user")
            assert str(caught.value) == (
                "no workflow 'onbord_user' is registered (did you mean 'onboard_user'?); "
                "known are: daily_report, onboard_user"
            )

    run(scenario())


def test_a_finished_workflow_takes_no_signal(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    files = [WorkflowFile(name="short", source="return 1", file_path="short.flow")]

    async def scenario() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace).workflows(files)
        async with builder as app, Worker(app, registry=TaskRegistry()):
            execution_id = await app.execution_service.create_execution(target_name="short")
            before = await app.execution_service.wait_for_execution(execution_id, timeout=30)
            with pytest.raises(ExecutionFinished) as caught:
                await app.signal_service.send_signal(workflow_id=execution_id, signal_name="go")
            assert str(caught.value) == (
                f"execution {execution_id!r} is completed and takes nothing any more"
            )
            assert await app.execution_service.get_execution(execution_id) == before

    run(scenario())
