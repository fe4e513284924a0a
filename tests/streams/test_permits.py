"""Where there are several partitions, limits hold for all of them together, whatever gets lost
between them; and what waits begins wherever it is."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from typing import Any

import pytest

from streams import definitions, limits, permits, transitions
from streams.connection import Connection
from streams.due import Timekeeper
from streams.errors import BackendUnavailable
from streams.keys import PartitionKeys
from streams.limits import Limits
from streams.work import Bounds, TaskSettlement, WorkerSeat
from tests.streams.house import ENDINGS, House, Run, play

pytestmark = pytest.mark.everywhere

LEASE_MS = 100_000_000
# Longer than permits are kept where others wait: see shares.lua.
TURN_MS = 300
# What counts for longer than a test takes: servers forget it by their own clocks.
WITHIN_MS = 100_000


class Place:
    """A partition with its timekeeper, and a worker that runs what it claims until it is told to
    finish that."""

    def __init__(self, connection: Connection, keys: PartitionKeys, worker: str = "w") -> None:
        self.connection, self.keys = connection, keys
        self.seat = WorkerSeat(connection, keys, f"{worker}{keys.tag}", lease_ms=LEASE_MS)
        self.keeper = Timekeeper(
            connection, keys, "keeper", term_ms=10_000, max_lost=5, endings=ENDINGS
        )
        self.running: dict[str, str] = {}

    async def claim(self, room: int = 100, *finished: str) -> list[str]:
        settled = [
            TaskSettlement(id_, self.running.pop(id_), "completed", b"O") for id_ in finished
        ]
        claims: list[str] = []
        for _ in range(2):
            step = await self.seat.step(["default"], room - len(claims), settled)
            claims += [claim.id for claim in step.claims]
            self.running |= {claim.id: claim.token for claim in step.claims}
            settled = []
        return claims

    async def tend(self) -> None:
        """As the timekeeper does when it is rung for, without waiting."""
        if (await self.keeper.tend()).has_shares_to_tell:
            rounds = 0
            while await permits.exchange(self.connection, self.keys):
                rounds += 1
                assert rounds < 20
            await self.keeper.tend()


class Town:
    """A namespace of several partitions."""

    def __init__(self, house: House) -> None:
        self.house, self.clock = house, house.clock
        self.places: list[Place] = []

    async def settle(self, count: int = 3) -> None:
        await definitions.migrate(self.house.connection, count)
        for keys in self.house.connection.keys.partitions:
            place = Place(self.house.connection, keys)
            await place.seat.register(b"about")
            self.places.append(place)

    async def limit(self, **given: Limits) -> None:
        scopes = {name.replace("_", ":", 1): one for name, one in given.items()}
        await limits.put(self.house.connection, scopes)
        await self.tend()

    async def tend(self) -> None:
        for place in self.places:
            await place.tend()

    async def task(self, number: int, where: int | None = None, key: str = "") -> str:
        """Start a task, in one of the partitions by its name, or in the one that is said."""
        keys = self.house.connection.keys
        id_ = next(
            id_
            for id_ in (f"t{number}.{again}" for again in range(1000))
            if where is None or keys.partition(id_) == self.places[where].keys
        )
        await transitions.create_execution(
            self.house.connection,
            execution_id=id_,
            request=f"start-{id_}",
            content="c0",
            type="task",
            target="charge",
            queue="default",
            definition="",
            due_ms=None,
            payload=b"CREATED",
            bounds=Bounds(key=key),
        )
        return id_

    def running(self) -> list[str]:
        return [id_ for place in self.places for id_ in place.running]

    async def claim(self) -> list[str]:
        """All that can begin now, wherever it is."""
        began: list[str] = []
        for _ in range(3):
            for place in self.places:
                began += await place.claim()
            await self.tend()
        return began

    async def finish(self, *ids: str) -> list[str]:
        """End these; what began in their place, when all had their turn."""
        self.clock.now_ms += TURN_MS
        began: list[str] = []
        for place in self.places:
            began += await place.claim(100, *[id_ for id_ in ids if id_ in place.running])
        await self.tend()
        self.clock.now_ms += TURN_MS
        await self.tend()
        return began + await self.claim()

    def away_from_home(self) -> tuple[int, int]:
        """The two places of three where the tasks' limit is not at home."""
        home = self.house.connection.keys.home("c||task:charge")
        here, there = [where for where in range(3) if self.places[where].keys != home]
        return here, there

    async def kept(self, where: int) -> dict[str, bytes]:
        return await self.house.replica_of(self.places[where].keys)

    async def fail_over(self, where: int, replica: dict[str, bytes]) -> None:
        """The replica takes over; the worker, which knows of more, begins anew."""
        place = self.places[where]
        await self.house.fail_over(place.keys, replica)
        again = Place(self.house.connection, place.keys, "again")
        await again.seat.register(b"about")
        self.places[where] = again

    async def is_mended(self, most: int, ids: Sequence[str]) -> None:
        """What runs too much comes to its end, nothing begins in its place, and all get done."""
        asked = self.running()
        ended: list[str] = []
        while self.running():
            before = len(self.running())
            one = self.running()[0]
            ended.append(one)
            began = await self.finish(one)
            self.clock.now_ms += 1500
            began += await self.claim()
            assert len(self.running()) <= max(before - 1, most), (asked, ended, began)
        assert sorted(ended) == sorted(ids)


