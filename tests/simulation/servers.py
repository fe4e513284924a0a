"""The servers that a simulation can run on: the embedded one, and a real `redis-server`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from streams import embedded

_READS = frozenset({"EXISTS", "HGET", "HMGET", "SCAN", "SMEMBERS", "XRANGE", "XREVRANGE", "ZSCAN"})

# What follows a command's name before its first key.
_BEFORE_KEYS = {"EVALSHA": 2, "EVAL": 2, "LMPOP": 1}

_SENT_AT_ONCE = 50

# A full collection costs as much as a script; the embedded server makes one after each.
_COLLECT_EVERY = 500


def tag_of(words: Sequence[Any]) -> str:
    """The hash tag of a command's first key, which tells its partition; empty without one."""
    key = str(words[1 + _BEFORE_KEYS.get(words[0], 0)])
    return key.partition("{")[2].partition("}")[0]


def embedded_server() -> redis.Redis:
    """A client of a new embedded server, which compiles every script once instead of each time."""
    server = embedded.open_server("")
    client = embedded.blocking_client(server)
    client.eval("return 1", 0)  # makes its Lua
    runtime: Any = server
    runtime._lua_runtime = _CompilingOnce(runtime._lua_runtime)
    return client


class Server:
    """A store that begins without data and scripts, so that a run meets the same every time.

    Args:
        client: of an embedded or a real server, which nobody else uses meanwhile. Its data is gone.
    """

    def __init__(self, client: redis.Redis) -> None:
        # What sends on a connection, and what parses, has no types.
        self._client: Any = client
        self._connection: Any = client.connection_pool.get_connection()
        self._written: list[tuple[Any, ...]] = []
        self._scripts: dict[str, None] = {}
        self._kept = 0
        self._forget_all()

    def close(self) -> None:
        """Give the client its connection back."""
        self._client.connection_pool.release(self._connection)

    def execute(self, *words: Any) -> Any:
        """Carry out one command.

        Raises:
            RedisError: the server refused it.
        """
        reply = self._send(*words)
        if words[0] not in _READS:
            self._written.append(words)
        if words[0] == "EVAL":
            self._scripts[words[1]] = None
        return reply

    def keys(self, pattern: str) -> list[str]:
        """The keys there are now."""
        return sorted(key.decode() for key in self._client.keys(pattern))

    def keep(self) -> None:
        """What was written until now is never lost."""
        self._kept = len(self._written)

    def fail_over(self, lost: int, tag: str | None = None, spared: str | None = None) -> int:
        """Go on as a replica does that never got the last writes; how many of them are gone.

        A replica has got the beginning of what its primary did, so it is made by doing that again.
        It knows no scripts.

        Args:
            lost: so many writes at most, but for those before `keep`.
            tag: only writes of the partition with this hash tag; what others hold stays.
            spared: a pattern of hashes that stay as they are. No replica does that; but copies that
                are older or newer than what they are of must be known as that, wherever they lie.
        """
        spared_hashes = {} if spared is None else self._hashes(spared)
        of_it = [
            place
            for place in range(self._kept, len(self._written))
            if tag is None or tag_of(self._written[place]) == tag
        ]
        gone = of_it[len(of_it) - lost :] if lost < len(of_it) else of_it
        for place in reversed(gone):
            del self._written[place]
        self._forget_all()
        self._do_again()
        self._client.script_flush()
        for key, fields in spared_hashes.items():
            self.execute("DEL", key)
            self.execute("HSET", key, *fields)
        return len(gone)

    def _do_again(self) -> None:
        # Whose writes were the first of their scripts may be gone.
        for source in self._scripts:
            self._client.script_load(source)
        for first in range(0, len(self._written), _SENT_AT_ONCE):
            some = self._written[first : first + _SENT_AT_ONCE]
            for words in some:
                self._connection.send_command(*words)
            for words in some:
                self._client.parse_response(self._connection, words[0])

    def _hashes(self, pattern: str) -> dict[bytes, list[bytes]]:
        return {
            key: [word for pair in self._client.hgetall(key).items() for word in pair]
            for key in sorted(self._client.keys(pattern))
        }

    def _forget_all(self) -> None:
        self._client.flushall()
        self._client.script_flush()

    def _send(self, *words: Any) -> Any:
        # As the client's `execute_command`, without what that does for networks that fail.
        self._connection.send_command(*words)
        return self._client.parse_response(self._connection, words[0])


class _CompilingOnce:
    """A Lua runtime that keeps the functions it compiled, and shows globals between scripts alone.

    The embedded server looks for those of a script at each of its commands, and once more at its
    end, which is enough.
    """

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._compiled: dict[bytes | str, Any] = {}
        self._collections = 0
        self._is_running = False

    def execute(self, source: bytes | str) -> Any:
        if source == "collectgarbage()":
            self._collections += 1
            if self._collections % _COLLECT_EVERY:
                return None
        function = self._compiled.get(source)
        if function is None:
            function = self._compiled[source] = self._runtime.compile(source)
        self._is_running = True
        try:
            return function()
        finally:
            self._is_running = False

    def globals(self) -> Any:
        return {} if self._is_running else self._runtime.globals()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)
