"""What chaos works on: a server behind a proxy, and worker processes of one or two releases."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.definitions import SCHEMA
from tests.conftest import RedisServer
from tests.faults.proxy import LosingProxy
from tests.simulation.scenario import FLOWS, QUEUES

ROOT = Path(__file__).parents[2]
LEASE_S = 2.0
NAMESPACE = "chaos"
PACKAGES = ("rhythm", "flowlang", "streams")


class CannotBeMixed(Exception):
    """Workers of two commits do not serve one namespace."""


class Ground:
    """A server, a proxy before it, and workers that reach it through that.

    Args:
        folder: for the server's files, the workers' logs and the workflows.
        workers: how many processes there are.
        other: a commit whose code every second worker runs; None for this one alone.
        binary: the server; None is the `redis-server` of the path.
    """

    def __init__(
        self, folder: Path, workers: int, other: str | None = None, binary: Path | None = None
    ) -> None:
        self.folder, self.server = folder, RedisServer(folder, binary)
        self.proxy = LosingProxy(self.server.port)
        self.workers: list[subprocess.Popen[bytes] | None] = [None] * workers
        self._flows = folder / "flows"
        self._other = None if other is None else _unpacked(other, folder / "other")
        self._log = (folder / "workers.log").open("wb")

    async def __aenter__(self) -> Self:
        self._flows.mkdir()
        for name, source in FLOWS.items():
            (self._flows / f"{name}.flow").write_text(source)
        await asyncio.to_thread(self.server.start)
        await self.proxy.__aenter__()
        for number in range(len(self.workers)):
            self.start_worker(number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in range(len(self.workers)):
            self.kill_worker(number)
        await self.proxy.__aexit__(kind, error, traceback)
        self.server.kill()
        self._log.close()

    def start_worker(self, number: int) -> None:
        """Start a worker process in this place, unless one is there."""
        if self.workers[number] is not None:
            return
        settings = {"RHYTHM_LEASE": str(LEASE_S), "RHYTHM_MAX_LOST_WORKERS": "100000"}
        paths = [str(ROOT)]
        if self._other is not None and number % 2:
            paths.insert(0, str(self._other))
        command = [sys.executable, "-m", "rhythm", "worker", "-m", "tests.chaos.jobs"]
        command += ["--workflows", str(self._flows), "--redis", self.proxy.url]
        command += ["--namespace", NAMESPACE]
        command += [word for queue in QUEUES for word in ("--queue", queue)]
        self.workers[number] = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | settings | {"PYTHONPATH": os.pathsep.join(paths)},
            stdout=self._log,
            stderr=self._log,
        )

    def pids(self) -> set[int]:
        """Of the worker processes that there are."""
        return {process.pid for process in self.workers if process is not None}

    def kill_worker(self, number: int) -> None:
        """SIGKILL."""
        process, self.workers[number] = self.workers[number], None
        if process is not None:
            process.kill()
            process.wait()

    def signal_worker(self, number: int, what: signal.Signals) -> None:
        """SIGSTOP, SIGCONT, …"""
        process = self.workers[number]
        if process is not None:
            process.send_signal(what)

    async def drain_worker(self, number: int) -> int:
        """SIGTERM, and wait for its end; its exit status."""
        process = self.workers[number]
        if process is None:
            return 0
        process.send_signal(signal.SIGCONT)
        process.terminate()
        status = await asyncio.to_thread(process.wait)
        self.workers[number] = None
        return status

    def ended_by_themselves(self) -> list[int]:
        """Exit statuses of workers that nobody ended; their places are free again."""
        statuses = []
        for number, process in enumerate(self.workers):
            if process is not None and (status := process.poll()) is not None:
                statuses.append(status)
                self.workers[number] = None
        return statuses


def _unpacked(commit: str, folder: Path) -> Path:
    folder.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, *PACKAGES], check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    told = subprocess.run(
        [sys.executable, "-c", "import streams.definitions as it; print(it.SCHEMA)"],
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        check=True,
        capture_output=True,
    )
    if int(told.stdout) != SCHEMA:
        raise CannotBeMixed(
            f"{commit} stores by schema {int(told.stdout)}, this commit by {SCHEMA}: workers of "
            "one leave namespaces of the other alone"
        )
    return folder
