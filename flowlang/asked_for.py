"""Which tasks and workflows a program asks for by names that stand in its text."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from flowlang import nodes
from flowlang.program import Program
from flowlang.rules.facts import inside, member_name

_ASKING: Final[dict[tuple[str, str], Literal["task", "workflow"]]] = {
    ("Task", "run"): "task",
    ("Workflow", "run"): "workflow",
    ("Workflow", "start"): "workflow",
}


class AskedFor(msgspec.Struct, frozen=True):
    """A task or workflow, and the first line, from 1, that asks for it."""

    kind: Literal["task", "workflow"]
    name: str
    line: int


def asked_for(program: Program) -> list[AskedFor]:
    """What a program asks for by literal names, each once, in the order of its text.

    What it asks for by a name that it computes is not among it.
    """
    found: dict[tuple[str, str], AskedFor] = {}
    for node in inside(program.analysis.functions[0].node, functions=True):
        if not (isinstance(node, nodes.Call) and isinstance(node.callee, nodes.Member)):
            continue
        owner, callee = node.callee.object, node.callee
        if not isinstance(owner, nodes.Identifier) or callee.computed:
            continue
        kind = _ASKING.get((owner.name, member_name(callee)))
        name = node.arguments[0] if node.arguments else None
        # Declared by the program itself, `Task` is something else.
        is_ours = program.analysis.references.get(owner) is None
        if kind is not None and is_ours and isinstance(name, nodes.StringLiteral):
            asked = AskedFor(kind, name.value, program.line_at(node.start))
            found.setdefault((kind, name.value), asked)
    return list(found.values())
