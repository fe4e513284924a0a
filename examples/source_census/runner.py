"""Run the census: on the embedded server in this process, or on Redis with worker processes."""

import argparse
import asyncio
import json
import os
import signal
import sys
import sysconfig
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from examples.source_census import tasks
from rhythm import Execution, InitBuilder, RhythmError, Worker
from rhythm.cli.progress import wait_showing_progress

FLOWS = Path(__file__).parent / "flows"

# Enough that no process waits for work; what a worker has taken, no other worker can do.
AT_ONCE = 2 * tasks.PROCESSES

# A worker that was told to stop has finished its batch long before; this is for one that hangs.
STOP_WITHIN_S = 30

MOST_SETS_SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 for a census, 1 for a failed one, 130 for an interrupted one."""
    options = _parse(arguments)
    began = time.monotonic()
    try:
        execution = asyncio.run(_run(options))
        output = execution.result()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except RhythmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(output))
    else:
        _print_census(output, time.monotonic() - began)
    if options.redis:
        _print_afterwards(execution)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/run",
        description="A census of a tree of source code, as a durable workflow.",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(sysconfig.get_path("stdlib")),
        metavar="DIR",
        help="folder to measure (default: the running Python's standard library)",
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="files in one task")
    parser.add_argument("--include", metavar="GLOB", help="files to measure (default: **/*.py)")
    parser.add_argument("--json", action="store_true", help="print the workflow's output alone")
    parser.add_argument(
        "--redis", metavar="URL", help="use this server and worker processes, not memory"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="worker processes, with --redis (default: 2)"
    )
    options = parser.parse_args(arguments)
    if not options.root.is_dir():
        parser.error(f"--root {options.root} is no folder")
    if options.batch_size is not None and options.batch_size < 1:
        parser.error("--batch-size must be at least 1")
    if options.workers is not None and not options.redis:
        parser.error("--workers are processes and need a server to meet at: give --redis URL too")
    if options.workers is None:
        options.workers = 2
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    return options


async def _run(options: argparse.Namespace) -> Execution:
    """The census as an execution that has ended."""
    inputs = {
        "root": str(options.root.resolve()),
        "batchSize": options.batch_size,
        "include": options.include,
    }
    given = {name: value for name, value in inputs.items() if value is not None}
    # Being told to stop is like Ctrl-C: workers are stopped too.
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, os.kill, os.getpid(), signal.SIGINT)

    async with AsyncExitStack() as stack:
        builder = InitBuilder().database_url(options.redis or "memory://").workflow_paths([FLOWS])
        app = await stack.enter_async_context(builder)
        workers: list[asyncio.subprocess.Process] = []
        if options.redis:
            workers = await stack.enter_async_context(_processes(options.redis, options.workers))
        else:
            worker = Worker(app, concurrency=AT_ONCE, resources=tasks.resources)
            await stack.enter_async_context(worker)
        execution_id = await app.execution_service.create_execution(
            target_name="source_census", inputs=given
        )
        print(f"census of {given['root']} is {execution_id}", file=sys.stderr)
        census = asyncio.create_task(wait_showing_progress(app, execution_id))
        running: list[asyncio.Task[Any]] = [census]
        if workers:
            running.append(asyncio.create_task(_watch(workers)))
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            if not census.done():
                raise RhythmError(f"no worker is left; {execution_id} goes on when one is started")
            return census.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)


@asynccontextmanager
async def _processes(url: str, count: int) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """That many `rhythm worker` processes; at the end they are stopped as an operator would."""
    # The address may hold a password, so it goes by environment and not onto the command line.
    environment = {**os.environ, "RHYTHM_DATABASE_URL": url}
    command = [sys.executable, "-m", "rhythm", "worker", "-m", tasks.__name__]
    command += ["--workflows", str(FLOWS), "--resources", f"{tasks.__name__}:resources"]
    command += ["--concurrency", str(AT_ONCE)]
    started = [
        # In a session of its own: Ctrl-C comes to us alone, and we stop the workers, once.
        await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        for _ in range(count)
    ]
    for process in started:
        print(f"worker process {process.pid} started", file=sys.stderr)
    try:
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.terminate()
        for process in started:
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
            except TimeoutError:
                process.kill()


async def _watch(workers: list[asyncio.subprocess.Process]) -> None:
    """Tell of workers that end before the census does; return when none is left."""

    async def one(process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        print(
            f"worker process {process.pid} {how}; what it held goes to the others "
            "when its lease has run out",
            file=sys.stderr,
        )

    await asyncio.gather(*map(one, workers))


def _print_census(census: dict[str, Any], took_s: float) -> None:
    print(f"Census of {census['root']} ({census['include']}), {took_s:.1f} s")
    print()
    for name in ("files", "folders", "lines", "bytes", "functions", "classes", "unparsable"):
        print(f"  {name:<10} {census[name]:>12,}")
    if census["unreadable"]:
        print(f"  {'unreadable':<10} {census['unreadable']:>12,}")
    print()
    print("The longest functions")
    for function in census["longest"]:
        place = f"{function['path']}:{function['line']}"
        print(f"  {function['lines']:>6,} lines  {function['name']}  ({place})")
    print()
    sets = census["duplicates"]
    print(f"Files that are copies of each other: {len(sets)} {'set' if len(sets) == 1 else 'sets'}")
    for copies in sets[:MOST_SETS_SHOWN]:
        first, *others = copies["paths"]
        more = f" and {len(others) - 2} more" if len(others) > 2 else ""
        print(f"  {len(copies['paths']):>6,} files  {first} = {' = '.join(others[:2])}{more}")
    if len(sets) > MOST_SETS_SHOWN:
        print(f"  … and {len(sets) - MOST_SETS_SHOWN} more (all of them with --json)")


def _print_afterwards(execution: Execution) -> None:
    """How to see what happened, by the command line."""
    print("\nTo see how it went, with --redis URL or RHYTHM_DATABASE_URL set:", file=sys.stderr)
    for command in ("doctor", f"history {execution.id}", f"get {execution.id}"):
        print(f"  .venv/bin/rhythm {command}", file=sys.stderr)
