"""`rhythm bulk …`: the same for all executions that match."""

import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import attribute_option, reason_option
from rhythm.cli.progress import counted
from rhythm.cli.show import count, print_json
from rhythm.models import ExecutionStatus, ExecutionType
from rhythm.services.bulk import BulkAction, BulkResult

_STATUSES = [str(status) for status in ExecutionStatus]
_TYPES = [str(type) for type in ExecutionType]

_FILTERS = {
    "target_name": ("--target", "Only executions of this workflow or task."),
    "queue": ("--queue", "Only in this queue."),
    "parent_workflow_id": ("--parent", "Only children of this workflow."),
    "schedule": ("--schedule", "Only started by this schedule."),
    "created_after": ("--after", "Only created at or after this ISO time."),
    "created_before": ("--before", "Only created before this ISO time."),
    "error_name": ("--error", "Only failed with an error of this name."),
    "definition": ("--definition", "Only those that run this definition, a content hash."),
}


@click.group("bulk")
def bulk() -> None:
    """End, resume, retry or delete all executions that match."""


def _filtered(action: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """The options by which executions are chosen, and how they are gone through."""
    options: list[Any] = [
        click.option(name, field, metavar="TEXT", help=text)
        for field, (name, text) in _FILTERS.items()
    ]
    options += [
        attribute_option,
        click.option(
            "--waits-at",
            type=click.IntRange(min=1),
            metavar="LINE",
            help="Only workflows (with --target) whose script waits at this line.",
        ),
        click.option("--status", type=click.Choice(_STATUSES), help="Only with this status."),
        click.option("--type", "type", type=click.Choice(_TYPES), help="Only these."),
        click.option("--every", "is_all", is_flag=True, help="All that there are."),
        click.option("--limit", type=click.IntRange(min=0), help="At most so many, newest first."),
        click.option("--rate", type=click.FloatRange(min=0.001), help="At most so many a second."),
        click.option("--dry-run", is_flag=True, help="Only say which there are."),
        click.option("--yes", is_flag=True, help="Do not ask first."),
    ]
    wrapped: Any = command(action)
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


async def _run(
    place: Place,
    action: BulkAction,
    *,
    is_all: bool,
    limit: int | None,
    rate: float | None,
    dry_run: bool,
    yes: bool,
    reason: str | None = None,
    definition: str | None = None,
    waits_at: int | None = None,
    attributes: tuple[tuple[str, Any], ...] = (),
    **options: Any,
) -> None:
    filters = {name: value for name, value in options.items() if value is not None}
    if attributes:
        filters["attributes"] = dict(attributes)
    if bool(filters or definition or waits_at) == is_all:
        raise click.UsageError("say which by an option such as --target, or give --every")
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("give --yes, since nobody can be asked, or --dry-run")
    chosen: dict[str, Any] = {
        "definition": definition, "waits_at": waits_at, "limit": limit,
    }  # fmt: skip
    async with place.open() as app:
        if dry_run or not yes:
            found = await app.bulk_service.run(action, filters, dry_run=True, **chosen)
            if dry_run:
                _show(place, found)
                return
            click.confirm(f"{action} {count(found.matched, 'execution')}?", abort=True, err=True)
        with counted("executions") as on_progress:
            done = await app.bulk_service.run(
                action, filters, reason=reason, rate=rate, on_progress=on_progress, **chosen
            )
    _show(place, done)


def _show(place: Place, result: BulkResult) -> None:
    if place.as_json:
        print_json(result)
    elif result.dry_run:
        for execution_id in result.ids:
            click.echo(execution_id)
        click.echo(f"would {result.action} {count(result.matched, 'execution')}", err=True)
    else:
        for execution_id, why in result.refused.items():
            click.echo(f"{execution_id}: {why}", err=True)
        click.echo(
            f"{result.action}: {result.done:,} of {result.matched:,} done, "
            f"{result.passed_over:,} had moved on, {len(result.refused):,} refused"
        )


@bulk.command("cancel")
@reason_option
@_filtered
async def cancel(place: Place, **options: Any) -> None:
    """Ask all that match to end, and give them time to clean up."""
    await _run(place, "cancel", **options)


@bulk.command("terminate")
@reason_option
@_filtered
async def terminate(place: Place, **options: Any) -> None:
    """End all that match and all below them, without asking them."""
    await _run(place, "terminate", **options)


@bulk.command("resume")
@_filtered
async def resume(place: Place, **options: Any) -> None:
    """Go on with all that match and are paused by themselves, or stuck."""
    await _run(place, "resume", **options)


@bulk.command("retry")
@_filtered
async def retry(place: Place, **options: Any) -> None:
    """Fork all workflows that match and failed or were cancelled.

    Each fork goes on from the last good decision, under the id of the old one and .retry; results
    that there were are not asked for again.
    """
    await _run(place, "retry", **options)


@bulk.command("delete")
@_filtered
async def delete(place: Place, **options: Any) -> None:
    """Remove all that match and have ended, with all below them, histories too."""
    await _run(place, "delete", **options)
