"""`rhythm top`: what waits, who works and what failed of late, live."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json


@click.command("top")
@click.option(
    "--every",
    "every_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="How long to wait between readings.",
)
@command
async def top(place: Place, every_s: float) -> None:
    """Watch queues, workers, executions and failures live.

    On a full screen, read again every two seconds, with what changed per second. With --json it
    prints one reading and ends. It only reads. Press q to leave.
    """
    # Here, since it takes longer to load than all other commands to run.
    from rhythm.top import Top, read

    async with place.open() as app:
        if place.as_json:
            print_json(await read(app))
        else:
            await Top(lambda: read(app), every_s).run_async()
