"""redis-py's clients, opened for each kind of address, with nothing repeated behind our back.

`redis://`, `rediss://` and `unix://` name one server. `redis+sentinel://` names Sentinels, which
say who is master now; every new connection asks them. `redis+cluster://` names some nodes of a
Redis Cluster, which say who has which slot. With `rediss+` their connections are encrypted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import hiredis
import redis.asyncio
import redis.asyncio.sentinel
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import TimeoutError as RedisTimeoutError

from streams.cluster import ClusterClient

SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")

CONNECT_TIMEOUT_S = 3.0
# A Sentinel answers from memory; one that does not is passed over for the next.
SENTINEL_TIMEOUT_S = 1.0
Client = redis.asyncio.Redis

_RUNS_SCRIPT = frozenset({"EVALSHA", "EVAL"})


class _Place(NamedTuple):
    """An address of several hosts.

    Attributes:
        path: without the slash before it.
        options: what redis-py makes of the user, the password and what stands behind the ``?``,
            and whether connections are encrypted, as ``ssl``.
    """

    nodes: tuple[tuple[str, int], ...]
    path: str
    options: dict[str, Any]


def open_client(url: str, connections: int) -> Client:
    """A client of one server, or of the master that Sentinels name.

    Args:
        connections: at most so many; more callers wait for one.

    Raises:
        ValueError, TypeError: the address is malformed, or has an unknown option.
    """
    if urlsplit(url).scheme in SENTINEL_SCHEMES:
        return _open_sentinel_client(url, connections)
    ours = _ours()
    if urlsplit(url).scheme == "unix":
        # There is no network that could fall silent.
        del ours["socket_keepalive"]
    pool = _LeanPool.from_url(url, max_connections=connections, timeout=None, **ours)
    # An option behind the ? that redis-py does not know shows when a connection is made.
    pool.connection_class(**pool.connection_kwargs)
    pool.connection_class = in_c(pool.connection_class)
    return _LeanClient.from_pool(pool)


class _LeanClient(redis.asyncio.Redis):
    """Calls scripts without what redis-py does around each command, for retries and measurements
    that are not used here: that takes as long as the rest of a call."""

    async def execute_command(self, *words: Any, **options: Any) -> Any:
        """Send a command; return its reply."""
        if words[0] not in _RUNS_SCRIPT:
            return await super().execute_command(*words, **options)  # type: ignore[no-untyped-call]  # redis-py's
        pool: Any = self.connection_pool
        connection = await pool.get_connection()
        try:
            # Either closes the connection when it fails, or is cancelled.
            await connection.send_command(*words, check_health=False)
            return await connection.read_response()
        finally:
            await pool.release(connection)


class _LeanPool(redis.asyncio.BlockingConnectionPool):
    """Who finds a connection that is free takes it, without what redis-py does around that for
    measurements, and for those who wait in line."""

    _in_line = 0

    async def get_connection(self, *names: Any, **options: Any) -> Any:
        """A connection that is open; waits until there is one."""
        if self._in_line or not self.can_get_connection():
            self._in_line += 1
            try:
                return await super().get_connection()  # type: ignore[no-untyped-call]  # redis-py's
            finally:
                self._in_line -= 1
        connection = self.get_available_connection()  # type: ignore[no-untyped-call]  # redis-py's
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: Any) -> None:
        """Give a connection back."""
        if self._in_line:
            await super().release(connection)
            return
        self._in_use_connections.remove(connection)
        if connection.should_reconnect():
            await connection.disconnect()
        self._available_connections.append(connection)


class _WrittenInC:
    _serializer = HiredisRespSerializer()

    def pack_command(self, *words: Any) -> list[bytes]:
        """A command as it is sent."""
        if words[0] in _RUNS_SCRIPT:
            # Its words are text, bytes and numbers: they need not be looked at one by one.
            return [hiredis.pack_command(words)]
        packed: list[bytes] = self._serializer.pack(*words)
        return packed


def in_c(connection: type[Any]) -> type[Any]:
    """The same kind of connection, whose commands are written by hiredis, as their replies are read
    by it: redis-py's asyncio connections do that in Python, which is a tenth of a worker's time."""
    return type(connection.__name__, (_WrittenInC, connection), {})


def open_cluster(url: str, connections: int) -> ClusterClient:
    """A client of a Redis Cluster.

    Args:
        connections: to each node, at most so many; more callers wait for one.

    Raises:
        ValueError, TypeError: the address is malformed, or has an unknown option.
    """
    place = _place(url, default_port=6379)
    if place.path:
        raise ValueError("a Cluster has no numbered databases")
    options = _ours() | place.options
    kind = redis.asyncio.SSLConnection if options["ssl"] else redis.asyncio.Connection
    return ClusterClient(place.nodes, options, in_c(kind), connections)


class _OneSentinel(redis.asyncio.Redis):
    def __repr__(self) -> str:
        """What redis-py says of one that does not answer, in a sentence that users read."""
        of = self.connection_pool.connection_kwargs
        return f"{of['host']}:{of['port']}"

    async def sentinel_masters(self, *words: Any) -> Any:
        """All masters it knows; timed here, for the reason given in `_ours`."""
        try:
            async with asyncio.timeout(SENTINEL_TIMEOUT_S):
                return await super().sentinel_masters(*words)
        except TimeoutError as error:
            raise RedisTimeoutError(f"it said nothing for {SENTINEL_TIMEOUT_S:g} s") from error


class _Sentinels(redis.asyncio.sentinel.Sentinel):
    """Asked by one at a time: redis-py moves who answered to the front, and two that do so at once
    leave one out."""

    def __init__(self, nodes: tuple[tuple[str, int], ...], options: dict[str, Any]) -> None:
        super().__init__(())  # type: ignore[no-untyped-call]  # redis-py's
        self.sentinels = [_OneSentinel(host=host, port=port, **options) for host, port in nodes]
        self._one_at_a_time = asyncio.Lock()

    async def discover_master(self, service_name: str) -> Any:
        async with self._one_at_a_time:
            return await super().discover_master(service_name)


class _MastersPool(redis.asyncio.sentinel.SentinelConnectionPool, _LeanPool):
    """Connections to whoever is master; callers wait for one."""


class _MastersClient(_LeanClient):
    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close all connections, also those to the Sentinels."""
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        await pool.sentinel_manager.aclose()


