"""Tasks that tell a test where they are, through named pipes: it waits for them, they for it."""

from __future__ import annotations

import os

from rhythm import TaskContext, task


@task(name="faults.hold_once")
def hold_once(pipe: str, context: TaskContext) -> dict[str, int]:
    """The first attempt says that it runs and never ends; the next one returns."""
    if context.attempt == 1:
        with open(pipe, "w") as out:
            out.write(str(os.getpid()))
        with open(pipe) as never:
            never.read()
    return {"attempt": context.attempt, "pid": os.getpid()}


@task(name="faults.hold")
def hold(running: str, go_on: str) -> int:
    """Says that it runs, and returns when it is told to."""
    with open(running, "w") as out:
        out.write(str(os.getpid()))
    with open(go_on) as told:
        told.read()
    return os.getpid()


@task(name="faults.double")
async def double(x: int) -> int:
    return 2 * x
