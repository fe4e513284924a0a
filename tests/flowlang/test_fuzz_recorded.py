"""Generated programs do what Node 20 did with them; `scripts/fuzz-node` makes more of them.

The answers were written by `scripts/fuzz-node --record`, so this needs no Node.
"""

from __future__ import annotations

import pytest

from tests.flowlang.fuzz import flow_side, recorded
from tests.flowlang.fuzz.answers import difference

PROGRAMS = recorded.read()


@pytest.mark.parametrize("part", range(10))
def test_generated_programs_answer_as_node_did(part: int) -> None:
    """Same value, same error by name, same console lines and commands in the same order."""
    for program in PROGRAMS[part::10]:
        flow = flow_side.run(program.source, program.script)

        assert difference(program.node, flow) is None, program.source
