"""Does a worker process grow? Memory and open files of one, as it runs many tasks and workflows.

    scripts/bench-soak --tasks 200000

Nine of ten executions are tasks, every tenth one is a workflow of one step; after each
sample all connections are cut, so that new ones are opened. The exit status is 1 if the worker
grew by more than a tenth after its first fifth, or holds more files.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from rhythm import InitBuilder, Rhythm
from tests.conftest import RedisServer
from tests.faults.proxy import LosingProxy

ROOT = Path(__file__).parents[2]
FLOW = 'return await Task.run("faults.double", { x: 2 })'
SAMPLES = 20
# Starts under way at once: the worker always has something to do, and the queue stays short.
CLIENTS = 32
# So much of a run warms up: caches are filled, pools are opened, the allocator has what it needs.
WARM = 0.2
MAY_GROW = 1.1
# A connection more or less may be open at the moment of looking.
MORE_FILES = 4


class Sample(NamedTuple):
    """What a worker process holds after so many executions; memory in KiB."""

    done: int
    memory_kib: int
    files: int


def sample(pid: int, done: int) -> Sample:
    """A look at a process, by what Linux says of it."""
    status = Path(f"/proc/{pid}/status").read_text()
    memory = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return Sample(done, int(memory.split()[1]), len(os.listdir(f"/proc/{pid}/fd")))


def growth(samples: list[Sample]) -> tuple[float, int]:
    """By what factor memory grew once warm, and how many more files are open."""
    warm = [one for one in samples if one.done >= samples[-1].done * WARM]
    return (
        warm[-1].memory_kib / warm[0].memory_kib,
        warm[-1].files - warm[0].files,
    )


async def soak(folder: Path, server: RedisServer, tasks: int) -> AsyncIterator[Sample]:
    """Run so many executions on one worker process, and look at it again and again."""
    flows = folder / "flows"
    flows.mkdir()
    (flows / "doubled.flow").write_text(FLOW)
    async with (
        LosingProxy(server.port) as proxy,
        InitBuilder().database_url(server.url).workflow_paths([flows]) as app,
    ):
        process = started(proxy.url, flows, folder / "worker.log")
        try:
            await run_some(app, 50)
            yield sample(process.pid, 0)
            done = 0
            while done < tasks:
                some = min(max(tasks // SAMPLES, 1), tasks - done)
                await run_some(app, some)
                proxy.cut()
                done += some
                yield sample(process.pid, done)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)


def started(url: str, flows: Path, log: Path) -> subprocess.Popen[bytes]:
    """A worker process. What has ended is kept for a second: Redis is not looked at."""
    words = ["worker", "-m", "tests.faults.jobs", "--workflows", str(flows), "--redis", url]
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "rhythm", *words],
            cwd=ROOT,
            env=os.environ | {"RHYTHM_RETENTION": "1"},
            stdout=out,
            stderr=out,
        )


async def run_some(app: Rhythm, count: int) -> None:
    """Start so many executions, and wait for all."""
    left = iter(range(count))

    async def client() -> None:
        for number in left:
            executions = app.execution_service
            if number % 10:
                id_ = await executions.create_execution(
                    exec_type="task", target_name="faults.double", inputs={"x": number}
                )
            else:
                id_ = await executions.create_execution(target_name="doubled")
            end = await executions.wait_for_execution(id_, timeout=300)
            assert end.result() == (2 * number if number % 10 else 4)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def report(tasks: int) -> int:
    samples = []
    with tempfile.TemporaryDirectory(prefix="rhythm-soak-") as folder:
        server = RedisServer(Path(folder))
        server.start("--appendfsync", "no")
        print(f"{'executions':>12} {'memory MiB':>12} {'open files':>12}")
        try:
            async for one in soak(Path(folder), server, tasks):
                samples.append(one)
                shown = f"{one.done:>12,} {one.memory_kib / 1024:>12.1f} {one.files:>12}"
                print(shown, flush=True)
        finally:
            server.kill()
    factor, files = growth(samples)
    print(f"once warm: memory x {factor:.3f}, {files:+d} files")
    return int(factor > MAY_GROW or files > MORE_FILES)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("bench-soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=200_000, help="how many executions")
    return asyncio.run(report(parser.parse_args(arguments).tasks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
