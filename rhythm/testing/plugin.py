"""The pytest plugin: a fixture that lets a test run workflows. It alone of Rhythm needs pytest."""

from __future__ import annotations

import pytest

from rhythm.testing.kit import RhythmTest


@pytest.fixture
def rhythm_test(request: pytest.FixtureRequest) -> RhythmTest:
    """Runs workflows to their end, in memory, on a clock that skips; a new one for every test.

    Paths are looked for in the current directory, in pytest's root directory, and beside the test.
    """
    return RhythmTest(folders=[request.config.rootpath, request.path.parent])
