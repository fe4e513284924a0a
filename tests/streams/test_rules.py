"""A pause and a limit hold in all partitions, whoever is lost while they are told, and whatever
comes late; of two changes the later one holds everywhere."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Any

import pytest

from streams import definitions, limits, pauses, rules
from streams.connection import Connection
from streams.errors import BackendUnavailable
from streams.keys import PartitionKeys
from streams.limits import Limits
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere

PARTITIONS = 16


class Caller:
    """Who changes rules, over a connection of its own; what goes to partitions may be lost."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._write = connection.write
        self.calls_left = 1_000
        self.unreachable: PartitionKeys | None = None
        self.holds_back = False
        self.late: list[Sequence[Any]] = []
        connection.write = self._lose  # type: ignore[method-assign]

    async def _lose(self, script: Any, keys: Any, arguments: Any) -> Any:
        if self.unreachable is not None and keys[0] == self.unreachable.due:
            raise BackendUnavailable(script.name, "unreachable")
        if self.holds_back and script.name == "take_rules":
            self.late.append((script, keys, arguments))
            raise BackendUnavailable(script.name, "late")
        self.calls_left -= 1
        if self.calls_left < 0:
            raise BackendUnavailable(script.name, "killed")
        return await self._write(script, keys, arguments)

    async def arrive(self, late: Sequence[Any]) -> None:
        """What was sent long ago comes to its partition."""
        await self._write(*late)

    async def pause(self, name: str, note: str = "") -> bool:
        return await pauses.put(self.connection, "queue", name, is_paused=True, note=note)

    async def resume(self, name: str) -> bool:
        return await pauses.put(self.connection, "queue", name, is_paused=False, note="")

    async def limit(self, scope: str, most: int) -> int:
        return await limits.put(self.connection, {scope: Limits(most=most)})


class Town:
    """A namespace of several partitions, and what rules say in each."""

    def __init__(self, house: House) -> None:
        self.house, self.connection = house, house.connection

    def caller(self) -> Caller:
        return Caller(self.connection.another(patience_s=0.0))

    async def paused_in(self, name: str) -> int:
        of_each = [
            await self.connection.command("HEXISTS", keys.pauses, f"queue:{name}")
            for keys in self.connection.keys.partitions
        ]
        return sum(of_each)

    async def limited_in(self, scope: str, most: int) -> int:
        """In how many partitions so many may run."""
        of_each = [
            await self.connection.command("HGET", keys.limits, scope)
            for keys in self.connection.keys.partitions
        ]
        return sum((one or b"0").split()[0] == b"%d" % most for one in of_each)

    async def keep_time(self) -> None:
        """As all timekeepers do every few seconds."""
        for keys in self.connection.keys.partitions:
            await rules.bring_together(self.connection, keys)

    async def on_its_way_to(self) -> int:
        return sum(one.partitions for one in await rules.on_their_way(self.connection))

    def home(self, name: str) -> PartitionKeys:
        return rules.home_of(self.connection, f"pause queue:{name}")

    def other(self, name: str) -> PartitionKeys:
        home = self.home(name)
        return next(keys for keys in self.connection.keys.partitions if keys is not home)

    async def is_paused(self, name: str) -> bool:
        return name in {one.name for one in await pauses.read(self.connection)}


@pytest.fixture
def town(house: House) -> Town:
    return Town(house)


def played(town: Town, run: Run, story: Any) -> None:
    async def whole() -> None:
        await definitions.migrate(town.connection, PARTITIONS)
        await story()

    play(town.house, run, whole)


def test_a_call_has_all_partitions_know_before_it_returns(town: Town, run: Run) -> None:
    async def story() -> None:
        caller = town.caller()
        assert await caller.pause("mail", "why")
        assert not await caller.pause("mail", "still")
        assert await town.paused_in("mail") == PARTITIONS
        [found] = await pauses.read(town.connection)
        assert (found.kind, found.name, found.note) == ("queue", "mail", "still")
        assert found.since_ms == town.house.clock.now_ms
        assert await caller.resume("mail")
        assert not await caller.resume("mail")
        assert await town.paused_in("mail") == 0
        assert await caller.limit("task:charge", 3) == 1
        assert await caller.limit("task:charge", 3) == 0
        assert await town.limited_in("task:charge", 3) == PARTITIONS
        assert await limits.put(town.connection, {"charge": Limits(most=9)}, declared=True) == 1
        assert await caller.limit("task:charge", 0) == 1
        assert {one.limits.most for one in await limits.read(town.connection)} == {9}
        assert await town.on_its_way_to() == 0
        await caller.connection.close()

    played(town, run, story)


