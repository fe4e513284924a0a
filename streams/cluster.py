"""Send commands to the nodes of a Redis Cluster: each to the one that owns its key's slot.

Who owns what is redis-py's to find out. The connections are ours, with a pool for each node that
waits: a node that does not answer keeps nobody from the others. What a node says of a slot that it
does not serve is followed here: `MOVED` is learned, `ASK` is asked for once. `TRYAGAIN`,
`CLUSTERDOWN` and lost connections are the caller's to repeat; the map is drawn anew meanwhile.

A node that falls silent keeps its connections and never says `MOVED`. So while an answer is missing
the others are asked who serves its slot; when that is another node by now, nobody waits any longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

import redis.asyncio
from redis.asyncio.cluster import ClusterNode
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ClusterError,
    MovedError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from streams.faults import FAULTS, is_read_only
from streams.keys import slot_of

logger = logging.getLogger("rhythm.streams")

# A node that was told by another that it owns a slot may not know yet; more is a Cluster at odds.
_MOST_REDIRECTS = 5

_LOST = (RedisConnectionError, OSError, ClusterDownError)

# A node answers from memory; after this the next one is asked when the map is wanted again.
_DRAWING_S = 1.0
# An answer usually takes a millisecond. Missing for so long, it may be that its node is no master
# any more; asked again as often.
_SILENT_S = 1.0

# Where the first key stands, if not behind the command.
_AT = {"EVAL": 3, "EVALSHA": 3}


Address = tuple[str, int]
"""Host and port of a node."""


class ServedElsewhere(RedisConnectionError):
    """An answer is not waited for any longer, since another node serves the slot by now."""


class ClusterClient:
    """A client of a Cluster, as far as it is needed here.

    Args:
        nodes: hosts and ports of some nodes.
        options: of every connection, as redis-py takes them; ``ssl`` says if it is encrypted.
        connection_class: for these connections.
        connections: to each node, at most so many; more callers wait for one.
    """

    def __init__(
        self,
        nodes: tuple[Address, ...],
        options: dict[str, Any],
        connection_class: type[Any],
        connections: int,
    ) -> None:
        self._connection_class, self._connections = connection_class, connections
        self._options = {name: value for name, value in options.items() if name != "ssl"}
        self._map = redis.asyncio.RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in nodes],
            require_full_coverage=False,
            **options,
        ).nodes_manager
        # redis-py's types have no such method.
        self._clients: dict[Address, Any] = {}
        self._drawing: asyncio.Task[None] | None = None
        self._waits = set[_Wait]()
        self._is_closed = False

    async def execute_command(self, *words: Any) -> Any:
        """Send a command whose first key tells where it goes; return its reply."""
        return await self.ask_near(words[_AT.get(words[0], 1)], *words)

    async def ask_near(self, key: str, *words: Any) -> Any:
        """Send a command to the node that owns a key's slot; return its reply."""
        for _ in range(_MOST_REDIRECTS):
            owner = await self.owner(key)
            try:
                async with self.while_served(key, owner, ask_after_s=_SILENT_S):
                    return await self._client(*owner).execute_command(*words)
            except ServedElsewhere:
                continue
            except MovedError as error:
                await self._learn(error)
            except AskError as error:
                return await self._ask_other(error.host, error.port, words)
            except (*_LOST, asyncio.CancelledError):
                # Cancelled: it took too long.
                self.draw_anew()
                raise
            except ResponseError as error:
                if is_read_only(error):
                    self.draw_anew()
                raise
        raise ClusterError(f"its nodes do not agree on who owns the slot of {key}")

    async def send_together(self, key: str, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands on one connection to the node that owns a key's slot; replies or errors."""
        for _ in range(_MOST_REDIRECTS):
            owner = await self.owner(key)
            try:
                async with self.while_served(key, owner, ask_after_s=_SILENT_S):
                    replies = await send_together(self._client(*owner), commands)
            except ServedElsewhere:
                continue
            except (*_LOST, asyncio.CancelledError):
                self.draw_anew()
                raise
            if not isinstance(replies[0], MovedError):
                if is_read_only(replies[0]):
                    self.draw_anew()
                return replies
            await self._learn(replies[0])
        raise ClusterError(f"its nodes do not agree on who owns the slot of {key}")

    async def ask_masters(self, *words: Any) -> list[Any]:
        """Send a command to each master; return their replies."""
        await self._know()
        owners = {(of[0].host, int(of[0].port)) for of in self._map.slots_cache.values()}
        asked = (self._client(*owner).execute_command(*words) for owner in sorted(owners))
        return list(await asyncio.gather(*asked))

    async def owner(self, key: str) -> Address:
        """The node that owns a key's slot, as far as is known."""
        await self._know()
        slot = slot_of(key)
        owner = self._known_owner(slot)
        if owner is None:
            self.draw_anew()
            raise ClusterDownError(f"nobody serves slot {slot}")
        return owner

    def open(self, owner: Address) -> redis.asyncio.Redis:
        """A client with one connection to a node."""
        return self._opened(*owner, 1)

    def while_served(
        self, key: str, owner: Address, *, ask_after_s: float | None = None
    ) -> AbstractAsyncContextManager[object]:
        """For waiting on a node's answer: ended by `ServedElsewhere` when another node is known to
        own the key's slot.

        Args:
            ask_after_s: how long to wait before others are asked; None is for those who wait long
                anyhow, and leave the asking to the others.
        """
        return _Wait(self, slot_of(key), owner, ask_after_s)

    def draw_anew(self) -> None:
        """Find out again who owns what, beside all that goes on."""
        if not self._is_closed and (self._drawing is None or self._drawing.done()):
            self._drawing = asyncio.create_task(self._draw())

    async def aclose(self) -> None:
        """Close all connections."""
        self._is_closed = True
        if self._drawing is not None:
            self._drawing.cancel()
            await asyncio.gather(self._drawing, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        await self._map.aclose()
        await self._map.aclose("startup_nodes")

    async def _know(self) -> None:
        """Wait until there is a map: one node is asked after the other, for as long as it takes."""
        while not self._map.slots_cache:
            try:
                async with asyncio.timeout(_DRAWING_S):
                    await self._map.initialize()
            except TimeoutError:
                continue

    def _known_owner(self, slot: int) -> Address | None:
        of_slot = self._map.slots_cache.get(slot)
        return (of_slot[0].host, int(of_slot[0].port)) if of_slot else None

    async def _learn(self, moved: MovedError) -> None:
        await self._map.move_slot(moved)
        self._end_waits()

    def _end_waits(self) -> None:
        for wait in list(self._waits):
            if self._known_owner(wait.slot) not in (None, wait.owner):
                wait.end()

    def _client(self, host: str, port: int) -> Any:
        client = self._clients.get((host, port))
        if client is None:
            client = self._clients[host, port] = self._opened(host, port, self._connections)
        return client

    def _opened(self, host: str, port: int, connections: int) -> redis.asyncio.Redis:
        pool = redis.asyncio.BlockingConnectionPool(
            connection_class=self._connection_class,
            host=host,
            port=port,
            max_connections=connections,
            timeout=None,
            **self._options,
        )
        return redis.asyncio.Redis.from_pool(pool)

    async def _ask_other(self, host: str, port: int, words: tuple[Any, ...]) -> Any:
        """Send a command to where a slot is moved to, for this once."""
        _, reply = await send_together(self._client(host, port), [("ASKING",), words])
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def _draw(self) -> None:
        try:
            # redis-py asks one node after the other, in a new order each time, and waits for each
            # without end.
            async with asyncio.timeout(_DRAWING_S):
                await self._map.initialize()
            self._end_waits()
        except TimeoutError:
            logger.info("a node of the Cluster does not say who owns what within %g s", _DRAWING_S)
        except FAULTS as error:
            logger.info("the Cluster does not say who owns what: %s", error)


class _Wait:
    def __init__(
        self, cluster: ClusterClient, slot: int, owner: Address, ask_after_s: float | None
    ) -> None:
        self._cluster, self.slot, self.owner = cluster, slot, owner
        self._ask_after_s = ask_after_s
        self._limit = asyncio.timeout(None)
        self._asking: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self._cluster._waits.add(self)
        self._ask_later()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cluster._waits.discard(self)
        if self._asking is not None:
            self._asking.cancel()
        try:
            await self._limit.__aexit__(kind, error, traceback)
        except TimeoutError as ended:
            host, port = self.owner
            raise ServedElsewhere(f"{host}:{port} does not serve slot {self.slot}") from ended

    def end(self) -> None:
        """Wait no longer."""
        self._cluster._waits.discard(self)
        self._limit.reschedule(asyncio.get_running_loop().time())

    def _ask_later(self) -> None:
        if self._ask_after_s is not None:
            loop = asyncio.get_running_loop()
            self._asking = loop.call_later(self._ask_after_s, self._ask)

    def _ask(self) -> None:
        self._cluster.draw_anew()
        self._ask_later()


async def send_together(client: Any, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """Send commands on one connection of a client, in one write; replies or errors.

    What redis-py's pipelines do besides takes as long as the rest, and nothing here needs it.
    """
    pool = client.connection_pool
    connection = await pool.get_connection()
    try:
        packed = [part for words in commands for part in connection.pack_command(*words)]
        await connection.send_packed_command(packed, check_health=False)
        return [await _reply(connection) for _ in commands]
    except BaseException:
        # A reply that still comes would be taken for another's.
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
