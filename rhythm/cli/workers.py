"""`rhythm workers`: who works, on what, and which versions they run."""

from collections.abc import Sequence

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import duration, moment, print_fields, print_json, print_table
from rhythm.models import WorkerInfo


@click.command("workers")
@click.argument("ids", metavar="[WORKER]…", nargs=-1)
@command
async def workers(place: Place, ids: tuple[str, ...]) -> None:
    """List the workers that are registered, or show some of them with their tasks.

    A worker is registered from its first moment until it leaves, or until another one has taken
    back what it held. VERSION is the release of Rhythm; BUILD is the setting build_id
    (RHYTHM_BUILD_ID), else the Git commit where the worker was started.
    """
    async with place.open() as app:
        found = (await app.diagnose()).workers
    if ids:
        found = [worker for worker in found if worker.id in ids]
        missing = [id_ for id_ in ids if id_ not in {worker.id for worker in found}]
        if missing:
            raise click.UsageError(f"no worker of the name {missing[0]!r} is registered")
    if place.as_json:
        print_json(found)
        return
    if not ids:
        print_workers(found)
        return
    for number, worker in enumerate(found):
        if number:
            click.echo()
        _print_one(worker)


def print_workers(found: Sequence[WorkerInfo]) -> None:
    """Workers as a table, or that there are none."""
    if not found:
        click.echo("no workers")
        return
    # A worker's name begins with its host and its process.
    headers = ["WORKER", "QUEUES", "TASKS", "HOLDS", "CLAIMED", "LEASE"]
    print_table([*headers, "VERSION", "PYTHON", "BUILD"], [_row(worker) for worker in found])


def _row(worker: WorkerInfo) -> list[str]:
    return [
        worker.id,
        ", ".join(worker.queues),
        str(len(worker.tasks)),
        _holds(worker),
        _claimed(worker),
        _lease(worker),
        worker.version or "-",
        worker.python or "-",
        worker.build or "-",
    ]


def _print_one(worker: WorkerInfo) -> None:
    print_fields(
        [
            ("worker", worker.id),
            ("host", f"{worker.host}, process {worker.pid}"),
            ("queues", ", ".join(worker.queues)),
            ("tasks", ", ".join(worker.tasks) or "none"),
            ("began", moment(worker.started_at)),
            ("holds", _holds(worker)),
            ("claimed", _claimed(worker)),
            ("lease", _lease(worker)),
            ("version", f"Rhythm {worker.version or '-'}, Python {worker.python or '-'}"),
            ("build", worker.build or "-"),
            ("clock", f"{worker.clock_ahead_ms:+,} ms from Redis's when it began"),
        ]
    )


def _holds(worker: WorkerInfo) -> str:
    return f"{worker.holding}/{worker.concurrency}" if worker.concurrency else str(worker.holding)


def _claimed(worker: WorkerInfo) -> str:
    claimed = worker.claimed_ms_ago
    return "never" if claimed is None else f"{duration(claimed / 1000)} ago"


def _lease(worker: WorkerInfo) -> str:
    lease_s = worker.lease_expires_in_ms / 1000
    return f"{duration(lease_s)} left" if lease_s >= 0 else f"overdue by {duration(-lease_s)}"
