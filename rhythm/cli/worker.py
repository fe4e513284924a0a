"""`rhythm worker`: a process that does the work, until it is told to stop."""

import asyncio
import logging
import os
import signal
import sys

import click

from rhythm.cli.connect import Place, command, import_module, import_object
from rhythm.cli.exits import Exit
from rhythm.cli.logs import show_logs
from rhythm.cli.parameters import module_option, workflows_option
from rhythm.cli.show import print_json
from rhythm.tasks import registry
from rhythm.worker import Worker


@click.command("worker")
@module_option
@workflows_option
@click.option(
    "--queue",
    "-q",
    "queues",
    metavar="NAME",
    multiple=True,
    default=["default"],
    show_default=True,
    help="A queue to serve. Repeat for more.",
)
@click.option(
    "--resources", metavar="MODULE:NAME", help="What gives the tasks their Provided[...] values."
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    help="How many executions to be at, at once (default: the settings', 100).",
)
@command
async def worker(
    place: Place,
    modules: tuple[str, ...],
    workflows: tuple[str, ...],
    queues: tuple[str, ...],
    resources: str | None,
    concurrency: int | None,
) -> None:
    """Do the work of some queues until told to stop.

    SIGTERM and Ctrl-C stop it: what is in hand is finished first, the rest is given back. A second
    signal ends the process at once; what it held is given to others when its lease runs
    out.

    \b
    rhythm worker -m tasks --workflows flows --redis redis://127.0.0.1:6379/0
    """
    show_logs(logging.WARNING)
    for module in modules:
        import_module(module)
    provided = None if resources is None else import_object(resources)

    async with place.open(workflows=workflows, migrate=True) as app:

        def say_ready() -> None:
            facts = {"server": app.database_url_shown, "queues": queues, "tasks": registry.names()}
            if place.as_json:
                print_json({"ready": facts})
                return
            click.echo(
                f"ready on {app.database_url_shown}: "
                f"queues {', '.join(queues)}; tasks {', '.join(registry.names()) or 'none'}",
                err=True,
            )

        running = Worker(
            app,
            queues=list(queues),
            concurrency=concurrency,
            resources=provided,
            on_ready=say_ready,
        )
        _stop_on_signals(running)
        await running.run()
    if running.in_threads:
        click.echo(f"stopped; given back: {', '.join(sorted(running.in_threads))}", err=True)
        # Python would wait for the threads of these tasks, which nothing can end.
        sys.stdout.flush()
        os._exit(Exit.OK)
    if not place.as_json:
        click.echo("stopped, nothing left in hand", err=True)


def _stop_on_signals(running: Worker) -> None:
    """The first signal begins the drain, the second one does not wait for its end."""
    loop = asyncio.get_running_loop()
    stops = 0

    def stop() -> None:
        nonlocal stops
        stops += 1
        if stops == 1:
            click.echo("stopping: finishing what is in hand", err=True)
            running.stop()
        else:
            # Threads of tasks cannot be stopped, so the process is.
            os._exit(Exit.INTERRUPTED)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
