"""What readers see of executions: get, query, count, wait for the end.

Derived from the streams by the transitions, and read in one atomic script each.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from streams import codec
from streams.codec import StoredExecution
from streams.connection import BlockingReader, Connection, DirectCaller
from streams.errors import CorruptRecord, UnknownExecution
from streams.keys import PartitionKeys, run_id
from streams.scripts import Argument, ScriptCall, load

T = TypeVar("T")

_GET = load("get_executions")
_QUERY = load("query_executions")
_COUNT = load("count_executions")
_AWAIT = load("await_execution")
_TAKE_ENDED = load("take_ended")
_DESCRIBE = load("describe_partition")
_EXAMINE = load("examine_execution")
_REBUILD = load("rebuild_execution")
_FORGET = load("forget_index_entry")

GET_AT_ONCE = 64
"""Executions read by one script call; their payloads travel with them."""

SCANNED_AT_ONCE = 500
"""Keys that one scan looks at; it costs the server well under a millisecond."""

_SMALL = ("ty", "tg", "cr", "sa", "co")
"""Of a projection: type, target, and when it was created, began and ended, unix ms."""

_ENCODED = frozenset({"cq", "hd", "pg"})

QUERY_UNITS = 256
"""Index entries that one script call looks at."""


BY_TYPE = ("workflow", "task")
"""Every execution is in the index of its type."""

_OF_NO_EXECUTION = frozenset({"lease", "cron", "release", "admit", "limit", "share"})
"""Kinds of what becomes due that name something else: a worker, a schedule, a pause, a limit."""


class Filters(msgspec.Struct, frozen=True):
    """What a query asks for; None is any. Times are unix ms, both ends included.

    `as_recorded`: a workflow in a worker's hands has the status that its events give it, not
    "running"; so that several queries by status find every one. `attributes`: names with their
    values as JSON. `error`: the name of the error that they failed with.
    """

    target: str | None = None
    status: str | None = None
    parent: str | None = None
    queue: str | None = None
    type: str | None = None
    schedule: str | None = None
    oldest_ms: int | None = None
    newest_ms: int | None = None
    as_recorded: bool = False
    attributes: tuple[tuple[str, str], ...] = ()
    error: str | None = None

    def indexes(self, keys: PartitionKeys) -> list[str]:
        """The indexes that hold every match: the script takes the smallest. None if nothing is
        asked for that there is an index of; all are in those of `BY_TYPE`."""
        chosen = [
            keys.index(name, value)
            for name, value in (
                ("g", self.target),
                ("s", self.status),
                ("p", self.parent),
                ("q", self.queue),
                ("y", self.type),
                ("c", self.schedule),
                ("e", self.error),
            )
            if value is not None
        ]
        chosen += [keys.index("a", f"{name}={value}") for name, value in self.attributes]
        return chosen

    @property
    def has_index(self) -> bool:
        """Whether there is an index of what it asks for."""
        given = (self.target, self.status, self.parent, self.queue, self.type, self.schedule)
        return any(value is not None for value in (*given, self.error)) or bool(self.attributes)

    @property
    def fields(self) -> str:
        """What the projection must say of attributes and error, as the script takes it."""
        error = "" if self.error is None else f"er\n{self.error}\n"
        return error + "".join(f"@{name}\n{value}\n" for name, value in self.attributes)

    @property
    def newest(self) -> Argument:
        """Until when, as the scripts take it."""
        return "+inf" if self.newest_ms is None else self.newest_ms

    @property
    def oldest(self) -> Argument:
        """From when, as the scripts take it."""
        return "-inf" if self.oldest_ms is None else self.oldest_ms


class WorkerDescription(msgspec.Struct, frozen=True):
    """A registered worker: `about` as it registered, the end of its lease, how much it holds, and
    when it last claimed, or asked in vain (unix ms; 0 is never)."""

    id: str
    about: bytes
    lease_ends_ms: int
    holding: int
    claimed_ms: int


class Description(msgspec.Struct, frozen=True):
    """What an operator is told.

    Attributes:
        now_ms: the server's time.
        ready: queue -> how much waits in it, for every queue that ever got work.
        limited: queue -> how much of its work waits at a limit, which is not among what is ready.
        oldest_ms: queue -> since when what it hands out next waits, for those where something does.
        due: how many timers, starts, retries and leases are set.
        first_due_ms: when the earliest of them is due; 0 without any.
        executions: status -> count; a workflow in a worker's hands counts as what it was before.
        in_trouble: how many executions something stops.
        troubles: they, with what it is, in words; none when they are too many to name.
        long: how many live workflows have a long history; longest: the events of some of them.
    """

    now_ms: int
    workers: tuple[WorkerDescription, ...]
    ready: dict[str, int]
    limited: dict[str, int]
    oldest_ms: dict[str, int]
    due: int
    first_due_ms: int
    executions: dict[str, int]
    in_trouble: int
    troubles: dict[str, str]
    long: int = 0
    longest: dict[str, int] = {}


NOTHING: Final = Description(0, (), {}, {}, {}, 0, 0, {}, 0, {})
"""Of a store that cannot be asked."""


class Examination(msgspec.Struct, frozen=True):
    """All that the store keeps of one execution beside its events.

    Attributes:
        version: count of its events.
        control: the words of its control record and its further fields; where the record cannot be
            read, that as the field ``c``. What of them is encoded is left out.
        facts: its projection; empty when missing.
        state: encoded state that outsiders read; empty for none.
        statuses: in which indexes by status it is.
        indexes: in which others, by their short names.
        queued: how often it is in its queue.
        is_held: whether the worker of its token holds it.
        due_ms: when it is handed out, if it waits for a time.
        timers: numbers of its timers that will fire.
        trouble: what stops it, in words; None if nothing does.
    """

    version: int
    control: dict[str, str]
    facts: dict[str, str]
    state: bytes
    statuses: frozenset[str]
    indexes: frozenset[str]
    queued: int
    is_held: bool
    due_ms: int | None
    timers: frozenset[int]
    trouble: str | None = None

    @property
    def has_record(self) -> bool:
        """Whether it has a control record, readable or not: further fields alone are none."""
        return not self.control.keys().isdisjoint(("v", "c"))


def newest_run(caller: DirectCaller, keys: PartitionKeys, execution_id: str) -> str:
    """The newest run of an execution, by its first run's id."""
    number = caller.command("GET", keys.newest_run(execution_id))
    return execution_id if number is None else run_id(execution_id, int(number))


