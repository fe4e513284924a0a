"""Recorded histories in files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Final

from rhythm.errors import ConfigurationError
from rhythm.history import recording
from rhythm.history.recording import Recording

SUFFIX: Final = ".json"


def write(recorded: Recording, path: str | PathLike[str]) -> None:
    """Write a recorded history to a file; folders are made.

    Raises:
        ConfigurationError: it cannot be written there.
    """
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(recording.encode(recorded))
    except OSError as error:
        problem = f"history {str(path)!r} cannot be written: {error}"
        raise ConfigurationError(problem) from error


def read(path: str | PathLike[str]) -> Recording:
    """A recorded history from its file.

    Raises:
        ConfigurationError: there is no such file, or it is no recorded history.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"history {str(path)!r} cannot be read: {error}") from error
    return recording.decode(content, str(path))
