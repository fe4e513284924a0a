"""`rhythm timeline`: what an execution spent its time on, drawn."""

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import count, duration, moment, print_json, print_table, status
from rhythm.cli.subject import Subject, subject
from rhythm.history.timeline import Span
from rhythm.models import from_unix_ms

_BAR_WIDTH = 40
_MOST_LINES = 200


@click.command("timeline")
@subject
@click.option("--all", "all_of_it", is_flag=True, help="All spans, however many there are.")
@command
async def timeline(place: Place, subject: Subject, all_of_it: bool) -> None:
    """Draw what an execution spent its time on.

    A bar for it, for each task, child workflow, timer and wait for a signal, and within a task for
    its time in the queue, its attempts and the pauses between them. FILE is what `rhythm export`
    wrote; without values it tells nothing of waits for signals.
    """
    if subject.bundle is not None:
        span = subject.bundle.timeline(subject.id)
        now = from_unix_ms(subject.bundle.exported_ms)
    else:
        async with place.open() as app:
            span = await app.history_service.timeline(subject.id)
        now = datetime.now(UTC)
    if place.as_json:
        print_json(span)
        return
    spans = list(span.walk())
    shown = spans if all_of_it else spans[:_MOST_LINES]
    end = max([now] if span.ends is None else [each.ends or now for _, each in spans])
    print_table(["WHAT", "LINE", "AFTER", "TOOK", "", "HOW"], list(_rows(shown, span, now, end)))
    left = len(spans) - len(shown)
    more = f"; {count(left, 'more span')} with --all" if left else ""
    click.echo(f"began {moment(span.begins)}{more}")


def _rows(
    spans: list[tuple[int, Span]], root: Span, now: datetime, end: datetime
) -> Iterator[list[str]]:
    whole = max((end - root.begins).total_seconds(), 0.001)
    for depth, span in spans:
        after = (span.begins - root.begins).total_seconds()
        took = span.seconds(now)
        yield [
            "  " * depth + _name(span),
            "" if span.line is None else str(span.line),
            f"+{duration(max(after, 0))}",
            duration(max(took, 0)),
            _bar(after / whole, took / whole, span),
            status(span.status),
        ]


def _name(span: Span) -> str:
    number = "" if span.n is None else f" [{span.n}]"
    if span.kind == "attempt":
        return f"attempt{'' if span.n is None else f' {span.n}'} {span.name}".rstrip()
    return f"{span.kind}{'' if not span.name else f' {span.name}'}{number}"


_FILL = {"queued": "·", "pause": "·", "timer": "─", "signal": "─", "sending": "─"}


def _bar(begins: float, took: float, span: Span) -> str:
    """Where it lies in the whole, both as parts of it."""
    at = min(max(round(begins * _BAR_WIDTH), 0), _BAR_WIDTH - 1)
    width = min(max(round(took * _BAR_WIDTH), 1), _BAR_WIDTH - at)
    return " " * at + _FILL.get(span.kind, "█") * width + " " * (_BAR_WIDTH - at - width)
