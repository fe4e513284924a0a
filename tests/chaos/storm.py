"""Faults, one after the other, in storms with calm between them."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter

from tests.chaos.ground import LEASE_S, Ground

STORM_S, CALM_S = 15.0, 6.0
# On average; a storm has some twenty faults, beside the replies that are lost.
BETWEEN_S = 0.7

_KINDS = (
    *("kill worker", "kill worker", "kill worker", "stop worker", "stop worker", "drain worker"),
    *("kill server", "stop server", "cut connections", "cut connections", "lose replies"),
    *("swallow replies", "delay replies", "truncate a reply"),
)


# It was told to stop, before it could listen (-15) or twice (130); or the server was away when it
# began (4), which it tells instead of waiting for an address that may be mistyped.
_EXPECTED = (0, 4, 130, -15)


class Storm:
    """Does harm to a ground until told to stop; `counts` says how often, by kind."""

    def __init__(self, ground: Ground, chance: random.Random) -> None:
        self._ground, self._chance = ground, chance
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._server_is_hurt = False
        self._under_way: set[asyncio.Task[None]] = set()

    async def rage(self, seconds: float) -> None:
        """Storms and calms for so long; in the end all is whole again."""
        loop = asyncio.get_running_loop()
        over_at = loop.time() + seconds
        while loop.time() < over_at:
            calm_at = min(loop.time() + STORM_S, over_at)
            while loop.time() < calm_at:
                await asyncio.sleep(self._chance.expovariate(1 / BETWEEN_S))
                self._begin(self._chance.choice(_KINDS))
            await self._mend()
            await asyncio.sleep(min(CALM_S, max(over_at - loop.time(), 0)))

    def _begin(self, kind: str) -> None:
        if kind.endswith("server"):
            if self._server_is_hurt:
                return
            self._server_is_hurt = True
        self.counts[kind] += 1
        harm = asyncio.create_task(getattr(self, "_" + kind.replace(" ", "_"))())
        self._under_way.add(harm)
        harm.add_done_callback(self._under_way.discard)

    async def _mend(self) -> None:
        await asyncio.gather(*self._under_way)
        self.replace_ended()

    def replace_ended(self) -> None:
        """Start workers anew that have ended: one that was told to may take its time."""
        for status in self._ground.ended_by_themselves():
            if status not in _EXPECTED:
                self.problems.append(f"a worker ended by itself with status {status}")
        for number in range(len(self._ground.workers)):
            self._ground.start_worker(number)

    def _worker(self) -> int:
        return self._chance.randrange(len(self._ground.workers))

    async def _kill_worker(self) -> None:
        number = self._worker()
        self._ground.kill_worker(number)
        await asyncio.sleep(self._chance.uniform(0, 1))
        self._ground.start_worker(number)

    async def _stop_worker(self) -> None:
        # Some longer than their lease, so that they wake to work that is not theirs any more.
        number = self._worker()
        self._ground.signal_worker(number, signal.SIGSTOP)
        await asyncio.sleep(self._chance.uniform(0.1, 2.5 * LEASE_S))
        self._ground.signal_worker(number, signal.SIGCONT)

    async def _drain_worker(self) -> None:
        self._ground.signal_worker(self._worker(), signal.SIGTERM)

    async def _kill_server(self) -> None:
        await asyncio.to_thread(self._ground.server.kill)
        await asyncio.sleep(self._chance.uniform(0, 1.5))
        await asyncio.to_thread(self._ground.server.start)
        self._server_is_hurt = False

    async def _stop_server(self) -> None:
        self._ground.server.pause()
        await asyncio.sleep(self._chance.uniform(0.1, 4))
        self._ground.server.go_on()
        self._server_is_hurt = False

    async def _cut_connections(self) -> None:
        self._ground.proxy.cut()

    async def _lose_replies(self) -> None:
        proxy = self._ground.proxy
        proxy.every = self._chance.choice((2, 3, 7, 20))
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        proxy.every = 0

    async def _swallow_replies(self) -> None:
        proxy = self._ground.proxy
        proxy.swallows = True
        await asyncio.sleep(self._chance.uniform(0.2, 2))
        proxy.swallows = False
        # Who waits for an answer that was swallowed waits until it is given up.
        proxy.cut()

    async def _delay_replies(self) -> None:
        proxy = self._ground.proxy
        proxy.delay_s = self._chance.uniform(0.01, 0.5)
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        proxy.delay_s = 0.0

    async def _truncate_a_reply(self) -> None:
        self._ground.proxy.truncate_next = True
