"""What nobody takes work of for now: queues, and workflows and tasks by name.

Every partition has the flags, so that the script that hands out work sees them.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from streams import codec
from streams.connection import Connection
from streams.scripts import load

_PAUSE = load("pause_work")

Kind = Literal["queue", "workflow", "task"]

_FIELD = re.compile(r"(queue|workflow|task):(.*)", re.DOTALL)
_VALUE = re.compile(r"([0-9]+) (.*)", re.DOTALL)


class StoredPause(msgspec.Struct, frozen=True):
    """A pause: of what, since when (unix ms), why, and in how many partitions."""

    kind: Kind
    name: str
    since_ms: int
    note: str
    partitions: int = 1


async def put(connection: Connection, kind: Kind, name: str, *, is_paused: bool, note: str) -> bool:
    """Pause or resume in every partition; whether that changed something in any. Broken off, it is
    to be repeated."""
    changed = 0
    for keys in connection.keys.partitions:
        changed += await connection.write(
            _PAUSE,
            [keys.due, keys.pauses],
            [connection.now(), kind, name, "1" if is_paused else "0", note],
        )
    return changed > 0


async def executions(
    connection: Connection, before_ms: int, most: int
) -> tuple[int, dict[str, int]]:
    """How many executions have been paused, each by itself, since before a time; and since when
    some of them are, the longest first, by id. Times are unix ms."""
    count, found = 0, list[tuple[int, str]]()
    for keys in connection.keys.partitions:
        count += await connection.command("ZCOUNT", keys.paused, "-inf", before_ms)
        oldest = await connection.command(
            "ZRANGEBYSCORE", keys.paused, "-inf", before_ms, "LIMIT", 0, most
        )
        for id_ in oldest:
            since = await connection.command("ZSCORE", keys.paused, id_)
            if since is not None:
                found.append((int(float(since)), id_.decode(errors="replace")))
    return count, {id_: since_ms for since_ms, id_ in sorted(found)[:most]}


async def read(connection: Connection) -> list[StoredPause]:
    """All pauses of any partition, by kind and name."""
    found: dict[tuple[str, str], StoredPause] = {}
    for keys in connection.keys.partitions:
        reply = await connection.command("HGETALL", keys.pauses)
        fields = reply.items() if isinstance(reply, dict) else codec.pairs(reply)
        for field, value in fields:
            what = _FIELD.fullmatch(field.decode(errors="replace"))
            why = _VALUE.fullmatch(value.decode(errors="replace"))
            if what and why:
                kind: Kind = what[1]  # type: ignore[assignment] # one of them, by the expression
                before = found.get((kind, what[2]))
                partitions = 1 if before is None else before.partitions + 1
                found[kind, what[2]] = StoredPause(kind, what[2], int(why[1]), why[2], partitions)
    return [found[key] for key in sorted(found)]
