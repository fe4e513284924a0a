"""`rhythm doctor`: is the server fit, who works on it, what waits, and what is amiss?"""

from typing import Any

import click
import msgspec

from rhythm.cli.connect import Place, command
from rhythm.cli.exits import Exit
from rhythm.cli.show import count, duration, moment, print_fields, print_json, print_table, status
from rhythm.cli.workers import print_workers
from rhythm.models import Diagnosis, Finding, QueueInfo, Severity

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


@click.command("doctor")
@command
async def doctor(place: Place) -> None:
    """Show server, workers and queues, what is amiss, and how to mend it.

    What is amiss stands last: errors (work stands still, or is lost), then warnings, each with what
    to do about it. With an error the exit code is 1, with warnings alone 0.
    """
    async with place.open() as app:
        diagnosis = await app.diagnose(reads_workflows=True)
        workflows = await app.workflow_service.known_names()
        address = app.database_url_shown
    if place.as_json:
        print_json({**msgspec.to_builtins(diagnosis), "workflows": workflows})
    else:
        _print(address, diagnosis, workflows)
    if any(finding.severity is Severity.ERROR for finding in diagnosis.findings):
        click.get_current_context().exit(Exit.FAILED)


def _print(address: str, diagnosis: Diagnosis, workflows: list[str]) -> None:
    print_fields(_server_fields(address, diagnosis, workflows))
    click.echo()
    print_workers(diagnosis.workers)
    click.echo()
    if diagnosis.queues:
        headers = ["QUEUE", "READY", "AT A LIMIT", "OLDEST WAITS", "WORKERS"]
        print_table(headers, [_queue_row(queue) for queue in diagnosis.queues])
        click.echo()
    if diagnosis.pauses:
        rows = [
            [f"{one.kind} {one.name}", moment(one.since), one.note or "-"]
            for one in diagnosis.pauses
        ]
        print_table(["PAUSED", "SINCE (UTC)", "NOTE"], rows)
        click.echo()
    for finding in diagnosis.findings:
        click.echo(_told(finding))
    if not diagnosis.findings:
        click.echo("nothing to worry about")


def _told(finding: Finding) -> str:
    severity = click.style(finding.severity, fg=_COLOURS[finding.severity])
    return f"{severity}: {finding.text} [{finding.code}]\n  {finding.remedy}"


def _queue_row(queue: QueueInfo) -> list[str]:
    waits_s = queue.oldest_waits_s
    waits = "-" if waits_s is None else duration(waits_s)
    return [queue.name, f"{queue.ready:,}", f"{queue.limited:,}", waits, str(queue.workers)]


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
