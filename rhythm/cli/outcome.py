"""How a finished execution is told: its output on standard output, or why it has none."""

import json

import click

from rhythm.cli.connect import Place
from rhythm.cli.exits import Exit
from rhythm.cli.show import print_json
from rhythm.errors import ExecutionCancelled, ExecutionFailed
from rhythm.models import Execution


def end_with(place: Place, execution: Execution) -> None:
    """Print the output and return, or print why there is none and end the command with code 1.

    With --json standard output gets the whole execution, however it ended.
    """
    if place.as_json:
        print_json(execution)
    try:
        output = execution.result()
    except (ExecutionFailed, ExecutionCancelled) as error:
        click.echo(f"{click.style('error', fg='red')}: {error}", err=True)
        raise click.exceptions.Exit(Exit.FAILED) from error
    if not place.as_json:
        click.echo(json.dumps(output, ensure_ascii=False, indent=2))
