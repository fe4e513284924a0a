"""Named pipes: how a test and the tasks in other processes tell each other where they are."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


def a_pipe(tmp_path: Path, name: str) -> str:
    """A new pipe's path."""
    path = tmp_path / name
    os.mkfifo(path)
    return str(path)


async def said_through(pipe: str) -> str:
    """What a task writes into a pipe, when it does."""
    return await asyncio.to_thread(lambda: Path(pipe).read_text())
