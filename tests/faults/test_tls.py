"""Encrypted connections: with a server that has a certificate of an authority that is given."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from rhythm import InitBuilder, RhythmError, Worker
from tests.conftest import RedisServer
from tests.faults.test_servers_in_trouble import Work

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that also listens on an encrypted port, which is the plain one's and one."""
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start(
        *("--tls-port", str(server.port + 1), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
        *("--tls-ca-cert-file", str(certificate)),
    )
    yield server
    server.stop()


def test_work_is_done_over_tls(tls_server: RedisServer, tmp_path: Path, run: Run) -> None:
    url = f"rediss://127.0.0.1:{tls_server.port + 1}/0?ssl_ca_certs={tmp_path / 'server.pem'}"

    async def story() -> None:
        work = Work()
        async with InitBuilder().database_url(url) as app, Worker(app, registry=work.registry):
            executions = app.execution_service
            id_ = await executions.create_execution(exec_type="task", target_name="greet")
            assert (await executions.wait_for_execution(id_, timeout=40)).result() == "hello"

    run(story())


def test_an_unknown_authority_is_told(tls_server: RedisServer, run: Run) -> None:
    async def story() -> None:
        with pytest.raises(RhythmError, match="certificate verify failed"):
            await InitBuilder().database_url(f"rediss://127.0.0.1:{tls_server.port + 1}/0").init()

    run(story())
