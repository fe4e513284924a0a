"""At which lines of a workflow do its executions stand? Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rhythm.history.cursor import Replay


class Standing(msgspec.Struct, frozen=True):
    """Executions that run the same source.

    Attributes:
        definition: digest of the source.
        source, path: its text, and where that came from.
        at: ids of those whose script waits at a line; one that waits at several is at the first
            of its functions' lines, which is the outermost's. Those that have not begun are at 0.
    """

    definition: str
    source: str
    path: str
    at: dict[int, list[str]]


def standing(replays: Iterable[Replay]) -> list[Standing]:
    """Where executions stand, by source; the source that most of them run first."""
    found: dict[str, Standing] = {}
    for replay in replays:
        program = replay.program
        one = found.setdefault(
            program.digest, Standing(program.digest, program.source, program.path, {})
        )
        waiting = replay.where()
        line = waiting[0].line if waiting else 0
        one.at.setdefault(line, []).append(replay.execution_id)
    return sorted(found.values(), key=lambda one: -sum(map(len, one.at.values())))
