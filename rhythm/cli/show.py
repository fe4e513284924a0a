"""How commands print: JSON for programs, aligned text for people.

People get the same text on a terminal and through a pipe; only colour and the cutting of long lines
to the window's width depend on the terminal.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

_COLOUR = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
}


def print_json(value: object) -> None:
    """`value` as one JSON document; times in ISO form, enums as their values."""
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=2)
    click.echo(text)


def short_json(value: object, width: int) -> str:
    """`value` as JSON in one line, cut to `width` characters."""
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def status(name: str) -> str:
    """A status, coloured where colour is shown."""
    colour = _COLOUR.get(name)
    return name if colour is None else click.style(name, fg=colour)


def moment(at: datetime | None) -> str:
    """A point in time to the millisecond, in UTC; `-` for none."""
    if at is None:
        return "-"
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def duration(seconds: float) -> str:
    """A length of time in the unit that fits it: `340 ms`, `2.1 s`, `3 min 05 s`, `2 h 07 min`."""
    if round(seconds, 3) < 1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def count(number: int, noun: str) -> str:
    """`1 task`, `12 tasks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; on a terminal no line runs over its edge."""
    plain = [[click.unstyle(cell) for cell in row] for row in [headers, *rows]]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    edge = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for cells, bare in zip([headers, *rows], plain, strict=True):
        line = "  ".join(
            cell + " " * (width - len(text))
            for cell, text, width in zip(cells, bare, widths, strict=True)
        ).rstrip()
        if edge is not None and len(click.unstyle(line)) > edge:
            line = click.unstyle(line)[: edge - 1] + "…"
        click.echo(line)


def print_fields(fields: Sequence[tuple[str, Any]]) -> None:
    """Labels in one column, their values beside them; further lines of a value are indented."""
    width = max(len(label) for label, _ in fields)
    for label, value in fields:
        first, *others = str(value).splitlines() or [""]
        click.echo(f"{label:<{width}}  {first}".rstrip())
        for line in others:
            click.echo(f"{'':<{width}}  {line}".rstrip())