@pytest.mark.parametrize("what", ["pause", "resume", "limit"])
def test_a_caller_that_is_lost_midway_leaves_nothing_half_done(
    town: Town, run: Run, what: str
) -> None:
    async def change(caller: Caller, name: str) -> None:
        if what == "pause":
            await caller.pause(name)
        elif what == "resume":
            await caller.resume(name)
        else:
            await caller.limit(f"queue:{name}", 2)

    async def holds_in(name: str) -> int:
        if what == "limit":
            return await town.limited_in(f"queue:{name}", 2)
        paused = await town.paused_in(name)
        return paused if what == "pause" else PARTITIONS - paused

    async def is_told(name: str) -> bool:
        if what == "limit":
            return name in {one.name for one in await limits.read(town.connection)}
        return await town.is_paused(name) == (what == "pause")

    async def story() -> None:
        for reached in range(PARTITIONS):
            name = f"q{reached}"
            caller = town.caller()
            if what == "resume":
                await caller.pause(name)
            caller.calls_left = reached
            with pytest.raises(BackendUnavailable):
                await change(caller, name)
            await caller.connection.close()
            assert await holds_in(name) == reached
            # People are told what will hold.
            assert await is_told(name) == (reached > 0)
            assert await town.on_its_way_to() == (PARTITIONS - reached if reached else 0)

            await town.keep_time()

            assert await holds_in(name) == (PARTITIONS if reached else 0)
            assert await is_told(name) == (reached > 0)
            assert await town.on_its_way_to() == 0

    played(town, run, story)


def test_of_rules_that_were_broken_off_together_none_is_overlooked(town: Town, run: Run) -> None:
    """Two homes have one each, of the same moment."""

    async def story() -> None:
        caller = town.caller()
        names = ("mail", next(n for n in "abcdef" if town.home(n) is not town.home("mail")))
        for name in names:
            caller.calls_left = 1
            with pytest.raises(BackendUnavailable):
                await caller.pause(name)
        await town.keep_time()
        assert [await town.paused_in(name) for name in names] == [PARTITIONS, PARTITIONS]
        await caller.connection.close()

    played(town, run, story)


def test_a_caller_is_told_when_a_partition_cannot_be_reached_and_that_one_gets_it_later(
    town: Town, run: Run
) -> None:
    async def story() -> None:
        caller, keeper = town.caller(), town.caller()
        gone = caller.unreachable = keeper.unreachable = town.other("mail")
        with pytest.raises(BackendUnavailable):
            await caller.pause("mail")
        assert await town.paused_in("mail") == PARTITIONS - 1
        with pytest.raises(BackendUnavailable):
            await rules.bring_together(keeper.connection, town.home("mail"))
        assert await town.on_its_way_to() == 1
        # One that is told later is told of both.
        with pytest.raises(BackendUnavailable):
            await caller.pause("bills")
        await town.keep_time()
        assert await town.connection.command("HLEN", gone.pauses) == 2
        assert await town.on_its_way_to() == 0
        await caller.connection.close()
        await keeper.connection.close()

    played(town, run, story)


@pytest.mark.parametrize("is_home", [True, False])
def test_a_partition_that_a_failover_set_back_catches_up(
    town: Town, run: Run, is_home: bool
) -> None:
    async def story() -> None:
        caller = town.caller()
        await caller.pause("early")
        keys = town.home("mail") if is_home else town.other("mail")
        kept = await town.house.replica_of(keys)
        await caller.pause("mail")
        await caller.limit("queue:mail", 2)
        await caller.resume("early")
        await town.house.fail_over(keys, kept)
        assert await town.paused_in("mail") == PARTITIONS - 1

        await town.keep_time()

        assert await town.paused_in("mail") == PARTITIONS
        assert await town.is_paused("mail") and not await town.is_paused("early")
        assert await town.paused_in("early") == 0
        assert await town.limited_in("queue:mail", 2) == PARTITIONS
        assert await town.on_its_way_to() == 0
        await caller.connection.close()

    played(town, run, story)


