"""The process side of the engine: claim work, run it, settle it, keep its lease, keep the time."""

from rhythm.worker.loop import Worker
from rhythm.worker.plain import run

__all__ = ["Worker", "run"]
