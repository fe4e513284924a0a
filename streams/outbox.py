"""What crosses trees: messages that a transition left for executions in other partitions.

They are written with the transition that sends them, delivered at least once by the timekeeper, and
accepted by the receiver once: every step of a delivery carries a request id made of the sender and
its command. The oldest is delivered first, and removed by the step that does the last of it.

A failover may bring back messages that were delivered, with nothing done for them yet, or lose some
that were read. So each step is only done while its message is the oldest there is. Where the
receiver lies in another partition nobody can see that; such a message is removed by a call of its
own, which looks in the same way: a failover may have given its number to another one.
"""

from __future__ import annotations

import msgspec

from streams.codec import texts_and_payload
from streams.connection import Connection
from streams.errors import Overtaken
from streams.keys import PartitionKeys
from streams.scripts import load
from streams.sealing import Change

_REMOVE = load("remove_message")

READ_AT_ONCE = 64
"""Messages that one reading gives; their payloads travel with them."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message to another tree.

    Attributes:
        entry: its id in the outbox.
        kind: ``signal``, ``start``, ``cancel``, ``terminate``, ``end`` of what was started, or
            ``fire`` of a schedule, which is its sender and receiver.
        sender: the execution that sent it.
        incarnation: the sender's; of an ``end`` the event of the receiver that asked, as `asked`.
        to: the execution that it is for.
        n: the sender's command, for ``end`` the receiver's, for ``fire`` the due time in unix ms.
        cause: token or request of the transition that left it.
        outbox: key of the stream that it lies in.
        plain: more of it by stored names: ``t`` type of an ``end``; of a ``signal`` and ``start``
            ``v`` version of the event that sent it; of a ``start`` ``w`` policy,
            ``tg`` target, ``q`` queue, ``df`` definition, ``h`` content, ``b`` bounds,
            ``ab`` attributes; of a ``fire`` ``a`` when its time had come, unix ms.
        payload: encoded event or reason.
    """

    entry: str
    kind: str
    sender: str
    incarnation: str
    to: str
    n: int
    cause: str
    outbox: str
    plain: dict[str, str]
    payload: bytes

    @property
    def asked(self) -> str:
        """The event that an answer is for: its version and its cause, which tell it from what stood
        there before a failover."""
        return self.incarnation if self.kind == "end" else f"{self.plain['v']} {self.cause}"


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A step of delivering a message; the `last` one removes it."""

    message: Message
    last: bool = False

    def argument(self, keys: PartitionKeys) -> str:
        """What a script gets that does this step in the receiver's partition."""
        message = self.message
        if message.outbox != keys.outbox:
            return ""
        return (
            f"{int(self.last)} {message.entry} {message.kind} {message.sender} "
            f"{message.incarnation} {message.to} {message.n} {message.cause}"
        )


def argument(delivery: Delivery | None, keys: PartitionKeys) -> str:
    """`Delivery.argument`, or what says that nothing is delivered."""
    return "" if delivery is None else delivery.argument(keys)


async def waiting(connection: Connection) -> int:
    """How many messages were not removed yet, in all partitions."""
    counts = [await connection.command("XLEN", keys.outbox) for keys in connection.keys.partitions]
    return sum(map(int, counts))


async def read(connection: Connection, keys: PartitionKeys) -> list[Message]:
    """The oldest messages that were not removed yet."""
    entries = await connection.command("XRANGE", keys.outbox, "-", "+", "COUNT", READ_AT_ONCE)
    return [
        _message(entry_id, fields, keys.outbox, connection.sealing.open)
        for entry_id, fields in entries
    ]


async def remove(connection: Connection, message: Message) -> None:
    """Forget a message that was delivered in another partition.

    Raises:
        Overtaken: it is not the oldest one.
    """
    keys = next(keys for keys in connection.keys.partitions if keys.outbox == message.outbox)
    done = Delivery(message, last=True).argument(keys)
    if await connection.call(_REMOVE, [keys.due, keys.outbox], [done]) == b"OVERTAKEN":
        raise Overtaken(message.entry)


def _message(entry_id: bytes, fields: dict[bytes, bytes], outbox: str, unsealed: Change) -> Message:
    plain, payload = texts_and_payload(fields)
    return Message(
        entry_id.decode(),
        plain.pop("k"),
        plain.pop("f"),
        plain.pop("i"),
        plain.pop("to"),
        int(plain.pop("n")),
        plain.pop("c"),
        outbox,
        plain,
        unsealed(payload),
    )
