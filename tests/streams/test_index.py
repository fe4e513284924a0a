"""An index in chunks answers as one sorted list would, whatever comes and goes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from streams.projections import (
    Filters,
    count_executions,
    examine,
    matching,
    query_page,
    rebuild,
)
from streams.scripts import Script, compose
from streams.transitions import delete_execution
from streams.work import NewChild, WorkflowSettlement
from tests.streams.house import House, Run, play

NAME = "q:default"

SMALL = 4
"""How many close a chunk here: few entries then make many chunks."""

_TEXT = """
local call = redis.call
local prefix = string.sub(KEYS[1], 1, -2)
--@include index
local verb = table.remove(ARGV, 1)
if verb == "add" or verb == "remove" then
  local index = table.remove(ARGV, 1)
  return (verb == "add" and index_add or index_remove)(index, ARGV)
elseif verb == "has" then
  return index_has(ARGV[1], ARGV[2], ARGV[3]) and 1 or 0
elseif verb == "size" then
  return index_size(ARGV[1])
elseif verb == "read" then
  return index_read(ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == "ascending")
end
local number, further = index_count(ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]))
return { number, further or "" }
"""


def script() -> Script:
    whole = compose("index", _TEXT)
    small = whole.source.replace("local CHUNK = 64", f"local CHUNK = {SMALL}")
    assert small != whole.source
    return Script("index", small)


Entry = tuple[int, str]


class Index:
    """One index on a server, and what it should hold."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self.house, self.chance = house, chance
        self.entries: set[Entry] = set()
        self.now = 0
        self._script = script()

    async def call(self, verb: str, *words: Any) -> Any:
        return await self.house.connection.call(
            self._script, [self.house.keys.due], [verb, NAME, *words]
        )

    async def add(self) -> None:
        """As executions begin, some of them in the same ms; and as old ones come to it."""
        some = set[Entry]()
        known = {id_ for _, id_ in self.entries}
        for _ in range(self.chance.choice((1, 3, 40))):
            self.now += self.chance.choice((0, 0, 0, 1, 3))
            at = self.now if self.chance.random() < 0.8 else self.chance.randint(0, self.now)
            id_ = f"{self.chance.choice('aBz_.-')}{self.chance.randint(1, 9_999)}"
            if id_ not in known:
                known.add(id_)
                some.add((at, id_))
        if self.entries and self.chance.random() < 0.3:
            some.add(self.chance.choice(sorted(self.entries)))
        self.entries |= some
        await self.call("add", *flat(some))

    async def remove(self) -> None:
        """What is there, what is not, and what stands under another time."""
        count = self.chance.choice((1, 5, 30))
        some = set(self.chance.sample(sorted(self.entries), min(count, len(self.entries))))
        self.entries -= some
        some.add((self.chance.randint(0, self.now), "nobody"))
        await self.call("remove", *flat(some))

    async def check(self) -> None:
        in_order = sorted(self.entries)
        assert await self.call("size") == len(in_order)
        low, high = sorted(self.chance.randint(0, self.now + 1) for _ in range(2))
        windows: tuple[tuple[Any, Any], ...] = (
            ("-inf", "+inf"),
            (low, high),
            ("-inf", low),
            (high, "+inf"),
        )
        for oldest, newest in windows:
            within = [e for e in in_order if float(oldest) <= e[0] <= float(newest)]
            number, further = 0, newest
            while further != b"":
                some, further = await self.call("count", further, oldest, 3)
                number += some
            assert number == len(within)
            newest_first = await self.read(newest, oldest, 7, "descending")
            assert newest_first == within[::-1]
        assert await self.read("-inf", "+inf", 5, "ascending") == in_order
        for created, id_ in self.chance.sample(in_order, min(5, len(in_order))):
            assert await self.call("has", created, id_) == 1
        assert await self.call("has", self.now, "nobody") == 0

    async def read(self, start: Any, end: Any, most: int, order: str) -> list[Entry]:
        """All, by pages; the entry that a page ends with may be gone before the next."""
        found, gone = list[Entry](), set[Entry]()
        after = ""
        while True:
            flat_ = await self.call("read", start, end, after, most, order)
            page = [
                (int(created), id_.decode())
                for id_, created in zip(flat_[::2], flat_[1::2], strict=True)
            ]
            found += page
            if len(page) < most:
                await self.call("add", *flat(gone))
                return found
            start, after = page[-1]
            if self.chance.random() < 0.2:
                gone.add(page[-1])
                await self.call("remove", *page[-1])

    async def check_shape(self) -> None:
        """Chunks are small, but for what was created in the same ms, and none is empty."""
        command, prefix = self.house.connection.command, self.house.keys.prefix
        bounds = await command("ZRANGE", prefix + "i:+" + NAME, 0, -1)
        sizes = []
        for bound in bounds:
            chunk = f"{prefix}i:+{bound.decode()} {NAME}"
            sizes.append(await command("ZCARD", chunk))
            assert sizes[-1] > 0
            assert await command("ZCOUNT", chunk, "-inf", f"({bound.decode()}") <= 2 * SMALL
        assert await command("ZCARD", prefix + "i:" + NAME) < 2 * SMALL
        kept = await command("HGET", prefix + "i:+", NAME)
        assert int(kept or 0) == sum(sizes)
        assert (kept is None) == (not bounds)


