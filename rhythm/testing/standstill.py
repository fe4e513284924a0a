"""Why a run stands still: what everything waits for, by line, and what a test can do. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from flowlang import Awaited, Program
from rhythm.engine.fold import fold
from rhythm.engine.history import LiveMachine, beginning_of
from rhythm.errors import RunStuck
from rhythm.models import ExecutionType
from streams.codec import StoredEvent


def stuck(
    root: str,
    elapsed: timedelta,
    histories: Mapping[str, Sequence[StoredEvent]],
    programs: Mapping[str, Program],
    sent: Sequence[str],
) -> RunStuck:
    """The error for a run in which nothing is left that could happen.

    Args:
        root: the id of the workflow under test.
        histories: of all executions, by id.
        programs: by name.
        sent: the names of the signals that the test sends.
    """
    facts = {id_: fold(id_, history) for id_, history in histories.items()}
    going_on = {id_: known for id_, known in facts.items() if not known.status.finished}
    waits: list[str] = []
    remedies: dict[str, None] = {}
    for id_, known in going_on.items():
        if known.type is ExecutionType.TASK:
            waits.append(f"task {known.target!r} runs, and waits for something of its own")
            remedies[f"replace it: rhythm_test.task({known.target!r}, returns=…)"] = None
            continue
        program = programs[known.target]
        machine = LiveMachine(id_, program, beginning_of(id_, histories[id_]))
        machine.advance(histories[id_][1:])
        for place in machine.where():
            awaited = place.waits_for
            if awaited.kind == "function" or f"{id_}/{awaited.n}" in going_on:
                continue  # What waits there is told of itself.
            waits.append(f"{program.path}:{place.line}: await {place.awaits} waits for {awaited}")
            receiver = "" if id_ == root else f", workflow={known.target!r}"
            remedies |= dict.fromkeys(_remedies(awaited, sent, receiver))
    name = facts[root].target
    problem = f"nothing is left that could end workflow {name!r}, {elapsed} after its start"
    return RunStuck(problem, waits, tuple(remedies))


def endless(workflow: str, elapsed: timedelta, skips: int) -> RunStuck:
    """The error for a run that goes on and on."""
    return RunStuck(
        f"workflow {workflow!r} goes on {elapsed} after its start, when time has passed "
        f"{skips:,} times",
        remedies=("see how far it is at some time: rhythm_test.run(…, stop_after='30d')",),
    )


def _remedies(awaited: Awaited, sent: Sequence[str], receiver: str) -> Iterator[str]:
    match awaited.kind:
        case "signal":
            again = " once more" if awaited.name in sent else ""
            near = difflib.get_close_matches(awaited.name, set(sent) - {awaited.name}, n=1)
            instead = f" (the test sends {near[0]!r})" if near else ""
            yield f"send it{again}: rhythm_test.signal({awaited.name!r}, …{receiver}){instead}"
        case "timer":
            yield "a test skips ten years at once, and no more"
    for part in awaited.parts:
        yield from _remedies(part, sent, receiver)
