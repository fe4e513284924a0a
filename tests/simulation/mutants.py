"""Bugs planted in the engine, one at a time, to see that the simulation sees.

Each breaks one rule of the store's scripts, or of the code around them.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import pytest

import streams.due
import streams.permits
import streams.projections
import streams.transitions
import streams.work
from rhythm.engine.history import LiveMachine
from rhythm.worker import delivery
from streams.errors import BackendUnavailable
from streams.scripts import Script

Plant = Callable[[pytest.MonkeyPatch], None]


class Mutant(msgspec.Struct, frozen=True):
    """A planted bug.

    Attributes:
        rule: what it breaks.
        plant: breaks it.
        seed: of a short run that saw it, at the time of writing. What the engine does more or less
            moves it; then others see it.
        profile: of runs that see it soon; empty if that of the seed alone does.
        is_rare: whether some hundred runs are needed: too many for each round of tests.
    """

    rule: str
    plant: Plant
    seed: int
    profile: str = "usual"
    is_rare: bool = False


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The engine with this bug."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.plant(patch)
        yield


def in_lua(*scripts: Script, old: str, new: str) -> Plant:
    """Replace text in the source of scripts, each of which must have it."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        for script in scripts:
            assert old in script.source, f"{script.name}.lua has no {old!r} any more"
            source = script.source.replace(old, new)
            patch.setattr(script, "source", source)
            digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            patch.setattr(script, "digest", digest)

    return plant


def _all(*plants: Plant) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        for each in plants:
            each(patch)

    return plant


def _acknowledge_what_was_not_written(patch: pytest.MonkeyPatch) -> None:
    create = streams.transitions.create_execution

    async def hasty(connection, **given):  # type: ignore[no-untyped-def]  # as the original
        connection.patience_s = 0.0
        try:
            return await create(connection, **given)
        except BackendUnavailable:
            return True
        finally:
            connection.patience_s = 10.0

    patch.setattr(streams.transitions, "create_execution", hasty)


