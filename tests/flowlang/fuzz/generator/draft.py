"""What every part of the generator stands on: choices, names in scope, the prelude, the text.

A program ends by construction: loops have few rounds or spend from a common `fuel`, and so does
every function that could call others. Names are fresh but for deliberate shadowing, so that every
program is accepted by both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tests.flowlang.fuzz.choices import Choices

T = TypeVar("T")

PRELUDE: Final = {
    "fuel": "let fuel = 150",
    "trace": "const trace = (label, value) => { console.log(label, value); return value }",
    "nameOf": "const nameOf = (e) => (e instanceof Error ? e.name : e)",
    "probe": "const probe = (f) => { try { console.log(f()) } "
    "catch (e) { console.log('!', nameOf(e)) } }",
    "near": "const near = (f) => { try { console.log('~', f()) } "
    "catch (e) { console.log('!', nameOf(e)) } }",
    "table": "const table = (mark, f, as, bs) => { for (const a of as) for (const b of bs) "
    "try { console.log(mark, f(a, b)) } catch (e) { console.log('!', nameOf(e)) } }",
}
"""Helpers that a program declares when it uses them. A console line that starts with `~` holds
numbers of transcendental functions, which may differ in the last digit."""

_NEEDS: Final = {"probe": ("nameOf",), "near": ("nameOf",), "table": ("nameOf",)}


@dataclass
class Variable:
    """A name that can be used.

    Attributes:
        kind: what it holds as far as is known ("number", "array", … or "any"); an "error" was
            caught, and only its name may show.
        arity: how many parameters a function takes.
    """

    name: str
    kind: str
    writable: bool = False
    arity: int = 0
    is_async: bool = False


@dataclass
class Block:
    """A scope of the source.

    Attributes:
        is_case: a part of a `switch`, whose other parts may declare names in the same scope.
    """

    variables: list[Variable] = field(default_factory=list)
    is_function: bool = False
    is_case: bool = False


class Draft:
    """A program being written."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.blocks: list[Block] = [Block(is_function=True)]
        self.is_async = True
        self.in_parameters = False
        self.functions_deep = 0
        self.loops: list[str | None] = []
        self.breakable = 0
        self.labelled_blocks: list[str] = []
        self.used: set[str] = set()
        self.pairs: Counter[tuple[str, str, str]] = Counter()
        self._numbered = 0

    # ------------------------------------------------------------------ choosing

    def below(self, limit: int) -> int:
        return self.choices.below(limit)

    def pick(self, options: Sequence[T]) -> T:
        return self.choices.pick(options)

    def often(self, percent: int) -> bool:
        return self.choices.often(percent)

    # ------------------------------------------------------------------ names

    def fresh(self, letter: str = "v") -> str:
        """A name that the program has not used."""
        self._numbered += 1
        return f"{letter}{self._numbered}"

    def declare(self, variable: Variable) -> Variable:
        """Make a name visible from here to the end of the innermost block."""
        self.blocks[-1].variables.append(variable)
        return variable

    def visible(self, *kinds: str) -> list[Variable]:
        """The variables of these kinds (all without any), the latest first."""
        found: dict[str, Variable] = {}
        for block in reversed(self.blocks):
            for variable in reversed(block.variables):
                found.setdefault(variable.name, variable)
        return [one for one in found.values() if not kinds or one.kind in kinds]

    def writable(self, *kinds: str) -> list[Variable]:
        return [one for one in self.visible(*kinds) if one.writable]

    @contextmanager
    def block(self, is_case: bool = False) -> Iterator[None]:
        """A scope of its own."""
        self.blocks.append(Block(is_case=is_case))
        try:
            yield
        finally:
            self.blocks.pop()

    @contextmanager
    def function(self, is_async: bool) -> Iterator[None]:
        """The inside of a function: no loop or label of the outside can be left from there."""
        outside = self.is_async, self.loops, self.breakable, self.labelled_blocks
        self.is_async, self.loops, self.breakable, self.labelled_blocks = is_async, [], 0, []
        parameters, self.in_parameters = self.in_parameters, False
        self.blocks.append(Block(is_function=True))
        self.functions_deep += 1
        try:
            yield
        finally:
            self.functions_deep -= 1
            self.blocks.pop()
            self.is_async, self.loops, self.breakable, self.labelled_blocks = outside
            self.in_parameters = parameters

    @contextmanager
    def plain_function(self) -> Iterator[None]:
        """The inside of an arrow that only evaluates an expression."""
        outside, self.is_async = self.is_async, False
        try:
            yield
        finally:
            self.is_async = outside

    # ------------------------------------------------------------------ text

    def need(self, name: str) -> str:
        """A helper of the prelude."""
        for other in (*_NEEDS.get(name, ()), name):
            self.used.add(other)
        return name

    def prelude(self) -> list[str]:
        return [line for name, line in PRELUDE.items() if name in self.used]

    # ------------------------------------------------------------------ the parts to come

    def expression(self, kind: str, size: int) -> str:
        """An expression of about this many levels; `kind` is a wish."""
        raise NotImplementedError

    def literal(self, kind: str) -> str:
        """A value of one kind, written out."""
        raise NotImplementedError

    def statements(self, count: int, size: int) -> list[str]:
        """Lines of source."""
        raise NotImplementedError

    def callback(self, arity: int, kind: str, size: int) -> str:
        """A function of so many parameters that gives a value of this kind."""
        raise NotImplementedError


def indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
