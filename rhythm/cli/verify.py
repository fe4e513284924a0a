"""`rhythm verify`: does what is kept agree with the events?"""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.exits import Exit
from rhythm.cli.parameters import one_or_all
from rhythm.cli.show import count, print_json


@click.command("verify")
@one_or_all
@command
async def verify(place: Place, id: str | None) -> None:
    """Check that what is kept of executions agrees with their events.

    Projection, indexes, queues, timers, snapshots, and a workflow's decisions, made once more.
    Changes nothing, and others may work meanwhile. Exit code 1 if anything does not agree.
    """
    checked, findings = 0, []
    async with place.open() as app:
        if id is not None:
            checked, findings = 1, await app.verification_service.verify(id)
        else:
            async for _, found in app.verification_service.verify_all():
                checked += 1
                findings += found
    if place.as_json:
        print_json({"checked": checked, "findings": findings})
    else:
        for finding in findings:
            click.echo(f"{click.style('problem', fg='red')}: {finding}")
        click.echo(f"{count(checked, 'execution')} checked, {count(len(findings), 'problem')}")
    if findings:
        raise click.exceptions.Exit(Exit.FAILED)
