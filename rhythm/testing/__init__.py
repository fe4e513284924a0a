"""Test workflows from start to end, in memory, on a clock that skips whatever they wait for.

`RhythmTest` is what the pytest fixture `rhythm_test` gives; it needs no pytest and no event loop.
"""

from rhythm.testing.histories import record_history, replay
from rhythm.testing.kit import RhythmTest
from rhythm.testing.run import Run

__all__ = ["RhythmTest", "Run", "record_history", "replay"]
