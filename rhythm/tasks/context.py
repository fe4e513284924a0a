"""What a running task may know about itself."""

import msgspec


class TaskContext(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt that a task is running in; a parameter annotated with it is filled in."""

    execution_id: str
    attempt: int
    """1 for the first; every start of the function counts one."""
    task_name: str
    queue: str
    parent_workflow_id: str | None
    """None for a task that was started by itself."""
    idempotency_key: str
    """The same in every attempt and in no other execution: hand it to services that take one."""
