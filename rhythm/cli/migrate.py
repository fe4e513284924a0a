"""`rhythm migrate`: prepare a Redis for Rhythm."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json


@click.command("migrate")
@command
async def migrate(place: Place) -> None:
    """Prepare an empty Redis for Rhythm.

    Says what was done. Where all is in place nothing is, so it may be repeated.
    """
    done = await place.migrate()
    if place.as_json:
        print_json({"done": done})
    else:
        click.echo("\n".join(done))
