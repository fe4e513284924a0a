"""Every Redis key of a namespace, and which partition an execution lives in. Pure.

An execution and all its descendants share one partition, that is one hash tag, so that every
transition touches a single Redis Cluster slot. Scripts get a partition's prefix through its
due-set key and derive the rest by the same names as here.
"""

from __future__ import annotations

import binascii
import bisect
from collections.abc import Sequence

STANDALONE_TAGS: tuple[str, ...] = ("0",)
"""Hash tags of a deployment on one Redis: a single partition."""

SLOTS = 16_384
"""Key slots of a Redis Cluster."""

# So many four-digit tags that the slot of one is never far from any wanted: a slot or two.
_TAGS_TRIED = 10_000


def slot_of(key: str) -> int:
    """A key's slot in Redis Cluster (https://redis.io/docs/reference/cluster-spec/)."""
    tag = tag_of(key)
    return binascii.crc_hqx((tag or key).encode(), 0) % SLOTS


def tag_of(key: str) -> str:
    """A key's hash tag: what stands between its first braces; empty for none."""
    begun = key.partition("{")[2]
    tag, brace, _ = begun.partition("}")
    return tag if brace else ""


def guard_of(key: str) -> str:
    """A key of the same slot that never exists.

    Redis Cluster refuses what names it together with one that exists while their slot is being
    moved, and only then: before anything was done. For a key without a tag that is no such key.
    """
    return beside(key, "!")


def mark_of(key: str) -> str:
    """A key of the same slot that is written behind what replicas are to confirm: they have all
    that came before it."""
    return beside(key, "b:mark")


def beside(key: str, name: str) -> str:
    """A key of that name with the same namespace and hash tag."""
    before, brace, _ = key.partition("}")
    assert brace, f"{key} has no hash tag"
    return f"{before}}}:{name}"


