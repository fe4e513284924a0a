"""A Redis inside the process, for trying things out and for tests: ``memory://``.

It is fakeredis and runs the same Lua as a real server. What it keeps is gone with the process.
``memory://`` is private to whoever opened it; ``memory://name`` is shared under that name by all
of this process.
"""

from __future__ import annotations

import threading

import fakeredis
import redis
import redis.asyncio

Server = fakeredis.FakeServer

_named: dict[str, Server] = {}
_lock = threading.Lock()


def open_server(name: str) -> Server:
    """The server of that name, made on first use; a new one each time for the empty name."""
    if not name:
        return fakeredis.FakeServer(server_type="redis", version=(7, 2))
    with _lock:
        if name not in _named:
            _named[name] = fakeredis.FakeServer(server_type="redis", version=(7, 2))
        return _named[name]


def async_client(server: Server) -> redis.asyncio.Redis:
    """An asyncio client of an embedded server."""
    # Without a limit: `Connection` has its own.
    client: redis.asyncio.Redis = fakeredis.FakeAsyncRedis(server=server, socket_timeout=None)
    return client


def blocking_client(server: Server) -> redis.Redis:
    """A blocking client of an embedded server, for threads."""
    client: redis.Redis = fakeredis.FakeRedis(server=server)
    return client
