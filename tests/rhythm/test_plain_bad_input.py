"""Bad input to the plain API is refused by its functions' own names, and changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import rhythm
from rhythm import (
    ConfigurationError,
    ExecutionFinished,
    ExecutionNotFound,
    FlowSyntaxError,
    InvalidPayload,
    InvalidRequest,
    PayloadTooLarge,
    WorkflowNotRegistered,
    client,
    process,
)
from tests.rhythm.stored import all_that_is_stored
from tests.rhythm.test_bad_input import (
    CHOICES,
    COUNTS,
    EXECUTION_IDS,
    NAMES,
    NO_DICT,
    NO_TEXT,
    NONE,
    QUEUES,
    SECONDS,
    TIMES,
    TOO_LARGE,
    VALUES,
    Bad,
)

Calls = Sequence[tuple[Callable[..., Any], dict[str, Any]]]

INPUTS: dict[str, Any] = {"inputs": {}}
TASK = (client.queue_task, {"name": "some_task", **INPUTS})
WORKFLOW = (client.queue_workflow, {"name": "waits", **INPUTS})
EXECUTION = (
    client.queue_execution,
    {"exec_type": "task", "target_name": "some_task", "queue": "default", **INPUTS},
)
START = (client.start_workflow, {"workflow_name": "waits", **INPUTS})
AT = {"run_at": "2030-01-01"}
TASK_AT = (client.schedule_task, {**TASK[1], **AT})
WORKFLOW_AT = (client.schedule_workflow, {**WORKFLOW[1], **AT})
STARTS: Calls = (TASK, WORKFLOW, EXECUTION, START, TASK_AT, WORKFLOW_AT)
LIST: tuple[Callable[..., Any], dict[str, Any]] = (client.list_executions, {})
SIGNAL = (
    client.send_signal,
    {"workflow_id": "waiting", "signal_name": "go", "payload": 1},
)
WAIT = (client.wait_for_execution, {"execution_id": "waiting"})

# Of text that cannot be an id `get_execution` and `cancel_execution` say that nobody has it.
NO_TEXT_AT_ALL: Bad = [*(one for one in NO_TEXT if one[0] != ""), NONE]

REFUSED: list[tuple[Calls, str, Bad]] = [
    ([TASK, WORKFLOW, TASK_AT, WORKFLOW_AT], "name", [*NAMES, NONE]),
    ([EXECUTION], "target_name", [*NAMES, NONE]),
    ([START], "workflow_name", [*NAMES, NONE]),
    ([EXECUTION], "exec_type", CHOICES),
    ([TASK, WORKFLOW, EXECUTION, TASK_AT, WORKFLOW_AT], "queue", QUEUES),
    (STARTS, "inputs", NO_DICT),
    (STARTS, "inputs", [({"a": value}, what) for value, what in VALUES]),
    (STARTS, "inputs", [({"a": value}, what) for value, what in TOO_LARGE]),
    ([EXECUTION], "parent_workflow_id", [("waiting", "children are started by its script")]),
    ([TASK_AT, WORKFLOW_AT], "run_at", [*TIMES, (None, "must be a datetime or ISO 8601 text")]),
    ([(client.get_execution, {}), (client.cancel_execution, {})], "execution_id", NO_TEXT_AT_ALL),
    ([LIST], "queue", QUEUES),
    ([LIST], "status", CHOICES),
    ([LIST], "limit", COUNTS),
    ([LIST], "offset", COUNTS),
    ([SIGNAL], "workflow_id", [*EXECUTION_IDS, NONE]),
    ([SIGNAL], "signal_name", [*NAMES, NONE]),
    ([SIGNAL], "payload", [*VALUES, *TOO_LARGE]),
    ([SIGNAL], "queue", QUEUES),
    ([WAIT], "execution_id", [*EXECUTION_IDS, NONE]),
    ([WAIT], "timeout", SECONDS),
]

# What cannot be of what there is.
NO_WORKFLOW = (WorkflowNotRegistered, "no workflow 'waitz' is registered (did you mean 'waits'?)")
REFUSED_AS_A_WHOLE: list[tuple[Callable[..., Any], dict[str, Any], type[Exception], str]] = [
    (EXECUTION[0], {**EXECUTION[1], "exec_type": "workflow", "target_name": "waitz"}, *NO_WORKFLOW),
    (WORKFLOW[0], {**WORKFLOW[1], "name": "waitz"}, *NO_WORKFLOW),
    (WORKFLOW_AT[0], {**WORKFLOW_AT[1], "name": "waitz"}, *NO_WORKFLOW),
    (START[0], {**START[1], "workflow_name": "waitz"}, *NO_WORKFLOW),
    (SIGNAL[0], {**SIGNAL[1], "workflow_id": "no"}, ExecutionNotFound, "no execution 'no'"),
    (SIGNAL[0], {**SIGNAL[1], "workflow_id": "over"}, ExecutionFinished, "execution 'over' "),
    (SIGNAL[0], {**SIGNAL[1], "workflow_id": "taken"}, InvalidRequest,
     "workflow_id: 'taken' is a task, which takes no signals"),
    (WAIT[0], {"execution_id": "no"}, ExecutionNotFound, "no execution 'no'"),
]  # fmt: skip


@pytest.fixture
def stored(
    database_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Any]]:
    """`rhythm.init` has been called, and there is a workflow that waits, an ended one and a task;
    gives all that is stored."""
    monkeypatch.setenv("RHYTHM_NAMESPACE", namespace)
    (tmp_path / "waits.flow").write_text("return await Signal.when('go')")
    rhythm.init(database_url, workflow_paths=[tmp_path])

    async def begin(app: rhythm.Rhythm) -> None:
        create = app.execution_service.create_execution
        await create(target_name="waits", id="waiting")
        await create(target_name="waits", id="over")
        await app.execution_service.terminate_execution("over")
        await create(target_name="some_task", exec_type="task", id="taken")

    process.run("begin", "", begin)
    yield lambda: process.run("look", "", lambda app: all_that_is_stored(app._connection))
    client.close()


@pytest.mark.parametrize(
    ("calls", "argument", "bad"), REFUSED, ids=lambda of: of if isinstance(of, str) else ""
)
def test_a_bad_argument_is_refused_by_its_name_and_nothing_is_changed(
    calls: Calls, argument: str, bad: Bad, stored: Callable[[], Any]
) -> None:
    before = stored()

    for (call, good), (value, what) in itertools.product(calls, bad):
        with pytest.raises((InvalidRequest, InvalidPayload, PayloadTooLarge)) as caught:
            call(**{**good, argument: value})
        message = str(caught.value)
        assert message.startswith(argument) and what in message, (call, message[:300])
        assert len(message) < 400, call

    assert stored() == before


def test_a_call_that_does_not_fit_says_so_and_changes_nothing(stored: Callable[[], Any]) -> None:
    before = stored()

    for call, given, kind, message in REFUSED_AS_A_WHOLE:
        with pytest.raises(kind) as caught:
            call(**given)
        assert str(caught.value).startswith(message), call

    assert stored() == before


def test_nobody_has_an_id_that_cannot_be(stored: Callable[[], Any]) -> None:
    """As the original says of an id that it does not know."""
    before = stored()

    for id_, _ in EXECUTION_IDS:
        if isinstance(id_, str):
            assert client.get_execution(id_) is None
            assert client.cancel_execution(id_) is False

    assert stored() == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *(({"database_url": bad}, "database_url: ") for bad in (7, b"redis://x", "", "x")),
        ({"database_url": "postgres://x"}, "database_url: 'postgres://x': Rhythm keeps its state"),
        ({"workflow_paths": 7}, "workflow_paths() takes paths, not an int"),
        ({"workflow_paths": [7]}, "workflow_paths() takes paths, not an int"),
        ({"workflow_paths": [""]}, "workflow_paths() takes paths, not an empty text"),
        ({"workflow_paths": "flows"}, "workflow_paths() takes a list; give ['flows']"),
        ({"workflow_paths": ["/nowhere"]}, "there is no file or folder '/nowhere'"),
        ({"auto_migrate": "yes"}, "auto_migrate() takes True or False, not a str"),
    ],
)
def test_an_application_that_cannot_be_is_refused_and_none_is_kept(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rhythm.init(**{"database_url": "memory://", **given})

    assert str(caught.value).startswith(message)
    assert_that_there_is_no_application()


def test_a_mistake_in_a_workflow_leaves_no_application(tmp_path: Path) -> None:
    (tmp_path / "wrong.flow").write_text("return (")

    with pytest.raises(FlowSyntaxError):
        rhythm.init("memory://", workflow_paths=[tmp_path])

    assert_that_there_is_no_application()


def assert_that_there_is_no_application() -> None:
    with pytest.raises(ConfigurationError, match=r"call rhythm\.init"):
        client.list_executions()
