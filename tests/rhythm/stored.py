"""What lies in Redis, whatever it is, for tests that look below the door."""

from __future__ import annotations

from typing import Any

from streams import projections
from streams.connection import Connection
from streams.projections import Filters

_READS = {
    b"stream": ("XRANGE", "-", "+"),
    b"hash": ("HGETALL",),
    b"list": ("LRANGE", 0, -1),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"set": ("SMEMBERS",),
    b"string": ("GET",),
}


async def all_that_is_stored(connection: Connection) -> dict[str, Any]:
    """Every key of the namespace with its content; the connection is an application's own."""
    # Reading indexes folds into them what was not yet: no change that anybody sees.
    await projections.count_executions(connection, Filters())
    keys = set()
    for partition in connection.keys.partitions:
        # Of a Cluster's masters each has some partition.
        near = partition.prefix
        keys.update(await connection.command("KEYS", f"{connection.keys.namespace}:*", near=near))
    stored = {}
    for key in sorted(bytes(key).decode() for key in keys):
        kind = await connection.command("TYPE", key)
        if kind != b"none":  # a bell that was heard in between
            command, *words = _READS[kind]
            stored[key] = await connection.command(command, key, *words)
    return stored
