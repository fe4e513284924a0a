"""An execution's events: read them in order, follow them as they come.

They are appended inside transitions only, by the scripts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from streams import codec
from streams.codec import Snapshot, StoredEvent
from streams.connection import Connection, DirectCaller
from streams.errors import CorruptRecord
from streams.keys import PartitionKeys

# One page stays well under a megabyte for ordinary events and costs the server well under 1 ms.
PAGE = 500

# A blocking read is ended and begun again this often, so that a dead connection is noticed.
FOLLOW_SLICE_S = 5.0


async def read(
    connection: Connection, execution_id: str, *, after: int = 0, upto: int | None = None
) -> AsyncIterator[StoredEvent]:
    """An execution's events, oldest first, read in pages.

    Args:
        after: the version after which to begin; 0 for the first event.
        upto: the last version to give; None for all there are.

    Raises:
        CorruptRecord: an entry does not decode; the events before it were given.
    """
    stream = connection.keys.partition(execution_id).events(execution_id)
    end = "+" if upto is None else f"{upto}-0"
    while True:
        entries = await connection.command("XRANGE", stream, f"{after + 1}-0", end, "COUNT", PAGE)
        if not entries:
            return
        for entry in entries:
            event = codec.event(entry, execution_id, connection.sealing.open)
            yield event
            after = event.version
        if len(entries) < PAGE:
            return


async def snapshot(connection: Connection, execution_id: str) -> Snapshot | None:
    """The kept machine of a workflow, if there is one; compare its identity before use.

    Raises:
        CorruptRecord: it is damaged.
    """
    kept = await connection.command(
        "HMGET", connection.keys.partition(execution_id).snapshot(execution_id), "u", "i", "d"
    )
    if None in kept:
        return None
    try:
        return codec.snapshot(kept, connection.sealing.open)
    except ValueError as error:
        raise CorruptRecord(execution_id, f"its snapshot is damaged ({error})") from error


def newest(caller: DirectCaller, keys: PartitionKeys, execution_id: str) -> StoredEvent | None:
    """An execution's last event, read without the event loop; None if there is no such execution.

    Raises:
        CorruptRecord: the entry does not decode.
    """
    entries = caller.command("XREVRANGE", keys.events(execution_id), "+", "-", "COUNT", 1)
    return codec.event(entries[0], execution_id, caller.sealing.open) if entries else None


async def follow(
    connection: Connection, execution_id: str, *, after: int = 0
) -> AsyncGenerator[StoredEvent, None]:
    """An execution's events as they are appended, oldest first, without end.

    Args:
        after: the version after which to begin; 0 for the first event.

    Raises:
        BackendUnavailable: the connection failed; begin again after the last event given.
        CorruptRecord: an entry does not decode.
    """
    stream = connection.keys.partition(execution_id).events(execution_id)
    reader = connection.reader()
    try:
        while True:
            for entry in await reader.entries_after(stream, f"{after}-0", FOLLOW_SLICE_S):
                event = codec.event(entry, execution_id, connection.sealing.open)
                yield event
                after = event.version
    finally:
        await reader.close()
