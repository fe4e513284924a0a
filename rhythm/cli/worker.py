"""`rhythm worker`: a process that does the work, until it is told to stop."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from rhythm.cli.connect import MEMORY, Place, command, import_module, import_object
from rhythm.cli.exits import Exit
from rhythm.cli.lifeline import when_input_ends
from rhythm.cli.logs import show_logs_as
from rhythm.cli.parameters import Listening, log_options, module_option, workflows_option
from rhythm.cli.show import print_json
from rhythm.settings import LogFormat
from rhythm.tasks import registry
from rhythm.worker import Worker
from rhythm.worker.health import HealthServer
from rhythm.worker.metrics import Metrics
from rhythm.worker.supervisor import Supervisor


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
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="How many worker processes to start and keep going; without it, this one works.",
)
@click.option(
    "--health",
    type=Listening(),
    help="Serve /health, /ready and /metrics over HTTP there; HOST is 127.0.0.1 unless given. "
    "The nth of several processes takes the nth port from there.",
)
@log_options
@click.option("--until-input-ends", is_flag=True, hidden=True)
@command
async def worker(
    place: Place,
    modules: tuple[str, ...],
    workflows: tuple[str, ...],
    queues: tuple[str, ...],
    resources: str | None,
    concurrency: int | None,
    processes: int | None,
    health: tuple[str, int] | None,
    log_format: LogFormat | None,
    log_level: str | None,
    until_input_ends: bool,
) -> None:
    """Do the work of some queues until told to stop.

    SIGTERM and Ctrl-C stop it: what is in hand is finished first, the rest is given back. A second
    signal gives back at once what is in hand. A third ends the process; what it held is given to
    others when its lease runs out.

    \b
    rhythm worker -m tasks --workflows flows --redis redis://127.0.0.1:6379/0
    """
    announce = show_logs_as(place.settings(), log_format, log_level)
    if processes is not None:
        address = place.address()
        if address.startswith(MEMORY):
            raise click.UsageError("processes need a Redis that they share, not memory://")
        child = _child(
            place, modules, workflows, queues, resources, concurrency, log_format, log_level
        )
        supervisor = Supervisor([[*child, *_health(health, nth)] for nth in range(processes)])
        _on_signals(supervisor.pass_on)
        click.get_current_context().exit(await supervisor.run())
    for module in modules:
        import_module(module)
    provided = None if resources is None else import_object(resources)

    async with place.open(workflows=workflows, migrate=True) as app:
        facts: dict[str, Any] = {
            "server": app.database_url_shown,
            "queues": queues,
            "tasks": registry.names(),
        }

        def be_ready() -> None:
            # What is there by now stays: the collector need not go over it again and again, which
            # would be a tenth of what a busy worker does.
            gc.collect()
            gc.freeze()
            if place.as_json:
                print_json({"ready": facts})
                return
            announce(
                f"ready on {facts['server']}: queues {', '.join(queues)}; "
                f"tasks {', '.join(facts['tasks']) or 'none'}"
                + (f"; health at {facts['health']}" if "health" in facts else "")
            )

        metrics = None if health is None else Metrics()
        running = Worker(
            app,
            queues=list(queues),
            concurrency=concurrency,
            resources=provided,
            on_ready=be_ready,
            metrics=metrics,
        )
        _on_signals(_Stopping(running, announce).once_more)
        if until_input_ends:
            when_input_ends(running.stop)
        with contextlib.ExitStack() as around:
            if health is not None and metrics is not None:
                page = metrics.of(running, app.diagnose).page
                server = around.enter_context(HealthServer(*health, running.condition, page))
                facts["health"] = server.url
            await running.run()
    if running.in_threads:
        announce(f"stopped; given back: {', '.join(sorted(running.in_threads))}")
        # Python would wait for the threads of these tasks, which nothing can end.
        sys.stdout.flush()
        os._exit(Exit.OK)
    if not place.as_json:
        announce("stopped, nothing left in hand")


class _Stopping:
    """What each further signal does: drain, then give back, then go without a word."""

    def __init__(self, worker: Worker, announce: Callable[[str], None]) -> None:
        self._worker, self._announce, self._signals = worker, announce, 0

    def once_more(self, number: int) -> None:
        self._signals += 1
        if self._signals == 1:
            self._announce("stopping: finishing what is in hand")
            self._worker.stop()
        elif self._signals == 2:
            self._announce("stopping: giving back what is in hand")
            self._worker.give_back()
        else:
            # Threads of tasks cannot be stopped, so the process is.
            os._exit(Exit.INTERRUPTED)


def _on_signals(action: Callable[[int], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, action, number)


def _health(first: tuple[str, int] | None, nth: int) -> list[str]:
    if first is None:
        return []
    host, port = first
    return ["--health", f"{host}:{port + nth if port else 0}"]


def _child(
    place: Place,
    modules: Sequence[str],
    workflows: Sequence[str],
    queues: Sequence[str],
    resources: str | None,
    concurrency: int | None,
    log_format: LogFormat | None,
    log_level: str | None,
) -> list[str]:
    """The command line of one worker process that ends with this one."""
    words = [sys.executable, "-m", "rhythm", "worker", "--until-input-ends"]
    for option, values in (
        ("--module", modules),
        ("--workflows", workflows),
        ("--queue", queues),
        ("--resources", [resources]),
        ("--concurrency", [concurrency]),
        ("--log-format", [log_format]),
        ("--log-level", [log_level]),
        ("--redis", [place.redis]),
        ("--namespace", [place.namespace]),
        ("--config", [place.config]),
    ):
        for value in values:
            if value is not None:
                words += [option, str(value)]
    return [*words, "--json"] if place.as_json else words
