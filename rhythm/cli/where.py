"""`rhythm where`: at which lines the live executions of a workflow stand."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import count, print_json
from rhythm.history.standing import Standing


@click.command("where")
@click.argument("name")
@click.option("--line", type=click.IntRange(min=1), help="List the executions at this line.")
@command
async def where(place: Place, name: str, line: int | None) -> None:
    """Show where a workflow's live executions stand.

    Their numbers stand beside its source. Each is replayed from its history, so a long
    one takes a while; nothing is changed.
    """
    async with place.open() as app:
        found = await app.history_service.where(name)
    if place.as_json:
        print_json(found)
    elif line is not None:
        for one in found:
            for execution_id in one.at.get(line, ()):
                click.echo(execution_id)
    else:
        for one in found:
            _draw(one)
        if not found:
            click.echo(f"no execution of {name} is alive")


def _draw(one: Standing) -> None:
    live = sum(map(len, one.at.values()))
    click.echo(f"{one.path} ({one.definition}): {count(live, 'live execution')}")
    lines = one.source.splitlines()
    width = len(str(len(lines)))
    for number, text in enumerate(lines, 1):
        here = len(one.at.get(number, ()))
        mark = click.style(f"{here:>6}", fg="cyan") if here else " " * 6
        click.echo(f"{mark} {number:>{width}} | {text}".rstrip())
    if one.at.get(0):
        click.echo(f"{len(one.at[0]):>6} {'':>{width}} | (about to go on)")
