"""The benchmark runs: nothing is said here of how fast it is."""

import json

import pytest

from tests.bench.__main__ import main

# One of each kind: all of them would take half a minute, most of it for workers to start.
SOME = ["W1 drain", "W2", "W6", "W9"]


def test_workloads_give_figures(capsys: pytest.CaptureFixture[str]) -> None:
    main([*SOME, "--scale", "0.01", "--json"])

    figures = json.loads(capsys.readouterr().out)
    assert [figure.pop("name") for figure in figures] == SOME
    for figure in figures:
        figure.pop("unit")
        assert figure
        assert all(value > 0 for value in figure.values())
