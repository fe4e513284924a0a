"""`scripts/bench-flow` takes every figure. Whether they are good, no test says: machines differ."""

from __future__ import annotations

import json

import pytest

from tests.flowlang.bench import __main__ as bench
from tests.flowlang.bench.figures import FIGURES


def test_every_figure_can_be_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A share of the work is enough to see that the programs run and give what Python gives."""
    bench.main(["--runs", "2", "--share", "0.001", "--json"])

    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [figure.name for figure in FIGURES]
    assert all(0 < row["best"] <= row["median"] for row in rows)


def test_the_table_has_a_line_for_each_figure(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--runs", "1", "--share", "0.001", "--only", "loop"])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + sum("loop" in figure.name for figure in FIGURES)
