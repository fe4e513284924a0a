"""What is logged, on a command's standard error: as text for people, or as JSON for programs.

Commands that run workflows show what happens in them; the others only what went wrong.
"""

import functools
import logging
from collections.abc import Callable

import click

from rhythm.logs import JsonLines
from rhythm.settings import LogFormat, Settings

Announce = Callable[[str], None]
"""What says on standard error what becomes of a command."""

RHYTHM = logging.getLogger("rhythm")
CONSOLE = logging.getLogger("rhythm.flow")
"""What scripts write with `console`."""


class _ToStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            click.echo(self.format(record), err=True)
        except Exception:
            self.handleError(record)


def show_logs(level: int, format: LogFormat = "text") -> None:
    """Write what is logged from `level` on, and scripts' console lines, to standard error.

    As JSON also what the program and its libraries log: who reads it gets nothing else.
    """
    for logger in (RHYTHM, logging.getLogger()):
        for handler in list(logger.handlers):
            if isinstance(handler, _ToStandardError):
                logger.removeHandler(handler)
    shown = logging.getLogger() if format == "json" else RHYTHM
    handler = _ToStandardError()
    handler.setFormatter(JsonLines() if format == "json" else _Plain())
    shown.addHandler(handler)
    if format == "json":
        shown.setLevel(level)
    RHYTHM.propagate = format == "json"
    RHYTHM.setLevel(level)
    CONSOLE.setLevel(min(level, logging.INFO))


def show_logs_as(settings: Settings, format: LogFormat | None, level: str | None) -> Announce:
    """Log as the options of a command say, else its settings.

    Returns:
        What says it, in a log of JSON as one more line.
    """
    chosen: LogFormat = format or settings.log_format
    usual = "info" if chosen == "json" else "warning"
    show_logs(logging.getLevelNamesMapping()[(level or usual).upper()], chosen)
    if chosen == "json":
        log = logging.getLogger("rhythm.cli")
        return lambda told: log.info("%s", click.unstyle(told))
    return functools.partial(click.echo, err=True)


class _Plain(logging.Formatter):
    """`warning: …`, in the manner of the commands' own messages."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {super().format(record)}"
