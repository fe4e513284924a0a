"""Replies of Redis <-> records. Pure.

The one place that knows the shapes in which scripts answer: the rest of the package sees records.
Payloads come as they are stored, and are unsealed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from streams.errors import CorruptRecord
from streams.sealing import Change


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """One entry of an execution's stream.

    Attributes:
        version: 1, 2, 3 … within the execution.
        type: the event's name, e.g. ``created``.
        at_ms: when, unix ms.
        cause: the token or request that produced it.
        payload: encoded content, empty for events that need none.
        plain: the small fields that a script filled in, by their stored names: ``n`` child, timer
            or attempt, ``r`` due ms, ``u`` upto, ``e`` an error's name.
    """

    version: int
    type: str
    at_ms: int
    cause: str
    payload: bytes
    plain: dict[str, str]

    @property
    def identity(self) -> str:
        """What tells it from another event that took its version after a failover."""
        return f"{self.at_ms} {self.cause}"

    @property
    def worker(self) -> str | None:
        """Of a task's `started`, the worker that began it, which its token names."""
        return self.cause.rpartition(".")[0] if self.type == "started" else None


class TaskClaim(msgspec.Struct, frozen=True, gc=False):
    """A task handed to a worker.

    Attributes:
        attempt: 1 for the first run; counts lost and failed ones.
        created: payload of its `created` event.
        details: what an earlier attempt last said with its heartbeat, encoded; empty for nothing.
        lost: how many workers were lost holding it.
        unknown_since_ms: since when no worker has known it, 0 if one always did.
        ready_ms: since when it could be handed out, unix ms.
        token: what its settlement must show.
    """

    id: str
    attempt: int
    created: bytes
    lost: int
    unknown_since_ms: int
    token: str
    details: bytes = b""
    ready_ms: int = 0

    @property
    def worker(self) -> str:
        """The incarnation that claimed it."""
        return self.token.rpartition(".")[0]


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """A machine as it stood at event `upto`, which had this identity."""

    upto: int
    identity: str
    data: bytes


class WorkflowClaim(msgspec.Struct, frozen=True, gc=False):
    """An activation handed to a worker.

    Attributes:
        upto: the version up to which the last worker had fed the machine.
        version: the stream's version at the claim.
        held_by: the worker whose machine stood at `upto`; empty for none.
        lost: how many workers were lost holding it.
        snapshot: a machine to begin with, if this worker is not `held_by` and there is one.
        first: the first event, if there is a snapshot.
        events: the first events from `upto` on if this worker is `held_by`, else behind the
            snapshot, else from the first on; when the last one's version is below `version`, the
            rest must be read.
        token: what its settlement must show.
    """

    id: str
    upto: int
    version: int
    held_by: str
    lost: int
    snapshot: Snapshot | None
    first: StoredEvent | None
    events: tuple[StoredEvent, ...]
    token: str


class StoredExecution(msgspec.Struct, frozen=True, gc=False):
    """What a reader is told of one execution.

    Attributes:
        facts: the projection's fields by their stored names.
        version: count of events; recorded: how many were recorded, of one that has not ended: more
            than there are, if some were lost.
        first: its `created` event; last: its newest event.
        wake: ``idle``, ``queued``, ``claimed``, ``due``, ``stuck``, ``paused``; empty once it has
            ended.
        due_ms: when it is handed out, if it waits for a time.
        state: encoded state that a workflow shows; empty for none.
        progress: encoded, what a running task last said of itself; empty for nothing.
        trouble: what stops it, in words; None if nothing does.
        is_paused: whether nobody goes on with it until it is resumed.
    """

    id: str
    facts: dict[str, str]
    version: int
    first: StoredEvent
    last: StoredEvent
    wake: str
    due_ms: int | None
    state: bytes = b""
    progress: bytes = b""
    trouble: str | None = None
    is_paused: bool = False
    recorded: int = 0


class DamagedClaim(msgspec.Struct, frozen=True, gc=False):
    """Work handed to a worker that cannot be read; to be given back."""

    id: str
    type: Literal["task", "workflow"]
    token: str
    upto: int
    error: CorruptRecord


_NEEDED = frozenset({"ty", "tg", "q", "st", "cr"})
"""Fields that every projection has."""

_NUMBERS = ("cr", "sa", "co", "at")
"""Fields of a projection that are numbers, where they are there."""


def pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """``[a, 1, b, 2]`` as ``(a, 1), (b, 2)``."""
    return zip(flat[::2], flat[1::2], strict=True)


def texts(flat: Sequence[bytes]) -> dict[str, str]:
    """A flat list of fields and values as text."""
    return {key.decode(): value.decode() for key, value in pairs(flat)}


