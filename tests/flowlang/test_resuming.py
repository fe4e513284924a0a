"""A machine that goes on from bytes elsewhere cannot be told from one that never stopped.

The other process lives through all these tests and has another hash seed. After each suspension of
each program its commands, console, outcome and new state must be the same to the byte.
`scripts/fuzz-resume` does this with generated programs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flowlang.fuzz import recorded
from tests.flowlang.resuming.elsewhere import Elsewhere
from tests.flowlang.resuming.runs import run
from tests.flowlang.resuming.suspending import suspending

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "programs").glob("*.flow"))
DURABLE = sorted((HERE / "resuming" / "programs").glob("*.flow"))
PARTS = 8


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as process:
        yield process


def scripts(count: int) -> Iterator[tuple[int, ...]]:
    """Histories of the world: answers in the order they were asked for, then in other orders."""
    yield ()
    for seed in range(1, count):
        numbers = random.Random(seed)
        yield tuple(numbers.randrange(64) for _ in range(200))


@pytest.mark.parametrize("path", DURABLE, ids=lambda path: path.stem)
def test_durable_programs_go_on_from_bytes(elsewhere: Elsewhere, path: Path) -> None:
    """Tasks, children, timers and signals, answered in several orders."""
    source = path.read_text(encoding="utf-8")

    for script in scripts(4):
        done = run(source, script)
        elsewhere.check(done)

        assert done.moments
        assert done.turns[-1].outcome is not None


@pytest.mark.parametrize("path", DURABLE, ids=lambda path: path.stem)
def test_durable_programs_go_on_from_bytes_between_all_statements(
    elsewhere: Elsewhere, path: Path
) -> None:
    source = suspending(path.read_text(encoding="utf-8"))

    elsewhere.check(run(source))


@pytest.mark.parametrize("part", range(PARTS))
def test_the_corpus_goes_on_from_bytes_between_all_statements(
    elsewhere: Elsewhere, part: int
) -> None:
    """Each program stands still before each statement of its async functions and at each await."""
    suspensions = 0
    for path in CORPUS[part::PARTS]:
        done = run(suspending(path.read_text(encoding="utf-8")))
        elsewhere.check(done)
        suspensions += len(done.moments)

    assert suspensions >= 200


@pytest.mark.parametrize("part", range(PARTS))
def test_generated_programs_go_on_from_bytes(elsewhere: Elsewhere, part: int) -> None:
    """As they are, and some made to wait everywhere."""
    programs = recorded.read()[part::PARTS]

    for program in programs:
        if any(kind != "log" for kind, *_ in program.node.trace):
            elsewhere.check(run(program.source, program.script))
    for program in programs[::10]:
        elsewhere.check(run(suspending(program.source), program.script))
