"""The same events give the same bytes: in every process, under every hash seed, on every Python.

pytest's own process has a hash seed of its own each time. When a change is meant to change bytes,
raise the version it belongs to and record with `scripts/fuzz-resume --record`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest

import flowlang
from flowlang import snapshot
from flowlang.program import Program
from tests.flowlang.resuming import goldens
from tests.flowlang.resuming.catalogue import Case
from tests.flowlang.resuming.goldens import Digests, Kept, States

PARTS = 6
RECORDED = sorted(goldens.FOLDER.glob("format-*.gz"))


@cache
def recorded_turns() -> dict[str, Digests]:
    return goldens.read_turns()


@cache
def recorded_states(path: Path) -> States:
    return goldens.read_states(path)


def known(part: int, digests: dict[str, Digests]) -> Iterator[tuple[Case, Digests]]:
    """Cases that were recorded."""
    for case in list(goldens.cases())[part::PARTS]:
        if case.name in digests:
            yield case, digests[case.name]


def check(found: Digests, recorded: Digests, what: str) -> bool:
    """Fail if they differ; whether they are of the same program."""
    if found.source != recorded.source:
        return False
    place = found.first_difference(recorded)
    assert place is None, f"{what} {place} is not as it was; if it shall not be: {__doc__}"
    return True


@pytest.mark.parametrize("part", range(PARTS))
def test_commands_console_and_outcomes_are_what_they_were(part: int) -> None:
    compared = 0
    for case, recorded in known(part, recorded_turns()):
        compared += check(goldens.turns_of(case), recorded, f"{case.name}: turn")

    assert compared >= 60


@pytest.mark.parametrize("part", range(PARTS))
def test_states_of_the_same_format_and_lowering_are_what_they_were(part: int) -> None:
    compared = 0
    for case, recorded in known(part, recorded_states(goldens.CURRENT).digests):
        compared += check(goldens.states_of(case), recorded, f"{case.name}: state")

    assert compared >= 30


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_events_of_every_release_lead_to_the_same_turns(path: Path) -> None:
    """What replays an execution whose snapshot cannot be used."""
    for kept in recorded_states(path).kept:
        machine = flowlang.Machine(
            program_of(kept), kept.inputs, kept.context, kept.seed, kept.start_ms
        )
        turns = [machine.start(), *(machine.feed(*fed) for fed in kept.fed())]

        assert [msgspec.msgpack.encode(turn) for turn in turns] == kept.turns


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_states_of_every_release_go_on_or_are_refused(path: Path) -> None:
    """Those of this format and lowering go on to what was recorded, through the same states."""
    for kept in recorded_states(path).kept:
        program = program_of(kept)
        for number, (state, fed) in enumerate(zip(kept.states, kept.fed(), strict=True)):
            if path != goldens.CURRENT:
                with pytest.raises(snapshot.SnapshotUnusable, match="of format"):
                    snapshot.decode(program, state, kept.context)
                continue
            machine = snapshot.decode(program, state, kept.context)
            assert snapshot.encode(machine) == state
            turn = machine.feed(*fed)
            assert msgspec.msgpack.encode(turn) == kept.turns[number + 1]
            if turn.outcome is None:
                assert snapshot.encode(machine) == kept.states[number + 1]


def program_of(kept: Kept) -> Program:
    return flowlang.compile(kept.source)
