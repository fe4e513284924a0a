"""Whole programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from tests.flowlang.fuzz.choices import Choices
from tests.flowlang.fuzz.generator.draft import indented
from tests.flowlang.fuzz.generator.syntax import Syntax

STATEMENT_SIZE: Final = 4
"""Levels of statements and expressions in each other: deep enough that all forms meet."""


@dataclass(frozen=True)
class Generated:
    """A program and the world around it.

    Attributes:
        script: which events come, in which order: see resuming/world.py.
        pairs: how often an operator got two kinds of values.
    """

    source: str
    script: tuple[int, ...]
    pairs: Counter[tuple[str, str, str]]


class Programs(Syntax):
    """The rule that a whole program comes from."""

    def program(self, number: int | None) -> Generated:
        lines: list[str] = [] if number is None else self._turn(number)
        for _ in range(2 + self.below(7)):
            lines += self._item()
        if self.often(70):
            values = ", ".join(
                one.name for one in self.visible() if one.kind not in ("error", "function")
            )
            lines.append(f"console.log({values})")
        match self.below(4):
            case 0 | 1:
                # A Map or promise cannot leave an execution, by declaration.
                lines.append(f"return [String({self.primitive(2)}), Number({self.primitive(2)})]")
            case 2:
                lines.append(
                    "return { a: -0, b: undefined, c: [undefined, NaN], 1: new Date(0), d: 'é' }"
                )
        script = tuple(self.below(64) for _ in range(self.below(12)))
        return Generated("\n".join([*self.prelude(), *lines]) + "\n", script, self.pairs)

    def _turn(self, number: int) -> list[str]:
        """What is this program's turn: in many programs everything has its turn equally often."""
        return [
            *self.library_turn(number),
            *self.operator_turn(number),
            *self.unary_turn(number),
            *self.assignment_turn(number),
            *self.syntax_turn(number),
            *self.exits_turn(number),
        ]

    def _item(self) -> list[str]:
        match self.below(11):
            case 10:
                return self._called_function()
            case 0 | 1 | 2 | 3 | 4:
                return self._guarded(self.statement(STATEMENT_SIZE))
            case 5 | 6:
                return [line for _ in range(3) for line in self.library_probe()]
            case 7:
                return self.operator_table()
            case 8:
                return [*self.operator_probe(), *self.operator_probe(), *self.unary_probe()]
        return self.construction()

    def _called_function(self) -> list[str]:
        """A function declaration and a call of it; of an async one, an awaited call."""
        lines = self.function_declaration(STATEMENT_SIZE)
        function = self.blocks[-1].variables[-1]
        word = "await " if function.is_async else ""
        call = self.call_of(function, 2)
        return [*lines, *self._guarded([f"console.log({word}{call})"])]

    def _guarded(self, lines: list[str]) -> list[str]:
        """Most statements in a `try`, so that a program goes on after an error."""
        words = ("let ", "const ", "var ", "function ", "async function ")
        declares = any(line.startswith(words) for line in lines)
        if declares or self.often(20):
            return lines
        name = self.fresh("e")
        shown = f"console.log('!', {self.need('nameOf')}({name}))"
        return ["try {", *indented(lines), f"}} catch ({name}) {{ {shown} }}"]


def generate(choices: Choices, number: int | None = None) -> Generated:
    """The program that these choices make; with a number it begins with what has its turn then."""
    return Programs(choices).program(number)
