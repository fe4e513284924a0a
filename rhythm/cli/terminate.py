"""`rhythm terminate`: end an execution and all below it at once."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import reason_option
from rhythm.cli.show import print_json


@click.command("terminate")
@click.argument("id")
@reason_option
@command
async def terminate(place: Place, id: str, reason: str | None) -> None:
    """End an execution and all below it, without asking.

    Nothing of it runs any more, no `finally` either; `rhythm cancel` lets it clean up.
    """
    async with place.open() as app:
        await app.execution_service.terminate_execution(id, reason)
    if place.as_json:
        print_json({"id": id})
    else:
        click.echo(f"ended {id}")
