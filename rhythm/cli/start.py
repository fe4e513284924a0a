"""`rhythm start`: begin an execution and say its id."""

from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import attribute_option, input_option, workflows_option
from rhythm.cli.show import print_json
from rhythm.models import Debounce


@click.command("start")
@click.argument("target")
@click.option(
    "--type",
    "exec_type",
    type=click.Choice(["workflow", "task"]),
    default="workflow",
    show_default=True,
    help="What TARGET names.",
)
@click.option("--queue", metavar="NAME", help="Queue to put it in.")
@click.option(
    "--id", "id", metavar="ID", help="Id to give it; starting again with it gives the first."
)
@click.option(
    "--priority", type=click.IntRange(0, 9), help="9 comes first; 5 unless declared otherwise."
)
@click.option("--key", metavar="TEXT", help="Whom it is for: the keys of a queue take turns.")
@attribute_option
@click.option("--delay", metavar="DURATION", help="Begin so much later, as 30s, 5m or 24h.")
@click.option(
    "--singleton",
    metavar="NAME",
    help="Start nothing while an execution started with this name lives; print that one's id.",
)
@click.option(
    "--debounce",
    metavar="KEY",
    help="Merge it with the starts of this key that come before it begins; print their one id.",
)
@click.option("--debounce-wait", metavar="DURATION", help="Begin when no start came for so long.")
@click.option(
    "--debounce-max", metavar="DURATION", help="And so long after the first at the latest."
)
@workflows_option
@input_option
@command
async def start(
    place: Place,
    target: str,
    exec_type: str,
    queue: str | None,
    id: str | None,
    priority: int | None,
    key: str | None,
    delay: str | None,
    singleton: str | None,
    debounce: str | None,
    debounce_wait: str | None,
    debounce_max: str | None,
    attributes: tuple[tuple[str, Any], ...],
    workflows: tuple[str, ...],
    inputs: tuple[tuple[str, Any], ...],
) -> None:
    """Start a workflow or a task and print the execution's id.

    TARGET is the name of a workflow that the server knows, or that --workflows registers. The id
    stands alone on standard output; `rhythm wait ID` waits for the result.
    """
    if (debounce is None) != (debounce_wait is None) or (debounce_max and not debounce):
        raise click.UsageError("--debounce and --debounce-wait go together")
    merged: Debounce | None = None
    if debounce is not None and debounce_wait is not None:
        merged = {"key": debounce, "wait": debounce_wait, "max_wait": debounce_max}
    async with place.open(workflows=workflows, migrate=True) as app:
        execution_id = await app.execution_service.create_execution(
            target_name=target,
            inputs=dict(inputs),
            exec_type=exec_type,
            queue=queue,
            id=id,
            priority=priority,
            key=key,
            delay=delay,
            singleton=singleton,
            debounce=merged,
            attributes=dict(attributes),
        )
    if place.as_json:
        print_json({"id": execution_id})
    else:
        click.echo(execution_id)
