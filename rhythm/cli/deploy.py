"""`rhythm deploy`: make workflow sources the ones that new executions run."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json, print_table
from rhythm.models import Registration
from rhythm.services.workflows import compile_all, read_workflow_files


@click.command("deploy")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@command
async def deploy(place: Place, paths: tuple[str, ...]) -> None:
    """Register workflows, and let new executions run them.

    PATH is a .flow file or a folder of them. With a mistake in one, none is deployed. What runs
    already goes on with the source that it began with. Deploying an older source again takes new
    executions back to it.
    """
    programs = compile_all(read_workflow_files(paths))
    async with place.open(migrate=True) as app:
        done = await app.workflow_service.register(programs, deploy=True)
    if place.as_json:
        print_json(done)
    else:
        print_table(["WORKFLOW", "DEFINITION", "WHAT CHANGED"], [_row(one) for one in done])


def _row(done: Registration) -> list[str]:
    if done.replaced is not None:
        changed = f"took the place of {done.replaced}"
    elif done.is_new:
        changed = "is new"
    else:
        changed = "nothing, it was the latest already"
    return [done.name, done.definition, changed]
