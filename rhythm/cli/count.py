"""`rhythm count`: how many executions there are, in all or by something."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import filter_options
from rhythm.cli.show import count as counted
from rhythm.cli.show import print_json, print_table
from rhythm.models import ExecutionFilters

_BY = {"workflow": "target_name", "target": "target_name"}


@click.command("count")
@click.option(
    "--by",
    metavar="WHAT",
    help="Count by status, target, queue, type, schedule, error, age, or attribute:NAME.",
)
@filter_options
@command
async def count(
    place: Place,
    by: str | None,
    filters: ExecutionFilters,
) -> None:
    """Count executions, in all or by something, the most first."""
    async with place.open() as app:
        if by is None:
            total = await app.execution_service.count_executions(filters)
            if place.as_json:
                print_json({"count": total})
            else:
                click.echo(counted(total, "execution"))
            return
        found = await app.execution_service.count_by(_BY.get(by, by), filters)
    if place.as_json:
        print_json(found)
    elif found:
        rows = [[value or "-", f"{number:,}"] for value, number in found.items()]
        print_table([by.upper(), "COUNT"], rows)
    else:
        click.echo(counted(0, "execution"))
