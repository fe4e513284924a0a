"""The plain API: what an application's services do, as functions that wait for the answer.

For scripts, web frameworks with threads, and programs written for the original Rhythm. One
application for the process, opened by `rhythm.init`; every function may be called from any thread
but one that runs an event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from os import PathLike
from typing import Any

import msgspec

from rhythm import process
from rhythm.builder import InitBuilder
from rhythm.errors import (
    ConfigurationError,
    ExecutionFinished,
    ExecutionNotFound,
    InvalidRequest,
)
from rhythm.models import (
    DEFAULT_QUERY_LIMIT,
    Execution,
    ExecutionStatus,
    ExecutionType,
)
from rhythm.services.workflows import DEFAULT_QUEUE
from rhythm.settings import load_settings

logger = logging.getLogger("rhythm.client")

_CREATE = "await app.execution_service.create_execution(…)"
_SCHEDULE = "await app.scheduler_service.schedule_execution(…)"

# What these functions call the name of what they start; elsewhere it is `target_name`.
_NAMED = {
    "queue_task": "name",
    "queue_workflow": "name",
    "start_workflow": "workflow_name",
    "schedule_task": "name",
    "schedule_workflow": "name",
}


def init(
    database_url: str | None = None,
    workflow_paths: Iterable[str | PathLike[str]] | None = None,
    auto_migrate: bool = True,
) -> None:
    """Open this process's application, for `rhythm.client`, `task.queue()` and `rhythm.worker.run`.

    Called again it changes nothing, but for a warning in the log. After a fork the child calls it
    for itself.

    Args:
        database_url: as `InitBuilder.database_url`; None is what environment and config file say.
        workflow_paths: `.flow` files and folders of them.
        auto_migrate: whether to set an empty namespace up, or refuse it.

    Raises:
        BlockingCall: in an event loop; use `InitBuilder`.
        ConfigurationError: no address, or a path, setting or server that cannot be used.
        FlowSyntaxError: mistakes in workflows; none of them is registered then.
        ConnectionLost: Redis does not answer.
    """
    process.refuse_in_event_loop("rhythm.init", "await InitBuilder()….init()")
    if load_settings(database_url=database_url).database_url is None:
        raise ConfigurationError(
            "no Redis address is given",
            "call rhythm.init('redis://HOST:6379/0'), set RHYTHM_DATABASE_URL, or put database_url "
            "into a config file",
        )
    builder = InitBuilder().auto_migrate(auto_migrate)
    if database_url is not None:
        builder.database_url(database_url)
    if workflow_paths is not None:
        builder.workflow_paths(workflow_paths)
    if not process.begin(builder.init):
        logger.warning("rhythm.init was called again: this process keeps its first application")


def close() -> None:
    """Drain this process's workers and close its application; `rhythm.init` may open another.

    Done at the end of the program of itself.
    """
    process.refuse_in_event_loop("rhythm.client.close", "await app.close()")
    process.end()


def queue_task(name: str, inputs: Mapping[str, Any], queue: str = DEFAULT_QUEUE) -> str:
    """Start a task; return its id.

    Raises:
        InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written.
        ConnectionLost: no answer in time; it may have been started.
    """
    return _start("queue_task", ExecutionType.TASK, name, inputs, queue)


def queue_workflow(name: str, inputs: Mapping[str, Any], queue: str = DEFAULT_QUEUE) -> str:
    """Start a workflow; return its id.

    Raises:
        WorkflowNotRegistered: naming the workflows that are known.
        InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written.
        ConnectionLost: no answer in time; it may have been started.
    """
    return _start("queue_workflow", ExecutionType.WORKFLOW, name, inputs, queue)


def queue_execution(
    exec_type: ExecutionType | str,
    target_name: str,
    inputs: Mapping[str, Any],
    queue: str,
    parent_workflow_id: str | None = None,
) -> str:
    """Start a task or a workflow; return its id.

    Args:
        exec_type: "task" or "workflow".
        parent_workflow_id: must be None: only a workflow's own script starts its children.

    Raises:
        As `queue_workflow`.
    """
    if parent_workflow_id is not None:
        raise InvalidRequest(
            "parent_workflow_id",
            "a workflow's children are started by its script, with Task.run and Workflow.run; "
            "leave it out",
        )
    return _start("queue_execution", exec_type, target_name, inputs, queue)


def start_workflow(workflow_name: str, inputs: Mapping[str, Any]) -> str:
    """Start a workflow in its own queue, the one its front matter names; return its id.

    Raises:
        As `queue_workflow`.
    """
    return _start("start_workflow", ExecutionType.WORKFLOW, workflow_name, inputs, None)


def schedule_task(
    name: str, inputs: Mapping[str, Any], run_at: str | datetime, queue: str = DEFAULT_QUEUE
) -> str:
    """Start a task at a given time; return its id at once.

    Args:
        run_at: ISO text or a datetime; one without an offset is UTC. A past one is now.

    Raises:
        As `queue_task`.
    """
    return _schedule("schedule_task", ExecutionType.TASK, name, inputs, run_at, queue)


def schedule_workflow(
    name: str, inputs: Mapping[str, Any], run_at: str | datetime, queue: str = DEFAULT_QUEUE
) -> str:
    """Start a workflow at a given time; return its id at once.

    Args:
        run_at: ISO text or a datetime; one without an offset is UTC. A past one is now.

    Raises:
        As `queue_workflow`.
    """
    return _schedule("schedule_workflow", ExecutionType.WORKFLOW, name, inputs, run_at, queue)


def get_execution(execution_id: str) -> Execution | None:
    """An execution as it stands now, or None if there is none of this id.

    Raises:
        InvalidRequest: the id is no text.
        ConnectionLost: no answer in time.
    """
    try:
        return process.run(
            "rhythm.client.get_execution",
            "await app.execution_service.get_execution(…)",
            lambda app: app.execution_service.get_execution(execution_id),
        )
    except InvalidRequest:
        if isinstance(execution_id, str):
            return None  # text that cannot be an id is nobody's
        raise


def list_executions(
    queue: str | None = None,
    status: ExecutionStatus | str | None = None,
    limit: int = DEFAULT_QUERY_LIMIT,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Executions that match all given filters, the newest first, as dicts of their fields.

    Raises:
        InvalidRequest: it is no queue, status or number.
        ConnectionLost: no answer in time.
    """
    found = process.run(
        "rhythm.client.list_executions",
        "await app.execution_service.query_executions(…)",
        lambda app: app.execution_service.query_executions(
            {"queue": queue, "status": status, "limit": limit, "offset": offset}
        ),
    )
    return [msgspec.structs.asdict(execution) for execution in found]


