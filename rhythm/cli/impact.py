"""`rhythm impact`: what the deploy of a script would do to executions that there are."""

from typing import Any

import click

import flowlang
from rhythm.cli.connect import Place, command
from rhythm.cli.exits import Exit
from rhythm.cli.parameters import read_source, which_ones
from rhythm.cli.show import count, print_json
from rhythm.cli.what_if import in_words
from rhythm.errors import FlowSyntaxError

_IDS_SHOWN = 3


@click.command("impact")
@click.argument("source", metavar="FLOW")
@click.option("--name", help="The workflow's name, if the file says another.")
@which_ones
@command
async def impact(
    place: Place,
    source: str,
    name: str | None,
    last: int,
    filters: dict[str, Any],
) -> None:
    """Try an edited script on a workflow's executions.

    All that live, and those that ended last. Running executions keep the script they began with, so
    none of them breaks by a deploy; the report says which could go over to it, and where others
    would part. Nothing is written. Exit code 1 if any would decide otherwise.
    """
    text = read_source(source)
    try:
        program = flowlang.compile(text, source)
    except flowlang.FlowSyntaxError as error:
        raise FlowSyntaxError(error.diagnostics) from error
    async with place.open() as app:
        found = await app.history_service.impact(
            name or program.name,
            text,
            last=last,
            path=source,
            filters=filters,
        )
    if place.as_json:
        print_json(found)
    else:
        for parting, ids in found.by_line():
            more = ", …" if len(ids) > _IDS_SHOWN else ""
            shown = f"{', '.join(ids[:_IDS_SHOWN])}{more}"
            click.echo(f"{count(len(ids), 'execution')}: {in_words(parting)}\n    {shown}")
        same = len(found.unchanged)
        total = count(same + len(found.parting), "execution")
        click.echo(f"{total} replayed, {same:,} would decide as they did")
    if found.parting:
        raise click.exceptions.Exit(Exit.FAILED)
