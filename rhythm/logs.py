"""Log lines that say what they are about: one JSON object each, with the ids of what was at work.

Whatever is logged while a task runs or a workflow decides, by Rhythm, by the task's own logger or
by a library that it calls, is known to be part of it, in the threads of tasks too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from rhythm.events import Created
from rhythm.tracing import current_ids, trace_id
from streams.codec import TaskClaim, WorkflowClaim

# What is at work here: put together only where something is logged.
_at_work: ContextVar[tuple[TaskClaim | WorkflowClaim, Created] | None] = ContextVar(
    "rhythm.at_work", default=None
)

# Of a record, what says where it was logged and not what was said.
_OF_RECORDS: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | frozenset(
    {"message", "asctime", "taskName"}
)


def begin_work(claim: TaskClaim | WorkflowClaim, created: Created) -> None:
    """What is logged from now on in this asyncio task is about this piece of work."""
    _at_work.set((claim, created))


@contextmanager
def at_work_on(claim: TaskClaim | WorkflowClaim, created: Created) -> Iterator[None]:
    """What is logged within is about this piece of work."""
    token = _at_work.set((claim, created))
    try:
        yield
    finally:
        _at_work.reset(token)


def ids() -> dict[str, Any]:
    """What is at work here, by the names that log lines have; nothing outside of work."""
    found: dict[str, Any] = {}
    at_work = _at_work.get()
    if at_work is not None:
        claim, created = at_work
        found = {
            "execution_id": claim.id,
            created.type: created.target,
            "queue": created.queue,
            "worker": claim.token.rpartition(".")[0],
        }
        if isinstance(claim, TaskClaim):
            found["attempt"] = claim.attempt
        if created.parent is not None:
            found["parent_workflow_id"] = created.parent
        if (trace := trace_id(created.trace)) is not None:
            found["trace_id"] = trace
    return found | current_ids()


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    It has `time` (UTC, ISO 8601), `level`, `logger` and `message`; inside a task or a workflow's
    turn `execution_id`, `task` or `workflow` (its name), `attempt`, `queue`, `worker`,
    `parent_workflow_id`, and `trace_id` and `span_id` where there is a trace; `error` and
    `traceback` of an exception; and whatever the call gave as `extra`.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **ids(),
        }
        line |= {
            name: value
            for name, value in vars(record).items()
            if name not in _OF_RECORDS and value is not None
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=False, default=str)
