"""What `import rhythm` promises: these names, these types, and no side effects."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rhythm
from rhythm import errors

# Every name here is a promise. Adding one is a decision, taking one away breaks users.
NAMES = {
    # an application
    "Diagnosis", "InitBuilder", "Rhythm", "Worker", "WorkflowFile", "WorkflowInfo",
    # executions
    "Debounce", "Execution", "ExecutionFilters", "ExecutionStatus", "ExecutionType", "HistoryEvent",
    # schedules
    "Overlap", "Schedule", "ScheduleDefinition",
    # tasks
    "Provided", "Retry", "RetryPolicy", "TaskContext", "task",
    # the plain API
    "client", "config", "init", "worker",
    # errors
    "BlockingCall", "ConfigurationError", "ConnectionLost", "ExecutionCancelled", "ExecutionExists",
    "ExecutionFailed", "ExecutionFinished", "ExecutionNotEnded", "ExecutionNotFinished",
    "ExecutionNotFound", "ExecutionNotStuck",
    "FlowSyntaxError", "InvalidPayload", "InvalidRequest", "InvalidTaskInputs",
    "InvalidWorkflowInputs", "MissingResource",
    "NondeterminismError", "NotPersisted", "NotReplicated", "PayloadTooLarge",
    "RhythmError", "RunStuck", "ScheduleExists", "ScheduleNotFound",
    "StaleLease", "StorageFull", "TaskNotRegistered",
    "UnreadableEvent", "UnreadableRecord", "WaitTimeout", "WorkflowNotRegistered",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NAMES))
def test_name_can_be_imported(name: str) -> None:
    assert name in rhythm.__all__
    assert getattr(rhythm, name).__doc__


def test_no_other_name_is_promised() -> None:
    assert sorted(rhythm.__all__) == sorted(NAMES)


def test_every_error_can_be_caught_by_its_name_in_rhythm() -> None:
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, errors.RhythmError):
            assert getattr(rhythm, name) is value


def test_importing_configures_no_logging_and_starts_nothing() -> None:
    """A library leaves handlers, levels, threads and signals to the program."""
    program = """
import logging, signal, threading
before = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)}
import rhythm
loggers = [logging.getLogger(), *(logging.getLogger(n) for n in logging.root.manager.loggerDict)]
ours = [logging.getLogger(n) for n in logging.root.manager.loggerDict if n.startswith("rhythm")]
print([h for l in loggers for h in l.handlers if not isinstance(h, logging.NullHandler)],
      [l.level for l in ours if l.level], logging.root.level == logging.WARNING,
      threading.active_count(), before == {s: signal.getsignal(s) for s in before})
"""

    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert told.stdout.strip() == "[] [] True 1 True"
    assert told.stderr == ""


TYPED = """
from typing import Any
from rhythm import (
    Execution, ExecutionFilters, ExecutionStatus, InitBuilder, Provided, TaskContext, WorkflowFile,
    Worker, task,
)

class Mailer:
    def send(self, to: str) -> int:
        return len(to)

@task
def plain(to: str, mailer: Provided[Mailer]) -> int:
    return mailer.send(to)

@task(name="mail.later", queue="mail")
async def later(to: str, context: TaskContext | None = None) -> str:
    return to

async def seed_page() -> None:
    rhythm = await (
        InitBuilder()
        .database_url("redis://localhost:6379/0")
        .auto_migrate(True)
        .workflows([WorkflowFile(name="n", source="return 1", file_path="n.flow")])
        .init()
    )
    execution_id: str = await rhythm.execution_service.create_execution({
        "exec_type": "workflow",
        "target_name": "onboard_user",
        "queue": "default",
        "inputs": {"userId": "123", "plan": "pro"},
    })
    await rhythm.execution_service.create_execution(target_name="hello", inputs={"name": "Ada"})
    await rhythm.signal_service.send_signal(
        workflow_id=execution_id, signal_name="go", payload={"approved": True}, queue="default"
    )
    execution = await rhythm.execution_service.get_execution(execution_id)
    if execution is not None and execution.status == "completed":
        output: Any = execution.output
    found: list[Execution] = await rhythm.execution_service.query_executions(
        ExecutionFilters(target_name="n", status=ExecutionStatus.RUNNING, limit=10)
    )
    async with InitBuilder().database_url("memory://") as app, Worker(app):
        (await app.execution_service.wait_for_execution(execution_id, timeout=30)).result()

reveal_type(plain)
reveal_type(later)
queued: str = plain.queue(to="Ada")

async def mistakes(app: Any) -> None:
    rhythm = await InitBuilder().init()
    await rhythm.execution_service.create_execution(tagret_name="hello")  # mistake
    plain(3, Mailer())  # mistake
"""


def test_type_checkers_see_the_seed_page_as_it_is_meant(tmp_path: Path) -> None:
    """The page's calls pass, a decorated function keeps its signature, two mistakes are found."""
    program = tmp_path / "typed.py"
    program.write_text(TYPED)

    told = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-error-summary",
            "--follow-imports=silent",
            str(program),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.stderr == ""
    lines = TYPED.splitlines()
    by_line = {int(line.split(":")[1]): line.partition(" ")[2] for line in told.stdout.splitlines()}
    errors_at = [at for at, text in sorted(by_line.items()) if text.startswith("error")]
    assert [lines[at - 1].endswith("# mistake") for at in errors_at] == [True, True], told.stdout
    revealed = [text for text in by_line.values() if "Revealed type" in text]
    assert "[[to: str, mailer: typed.Mailer], int]" in revealed[0]
    assert "Coroutine[Any, Any, str]" in revealed[1]
