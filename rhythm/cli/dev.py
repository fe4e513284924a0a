"""`rhythm dev`: a server, a worker that starts again with what changes, and what happens, live.

This process keeps the server and looks at files (by `watchfiles`, which asks the system instead of
looking again and again); a child works, and is another one after every change, so that no module
of before is left in it. The child is `rhythm dev --work` on the same server.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click
from watchfiles import Change, DefaultFilter, awatch

from rhythm.cli.connect import MEMORY, Place, command, import_module, import_object
from rhythm.cli.lifeline import when_input_ends
from rhythm.cli.live import LiveView
from rhythm.cli.logs import Announce, show_logs_as
from rhythm.cli.parameters import input_option, log_options, module_option, workflows_option
from rhythm.cli.run import named_queues
from rhythm.settings import LogFormat
from rhythm.tasks import registry
from rhythm.worker import Worker

_KEPT_IN = os.path.join(".rhythm", "redis")
# How long a child may finish what it has in hand, before it gives it back.
_DRAIN_S = 1.0
_LIMIT_S = 20.0


@click.command("dev")
@module_option
@workflows_option
@click.option(
    "--resources", metavar="MODULE:NAME", help="What gives the tasks their Provided[...] values."
)
@click.option("--start", metavar="NAME", help="A workflow to start, and again after every change.")
@input_option
@click.option("--memory", is_flag=True, help="Keep nothing, even where there is a redis-server.")
@log_options
@click.option("--work", is_flag=True, hidden=True)
@command
async def dev(
    place: Place,
    modules: tuple[str, ...],
    workflows: tuple[str, ...],
    resources: str | None,
    start: str | None,
    inputs: tuple[tuple[str, Any], ...],
    memory: bool,
    log_format: LogFormat | None,
    log_level: str | None,
    work: bool,
) -> None:
    """Work on workflows: what you change runs at once.

    What happens is shown as it happens. Without an address it starts a redis-server of its own, if
    there is one on the PATH, and keeps what it stores in .rhythm/; else all is in memory, and
    begins anew with every change. Executions that wait go on across changes, as across a deploy.

    \b
    rhythm dev -m tasks --workflows flows
    rhythm dev -m tasks --workflows flows --start order --input item=tea --input quantity=2
    """
    if inputs and start is None:
        raise click.UsageError("--input needs --start, the workflow that gets it")
    announce = show_logs_as(place.settings(), log_format, log_level)
    if work:
        await _work(place, modules, workflows, resources, start, dict(inputs), announce)
        return
    async with _server(place, memory) as address:
        announce(f"server: {_shown(address)}")
        words = [*_without_address(sys.argv[1:]), "--work", "--redis", address]
        await _restarting([sys.executable, "-m", "rhythm", *words], workflows, announce)


async def _work(
    place: Place,
    modules: Iterable[str],
    workflows: tuple[str, ...],
    resources: str | None,
    start: str | None,
    inputs: dict[str, Any],
    announce: Announce,
) -> None:
    """What the child does, until it is told to stop."""
    for module in modules:
        import_module(module)
    provided = None if resources is None else import_object(resources)
    async with place.open(workflows=workflows, migrate=True) as app:
        known = await app.workflow_service.list_workflows()
        queues = named_queues(known)

        def say_ready() -> None:
            names = ", ".join(info.name for info in known) or "none"
            tasks = ", ".join(registry.names()) or "none"
            announce(f"ready: workflows {names}; tasks {tasks}; queues {', '.join(sorted(queues))}")

        worker = Worker(app, queues=sorted(queues), resources=provided, on_ready=say_ready)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, worker.stop)
        loop.add_signal_handler(signal.SIGUSR1, worker.give_back)
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # the parent says when to stop
        when_input_ends(worker.give_back)
        view = asyncio.create_task(LiveView(app, datetime.now(UTC), announce).follow())
        try:
            if start is not None:
                await app.execution_service.create_execution(target_name=start, inputs=inputs)
            await worker.run()
        finally:
            view.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await view
    if worker.in_threads:
        os._exit(0)  # Python would wait for the threads of these tasks, which nothing can end


async def _restarting(child: list[str], workflows: Iterable[str], announce: Announce) -> None:
    """Keep a child going, another after every change, until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    process = await _begin(child)
    async for changes in awatch(".", *workflows, watch_filter=_Sources(), stop_event=stop):
        announce(f"changed: {_named(changes)}")
        await _end(process)
        process = await _begin(child)
    await _end(process)


class _Sources(DefaultFilter):
    """What a worker is made of."""

    def __call__(self, change: Change, path: str) -> bool:
        return path.endswith((".py", ".flow")) and super().__call__(change, path)


def _named(changes: Iterable[tuple[Change, str]]) -> str:
    names = sorted({os.path.relpath(path) for _, path in changes})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


async def _begin(child: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*child, stdin=asyncio.subprocess.PIPE)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it finish what it has in hand, for a moment; then it gives it back, then it must go."""
    for number, patience_s in ((signal.SIGTERM, _DRAIN_S), (signal.SIGUSR1, _LIMIT_S)):
        if process.returncode is None:
            process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience_s)
    if process.returncode is None:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _server(place: Place, memory: bool) -> AsyncIterator[str]:
    """The address of the server to use. One in a folder lives by those who use it: this process
    does, so that it goes on between one child and the next."""
    given = place.settings().database_url
    if given is not None and not memory:
        yield given
    elif memory or shutil.which("redis-server") is None:
        yield MEMORY
    else:
        address = f"redis+local://{quote(os.path.join(os.getcwd(), _KEPT_IN))}"
        async with replace(place, redis=address).open(migrate=True):
            yield address


def _shown(address: str) -> str:
    if address.startswith(MEMORY):
        return f"{address}, in the worker: nothing is kept, and only --start starts something"
    return f"{address}\n  elsewhere: export RHYTHM_DATABASE_URL={address}"


def _without_address(words: list[str]) -> list[str]:
    """The words of this command line without `--redis URL` and what only the parent needs."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--redis":
            next(rest, None)
        elif not word.startswith("--redis=") and word != "--memory":
            kept.append(word)
    return kept