def facts_and_state(flat: Sequence[bytes]) -> tuple[dict[str, str], bytes]:
    """A projection's fields as text, and the encoded state among them; without the child that
    stands there for an index."""
    fields = dict(pairs(flat))
    state: bytes = fields.pop(b"sv", b"")
    fields.pop(b"ch", None)
    return {key.decode(): value.decode() for key, value in fields.items()}, state


def texts_and_payload(fields: dict[bytes, bytes]) -> tuple[dict[str, str], bytes]:
    """A stream entry's plain fields as text, and its payload."""
    payload = fields.get(b"d", b"")
    plain = {key.decode(): value.decode() for key, value in fields.items() if key != b"d"}
    return plain, payload


def event(entry: Any, stream: str, unsealed: Change) -> StoredEvent:
    """One entry of a stream, as a script passes it on (a flat list) or redis-py reads it (a dict).

    Raises:
        CorruptRecord: it is not an event of ours, naming stream and entry.
    """
    entry_id, fields = entry
    try:
        version, _, rest = entry_id.partition(b"-")
        if rest != b"0":
            raise ValueError("its number is not of this kind")
        found = dict(fields if isinstance(fields, dict) else pairs(fields))
        payload = found.pop(b"d", b"")
        return StoredEvent(
            int(version),
            found.pop(b"t").decode(),
            int(found.pop(b"a")),
            found.pop(b"k").decode(),
            unsealed(payload),
            {key.decode(): value.decode() for key, value in found.items()} if found else {},
        )
    except (KeyError, ValueError, AttributeError) as error:
        reason = str(error)
        if isinstance(error, KeyError):
            reason = f"its field {error.args[0].decode()!r} is missing"
        raise CorruptRecord(stream, reason, entry_id.decode(errors="replace")) from error


def claim(
    item: Sequence[Any], token: str, unsealed: Change
) -> TaskClaim | WorkflowClaim | DamagedClaim:
    """A claim of the step script. Damage in one does not concern the others."""
    if item[0] == b"task":
        return _task_claim(item, token, unsealed)
    try:
        return _workflow_claim(item, token, unsealed)
    except CorruptRecord as error:
        return DamagedClaim(item[1].decode(), "workflow", token, item[2] or 0, error)


def _task_claim(item: Sequence[Any], token: str, unsealed: Change) -> TaskClaim:
    _, id_, attempt, created, lost, unknown_since, details, ready_ms = item
    return TaskClaim(
        id_.decode(),
        attempt,
        unsealed(created),
        lost,
        unknown_since,
        token,
        unsealed(details),
        ready_ms,
    )


def _workflow_claim(item: Sequence[Any], token: str, unsealed: Change) -> WorkflowClaim:
    _, id_, upto, version, held_by, lost, kept, first, entries = item
    name = id_.decode()
    return WorkflowClaim(
        name,
        upto,
        version,
        held_by.decode(),
        lost,
        snapshot(kept, unsealed) if kept else None,
        event(first, name, unsealed) if first else None,
        tuple(event(entry, name, unsealed) for entry in entries),
        token,
    )


def snapshot(item: Sequence[Any], unsealed: Change) -> Snapshot:
    """A kept machine, as the scripts give it."""
    upto, identity, data = item
    return Snapshot(int(upto), identity.decode(), unsealed(data))


def execution(id_: str, item: Sequence[Any], unsealed: Change) -> StoredExecution:
    """One item of the get script.

    Raises:
        CorruptRecord: it is damaged.
    """
    if len(item) == 1:
        raise CorruptRecord(id_, item[0].decode(errors="replace"))
    fields, version, first, last, wake, due, progress, trouble, paused, recorded, found = item
    id_ = found.decode()
    if not first or not last:
        raise CorruptRecord(id_, "it has facts but no events")
    try:
        facts, state = facts_and_state(fields)
    except ValueError as error:
        raise CorruptRecord(id_, f"its projection is damaged ({error})") from error
    if not facts.keys() >= _NEEDED:
        raise CorruptRecord(id_, "its projection is incomplete")
    for name in _NUMBERS:
        if not facts.get(name, "0").isdecimal():
            raise CorruptRecord(id_, f"field {name!r} of its projection is no number")
    return StoredExecution(
        id=id_,
        facts=facts,
        version=version,
        first=event(first, id_, unsealed),
        last=event(last, id_, unsealed),
        wake=wake.decode() if wake else "",
        due_ms=int(float(due)) if due else None,
        state=unsealed(state),
        progress=unsealed(progress or b""),
        trouble=trouble.decode(errors="replace") if trouble else None,
        is_paused=wake == b"paused" or bool(paused),
        recorded=recorded or 0,
    )
