"""`rhythm run`: one workflow from start to end in this process, with live progress."""

from pathlib import Path
from typing import Any

import click

from rhythm.cli.connect import Place, command, import_module, import_object
from rhythm.cli.logs import show_logs_as
from rhythm.cli.outcome import end_with
from rhythm.cli.parameters import (
    input_option,
    log_options,
    module_option,
    timeout_option,
    workflows_option,
)
from rhythm.cli.progress import wait_showing_progress
from rhythm.models import WorkflowInfo
from rhythm.settings import LogFormat
from rhythm.tasks import registry
from rhythm.worker import Worker


@click.command("run")
@click.argument("flow", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@module_option
@workflows_option
@input_option
@timeout_option
@click.option(
    "--queue",
    "-q",
    "queues",
    metavar="NAME",
    multiple=True,
    help="A queue to serve besides those that the workflows and tasks name.",
)
@click.option(
    "--resources", metavar="MODULE:NAME", help="What gives the tasks their Provided[...] values."
)
@log_options
@command
async def run(
    place: Place,
    flow: Path,
    modules: tuple[str, ...],
    workflows: tuple[str, ...],
    inputs: tuple[tuple[str, Any], ...],
    timeout: float | None,
    queues: tuple[str, ...],
    resources: str | None,
    log_format: LogFormat | None,
    log_level: str | None,
) -> None:
    """Run one workflow from start to end and print its output.

    Start, worker and result are all in this process; without an address the server is too
    (memory://), and nothing is kept. Progress goes to standard error.

    \b
    rhythm run hello.flow -m tasks --input name=Ada
    """
    settings = place.settings()
    announce = show_logs_as(settings, log_format, log_level)
    for module in modules:
        import_module(module)
    provided = None if resources is None else import_object(resources)

    async with place.open(
        workflows=[str(flow), *workflows], memory_without_address=True, migrate=True
    ) as app:
        known = await app.workflow_service.list_workflows()
        name = _name_of(flow, known)
        served = named_queues(known).union(queues)
        async with Worker(app, queues=sorted(served), resources=provided):
            execution_id = await app.execution_service.create_execution(
                target_name=name, inputs=dict(inputs)
            )
            announce(f"{name} is {execution_id} on {app.database_url_shown}")
            if (log_format or settings.log_format) == "json":
                executions = app.execution_service
                execution = await executions.wait_for_execution(execution_id, timeout=timeout)
            else:
                execution = await wait_showing_progress(app, execution_id, timeout=timeout)
    end_with(place, execution)


def _name_of(flow: Path, workflows: list[WorkflowInfo]) -> str:
    return next(info.name for info in workflows if Path(info.path).samefile(flow))


def named_queues(workflows: list[WorkflowInfo]) -> set[str]:
    """The queues that workflows and tasks say they belong to."""
    return (
        {"default"}
        | {workflow.queue for workflow in workflows}
        | {task.queue for task in registry if task.queue is not None}
    )
