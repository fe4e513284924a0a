"""`rhythm cancel`: ask an execution to end; its script may clean up."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import reason_option
from rhythm.cli.show import print_json


@click.command("cancel")
@click.argument("id")
@reason_option
@command
async def cancel(place: Place, id: str, reason: str | None) -> None:
    """Ask an execution to end, and give it time to clean up.

    A workflow sees what it awaits reject with CancelledError; a running async task is cancelled.
    `rhythm wait ID` waits until it has ended. To end it without asking use `rhythm terminate`.
    """
    async with place.open() as app:
        await app.execution_service.cancel_execution(id, reason)
    if place.as_json:
        print_json({"id": id})
    else:
        click.echo(f"asked {id} to end")
