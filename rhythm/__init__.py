"""Durable workflows on Redis: scripts in a JavaScript subset, tasks in Python.

The public API on one screen. `InitBuilder` makes an application, `Worker` runs what it starts,
`@task` makes a Python function callable from workflows.
"""

from rhythm.builder import InitBuilder, Rhythm
from rhythm.engine.retry import RetryPolicy
from rhythm.errors import (
    ConfigurationError,
    ConnectionLost,
    ExecutionCancelled,
    ExecutionExists,
    ExecutionFailed,
    ExecutionFinished,
    ExecutionNotEnded,
    ExecutionNotFinished,
    ExecutionNotFound,
    ExecutionNotStuck,
    FlowSyntaxError,
    InvalidPayload,
    InvalidRequest,
    InvalidTaskInputs,
    MissingResource,
    NondeterminismError,
    PayloadTooLarge,
    RhythmError,
    StaleLease,
    StorageFull,
    TaskNotRegistered,
    UnreadableEvent,
    WaitTimeout,
    WorkflowNotRegistered,
)
from rhythm.models import (
    Diagnosis,
    Execution,
    ExecutionFilters,
    ExecutionStatus,
    ExecutionType,
    HistoryEvent,
    WorkflowInfo,
)
from rhythm.services.workflows import WorkflowFile
from rhythm.tasks import Provided, Retry, TaskContext, task
from rhythm.worker import Worker

__all__ = [
    "ConfigurationError",
    "ConnectionLost",
    "Diagnosis",
    "Execution",
    "ExecutionCancelled",
    "ExecutionExists",
    "ExecutionFailed",
    "ExecutionFilters",
    "ExecutionFinished",
    "ExecutionNotEnded",
    "ExecutionNotFinished",
    "ExecutionNotFound",
    "ExecutionNotStuck",
    "ExecutionStatus",
    "ExecutionType",
    "FlowSyntaxError",
    "HistoryEvent",
    "InitBuilder",
    "InvalidPayload",
    "InvalidRequest",
    "InvalidTaskInputs",
    "MissingResource",
    "NondeterminismError",
    "PayloadTooLarge",
    "Provided",
    "Retry",
    "RetryPolicy",
    "Rhythm",
    "RhythmError",
    "StaleLease",
    "StorageFull",
    "TaskContext",
    "TaskNotRegistered",
    "UnreadableEvent",
    "WaitTimeout",
    "Worker",
    "WorkflowFile",
    "WorkflowInfo",
    "WorkflowNotRegistered",
    "task",
]
