"""Durable workflows on Redis: scripts in a JavaScript subset, tasks in Python.

The public API on one screen. `InitBuilder` makes an application, `Worker` runs what it starts,
`@task` makes a Python function callable from workflows. `init`, `client`, `worker.run` and `config`
are the same for programs that block.
"""

from rhythm import client, config, worker
from rhythm.builder import InitBuilder, Rhythm
from rhythm.client import init
from rhythm.engine.retry import RetryPolicy
from rhythm.errors import (
    BlockingCall,
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
    NotReplicated,
    PayloadTooLarge,
    RhythmError,
    RunStuck,
    StaleLease,
    StorageFull,
    TaskNotRegistered,
    UnreadableEvent,
    UnreadableRecord,
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
    "BlockingCall",
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
    "NotReplicated",
    "PayloadTooLarge",
    "Provided",
    "Retry",
    "RetryPolicy",
    "Rhythm",
    "RhythmError",
    "RunStuck",
    "StaleLease",
    "StorageFull",
    "TaskContext",
    "TaskNotRegistered",
    "UnreadableEvent",
    "UnreadableRecord",
    "WaitTimeout",
    "Worker",
    "WorkflowFile",
    "WorkflowInfo",
    "WorkflowNotRegistered",
    "client",
    "config",
    "init",
    "task",
    "worker",
]
