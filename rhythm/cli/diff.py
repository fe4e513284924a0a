"""`rhythm diff`: where two executions of a workflow part."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.exits import Exit
from rhythm.cli.show import print_json
from rhythm.cli.subject import Subject
from rhythm.history.cursor import Replay
from rhythm.history.difference import Difference, Side, difference

_VALUE_WIDTH = 60


@click.command("diff")
@click.argument("a", metavar="ID|FILE")
@click.argument("b", metavar="ID|FILE")
@command
async def diff(place: Place, a: str, b: str) -> None:
    """Show where two executions of a workflow part.

    Both are replayed side by side; variables that differ where they part are shown. Each is an ID,
    or a file of `rhythm export --with-values`. Exit code 1 if they part.
    """
    one, other = Subject(a, None), Subject(b, None)
    replays: list[Replay] = []
    for subject in (one, other):
        if subject.bundle is not None:
            replays.append(subject.bundle.replay(subject.id))
        else:
            async with place.open() as app:
                replays.append(await app.history_service.replay(subject.id))
    found = difference(*replays)
    if place.as_json:
        print_json(found)
    else:
        _draw(found, one.id, other.id, replays)
    if found.parts != "nowhere":
        raise click.exceptions.Exit(Exit.FAILED)


def _draw(found: Difference, a: str, b: str, replays: list[Replay]) -> None:
    click.echo(f"a  {a} {found.outcomes[0]}")
    click.echo(f"b  {b} {found.outcomes[1]}")
    if found.parts == "nowhere":
        click.echo("both went the same way")
    else:
        assert found.a is not None and found.b is not None
        what = "were told different things" if found.parts == "told" else "go different ways"
        click.echo(f"they {what}:")
        if found.a.last_line is not None:
            click.echo(f"   {_line(replays[0], found.a.last_line)}")
        click.echo(f"a  {_went(replays[0], found.a)}")
        click.echo(f"b  {_went(replays[1], found.b)}")
    for name, values in found.variables.items():
        click.echo(f"   {name}: {_short(values[0])} in a, {_short(values[1])} in b")


def _line(replay: Replay, line: int) -> str:
    return f"{line} | {replay.program.source.splitlines()[line - 1].strip()}"


def _went(replay: Replay, side: Side) -> str:
    went = "nothing more" if side.line is None else _line(replay, side.line)
    return f"event {side.version} ({side.event}): {went}"


def _short(text: str | None) -> str:
    if text is None:
        return "unset"
    line = " ".join(text.split())
    return line if len(line) <= _VALUE_WIDTH else f"{line[: _VALUE_WIDTH - 1]}…"
