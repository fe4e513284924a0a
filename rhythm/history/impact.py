"""What would become of recorded executions with another source? Pure.

Nothing is written and nothing runs but the script: each history is replayed against the source, and
either decides as recorded or parts from it somewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from flowlang import Program
from rhythm.errors import NondeterminismError
from rhythm.history.recording import Recording
from rhythm.history.replaying import replay


class Parting(msgspec.Struct, frozen=True):
    """Where a source parts from a history.

    Attributes:
        version: the event that differs.
        recorded, replayed: what was asked for then, and what the source asks for, in words.
        old_line: of the source that recorded it.
        new_line: of the other one; None if it asks for nothing there.
    """

    version: int
    recorded: str
    replayed: str
    old_line: int | None
    new_line: int | None


class Impact(msgspec.Struct, frozen=True):
    """What a source does to some executions.

    Attributes:
        unchanged: ids of those that decide as recorded.
        parting: those that do not, each with where; in the order they were given.
    """

    unchanged: list[str]
    parting: dict[str, Parting]

    def by_line(self) -> list[tuple[Parting, list[str]]]:
        """The first of each group that parts at the same old line and in the same way, with the
        ids of all in it; the largest group first."""
        groups: dict[tuple[object, ...], tuple[Parting, list[str]]] = {}
        for execution_id, parting in self.parting.items():
            key = (parting.old_line, parting.new_line, parting.recorded, parting.replayed)
            groups.setdefault(key, (parting, []))[1].append(execution_id)
        return sorted(groups.values(), key=lambda group: -len(group[1]))


def what_if(recording: Recording, program: Program) -> Parting | None:
    """Where a program parts from a history; None if it decides as recorded.

    Raises:
        UnreadableEvent: an event is damaged or unknown.
    """
    try:
        replay(recording, program)
    except NondeterminismError as error:
        return Parting(
            error.version,
            error.recorded,
            error.replayed,
            error.recorded_line,
            None if error.replayed == "nothing" else error.line,
        )
    return None


def impact(recordings: Iterable[Recording], program: Program) -> Impact:
    """What a program would do to executions, by their histories.

    Raises:
        UnreadableEvent: an event is damaged or unknown.
    """
    unchanged: list[str] = []
    parting: dict[str, Parting] = {}
    for recording in recordings:
        parts = what_if(recording, program)
        if parts is None:
            unchanged.append(recording.execution_id)
        else:
            parting[recording.execution_id] = parts
    return Impact(unchanged, parting)
