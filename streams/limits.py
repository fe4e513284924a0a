"""How many tasks may run at once, and begin within a time: by queue, by task, and by key of either.

The script that hands out work sees them, so a change holds at once for all workers. They stand in
the partition's hash, each as six numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from streams.connection import Connection
from streams.keys import PartitionKeys
from streams.scripts import Argument, load

_PUT = load("put_limits")
_READ = load("read_limits")
_FIND = load("find_limits")

Kind = Literal["queue", "task"]

_FIELD = re.compile(r"(queue|task|declared):(.*)", re.DOTALL)
_NUMBERS = re.compile(r"[0-9]+(?: [0-9]+){5}")


class Limits(msgspec.Struct, frozen=True, gc=False):
    """Limits of a queue or task; 0 for none.

    Attributes:
        most: how many may run at once.
        begin, within_ms: how many may begin within any so many ms.
        key_most, key_begin, key_within_ms: the same for each key.
    """

    most: int = 0
    begin: int = 0
    within_ms: int = 0
    key_most: int = 0
    key_begin: int = 0
    key_within_ms: int = 0

    def argument(self) -> str:
        """As the scripts take it: empty where nothing is limited."""
        numbers = msgspec.structs.astuple(self)
        return " ".join(map(str, numbers)) if any(numbers) else ""


UNLIMITED: Final = Limits()


class StoredLimits(msgspec.Struct, frozen=True):
    """Limits of a queue or task, and how they are used.

    Attributes:
        is_declared: whether a task's declaration says so.
        running: how many run that count; those of a key too.
        began: how many began within the time.
        waiting: how many wait for a limit of this queue or task; of very many some are not counted.
    """

    kind: Kind
    name: str
    limits: Limits
    is_declared: bool
    running: int
    began: int
    waiting: int


async def put(
    connection: Connection,
    keys: PartitionKeys,
    limits: Mapping[str, Limits],
    *,
    declared: bool = False,
) -> int:
    """Set limits; how many changed anything.

    Args:
        limits: what is limited, ``queue:<name>`` or ``task:<name>``; or with `declared`, the task's
            name. Limits of nothing but 0 are forgotten.
    """
    arguments: list[Argument] = [connection.now()]
    for scope, given in limits.items():
        arguments += [f"declared:{scope}" if declared else scope, given.argument()]
    changed: int = await connection.write(_PUT, [keys.due, keys.limits], arguments)
    return changed


async def read(connection: Connection, keys: PartitionKeys) -> list[StoredLimits]:
    """All limits, by kind and name."""
    answer = await connection.call(_READ, [keys.due, keys.limits], [connection.now()])
    found = []
    for i in range(0, len(answer), 5):
        field, numbers, running, began, waiting = answer[i : i + 5]
        what = _FIELD.fullmatch(field.decode(errors="replace"))
        text = numbers.decode(errors="replace")
        if what is None or not _NUMBERS.fullmatch(text):
            continue
        kind: Kind = "queue" if what[1] == "queue" else "task"
        limits = Limits(*map(int, text.split()))
        is_declared = what[1] == "declared"
        found.append(StoredLimits(kind, what[2], limits, is_declared, running, began, waiting))
    return sorted(found, key=lambda one: (one.kind, one.name, one.is_declared))


class Held(msgspec.Struct, frozen=True):
    """A limit that keeps an execution waiting.

    Attributes:
        counts: what runs (``running``), or what begins within a time (``beginning``).
        key: of each key alone; None of all.
        kind, name: of what it limits.
        most: how many.
        within_ms: of what begins.
        opens_ms: of what begins, when the next may.
    """

    counts: Literal["running", "beginning"]
    key: str | None
    kind: Kind
    name: str
    most: int
    within_ms: int
    opens_ms: int


async def find(connection: Connection, execution_id: str) -> Held | None:
    """The limit at which an execution waits now, if it does."""
    keys = connection.keys.partition(execution_id)
    answer = await connection.call(
        _FIND, [keys.due, keys.limits, keys.control(execution_id)], [connection.now(), execution_id]
    )
    if not answer:
        return None
    name, most, within_ms, opens_ms = answer
    counts, key, scope = name.decode().split("|", 2)
    kind, _, of = scope.partition(":")
    return Held(
        "running" if counts == "c" else "beginning",
        unquote(key) if key else None,
        "queue" if kind == "queue" else "task",
        of,
        most,
        within_ms,
        opens_ms,
    )