@pytest.mark.parametrize("clock_ms", [0, -60_000])
def test_what_is_asked_for_after_a_failover_comes_after_what_that_has_lost(
    town: Town, run: Run, clock_ms: int
) -> None:
    """Also where the new primary's clock is behind, and gives a revision for the second time."""

    async def story() -> None:
        caller = town.caller()
        keys = town.home("mail")
        kept = await town.house.replica_of(keys)
        await caller.pause("mail")
        await town.house.fail_over(keys, kept)
        town.house.clock.now_ms += clock_ms
        # Its home knows of no pause.
        await caller.resume("mail")
        assert await town.paused_in("mail") == 0
        kept = await town.house.replica_of(keys)
        await caller.limit("queue:mail", 5)
        await town.house.fail_over(keys, kept)
        await caller.limit("queue:mail", 4)
        await town.keep_time()
        assert await town.paused_in("mail") == 0
        assert await town.limited_in("queue:mail", 4) == PARTITIONS
        assert await town.on_its_way_to() == 0
        await caller.connection.close()

    played(town, run, story)


def test_what_comes_late_changes_nothing_more(town: Town, run: Run) -> None:
    async def story() -> None:
        slow, quick = town.caller(), town.caller()
        slow.holds_back = True
        with pytest.raises(BackendUnavailable):
            await slow.pause("mail")
        assert await quick.resume("mail")
        for late in slow.late:
            await slow.arrive(late)
        assert await town.paused_in("mail") == 0
        assert await town.on_its_way_to() == 0
        for caller in (slow, quick):
            await caller.connection.close()

    played(town, run, story)


@pytest.mark.parametrize("seed", range(4))
def test_two_who_disagree_and_lose_calls_leave_one_answer_everywhere(
    town: Town, run: Run, seed: int
) -> None:
    chance = random.Random(seed)

    async def change(caller: Caller) -> None:
        name, number = chance.choice(("mail", "bills")), chance.randint(0, 3)
        what = chance.randint(0, 2)
        with contextlib.suppress(BackendUnavailable):
            if what == 0:
                await caller.pause(name)
            elif what == 1:
                await caller.resume(name)
            else:
                await caller.limit("queue:a", number)

    async def story() -> None:
        callers = [town.caller() for _ in range(2)]
        late: list[Sequence[Any]] = []
        backups = {
            keys: await town.house.replica_of(keys) for keys in town.connection.keys.partitions
        }
        for _ in range(12):
            for caller in callers:
                caller.calls_left = chance.choice((1_000, chance.randint(0, 2 * PARTITIONS)))
                caller.holds_back = chance.random() < 0.2
            await asyncio.gather(*(change(caller) for caller in callers))
            late += [one for caller in callers for one in caller.late]
            for one in chance.sample(late, min(len(late), 5)):
                await callers[0].arrive(one)
            keys = chance.choice(town.connection.keys.partitions)
            if chance.random() < 0.3:
                await town.house.fail_over(keys, backups[keys])
            else:
                backups[keys] = await town.house.replica_of(keys)
            town.house.clock.now_ms += chance.choice((0, 1, -5, 100))
        for _ in range(2):
            await town.keep_time()
        for one in late:
            await callers[0].arrive(one)
        assert await town.on_its_way_to() == 0
        for name in ("mail", "bills"):
            is_paused = await town.is_paused(name)
            assert await town.paused_in(name) == (PARTITIONS if is_paused else 0)
        most = max((one.limits.most for one in await limits.read(town.connection)), default=0)
        assert await town.limited_in("queue:a", most) == PARTITIONS
        # Who is not disturbed has the last word.
        await pauses.put(town.connection, "queue", "mail", is_paused=True, note="")
        await pauses.put(town.connection, "queue", "bills", is_paused=False, note="")
        assert await town.paused_in("mail") == PARTITIONS
        assert await town.paused_in("bills") == 0
        for caller in callers:
            await caller.connection.close()

    played(town, run, story)


def test_where_there_is_one_partition_nothing_is_kept_beside_what_holds(
    house: House, run: Run
) -> None:
    async def story() -> None:
        connection = house.connection
        await pauses.put(connection, "queue", "mail", is_paused=True, note="")
        await limits.put(connection, {"queue:mail": Limits(most=2)})
        assert await connection.command("EXISTS", house.keys.rules) == 0
        assert await connection.command("HGET", house.keys.limits, "queue:mail") == b"2 0 0 0 0 0"
        await pauses.put(connection, "queue", "mail", is_paused=False, note="")
        await limits.put(connection, {"queue:mail": Limits()})
        assert await connection.command("EXISTS", house.keys.pauses, house.keys.limits) == 0

    play(house, run, story)
