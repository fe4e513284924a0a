"""Where a live workflow would go on in another source: by its place, not its history. Pure."""

from __future__ import annotations

import flowlang
from rhythm.engine.history import LiveMachine, beginning_of
from rhythm.errors import InvalidRequest
from rhythm.history.cursor import program_of
from rhythm.history.recording import Recording


def move(
    recording: Recording, program: flowlang.Program
) -> tuple[flowlang.SourceMapping, list[flowlang.Moved]]:
    """The mapping onto another program of a workflow that stands at the end of its history.

    Raises:
        InvalidRequest: it cannot be told where it would stand, or its script has come to an end.
        NondeterminismError, UnreadableEvent: its own source decides otherwise than recorded, or an
            event is damaged.
    """
    history = recording.events
    first = beginning_of(recording.execution_id, history)
    live = LiveMachine(recording.execution_id, program_of(recording), first)
    live.advance(history[1:])
    if live.outcome is not None:
        raise InvalidRequest("execution_id", f"{recording.execution_id!r} has come to its end")
    try:
        mapping = live.mapping_onto(program)
    except flowlang.MappingRefused as error:
        raise InvalidRequest(
            "program", f"where {recording.execution_id!r} would go on in it cannot be told: {error}"
        ) from error
    return mapping, flowlang.moves(mapping, live.program, program)
