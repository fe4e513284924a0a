"""`rhythm count`: how many executions there are, in all or by something."""

from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import attribute_option
from rhythm.cli.show import count as counted
from rhythm.cli.show import print_json, print_table
from rhythm.models import ExecutionFilters, ExecutionStatus, ExecutionType

_STATUSES = [str(status) for status in ExecutionStatus]
_TYPES = [str(type) for type in ExecutionType]
_BY = {"workflow": "target_name", "target": "target_name"}


@click.command("count")
@click.option(
    "--by",
    metavar="WHAT",
    help="Count by status, target, queue, type, schedule, error, age, or attribute:NAME.",
)
@click.option("--target", metavar="NAME", help="Only executions of this workflow or task.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only with this status.")
@click.option("--type", "exec_type", type=click.Choice(_TYPES), help="Only these.")
@click.option("--queue", metavar="NAME", help="Only in this queue.")
@click.option("--parent", metavar="ID", help="Only children of this workflow.")
@click.option("--schedule", metavar="ID", help="Only started by this schedule.")
@click.option("--after", metavar="TIME", help="Only created at or after this ISO time.")
@click.option("--before", metavar="TIME", help="Only created before this ISO time.")
@attribute_option
@command
async def count(
    place: Place,
    by: str | None,
    target: str | None,
    status: str | None,
    exec_type: str | None,
    queue: str | None,
    parent: str | None,
    schedule: str | None,
    after: str | None,
    before: str | None,
    attributes: tuple[tuple[str, Any], ...],
) -> None:
    """Count executions, in all or by something, the most first."""
    filters = ExecutionFilters(
        target_name=target,
        status=status,
        parent_workflow_id=parent,
        queue=queue,
        type=exec_type,
        schedule=schedule,
        created_after=after,
        created_before=before,
        attributes=dict(attributes),
    )
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