def _name_each_delivery_anew(patch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()
    patch.setattr(delivery, "_request", lambda message, what: f"{what}-{next(numbers)}")


def _forget_the_request_to_end(patch: pytest.MonkeyPatch) -> None:
    kept = LiveMachine.kept

    def forgetful(live: LiveMachine) -> bytes:
        cancel, live.cancel = live.cancel, None
        try:
            return kept(live)
        finally:
            live.cancel = cancel

    patch.setattr(LiveMachine, "kept", forgetful)


_STEP, _TEND, _RENEW = streams.work._STEP, streams.due._TEND, streams.work._RENEW
_SIGNAL, _CREATE = streams.transitions._TELL, streams.transitions._CREATE
_FORK, _MIGRATE = streams.transitions._FORK, streams.transitions._MIGRATE

# What was answered is not compared with what the server says was: that hides other mistakes.
_FORGETFUL: Final = _all(
    in_lua(_STEP, old="last_seq < answered", new="false"),
    in_lua(_RENEW, old="tonumber(ARGV[4])", new="0"),
)

MUTANTS: Final = (
    Mutant(
        "a settlement shows the token of the claim",
        in_lua(_STEP, old="if control and control.tk == token then", new="if control then"),
        8,
    ),
    Mutant(
        "a start is acknowledged when it is written, not before",
        _acknowledge_what_was_not_written,
        3,
        "bad network",
    ),
    Mutant(
        "every timer that a workflow starts becomes due",
        in_lua(
            _STEP,
            old='later(timer.due, "timer", id, timer.n, control["in"])',
            new='if timer.n ~= "2" then later(timer.due, "timer", id, timer.n, control["in"]) end',
        ),
        1,
    ),
    Mutant(
        "a signal sent twice with one request id arrives once",
        in_lua(_SIGNAL, old="if seen then", new="if false then"),
        3,
        "bad network",
    ),
    Mutant(
        "a message given back unrun keeps its attempt number",
        in_lua(_STEP, old='keep(control, "rl", "1")', new=""),
        33,
    ),
    Mutant(
        "an attempt that was lost counts",
        in_lua(
            _STEP,
            old="control.at = digits((control.at or 0) + 1)",
            new="control.at = digits(math.max(control.at or 0, 1))",
        ),
        5,
    ),
    Mutant(
        "the end of a child wakes its parent",
        in_lua(_STEP, old="    wake(workflow)", new=""),
        0,
    ),
    Mutant(
        "a renewed lease lasts longer",
        in_lua(_RENEW, old='call("ZADD", KEYS[1], ends, member)', new=""),
        5,
    ),
    Mutant(
        "a commit looks for events that came after what the machine was fed",
        in_lua(_STEP, old="control.v - own > upto", new="false"),
        8,
    ),
    Mutant(
        "a call repeated with its number claims nothing more",
        in_lua(_STEP, old="if repeated then", new="if false then"),
        7,
        "bad network",
    ),
    Mutant(
        "what a lost worker held goes back to the queues",
        in_lua(_TEND, old="do_apart(take_back, entries", new="do_apart(tostring, entries"),
        0,
    ),
    Mutant(
        "a timer of an ended execution is gone with it",
        in_lua(_STEP, _TEND, old='if string.sub(field, 1, 1) == "T" then', new="if false then"),
        46,
    ),
    Mutant(
        "a message to another tree is accepted once",
        _name_each_delivery_anew,
        18,
        "between trees",
    ),
    Mutant(
        "a message to another tree is delivered in its turn, or a failover has lost it",
        in_lua(
            *(_CREATE, _SIGNAL, streams.transitions._CANCEL),
            old='if delivery == "" then',
            new="if true then",
        ),
        -1,
        "between trees",
        is_rare=True,
    ),
    Mutant(
        "an answer is for the history that asked",
        in_lua(
            _SIGNAL, old='if not event or field_of(event, "k") ~= token then', new="if false then"
        ),
        80342,
        "",
        is_rare=True,
    ),
    Mutant(
        "an attempt that fell silent is given up",
        in_lua(_TEND, old="beat = miss_beat", new="beat = function() end"),
        8,
        "endings",
    ),
    Mutant(
        "who is asked to end and does not is ended after a while",
        in_lua(_TEND, old="grace = end_after_grace", new="grace = function() end"),
        5,
        "endings",
    ),
    Mutant(
        "a terminated tree is ended down to its leaves",
        in_lua(_TEND, old='["end"] = end_children', new='["end"] = function() end'),
        7,
        "endings",
    ),
    Mutant(
        "what comes while a workflow restarts goes along",
        in_lua(
            _STEP,
            old='return kind == "signal_received" or kind == "cancel_requested"',
            new="return false",
        ),
        1,
        "restarts",
    ),
    Mutant(
        "a signal sent twice arrives once, however often its workflow restarts",
        in_lua(
            _STEP,
            old='elseif call("EXISTS", prefix .. "r:" .. id) == 1 then',
            new="elseif false then",
        ),
        37,
        "restarts",
    ),
    Mutant(
        "a snapshot is of this history",
        in_lua(_STEP, old="if event and identity_of(event) == kept[2] then", new="if event then"),
        1,
        "other histories",
    ),
    Mutant(
        "a snapshot's decision is recorded",
        in_lua(_STEP, old="upto and tonumber(upto) <= tonumber(control.up)", new="upto"),
        8,
        "other histories",
    ),
    Mutant(
        "no more tasks run at once than a limit allows",
        in_lua(_STEP, old="if left <= 0 then", new="if false then"),
        5,
    ),
    Mutant(
        "what runs no longer makes room at its limits",
        in_lua(
            *(_STEP, _TEND, streams.transitions._CANCEL),
            old='call("ZREM", prefix .. "p:" .. name, control.id)',
            new="",
        ),
        0,
    ),
    Mutant(
        "what waits at a limit goes on when another one has ended",
        in_lua(
            *(_STEP, _TEND, streams.transitions._CANCEL),
            old="        look_at_limit(name, tonumber(control.a))",
            new="",
        ),
        0,
    ),
    Mutant(
        "what waits at a rate goes on when its time has come",
        in_lua(_TEND, old="admit = admit", new="admit = function() end"),
        32,
    ),
    Mutant(
        "no more is granted to other partitions than what is not in use",
        in_lua(
            *(_STEP, _TEND, streams.permits._EXCHANGE),
            old="local most = math.max(least, sharing.used(name, now))",
            new="local most = least",
        ),
        1,
        "limits",
    ),
    Mutant(
        "a snapshot keeps the request to end",
        _forget_the_request_to_end,
        1,
        "endings",
    ),
    Mutant(
        "a fork that is asked for twice is made once",
        in_lua(_FORK, old='== content and "EXISTS"', new="== nil and nil"),
        8,
        "interventions",
    ),
    Mutant(
        "a migration leaves no snapshot of the other definition's machine",
        in_lua(_MIGRATE, old='call("DEL", KEYS[4])', new=""),
        1,
        "interventions",
    ),
    Mutant(
        "a migration is known again when more has happened since",
        in_lua(_MIGRATE, old="if answered_before(id, ARGV[3]) then", new="if false then"),
        208,
        "interventions",
        is_rare=True,
    ),
    Mutant(
        "a worker learns that a failover lost what it was answered",
        _FORGETFUL,
        33,
        is_rare=True,
    ),
    Mutant(
        "a later call of a worker bars the earlier ones",
        _all(in_lua(_STEP, old='return { "OLD" }', new="repeated = false"), _FORGETFUL),
        -1,
        is_rare=True,
    ),
)