async def get_execution(
    connection: Connection, execution_id: str, *, newest_run: bool = False
) -> StoredExecution | None:
    """One execution; None if there is none of this id.

    Args:
        newest_run: of one that restarted, if this is its first run's id.

    Raises:
        CorruptRecord: what is stored of it is damaged.
    """
    (found,) = await get_executions(connection, [execution_id], newest_run=newest_run)
    if isinstance(found, CorruptRecord):
        raise found
    return found


async def get_executions(
    connection: Connection, ids: Sequence[str], *, newest_run: bool = False
) -> list[StoredExecution | CorruptRecord | None]:
    """Executions in the order of `ids`; None for an unknown one, for a damaged one what is wrong.
    Not raised, since it does not concern the others."""
    found: list[StoredExecution | CorruptRecord | None] = []
    for start in range(0, len(ids), GET_AT_ONCE):
        some = ids[start : start + GET_AT_ONCE]
        by_partition: dict[str, list[str]] = {}
        for id_ in some:
            by_partition.setdefault(connection.keys.partition(id_).prefix, []).append(id_)
        items: dict[str, StoredExecution | CorruptRecord | None] = {}
        for group in by_partition.values():
            keys = connection.keys.partition(group[0])
            answer = await connection.call(
                _GET,
                [keys.due, *(keys.projection(id_) for id_ in group)],
                ["1" if newest_run else "0", *group],
            )
            for id_, item in zip(group, answer, strict=True):
                try:
                    opened = connection.sealing.open
                    items[id_] = codec.execution(id_, item, opened) if item else None
                except CorruptRecord as error:
                    items[id_] = error
        found += [items[id_] for id_ in some]
    return found


async def query_executions(
    connection: Connection, filters: Filters, *, limit: int, offset: int = 0
) -> list[str]:
    """Ids of matching executions, the newest first.

    Args:
        limit: at most so many; 0 gives none.
        offset: how many of the newest matches to leave out.
    """
    wanted = offset + limit

    def ask(keys: PartitionKeys) -> Awaitable[list[tuple[float, str]]]:
        return _query_partition(connection, keys, filters, wanted)

    found = [entry for part in await _from_each(connection, ask) for entry in part]
    found.sort(reverse=True)
    return [id_ for _, id_ in found[offset:wanted]]


