"""What crosses trees: messages that a transition left for executions in other partitions.

They are written with the transition that sends them, delivered at least once by the timekeeper, and
accepted by the receiver once: every step of a delivery carries a request id made of the sender and
its command. A message is removed when all of it was done.
"""

from __future__ import annotations

import msgspec

from streams.codec import texts_and_payload
from streams.connection import Connection
from streams.keys import PartitionKeys
from streams.sealing import Change

READ_AT_ONCE = 64
"""Messages that one reading gives; their payloads travel with them."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message to another tree.

    Attributes:
        entry: its id in the outbox.
        kind: ``signal``, ``start``, ``cancel``, ``terminate``, or ``end`` of what was started.
        sender: the execution that sent it; `incarnation` is its own, for ``end`` the receiver's.
        to: the execution that it is for.
        n: the sender's command, for ``end`` the receiver's.
        plain: more of it by stored names: ``t`` type of an ``end``; of a ``start`` ``w`` policy,
            ``tg`` target, ``q`` queue, ``df`` definition, ``h`` content, ``b`` bounds.
        payload: encoded event or reason.
    """

    entry: str
    kind: str
    sender: str
    incarnation: str
    to: str
    n: int
    plain: dict[str, str]
    payload: bytes


async def read(connection: Connection, keys: PartitionKeys) -> list[Message]:
    """The oldest messages that were not removed yet."""
    entries = await connection.command("XRANGE", keys.outbox, "-", "+", "COUNT", READ_AT_ONCE)
    return [_message(entry_id, fields, connection.sealing.open) for entry_id, fields in entries]


async def remove(connection: Connection, keys: PartitionKeys, message: Message) -> None:
    """Forget a message that was delivered."""
    await connection.command("XDEL", keys.outbox, message.entry)


def _message(entry_id: bytes, fields: dict[bytes, bytes], unsealed: Change) -> Message:
    plain, payload = texts_and_payload(fields)
    return Message(
        entry_id.decode(),
        plain.pop("k"),
        plain.pop("f"),
        plain.pop("i"),
        plain.pop("to"),
        int(plain.pop("n")),
        plain,
        unsealed(payload),
    )
