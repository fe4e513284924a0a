"""Limits where there are several partitions: each has a share of what a limit allows.

A limit has a home among the partitions, which grants the others their shares, never more than the
limit allows in all. A worker whose call gave something up or found too little, else whoever keeps
the time of a partition, carries what it holds and needs to the homes, and what those grant, or
want back, to the partitions concerned. What gets lost on the way leaves permits unused until the
next time, and nothing is wrong with saying it twice: see ``lua/include/shares.lua``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from streams.connection import Connection
from streams.keys import PartitionKeys
from streams.scripts import Argument, load

_EXCHANGE = load("exchange_permits")
_GRANT = load("grant_permits")

_SAID_OF_A_SHARE: Final = 5
_SAID_OF_A_GRANT: Final = 6

ROUNDS: Final = 6
"""What is short is asked back from others, and those answer: three are the rule."""


async def exchange(connection: Connection, keys: PartitionKeys) -> bool:
    """Say what a partition has to say to the homes of limits, and bring what comes of it to all
    concerned; False when there was nothing.

    Raises:
        BackendUnavailable, ConnectionLost: some did not answer; with the others it is done. A
            second later there is something to say again.
    """
    said = await _hold(connection, keys, [])
    any_said = bool(said)
    failed: list[BaseException] = []
    for _ in range(ROUNDS):
        if not said:
            break
        by_home = defaultdict[PartitionKeys, list[Argument]](list)
        for limit, *report in said:
            by_home[connection.keys.home(limit.decode())] += [limit, *report]
        granted = defaultdict[bytes, list[Argument]](list)
        answers = [_grant(connection, home, reports) for home, reports in by_home.items()]
        for limit, tag, *grant in await _together(answers, failed):
            granted[tag] += [limit, *grant]
        said = await _together(
            [
                _hold(connection, partition, grants)
                for partition in connection.keys.partitions
                if (grants := granted.get(partition.tag.encode()))
            ],
            failed,
        )
    if failed:
        raise failed[0]
    return any_said


async def _together(
    calls: Sequence[Coroutine[Any, Any, list[list[Any]]]], failed: list[BaseException]
) -> list[list[Any]]:
    """What all calls answer; the errors of those that do not are added to `failed`."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    failed += [answer for answer in answers if isinstance(answer, BaseException)]
    return [part for answer in answers if not isinstance(answer, BaseException) for part in answer]


async def _hold(
    connection: Connection, keys: PartitionKeys, grants: Sequence[Argument]
) -> list[list[Any]]:
    """Let a partition have what was granted to it; what it says: a limit, its tag, and more."""
    arguments: list[Argument] = [connection.now()]
    arguments += grants
    # Confirmed as far as the connection wants it: others get what was given up.
    said = await connection.write(_EXCHANGE, [keys.due, keys.shares], arguments)
    reports = _parts(said, _SAID_OF_A_SHARE)
    return [[limit, keys.tag, *report] for limit, *report in reports]


async def _grant(
    connection: Connection, keys: PartitionKeys, reports: Sequence[Argument]
) -> list[list[Any]]:
    arguments: list[Argument] = [connection.now()]
    arguments += reports
    said = await connection.write(_GRANT, [keys.due, keys.limits], arguments)
    return _parts(said, _SAID_OF_A_GRANT)


def _parts(said: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(said[i : i + size]) for i in range(0, len(said), size)]
