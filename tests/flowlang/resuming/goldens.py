"""Bytes that machines gave once and must give for ever, on every machine and every Python.

`goldens/turns.json` holds, for many programs, a digest of each turn: commands, console and outcome.
`goldens/format-F-lowering-L.gz` holds what that format and lowering made of them: a digest of each
state, and of a few programs the states themselves, with the events that followed and what came of
them. While format and lowering stay what they are, the states must be made again; those of earlier
ones must be refused, and their events still lead to the same ends.

A program that has changed since, or is new, is not compared until it is recorded.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

import flowlang
from flowlang import Event
from flowlang.program import LOWERING_VERSION
from flowlang.snapshot import FORMAT_VERSION
from tests.flowlang.resuming.catalogue import Case, corpus, done, durable, generated, waiting
from tests.flowlang.resuming.runs import CONTEXT, INPUTS, SEED, Run
from tests.flowlang.resuming.world import START_MS

FOLDER: Final = Path(__file__).parents[1] / "goldens"
TURNS: Final = FOLDER / "turns.json"
CURRENT: Final = FOLDER / f"format-{FORMAT_VERSION}-lowering-{LOWERING_VERSION}.gz"

_DIGITS: Final = 8


class Digests(msgspec.Struct):
    """A run: the digest of its program, and those of what it did, one after the other."""

    source: str
    each: str

    def first_difference(self, other: Digests) -> int | None:
        """The place of the first digest that is not the same."""
        if self.each == other.each:
            return None
        ours, theirs = _split(self.each), _split(other.each)
        same = (one == another for one, another in zip(ours, theirs, strict=False))
        return next((place for place, is_same in enumerate(same) if not is_same), len(ours))


class Kept(msgspec.Struct):
    """A run with all that is needed to do it again.

    Attributes:
        events: the kind of each, its fields, and the time.
        states: before each event.
        turns: in MessagePack, the first before all events.
    """

    source: str
    inputs: dict[str, Any]
    context: dict[str, Any]
    seed: int
    start_ms: int
    events: list[tuple[str, dict[str, Any], int]]
    states: list[bytes]
    turns: list[bytes]

    def fed(self) -> Iterator[tuple[Event, int]]:
        """The events and their times."""
        for kind, fields, now_ms in self.events:
            yield msgspec.convert(fields, getattr(flowlang, kind)), now_ms


class States(msgspec.Struct):
    """What one format and lowering made of the runs."""

    digests: dict[str, Digests]
    kept: list[Kept]


def cases() -> Iterator[Case]:
    """All that is recorded."""
    return chain(durable(3), corpus(), map(waiting, corpus()), generated())


def turns_of(case: Case) -> Digests:
    """What a program does now, to be compared with what it did."""
    return _digests(case, (msgspec.msgpack.encode(turn) for turn in done(case).turns))


def states_of(case: Case) -> Digests:
    """The states it is in now."""
    return _digests(case, (moment.state for moment in done(case).moments))


def read_turns() -> dict[str, Digests]:
    """What was recorded of all turns."""
    return msgspec.json.decode(TURNS.read_bytes(), type=dict[str, Digests])


def read_states(path: Path) -> States:
    """What was recorded of one format and lowering."""
    return msgspec.msgpack.decode(gzip.decompress(path.read_bytes()), type=States)


def record() -> int:
    """Write down what the programs do; how many they are."""
    FOLDER.mkdir(exist_ok=True)
    found = {case.name: case for case in cases()}
    turns = {name: msgspec.to_builtins(turns_of(case)) for name, case in found.items()}
    lines = (f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in turns.items())
    TURNS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")
    digests = {name: states_of(case) for name, case in found.items() if done(case).moments}
    states = States(digests, [_kept(done(case)) for case in durable(1)])
    CURRENT.write_bytes(gzip.compress(msgspec.msgpack.encode(states), 9, mtime=0))
    return len(found)


def _kept(run: Run) -> Kept:
    return Kept(
        run.source,
        INPUTS,
        CONTEXT,
        SEED,
        START_MS,
        [
            (type(one.event).__name__, msgspec.to_builtins(one.event), one.now_ms)
            for one in run.moments
        ],
        [moment.state for moment in run.moments],
        [msgspec.msgpack.encode(turn) for turn in run.turns],
    )


def _digests(case: Case, pieces: Iterable[bytes]) -> Digests:
    source = json.dumps([case.source, case.script]).encode("ascii")
    return Digests(_digest(source), "".join(map(_digest, pieces)))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def _split(digests: str) -> list[str]:
    return [digests[at : at + _DIGITS] for at in range(0, len(digests), _DIGITS)]
