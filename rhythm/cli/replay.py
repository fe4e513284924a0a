"""`rhythm replay`: run a workflow's history again, and see where it stood and what it did."""

from collections.abc import Iterable, Iterator

import click

import flowlang
from flowlang.values import TDZ, Value
from rhythm.cli.connect import Place, command
from rhythm.cli.show import count, moment, print_json
from rhythm.cli.subject import Subject, replay_at, subject
from rhythm.history.cursor import Replay
from rhythm.models import from_unix_ms

# One value in a line; the debugger has all of it.
_VALUE_WIDTH = 100


@click.command("replay")
@subject
@click.option(
    "--at", "version", type=click.IntRange(min=1), help="Stand at this event, not the last."
)
@click.option("--trace", is_flag=True, help="Show each statement that ran, and what it changed.")
@command
async def replay(place: Place, subject: Subject, version: int | None, trace: bool) -> None:
    """Run a workflow's history again and compare what it decides.

    ID is an execution, running or over; FILE is what `rhythm export --with-values` or
    `rhythm history --record` wrote, and needs no Redis. Nothing is changed, no task runs. Shows
    where the script stood, what it waited for, and its variables. Exit code 1 if it decides
    otherwise than was recorded.
    """
    if subject.bundle is not None:
        cursor, _ = await replay_at(subject, None, version)
    else:
        async with place.open() as app:
            cursor, _ = await replay_at(subject, app, version)
    if place.as_json:
        print_json(_facts(cursor))
    elif trace:
        for line in _trace(cursor):
            click.echo(line)
    else:
        for line in _standing(cursor):
            click.echo(line)


def _heading(cursor: Replay) -> str:
    events, turns = count(cursor.last, "event"), count(len(cursor.turns()), "turn")
    return f"{cursor.created.target} {cursor.execution_id}: {events}, {turns}, decided as recorded"


def _standing(cursor: Replay) -> Iterator[str]:
    yield _heading(cursor)
    if cursor.damage is not None:
        yield f"{click.style('damaged', fg='red')}: {cursor.damage}"
    event = cursor.event
    yield f"at event {event.version}, {moment(from_unix_ms(event.at_ms))} ({event.type})"
    source = cursor.program.source.splitlines()
    waiting = cursor.where()
    for function in waiting:
        yield f"  {function.name} waits at line {function.line} for {function.waits_for}"
        yield f"    {function.line:>4} | {source[function.line - 1].strip()}"
        for name, value in function.variables.items():
            if value is not TDZ:
                yield f"         {name} = {_shown(value)}"
    if not waiting:
        yield f"  it {_ended(cursor)}"
    lines = cursor.console()
    if lines:
        yield "console"
        for line in lines:
            yield f"  {line.text}"


def _trace(cursor: Replay) -> Iterator[str]:
    """From the beginning to where the cursor stands."""
    yield _heading(cursor)
    source = cursor.program.source.splitlines()
    width = len(str(len(source)))
    before: dict[str, str] = {}
    logged = 0

    def logs(commands: Iterable[flowlang.Log]) -> Iterator[str]:
        for line in commands:
            yield f"   {'':>{width}} |     logs: {line.text}"

    def look(machine: flowlang.Machine, stop: flowlang.Stop) -> list[str]:
        """What changed since the stop before, and the statement."""
        nonlocal before, logged
        variables = {n: _shown(v) for n, v in stop.variables.items() if v is not TDZ}
        changed = [f"{n} = {v}" for n, v in variables.items() if before.get(n, "unset") != v]
        before = variables
        console = [command for command in machine.given if isinstance(command, flowlang.Log)]
        inner = "  " * (len(stop.calls) - 1)
        lines = [f"   {'':>{width}} |     {', '.join(changed)}"] if changed else []
        lines += logs(console[logged:])
        logged = len(console)
        return [*lines, f"   {stop.line:>{width}} | {inner}{source[stop.line - 1].strip()}"]

    for event, seen, console in cursor.visit(look, upto=cursor.version):
        yield f"-- event {event.version}, {moment(from_unix_ms(event.at_ms))} ({event.type})"
        for lines in seen:
            yield from lines
        yield from logs(console[logged:])
        logged = 0
    yield f"it {_ended(cursor)}" if cursor.outcome else "it waits"


def _shown(value: Value) -> str:
    text = " ".join(flowlang.show(value, _VALUE_WIDTH).split())
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"


def _ended(cursor: Replay) -> str:
    match cursor.outcome:
        case flowlang.Completed(value):
            return f"completed with {_cut(repr(value))}"
        case flowlang.Failed(error):
            at = "" if error.line is None else f" at line {error.line}"
            return f"failed with {error.name}: {error.message}{at}"
        case flowlang.Restarted(inputs):
            return f"restarted with {_cut(repr(inputs))}"
    return "runs"


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"


def _facts(cursor: Replay) -> dict[str, object]:
    return {
        "id": cursor.execution_id,
        "workflow": cursor.created.target,
        "events": cursor.last,
        "at": cursor.version,
        "damage": None if cursor.damage is None else str(cursor.damage),
        "waits": [
            {
                "function": function.name,
                "line": function.line,
                "column": function.column,
                "for": str(function.waits_for),
                "variables": {n: flowlang.show(v) for n, v in function.variables.items()},
            }
            for function in cursor.where()
        ],
        "console": [line.text for line in cursor.console()],
    }
