"""An event loop on a clock that jumps: nothing is waited for, time passes at once.

When nothing can run now, the clock goes to the next moment at which something can. Timers, time
limits and pauses of everything that runs on the loop then take no time, and always come in the
same order.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, TypeVarTuple

from rhythm.surroundings import Surroundings

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Seconds since the loop was made are floats: after some years their neighbours lie further apart
# than the nanosecond that asyncio takes for the same moment, and it would wait without end for one
# that has come. A century of them lies closer together than this.
_SAME_MOMENT_S = 1e-6


class Standstill(Exception):
    """Nothing can run, now or at any later time."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` is seconds since it was made, by a clock that jumps."""

    def __init__(
        self,
        at_rest: Callable[[float | None], bool] | None = None,
        *,
        forever_s: float = math.inf,
    ) -> None:
        """A loop at 0 s.

        Args:
            at_rest: called whenever nothing can run now, with the seconds until something can, or
                None if nothing ever will. True says that it has made something ready, so that the
                clock stays. False lets the clock jump, or raises `Standstill` out of the loop.
            forever_s: what is to happen so much later than it is asked for never happens.
        """
        self._now_s = 0.0
        self._at_rest, self._forever_s = at_rest, forever_s
        self._scheduled: list[
            asyncio.TimerHandle
        ]  # asyncio's own heap, of which types know nothing
        super().__init__(_Jump(self._jump))
        self._clock_resolution = _SAME_MOMENT_S

    def time(self) -> float:
        return self._now_s

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        if when - self._now_s >= self._forever_s:
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(
        self, executor: Any, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call at once: the clock would not wait for a thread."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _jump(self, seconds: float | None) -> None:
        if self._at_rest is not None and self._at_rest(seconds):
            return
        if seconds is None:
            raise Standstill("nothing is left that could ever run")
        # The selector is given a day at most; the loop knows when the next thing is to happen.
        self._now_s = max(self._now_s, self._scheduled[0].when())


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