class Place(NamedTuple):
    """Where a page of a query ends: all that comes later was created before, or under an id that
    sorts before. New executions come earlier, and none moves."""

    created_ms: int
    id: str


async def query_page(
    connection: Connection, filters: Filters, *, limit: int, after: Place | None
) -> tuple[list[str], Place | None]:
    """Ids of the next `limit` matches behind `after`, and where to go on; None when none follow."""

    def ask(keys: PartitionKeys) -> Awaitable[list[tuple[float, str]]]:
        return _query_partition(connection, keys, filters, limit + 1, after)

    found = [entry for part in await _from_each(connection, ask) for entry in part]
    found.sort(reverse=True)
    ids = [id_ for _, id_ in found[:limit]]
    if len(found) <= limit:
        return ids, None
    if not ids:
        return ids, after
    created, last = found[limit - 1]
    return ids, Place(int(created), last)


async def tally(connection: Connection, filters: Filters, field: str) -> dict[str, int]:
    """How many match by what a field of their projections says; "" for those that have none."""

    async def ask(keys: PartitionKeys) -> Counter[str]:
        counts = Counter[str]()
        async for some in _pages(connection, keys, filters, by=field):
            for value, count in some.items():
                counts[value] += int(count)
        return counts

    counts = Counter[str]()
    for part in await _from_each(connection, ask):
        counts.update(part)
    return dict(counts)


async def matching(connection: Connection, filters: Filters) -> AsyncIterator[str]:
    """Ids of all executions that match, in each partition the newest first. None is passed over
    because others begin, end or are deleted meanwhile."""
    for keys in connection.keys.partitions:
        async for some in _pages(connection, keys, filters):
            for id_ in some:
                yield id_


async def get_facts(connection: Connection, ids: Sequence[str]) -> list[dict[str, str]]:
    """What projections say, by their stored names, without payloads; in the order of `ids`, and
    without those that there are not."""

    async def one(id_: str) -> dict[str, str]:
        key = connection.keys.partition(id_).projection(id_)
        found = await connection.command("HMGET", key, *_SMALL)
        return {name: value.decode() for name, value in zip(_SMALL, found, strict=True) if value}

    return [facts for facts in await asyncio.gather(*map(one, ids)) if facts]


async def count_executions(connection: Connection, filters: Filters) -> int:
    """How many executions match."""

    if not filters.has_index:
        of_types = [msgspec.structs.replace(filters, type=type_) for type_ in BY_TYPE]
        return sum([await count_executions(connection, of_type) for of_type in of_types])

    async def ask(keys: PartitionKeys) -> int:
        indexes = filters.indexes(keys)
        if len(indexes) > 1 or filters.status == "running":
            return len(await _query_partition(connection, keys, filters, None))
        counted, newest, status = 0, filters.newest, filters.status or ""
        while newest != b"":
            some, newest = await connection.call(
                _COUNT, [keys.due, keys.workers, indexes[0]], [newest, filters.oldest, status]
            )
            counted, status = counted + some, ""
        return counted

    return sum(await _from_each(connection, ask))


async def register_wait(connection: Connection, execution_id: str, client: str) -> bool:
    """Ask that `client`'s reply list gets the id when the execution ends.

    Returns:
        False when it has already ended, and nothing will be sent.

    Raises:
        UnknownExecution: there is no such execution.
    """
    keys = connection.keys.partition(execution_id)
    answer = await connection.call(
        _AWAIT,
        [keys.due, keys.control(execution_id), keys.projection(execution_id)],
        [execution_id, client],
    )
    if answer == b"UNKNOWN":
        raise UnknownExecution(execution_id)
    return bool(answer == b"WAITING")


async def next_ended(
    connection: Connection,
    keys: PartitionKeys,
    reader: BlockingReader,
    client: str,
    timeout_s: float,
) -> dict[str, StoredExecution | None]:
    """The next executions of a partition that ended of those `client` waits for, by their ids, as
    they stand now; none when `timeout_s` passed. None is one of which the store did not say more:
    ask for it."""
    replies = keys.replies(client)
    word, told = await reader.pop_then(
        [replies], timeout_s, lambda: ScriptCall(_TAKE_ENDED, [keys.due, replies], [])
    )
    # Its word was taken before, with a connection that was lost.
    ended: dict[str, StoredExecution | None] = {word.decode(): None} if word else {}
    for id_, item in codec.pairs(told):
        name = id_.decode()
        try:
            ended[name] = codec.execution(name, item, connection.sealing.open) if item else None
        except CorruptRecord:
            ended[name] = None
    return ended


