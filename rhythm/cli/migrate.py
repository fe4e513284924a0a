"""`rhythm migrate`: prepare a Redis for Rhythm."""

import click

from rhythm import builder
from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json


@click.command("migrate")
@command
async def migrate(place: Place) -> None:
    """Create what an empty Redis needs, or bring it to this release's schema.

    Does nothing where all is in place, so it may be repeated.
    """
    done = await builder.migrate(place.address(), place.namespace)
    if place.as_json:
        print_json({"done": done})
        return
    for step in done:
        click.echo(step)
    if not done:
        click.echo("nothing to do: the schema is up to date")
