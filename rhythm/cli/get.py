"""`rhythm get`: all there is to know about one execution."""

from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.explain import print_explanation
from rhythm.cli.show import duration, moment, print_fields, print_json, short_json, status
from rhythm.errors import ExecutionNotFound, RhythmError
from rhythm.models import Execution, ExecutionStatus

# Long enough to recognise a value by, short enough to stay a few lines; `--json` has all of it.
_VALUE_WIDTH = 300

_STUCK = "worker after worker was lost with it; see why, then go on"


@click.command("get")
@click.argument("id")
@command
async def get(place: Place, id: str) -> None:
    """Show one execution: status, times, inputs, output or error.

    Of one that failed it says why, as `rhythm explain`.
    """
    async with place.open() as app:
        execution = await app.execution_service.get_execution(id)
        if execution is None:
            raise ExecutionNotFound(id)
        why = None
        if execution.status is ExecutionStatus.FAILED and not place.as_json:
            try:
                why = await app.history_service.explain(id)
            except RhythmError as error:
                # Its facts are shown all the same: who asks may be after this very trouble.
                click.echo(f"it cannot be explained: {error}", err=True)
    if place.as_json:
        print_json(execution)
        return
    told = ("at", "traceback") if why is not None else ()
    print_fields([field for field in _fields(execution) if field[0] not in told])
    if why is not None:
        click.echo()
        print_explanation(why)


def _fields(execution: Execution) -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = [
        ("id", execution.id),
        (str(execution.type), execution.target_name),
        ("status", status(execution.status)),
        *([("paused", "it rests until it is resumed")] if execution.paused else []),
        *([("stuck", f"{_STUCK}: rhythm resume {execution.id}")] if execution.stuck else []),
        ("queue", execution.queue),
    ]
    if execution.parent_workflow_id is not None:
        fields.append(("parent", execution.parent_workflow_id))
    if execution.restarted_from is not None:
        fields.append(("goes on from", execution.restarted_from))
    if execution.restarted_as is not None:
        fields.append(("goes on as", execution.restarted_as))
    if execution.attempt:
        fields.append(("attempt", execution.attempt))
    if execution.definition is not None:
        fields.append(("definition", execution.definition))
    if execution.trace_id is not None:
        fields.append(("trace", execution.trace_id))
    fields.append(("created", moment(execution.created_at)))
    if execution.started_at is not None:
        fields.append(("started", moment(execution.started_at)))
    if execution.completed_at is not None:
        took = (execution.completed_at - execution.created_at).total_seconds()
        fields.append(("ended", f"{moment(execution.completed_at)}, after {duration(took)}"))
    fields.append(("events", f"{execution.version} (rhythm history {execution.id})"))
    fields.append(("inputs", short_json(execution.inputs, _VALUE_WIDTH)))
    if execution.attributes:
        fields.append(("attributes", short_json(execution.attributes, _VALUE_WIDTH)))
    if execution.state:
        fields.append(("state", short_json(execution.state, _VALUE_WIDTH)))
    if execution.progress is not None:
        fields.append(("progress", short_json(execution.progress, _VALUE_WIDTH)))
    return fields + _result_fields(execution)


def _result_fields(execution: Execution) -> list[tuple[str, Any]]:
    """The output, or what an error consists of, part by part."""
    if execution.status == ExecutionStatus.COMPLETED:
        return [("output", short_json(execution.output, _VALUE_WIDTH))]
    if not execution.status.finished or execution.status == ExecutionStatus.RESTARTED:
        return []
    error = execution.output if isinstance(execution.output, dict) else {}
    if execution.status == ExecutionStatus.CANCELLED:
        return [("reason", error.get("reason") or "none given")]
    fields: list[tuple[str, Any]] = [("error", f"{error.get('name')}: {error.get('message')}")]
    if error.get("line") is not None:
        fields.append(("at", f"line {error['line']} of the workflow"))
    if error.get("details") is not None:
        fields.append(("details", short_json(error["details"], _VALUE_WIDTH)))
    if error.get("traceback"):
        fields.append(("traceback", error["traceback"]))
    return fields