async def all_executions(connection: Connection) -> AsyncIterator[tuple[str, float | None]]:
    """Ids of all executions, by their events and then by the indexes by type, with when those say
    they were created, unix ms; some come twice.

    Those that begin or end meanwhile may be missing. See https://redis.io/commands/scan/.
    """
    for keys in connection.keys.partitions:
        prefix = keys.events("")
        async for name in _scanned(connection, "SCAN", match=f"{_literally(prefix)}*", near=prefix):
            yield _readable(name).removeprefix(prefix), None
        async for some in _pages(connection, keys, Filters()):
            for entry in some.items():
                yield entry


async def all_due(connection: Connection) -> AsyncIterator[tuple[str, str]]:
    """Execution and kind of all that becomes due, but for leases, schedules and what was paused."""
    for keys in connection.keys.partitions:
        async for member, _ in _scanned(connection, "ZSCAN", keys.due, match="*"):
            kind, _, rest = _readable(member).partition("|")
            if kind not in _OF_NO_EXECUTION:
                yield rest.partition("|")[0], kind


async def examine(connection: Connection, execution_id: str) -> Examination:
    """What is kept of one execution, for checking it against its events.

    Bytes that are no text are shown by their numbers.

    Raises:
        CorruptRecord: one of its keys is of another kind.
    """
    keys = connection.keys.partition(execution_id)
    found = await connection.call(
        _EXAMINE,
        [
            keys.due,
            keys.events(execution_id),
            keys.control(execution_id),
            keys.projection(execution_id),
        ],
        [execution_id],
    )
    version, control, facts, statuses, indexes, queued, held, due, timers, trouble = found
    known = {_readable(key): value for key, value in codec.pairs(facts)}
    state: bytes = known.pop("sv", b"")
    known.pop("ch", None)
    return Examination(
        version,
        {
            _readable(key): _readable(value)
            for key, value in codec.pairs(control)
            if _readable(key) not in _ENCODED
        },
        {name: _readable(value) for name, value in known.items()},
        connection.sealing.open(state),
        frozenset(status.decode() for status in statuses),
        frozenset(name.decode() for name in indexes),
        queued,
        bool(held),
        int(float(due)) if due else None,
        frozenset(int(n) for n in timers),
        _readable(trouble) if trouble else None,
    )


async def rebuild(
    connection: Connection, execution_id: str, version: int, facts: dict[str, str], state: bytes
) -> bool:
    """Make the projection and index entries of an execution anew.

    Args:
        version: how many events `facts` and `state` were made of.
        facts: the projection's fields by their stored names.
        state: encoded state that it shows; empty for none.

    Returns:
        False if there are more events by now, and nothing was changed.
    """
    keys = connection.keys.partition(execution_id)
    fields = [word for pair in facts.items() for word in pair]
    answer = await connection.call(
        _REBUILD,
        [keys.due, keys.events(execution_id), keys.projection(execution_id)],
        [execution_id, version, connection.sealing.seal(state), *fields],
    )
    return bool(answer == b"OK")


async def forget_index_entry(connection: Connection, execution_id: str, created_ms: float) -> None:
    """Take an id that has no events out of the indexes, where it stands as created then."""
    keys = connection.keys.partition(execution_id)
    await connection.call(
        _FORGET,
        [keys.due, keys.events(execution_id), keys.projection(execution_id)],
        [execution_id, f"{created_ms:.0f}"],
    )