def flat(entries: set[Entry]) -> list[str | int]:
    return [word for entry in sorted(entries) for word in entry]


@pytest.mark.parametrize("seed", range(3))
def test_it_answers_as_one_sorted_list_would(house: House, run: Run, seed: int) -> None:
    async def story() -> None:
        index = Index(house, random.Random(seed))
        for step in range(40):
            await (index.add if index.chance.random() < 0.55 else index.remove)()
            await index.check_shape()
            if step % 4 == 0:
                await index.check()
        index.entries, gone = set(), index.entries
        await index.call("remove", *flat(gone))
        await index.check_shape()
        assert await house.connection.command("KEYS", house.keys.prefix + "i*") == []

    play(house, run, story)


def test_executions_are_found_and_counted_across_chunks(house: House, run: Run) -> None:
    """As they are in use: with pages, while some of them are deleted."""

    async def story() -> None:
        ids = []
        for number in range(300):
            house.clock.now_ms += number % 3
            ids.append(f"t{number:03}")
            await house.start(ids[-1], "task", queue="even" if number % 2 else "odd")
        newest_first = [id_ async for id_ in matching(house.connection, Filters(queue="even"))]
        assert newest_first == ids[::-1][::2]

        connection, place = house.connection, None
        found: list[str] = []
        while place is not None or not found:
            page, place = await query_page(connection, Filters(), limit=40, after=place)
            found += page
            # A cursor stays good when its execution has gone.
            await house.terminate(page[-1])
            await delete_execution(connection, page[-1])
        assert found == ids[::-1]

        gone = found[39::40] + found[-1:]
        for filters in (Filters(), Filters(status="pending"), Filters(queue="odd")):
            left = [id_ for id_ in ids if id_ not in gone]
            if filters.queue:
                left = [id_ for id_ in left if int(id_[1:]) % 2 == 0]
            assert await count_executions(connection, filters) == len(left)
        oldest_ms = house.clock.now_ms - 99
        recent = Filters(oldest_ms=oldest_ms)
        assert await count_executions(connection, recent) == len(
            [id_ async for id_ in matching(connection, recent)]
        )

    play(house, run, story)


def test_the_first_child_is_found_beside_those_that_came_later(house: House, run: Run) -> None:
    """It stands in no index of its own; nobody sees that, at whatever time the others came."""

    async def story() -> None:
        connection = house.connection
        await house.start("f")
        seat = await house.seat()
        for number, ms in ((9, 0), (10, 0), (11, 5)):
            house.clock.now_ms += ms
            (claim,) = (await seat.step(["default"], 1, [])).claims
            child = NewChild(number, "task", "add", "other", "", b"T")
            await house.signal("f", f"s{number}")
            upto = 1 if number == 9 else claim.version  # type: ignore[union-attr]  # a workflow's
            decided = WorkflowSettlement("f", claim.token, upto, decided=b"D", children=(child,))
            await seat.step([], 0, [decided])
            now_ms = house.clock.now_ms

            # Of the same ms, what sorts later as a text comes first.
            newest_first = ["f/11", "f/9", "f/10"][-(number - 8) :] if number != 9 else ["f/9"]
            assert await house.ids(parent="f") == newest_first
            assert await count_executions(connection, Filters(parent="f")) == number - 8
            for limit in (1, 2):
                found, place = list[str](), None
                while place is not None or not found:
                    page, place = await query_page(
                        connection, Filters(parent="f"), limit=limit, after=place
                    )
                    found += page
                assert found == newest_first
        for window, expected in (
            (Filters(parent="f", newest_ms=now_ms - 5), ["f/9", "f/10"]),
            (Filters(parent="f", oldest_ms=now_ms), ["f/11"]),
            (Filters(parent="f", status="pending", newest_ms=now_ms - 1), ["f/9", "f/10"]),
        ):
            assert [id_ async for id_ in matching(connection, window)] == expected
            assert await count_executions(connection, window) == len(expected)

        for id_ in ("f", "f/9"):
            examined = await examine(connection, id_)
            assert ("p" in examined.indexes) == (id_ == "f/9")
            assert await rebuild(connection, id_, examined.version, examined.facts, b"")
            assert await house.ids(parent="f") == ["f/11", "f/9", "f/10"]
        await house.terminate("f")
        await house.timekeeper().tend()
        await delete_execution(connection, "f")
        assert await connection.command("KEYS", house.keys.prefix + "[ixe]*") == []

    play(house, run, story)
