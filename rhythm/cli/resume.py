"""`rhythm resume`: go on with what was paused, or parked as stuck."""

from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import what_rests
from rhythm.cli.show import print_json


@click.command("resume")
@what_rests
@command
async def resume(place: Place, kind: Any, name: str) -> None:
    """Go on with what was paused, or was parked as stuck.

    An execution is parked when worker after worker was lost with it. See first what became of them.
    """
    async with place.open() as app:
        if kind is None:
            await app.execution_service.resume_execution(name)
            was_paused = True
        else:
            was_paused = await app.pause_service.resume(kind, name)
    if place.as_json:
        print_json({"id": name} if kind is None else {"kind": kind, "name": name})
    elif kind is None:
        click.echo(f"{name} waits for a worker again")
    else:
        click.echo(f"{kind} {name} {'is resumed' if was_paused else 'was not paused'}")
