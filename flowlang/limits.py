"""What a program may spend between two suspensions, and what happens at the edge.

Steps bound the time of a turn, units of memory its growth; both start afresh with every turn. The
generated code takes its own steps from `Budget.steps`, an iterator that is cheaper to advance than
a counter; library code charges through the functions here, which find the budget of the machine
that runs on this thread. `LimitError` is no `Exception`: no `catch` of a program sees it, and no
`finally` of one runs for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import islice, repeat
from types import FrameType
from typing import Any, Final, NoReturn

import msgspec

RECURSION_NEEDED: Final = 11_000
"""Python frames that our own work may need: the parser up to 45 for each of 220 levels of source,
a run up to 3 for each call of a program and as many for each level of data."""

OBJECT_UNITS: Final = 64
PROPERTY_UNITS: Final = 32
ELEMENT_UNITS: Final = 16
"""Units of memory of a new object, property and element, as the language says."""

SCOPE_UNITS: Final = 64
"""Units of memory of a new function or scope."""

TEXT_PER_STEP: Final = 64
"""So many characters that a library call touches count as one step."""


class Limits(msgspec.Struct, frozen=True):
    """The limits of one machine; the language's own by default.

    Attributes:
        steps: loop iterations, calls and shares of straight-line code in one turn.
        memory: units of new memory in one turn.
        depth: calls within calls.
        string: UTF-16 units of one string.
        array: elements of one array.
        state: bytes of the encoded state.
    """

    steps: int = 1_000_000
    memory: int = 32 * 1024 * 1024
    depth: int = 400
    string: int = 8 * 1024 * 1024
    array: int = 1024 * 1024
    state: int = 2 * 1024 * 1024

    def widened(self, factor: int) -> Limits:
        """The limits of a replay, which takes recorded verdicts and must not reach its own."""
        return Limits(
            self.steps * factor,
            self.memory * factor,
            self.depth,
            self.string * factor,
            self.array * factor,
            self.state * factor,
        )


class LimitError(BaseException):
    """A program went over a limit.

    Attributes:
        message: the limit and what it is, as the failed execution shows it.
        line: the line of the program where it happened, when known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message, line)
        self.message, self.line = message, line

    def __str__(self) -> str:
        return self.message if self.line is None else f"{self.message} (line {self.line})"


class Budget:
    """What is left for one turn of one machine.

    Attributes:
        steps: yields once for each step that is left; when it ends, the program is over its limit.
        memory: units of memory left.
        depth: how deep in calls the program is now.
    """

    __slots__ = ("_strides", "depth", "depth_limit", "limits", "memory", "steps")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.depth_limit = limits.depth
        # A bytes iterator, since it can be set back: functions of a program keep hold of it.
        self.steps: Iterator[int] = iter(_zeros(limits.steps))
        self.memory = limits.memory
        self.depth = 0
        self._strides: dict[int, Iterator[Any]] = {1: self.steps}

    def refill(self) -> None:
        """Start a new turn with the whole budget."""
        self.steps.__setstate__(0)  # type: ignore[attr-defined]  # the bytes iterator has it
        self.memory = self.limits.memory
        self.depth = 0

    def stride(self, steps: int) -> Iterator[Any]:
        """An iterator each item of which takes so many steps."""
        found = self._strides.get(steps)
        if found is None:
            found = self._strides[steps] = zip(*[self.steps] * steps, strict=False)
        return found

    def take_steps(self, count: int) -> None:
        """Spend `count` steps, at least one."""
        if next(islice(self.steps, count - 1, None), None) is None:
            self.out_of_steps()

    def take_memory(self, units: int) -> None:
        """Spend units of new memory."""
        self.memory -= units
        if self.memory < 0:
            self.out_of_memory()

    def out_of_steps(self) -> NoReturn:
        self.give_up(f"more than {self.limits.steps:,} steps without a pause")

    def out_of_memory(self) -> NoReturn:
        self.give_up(f"more than {self.limits.memory:,} units of new memory without a pause")

    def too_deep(self) -> NoReturn:
        self.give_up(f"more than {self.limits.depth} calls within calls")

    def give_up(self, message: str) -> NoReturn:
        """End the run: nothing of the program runs after this."""
        raise LimitError(message, current_line())


def charge_step() -> None:
    """Spend one step: for a library call, or for one element."""
    budget = _budget.get(_OUTSIDE)
    if next(budget.steps, None) is None:
        budget.out_of_steps()


def charge_steps(count: int) -> None:
    """Spend steps for a library call that touches `count` elements."""
    if count > 0:
        _budget.get(_OUTSIDE).take_steps(count)


