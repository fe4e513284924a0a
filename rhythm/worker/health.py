"""An HTTP endpoint that tells how a worker is, for those who watch over its process.

It answers from threads of its own: also when the worker's event loop is blocked, and then the
answer is no. Nothing but three paths is served, so the standard library's server is enough.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Self

import msgspec

from rhythm.errors import ConfigurationError

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what Prometheus reads."""

# Who asks sends one line at once; one that does not must not keep a thread.
_REQUEST_TIMEOUT_S = 5.0


class Condition(msgspec.Struct, frozen=True):
    """How a worker is.

    Attributes:
        healthy: it is able to claim: its last call to the server for work, which may have brought
            none, succeeded within its lease's time.
        ready: healthy, and it takes work: it is not draining.
        worker: its name in the store; None before it has one.
        running: tasks that it is at.
        silent_s: seconds since that last call; None before the first.
    """

    healthy: bool
    ready: bool
    draining: bool
    worker: str | None
    queues: tuple[str, ...]
    running: int
    silent_s: float | None


class HealthServer:
    """Serves `/health` and `/ready`: 200 or 503, and the `Condition` as JSON; and `/metrics`.

    Args:
        host: the address to listen on.
        port: 0 for any that is free.
        condition: called for every request, from a thread.
        metrics: makes what Prometheus reads; likewise. None: there is no such path.

    Raises:
        ConfigurationError: it cannot listen there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        condition: Callable[[], Condition],
        metrics: Callable[[], bytes] | None = None,
    ) -> None:
        class Handler(_Handler):
            ask = staticmethod(condition)
            measure = None if metrics is None else staticmethod(metrics)

        try:
            self._server = (_Server6 if ":" in host else _Server)((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"the health endpoint cannot listen on {host}:{port}: {error}",
                "give another port, or an address of this machine",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="rhythm-health", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it is."""
        host, port = self._server.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else host
        return f"http://{shown!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    ask: Callable[[], Condition]
    measure: Callable[[], bytes] | None
    timeout = _REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        body = self._answer()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> bytes:
        path = self.path.partition("?")[0]
        if path == "/metrics" and self.measure is not None:
            return self._headed(HTTPStatus.OK, self.measure(), METRICS_TYPE)
        condition = self.ask()
        verdicts = {"/health": condition.healthy, "/ready": condition.ready}
        if path in verdicts:
            status = HTTPStatus.OK if verdicts[path] else HTTPStatus.SERVICE_UNAVAILABLE
            body = msgspec.json.encode(condition)
        else:
            status, body = HTTPStatus.NOT_FOUND, b'{"paths":["/health","/ready","/metrics"]}'
        return self._headed(status, body, "application/json")

    def _headed(self, status: HTTPStatus, body: bytes, kind: str) -> bytes:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        return body

    def version_string(self) -> str:
        return "rhythm"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a probe comes every few seconds."""
