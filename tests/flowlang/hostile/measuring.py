"""What a piece of work takes: seconds of processor and the highest memory above the idle process.

Each is measured in a child process forked from this one, which has loaded everything already, so
what is counted is the work alone, and one that dies of it is seen as such.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEBI: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Measured:
    """How one piece of work went.

    Attributes:
        answer: what the work returned, or how it died.
        seconds: processor time.
        peak: bytes of memory above what the process had before.
        died: whether it ended in anything but an answer.
    """

    answer: str
    seconds: float
    peak: int
    died: bool = False


def measure(work: Callable[[], str], *, at_most_seconds: int = 60) -> Measured:
    """Do the work in a child process, which is ended when it takes too long."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work_in_child(work, writer, at_most_seconds)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        written = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if not written:
        how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else str(status)
        return Measured(f"died: {how}", float("nan"), 0, died=True)
    died, seconds, peak, answer = written.split("\n", 3)
    return Measured(answer, float(seconds), int(peak), died == "died")


def taken(work: Callable[[], str]) -> Measured:
    """Do the work in this process."""
    died = False
    before = _fresh_peak()
    began = time.process_time()
    try:
        answer = work()
    except BaseException as error:
        answer = f"{type(error).__name__} escaped: {str(error)[:200]}"
        died = True
    return Measured(answer, time.process_time() - began, _peak() - before, died)


def _work_in_child(work: Callable[[], str], writer: int, at_most_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (at_most_seconds, at_most_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        result = taken(work)
        how = "died" if result.died else "answered"
        lines = f"{how}\n{result.seconds}\n{result.peak}\n{result.answer}"
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(lines.encode(errors="replace"))
    finally:
        sys.stderr.flush()
        os._exit(0)


def _fresh_peak() -> int:
    """Forget the highest memory so far; the memory now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("Linux says how much memory a process had at most")