@pytest.fixture
def town(house: House) -> Town:
    return Town(house)


def played(town: Town, run: Run, story: Any, count: int = 3) -> None:
    async def whole() -> None:
        await town.settle(count)
        await story()

    play(town.house, run, whole)


@pytest.mark.parametrize("scope", ["task_charge", "queue_default"])
def test_so_many_run_at_once_in_all_partitions_together(town: Town, run: Run, scope: str) -> None:
    async def story() -> None:
        await town.limit(**{scope: Limits(most=4)})
        ids = [await town.task(number) for number in range(9)]
        done = await town.claim()
        assert len(done) == 4
        while town.running():
            done += await town.finish(town.running()[0])
            assert len(town.running()) == min(4, 9 - (len(done) - len(town.running())))
        assert sorted(done) == sorted(ids)

    played(town, run, story)


def test_a_single_permit_goes_from_place_to_place(town: Town, run: Run) -> None:
    """Of those that wait each has its turn; and where nobody waits any more, it stays nowhere."""

    async def story() -> None:
        await town.limit(task_charge=Limits(most=1))
        for number in range(9):
            await town.task(number, where=number % 3)
        order = await town.claim()
        while town.running():
            order += await town.finish(*town.running())
            assert len(town.running()) <= 1
        assert len(order) == 9
        keys = town.house.connection.keys
        places = [keys.partition(id_).tag for id_ in order]
        assert len({*places[:5]}) == 3, places
        # What lies idle in one place is fetched by another at once.
        for where in (2, 0, 1):
            id_ = await town.task(100 + where, where=where)
            assert await town.claim() == [id_]
            await town.finish(id_)

    played(town, run, story)


def test_a_permit_goes_on_at_once_where_nobody_needs_it_any_more(town: Town, run: Run) -> None:
    """No time passes in this story: nothing waits for a turn to end."""

    async def story() -> None:
        await town.limit(task_charge=Limits(most=2))
        here, there, elsewhere = town.places
        ids = [await town.task(number, where=number) for number in range(2)]
        assert await town.claim() == ids
        ids += [await town.task(number, where=number % 2) for number in range(2, 6)]
        last = await town.task(10, where=2)
        assert await town.claim() == []
        assert await here.claim(100, ids[0]) == [ids[2]]
        assert await here.claim(100, ids[2]) == [ids[4]]
        # Here nobody waits any more, and elsewhere one does.
        assert await here.claim(100, ids[4]) == []
        assert await permits.exchange(town.house.connection, here.keys)
        assert await elsewhere.claim() == [last]
        # What lay idle is fetched.
        for id_ in (ids[1], ids[3], ids[5]):
            await there.claim(100, id_)
        late = await town.task(11, where=0)
        assert await here.claim() == []
        assert await permits.exchange(town.house.connection, here.keys)
        assert await here.claim() == [late]

    played(town, run, story)


