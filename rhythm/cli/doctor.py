"""`rhythm doctor`: is the server fit, who works on it, and what waits?"""

from typing import Any

import click
import msgspec

from rhythm.cli.connect import Place, command
from rhythm.cli.show import (
    count,
    duration,
    moment,
    print_fields,
    print_json,
    print_table,
    status,
)
from rhythm.models import Diagnosis, WorkerInfo


@click.command("doctor")
@command
async def doctor(place: Place) -> None:
    """Show server, workers and queues, and what is amiss.

    What ought to be looked at stands last, a sentence each.
    """
    async with place.open() as app:
        diagnosis = await app.diagnose()
        workflows = await app.workflow_service.known_names()
        address = app.database_url_shown
    if place.as_json:
        print_json({**msgspec.to_builtins(diagnosis), "workflows": workflows})
    else:
        _print(address, diagnosis, workflows)


def _print(address: str, diagnosis: Diagnosis, workflows: list[str]) -> None:
    print_fields(_server_fields(address, diagnosis, workflows))
    click.echo()
    if diagnosis.workers:
        headers = ["WORKER", "HOST", "PID", "QUEUES", "TASKS", "HOLDS", "CLAIMED", "LEASE"]
        print_table(headers, [_worker_row(worker) for worker in diagnosis.workers])
    else:
        click.echo("no workers")
    click.echo()
    if diagnosis.queues:
        rows = [[queue.name, str(queue.ready), str(queue.workers)] for queue in diagnosis.queues]
        print_table(["QUEUE", "READY", "WORKERS"], rows)
        click.echo()
    if diagnosis.pauses:
        rows = [
            [f"{one.kind} {one.name}", moment(one.since), one.note or "-"]
            for one in diagnosis.pauses
        ]
        print_table(["PAUSED", "SINCE (UTC)", "NOTE"], rows)
        click.echo()
    for warning in diagnosis.warnings:
        click.echo(f"{click.style('warning', fg='yellow')}: {warning}")
    if not diagnosis.warnings:
        click.echo("nothing to worry about")


def _server_fields(
    address: str, diagnosis: Diagnosis, workflows: list[str]
) -> list[tuple[str, Any]]:
    executions = ", ".join(
        f"{number:,} {status(name)}" for name, number in diagnosis.executions.items() if number
    )
    return [
        ("server", f"{diagnosis.server} {diagnosis.server_version} at {address}"),
        ("persistence", diagnosis.persistence),
        ("maxmemory-policy", diagnosis.maxmemory_policy),
        (
            "namespace",
            f"{diagnosis.namespace} (schema {diagnosis.schema}, "
            f"{count(diagnosis.partitions, 'partition')})",
        ),
        ("workflows", ", ".join(workflows) or "none"),
        ("executions", executions or "none"),
        ("due later", f"{diagnosis.due:,} (timers, scheduled starts, retries, leases)"),
    ]


def _worker_row(worker: WorkerInfo) -> list[str]:
    claimed = worker.claimed_ms_ago
    lease_s = worker.lease_expires_in_ms / 1000
    lease = f"{duration(lease_s)} left" if lease_s >= 0 else f"overdue by {duration(-lease_s)}"
    return [
        worker.id,
        worker.host,
        str(worker.pid),
        ", ".join(worker.queues),
        str(len(worker.tasks)),
        str(worker.holding),
        "never" if claimed is None else f"{duration(claimed / 1000)} ago",
        lease,
    ]
