"""`rhythm pause`: let work rest until it is resumed."""

from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import what_rests
from rhythm.cli.show import print_json


@click.command("pause")
@what_rests
@click.option("--note", metavar="TEXT", help="Why; not for a single execution.")
@command
async def pause(place: Place, kind: Any, name: str, note: str | None) -> None:
    """Let an execution, a queue, a workflow or a task rest.

    What a worker has in hand it finishes. Paused work keeps getting signals, timers and results,
    and deals with them in order once it is resumed.
    """
    async with place.open() as app:
        if kind is not None:
            await app.pause_service.pause(kind, name, note)
        elif note is not None:
            raise click.UsageError("--note goes with --queue, --workflow or --task")
        else:
            await app.execution_service.pause_execution(name)
    if place.as_json:
        print_json({"id": name} if kind is None else {"kind": kind, "name": name, "note": note})
    else:
        click.echo(f"{name if kind is None else f'{kind} {name}'} is paused")
