"""How many tasks may run at once, and begin within a time: by queue, by task, and by key of either.

Each is a rule of the whole namespace, six numbers: see rules.py. The script that hands out work
sees them, so a change holds at once for all workers. Of several partitions each has a share: see
permits.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from streams import rules
from streams.connection import Connection
from streams.keys import PartitionKeys
from streams.scripts import load

_READ = load("read_limits")
_FIND = load("find_limits")

Kind = Literal["queue", "task"]

_FIELD = re.compile(r"(queue|task|declared):(.*)", re.DOTALL)
# Six numbers; with several partitions also their revision, and zeros for what was removed.
_NUMBERS = re.compile(r"([0-9]+(?: [0-9]+){5})(?: ([0-9]+))?")
_REMOVED: Final = "0 0 0 0 0 0"


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
        granted: of how many may run, what the partitions have shared out among them; 0 with one.
        running: how many run that count; those of a key too.
        began: how many began within the time.
        waiting: how many wait for a limit of this queue or task; of very many some are not counted.
    """

    kind: Kind
    name: str
    limits: Limits
    is_declared: bool
    granted: int
    running: int
    began: int
    waiting: int


async def put(
    connection: Connection, limits: Mapping[str, Limits], *, declared: bool = False
) -> int:
    """Set limits in all partitions; how many changed anything.

    Args:
        limits: what is limited, ``queue:<name>`` or ``task:<name>``; or with `declared`, the task's
            name. Limits of nothing but 0 are forgotten.

    Raises:
        As `rules.put`.
    """
    wanted = {
        f"limit declared:{scope}" if declared else f"limit {scope}": given.argument()
        for scope, given in limits.items()
    }
    changes = await rules.put(connection, wanted)
    return sum(change.before != change.now for change in changes.values())


async def read(connection: Connection) -> list[StoredLimits]:
    """All limits, by kind and name; of several partitions together."""
    found: dict[tuple[Kind, str, bool], StoredLimits] = {}
    elsewhere = list[StoredLimits]()
    for keys in connection.keys.partitions:
        for field, one in await _read(connection, keys):
            if rules.home_of(connection, f"limit {field}") is keys:
                found[one.kind, one.name, one.is_declared] = one
            else:
                elsewhere.append(one)
    for one in elsewhere:
        what = (one.kind, one.name, one.is_declared)
        if what in found:
            found[what] = _together(found[what], one)
    return [found[what] for what in sorted(found)]


async def _read(connection: Connection, keys: PartitionKeys) -> list[tuple[str, StoredLimits]]:
    answer = await connection.call(_READ, [keys.due, keys.limits], [connection.now()])
    found = []
    for i in range(0, len(answer), 6):
        field, numbers, granted, running, began, waiting = answer[i : i + 6]
        what = _FIELD.fullmatch(field.decode(errors="replace"))
        text = _NUMBERS.fullmatch(numbers.decode(errors="replace"))
        if what is None or text is None or text[1] == _REMOVED:
            continue
        kind: Kind = "queue" if what[1] == "queue" else "task"
        limits = Limits(*map(int, text[1].split()))
        is_declared = what[1] == "declared"
        one = StoredLimits(kind, what[2], limits, is_declared, granted, running, began, waiting)
        found.append((what[0], one))
    return found


def _together(one: StoredLimits, other: StoredLimits) -> StoredLimits:
    """The limits are those of the first."""
    return msgspec.structs.replace(
        one,
        granted=one.granted + other.granted,
        running=one.running + other.running,
        began=one.began + other.began,
        waiting=one.waiting + other.waiting,
    )


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


async def _opens(connection: Connection, limit: str, most: int, within_ms: int) -> int:
    """When the next may begin of what begins in several partitions; 0 for now, by a permit that is
    on its way."""
    began: list[int] = []
    for keys in connection.keys.partitions:
        newest = await connection.command("LRANGE", keys.begun(limit), 0, most - 1)
        began += map(int, newest)
    began.sort(reverse=True)
    return began[most - 1] + within_ms if len(began) >= most else 0


async def find(connection: Connection, execution_id: str) -> Held | None:
    """The limit at which an execution waits now, if it does."""
    keys = connection.keys.partition(execution_id)
    answer = await connection.call(
        _FIND, [keys.due, keys.limits, keys.control(execution_id)], [connection.now(), execution_id]
    )
    if not answer:
        return None
    name, most, within_ms, opens_ms = answer
    if within_ms and len(connection.keys.partitions) > 1:
        opens_ms = await _opens(connection, name.decode(), most, within_ms)
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
