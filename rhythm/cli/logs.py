"""What the library logs, on a command's standard error.

Commands that run workflows show what happens in them; the others only what went wrong.
"""

import logging

import click

RHYTHM = logging.getLogger("rhythm")
CONSOLE = logging.getLogger("rhythm.flow")
"""What scripts write with `console`."""


class _ToStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            click.echo(self.format(record), err=True)
        except Exception:
            self.handleError(record)


def show_logs(level: int) -> None:
    """Write what is logged from `level` on, and scripts' console lines, to standard error."""
    if not any(isinstance(handler, _ToStandardError) for handler in RHYTHM.handlers):
        handler = _ToStandardError()
        handler.setFormatter(_Plain())
        RHYTHM.addHandler(handler)
        RHYTHM.propagate = False
    RHYTHM.setLevel(level)
    CONSOLE.setLevel(min(level, logging.INFO))


class _Plain(logging.Formatter):
    """`warning: …`, in the manner of the commands' own messages."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {super().format(record)}"
