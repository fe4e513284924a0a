"""`rhythm migrate-execution`: move a live workflow onto another definition."""

import click
import msgspec

from flowlang.program import digest_of
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
@click.option(
    "--map",
    "maps",
    is_flag=True,
    help="Where its history does not replay, go on at the same await, if that can be told.",
)
@click.option("--dry", is_flag=True, help="Only tell what would become of it.")
@command
async def migrate_execution(place: Place, id: str, definition: str, maps: bool, dry: bool) -> None:
    """Let a live workflow go on with another script.

    Its history is replayed on it first: where the script decides otherwise than was recorded it is
    refused, and nothing is changed. `rhythm what-if` tells before. With --map each function that
    waits then goes on where it stands, at the same await in the other script, with its variables by
    their names; what cannot be told for sure is refused.
    """
    path = definition if definition.endswith(".flow") else ""
    program = read_source(definition) if path else definition
    digest = digest_of(program) if path else definition
    async with place.open() as app:
        moved = await app.history_service.migrate_execution(
            id, program, path=path, maps=maps, dry=dry
        )
    if place.as_json:
        print_json({"id": id, "definition": digest, "moved": msgspec.to_builtins(moved)})
        return
    click.echo(f"{id} {'would go' if dry else 'goes'} on with {digest}")
    if moved:
        click.echo("Its history does not replay on it. What waits goes on by its place:")
    for one in moved:
        click.echo(f"  {one.function}: line {one.old_line} -> line {one.new_line}")
