"""What nobody takes work of for now: queues, and workflows and tasks by name. Each is a rule of the
whole namespace: see rules.py.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from streams import codec, rules
from streams.connection import Connection

Kind = Literal["queue", "workflow", "task"]

_FIELD = re.compile(r"(queue|workflow|task):(.*)", re.DOTALL)
_VALUE = re.compile(r"([0-9]+) (.*)", re.DOTALL)


class StoredPause(msgspec.Struct, frozen=True):
    """A pause: of what, since when (unix ms), and why."""

    kind: Kind
    name: str
    since_ms: int
    note: str


async def put(connection: Connection, kind: Kind, name: str, *, is_paused: bool, note: str) -> bool:
    """Pause or resume in all partitions; whether it was not so before. Pausing once more changes
    the note.

    Raises:
        As `rules.put`.
    """
    rule = f"pause {kind}:{name}"
    # The script puts in front since when.
    changes = await rules.put(connection, {rule: f" {note}" if is_paused else ""})
    return (changes[rule].before != "") != is_paused


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
    """All pauses, by kind and name."""
    found = []
    for keys in connection.keys.partitions:
        reply = await connection.command("HGETALL", keys.pauses)
        fields = reply.items() if isinstance(reply, dict) else codec.pairs(reply)
        for field, value in fields:
            what = _FIELD.fullmatch(field.decode(errors="replace"))
            why = _VALUE.fullmatch(value.decode(errors="replace"))
            if what and why and rules.home_of(connection, f"pause {what[0]}") is keys:
                kind: Kind = what[1]  # type: ignore[assignment] # one of them, by the expression
                found.append(StoredPause(kind, what[2], int(why[1]), why[2]))
    return sorted(found, key=lambda one: (one.kind, one.name))
