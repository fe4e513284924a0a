"""A machine that goes on from bytes elsewhere cannot be told from one that never stopped.

The other process lives through all these tests and has another hash seed. After each suspension of
each program its commands, console, outcome and new state must be the same to the byte.
`scripts/fuzz-resume` does this with generated programs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest

from tests.flowlang.resuming.__main__ import main as campaign
from tests.flowlang.resuming.catalogue import (
    Case,
    corpus,
    done,
    durable,
    generated,
    history,
    waiting,
)
from tests.flowlang.resuming.elsewhere import Elsewhere, StateDiffers

PARTS = 8


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as process:
        yield process


@pytest.mark.parametrize("case", list(durable(3)), ids=lambda case: case.name)
def test_durable_programs_go_on_from_bytes(elsewhere: Elsewhere, case: Case) -> None:
    """Tasks, children, timers and signals, answered in several orders."""
    elsewhere.check(done(case))

    assert done(case).moments
    assert done(case).turns[-1].outcome is not None


@pytest.mark.parametrize("case", list(durable(1)), ids=lambda case: case.name)
def test_durable_programs_go_on_from_bytes_between_all_statements(
    elsewhere: Elsewhere, case: Case
) -> None:
    elsewhere.check(done(waiting(Case(case.name, case.source, history(1)))))


@pytest.mark.parametrize("part", range(PARTS))
def test_the_corpus_goes_on_from_bytes_between_all_statements(
    elsewhere: Elsewhere, part: int
) -> None:
    """Each program stands still before each statement of its async functions and at each await."""
    suspensions = 0
    for case in islice(corpus(), part, None, PARTS):
        elsewhere.check(done(waiting(case)))
        suspensions += len(done(waiting(case)).moments)

    assert suspensions >= 200


@pytest.mark.parametrize("part", range(PARTS))
def test_generated_programs_go_on_from_bytes(elsewhere: Elsewhere, part: int) -> None:
    """As they are, and one made to wait everywhere."""
    cases = list(islice(generated(), part, None, PARTS))

    for case in [*cases, waiting(cases[0])]:
        elsewhere.check(done(case))


def test_the_check_finds_what_is_not_the_same(elsewhere: Elsewhere) -> None:
    run = done(next(durable(1)))
    last = run.moments[-1]

    for wrong in (
        replace(last, after=run.moments[-2].after),
        replace(last, state=run.moments[-2].state),
        replace(last, state=last.state[:-1]),
    ):
        with pytest.raises(StateDiffers, match=f"suspension {len(run.moments) - 1}"):
            elsewhere.check(replace(run, moments=[*run.moments[:-1], wrong]))


def test_the_campaign_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign(["--programs", "2", "--seed", "smoke"]) == 0
    assert "2 programs of seed smoke" in capsys.readouterr().out
