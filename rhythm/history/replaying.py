"""Replay a recorded history against a source: would it decide the same? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flowlang import Program, protocol
from rhythm import events
from rhythm.engine.history import LiveMachine, beginning_of, in_words
from rhythm.engine.turn import HISTORY_LIMIT
from rhythm.errors import NondeterminismError
from rhythm.events import Completed, Decided, Failed, Migrated, Restarted
from rhythm.history.cursor import program_of
from rhythm.history.recording import Recording
from streams.codec import StoredEvent

# Errors that the engine ends a workflow with although its script came to an end of its own.
_NOT_OF_THE_SCRIPT: Final = frozenset({"PayloadTooLarge", "InvalidWorkflowInputs"})


def replay(recording: Recording, program: Program) -> None:
    """Tell `program` what the world told the workflow, and compare what they decided, to the end.

    It goes as far as the history tells what was decided: the workflow may have been told more by
    then, or have been ended from outside.

    Args:
        program: in place of the one that it runs now.

    Raises:
        NondeterminismError: the program decides otherwise than the history records.
        UnreadableEvent: an event is damaged or unknown.
    """
    execution_id, history = recording.execution_id, recording.events
    _check_moves(execution_id, history, program)
    begins = beginning_of(execution_id, history)
    machine = LiveMachine(execution_id, program_of(recording, program), begins)
    last = _last_of_its_own(history)
    upto = 1
    if last is not None:
        upto = events.plain_number(execution_id, last.version, last.plain, "u")
    machine.advance([e for e in history[1:] if e.version <= upto or e.type == "decided"])
    if last is None:
        return
    said = events.decode(execution_id, last.version, last.type, last.payload)
    recorded, replayed = "nothing more", ""
    if isinstance(said, Completed | Failed | Restarted):
        recorded, replayed = ends(said, machine.outcome)
        if recorded != replayed:
            raise NondeterminismError(execution_id, last.version, recorded, replayed)
    is_all_said = not (isinstance(said, Decided) and said.more)
    if is_all_said and machine.undecided:
        first = machine.undecided[0]
        line = getattr(first, "line", None)
        raise NondeterminismError(execution_id, last.version, recorded, in_words(first), line)


def _check_moves(execution_id: str, history: Sequence[StoredEvent], program: Program) -> None:
    """Refuse another program than the one that the workflow was moved onto last by a mapping, even
    if nothing that it decided since is recorded: the mapping tells of no other one."""
    for event in reversed(history):
        if event.type == "migrated":
            said = events.decode(execution_id, event.version, event.type, event.payload)
            if isinstance(said, Migrated) and said.mapping is not None:
                if said.definition != program.digest:
                    recorded = f"a move onto the source {said.definition}"
                    raise NondeterminismError(
                        execution_id, event.version, recorded, f"one onto {program.digest}"
                    )
                return


def _last_of_its_own(history: Sequence[StoredEvent]) -> StoredEvent | None:
    """The last event that the workflow wrote itself: those name the event it was told up to."""
    return next((event for event in reversed(history) if "u" in event.plain), None)


def ends(
    recorded: Completed | Failed | Restarted, replayed: protocol.Ended | None
) -> tuple[str, str]:
    """Both ends in words, which are equal if the ends are."""
    match recorded, replayed:
        case Completed(output), protocol.Completed(value):
            same = events.raw(value) == output
            return "its output", "its output" if same else "another output"
        case Restarted(inputs=inputs), protocol.Restarted(again):
            same = events.raw(again) == inputs
            return "its restart", "its restart" if same else "a restart with other inputs"
        case Failed(error), protocol.Completed() | protocol.Restarted() if (
            error.name in _NOT_OF_THE_SCRIPT
        ):
            return "its end", "its end"
        case Failed(error), _ if error.type == HISTORY_LIMIT:
            return "its end", "its end"
    was = "its restart" if isinstance(recorded, Restarted) else "its output"
    if isinstance(recorded, Failed):
        was = f"its end with {recorded.error.name}"
    match replayed:
        case None:
            return was, "nothing, and waits"
        case protocol.Failed(error):
            return was, f"its end with {error.name}"
        case protocol.Restarted():
            return was, "its restart"
    return was, "its output"
