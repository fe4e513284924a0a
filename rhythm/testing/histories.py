"""Record histories, and see whether today's scripts would decide the same."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from rhythm.builder import Rhythm
from rhythm.errors import ConfigurationError, RhythmError, WorkflowNotRegistered
from rhythm.history import replaying
from rhythm.history.cursor import compiled
from rhythm.history.files import SUFFIX, read, write
from rhythm.services.workflows import compile_all, read_workflow_files


async def record_history(app: Rhythm, execution_id: str, path: str | PathLike[str]) -> None:
    """Write a workflow's history, as it is now, and its source to a file.

    Raises:
        ExecutionNotFound, InvalidRequest: there is no workflow of this id.
        ConfigurationError: the file cannot be written.
        ConnectionLost: no answer in time.
    """
    write(await app.history_service.record(execution_id), path)


def replay(
    histories: str | PathLike[str] | Sequence[str | PathLike[str]],
    flows: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
) -> int:
    """Replay recorded histories against today's scripts; how many there were.

    Args:
        histories: files, and folders that hold some (`*.json`, searched in depth).
        flows: `.flow` files and folders in which each history's workflow is found by its name;
            None replays each against the source that was recorded with it.

    Raises:
        NondeterminismError: a script decides otherwise than a history records; shows both. The
            history's file is in the error's notes.
        WorkflowNotRegistered: the scripts have no workflow of a history's name.
        FlowSyntaxError: mistakes in the scripts.
        ConfigurationError: there are no histories, or a file is none.
    """
    files = _files(listed(histories))
    programs = None
    if flows is not None:
        programs = compile_all(read_workflow_files([Path(path) for path in listed(flows)]))
    for file in files:
        recorded = read(file)
        try:
            if programs is None:
                program = compiled(recorded.source, recorded.path)
            elif recorded.workflow in programs:
                program = programs[recorded.workflow]
            else:
                raise WorkflowNotRegistered(recorded.workflow, sorted(programs))
            replaying.replay(recorded, program)
        except RhythmError as error:
            error.add_note(f"while replaying {file}")
            raise
    return len(files)


def listed(
    paths: str | PathLike[str] | Sequence[str | PathLike[str]],
) -> Sequence[str | PathLike[str]]:
    """One path or several, as several."""
    return [paths] if isinstance(paths, str | PathLike) else paths


def _files(paths: Sequence[str | PathLike[str]]) -> list[Path]:
    files: list[Path] = []
    for given in paths:
        path = Path(given)
        found = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not found:
            raise ConfigurationError(
                f"folder {str(path)!r} holds no recorded history (*{SUFFIX})",
                "record one with record_history()",
            )
        files += found
    return files
