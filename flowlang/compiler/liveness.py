"""Which slots of a frame still matter while a function waits.

A snapshot writes those alone, so it neither keeps what no code can reach any more nor tells a frame
that never stopped, with leftovers in its other slots, from one that was restored without them. Read
off the generated text: a slot matters to a part that may read it before writing it, and to all that
come before such a part until one of them writes it. Sets of slots are the bits of an int.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from flowlang.compiler.lowering import Line, Part

_WRITES = re.compile(r"(?:F\[\d+\] = )+")
_READ = re.compile(r"F\[(\d+)\](?! = )")
_SLOT = re.compile(r"\d+")
_LEAVES = ("return ", "raise ")
_JUMP = re.compile(r"(?:return|f\.part =) (\d+)$")


class _Uses(NamedTuple):
    """What one part does with slots.

    Attributes:
        reads: those it may read before it has written them.
        jumps: the parts that may come next, each with the slots written by then.
    """

    reads: int
    jumps: list[tuple[int, int]]


def live_slots(parts: Sequence[Part], visible: Mapping[int, int]) -> list[tuple[int, ...]]:
    """The slots that matter before each part, in order.

    Args:
        visible: slots that matter before a part to whoever looks at the frame.
    """
    found = [_uses(part.lines) for part in parts]
    live = [uses.reads | visible.get(at, 0) for at, uses in enumerate(found)]
    changed = True
    while changed:
        changed = False
        for at in reversed(range(len(parts))):
            slots = live[at]
            for target, written in found[at].jumps:
                slots |= live[target] & ~written
            handler = parts[at].handler
            if handler is not None:
                slots |= live[handler]  # an exception may come before anything was written
            if slots != live[at]:
                live[at] = slots
                changed = True
    numbers = {slots: _numbers(slots) for slots in set(live)}  # few, where there are many parts
    return [numbers[slots] for slots in live]


def bits_of(slots: Iterable[int]) -> int:
    """A set of slots."""
    bits = 0
    for slot in slots:
        bits |= 1 << slot
    return bits


def _uses(lines: Sequence[Line]) -> _Uses:
    reads = written = 0
    jumps: list[tuple[int, int]] = []
    for line in lines:
        text = line.text
        for slot in _READ.findall(text):
            reads |= 1 << int(slot) & ~written
        jump = _JUMP.search(text)
        if jump is not None:
            jumps.append((int(jump[1]), written))
        elif line.indent == 1:
            # Only lines that surely run count as writing.
            writes = _WRITES.match(text)
            if writes is not None:
                written |= bits_of([int(slot) for slot in _SLOT.findall(writes[0])])
        if line.indent == 1 and text.startswith(_LEAVES):
            break  # nothing reaches the rest
    return _Uses(reads, jumps)


def _numbers(slots: int) -> tuple[int, ...]:
    return tuple(slot for slot in range(slots.bit_length()) if slots >> slot & 1)
