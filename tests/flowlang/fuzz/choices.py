"""The decisions that a generated program is made of, as a list of small numbers.

A generator asks `below(n)` wherever it could go several ways, and 0 is always the simplest way. The
numbers taken are kept, so the same list gives the same program, and a shorter or smaller list a
simpler one: that is what shrinking works on. A list that is at its end goes on with 0.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Numbers from a seed, or again those of a recorded list.

    Attributes:
        taken: what was chosen so far.
    """

    def __init__(self, seed: int | str | None = None, recorded: Sequence[int] = ()) -> None:
        self._random = None if seed is None else random.Random(seed)
        self._recorded = recorded
        self.taken: list[int] = []

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        if limit <= 1:
            return 0
        if self._random is not None:
            number = self._random.randrange(limit)
        else:
            at = len(self.taken)
            number = min(self._recorded[at], limit - 1) if at < len(self._recorded) else 0
        self.taken.append(number)
        return number

    def pick(self, options: Sequence[T]) -> T:
        """One of the options; the first is the simplest."""
        return options[self.below(len(options))]

    def often(self, percent: int) -> bool:
        """True in so many of 100 cases; False is the simpler answer."""
        return self.below(100) >= 100 - percent

    def weighted(self, options: Sequence[tuple[int, T]]) -> T:
        """One of the options, each as often as its weight says."""
        number = self.below(sum(weight for weight, _ in options))
        for weight, option in options:
            if number < weight:
                return option
            number -= weight
        raise AssertionError("the weights add up")