def test_what_was_granted_is_kept_until_somebody_came_for_it(town: Town, run: Run) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(most=1))
        here, there, elsewhere = town.places
        first = await town.task(0, where=0)
        assert await town.claim() == [first]
        second, third = [await town.task(number, where=number) for number in (1, 2)]
        assert await there.claim() == []
        await there.tend()
        assert await here.claim(100, first) == []
        await here.tend()
        # It is there now, and not begun with.
        assert await elsewhere.claim() == []
        await elsewhere.tend()
        assert await elsewhere.claim() == []
        assert await there.claim() == [second]
        assert await there.claim(100, second) == []
        await there.tend()
        assert await elsewhere.claim() == [third]

    played(town, run, story)


def test_from_the_end_of_one_to_the_beginning_of_another_are_three_calls(
    town: Town, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that is told carries it: nobody has to be rung for first."""
    names: list[str] = []

    async def story() -> None:
        connection = town.house.connection
        await town.limit(task_charge=Limits(most=1))
        here, there = town.places[:2]
        first = await town.task(0, where=0)
        assert await town.claim() == [first]
        second = await town.task(1, where=1)
        assert await town.claim() == []
        write = connection.write

        async def overheard(script: Any, keys: Any, arguments: Any) -> Any:
            names.append(script.name)
            return await write(script, keys, arguments)

        monkeypatch.setattr(connection, "write", overheard)
        settled = [TaskSettlement(first, here.running.pop(first), "completed", b"O")]
        await connection.command("DEL", here.keys.due_bell)
        step = await here.seat.step(["default"], 100, settled)
        assert step.has_shares_to_tell
        assert await connection.command("EXISTS", here.keys.due_bell) == 0
        await permits.exchange(connection, here.keys)
        # The last two go together: one to who waits, and the home's answer.
        assert names == ["exchange_permits", "grant_permits", *["exchange_permits"] * 2]
        assert not await permits.exchange(connection, here.keys)
        assert await there.claim() == [second]
        step = await there.seat.step(["default"], 100, [])
        assert not step.has_shares_to_tell

    played(town, run, story)


def test_permits_are_shared_out_evenly_among_those_that_wait(town: Town, run: Run) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(most=7))
        for number in range(10):
            await town.task(number, where=0)
        assert len(await town.claim()) == 7
        for number in range(10, 24):
            await town.task(number, where=1 + number % 2)
        await town.claim()
        for _ in range(5):
            await town.finish(town.running()[0])
        assert sorted(len(place.running) for place in town.places) == [2, 2, 3]

    played(town, run, story)


def test_each_key_has_its_permits_in_all_partitions_together(town: Town, run: Run) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(most=5, key_most=2))
        key_of = {}
        for number in range(12):
            key = ("ada", "bob", "eve")[number % 3]
            key_of[await town.task(number, key=key)] = key
        done = await town.claim()
        for _ in range(40):
            keys = [key_of[id_] for id_ in town.running()]
            assert len(keys) <= 5 and all(keys.count(key) <= 2 for key in keys), keys
            done += await town.finish(*town.running()[:1])
            if len(done) == len(key_of):
                break
        assert sorted(done) == sorted(key_of)

    played(town, run, story)


def test_two_limits_that_all_need_block_nobody_for_ever(town: Town, run: Run) -> None:
    """Of sixteen places each may get one of what it needs two of, and all come to their turn."""

    async def story() -> None:
        await town.limit(queue_default=Limits(most=1), task_charge=Limits(most=1))
        ids = [await town.task(number, where=number % 16) for number in range(32)]
        done = await town.claim()
        rounds = 0
        while len(done) < len(ids):
            done += await town.finish(*town.running())
            assert len(town.running()) <= 1
            rounds += 1
            assert rounds < 200, len(done)
        assert sorted(done) == sorted(ids)

    played(town, run, story, count=16)


def test_so_many_begin_within_any_such_time_in_all_partitions(town: Town, run: Run) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(begin=3, within_ms=100_000))
        for number in range(8):
            await town.task(number)
        began: list[int] = []
        while len(began) < 8:
            began += [town.clock.now_ms for _ in await town.claim()]
            town.clock.now_ms += 23_000
            await town.tend()
            assert town.clock.now_ms < 1_700_002_000_000
        for at in began:
            assert sum(at - 100_000 < other <= at for other in began) <= 3
        assert began[-1] - began[0] < 6 * 100_000

    played(town, run, story)


def test_who_waits_is_told_when_the_next_may_begin_anywhere(town: Town, run: Run) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(begin=2, within_ms=WITHIN_MS))
        for where in (0, 1):
            await town.task(where, where=where)
            assert len(await town.claim()) == 1
            town.clock.now_ms += 5_000
        late = await town.task(2, where=2)
        assert await town.claim() == []
        held = await limits.find(town.house.connection, late)
        assert held is not None
        assert held.opens_ms == town.clock.now_ms - 10_000 + WITHIN_MS
        town.clock.now_ms = held.opens_ms
        town.clock.now_ms += 1500
        assert await town.claim() == [late]

    played(town, run, story)


def test_a_lower_limit_is_kept_to_as_what_runs_comes_to_its_end(town: Town, run: Run) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(most=5))
        for number in range(20):
            await town.task(number)
        await town.claim()
        assert len(town.running()) == 5
        await town.limit(task_charge=Limits(most=2))
        while len(town.running()) > 2:
            before = len(town.running())
            await town.finish(town.running()[-1])
            assert len(town.running()) == max(before - 1, 2)
        town.clock.now_ms += 1500
        await town.finish(town.running()[0])
        await town.claim()
        assert len(town.running()) == 2
        await town.limit(task_charge=Limits())
        town.clock.now_ms += 1500
        await town.tend()
        await town.claim()
        assert len(town.running()) == 20 - 4

    played(town, run, story)


def test_nothing_begins_by_what_was_granted_before_a_limit_was_lowered(
    town: Town, run: Run
) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(most=4))
        for number in range(4):
            await town.task(number, where=number % 2)
        ids = await town.claim()
        here, there = town.places[:2]
        assert len(here.running) == len(there.running) == 2
        # One has room, and nobody told it yet.
        await here.claim(0, *here.running)
        await limits.put(town.house.connection, {"task:charge": Limits(most=2)})
        late = await town.task(10, where=0)
        assert await here.claim() == []
        await town.tend()
        assert await town.claim() == []
        assert await town.finish(*there.running) == [late]
        assert late not in ids

    played(town, run, story)


def test_a_lower_limit_does_not_wait_for_the_end_of_anybodys_turn(town: Town, run: Run) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(most=4))
        for number in range(4):
            await town.task(number, where=number % 2)
        await town.claim()
        assert len(town.running()) == 4
        for number in range(4, 10):
            await town.task(number, where=number % 2)
        assert await town.claim() == []
        await town.limit(task_charge=Limits(most=3))
        place = next(one for one in town.places if len(one.running) > 1)
        assert await place.claim(100, next(iter(place.running))) == []
        await town.tend()
        assert await town.claim() == []

    played(town, run, story)


def test_what_is_said_once_more_says_nothing_new(
    town: Town, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Sequence[Any]] = []

    async def story() -> None:
        connection = town.house.connection
        write = connection.write

        async def overheard(script: Any, keys: Any, arguments: Any) -> Any:
            if script.name in ("exchange_permits", "grant_permits"):
                said.append((script, keys, arguments))
            return await write(script, keys, arguments)

        monkeypatch.setattr(connection, "write", overheard)
        await town.limit(task_charge=Limits(most=2))
        for turn in range(3):
            # From place to place.
            for number in range(2):
                await town.task(10 * turn + number, where=turn % 2)
            for _ in range(5):
                # What was said once more may leave permits unused until somebody asks again.
                town.clock.now_ms += 1_500
                await town.claim()
            assert len(town.running()) == 2
            for again in [*said, *reversed(said)]:
                await write(*again)
            for where in range(3):
                await town.task(10 * turn + 5 + where, where=where)
            assert await town.claim() == []
            assert len(town.running()) == 2
            while town.running():
                await town.finish(*town.running())

    played(town, run, story)


def test_more_run_after_a_failover_until_those_have_ended_that_began_by_a_permit_it_brought_back(
    town: Town, run: Run
) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(most=2))
        here, there = town.away_from_home()
        first = [await town.task(number, where=here) for number in range(2)]
        assert await town.claim() == first
        assert await town.finish(*first) == []
        replica = await town.kept(here)
        others = [await town.task(number, where=there) for number in range(2, 4)]
        assert await town.claim() == others
        # What lay idle here is there now, and here nobody knows that any more.
        await town.fail_over(here, replica)
        late = [await town.task(number, where=here) for number in range(4, 9)]
        assert await town.claim() == late[:2]
        # Who waits speaks to the home within a second.
        town.clock.now_ms += 1500
        assert await town.claim() == []
        assert len(town.running()) == 4
        await town.is_mended(2, others + late)

    played(town, run, story)


def test_more_run_after_a_failover_of_the_home_until_it_is_told_what_it_had_granted(
    town: Town, run: Run
) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(most=2))
        here, there = town.away_from_home()
        home = next(where for where in range(3) if where not in (here, there))
        replica = await town.kept(home)
        first = [await town.task(number, where=here) for number in range(2)]
        assert await town.claim() == first
        await town.fail_over(home, replica)
        others = [await town.task(number, where=there) for number in range(2, 4)]
        assert await town.claim() == others
        assert len(town.running()) == 4
        # Nothing waits where the others run, and yet the home hears of them within a minute.
        town.clock.now_ms += 61_000
        await town.tend()
        late = [await town.task(number, where=number % 3) for number in range(4, 10)]
        assert await town.claim() == []
        await town.is_mended(2, first + others + late)

    played(town, run, story)


def test_keys_that_are_gone_leave_nothing_behind(town: Town, run: Run) -> None:
    async def story() -> None:
        await town.limit(task_charge=Limits(key_most=1))
        for number in range(6):
            await town.task(number, key=f"k{number}")
        ids = await town.claim()
        assert len(ids) == 6
        await town.finish(*ids)
        for _ in range(3):
            town.clock.now_ms += 61_000
            await town.tend()
        connection = town.house.connection
        for place in town.places:
            shares = await connection.command("HKEYS", place.keys.shares)
            assert set(shares) <= {b"#", b"!"}
            assert await connection.command("KEYS", f"{place.keys.prefix}p:g:*") == []
            assert await connection.command("ZCARD", place.keys.due) == 1

    played(town, run, story)


class Mishaps:
    """What goes between partitions is lost, or its answer, or it comes once more, however late."""

    def __init__(self, connection: Connection, chance: random.Random) -> None:
        self._write, self._chance = connection.write, chance
        self._late: list[Sequence[Any]] = []
        self.likely = 0.3
        connection.write = self  # type: ignore[method-assign]

    async def __call__(self, script: Any, keys: Any, arguments: Any) -> Any:
        if script.name not in ("exchange_permits", "grant_permits"):
            return await self._write(script, keys, arguments)
        is_likely = self._chance.random() < self.likely
        what = self._chance.choice(("lost", "unanswered", "late")) if is_likely else ""
        if self._late and self._chance.random() < self.likely:
            # Its sender has long given up, or heard the answer to the first.
            await self._write(*self._chance.choice(self._late))
        if what != "lost":
            self._late.append((script, keys, arguments))
        if what == "lost":
            raise BackendUnavailable(script.name, "lost")
        if what == "late":
            raise BackendUnavailable(script.name, "late")
        answer = await self._write(script, keys, arguments)
        if what == "unanswered":
            raise BackendUnavailable(script.name, "unanswered")
        return answer


@pytest.mark.parametrize("seed", range(3))
def test_never_above_and_all_gets_done_whatever_is_lost(town: Town, run: Run, seed: int) -> None:
    chance = random.Random(seed)
    given = Limits(
        most=chance.choice((0, 1, 2, 5)),
        begin=chance.choice((0, 0, 2, 4)),
        within_ms=WITHIN_MS,
        key_most=chance.choice((0, 1, 2)),
        key_begin=chance.choice((0, 0, 1)),
        key_within_ms=WITHIN_MS // 2,
    )
    if not (given.most or given.begin or given.key_most or given.key_begin):
        given = Limits(most=1)
    key_of: dict[str, str] = {}
    began: list[tuple[int, str]] = []

    def judge(new: Sequence[str], now: Limits) -> None:
        now_ms = town.clock.now_ms
        began.extend((now_ms, key_of[id_]) for id_ in new)
        keys = [key_of[id_] for id_ in town.running()]
        for key in (None, *{key_of[id_] for id_ in new}):
            most = now.most if key is None else key and now.key_most
            count = len(keys) if key is None else keys.count(key)
            assert not new or not most or count <= most, (key, count)
            begin = now.begin if key is None else key and now.key_begin
            within_ms = now.within_ms if key is None else now.key_within_ms
            recent = sum(
                now_ms - within_ms < at <= now_ms and key in (None, one) for at, one in began
            )
            assert not new or not begin or recent <= begin, (key, recent)

    async def story() -> None:
        mishaps = Mishaps(town.house.connection, chance)
        current = given
        await limits.put(town.house.connection, {"task:charge": current})
        for number in range(150):
            place = chance.choice(town.places)
            what = chance.choice(
                ("task", "claim", "claim", "finish", "finish", "tend", "tend", "time")
            )
            if len(key_of) > 25 and what == "task":
                what = "tend"
            if number in (50, 100):
                fewer = {
                    name: chance.randint(1, most)
                    for name in ("most", "begin", "key_most", "key_begin")
                    if (most := getattr(current, name))
                }
                current = Limits(
                    **{"within_ms": WITHIN_MS, "key_within_ms": WITHIN_MS // 2, **fewer}
                )
                await limits.put(town.house.connection, {"task:charge": current})
            if what == "task":
                key = chance.choice(("", "ada", "bob"))
                key_of[await town.task(number, key=key)] = key
            elif what == "time":
                town.clock.now_ms += chance.choice((1, 50, 1_100, 25_000))
            elif what == "claim":
                judge(await place.claim(chance.randint(0, 3)), current)
            elif what == "finish":
                ended = [id_ for id_ in place.running if chance.random() < 0.5]
                judge(await place.claim(chance.randint(0, 3), *ended), current)
            else:
                with contextlib.suppress(BackendUnavailable):
                    await place.tend()
        mishaps.likely = 0.0
        ends_ms = town.clock.now_ms + 30_000_000
        while len(began) < len(key_of):
            for place in town.places * 5:
                judge(await place.claim(100, *list(place.running)), current)
                await place.tend()
            town.clock.now_ms += 25_000
            assert town.clock.now_ms < ends_ms, (len(began), len(key_of))

    played(town, run, story)
