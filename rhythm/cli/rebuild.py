"""`rhythm rebuild`: make what readers see anew, from the events alone."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import one_or_all
from rhythm.cli.show import count, print_json


@click.command("rebuild")
@one_or_all
@command
async def rebuild(place: Place, id: str | None) -> None:
    """Make projections and indexes anew from the events.

    For when `rhythm verify` finds that they do not agree. Others may work meanwhile.
    """
    done = 0
    async with place.open() as app:
        if id is not None:
            await app.verification_service.rebuild(id)
            done = 1
        else:
            async for _ in app.verification_service.rebuild_all():
                done += 1
    if place.as_json:
        print_json({"rebuilt": done})
    else:
        click.echo(f"rebuilt {count(done, 'execution')}")
