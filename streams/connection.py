"""Addresses, clients, checks of the server, errors translated.

Every call of a script goes through `Connection.call`, which repeats it until its deadline when the
network or the server fails in passing: the scripts are made so that a repeated call changes nothing
more. redis-py's own blind retries are off. Each blocking read has a connection of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit, urlunsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from streams import embedded
from streams.errors import (
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    CorruptRecord,
    StreamsError,
)
from streams.keys import KeySpace
from streams.scripts import Argument, BlockingRunner, Runner, Script
from streams.sealing import PayloadCodec, Sealing

logger = logging.getLogger("rhythm.streams")

EMBEDDED_SCHEME = "memory"
REDIS_SCHEMES = ("redis", "rediss", "unix")

# A transition takes under a millisecond; a server that has not answered after this is in trouble.
REPLY_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3.0
# Calls that one process has under way at once; more wait for a connection instead of opening one.
POOL_SIZE = 16
# Pauses between repeats: short, since a restart on the same machine takes tenths of a second, and
# bounded, since a recovered server should see its workers within two seconds.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
OLDEST_REDIS = (7, 0, 5)

_PASSING = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, ReadOnlyError, OSError)
# How Redis begins errors of a state that passes: a script runs long, data is loaded, a disk is
# full, replicas are away, a master has changed. redis-py has no classes of their own for these.
_PASSING_WORDS = (
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "TRYAGAIN",
    "UNBLOCKED",
)
# A long command that nobody let in sent is refused before it is read.
_LOCKED_OUT = ("NOAUTH", "WRONGPASS", "Protocol error: unauthenticated")


# What comes of what is stored, and not of the server: see `DAMAGES` in transition.lua.
_DAMAGES = (
    "damaged: ",
    "attempt to ",
    "bad argument",
    "WRONGTYPE",
    "Invalid stream ID",
    "ID specified in XADD",
    "not an integer",
    "not a valid float",
    "hash value is not",
)


class ServerReport(NamedTuple):
    """What the server says of itself.

    Attributes:
        kind: ``embedded`` or ``redis``.
        version: its version, for an embedded one the one it imitates.
        persistence: how it keeps data, in words.
        maxmemory_policy: what it does when memory is full; empty when it does not say.
        warnings: sentences an operator should read.
    """

    kind: Literal["embedded", "redis"]
    version: str
    persistence: str
    maxmemory_policy: str
    warnings: tuple[str, ...]


def hide_password(url: str) -> str:
    """The address for people's eyes: its password is replaced by ``***``."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:***@{host}"))


