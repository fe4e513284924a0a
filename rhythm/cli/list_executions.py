"""`rhythm list`: executions, newest first."""

import dataclasses

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import filter_options
from rhythm.cli.show import count, duration, moment, print_json, print_table, status
from rhythm.models import Execution, ExecutionFilters, ExecutionPage


@click.command("list")
@filter_options
@click.option(
    "--cursor",
    metavar="TEXT",
    help="Go on where the page before ended, as it said; 'start' for the first. With --json an "
    "object with the executions and the next cursor.",
)
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True)
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Pass over so many first.")
@command
async def list_executions(
    place: Place,
    filters: ExecutionFilters,
    cursor: str | None,
    limit: int,
    offset: int,
) -> None:
    """List executions, newest first."""
    if cursor is not None and offset:
        raise click.UsageError("--offset does not go with --cursor, which says where to go on")
    filters = dataclasses.replace(filters, limit=limit, offset=offset)
    async with place.open() as app:
        executions = app.execution_service
        if offset:
            page = ExecutionPage(executions=await executions.query_executions(filters), cursor=None)
        else:
            page = await executions.page_executions(filters, None if cursor == "start" else cursor)
        total = 0 if place.as_json else await executions.count_executions(filters)
    found = page.executions
    if place.as_json:
        print_json(found if cursor is None else page)
        return
    if found:
        headers = ["CREATED (UTC)", "STATUS", "TYPE", "NAME", "TOOK", "ID"]
        print_table(headers, [_row(execution) for execution in found])
    shown = f"{len(found)} of " if len(found) < total else ""
    click.echo(f"{shown}{count(total, 'execution')}")
    if page.cursor is not None:
        click.echo(f"the next ones: --cursor {page.cursor}", err=True)


def _row(execution: Execution) -> list[str]:
    ended = execution.completed_at
    return [
        moment(execution.created_at),
        status(execution.status),
        str(execution.type),
        execution.target_name,
        "-" if ended is None else duration((ended - execution.created_at).total_seconds()),
        execution.id,
    ]
