"""`rhythm delete`: remove a finished execution with all that is known of it."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json


@click.command("delete")
@click.argument("id")
@command
async def delete(place: Place, id: str) -> None:
    """Remove a finished execution and all below it, histories too.

    It cannot be had back. What has not ended is refused: cancel or terminate it first.
    """
    async with place.open() as app:
        await app.execution_service.delete_execution(id)
    if place.as_json:
        print_json({"id": id})
    else:
        click.echo(f"deleted {id}")