class Connection:
    """One namespace on one Redis: its clients and its keys.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://`` or ``memory://[name]``.
        namespace: what every key begins with.
        patience_s: how long a call is repeated before `BackendUnavailable`; None is without end.
        clock: unix ms for scripts instead of the server's own clock, for tests; may step back.
        reply_timeout_s: how long one call waits for its answer before it counts as lost.
        server: the embedded server to use; by default the one that the address names.
        codecs: what payloads go through on their way to the server, in this order.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        patience_s: float | None = 10.0,
        clock: Callable[[], int] | None = None,
        reply_timeout_s: float = REPLY_TIMEOUT_S,
        server: embedded.Server | None = None,
        codecs: Sequence[PayloadCodec] = (),
    ) -> None:
        self.address = hide_password(url)
        self.keys = KeySpace(namespace)
        self.sealing = Sealing(namespace, codecs)
        self.patience_s = patience_s
        self._clock = clock
        self._reply_timeout_s = reply_timeout_s
        self._url = url
        self._readers: set[redis.asyncio.Redis] = set()
        self._is_closed = False
        parts = urlsplit(url)
        self._server = (
            server or embedded.open_server(parts.netloc + parts.path)
            if parts.scheme == EMBEDDED_SCHEME
            else None
        )
        self._client = self._open_client(POOL_SIZE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_embedded(self) -> bool:
        """Whether the server lives in this process and keeps nothing."""
        return self._server is not None

    def patient(self) -> Connection:
        """Another connection to the same server and namespace that repeats calls without end."""
        return Connection(
            self._url,
            self.keys.namespace,
            patience_s=None,
            clock=self._clock,
            reply_timeout_s=self._reply_timeout_s,
            server=self._server,
            codecs=self.sealing.codecs,
        )

    def now(self) -> str:
        """What scripts get as their ``now``: empty for the server's clock."""
        return "" if self._clock is None else str(self._clock())

    async def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script, repeated knowingly while the server fails in passing.

        Raises:
            BackendUnavailable: no answer within the connection's patience.
            BackendRefused: the server will not serve us; repeating would not help.
            BackendFull: the server is out of memory.
            CorruptRecord: what is stored under the keys is not what we wrote.
        """

        async def once() -> Any:
            return await script.run(self._client, keys, arguments)

        return await self._patiently(once, script.name, keys[-1])

    async def command(self, *words: Argument) -> Any:
        """Send one command that reads, or writes the same again when repeated."""

        async def once() -> Any:
            client: Runner = self._client
            return await client.execute_command(*words)

        return await self._patiently(once, str(words[0]), str(words[1]) if words[1:] else "")

    def reader(self) -> BlockingReader:
        """A connection of its own for blocking reads."""
        client = self._open_client(1)
        self._readers.add(client)
        return BlockingReader(self, client)

    def thread_caller(self) -> ThreadCaller:
        """A blocking connection of its own, for use from one other thread."""
        return ThreadCaller(self, self._open_blocking_client())

    async def inspect(self) -> ServerReport:
        """Look at the server before relying on it.

        Raises:
            BackendRefused: too old, or set to drop keys when memory is full.
        """
        if self._server is not None:
            return ServerReport("embedded", "7.2", "none: nothing is kept", "noeviction", ())
        info: dict[str, Any] = await self.command("INFO", "everything")
        return self._judge(info)

    async def close(self) -> None:
        """Close all connections opened through this object, except threads' own; calls fail."""
        self._is_closed = True
        for client in (*self._readers, self._client):
            await client.aclose()
        self._readers.clear()

    def _judge(self, info: dict[str, Any]) -> ServerReport:
        version = str(info.get("redis_version", ""))
        is_valkey = "valkey_version" in info
        numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
        if not is_valkey and numbers < OLDEST_REDIS:
            raise BackendRefused(
                self.address, f"it is Redis {version}, and Rhythm needs 7.0.5 or newer"
            )
        policy = str(info.get("maxmemory_policy", ""))
        if policy not in ("", "noeviction"):
            raise BackendRefused(
                self.address,
                f"its maxmemory-policy is {policy!r}, which would drop workflows when memory is "
                "full; set it to 'noeviction'",
            )
        warnings = []
        if int(info.get("aof_enabled", 0)):
            persistence = "append-only file"
        elif int(info.get("rdb_last_save_time", 0)) and int(info.get("rdb_saves", 1)):
            persistence = "snapshots only"
            warnings.append(
                "Redis keeps snapshots only: a crash loses what came after the last one; "
                "set 'appendonly yes'"
            )
        else:
            persistence = "none"
            warnings.append(
                "Redis keeps nothing on disk: a restart loses every execution; set 'appendonly yes'"
            )
        shown = str(info["valkey_version"]) if is_valkey else version
        return ServerReport("redis", shown, persistence, policy, tuple(warnings))

    def _open_client(self, connections: int) -> redis.asyncio.Redis:
        if self._server is not None:
            return embedded.async_client(self._server)
        try:
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                self._url,
                max_connections=connections,
                timeout=None,
                retry=AsyncRetry(NoBackoff(), 0),
                # Timed here instead: redis-py times a write by `asyncio.wait_for`, which makes a
                # task of it and, below Python 3.12, swallows a cancellation that meets its end.
                socket_timeout=None,
                socket_connect_timeout=CONNECT_TIMEOUT_S,
                socket_keepalive=True,
                protocol=2,
            )
            # An option behind the ? that redis-py does not know shows when a connection is made.
            pool.connection_class(**pool.connection_kwargs)
        except TypeError as error:
            option = str(error).rpartition(" ")[2]
            reason = f"the address is malformed: it has an unknown option {option}"
            raise BackendRefused(self.address, reason) from error
        except ValueError as error:
            raise BackendRefused(self.address, f"the address is malformed: {error}") from error
        return redis.asyncio.Redis.from_pool(pool)

    def _open_blocking_client(self) -> redis.Redis:
        if self._server is not None:
            return embedded.blocking_client(self._server)
        client: redis.Redis = redis.Redis.from_url(
            self._url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=REPLY_TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            protocol=2,
        )
        return client

    async def _patiently(self, once: Callable[[], Any], what: str, key: str) -> Any:
        loop = asyncio.get_running_loop()
        started = loop.time()
        pause = FIRST_PAUSE_S
        if self.is_embedded:
            # Its answers are there at once; but others must come to run, as during any call.
            await asyncio.sleep(0)
        while True:
            try:
                async with asyncio.timeout(self._reply_timeout_s):
                    return await once()
            except RedisError as error:
                failure = self.translate(error, what, key)
                # Who waits without end also waits until there is room again.
                if not isinstance(failure, BackendUnavailable) and not (
                    isinstance(failure, BackendFull) and self.patience_s is None
                ):
                    raise failure from error
                cause: Exception = error
            except TimeoutError as error:
                silence = f"no answer within {self._reply_timeout_s:g} s"
                failure, cause = BackendUnavailable(self.address, silence), error
            except OSError as error:
                failure, cause = BackendUnavailable(self.address, str(error)), error
            if self._is_closed:
                # The client has just opened a connection again for the call that was under way.
                await self._client.aclose()
                raise failure from cause
            waited = loop.time() - started
            if self.patience_s is not None and waited + pause > self.patience_s:
                raise failure from cause
            # A client's caller hears of it by the error; a worker's operator only by the log.
            level = logging.WARNING if self.patience_s is None else logging.INFO
            logger.log(level, "%s; trying again in %.2f s", failure, pause)
            if isinstance(cause, ReadOnlyError):
                # The master has become a replica: the next connection finds the new one.
                await self._client.connection_pool.disconnect()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def translate(self, error: RedisError | OSError, what: str, key: str = "") -> StreamsError:
        """One of redis-py's errors as one of ours.

        Args:
            what: the script or command that failed; `key` is the one it was about.
        """
        text = str(error)
        if isinstance(error, AuthenticationError) or text.startswith(_LOCKED_OUT):
            # Who waits without end was let in before: it waits until it is again.
            kind = BackendUnavailable if self.patience_s is None else BackendRefused
            return kind(self.address, _of_password(text))
        if isinstance(error, NoPermissionError) or text.startswith("NOPERM"):
            return BackendRefused(self.address, text)
        if isinstance(error, OutOfMemoryError) or text.startswith("OOM"):
            return BackendFull(self.address)
        if isinstance(error, _PASSING) or text.startswith(_PASSING_WORDS):
            return BackendUnavailable(self.address, _first_line(text) or type(error).__name__)
        if isinstance(error, ResponseError) and any(sign in text for sign in _DAMAGES):
            return CorruptRecord(key, _damage(text))
        if isinstance(error, ResponseError):
            return BackendRefused(self.address, f"{what} failed: {text}")
        return BackendUnavailable(self.address, _first_line(text) or type(error).__name__)