async def describe(connection: Connection, keys: PartitionKeys | None = None) -> Description:
    """What waits in which queue, who works, what is due, and how many executions there are.

    Args:
        keys: of the partition to look at; None is all of them. A worker is in every one.
    """
    workers: list[WorkerDescription] = []
    ready: dict[str, int] = {}
    executions: dict[str, int] = {}
    troubles: dict[str, str] = {}
    oldest_ms: dict[str, int] = {}
    limited: dict[str, int] = {}
    longest: dict[str, int] = {}
    now_ms = due = first_due_ms = in_trouble = long = 0

    async def ask(keys: PartitionKeys) -> Any:
        return await connection.call(
            _DESCRIBE, [keys.due, keys.workers, keys.queues], [connection.now()]
        )

    answers = await _from_each(connection, ask) if keys is None else [await ask(keys)]
    for answer in answers:
        at_ms, flat, waiting, in_due, due_ms, statuses, stopped, told, many, named = answer
        long += many
        longest.update((_readable(id_), int(events)) for id_, events in codec.pairs(named))
        now_ms = max(now_ms, at_ms)
        due += in_due
        first_due_ms = min(first_due_ms or due_ms, due_ms or first_due_ms)
        in_trouble += stopped
        troubles.update((_readable(id_), _readable(reason)) for id_, reason in codec.pairs(told))
        for start in range(0, len(waiting), 4):
            name, count, since_ms, held_back = waiting[start : start + 4]
            queue = name.decode()
            ready[queue] = ready.get(queue, 0) + count
            limited[queue] = limited.get(queue, 0) + held_back
            if since_ms:
                oldest_ms[queue] = min(oldest_ms.get(queue, since_ms), since_ms)
        for status, count in codec.pairs(statuses):
            executions[status.decode()] = executions.get(status.decode(), 0) + count
        for start in range(0, len(flat), 5):
            id_, *about = flat[start : start + 5]
            workers.append(WorkerDescription(id_.decode(), *about))
    return Description(
        now_ms,
        tuple(workers),
        ready,
        limited,
        oldest_ms,
        due,
        first_due_ms,
        executions,
        in_trouble,
        troubles,
        long,
        longest,
    )


async def _from_each(
    connection: Connection, ask: Callable[[PartitionKeys], Awaitable[T]]
) -> list[T]:
    """What each partition answers, in their order; all are asked at once."""
    partitions = connection.keys.partitions
    if len(partitions) == 1:
        return [await ask(partitions[0])]
    return await asyncio.gather(*map(ask, partitions))


async def _query_partition(
    connection: Connection,
    keys: PartitionKeys,
    filters: Filters,
    wanted: int | None,
    place: Place | None = None,
) -> list[tuple[float, str]]:
    found: dict[str, float] = {}
    async for some in _pages(connection, keys, filters, place):
        if place is not None:
            # What runs is looked at all at once, wherever it was to go on.
            some = {id_: at for id_, at in some.items() if (at, id_) < place}
        found.update(some)
        if wanted is not None and len(found) >= wanted:
            break
    return [(created, id_) for id_, created in found.items()]


async def _pages(
    connection: Connection,
    keys: PartitionKeys,
    filters: Filters,
    place: Place | None = None,
    by: str = "",
) -> AsyncIterator[dict[str, float]]:
    """What matches in a partition, the newest first, as the script looks at it. Where to go on is
    told by the last one seen: what begins, ends or is deleted meanwhile moves nothing.

    Args:
        place: where to go on.
        by: a field of the projection: then not ids with times, but its values with counts.
    """
    indexes = filters.indexes(keys)
    of_all = [keys.index("y", type_) for type_ in BY_TYPE]
    after: str = "" if place is None else str(place.created_ms)
    after_id: str | bytes = "" if place is None else place.id
    while True:
        done, last, last_id, flat = await connection.call(
            _QUERY,
            [keys.due, keys.workers, *(indexes or of_all)],
            [
                QUERY_UNITS,
                filters.newest,
                filters.oldest,
                after,
                after_id,
                filters.target or "",
                filters.status or "",
                filters.parent or "",
                filters.queue or "",
                filters.type or "",
                filters.schedule or "",
                int(filters.as_recorded),
                len(indexes),
                filters.fields,
                by,
            ],
        )
        yield {_readable(id_): float(created) for id_, created in codec.pairs(flat)}
        if done:
            return
        after, after_id = last.decode(), last_id


async def _scanned(
    connection: Connection, *words: str, match: str, near: str = ""
) -> AsyncIterator[Any]:
    cursor = 0
    while True:
        reply = await connection.command(
            *words, cursor, "MATCH", match, "COUNT", SCANNED_AT_ONCE, near=near
        )
        cursor = int(reply[0])
        for item in reply[1]:
            yield item
        if cursor == 0:
            return


def _readable(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


def _literally(text: str) -> str:
    """A glob pattern that matches just this text."""
    return "".join(f"\\{sign}" if sign in "*?[]^\\" else sign for sign in text)
