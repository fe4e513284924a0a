"""`rhythm explain`: why an execution stands where it stands, in sentences."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json


@click.command("explain")
@click.argument("id")
@command
async def explain(place: Place, id: str) -> None:
    """Say where an execution stands and why.

    What it waits for and since when, what would wake it, what went wrong before, and whether
    anything is amiss: no worker on a queue, a task that nobody knows, a timer that does not fire.
    """
    async with place.open() as app:
        explanation = await app.history_service.explain(id)
    if place.as_json:
        print_json(explanation)
        return
    for sentence in explanation.stands:
        click.echo(sentence)
    for sentence in explanation.past:
        click.echo(f"{click.style('before', fg='cyan')}: {sentence}")
    for sentence in explanation.amiss:
        click.echo(f"{click.style('amiss', fg='yellow')}: {sentence}")