def even_tags(count: int) -> tuple[str, ...]:
    """Hash tags whose slots lie evenly over all slots, so that each master gets its share.

    Masters hold runs of slots; tags such as 0, 1, 2 would fall where chance puts them.
    """
    if count == 1:
        return STANDALONE_TAGS
    tags = sorted(map(str, range(_TAGS_TRIED)), key=slot_of)
    slots = [slot_of(tag) for tag in tags]
    middles = [(2 * part + 1) * SLOTS // (2 * count) for part in range(count)]
    return tuple(tags[bisect.bisect_left(slots, middle)] for middle in middles)


def run_id(first: str, number: int) -> str:
    """The id of an execution's run: the first has the execution's own."""
    return first if number == 1 else f"{first}~{number}"


def run_of(execution_id: str) -> tuple[str, int]:
    """The first run's id, which is the execution's own, and the number of the run."""
    first, tilde, number = execution_id.rpartition("~")
    is_number = number.isascii() and number.isdecimal()
    return (first, int(number)) if tilde and is_number else (execution_id, 1)


class PartitionKeys:
    """Names of the keys of one partition."""

    __slots__ = ("prefix", "tag")

    def __init__(self, namespace: str, tag: str) -> None:
        self.tag = tag
        self.prefix = f"{namespace}:{{{tag}}}:"

    @property
    def guard(self) -> str:
        """Never exists: keeps scripts of a Cluster away while its slot is being moved."""
        return guard_of(self.prefix)

    @property
    def mark(self) -> str:
        """Written behind what replicas are to confirm."""
        return mark_of(self.prefix)

    @property
    def due(self) -> str:
        """Sorted set of all that becomes due, scored by unix ms. Also carries the prefix."""
        return self.prefix + "t"

    @property
    def workers(self) -> str:
        """Hash: worker incarnation -> what it said of itself when it registered."""
        return self.prefix + "w"

    @property
    def queues(self) -> str:
        """Set of the queues that ever got work, but for ``default``, which always exists."""
        return self.prefix + "q"

    def events(self, execution_id: str) -> str:
        """Stream of an execution's events, entry ids ``<version>-0``."""
        return f"{self.prefix}e:{execution_id}"

    @property
    def draft(self) -> str:
        """Stream where a script makes the first event of another one; gone when it has ended."""
        return self.prefix + "n"

    def staged(self, execution_id: str) -> str:
        """Stream of the events that a fork is to begin with, while they are gathered."""
        return f"{self.prefix}f:{execution_id}"

    def control(self, execution_id: str) -> str:
        """Record that transitions decide from; gone once the execution has ended."""
        return f"{self.prefix}k:{execution_id}"

    def further(self, execution_id: str) -> str:
        """Hash of what few executions have besides; gone with the record."""
        return f"{self.prefix}k+:{execution_id}"

    def projection(self, execution_id: str) -> str:
        """Hash of small facts that queries read."""
        return f"{self.prefix}x:{execution_id}"

    @property
    def outbox(self) -> str:
        """Stream of messages to other trees that are to be delivered."""
        return self.prefix + "o"

    @property
    def paused(self) -> str:
        """Sorted set of executions that are paused each by itself, by when they were, unix ms."""
        return self.prefix + "h"

    def children(self, execution_id: str) -> str:
        """Hash of live children by number."""
        return f"{self.prefix}c:{execution_id}"

    def mailbox(self, worker: str) -> str:
        """List of executions in a worker's hands that it should look at."""
        return f"{self.prefix}m:{worker}"

    def mailbox_bell(self, worker: str) -> str:
        """List rung when a worker's mailbox has something."""
        return f"{self.prefix}b:m:{worker}"

    def snapshot(self, execution_id: str) -> str:
        """Hash of a workflow's machine as it stood at some event, with that event's identity."""
        return f"{self.prefix}s:{execution_id}"

    def newest_run(self, execution_id: str) -> str:
        """Number of the newest run of an execution that restarted, by its first run's id."""
        return f"{self.prefix}n:{execution_id}"

    def requests(self, execution_id: str) -> str:
        """Hash: request id -> the version it produced."""
        return f"{self.prefix}r:{execution_id}"

    def ready(self, queue: str) -> str:
        """List of work that a worker may take, oldest at the head."""
        return f"{self.prefix}q:{queue}"

    def in_turn(self, queue: str) -> str:
        """Sorted set of a queue's lanes that have work, who comes first to the front."""
        return f"{self.prefix}g:{queue}"

    @property
    def turns(self) -> str:
        """Hash: queue that ever had lanes -> how many turns they have had."""
        return self.prefix + "g"

    def lane(self, lane: str, queue: str) -> str:
        """List of work of one priority and key, as `ready`."""
        return f"{self.prefix}u:{lane} {queue}"

    def door(self, worker: str) -> str:
        """List of activations whose machines a worker holds: it comes first to them."""
        return f"{self.prefix}h:{worker}"

    def held(self, worker: str) -> str:
        """Hash of what a worker holds; its field ``#`` is the last call's number."""
        return f"{self.prefix}a:{worker}"

    def queue_bell(self, queue: str) -> str:
        """List rung when a queue has work."""
        return f"{self.prefix}b:q:{queue}"

    @property
    def troubles(self) -> str:
        """Hash: execution -> what stops it, in words."""
        return self.prefix + "z"

    @property
    def long_histories(self) -> str:
        """Sorted set of live workflows whose histories are long, by their events."""
        return self.prefix + "v"

    @property
    def due_bell(self) -> str:
        """List rung when what becomes due first has changed."""
        return self.prefix + "b:due"

    @property
    def resign_bell(self) -> str:
        """List rung when the timekeeper leaves."""
        return self.prefix + "b:resign"

    @property
    def timekeeper(self) -> str:
        """Hash: which worker is timekeeper, and until when."""
        return self.prefix + "b:keeper"

    @property
    def schedules(self) -> str:
        """Set of the ids of all schedules."""
        return self.prefix + "j"

    def schedule(self, schedule_id: str) -> str:
        """Hash of a schedule: what it starts and when, and what came of it."""
        return f"{self.prefix}j:{schedule_id}"

    def running(self, schedule_id: str) -> str:
        """Sorted set of the executions that a schedule started and that live, by due time."""
        return f"{self.prefix}l:{schedule_id}"

    def waiting(self, schedule_id: str) -> str:
        """List of due times that wait for the end of what a schedule started before."""
        return f"{self.prefix}y:{schedule_id}"

    @property
    def pauses(self) -> str:
        """Hash of paused queues, workflows and tasks: ``queue:<name>`` -> since when, and why."""
        return self.prefix + "f"

    @property
    def limits(self) -> str:
        """Hash: ``queue:<name>``, ``task:<name>``, ``declared:<task>`` -> limits, six numbers."""
        return self.prefix + "p"

    @property
    def rules(self) -> str:
        """Hash: rule -> revision and what it says, as this of several partitions has heard."""
        return self.prefix + "r"

    def begun(self, limit: str) -> str:
        """List: when what a limit counts began here, unix ms, the latest first."""
        return f"{self.prefix}p:{limit}"

    @property
    def shares(self) -> str:
        """Hash: limit -> what this of several partitions may have of it."""
        return self.prefix + "p:s"

    def aside(self, kind: str, name: str) -> str:
        """List of executions of a paused workflow or task that were to be taken."""
        return f"{self.prefix}f:{kind}:{name}"

    def replies(self, client: str) -> str:
        """List of executions that ended and that this client waits for."""
        return f"{self.prefix}b:c:{client}"

    @property
    def index_notes(self) -> str:
        """List of changes of the indexes that are not folded in yet."""
        return self.prefix + "i"

    def index(self, name: str, value: str | None = None) -> str:
        """The newest chunk of an index, a sorted set of execution ids by creation time, for
        one value of a filter. Where the others are knows ``lua/include/index.lua``."""
        return f"{self.prefix}i:{name}" if value is None else f"{self.prefix}i:{name}:{value}"


class KeySpace:
    """All keys of a namespace.

    Args:
        namespace: what every key begins with.
        tags: the partitions' hash tags, in order; fixed when the namespace is set up.
    """

    __slots__ = ("namespace", "partitions")

    def __init__(self, namespace: str, tags: Sequence[str] = STANDALONE_TAGS) -> None:
        self.namespace = namespace
        self.partitions = tuple(PartitionKeys(namespace, tag) for tag in tags)

    @property
    def meta(self) -> str:
        """Hash: schema number and partitions' tags."""
        return f"{self.namespace}:meta"

    def definition(self, name: str) -> str:
        """Hash of a workflow's sources: digest -> source, ``latest`` -> digest."""
        return f"{self.definition_names}:{name}"

    @property
    def definition_names(self) -> str:
        """Set of the names of all registered workflows; it and they share a slot."""
        return f"{self.namespace}:{{d}}"

    def partition(self, execution_id: str) -> PartitionKeys:
        """The partition of an execution: CRC16 of its root's id, before any ``!`` or ``~``.

        A cron fire is named ``<schedule>!<due>`` and so lives beside its schedule.
        """
        if len(self.partitions) == 1:
            return self.partitions[0]
        return self._by_name(execution_id.partition("/")[0].partition("!")[0].partition("~")[0])

    def home(self, limit: str) -> PartitionKeys:
        """The partition that grants the others what a limit allows."""
        return self._by_name(limit)

    def _by_name(self, name: str) -> PartitionKeys:
        return self.partitions[binascii.crc_hqx(name.encode(), 0) % len(self.partitions)]