def charge_reading(length: int) -> None:
    """Spend the steps of going over so many characters of a text, one for each 64."""
    if length >= TEXT_PER_STEP:
        _budget.get(_OUTSIDE).take_steps(length // TEXT_PER_STEP)


def charge_elements(count: int) -> None:
    """Spend a step and the memory of each of `count` new elements."""
    budget = _budget.get(_OUTSIDE)
    budget.memory -= ELEMENT_UNITS * count
    if budget.memory < 0:
        budget.out_of_memory()
    if count == 1:
        if next(budget.steps, None) is None:
            budget.out_of_steps()
    elif count:
        budget.take_steps(count)


def charge_memory(units: int) -> None:
    """Spend units of new memory: an object takes 64, a property 32, an element 16."""
    budget = _budget.get(_OUTSIDE)
    budget.memory -= units
    if budget.memory < 0:
        budget.out_of_memory()


def check_string(length: int) -> None:
    """Charge for a new string, which must not be longer than one string may be."""
    budget = _budget.get(_OUTSIDE)
    if length > budget.limits.string:
        budget.give_up(f"a string of more than {budget.limits.string:,} characters")
    budget.memory -= length
    if budget.memory < 0:
        budget.out_of_memory()


def check_length(length: int) -> None:
    """Refuse a string longer than one may be. Charges nothing."""
    budget = _budget.get(_OUTSIDE)
    if length > budget.limits.string:
        budget.give_up(f"a string of more than {budget.limits.string:,} characters")


def check_array(length: int) -> None:
    """Refuse an array longer than one may be. Charges nothing."""
    budget = _budget.get(_OUTSIDE)
    if length > budget.limits.array:
        budget.give_up(f"an array of more than {budget.limits.array:,} elements")


def check_depth(depth: int) -> None:
    """Refuse data nested deeper than calls may be, for library code that recurses over it."""
    budget = _budget.get(_OUTSIDE)
    if depth > budget.depth_limit:
        budget.give_up(f"data nested more than {budget.depth_limit} levels deep")


def call_deeper(function: Callable[[], Any]) -> Any:
    """Call what a program calls without writing a call, such as `valueOf`: one step, and one call
    deeper, which functions that contain no call do not count themselves."""
    budget = _budget.get(_OUTSIDE)
    if next(budget.steps, None) is None:
        budget.out_of_steps()
    depth = budget.depth
    if depth >= budget.depth_limit:
        budget.too_deep()
    budget.depth = depth + 1
    try:
        return function()
    finally:
        budget.depth = depth


def current_line() -> int | None:
    """The line of the program that runs now on this thread; None when none does.

    Found by looking for the innermost frame of generated code, so it costs nothing until asked.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if PROGRAM_MARK in frame.f_globals:
            line = _line_in(frame, frame.f_lineno)
            if line is not None:
                return line
        frame = frame.f_back
    return None


def line_of_error(error: BaseException) -> int | None:
    """The innermost line of a program on the way that a Python exception took."""
    found: int | None = None
    traceback = error.__traceback__
    while traceback is not None:
        line = _line_in(traceback.tb_frame, traceback.tb_lineno)
        found = found if line is None else line
        traceback = traceback.tb_next
    return found


def _line_in(frame: FrameType, python_line: int) -> int | None:
    """The program's line if the frame runs generated code."""
    program = frame.f_globals.get(PROGRAM_MARK)
    if program is None:
        return None
    line: int | None = program.line_of(frame.f_code, python_line)
    return line


PROGRAM_MARK: Final = "__flow_program__"
"""The global name under which generated code knows its Program; marks its Python frames."""


class RoomToRecurse:
    """`with RoomToRecurse():` within, Python recurses as deep as sources nest and programs call.

    The limit belongs to the whole process: the first to enter raises it, the last to leave puts
    back what it was, whichever threads they are on.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        _inside.add(self)
        _raise_recursion_limit()

    def __exit__(self, *_: object) -> None:
        _inside.discard(self)
        if not _inside and sys.getrecursionlimit() == RECURSION_NEEDED:
            sys.setrecursionlimit(_usual_recursion[0])
            if _inside:
                # Another thread entered while this one was leaving.
                _raise_recursion_limit()


def _raise_recursion_limit() -> None:
    limit = sys.getrecursionlimit()
    if limit < RECURSION_NEEDED:
        _usual_recursion[0] = limit
        sys.setrecursionlimit(RECURSION_NEEDED)


_inside: Final[set[RoomToRecurse]] = set()
"""Who is inside now. Adding to a set is one step that no other thread can divide."""

_usual_recursion: Final = [sys.getrecursionlimit()]
"""What the limit was before the first of them entered."""


_zero_bytes: dict[int, bytes] = {}


def _zeros(count: int) -> bytes:
    """As many zero bytes; kept, since all machines of one limit share them."""
    found = _zero_bytes.get(count)
    if found is None:
        found = _zero_bytes[count] = bytes(count)
    return found


_OUTSIDE: Final = Budget(Limits(steps=1, memory=2**62))
_OUTSIDE.steps = repeat(0)
"""The budget of code that runs in no machine, which only tests and tools do: it hardly ends."""

_budget: ContextVar[Budget] = ContextVar("flowlang_budget")

use_budget = _budget.set
"""Make a budget the current one of this thread; gives the token that `restore_budget` takes."""

restore_budget = _budget.reset
