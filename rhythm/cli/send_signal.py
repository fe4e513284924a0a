"""`rhythm signal`: tell a workflow something that it waits for, or will wait for."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import json_or_text
from rhythm.cli.show import print_json


@click.command("signal")
@click.argument("id")
@click.argument("name")
@click.option("--payload", metavar="VALUE", help="What to send; read as JSON, else taken as text.")
@click.option("--request-id", metavar="TEXT", help="Sent twice with the same one, it arrives once.")
@command
async def signal(
    place: Place, id: str, name: str, payload: str | None, request_id: str | None
) -> None:
    """Send a signal to a workflow.

    ID is the workflow's execution, NAME what it awaits. A signal that nobody awaits yet is kept
    until somebody does.
    """
    async with place.open() as app:
        await app.signal_service.send_signal(
            workflow_id=id,
            signal_name=name,
            payload=None if payload is None else json_or_text(payload),
            request_id=request_id,
        )
    if place.as_json:
        print_json({"workflow_id": id, "signal_name": name})
    else:
        click.echo(f"sent {name!r} to {id}")
