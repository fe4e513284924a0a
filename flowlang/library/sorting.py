"""A stable merge sort that asks its comparator in the same order as V8's.

The order of the questions is visible to a program (its comparator may log, or be inconsistent),
so it must be the same on every Python; `list.sort` makes no such promise and must not call back
into a program. The algorithm is Timsort, as published by Tim Peters: natural runs, extended by
binary insertion, merged pairwise while galloping where one side keeps winning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flowlang.values import Value

Compare = Callable[[Value, Value], float]
"""Negative when the first value belongs before the second."""

_MIN_GALLOP: Final = 7
"""So many wins in a row of one side start galloping."""


def merge_sort(items: list[Value], compare: Compare) -> list[Value]:
    """A sorted copy of `items`; equal ones keep their order."""
    if len(items) < 2:
        return list(items)
    return _Sorter(list(items), compare).sort()


class _Sorter:
    def __init__(self, work: list[Value], compare: Compare) -> None:
        self.work = work
        self.compare = compare
        self.min_gallop = _MIN_GALLOP
        self.runs: list[tuple[int, int]] = []
        """Runs waiting to be merged, as (start, length)."""

    def sort(self) -> list[Value]:
        low, remaining = 0, len(self.work)
        shortest = _shortest_run(remaining)
        while remaining:
            length = self._find_run(low, low + remaining)
            if length < shortest:
                forced = min(shortest, remaining)
                self._insert_binary(low, low + length, low + forced)
                length = forced
            self.runs.append((low, length))
            self._merge_collapse()
            low += length
            remaining -= length
        while len(self.runs) > 1:
            at = len(self.runs) - 2
            if at > 0 and self.runs[at - 1][1] < self.runs[at + 1][1]:
                at -= 1
            self._merge_at(at)
        return self.work

    def _find_run(self, low: int, high: int) -> int:
        """Length of the run at `low`; a strictly descending one is turned round."""
        if low + 1 == high:
            return 1
        work, compare = self.work, self.compare
        length = 2
        previous = work[low + 1]
        descending = compare(previous, work[low]) < 0
        for at in range(low + 2, high):
            current = work[at]
            if (compare(current, previous) < 0) is not descending:
                break
            previous = current
            length += 1
        if descending:
            work[low : low + length] = work[low : low + length][::-1]
        return length

    def _insert_binary(self, low: int, start: int, high: int) -> None:
        """Insert work[start:high] into the sorted work[low:start], one by one."""
        work, compare = self.work, self.compare
        for at in range(max(start, low + 1), high):
            pivot = work[at]
            left, right = low, at
            while left < right:
                middle = left + ((right - left) >> 1)
                if compare(pivot, work[middle]) < 0:
                    right = middle
                else:
                    left = middle + 1
            work[left + 1 : at + 1] = work[left:at]
            work[left] = pivot

    def _merge_collapse(self) -> None:
        """Merge until the lengths of waiting runs shrink fast enough towards the top."""
        runs = self.runs
        while len(runs) > 1:
            at = len(runs) - 2
            if not self._invariant(at + 1) or not self._invariant(at):
                if runs[at - 1][1] < runs[at + 1][1]:
                    at -= 1
                self._merge_at(at)
            elif runs[at][1] <= runs[at + 1][1]:
                self._merge_at(at)
            else:
                break

    def _invariant(self, at: int) -> bool:
        if at < 2:
            return True
        runs = self.runs
        return runs[at - 2][1] > runs[at - 1][1] + runs[at][1]

    def _merge_at(self, at: int) -> None:
        work = self.work
        start_a, length_a = self.runs[at]
        start_b, length_b = self.runs[at + 1]
        self.runs[at : at + 2] = [(start_a, length_a + length_b)]
        skip = self._gallop_right(work, work[start_b], start_a, length_a, 0)
        start_a += skip
        length_a -= skip
        if length_a == 0:
            return
        length_b = self._gallop_left(
            work, work[start_a + length_a - 1], start_b, length_b, length_b - 1
        )
        if length_b == 0:
            return
        if length_a <= length_b:
            self._merge_low(start_a, length_a, start_b, length_b)
        else:
            self._merge_high(start_a, length_a, start_b, length_b)

    def _gallop_left(
        self, items: list[Value], key: Value, base: int, length: int, hint: int
    ) -> int:
        """Where `key` goes before equal ones: items[base + k - 1] < key <= items[base + k]."""
        compare = self.compare
        last, offset = 0, 1
        if compare(items[base + hint], key) < 0:
            limit = length - hint
            while offset < limit and compare(items[base + hint + offset], key) < 0:
                last, offset = offset, (offset << 1) + 1
            last, offset = last + hint, min(offset, limit) + hint
        else:
            limit = hint + 1
            while offset < limit and not compare(items[base + hint - offset], key) < 0:
                last, offset = offset, (offset << 1) + 1
            last, offset = hint - min(offset, limit), hint - last
        last += 1
        while last < offset:
            middle = last + ((offset - last) >> 1)
            if compare(items[base + middle], key) < 0:
                last = middle + 1
            else:
                offset = middle
        return offset

    def _gallop_right(
        self, items: list[Value], key: Value, base: int, length: int, hint: int
    ) -> int:
        """Where `key` goes after equal ones: items[base + k - 1] <= key < items[base + k]."""
        compare = self.compare
        last, offset = 0, 1
        if compare(key, items[base + hint]) < 0:
            limit = hint + 1
            while offset < limit and compare(key, items[base + hint - offset]) < 0:
                last, offset = offset, (offset << 1) + 1
            last, offset = hint - min(offset, limit), hint - last
        else:
            limit = length - hint
            while offset < limit and not compare(key, items[base + hint + offset]) < 0:
                last, offset = offset, (offset << 1) + 1
            last, offset = last + hint, min(offset, limit) + hint
        last += 1
        while last < offset:
            middle = last + ((offset - last) >> 1)
            if compare(key, items[base + middle]) < 0:
                offset = middle
            else:
                last = middle + 1
        return offset

    def _merge_low(self, start_a: int, length_a: int, start_b: int, length_b: int) -> None:
        """Merge adjacent runs from the left; the first, shorter one is set aside."""
        work, compare = self.work, self.compare
        aside = work[start_a : start_a + length_a]
        dest, at_a, at_b = start_a, 0, start_b
        work[dest] = work[at_b]
        dest, at_b, length_b = dest + 1, at_b + 1, length_b - 1
        try:
            if length_b == 0:
                return
            if length_a == 1:
                work[dest : dest + length_b] = work[at_b : at_b + length_b]
                dest, length_b = dest + length_b, 0
                return
            while True:
                wins_a = wins_b = 0
                while True:
                    if compare(work[at_b], aside[at_a]) < 0:
                        work[dest] = work[at_b]
                        dest, at_b, length_b = dest + 1, at_b + 1, length_b - 1
                        wins_b, wins_a = wins_b + 1, 0
                        if length_b == 0:
                            return
                        if wins_b >= self.min_gallop:
                            break
                    else:
                        work[dest] = aside[at_a]
                        dest, at_a, length_a = dest + 1, at_a + 1, length_a - 1
                        wins_a, wins_b = wins_a + 1, 0
                        if length_a == 1:
                            work[dest : dest + length_b] = work[at_b : at_b + length_b]
                            dest, length_b = dest + length_b, 0
                            return
                        if wins_a >= self.min_gallop:
                            break
                self.min_gallop += 1
                first = True
                while wins_a >= _MIN_GALLOP or wins_b >= _MIN_GALLOP or first:
                    first = False
                    self.min_gallop = max(1, self.min_gallop - 1)
                    wins_a = self._gallop_right(aside, work[at_b], at_a, length_a, 0)
                    if wins_a:
                        work[dest : dest + wins_a] = aside[at_a : at_a + wins_a]
                        dest, at_a, length_a = dest + wins_a, at_a + wins_a, length_a - wins_a
                        if length_a == 1:
                            work[dest : dest + length_b] = work[at_b : at_b + length_b]
                            dest, length_b = dest + length_b, 0
                            return
                        if length_a == 0:
                            return
                    work[dest] = work[at_b]
                    dest, at_b, length_b = dest + 1, at_b + 1, length_b - 1
                    if length_b == 0:
                        return
                    wins_b = self._gallop_left(work, aside[at_a], at_b, length_b, 0)
                    if wins_b:
                        work[dest : dest + wins_b] = work[at_b : at_b + wins_b]
                        dest, at_b, length_b = dest + wins_b, at_b + wins_b, length_b - wins_b
                        if length_b == 0:
                            return
                    work[dest] = aside[at_a]
                    dest, at_a, length_a = dest + 1, at_a + 1, length_a - 1
                    if length_a == 1:
                        work[dest : dest + length_b] = work[at_b : at_b + length_b]
                        dest, length_b = dest + length_b, 0
                        return
                self.min_gallop += 1
        finally:
            work[dest : dest + length_a] = aside[at_a : at_a + length_a]

    def _merge_high(self, start_a: int, length_a: int, start_b: int, length_b: int) -> None:
        """Merge adjacent runs from the right; the second, shorter one is set aside."""
        work, compare = self.work, self.compare
        aside = work[start_b : start_b + length_b]
        dest, at_a, at_b = start_b + length_b - 1, start_a + length_a - 1, length_b - 1
        work[dest] = work[at_a]
        dest, at_a, length_a = dest - 1, at_a - 1, length_a - 1
        try:
            if length_a == 0:
                return
            if length_b == 1:
                dest, at_a = dest - length_a, at_a - length_a
                work[dest + 1 : dest + 1 + length_a] = work[at_a + 1 : at_a + 1 + length_a]
                return
            while True:
                wins_a = wins_b = 0
                while True:
                    if compare(aside[at_b], work[at_a]) < 0:
                        work[dest] = work[at_a]
                        dest, at_a, length_a = dest - 1, at_a - 1, length_a - 1
                        wins_a, wins_b = wins_a + 1, 0
                        if length_a == 0:
                            return
                        if wins_a >= self.min_gallop:
                            break
                    else:
                        work[dest] = aside[at_b]
                        dest, at_b, length_b = dest - 1, at_b - 1, length_b - 1
                        wins_b, wins_a = wins_b + 1, 0
                        if length_b == 1:
                            dest, at_a = dest - length_a, at_a - length_a
                            work[dest + 1 : dest + 1 + length_a] = work[
                                at_a + 1 : at_a + 1 + length_a
                            ]
                            return
                        if wins_b >= self.min_gallop:
                            break
                self.min_gallop += 1
                first = True
                while wins_a >= _MIN_GALLOP or wins_b >= _MIN_GALLOP or first:
                    first = False
                    self.min_gallop = max(1, self.min_gallop - 1)
                    found = self._gallop_right(work, aside[at_b], start_a, length_a, length_a - 1)
                    wins_a = length_a - found
                    if wins_a:
                        dest, at_a, length_a = dest - wins_a, at_a - wins_a, length_a - wins_a
                        work[dest + 1 : dest + 1 + wins_a] = work[at_a + 1 : at_a + 1 + wins_a]
                        if length_a == 0:
                            return
                    work[dest] = aside[at_b]
                    dest, at_b, length_b = dest - 1, at_b - 1, length_b - 1
                    if length_b == 1:
                        dest, at_a = dest - length_a, at_a - length_a
                        work[dest + 1 : dest + 1 + length_a] = work[at_a + 1 : at_a + 1 + length_a]
                        return
                    found = self._gallop_left(aside, work[at_a], 0, length_b, length_b - 1)
                    wins_b = length_b - found
                    if wins_b:
                        dest, at_b, length_b = dest - wins_b, at_b - wins_b, length_b - wins_b
                        work[dest + 1 : dest + 1 + wins_b] = aside[at_b + 1 : at_b + 1 + wins_b]
                        if length_b == 1:
                            dest, at_a = dest - length_a, at_a - length_a
                            work[dest + 1 : dest + 1 + length_a] = work[
                                at_a + 1 : at_a + 1 + length_a
                            ]
                            return
                        if length_b == 0:
                            return
                    work[dest] = work[at_a]
                    dest, at_a, length_a = dest - 1, at_a - 1, length_a - 1
                    if length_a == 0:
                        return
                self.min_gallop += 1
        finally:
            work[dest - length_b + 1 : dest + 1] = aside[:length_b]


def _shortest_run(length: int) -> int:
    """A run length from 32 to 64 that divides `length` nearly into a power of two."""
    odd = 0
    while length >= 64:
        odd |= length & 1
        length >>= 1
    return length + odd
