"""What workers say of themselves when they register, and who serves which queue."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rhythm.services.translation import translated
from streams import projections
from streams.connection import Connection


class WorkerAbout(msgspec.Struct, frozen=True):
    """A worker's own description. `tasks` maps each task to the queue its declaration names."""

    host: str
    pid: int
    queues: tuple[str, ...]
    tasks: Mapping[str, str | None]
    started_ms: int


class Colleague(msgspec.Struct, frozen=True):
    """A registered worker; `lease_left_ms` is negative when its lease has run out."""

    id: str
    about: WorkerAbout
    lease_left_ms: int
    holding: int


_decode = msgspec.msgpack.Decoder(WorkerAbout).decode


def encode_about(about: WorkerAbout) -> bytes:
    """A description as it is stored."""
    return msgspec.msgpack.encode(about)


def colleagues(described: projections.Description) -> list[Colleague]:
    """The workers in a description, the longest at work first."""
    found = [
        Colleague(
            worker.id,
            _decode(worker.about),
            worker.lease_ends_ms - described.now_ms,
            worker.holding,
        )
        for worker in described.workers
    ]
    return sorted(found, key=lambda one: (one.about.started_ms, one.id))


async def find_colleagues(connection: Connection) -> list[Colleague]:
    """The workers that are registered now."""
    with translated():
        return colleagues(await projections.describe(connection))


async def count_serving(connection: Connection, queue: str) -> int:
    """How many workers with a live lease serve a queue."""
    return sum(
        queue in one.about.queues and one.lease_left_ms > 0
        for one in await find_colleagues(connection)
    )


async def declared_queue(connection: Connection, task: str) -> str | None:
    """The queue that some registered worker's declaration of a task names."""
    for one in await find_colleagues(connection):
        if (queue := one.about.tasks.get(task)) is not None:
            return queue
    return None
