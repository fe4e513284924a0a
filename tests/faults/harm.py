"""What can befall a server and its connections, each with its end; for tests and for figures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import redis

from tests.conftest import RedisServer

Harm = Callable[[RedisServer], AbstractAsyncContextManager[None]]
"""Entered it does harm to a server; when it is left the server is whole again."""


def _client(server: RedisServer) -> redis.Redis:
    client: redis.Redis = redis.Redis(port=server.port)
    return client


@asynccontextmanager
async def killed(server: RedisServer) -> AsyncIterator[None]:
    """Gone, and back without the scripts that it knew."""
    server.kill()
    try:
        yield
    finally:
        await asyncio.to_thread(server.start)


@asynccontextmanager
async def loading(server: RedisServer) -> AsyncIterator[None]:
    """Restarted, and busy with reading its data for a while."""
    server.kill()
    slowly = ("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
    starting = asyncio.create_task(asyncio.to_thread(server.start, *slowly))
    try:
        yield
    finally:
        await starting


@asynccontextmanager
async def scripts_forgotten(server: RedisServer) -> AsyncIterator[None]:
    """Somebody flushed the scripts."""
    with _client(server) as client:
        client.script_flush()
    yield


@asynccontextmanager
async def clients_killed(server: RedisServer) -> AsyncIterator[None]:
    """All connections are closed by the server."""
    with _client(server) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    yield


@asynccontextmanager
async def made_a_replica(server: RedisServer) -> AsyncIterator[None]:
    """It takes no writes: another one became master, as far as it knows."""
    with _client(server) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        client.config_set("replica-serve-stale-data", "yes")
        try:
            yield
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def busy(server: RedisServer) -> AsyncIterator[None]:
    """Somebody's script does not end."""
    with _client(server) as client, _client(server) as other:
        client.config_set("busy-reply-threshold", "50")

        def run() -> None:
            with suppress(redis.ResponseError):
                client.eval("while true do end", 0)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            while True:
                try:
                    other.script_kill()
                    break
                except redis.ResponseError:
                    # It has not begun yet.
                    await asyncio.sleep(0.01)
            thread.join()


@asynccontextmanager
async def stopped(server: RedisServer) -> AsyncIterator[None]:
    """It says nothing, and keeps its connections."""
    server.pause()
    try:
        yield
    finally:
        server.go_on()


@asynccontextmanager
async def full(server: RedisServer) -> AsyncIterator[None]:
    """Its memory is full."""
    with _client(server) as client:
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")


@asynccontextmanager
async def locked(server: RedisServer) -> AsyncIterator[None]:
    """It wants a password that nobody here has."""
    with _client(server) as client:
        client.config_set("requirepass", "secret")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        try:
            yield
        finally:
            client.config_set("requirepass", "")


ALL: dict[str, Harm] = {
    "killed": killed,
    "loading": loading,
    "scripts forgotten": scripts_forgotten,
    "clients killed": clients_killed,
    "made a replica": made_a_replica,
    "busy": busy,
    "stopped": stopped,
    "full": full,
    "locked": locked,
}
