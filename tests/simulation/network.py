"""Between the processes of a simulation and their server: each round trip takes a seeded time, and
may fail in every way that a network knows.

The server carries out one command after the other, each a step that nothing divides; blocking reads
wait here instead of in the server. What a process sends when it is dead never
arrives, and what it sends while it is paused arrives when it goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from streams.connection import REPLY_TIMEOUT_S, Connection
from tests.simulation.servers import Server, tag_of

# Unix ms at which every simulation begins.
EPOCH_MS = 1_700_000_000_000

# Several times what the longest run needs.
MOST_CALLS = 20_000


# After so long nothing arrives any more whose sender has given up.
MOST_LATE_S = 2 * REPLY_TIMEOUT_S

FAULTS = ("request lost", "request late", "reply lost", "reply never comes")


class Died(BaseException):
    """What code of a killed process meets instead of going on."""


class Process:
    """A process of the simulation: it can be killed, and stand still for a while."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.drain: Callable[[], None] = lambda: None
        self._goes_on = asyncio.Event()
        self._goes_on.set()

    def kill(self) -> None:
        """From now on nothing that it does is seen by anybody."""
        self.is_alive = False
        self._goes_on.set()

    def pause(self) -> None:
        self._goes_on.clear()

    def go_on(self) -> None:
        self._goes_on.set()

    async def runs(self) -> None:
        """Return when the process runs; raise `Died` when it never will again."""
        await self._goes_on.wait()
        if not self.is_alive:
            raise Died(self.name)