def _of_password(text: str) -> str:
    if "wrong" in text.lower() or "WRONGPASS" in text or "invalid" in text.lower():
        return "the user name or password in the address is not right"
    return "it wants a password; give it in the address, as redis://:PASSWORD@HOST:PORT"


class BlockingReader:
    """One connection that waits on lists."""

    def __init__(self, connection: Connection, client: redis.asyncio.Redis) -> None:
        self._connection, self._client = connection, client

    async def pop(self, keys: Sequence[str], timeout_s: float) -> tuple[str, bytes] | None:
        """Wait for the first element of any of `keys`; None when `timeout_s` passed.

        See https://redis.io/commands/blpop/. An answer that does not come in time although the
        server should have given up waiting counts as a lost connection.

        Raises:
            BackendUnavailable: the connection failed; the next call opens a new one.
        """
        found = await self._wait(
            "BLPOP", self._client.blpop(list(keys), timeout=max(timeout_s, 0.001)), timeout_s
        )
        if not found:
            return None
        key, value = found
        return bytes(key).decode(), bytes(value)

    async def entries_after(self, stream: str, after: str, timeout_s: float) -> list[Any]:
        """Wait for entries of a stream behind the id `after`; none when `timeout_s` passed.

        See https://redis.io/commands/xread/.

        Raises:
            BackendUnavailable: the connection failed; the next call opens a new one.
        """
        milliseconds = max(round(timeout_s * 1000), 1)
        found = await self._wait(
            "XREAD", self._client.xread({stream: after}, block=milliseconds), timeout_s
        )
        return [entry for _, entries in found for entry in entries] if found else []

    async def _wait(self, command: str, reply: Any, timeout_s: float) -> Any:
        connection = self._connection
        embedded_id = await self._client.client_id() if connection.is_embedded else None
        try:
            async with asyncio.timeout(timeout_s + REPLY_TIMEOUT_S):
                return await reply
        except asyncio.CancelledError:
            if embedded_id is not None:
                # A real server sees the connection close. This one would go on waiting, and take
                # what comes from those who still listen.
                await connection.command("CLIENT", "UNBLOCK", embedded_id)
            raise
        except TimeoutError as error:
            await self._client.connection_pool.disconnect()
            raise BackendUnavailable(connection.address, "a wait was not ended") from error
        except (RedisError, OSError) as error:
            raise connection.translate(error, command) from error

    async def close(self) -> None:
        """Give the connection back."""
        self._connection._readers.discard(self._client)
        await self._client.aclose()


class ThreadCaller:
    """One blocking connection for a thread that must not depend on the event loop."""

    def __init__(self, connection: Connection, client: redis.Redis) -> None:
        self._connection, self._client = connection, client
        self.sealing = connection.sealing

    def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script once.

        Raises:
            StreamsError: as `Connection.call`, without repeating.
        """
        try:
            return script.run_blocking(self._client, keys, arguments)
        except (RedisError, OSError) as error:
            raise self._connection.translate(error, script.name) from error

    def command(self, *words: Argument) -> Any:
        """Send one command once.

        Raises:
            StreamsError: as `Connection.command`, without repeating.
        """
        client: BlockingRunner = self._client
        try:
            return client.execute_command(*words)
        except (RedisError, OSError) as error:
            raise self._connection.translate(error, str(words[0])) from error

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _damage(text: str) -> str:
    """What a script found, without where in the script it did."""
    said = text.rpartition("damaged: ")[2] if "damaged: " in text else text
    return _first_line(said.partition(" script: ")[0])


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")
