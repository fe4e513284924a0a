"""Rules of a whole namespace: what rests, and limits. What they say knows pauses.py and limits.py.

Every partition has them all, so that the script that hands out work sees them. One partition is a
rule's home: a change is made there by one script, and holds from then on. Whoever asked for it then
tells all others; whoever keeps the time of the home looks again and again whether some have not
heard, and tells them. Revisions say what is newer, so nothing is wrong with saying it twice, or
late: see ``lua/include/rules.lua``.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from streams import codec
from streams.connection import Connection
from streams.keys import PartitionKeys
from streams.scripts import Argument, load

_PUT = load("put_rules")
_TAKE = load("take_rules")

_HEARD = re.compile(r"([0-9]+) (.*)", re.DOTALL)
T = TypeVar("T")


class Heard(NamedTuple):
    """What a rule says; the higher of two is the newer one."""

    revision: int
    says: str


_NOTHING: Final = Heard(0, "")

Rules = Mapping[str, Heard]


class Change(msgspec.Struct, frozen=True):
    """What a rule said, and says now; empty for nothing."""

    before: str
    now: str


class OnItsWay(msgspec.Struct, frozen=True):
    """A rule that some partitions have not heard.

    Attributes:
        rule: its name; `says`: what, as elsewhere.
        partitions: how many have not, `of` how many.
        since_ms: since when it holds elsewhere, unix ms; later where a clock stepped back.
    """

    rule: str
    says: str
    partitions: int
    of: int
    since_ms: int


def home_of(connection: Connection, rule: str) -> PartitionKeys:
    """The partition where a rule is changed; what a task declares beside what people say of it."""
    scope = rule.partition(" ")[2]
    kind, _, name = scope.partition(":")
    return connection.keys.home(f"task:{name}" if kind == "declared" else scope)


async def put(connection: Connection, wanted: Mapping[str, str]) -> dict[str, Change]:
    """Have rules say something from now on, in all partitions.

    Args:
        wanted: by the rules' names; of a pause without since when it is one.

    Raises:
        BackendUnavailable, NotReplicated, NotPersisted: a partition did not answer in time. If the
            home has it, it holds, and the others get it by `bring_together`.
    """
    changes = dict[str, Change]()
    left = dict(wanted)
    while left:
        held = dict[str, Heard]()
        homes = _by_home(connection, left)
        for found in await _all(_put(connection, home, left, homes[home]) for home in homes):
            for rule, (heard, before) in found.items():
                changes.setdefault(rule, Change(before, heard.says))
                held[rule] = heard
        if len(connection.keys.partitions) == 1:
            break
        newer = await _tell_all(connection, held)
        # What a home does not know, a failover let it forget: this was asked for after that.
        homes = _by_home(connection, newer)
        known = await _all(
            _take(connection, home, {rule: newer[rule] for rule in homes[home]}) for home in homes
        )
        left = {
            rule: wanted[rule] for rule in newer.keys() - {one for some in known for one in some}
        }
    return changes


async def bring_together(connection: Connection, home: PartitionKeys) -> None:
    """Let all partitions hear what rules say that have this home; and the home, what it has
    forgotten in a failover.

    Raises:
        BackendUnavailable: a partition did not answer; the others were told.
    """
    known = await _sum(connection, home, home)
    others = [keys for keys in connection.keys.partitions if keys is not home]
    await _all(_bring_together(connection, home, known, other) for other in others)


async def _bring_together(
    connection: Connection, home: PartitionKeys, known: bytes | None, other: PartitionKeys
) -> None:
    if await _sum(connection, other, home) == known:
        return
    here, there = await read(connection, home), await read(connection, other)
    for keys, of_it, of_other in ((home, here, there), (other, there, here)):
        newer = {
            rule: heard
            for rule, heard in of_other.items()
            if heard > of_it.get(rule, _NOTHING) and home_of(connection, rule) is home
        }
        await _take(connection, keys, newer)


async def _sum(connection: Connection, keys: PartitionKeys, home: PartitionKeys) -> bytes | None:
    """Of the revisions that a partition has heard of from a home: less where one is missing."""
    found: bytes | None = await connection.command("HGET", keys.rules, f"+{home.tag}")
    return found


async def on_their_way(connection: Connection) -> list[OnItsWay]:
    """The rules that some partitions have not heard, by name."""
    partitions = connection.keys.partitions
    if len(partitions) == 1:
        return []
    known = [await read(connection, keys) for keys in partitions]
    found = []
    for rule in sorted({rule for rules in known for rule in rules}):
        of_each = [rules.get(rule, _NOTHING) for rules in known]
        newest = max(of_each)
        if behind := sum(heard < newest for heard in of_each):
            found.append(OnItsWay(rule, newest.says, behind, len(known), newest.revision))
    return found


async def read(connection: Connection, keys: PartitionKeys) -> dict[str, Heard]:
    """What one of several partitions has heard."""
    reply = await connection.command("HGETALL", keys.rules)
    fields = reply.items() if isinstance(reply, dict) else codec.pairs(reply)
    found = dict[str, Heard]()
    for field, value in fields:
        rule, heard = _text(field), _HEARD.fullmatch(_text(value))
        if heard and " " in rule:
            found[rule] = Heard(int(heard[1]), heard[2])
    return found


def _by_home(connection: Connection, rules: Iterable[str]) -> dict[PartitionKeys, list[str]]:
    found = defaultdict[PartitionKeys, list[str]](list)
    for rule in rules:
        found[home_of(connection, rule)].append(rule)
    return found


async def _put(
    connection: Connection, home: PartitionKeys, wanted: Mapping[str, str], rules: Collection[str]
) -> dict[str, tuple[Heard, str]]:
    arguments: list[Argument] = [connection.now(), len(connection.keys.partitions), home.tag]
    for rule in rules:
        arguments += [rule, wanted[rule]]
    answer = await connection.write(_PUT, [home.due, home.rules], arguments)
    return {
        rule: (Heard(revision, _text(says)), _text(before))
        for rule, (revision, says, before) in zip(rules, _parts(answer), strict=True)
    }


async def _tell_all(connection: Connection, rules: Rules) -> dict[str, Heard]:
    """What partitions know that is newer."""
    told = [
        (keys, {rule: rules[rule] for rule in rules if home_of(connection, rule) is not keys})
        for keys in connection.keys.partitions
    ]
    newer = dict[str, Heard]()
    for known in await _all(_take(connection, keys, some) for keys, some in told):
        for rule, heard in known.items():
            if heard > max(rules[rule], newer.get(rule, _NOTHING)):
                newer[rule] = heard
    return newer


async def _take(connection: Connection, keys: PartitionKeys, rules: Rules) -> dict[str, Heard]:
    """Let a partition hear of rules; of those that it knew so new or newer, what it knows."""
    if not rules:
        return {}
    arguments: list[Argument] = [connection.now(), len(connection.keys.partitions)]
    for rule, heard in rules.items():
        arguments += [rule, home_of(connection, rule).tag, *heard]
    answer = await connection.write(_TAKE, [keys.due, keys.rules], arguments)
    return {_text(rule): Heard(revision, _text(says)) for rule, revision, says in _parts(answer)}


async def _all(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Who does not answer keeps no other one from being told."""
    some = list(calls)
    if len(some) == 1:
        return [await some[0]]
    found = list[T]()
    for result in await asyncio.gather(*some, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found


def _parts(words: Sequence[Any]) -> list[Sequence[Any]]:
    return [words[i : i + 3] for i in range(0, len(words), 3)]


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")
