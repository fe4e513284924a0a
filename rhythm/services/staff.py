"""What workers say of themselves when they register, and who serves which queue."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from rhythm.services.translation import translated
from rhythm.tasks import TaskRegistry
from streams import projections
from streams.connection import Connection
from streams.keys import PartitionKeys

logger = logging.getLogger("rhythm.client")


class TaskAbout(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a task's declaration says: its queue, and its options in a script's words."""

    queue: str | None = None
    options: Mapping[str, Any] = {}


class WorkerAbout(msgspec.Struct, frozen=True):
    """A worker's own description.

    Attributes:
        tasks: each task, with what its declaration says.
        started_ms: by its own clock.
        lease_ms: how long it may be silent.
        concurrency: how many executions it is at, at most; 0 from a release that did not say.
        ahead_ms: by how much its clock was ahead of the store's when it began.
        version, python: the releases of Rhythm and Python that it runs.
        build: which build of its program it is, as the setting says, else its Git commit.
    """

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    tasks: Mapping[str, TaskAbout]
    started_ms: int
    lease_ms: int = 10_000
    concurrency: int = 0
    ahead_ms: int = 0
    version: str = ""
    python: str = ""
    build: str = ""


class Colleague(msgspec.Struct, frozen=True):
    """A registered worker.

    Attributes:
        id: its name, or in one partition the name of its incarnation there.
        lease_left_ms: negative when its lease has run out; the shortest of all partitions.
        holding: how many executions, in all partitions.
        silent_ms: how long ago it last claimed or asked in vain, in the partition where that is
            longest; None when there is one where it never did.
    """

    id: str
    about: WorkerAbout
    lease_left_ms: int
    holding: int
    silent_ms: int | None

    @property
    def is_able(self) -> bool:
        """Whether it has claimed, or could have, within its lease's time."""
        return self.silent_ms is not None and self.silent_ms <= self.about.lease_ms


_decode = msgspec.msgpack.Decoder(WorkerAbout).decode


def encode_about(about: WorkerAbout) -> bytes:
    """A description as it is stored."""
    return msgspec.msgpack.encode(about)


def colleagues(described: projections.Description) -> list[Colleague]:
    """The workers in a description of all partitions, the longest at work first."""
    found: dict[str, Colleague] = {}
    for one in _incarnations(described):
        name = one.about.name
        before = found.get(name, one)
        silences = [ms for ms in (before.silent_ms, one.silent_ms) if ms is not None]
        found[name] = Colleague(
            name,
            one.about,
            min(one.lease_left_ms, before.lease_left_ms),
            one.holding + (before.holding if name in found else 0),
            max(silences) if len(silences) == 2 else None,
        )
    return sorted(found.values(), key=lambda one: (one.about.started_ms, one.id))


async def find_incarnations(connection: Connection, keys: PartitionKeys) -> list[Colleague]:
    """The workers that are registered in a partition now, by what they are called there."""
    with translated():
        return _incarnations(await projections.describe(connection, keys))


async def count_serving(connection: Connection, keys: PartitionKeys, queue: str) -> int:
    """How many workers with a live lease serve a queue in a partition."""
    return sum(
        queue in one.about.queues and one.lease_left_ms > 0
        for one in await find_incarnations(connection, keys)
    )


async def declared_task(
    connection: Connection, keys: PartitionKeys, registry: TaskRegistry, task: str
) -> TaskAbout | None:
    """What the declaration of a task says, here or at some worker that is registered in a
    partition; None if unknown."""
    declared = registry.get(task)
    if declared is not None:
        return TaskAbout(declared.queue, declared.options)
    for one in await find_incarnations(connection, keys):
        if (about := one.about.tasks.get(task)) is not None:
            return about
    return None


def _incarnations(described: projections.Description) -> list[Colleague]:
    found = []
    for worker in described.workers:
        try:
            about = _decode(worker.about)
        except msgspec.DecodeError as error:
            logger.warning("what worker %s says of itself cannot be read: %s", worker.id, error)
            continue
        found.append(
            Colleague(
                worker.id,
                about,
                worker.lease_ends_ms - described.now_ms,
                worker.holding,
                described.now_ms - worker.claimed_ms if worker.claimed_ms else None,
            )
        )
    return sorted(found, key=lambda one: (one.about.started_ms, one.id))
