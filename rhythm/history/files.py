"""Recorded histories and bundles in files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Final

from rhythm.errors import ConfigurationError
from rhythm.history import bundle, recording
from rhythm.history.bundle import Bundle
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
    """A recorded history from its file; of a bundle, that of its root.

    Raises:
        ConfigurationError: there is no such file, or it is no recorded history.
        InvalidRequest: it is a bundle whose values were left out, or whose root is a task.
    """
    return open_bundle(path).recording()


def open_bundle(path: str | PathLike[str]) -> Bundle:
    """A bundle from its file, or a single recorded history as one.

    Raises:
        ConfigurationError: there is no such file, or it is neither.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(bundle.MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"history {str(path)!r} cannot be read: {error}") from error
    return bundle.decode(content, str(path))
