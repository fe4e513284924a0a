"""`rhythm grep`: log points after the fact."""

from typing import Any

import click

from flowlang import EvaluationError
from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import which_ones
from rhythm.cli.show import moment, print_json, print_table
from rhythm.errors import InvalidRequest
from rhythm.models import from_unix_ms


@click.command("grep")
@click.argument("name")
@click.option("--line", type=click.IntRange(min=1), required=True, help="Of the workflow's source.")
@click.option("--expr", "expression", required=True, help="An expression, as order.total > 3.")
@click.option("--definition", default="", help="Of executions of this source, not the latest.")
@which_ones
@command
async def grep(
    place: Place,
    name: str,
    line: int,
    expression: str,
    definition: str,
    last: int,
    filters: dict[str, Any],
) -> None:
    """Evaluate an expression at a line of past executions.

    As if the line had logged it: each execution is replayed, and the expression is evaluated before
    the line's statement each time that the script comes there. Nothing is changed, no task runs.
    """
    async with place.open() as app:
        try:
            found = await app.history_service.grep(
                name,
                line,
                expression,
                last=last,
                definition=definition,
                filters=filters,
            )
        except EvaluationError as error:
            raise InvalidRequest("--expr", str(error)) from error
    if place.as_json:
        print_json({id_: [one._asdict() for one in came] for id_, came in found.items()})
        return
    rows = [
        [id_, str(one.version), moment(from_unix_ms(one.at_ms)), one.value or f"({one.error})"]
        for id_, came in found.items()
        for one in came
    ]
    print_table(["EXECUTION", "EVENT", "TIME (UTC)", "VALUE"], rows)
