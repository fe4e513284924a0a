"""`rhythm export`: an execution with all below it, in a file that opens anywhere."""

import sys

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import count
from rhythm.history import bundle


@click.command("export")
@click.argument("id")
@click.option("-o", "--output", metavar="FILE", help="Write there, not to standard output.")
@click.option(
    "--with-values",
    is_flag=True,
    help="Inputs, outputs, signals, states and console lines too; needed to replay it.",
)
@command
async def export(place: Place, id: str, output: str | None, with_values: bool) -> None:
    """Write an execution with all below it to one file.

    The file holds events and scripts, and needs neither Redis nor the project to be opened:
    `history`, `explain`, `timeline`, `replay`, `debug` and `what-if` take it in place of an ID.
    Without --with-values each value is replaced by its type and length; names, the keys of objects,
    ids and times stay. It is JSON. A damaged history is in it up to the damage, and says so.
    """
    async with place.open() as app:
        made = await app.history_service.export_bundle(id, values=with_values)
    for damage in made.damage.values():
        click.echo(f"left out from there on: {damage}", err=True)
    content = bundle.encode(made)
    if output is None:
        sys.stdout.buffer.write(content)
        return
    with click.open_file(output, "wb") as file:
        file.write(content)
    click.echo(f"{count(len(made.executions), 'execution')} in {output}", err=True)
