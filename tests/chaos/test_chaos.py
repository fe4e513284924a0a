"""A minute of chaos; `scripts/chaos` goes on for longer."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos.trial import chaos


def test_nothing_is_lost_or_twice_or_stuck(tmp_path: Path) -> None:
    report = asyncio.run(chaos(tmp_path, seconds=60, seed=7))

    assert report.violations == ()
    assert report.asked > 0
    assert sum(report.faults.values()) > 0
