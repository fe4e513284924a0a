"""Encrypted connections, by a certificate of an authority that is given: to one server, to a
Cluster, to Sentinels and what they look after."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from rhythm import InitBuilder, RhythmError, Worker
from streams.keys import SLOTS
from tests.faults.test_servers_in_trouble import Work
from tests.infrastructure.servers import SERVICE, Node, free_port, until

Run = Callable[[Coroutine[Any, Any, None]], None]


class TlsNode(Node):
    """A server, or a Sentinel, that also listens on an encrypted port."""

    def __init__(self, folder: Path, certificates: Path, *options: str) -> None:
        self.tls_port = free_port()
        super().__init__(
            folder,
            *("--tls-port", str(self.tls_port), "--tls-auth-clients", "no"),
            *("--tls-replication", "yes", "--tls-ca-cert-file", str(certificates / "server.pem")),
            *("--tls-cert-file", str(certificates / "server.pem")),
            *("--tls-key-file", str(certificates / "server.key")),
            *options,
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a server's certificate, which is its own authority, and its key."""
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "server.key"), "-out", str(folder / "server.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


def one_server(folder: Path, certificates: Path) -> tuple[list[Node], str]:
    server = TlsNode(folder / "server", certificates)
    server.start()
    return [server], f"rediss://127.0.0.1:{server.tls_port}/0"


def a_cluster(folder: Path, certificates: Path) -> tuple[list[Node], str]:
    """Of a single master."""
    options = ("--cluster-enabled", "yes", "--tls-cluster", "yes")
    node = TlsNode(folder / "node", certificates, *options, "--cluster-announce-ip", "127.0.0.1")
    node.start()
    until("the node answers", node.is_up)
    node.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
    until("it serves its slots", lambda: "cluster_state:ok" in node.ask("CLUSTER", "INFO"))
    return [node], f"rediss+cluster://127.0.0.1:{node.tls_port}"


def a_sentinel(folder: Path, certificates: Path) -> tuple[list[Node], str]:
    """And the one server that it looks after."""
    server = TlsNode(folder / "server", certificates)
    server.start()
    sentinel = TlsNode(folder / "sentinel", certificates)
    path = sentinel.folder / "sentinel.conf"
    path.write_text(f"sentinel monitor {SERVICE} 127.0.0.1 {server.tls_port} 1\n")
    sentinel.start(str(path), "--sentinel")
    until("both answer", lambda: server.is_up() and sentinel.is_up())
    until("the server is known", lambda: is_well(sentinel.master_as_known()))
    return [sentinel, server], f"rediss+sentinel://127.0.0.1:{sentinel.tls_port}/{SERVICE}"


def is_well(state: dict[str, Any]) -> bool:
    return bool(state["is_master"] and not state["is_sdown"] and not state["is_disconnected"])


Begin = Callable[[Path, Path], tuple[list[Node], str]]


@pytest.fixture(params=[one_server, a_cluster, a_sentinel])
def address(request: pytest.FixtureRequest, tmp_path: Path, certificates: Path) -> Iterator[str]:
    """Of encrypted servers of each kind."""
    begin: Begin = request.param
    nodes, url = begin(tmp_path, certificates)
    until("all answer", lambda: all(node.is_up() for node in nodes))
    yield url
    for node in nodes:
        node.close()


def test_work_is_done_over_tls(address: str, certificates: Path, run: Run) -> None:
    url = f"{address}?ssl_ca_certs={certificates / 'server.pem'}"

    async def story() -> None:
        work = Work()
        async with InitBuilder().database_url(url) as app, Worker(app, registry=work.registry):
            executions = app.execution_service
            id_ = await executions.create_execution(exec_type="task", target_name="greet")
            assert (await executions.wait_for_execution(id_, timeout=40)).result() == "hello"

    run(story())


def test_an_unknown_authority_is_told(
    address: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "1")

    async def story() -> None:
        with pytest.raises(RhythmError, match=r"CERTIFICATE_VERIFY_FAILED|No master found"):
            await InitBuilder().database_url(address).init()

    run(story())
