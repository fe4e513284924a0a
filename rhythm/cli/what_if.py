"""`rhythm what-if`: would an edited script have decided the same?"""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.exits import Exit
from rhythm.cli.parameters import read_source
from rhythm.cli.show import print_json
from rhythm.cli.subject import Subject, subject
from rhythm.history.impact import Parting


@click.command("what-if")
@subject
@click.option("--source", metavar="FLOW", required=True, help="The edited .flow file.")
@command
async def what_if(place: Place, subject: Subject, source: str) -> None:
    """Replay an execution's history against another script.

    Nothing is written, no task runs. Exit code 1 if it would decide otherwise.
    """
    text = read_source(source)
    id = subject.id
    if subject.bundle is not None:
        parting = subject.bundle.what_if(text, id)
    else:
        async with place.open() as app:
            parting = await app.history_service.what_if(id, text)
    if place.as_json:
        print_json({"unchanged": parting is None, "parting": parting})
    elif parting is None:
        click.echo(f"{id} would decide as it did")
    else:
        click.echo(f"{id} parts at event {parting.version}: {in_words(parting)}")
    if parting is not None:
        raise click.exceptions.Exit(Exit.FAILED)


def in_words(parting: Parting) -> str:
    """Both decisions with their lines."""
    old = "" if parting.old_line is None else f" (line {parting.old_line})"
    new = "" if parting.new_line is None else f" (now line {parting.new_line})"
    return f"recorded {parting.recorded}{old}, it would be {parting.replayed}{new}"
