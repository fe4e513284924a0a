"""Worker processes for tests of what happens when they, or the server, end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import RedisServer

Start = Callable[..., "subprocess.Popen[str]"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def worker_log(tmp_path: Path) -> Path:
    """What the worker processes of the test write."""
    return tmp_path / "workers.log"


@pytest.fixture
def start_worker(own_redis_server: RedisServer, worker_log: Path) -> Iterator[Start]:
    """Start `rhythm worker` with further options and, unless the environment has another, a short
    lease; it ends with the test."""
    started: list[subprocess.Popen[str]] = []
    log = worker_log.open("w")

    def start(*options: str) -> subprocess.Popen[str]:
        environment = {"RHYTHM_LEASE": "1"} | os.environ
        process = subprocess.Popen(
            [sys.executable, "-m", "rhythm", "worker", "-m", "tests.faults.jobs", *options],
            cwd=ROOT,
            env=environment | {"RHYTHM_DATABASE_URL": own_redis_server.url},
            stdout=log,
            stderr=log,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    log.close()
