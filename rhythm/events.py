"""The durable vocabulary: what the events of a history carry.

Event types are never renamed and never reused, fields are only ever added, with a default: a
history written by any release must replay for ever. What a script of the store fills in beside the
payload (child number, attempt, worker, due time) stays a plain field of the stored event.

A stored payload is msgpack and its CRC-32: whatever else comes back is told, and never decided by.

=================== =========================================================== ==================
type                meaning                                                     payload
=================== =========================================================== ==================
created             the execution begins                                        Created
postponed           one that waits begins later, as a newer start says          Created
completed           terminal: it gave its output                                Completed
failed              terminal: it ended with an error                            Failed
cancelled           terminal: it was ended from outside                         Cancelled
restarted           terminal: it goes on as a successor with a fresh history    Restarted
started             a worker began attempt `n` of a task                        none
attempt_failed      attempt `n` failed, the next is due at `r`                  AttemptFailed
released            attempt `n` was given back unrun, due at `r`                Released
child_completed     child `n` of a workflow gave its output                     Completed
child_failed        child `n` of a workflow failed                              Failed
child_cancelled     child `n` of a workflow was ended from outside              Cancelled
timer_fired         timer `n` of a workflow came due                            none
signal_received     somebody sent a signal to a workflow                        SignalReceived
cancel_requested    somebody wants a workflow to end                            CancelRequested
forked              a workflow's events up to here were another one's           Forked
migrated            a workflow goes on with another source                      Migrated
decided             what a workflow decided, having been fed up to `u`          Decided
=================== =========================================================== ==================
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from flowlang import SourceMapping
from flowlang.protocol import Command, Edit, ErrorInfo
from rhythm.errors import UnreadableEvent, quoted
from streams.sealing import codec_of


class Origin(msgspec.Struct, frozen=True):
    """The execution that a fork shares its history with, and the last event that it shares."""

    execution_id: str
    version: int


class TraceContext(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What W3C's trace context (https://www.w3.org/TR/trace-context/) hands on: the trace, and the
    span in it, under which something is started."""

    traceparent: str
    tracestate: str | None = None