def _open_sentinel_client(url: str, connections: int) -> Client:
    place = _place(url, default_port=26379)
    service, _, database = place.path.partition("/")
    if not service:
        raise ValueError("it names no service: redis+sentinel://HOST:26379/SERVICE")
    if database and not database.isdecimal():
        raise ValueError("after the service comes the number of a database")
    options = dict(place.options)
    of_sentinels = {
        name: options.pop(f"sentinel_{name}")
        for name in ("username", "password")
        if f"sentinel_{name}" in options
    }
    # The same authority, and the same certificate of ours, for Sentinels and what they look after.
    of_sentinels |= {name: value for name, value in options.items() if name.startswith("ssl")}
    sentinel: Any = _Sentinels(place.nodes, _ours() | of_sentinels)
    client: Client = sentinel.master_for(
        service,
        redis_class=_MastersClient,
        connection_pool_class=_MastersPool,
        max_connections=connections,
        timeout=None,
        **_ours() | options | {"db": int(database or 0)},
    )
    client.connection_pool.connection_class = in_c(client.connection_pool.connection_class)
    return client


def _ours() -> dict[str, Any]:
    return {
        "retry": Retry(NoBackoff(), 0),
        # Timed by `Connection`: redis-py times a write by `asyncio.wait_for`, which makes a task
        # of it and, below Python 3.12, swallows a cancellation that meets its end.
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": True,
        "protocol": 2,
    }


def _place(url: str, default_port: int) -> _Place:
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    nodes = []
    for host in hosts.split(","):
        one = urlsplit(f"redis://{host}")
        if not one.hostname:
            raise ValueError("a host has no name")
        nodes.append((one.hostname, one.port or default_port))
    query = f"?{parts.query}" if parts.query else ""
    kind = parts.scheme.partition("+")[0]
    options: Mapping[str, Any] = parse_url(f"{kind}://{user}{at}host{query}")
    not_ours = ("host", "port", "db", "connection_class")
    known = {name: value for name, value in options.items() if name not in not_ours}
    return _Place(tuple(nodes), parts.path.strip("/"), known | {"ssl": kind == "rediss"})