class Network:
    """The way to one server.

    Args:
        server: carries out one command after the other.
        now_s: the virtual clock, seconds since the simulation began.
        chance: decides delays and faults.
        faults: how likely a fault is on one round trip.
        kinds: of faults, each as likely as the others: see `FAULTS`.
    """

    def __init__(
        self,
        server: Server,
        now_s: Callable[[], float],
        chance: random.Random,
        faults: float,
        kinds: Sequence[str],
    ) -> None:
        self.server, self._now_s, self._chance = server, now_s, chance
        self.faults, self._kinds = faults, kinds
        self.clock_offset_ms = 0
        self.counts: Counter[str] = Counter()
        self.calls = 0
        self.trace: list[str] = []
        self._primaries: Counter[str | None] = Counter()
        self._waiting: list[_Waiting] = []
        self._watching: list[tuple[int, asyncio.Future[None]]] = []
        self._late: set[asyncio.Task[None]] = set()

    def now_ms(self) -> int:
        """The server's clock."""
        return EPOCH_MS + self.clock_offset_ms + round(self._now_s() * 1000)

    def connect(
        self, process: Process, namespace: str, patience_s: float | None = 10.0
    ) -> Connection:
        """A connection of a process to the server."""
        return _SimulatedConnection(self, _Distant(self, process), namespace, patience_s)

    def connect_at_once(self, namespace: str) -> Connection:
        """A connection whose calls take no time and never fail: nothing else happens meanwhile."""
        return _SimulatedConnection(self, _AtOnce(self), namespace, 10.0)

    async def until_commands(self, count: int) -> None:
        """Return when so many more commands were carried out, before the last one is answered; or
        after a while in which nobody sends any."""
        reached = asyncio.get_running_loop().create_future()
        self._watching.append((self.calls + count, reached))
        await asyncio.wait({reached}, timeout=REPLY_TIMEOUT_S)

    async def round_trip(self, process: Process, words: Sequence[Any]) -> Any:
        """Send a command, bring its reply."""
        tag = tag_of(words)
        primary = self._primary(tag)
        await self._travel(process)
        self._check(tag, primary)
        fault = self._fault()
        if fault == "request lost":
            raise RedisConnectionError("simulated: the request was lost")
        if fault == "request late":
            # It is carried out when the sender has given up and perhaps repeated it.
            self._later(words)
            await asyncio.sleep(10 * REPLY_TIMEOUT_S)
        reply = self.carry_out(words)
        if fault == "reply lost":
            raise RedisConnectionError("simulated: the connection was cut before the reply")
        if fault == "reply never comes":
            await asyncio.sleep(10 * REPLY_TIMEOUT_S)
        await self._travel(process)
        self._check(tag, primary)
        if isinstance(reply, RedisError):
            raise reply
        return reply

    async def pop(self, process: Process, keys: Sequence[str], timeout_s: float) -> Any:
        """BLPOP: wait for the first element of any of the lists."""
        tag = tag_of(("BLPOP", *keys))
        primary = self._primary(tag)
        await self._travel(process)
        self._check(tag, primary)
        if self._fault():
            raise _cut()
        waiting = _Waiting(keys, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._give(waiting)
        try:
            async with asyncio.timeout(timeout_s):
                found = await waiting.found
        except TimeoutError:
            found = None
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
        if self._fault():
            # What was popped is gone with the connection.
            raise _cut()
        await self._travel(process)
        self._check(tag, primary)
        return found

    def fail_over(self, lost: int, tag: str | None, spared: str | None) -> None:
        """Another server takes over, without the last writes; connections to it are cut.

        Args:
            tag: of the one partition that it holds; None for a server that holds them all.
        """
        self._primaries[tag] += 1
        gone = self.server.fail_over(lost, tag, spared)
        self.trace.append(f"{self._now_s():.6f} failover of {tag or 'all'}: {gone} writes are gone")
        for waiting in list(self._waiting):
            if tag in (None, waiting.tag):
                self._waiting.remove(waiting)
                if not waiting.found.done():
                    waiting.found.set_exception(_cut())

    def _primary(self, tag: str) -> tuple[int, int]:
        """Which server it is that holds a partition: the how manieth."""
        return self._primaries[None], self._primaries[tag]

    def _check(self, tag: str, primary: tuple[int, int]) -> None:
        if primary != self._primary(tag):
            raise _cut()

    def carry_out(self, words: Sequence[Any]) -> Any:
        """Have the server do a command at once; its reply, or its error."""
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise Died(f"more than {MOST_CALLS:,} commands: something goes round in circles")
        try:
            reply = self.server.execute(*words)
        except RedisError as error:
            reply = error
        self.trace.append(f"{self._now_s():.6f} {_shown(words)} -> {_shown_reply(reply)}")
        if words[0] in _RUNS_SCRIPT:
            # Nothing else pushes to a list.
            self._serve()
        for watch in [watch for watch in self._watching if watch[0] <= self.calls]:
            self._watching.remove(watch)
            watch[1].set_result(None)
        return reply

    def _later(self, words: Sequence[Any]) -> None:
        tag = tag_of(words)
        primary = self._primary(tag)

        async def carry_out() -> None:
            await asyncio.sleep(self._chance.uniform(MOST_LATE_S / 4, MOST_LATE_S))
            if primary == self._primary(tag):
                self.carry_out(words)

        task = asyncio.create_task(carry_out())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _serve(self) -> None:
        """Give those who wait what has come, in the order in which they came."""
        awaited = {key: None for waiting in self._waiting for key in waiting.keys}
        if awaited and self.server.execute("EXISTS", *awaited):
            for waiting in list(self._waiting):
                self._give(waiting)

    def _give(self, waiting: _Waiting) -> None:
        keys = waiting.keys
        if waiting.found.done():
            # It has just given up.
            return
        popped = self.server.execute("LMPOP", len(keys), *keys, "LEFT")
        if popped:
            key, (value,) = popped
            self._waiting.remove(waiting)
            waiting.found.set_result((key, value))

    async def _travel(self, process: Process) -> None:
        await process.runs()
        await asyncio.sleep(self._chance.expovariate(1000))
        await process.runs()

    def _fault(self) -> str | None:
        if self._chance.random() >= self.faults:
            return None
        fault = self._chance.choice(self._kinds)
        self.counts[fault] += 1
        return fault


_RUNS_SCRIPT = frozenset({"EVALSHA", "EVAL"})


class _Waiting:
    def __init__(self, keys: Sequence[str], found: asyncio.Future[Any]) -> None:
        self.keys, self.found = keys, found
        self.tag = tag_of(("BLPOP", *keys))


def _cut() -> RedisConnectionError:
    return RedisConnectionError("simulated: the connection was cut")


class _SimulatedConnection(Connection):
    def __init__(
        self,
        network: Network,
        client: _Distant | _AtOnce,
        namespace: str,
        patience_s: float | None,
    ) -> None:
        self._network, self._simulated = network, client
        super().__init__(
            "redis://simulated:1/0", namespace, patience_s=patience_s, clock=network.now_ms
        )

    def another(self, *, patience_s: float | None) -> Connection:
        connection = _SimulatedConnection(
            self._network, self._simulated, self.keys.namespace, patience_s
        )
        connection.keys = self.keys
        return connection

    def _open_client(self, connections: int) -> redis.asyncio.Redis:
        return cast(redis.asyncio.Redis, self._simulated)


class _Distant:
    """The part of redis-py's asyncio client that a connection uses."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network, self._process = network, process
        self.connection_pool = self

    async def execute_command(self, *words: Any) -> Any:
        return await self._network.round_trip(self._process, words)

    async def blpop(self, keys: Sequence[str], timeout: float) -> Any:
        return await self._network.pop(self._process, keys, timeout)

    async def disconnect(self) -> None:
        """As of its pool."""

    async def aclose(self) -> None:
        """Nothing is open."""


class _AtOnce:
    """As `_Distant`, without the distance; it never waits, so it cannot read blocking."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def execute_command(self, *words: Any) -> Any:
        reply = self._network.carry_out(words)
        if isinstance(reply, RedisError):
            raise reply
        return reply


def _shown(words: Sequence[Any]) -> str:
    return " ".join(str(word)[:60] for word in words[:12])


def _shown_reply(reply: Any) -> str:
    return repr(reply)[:200]
