"""`rhythm start`: begin an execution and say its id."""

from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import attribute_option, input_option, workflows_option
from rhythm.cli.show import print_json


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
    attributes: tuple[tuple[str, Any], ...],
    workflows: tuple[str, ...],
    inputs: tuple[tuple[str, Any], ...],
) -> None:
    """Start a workflow or a task and print the execution's id.

    TARGET is the name of a workflow that the server knows, or that --workflows registers. The id
    stands alone on standard output; `rhythm wait ID` waits for the result.
    """
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
            attributes=dict(attributes),
        )
    if place.as_json:
        print_json({"id": execution_id})
    else:
        click.echo(execution_id)
