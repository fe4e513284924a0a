"""`rhythm fork`: another execution that shares the history of one up to an event."""

from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import KeyValue, read_source
from rhythm.cli.show import print_json


@click.command("fork")
@click.argument("id")
@click.option(
    "--at",
    type=click.IntRange(min=1),
    metavar="EVENT",
    help="The last event to share, by its number in rhythm history; "
    "left out, the last good decision.",
)
@click.option(
    "--set",
    "edits",
    type=KeyValue(),
    multiple=True,
    metavar="PATH=JSON",
    help="Another value for a variable, as order.items[0].price=3; VALUE is read as JSON, else "
    "taken as text. Repeat for more.",
)
@click.option("--source", metavar="FLOW", help="Go on with another script, which decides alike.")
@click.option("--id", "new_id", metavar="ID", help="The fork's id; left out, ID.fork.…")
@click.option("--rerun", is_flag=True, help="Run again also what has completed since that event.")
@click.option(
    "--signals/--no-signals",
    default=None,
    help="Whether signals that came later come to the fork too; left out, if --at is.",
)
@command
async def fork(
    place: Place,
    id: str,
    at: int | None,
    edits: tuple[tuple[str, Any], ...],
    source: str | None,
    new_id: str | None,
    rerun: bool,
    signals: bool | None,
) -> None:
    """Start an execution that shares a history up to an event.

    It goes on from there by itself: with another value for a variable, another script, or just to
    try again what failed. The execution ID stays as it is. What it had asked for by then and was
    not answered: results that have come since count, failed child workflows are forked too, and
    the rest is asked for once more. Prints the fork's id.
    """
    text = None if source is None else read_source(source)
    async with place.open() as app:
        forked = await app.history_service.fork(
            id,
            at,
            id=new_id,
            edits=dict(edits),
            source=text,
            path=source or "workflow.flow",
            results=not rerun,
            signals=signals,
        )
    if place.as_json:
        print_json({"id": forked})
    else:
        click.echo(forked)
