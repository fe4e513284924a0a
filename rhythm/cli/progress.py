"""Waiting for an execution with a line that tells how far it is.

On a terminal the line is rewritten in place; elsewhere a new one is printed when something changed,
twice a second at most. It goes to standard error, so that standard output holds the result alone.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO

from rhythm.builder import Rhythm
from rhythm.cli.show import duration
from rhythm.models import Execution, ExecutionFilters, ExecutionStatus

# Often enough to look alive; a look is a few index counts.
_LOOK_EVERY_S = {True: 0.1, False: 0.5}

_ENDED = [status for status in ExecutionStatus if status.finished]


@contextmanager
def counted(noun: str, out: TextIO | None = None) -> Iterator[Callable[[int, int], None]]:
    """Gives a function to be told how much is done, and of how much; it is shown as it goes."""
    out = out or sys.stderr
    on_terminal = out.isatty()
    shown_at = time.monotonic()

    def show(done: int, all_: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at < _LOOK_EVERY_S[on_terminal]:
            return
        shown_at = time.monotonic()
        line = f"{done:,}/{all_:,} {noun}"
        out.write(f"\r{line}\x1b[K" if on_terminal else f"{line}\n")
        out.flush()

    try:
        yield show
    finally:
        if on_terminal:
            out.write("\r\x1b[K")
            out.flush()


@dataclass(frozen=True)
class Standing:
    """How many children an execution has asked for so far, and how many of them have ended."""

    asked: int
    ended: int


async def wait_showing_progress(
    app: Rhythm, execution_id: str, *, timeout: float | None = None, out: TextIO | None = None
) -> Execution:
    """The finished execution, whatever its status; progress is written to `out` (standard error).

    Raises:
        WaitTimeout: it did not end within `timeout` seconds.
    """
    out = out or sys.stderr
    over = asyncio.Event()
    painter = asyncio.create_task(_paint(app, execution_id, out, over))
    try:
        return await app.execution_service.wait_for_execution(execution_id, timeout=timeout)
    finally:
        over.set()
        await painter


async def standing(app: Rhythm, execution_id: str) -> Standing:
    """Where an execution's children stand now."""

    async def count(status: ExecutionStatus | None = None) -> int:
        filters = ExecutionFilters(parent_workflow_id=execution_id, status=status)
        return await app.execution_service.count_executions(filters)

    asked = await count()
    return Standing(asked=asked, ended=sum([await count(status) for status in _ENDED]))


async def _paint(app: Rhythm, execution_id: str, out: TextIO, over: asyncio.Event) -> None:
    """Write lines until it is over; the last one says where things stood at the end."""
    began = time.monotonic()
    rewrites = out.isatty()
    shown: Standing | None = None

    async def look() -> None:
        nonlocal shown
        now = await standing(app, execution_id)
        line = f"{now.ended}/{now.asked} tasks done, {duration(time.monotonic() - began)}"
        if rewrites:
            out.write(f"\r\x1b[2K{line}")
        elif now != shown:
            out.write(f"{line}\n")
        shown = now
        out.flush()

    try:
        while not over.is_set():
            await look()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S[rewrites]):
                    await over.wait()
        await look()
    finally:
        if rewrites:
            out.write("\n")
            out.flush()
