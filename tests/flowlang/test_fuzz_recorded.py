"""Generated programs do what Node 20 did with them; `scripts/fuzz-node` makes more of them.

The answers were written by `scripts/fuzz-node --record`, so this needs no Node.
"""

from __future__ import annotations

import pytest

from flowlang import snapshot
from flowlang.machine import Machine
from flowlang.protocol import Event, Turn
from tests.flowlang.fuzz import flow_side, recorded
from tests.flowlang.fuzz.answers import difference

PROGRAMS = recorded.read()


@pytest.mark.parametrize("part", range(10))
def test_generated_programs_answer_as_node_did(part: int) -> None:
    """Same value, same error by name, same console lines and commands in the same order."""
    for program in PROGRAMS[part::10]:
        flow = flow_side.run(program.source, program.script)

        assert difference(program.node, flow) is None, program.source


def test_generated_programs_go_on_from_bytes() -> None:
    """At every suspension the state is encoded and decoded, and nothing can tell."""
    restored: dict[Machine, Machine] = {}

    def advance(machine: Machine, event: Event, now_ms: int) -> Turn:
        latest = restored.get(machine, machine)
        state = snapshot.encode(latest)
        again = snapshot.decode(machine.program, state, flow_side.CONTEXT)
        assert snapshot.encode(again) == state
        restored[machine] = again
        turn = again.feed(event, now_ms)
        machine.waiters = again.waiters
        return turn

    suspended = [one for one in PROGRAMS if any(entry[0] != "log" for entry in one.node.trace)]
    for program in suspended:
        flow = flow_side.run(program.source, program.script, advance=advance)

        assert difference(program.node, flow) is None, program.source
    assert len(suspended) >= 20