class Created(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an execution began.

    Attributes:
        inputs: msgpack of the inputs, an object.
        parent: the id of the workflow that asked for it; `n` is that workflow's command. Its own id
            says both, so that they are not stored; `decode` fills them in.
        definition: of a workflow, the digest of its source.
        language: of a workflow, the language version that it keeps to its end.
        seed: what a workflow's randomness comes from.
        options: of a task, what the workflow asked for, in Flow's own words.
        run_at_ms: unix ms before which it was not to start.
        started_by: of a root, the workflow that started it under an id of its own.
        forked_from: of a fork, which is told by its `forked` event when that came to be.
        context: of a fork, what its script sees as `Context` until the first such event.
        restarted_from: the execution that it goes on with, when that restarted.
        trace: the trace that it is part of; None, and no byte, where nobody traces.
        priority, key: in whose turn it comes, and what it starts; None for the usual, nobody's.
    """

    type: Literal["workflow", "task"]
    target: str
    queue: str
    inputs: msgspec.Raw
    parent: str | None = None
    n: int | None = None
    definition: str | None = None
    language: int = 1
    seed: int = 0
    options: dict[str, Any] = {}
    run_at_ms: int | None = None
    started_by: str | None = None
    forked_from: Origin | None = None
    context: dict[str, Any] | None = None
    restarted_from: str | None = None
    trace: TraceContext | None = None
    priority: int | None = None
    key: str | None = None


class Completed(msgspec.Struct, frozen=True):
    """The output, as msgpack."""

    output: msgspec.Raw


class Failed(msgspec.Struct, frozen=True):
    """The error that ended it."""

    error: ErrorInfo

    @property
    def found_by(self) -> str:
        """The error's name as executions are found by it."""
        return found_by(self.error.name)


ERROR_NAME_LENGTH: Final = 64


def found_by(error_name: str) -> str:
    """The name of an error as it is stored, readable, and compared: in one line, its first 64
    characters; a script may call its errors anything."""
    return " ".join(error_name.split())[:ERROR_NAME_LENGTH].rstrip()


class Cancelled(msgspec.Struct, frozen=True):
    """Why it was ended."""

    reason: str | None = None


class Restarted(msgspec.Struct, frozen=True):
    """The execution that goes on with `inputs`, which are msgpack, and the source that it runs."""

    successor: str
    inputs: msgspec.Raw
    definition: str


class AttemptFailed(msgspec.Struct, frozen=True):
    """The error of one attempt."""

    error: ErrorInfo


class Released(msgspec.Struct, frozen=True):
    """Why it was given back."""

    reason: str


class SignalReceived(msgspec.Struct, frozen=True, omit_defaults=True):
    """A signal's name, its payload as msgpack, and the trace that it was sent in."""

    name: str
    payload: msgspec.Raw
    trace: TraceContext | None = None


class CancelRequested(msgspec.Struct, frozen=True):
    """Why it is to end."""

    reason: str | None = None


class Forked(msgspec.Struct, frozen=True, omit_defaults=True):
    """It is an execution of its own from here on.

    Attributes:
        origin: whose events those before are.
        context: what the script sees as `Context` from here on.
        edits: variables that were given other values.
        again: what was asked for before and nobody will answer: it is asked for once more.
    """

    origin: Origin
    context: dict[str, Any]
    edits: tuple[Edit, ...] = ()
    again: tuple[Command, ...] = ()


class Migrated(msgspec.Struct, frozen=True, omit_defaults=True):
    """The definition that it goes on with.

    Attributes:
        mapping: where in that source it goes on; None if its history replays on it too.
    """

    definition: str
    mapping: SourceMapping | None = None


class Decided(msgspec.Struct, frozen=True, omit_defaults=True):
    """Commands of a workflow, in the order it gave them.

    Attributes:
        more: whether the same decision goes on in the next such event.
    """

    commands: tuple[Command, ...]
    more: bool = False


Payload = (
    Created
    | Completed
    | Failed
    | Cancelled
    | Restarted
    | AttemptFailed
    | Released
    | SignalReceived
    | CancelRequested
    | Forked
    | Migrated
    | Decided
)

PAYLOADS: Final[Mapping[str, type[Payload] | None]] = {
    "created": Created,
    "postponed": Created,
    "completed": Completed,
    "failed": Failed,
    "cancelled": Cancelled,
    "restarted": Restarted,
    "started": None,
    "attempt_failed": AttemptFailed,
    "released": Released,
    "child_completed": Completed,
    "child_failed": Failed,
    "child_cancelled": Cancelled,
    "timer_fired": None,
    "signal_received": SignalReceived,
    "cancel_requested": CancelRequested,
    "forked": Forked,
    "migrated": Migrated,
    "decided": Decided,
}
"""Every event type, with what its payload is."""

TERMINAL: Final = frozenset({"completed", "failed", "cancelled", "restarted"})
"""Types of which exactly one ends a history."""


# Written by the store itself when a worker was lost or silent.
_MAY_BE_BARE: Final = frozenset({"attempt_failed"})

_SUM: Final = 4

_encode = msgspec.msgpack.Encoder().encode
_DECODERS = {kind: msgspec.msgpack.Decoder(kind) for kind in PAYLOADS.values() if kind is not None}


def content_of(created: Created) -> str:
    """A digest that is the same for starts of the same thing under one id."""
    same = msgspec.json.encode(
        [created.type, created.target, value_of(created.inputs)], order="sorted"
    )
    return hashlib.blake2b(same, digest_size=8).hexdigest()


def encode(payload: Payload) -> bytes:
    """A payload as it is stored."""
    return with_sum(_encode(payload))


def with_sum(content: bytes) -> bytes:
    """What is to be read back as it is: `content`, and what tells whether it was changed."""
    return content + zlib.crc32(content).to_bytes(_SUM, "little")


def without_sum(stored: bytes) -> memoryview:
    """What `with_sum` was given.

    Raises:
        ValueError: `stored` is not what was written.
    """
    content = memoryview(stored)[:-_SUM]
    if len(stored) < _SUM or zlib.crc32(content) != int.from_bytes(stored[-_SUM:], "little"):
        raise ValueError("its bytes are not those that were written")
    return content


def raw(value: object) -> msgspec.Raw:
    """A JSON value, encoded once and carried as it is."""
    return msgspec.Raw(_encode(value))


def encode_value(value: object) -> bytes:
    """A JSON value as it is stored."""
    return _encode(value)


def value_of(encoded: msgspec.Raw) -> Any:
    """The JSON value that was carried."""
    return msgspec.msgpack.decode(encoded)


def decode(execution_id: str, version: int, type: str, payload: bytes) -> Payload | None:
    """The payload of a stored event; None for types that carry none.

    Raises:
        UnreadableEvent: naming the execution and the event.
    """
    try:
        kind = PAYLOADS[type]
    except KeyError:
        raise UnreadableEvent(
            execution_id, version, f"this release knows no event type {quoted(type)}"
        ) from None
    if not payload:
        if kind is None or type in _MAY_BE_BARE:
            return None
        raise UnreadableEvent(execution_id, version, "its payload is missing")
    if kind is None:
        raise UnreadableEvent(execution_id, version, f"a {type} event has no payload")
    if (codec := codec_of(payload)) is not None:
        raise UnreadableEvent(
            execution_id, version, f"its codec {quoted(codec)} is not set here, or cannot read it"
        )
    try:
        decoded = _DECODERS[kind].decode(without_sum(payload))
        if kind is Created and "/" in execution_id:
            parent, _, run = execution_id.rpartition("/")
            msgspec.structs.force_setattr(decoded, "parent", parent)
            msgspec.structs.force_setattr(decoded, "n", int(run.partition("~")[0]))
        return decoded
    except ValueError as error:  # also of msgspec
        raise UnreadableEvent(execution_id, version, str(error)) from error


def plain_number(execution_id: str, version: int, plain: Mapping[str, str], name: str) -> int:
    """A number that a script of the store filled in.

    Raises:
        UnreadableEvent: it is not there, or no number.
    """
    text = plain.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise UnreadableEvent(execution_id, version, f"its field {name!r} is no number")
    return int(text)
