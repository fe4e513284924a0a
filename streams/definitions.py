"""Workflow sources, kept by content digest under their name; and the namespace's own setup.

The latest pointer moves only when a source is registered for the first time or deployed:
an old process that starts again during a rolling deploy moves nothing.
"""

from __future__ import annotations

from streams.connection import Connection
from streams.errors import NotMigrated, SchemaMismatch
from streams.keys import KeySpace, even_tags
from streams.scripts import load

_REGISTER = load("register_definition")

SCHEMA = 13
"""What this release reads and writes, keys and values: see scripts/record-layout for when it has to
be raised. Whoever needs another number leaves a namespace alone."""


async def register(
    connection: Connection, *, name: str, digest: str, source: bytes, deploy: bool = False
) -> tuple[bool, str | None]:
    """Keep a source; whether it was new, and the latest definition before, None for the first.

    Args:
        deploy: make it the latest even if it was known.
    """
    keys = connection.keys
    answer = await connection.call(
        _REGISTER,
        [keys.definition(name), keys.definition_names],
        [name, digest, source, "1" if deploy else "0"],
    )
    return answer[0] == b"NEW", answer[1].decode(errors="backslashreplace") or None


async def keep(connection: Connection, *, name: str, digest: str, source: bytes) -> None:
    """Keep a source for executions that name it; no start by the name alone runs it for that."""
    keys = connection.keys
    await connection.call(
        _REGISTER,
        [keys.definition(name), keys.definition_names],
        [name, digest, source, "keep"],
    )


async def source(connection: Connection, name: str, digest: str) -> bytes | None:
    """The encoded source of one definition, or None."""
    found: bytes | None = await connection.command("HGET", connection.keys.definition(name), digest)
    return found


async def latest(connection: Connection, name: str) -> str | None:
    """The digest that a start by name alone uses, or None for an unknown workflow."""
    found: bytes | None = await connection.command(
        "HGET", connection.keys.definition(name), "latest"
    )
    return None if found is None else found.decode(errors="backslashreplace")


async def names(connection: Connection) -> list[str]:
    """The names of all registered workflows, sorted."""
    found = await connection.command("SMEMBERS", connection.keys.definition_names)
    return sorted(name.decode(errors="backslashreplace") for name in found)


async def migrate(connection: Connection, partitions: int | None = None) -> bool:
    """Set the namespace up; True if it was not yet. The connection then knows its partitions.

    Args:
        partitions: how many a new namespace gets; None is what suits the server.

    Raises:
        SchemaMismatch: it was set up by a release with another layout.
    """
    meta = connection.keys.meta
    tags = even_tags(partitions or connection.usual_partitions)
    # In this order: whoever sees the layout's number sees the partitions too.
    await connection.command("HSETNX", meta, "partitions", " ".join(tags))
    created = await connection.command("HSETNX", meta, "schema", SCHEMA)
    await check(connection)
    return bool(created)


async def check(connection: Connection) -> int:
    """The namespace's layout number. The connection then knows the namespace's partitions.

    Raises:
        NotMigrated: it was never set up.
        SchemaMismatch: it was set up by a release with another layout.
    """
    keys = connection.keys
    found, tags = await connection.command("HMGET", keys.meta, "schema", "partitions")
    if found is None:
        raise NotMigrated(connection.address, keys.namespace)
    _compare(keys, found)
    known = KeySpace(keys.namespace, tags.decode().split())
    if [part.prefix for part in known.partitions] != [part.prefix for part in keys.partitions]:
        connection.keys = known
    return int(found)


async def check_again(connection: Connection) -> None:
    """For who comes back: the server may hold another namespace of that name by now. That it holds
    none is no error, since who worked there goes on.

    Raises:
        SchemaMismatch: it was set up by a release with another layout.
    """
    found = await connection.command("HGET", connection.keys.meta, "schema")
    if found is not None:
        _compare(connection.keys, found)


def _compare(keys: KeySpace, found: bytes) -> None:
    if int(found) != SCHEMA:
        raise SchemaMismatch(keys.namespace, int(found), SCHEMA)
