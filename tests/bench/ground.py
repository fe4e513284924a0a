"""What is measured on: a server of its own with a durability to choose, and worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.bench.jobs import FLOWS
from tests.conftest import RedisServer

ROOT = Path(__file__).parents[2]


class Ground:
    """A server, and the worker processes that were started on it."""

    def __init__(self, folder: Path, fsync: str) -> None:
        self.folder = folder
        self.profiles: list[Path] | None = None
        self.flows = folder / "flows"
        self.flows.mkdir()
        for name, source in FLOWS.items():
            (self.flows / f"{name}.flow").write_text(source)
        self.server = RedisServer(folder)
        self.server.start()
        with self.client() as client:
            client.config_set("appendonly", "no" if fsync == "off" else "yes")
            if fsync != "off":
                client.config_set("appendfsync", fsync)
        self._workers: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return self.server.url

    def client(self) -> redis.Redis:
        """A plain client."""
        client: redis.Redis = redis.Redis(port=self.server.port)
        return client

    @contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """So many worker processes, ready; ended with the block."""
        for number in range(count):
            command = [sys.executable]
            if self.profiles is not None:
                self.profiles.append(self.folder / f"{len(self.profiles)}-{number}.prof")
                command += ["-m", "cProfile", "-o", str(self.profiles[-1])]
            command += ["-m", "rhythm", "worker", "-m", "tests.bench.jobs"]
            command += ["--workflows", str(self.flows), "--redis", self.url]
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert process.stderr is not None
            while b"ready on" not in (line := process.stderr.readline()):
                assert line, "a worker ended before it was ready"
            self._workers.append(process)
        try:
            yield
        finally:
            for process in self._workers:
                process.terminate()
            for process in self._workers:
                process.communicate()
            self._workers.clear()

    def worker_cpu_s(self) -> float:
        """Processor time that the workers have had."""
        return sum(_cpu_s(process.pid) for process in self._workers)

    def server_cpu_s(self) -> float:
        """Processor time that the server has had."""
        assert self.server.process is not None
        return _cpu_s(self.server.process.pid)

    def server_calls(self) -> dict[str, tuple[int, float]]:
        """Command -> how often the server ran it, and the time that took in all, µs. What scripts
        call counts, and is part of theirs."""
        with self.client() as client:
            stats = client.info("commandstats")
        return {
            name.removeprefix("cmdstat_"): (int(stat["calls"]), float(stat["usec"]))
            for name, stat in stats.items()
        }

    def calls_from_outside(self) -> int:
        """How many scripts were called, and waits on bells ended."""
        calls = self.server_calls()
        return sum(calls[name][0] for name in ("evalsha", "blpop") if name in calls)

    def memory(self) -> int:
        """Bytes that the server uses for data."""
        with self.client() as client:
            return int(client.info("memory")["used_memory"])

    def clear(self) -> None:
        """Forget everything."""
        with self.client() as client:
            client.flushall()

    def close(self) -> None:
        """End the server."""
        self.server.stop()


@contextmanager
def ground(fsync: str) -> Iterator[Ground]:
    """A ground in a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rhythm-bench-") as folder:
        made = Ground(Path(folder), fsync)
        try:
            yield made
        finally:
            made.close()


def _environment() -> dict[str, str]:
    # A history of 100,000 events is longer than usual settings allow.
    return os.environ | {"RHYTHM_HISTORY_LIMIT": "1000000"}


def _cpu_s(pid: int) -> float:
    # To the nanosecond, where `stat` counts hundredths of a second: a quick run has few of those.
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