def cancel_execution(execution_id: str) -> bool:
    """Ask an execution to end; whether there was anything to end.

    A workflow may clean up first; `wait_for_execution` tells when it has ended.

    Raises:
        InvalidRequest: the id is no text.
        ConnectionLost: no answer in time; it is safe to repeat the call.
    """
    try:
        process.run(
            "rhythm.client.cancel_execution",
            "await app.execution_service.cancel_execution(…)",
            lambda app: app.execution_service.cancel_execution(execution_id),
        )
    except (ExecutionNotFound, ExecutionFinished, InvalidRequest) as error:
        if not isinstance(execution_id, str):
            raise
        logger.warning("nothing to cancel: %s", error)
        return False
    return True


def send_signal(
    workflow_id: str, signal_name: str, payload: Any, queue: str = DEFAULT_QUEUE
) -> None:
    """Send a signal to a workflow; it is recorded when this returns.

    Args:
        payload: any JSON value.
        queue: not needed: a signal finds its workflow by the id.

    Raises:
        ExecutionNotFound, ExecutionFinished: nobody is there to hear it.
        InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written.
        ConnectionLost: no answer in time; it may have been sent.
    """
    process.run(
        "rhythm.client.send_signal",
        "await app.signal_service.send_signal(…)",
        lambda app: app.signal_service.send_signal(
            workflow_id=workflow_id, signal_name=signal_name, payload=payload, queue=queue
        ),
    )


def wait_for_execution(
    execution_id: str, timeout: float | None = 60.0, poll_interval: float = 0.5
) -> Execution:
    """The execution when it has ended, whatever its status.

    Args:
        timeout: seconds; None waits without end.
        poll_interval: not needed: nothing is polled.

    Raises:
        WaitTimeout: a TimeoutError; it did not end in time, and goes on.
        ExecutionNotFound: there is no execution of this id.
        InvalidRequest: it is no id, or no number of seconds.
    """
    return process.run(
        "rhythm.client.wait_for_execution",
        "await app.execution_service.wait_for_execution(…)",
        lambda app: app.execution_service.wait_for_execution(execution_id, timeout),
    )


def _start(
    call: str,
    exec_type: ExecutionType | str,
    target_name: str,
    inputs: Mapping[str, Any],
    queue: str | None,
) -> str:
    with _in_own_words(call):
        return process.run(
            f"rhythm.client.{call}",
            _CREATE,
            lambda app: app.execution_service.create_execution(
                exec_type=exec_type, target_name=target_name, inputs=inputs, queue=queue
            ),
        )


def _schedule(
    call: str,
    exec_type: ExecutionType,
    target_name: str,
    inputs: Mapping[str, Any],
    run_at: str | datetime,
    queue: str,
) -> str:
    with _in_own_words(call):
        return process.run(
            f"rhythm.client.{call}",
            _SCHEDULE,
            lambda app: app.scheduler_service.schedule_execution(
                exec_type=exec_type,
                target_name=target_name,
                inputs=inputs,
                queue=queue,
                run_at=run_at,
            ),
        )


@contextmanager
def _in_own_words(call: str) -> Iterator[None]:
    """A refusal names the parameter as the function does that was called."""
    try:
        yield
    except InvalidRequest as error:
        if error.argument == "target_name" and call in _NAMED:
            raise InvalidRequest(_NAMED[call], error.problem) from error
        raise
