"""Send commands to the nodes of a Redis Cluster: each to the one that owns its key's slot.

Who owns what is redis-py's to find out. The connections are ours, with a pool for each node that
waits: a node that does not answer keeps nobody from the others. What a node says of a slot that it
does not serve is followed here: `MOVED` is learned, `ASK` is asked for once. `TRYAGAIN`,
`CLUSTERDOWN` and lost connections are the caller's to repeat; the map is drawn anew meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

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

# Where the first key stands, if not behind the command.
_AT = {"EVAL": 3, "EVALSHA": 3}


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
        nodes: tuple[tuple[str, int], ...],
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
        self._clients: dict[tuple[str, int], Any] = {}
        self._drawing: asyncio.Task[None] | None = None
        self._is_closed = False

    async def execute_command(self, *words: Any) -> Any:
        """Send a command whose first key tells where it goes; return its reply."""
        return await self.ask_near(words[_AT.get(words[0], 1)], *words)

    async def ask_near(self, key: str, *words: Any) -> Any:
        """Send a command to the node that owns a key's slot; return its reply."""
        for _ in range(_MOST_REDIRECTS):
            host, port = await self.owner(key)
            try:
                return await self._client(host, port).execute_command(*words)
            except MovedError as error:
                await self._map.move_slot(error)
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
            client = self._client(*await self.owner(key))
            try:
                replies = await send_together(client, commands)
            except (*_LOST, asyncio.CancelledError):
                self.draw_anew()
                raise
            if not isinstance(replies[0], MovedError):
                if is_read_only(replies[0]):
                    self.draw_anew()
                return replies
            await self._map.move_slot(replies[0])
        raise ClusterError(f"its nodes do not agree on who owns the slot of {key}")

    async def ask_masters(self, *words: Any) -> list[Any]:
        """Send a command to each master; return their replies."""
        if not self._map.slots_cache:
            await self._map.initialize()
        owners = {(of[0].host, int(of[0].port)) for of in self._map.slots_cache.values()}
        asked = (self._client(*owner).execute_command(*words) for owner in sorted(owners))
        return list(await asyncio.gather(*asked))

    async def owner(self, key: str) -> tuple[str, int]:
        """Host and port of the node that owns a key's slot, as far as is known."""
        if not self._map.slots_cache:
            await self._map.initialize()
        slot = slot_of(key)
        of_slot = self._map.slots_cache.get(slot)
        if not of_slot:
            self.draw_anew()
            raise ClusterDownError(f"nobody serves slot {slot}")
        return of_slot[0].host, int(of_slot[0].port)

    async def open_owner(self, key: str) -> redis.asyncio.Redis:
        """A client with one connection to the node that owns a key's slot."""
        host, port = await self.owner(key)
        return self._opened(host, port, 1)

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
        except TimeoutError:
            logger.info("a node of the Cluster does not say who owns what within %g s", _DRAWING_S)
        except FAULTS as error:
            logger.info("the Cluster does not say who owns what: %s", error)


async def send_together(client: Any, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """Send commands on one connection of a client, in one write; replies or errors."""
    pipeline = client.pipeline(transaction=False)
    for words in commands:
        pipeline.execute_command(*words)
    replies: list[Any] = await pipeline.execute(raise_on_error=False)
    return replies
