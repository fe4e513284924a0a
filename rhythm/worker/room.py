"""How much more a worker can take on, shared between its partitions.

Whoever finds no room stands in line and is called when there is some again; nobody comes before
those who stand there. With a single partition there is never a line.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Room:
    """Room for so many executions.

    Args:
        size: how many at once.
        sharers: how many partitions share it. A call may last for as long as its server is away,
            so each takes only its share of what is free.
    """

    def __init__(self, size: int, sharers: int) -> None:
        self._size, self._sharers = size, sharers
        self._free = size
        self._asked = 0
        self._line: deque[asyncio.Event] = deque()
        self._called: asyncio.Event | None = None

    @property
    def is_shared(self) -> bool:
        """Whether there are several that share it."""
        return self._sharers > 1

    @property
    def is_full(self) -> bool:
        """Whether all room is taken by what runs."""
        return self._free + self._asked <= 0

    def take(self, me: asyncio.Event) -> int:
        """Room for a call of the store; give back with `settle` what it did not use.

        Args:
            me: who asks, by the event that calls them.
        """
        is_called = self._called is me
        if self._free <= 0 or ((self._line or self._called) and not is_called):
            return 0
        if is_called:
            self._called = None
        # Half of all at most: one half runs while the other is fetched.
        share = min(max(self._free // self._sharers, 1), max(self._size // 2, 1))
        self._free -= share
        self._asked += share
        self._call_next()
        return share

    def settle(self, taken: int, used: int) -> None:
        """Of what a call was given so much was used; it stays taken until `give_back`."""
        self._asked -= taken
        self._free += taken - used
        self._call_next()

    def give_back(self) -> None:
        """One execution that was taken on has ended."""
        self._free += 1
        self._call_next()

    def stand_in_line(self, me: asyncio.Event) -> None:
        """Set `me` when there is room."""
        self._line.append(me)
        self._call_next()

    def leave_line(self, me: asyncio.Event) -> None:
        """Wait no more; who was called takes next."""
        if me in self._line:
            self._line.remove(me)

    def forget(self, me: asyncio.Event) -> None:
        """Call somebody else: `me` will not take any more."""
        self.leave_line(me)
        if self._called is me:
            self._called = None
            self._call_next()

    def _call_next(self) -> None:
        if self._called is None and self._free > 0 and self._line:
            self._called = self._line.popleft()
            self._called.set()
