"""What an execution begins with that shares the history of another one. Pure.

The events up to the fork are the other one's, to the bit; `created` alone says where they come
from. Then comes the `forked` event, and what is already known of what had been asked for by then:
results stay, so that nothing that was done is done again. The rest is asked for once more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from flowlang import Edit, Program, protocol
from rhythm import events
from rhythm.engine.attributes import Attribute
from rhythm.engine.fold import fold
from rhythm.engine.history import LiveMachine, beginning_of, context_of
from rhythm.errors import InvalidRequest, NondeterminismError
from rhythm.events import TERMINAL, Completed, Decided, Failed, Forked, Origin
from rhythm.history.cursor import compiled, program_of
from rhythm.history.recording import Recording
from rhythm.models import MAX_NAME_LENGTH, Execution, ExecutionStatus, check_yes_or_no
from rhythm.payloads import check_payload, kind_of
from streams.codec import StoredEvent

NOW: Final = 0
"""The time of an event that is still to be written: the store gives it."""

_OF_A_CHILD: Final = frozenset({"task_failed", "workflow_failed", "cancelled"})
"""Types of errors that a script got from what it had asked for."""

_ENDS: Final = frozenset({"child_failed", "child_cancelled"})


MOST_TOGETHER: Final = 64
"""Executions of one fork: the script that makes them takes about 15 commands for each."""


class Wanted(msgspec.Struct, frozen=True):
    """What a caller asked a fork to be: see `app.history_service.fork`."""

    at: int | None
    edits: tuple[Edit, ...]
    source: str | None
    path: str
    results: bool
    signals: bool | None

    @classmethod
    def checked(
        cls,
        at: int | None,
        edits: Mapping[str, Any] | None,
        source: str | None,
        path: str,
        results: bool,
        signals: bool | None,
    ) -> Wanted:
        """What was asked for, if it can say how to fork.

        Raises:
            InvalidRequest, InvalidPayload: it cannot.
        """
        if at is not None and (isinstance(at, bool) or not isinstance(at, int)):
            raise InvalidRequest("at", f"give an event's number, not {kind_of(at)}")
        if source is not None and not isinstance(source, str):
            raise InvalidRequest("source", f"give the text of a .flow, not {kind_of(source)}")
        if not isinstance(path, str):
            raise InvalidRequest("path", f"must be text, not {kind_of(path)}")
        check_yes_or_no(results, "results")
        if signals is not None:
            check_yes_or_no(signals, "signals")
        return cls(at, _edits({} if edits is None else edits), source, path, results, signals)

    def point(self, recording: Recording) -> tuple[int, bool]:
        """After which event to fork, and whether signals that came later come along.

        Raises:
            InvalidRequest: it completed, and no event was named.
            UnreadableEvent: the history is damaged up to there.
        """
        damage = recording.damage
        if damage is not None and (self.at is None or self.at >= damage.version):
            raise damage
        if self.at is not None:
            return self.at, bool(self.signals)
        last = last_good(recording, program_of(recording))
        return last, True if self.signals is None else self.signals

    def program(self, recording: Recording) -> Program:
        """What the fork runs.

        Raises:
            FlowSyntaxError: the source is no program.
        """
        if self.source is None:
            return program_of(recording)
        return compiled(self.source, self.path)


def _edits(given: Mapping[str, Any]) -> tuple[Edit, ...]:
    if not isinstance(given, Mapping):
        raise InvalidRequest("edits", f"give a dict of paths and values, not {kind_of(given)}")
    for path, value in given.items():
        if not isinstance(path, str):
            raise InvalidRequest("edits", f"a path is text, not {kind_of(path)}")
        check_payload(value, f"edits[{path!r}]")
    return tuple(Edit(path, value) for path, value in given.items())


class Terms(msgspec.Struct, frozen=True):
    """What a fork is to be.

    Attributes:
        request: names the fork.
        content: digest of what it is made of.
        parent, n: of one below another fork.
        results: whether what has completed since counts as completed.
        signals: whether signals that came later come at once.
    """

    new_id: str
    request: str
    content: str = ""
    parent: str | None = None
    n: int | None = None
    results: bool = True
    signals: bool = False

    def below(self, n: int) -> Terms:
        """Those of the fork of a child, which goes on from its own last good decision."""
        return Terms(f"{self.new_id}/{n}", self.request, "", self.new_id, n, self.results, True)


class Fork(msgspec.Struct, frozen=True):
    """How one execution begins.

    Attributes:
        events: those that are there before it goes on; those at `NOW` are still to get their time.
        forked: the version of its `forked` event.
        state: what it shows to outsiders.
        attributes: by which it is found.
    """

    events: tuple[StoredEvent, ...]
    forked: int
    state: Mapping[str, Any]
    attributes: Mapping[str, Attribute]


def content_of(
    execution_id: str, at: int, definition: str, edits: Sequence[Edit], results: bool, signals: bool
) -> str:
    """A digest that is the same for forks that are made of the same."""
    same = msgspec.json.encode([execution_id, at, definition, edits, results, signals])
    return hashlib.blake2b(same, digest_size=8).hexdigest()


def id_for(execution_id: str, number: int) -> str:
    """The id of a fork, which names the root of what it was forked from, if there is room for it.

    Args:
        number: a random one of 30 bits.
    """
    root = _FORKED.sub("", execution_id.partition("/")[0].translate(_UNCHOSEN))
    suffix = "".join(_ALPHABET[number >> shift & 31] for shift in range(25, -1, -5))
    return f"{root[: MAX_NAME_LENGTH - len(suffix) - 6]}.fork.{suffix}"


_FORKED: Final = re.compile(r"\.fork\.[0-9a-z]{6}\Z")
_UNCHOSEN: Final = str.maketrans("!~", "..")
"""What an id may have and one that is chosen may not."""

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def last_good(recording: Recording, program: Program) -> int:
    """The version to fork at, to try again what went wrong: its last good decision.

    Of one that failed that is the last, unless its error came from a child that failed before: then
    it is the event before that failure. Of one that was ended from outside it is the event before
    that was asked for. Of one that goes on, its last event. Where the script ends by what came
    after its last decision and was never settled, it is that decision, 0 without one.

    Args:
        program: that it runs.

    Raises:
        InvalidRequest: it completed, so that nothing went wrong.
        UnreadableEvent: an event is damaged.
    """
    execution_id, history = recording.execution_id, recording.events
    last = history[-1]
    if last.type == "completed":
        raise InvalidRequest(
            "at", f"{execution_id!r} completed, so nothing is to be tried again: say an event"
        )
    if last.type == "restarted":
        raise InvalidRequest(
            "at", f"{execution_id!r} went on as its successor: fork that, or say an event"
        )
    asked_to_end = next((e.version for e in history if e.type == "cancel_requested"), None)
    if asked_to_end is not None:
        return _before_its_end(recording, program, asked_to_end - 1)
    if last.type not in TERMINAL:
        return _before_its_end(recording, program, last.version)
    if "u" not in last.plain:
        return _before_its_end(recording, program, last.version - 1)
    ended = events.decode(execution_id, last.version, last.type, last.payload)
    decided = [e.version for e in history if e.type == "decided"] or [1]
    if isinstance(ended, Failed) and ended.error.type in _OF_A_CHILD:
        for event in reversed(history):
            if event.type in _ENDS and _is_source(execution_id, event, ended):
                return event.version - 1
    return decided[-1]


def _before_its_end(recording: Recording, program: Program, at: int) -> int:
    """`at`, or the last decision before it where the script has ended by then; 0 without one."""
    history = recording.events[:at]
    live = LiveMachine(
        recording.execution_id, program, beginning_of(recording.execution_id, history)
    )
    live.advance(history[1:])
    if live.outcome is None:
        return at
    return max((event.version for event in history if event.type == "decided"), default=0)


def _is_source(execution_id: str, event: StoredEvent, ended: Failed) -> bool:
    told = events.decode(execution_id, event.version, event.type, event.payload)
    if not isinstance(told, Failed):
        return True
    return (told.error.name, told.error.message) == (ended.error.name, ended.error.message)


def replayed(recording: Recording, at: int, program: Program) -> LiveMachine:
    """The machine of another source, or the same, as it stands after an event.

    Raises:
        InvalidRequest: there is no such event, or its script had ended or been asked to end by it.
        NondeterminismError: the source decides otherwise than the history records.
        UnreadableEvent: an event is damaged.
    """
    execution_id, history = recording.execution_id, recording.events
    first = beginning_of(execution_id, history)
    # With the newest of its starts: before that there is nothing to share.
    least = max((e.version for e in history if e.type == "postponed"), default=1)
    going_on = [e.version for e in history if e.type not in TERMINAL]
    ending = next((e.version for e in history if e.type == "cancel_requested"), None)
    most = going_on[-1] if ending is None else ending - 1
    if not least <= at <= most:
        why = "" if most == history[-1].version else ", before it was to end"
        raise InvalidRequest("at", f"{execution_id!r} has events {least} to {most} to fork at{why}")
    live = LiveMachine(execution_id, program, first)
    live.advance(history[1:at])
    if live.outcome is not None:
        raise InvalidRequest(
            "at", f"the script of {execution_id!r} had ended by event {at}: fork it before"
        )
    return live


def unanswered(
    recording: Recording, at: int, live: LiveMachine
) -> dict[int, protocol.RunTask | protocol.RunWorkflow | protocol.SendSignal | protocol.StartTimer]:
    """What had been asked for by an event, was recorded, and is still waited for; by number."""
    asked: dict[int, Any] = {}
    for event in recording.events[:at]:
        payload = events.decode(recording.execution_id, event.version, event.type, event.payload)
        if isinstance(payload, Decided):
            asked |= {c.n: c for c in payload.commands if isinstance(c, _ASKING)}
        elif isinstance(payload, Forked):
            asked |= {c.n: c for c in payload.again if isinstance(c, _ASKING)}
    awaited = live.awaited
    return {n: command for n, command in sorted(asked.items()) if n in awaited}


_ASKING: Final = (
    protocol.RunTask,
    protocol.RunWorkflow,
    protocol.SendSignal,
    protocol.StartTimer,
)


def later_results(
    recording: Recording, at: int, children: Mapping[int, Execution]
) -> dict[int, Completed]:
    """What is known of the outcome of what completed after an event, by number.

    Args:
        children: of the execution, as they are now; what they say goes before the history.
    """
    found: dict[int, Completed] = {}
    for event in recording.events[at:]:
        if event.type == "child_completed":
            n = events.plain_number(recording.execution_id, event.version, event.plain, "n")
            told = events.decode(recording.execution_id, event.version, event.type, event.payload)
            assert isinstance(told, Completed)
            found[n] = told
    return found | {
        n: Completed(events.raw(child.output))
        for n, child in children.items()
        if child.status is ExecutionStatus.COMPLETED
    }


def forked(
    recording: Recording,
    at: int,
    program: Program,
    live: LiveMachine,
    terms: Terms,
    edits: Sequence[Edit] = (),
    results: Mapping[int, Completed] = MappingProxyType({}),
    along: Collection[int] = (),
) -> Fork:
    """The events of a fork.

    Args:
        live: the machine as it stands there, by `replayed`; it is used up.
        results: of what had been asked for by then, where they are known.
        along: the numbers of children that are forked too.

    Raises:
        InvalidRequest: an edit cannot be made.
    """
    execution_id, history = recording.execution_id, recording.events
    first, created = beginning_of(execution_id, history), live.created
    open_ = unanswered(recording, at, live)
    origin = Origin(execution_id, at)
    born = msgspec.structs.replace(
        created,
        parent=terms.parent,
        n=terms.n,
        started_by=None,
        definition=program.began_with.digest,
        forked_from=origin,
        context=context_of(execution_id, created, first.at_ms),
    )
    context = live.context | {
        "executionId": terms.new_id,
        "definition": live.program.digest,
        "parentWorkflowId": terms.parent,
    }
    again = tuple(c for number, c in open_.items() if number not in results and number not in along)
    said = Forked(origin, context, tuple(edits), again)
    plain = {"h": terms.content} | {
        name: first.plain[name] for name in ("b",) if name in first.plain
    }
    made = [
        StoredEvent(1, "created", first.at_ms, terms.request, events.encode(born), plain),
        *history[1:at],
        StoredEvent(at + 1, "forked", NOW, terms.request, events.encode(said), {}),
    ]
    try:
        live.advance(made[-1:])
    except NondeterminismError as error:
        raise InvalidRequest("edits", error.replayed) from error
    known: list[tuple[str, str, bytes, dict[str, str]]] = [
        ("child_completed", terms.request, events.encode(results[number]), {"n": str(number)})
        for number in open_
        if number in results
    ]
    if terms.signals:
        known += [(e.type, e.cause, e.payload, {}) for e in history[at:] if e.type == _SIGNAL]
    for kind, cause, payload, plain in known:
        made.append(StoredEvent(len(made) + 1, kind, NOW, cause, payload, plain))
    facts = fold(execution_id, history[:at])
    return Fork(tuple(made), at + 1, facts.state, facts.attributes)


_SIGNAL: Final = "signal_received"
