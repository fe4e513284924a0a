"""`rhythm resume`: hand out again what was parked as stuck."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json


@click.command("resume")
@click.argument("id")
@command
async def resume(place: Place, id: str) -> None:
    """Hand out again an execution that was parked as stuck.

    One is parked when worker after worker was lost with it. See first what became of them.
    """
    async with place.open() as app:
        await app.execution_service.resume_execution(id)
    if place.as_json:
        print_json({"id": id})
    else:
        click.echo(f"{id} waits for a worker again")
