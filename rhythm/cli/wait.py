"""`rhythm wait`: until an execution has ended, then its result."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.outcome import end_with
from rhythm.cli.parameters import timeout_option


@click.command("wait")
@click.argument("id")
@timeout_option
@command
async def wait(place: Place, id: str, timeout: float | None) -> None:
    """Wait until an execution has ended and print its output.

    Exit code 0 if it completed, 1 if it failed or was cancelled, 5 if it took too long.
    """
    async with place.open() as app:
        execution = await app.execution_service.wait_for_execution(id, timeout=timeout)
    end_with(place, execution)
