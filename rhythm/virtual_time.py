"""An event loop on a clock that jumps: nothing is waited for, time passes at once.

When nothing can run now, the clock goes to the next moment at which something can. Timers, time
limits and pauses of everything that runs on the loop then take no time, and always come in the
same order.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from rhythm.surroundings import Surroundings

T = TypeVar("T")


class Standstill(Exception):
    """Nothing can run, now or at any later time."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` is seconds since it was made, by a clock that jumps."""

    def __init__(self, at_standstill: Callable[[], None] | None = None) -> None:
        """A loop at 0 s.

        Args:
            at_standstill: called when nothing is left that could ever run; it may make something
                ready. Without it a standstill raises `Standstill` out of the loop.
        """
        self._now_s = 0.0
        self._at_standstill = at_standstill
        super().__init__(_Jump(self._jump))

    def time(self) -> float:
        return self._now_s

    def _jump(self, seconds: float | None) -> None:
        if seconds is not None:
            self._now_s += max(seconds, 0.0)
        elif self._at_standstill is not None:
            self._at_standstill()
        else:
            raise Standstill("nothing is left that could ever run")


class _Jump(selectors.BaseSelector):
    """Looks for input without waiting; the time it should have waited passes at once."""

    def __init__(self, jump: Callable[[float | None], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if not ready and timeout != 0:
            self._jump(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def run(coroutine: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run a coroutine to its end on the loop, end what it left behind, and close the loop."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(coroutine)


class SeededSurroundings(Surroundings):
    """A process in which a seed decides what chance decides elsewhere, on a virtual clock.

    Args:
        clock: unix ms.
        seed: where its random numbers begin.
        name: of its host.
    """

    has_threads = False

    def __init__(self, clock: Callable[[], int], seed: int | str, name: str = "virtual") -> None:
        super().__init__()
        self._clock, self._name = clock, name
        self._random = random.Random(seed)

    def now_ms(self) -> int:
        return self._clock()

    def random_bits(self, count: int) -> int:
        return self._random.getrandbits(count)

    def process(self) -> tuple[str, int]:
        return self._name, 1
