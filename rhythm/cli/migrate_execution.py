"""`rhythm migrate-execution`: move a live workflow onto another definition."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import read_source
from rhythm.cli.show import print_json


@click.command("migrate-execution")
@click.argument("id")
@click.option(
    "--to",
    "definition",
    metavar="DEFINITION|FLOW",
    required=True,
    help="The digest of a registered source of this workflow, or a .flow file.",
)
@command
async def migrate_execution(place: Place, id: str, definition: str) -> None:
    """Let a live workflow go on with another script.

    Its history is replayed on it first: where the script decides otherwise than was recorded it is
    refused, and nothing is changed. `rhythm what-if` tells before.
    """
    is_file = definition.endswith(".flow")
    async with place.open() as app:
        if is_file:
            source = read_source(definition)
            await app.history_service.migrate_execution(id, source, path=definition)
        else:
            await app.history_service.migrate_execution(id, definition)
        now = await app.execution_service.get_execution(id)
    digest = None if now is None else now.definition
    if place.as_json:
        print_json({"id": id, "definition": digest})
    else:
        click.echo(f"{id} goes on with {digest}")
