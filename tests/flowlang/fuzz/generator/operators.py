"""Every operator with every pair of kinds of values."""

from __future__ import annotations

from typing import Final

from tests.flowlang.fuzz.generator.library_calls import LibraryCalls
from tests.flowlang.fuzz.generator.literals import KINDS

BINARY: Final = (
    "+", "-", "*", "/", "%", "**", "==", "!=", "===", "!==", "<", "<=", ">", ">=", "&", "|", "^",
    "<<", ">>", ">>>", "in", "instanceof", "&&", "||", "??",
)  # fmt: skip
COMPOUND: Final = (
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "<<",
    ">>",
    ">>>",
    "&",
    "|",
    "^",
    "&&",
    "||",
    "??",
)
UNARY: Final = ("-", "+", "!", "~", "typeof", "void", "delete", "++", "--")

_PER_SIDE: Final = 5
_ANY_PAIRS: Final = tuple(
    (operator, left, right)
    for left in range(0, len(KINDS), _PER_SIDE)
    for right in range(0, len(KINDS), _PER_SIDE)
    for operator in BINARY
)
"""Operators with parts of the kinds, so that all together are every pair."""


class Operators(LibraryCalls):
    """Tables of operators."""

    def operator_table(self) -> list[str]:
        """A line that applies one operator to some values with some others."""
        kinds = [[self.pick(KINDS) for _ in range(_PER_SIDE - 1)] for _ in range(2)]
        return self._table(self.pick(BINARY), *kinds)

    def operator_turn(self, number: int) -> list[str]:
        """The table whose turn it is: the kinds are every pair in so many programs."""
        operator, left, right = _ANY_PAIRS[number % len(_ANY_PAIRS)]
        kinds = (*KINDS, *KINDS)
        return self._table(
            operator,
            list(kinds[left : left + _PER_SIDE]),
            list(kinds[right : right + _PER_SIDE]),
        )

    def _table(self, operator: str, left: list[str], right: list[str]) -> list[str]:
        self.pairs.update((operator, one, other) for one in left for other in right)
        mark = "'~'" if operator == "**" else f"'{operator}'"
        lefts = ", ".join(self.literal(kind) for kind in left)
        rights = ", ".join(self.literal(kind) for kind in right)
        return [f"{self.need('table')}({mark}, {self._applied(operator)}, [{lefts}], [{rights}])"]

    def operator_probe(self) -> list[str]:
        """A line that applies one operator to two values that stand there, which the compiler may
        know everything about."""
        operator = self.pick(BINARY)
        one, other = self.pick(KINDS), self.pick(KINDS)
        self.pairs[operator, one, other] += 1
        left, right = self.literal(one), self.literal(other)
        if one == "function" or other == "function":
            left, right = f"({left})", f"({right})"
        if one == "error" and operator == "**":
            left = f"({left})"
        return [
            f"{self.need('near' if operator == '**' else 'probe')}(() => {left} {operator} {right})"
        ]

    def unary_probe(self) -> list[str]:
        """A line that applies one operator to one value."""
        return self._unary(self.pick(UNARY), self.pick(KINDS))

    def unary_turn(self, number: int) -> list[str]:
        """The operator and kind whose turn it is."""
        number %= len(UNARY) * len(KINDS)
        return self._unary(UNARY[number // len(KINDS)], KINDS[number % len(KINDS)])

    def assignment_turn(self, number: int) -> list[str]:
        """A line that assigns to a name or a property with the operator whose turn it is."""
        operator = COMPOUND[number % len(COMPOUND)]
        place = self.pick(("x", "x.p", "x[k()]"))
        value = self.literal("any")
        start = value if place == "x" else f"{{ p: {value} }}"
        mark = "near" if operator == "**" else "probe"
        return [
            f"{self.need(mark)}(() => {{ let x = {start}, k = () => (console.log('k'), 'p'); "
            f"const y = ({place} {operator}= {self.literal('any')}); return [x, y] }})"
        ]

    def _unary(self, operator: str, kind: str) -> list[str]:
        self.pairs[operator, kind, ""] += 1
        value = self.literal(kind)
        probe = self.need("probe")
        if operator in ("++", "--"):
            change = self.pick((f"x{operator}", f"{operator}x"))
            return [f"{probe}(() => {{ let x = {value}; const y = {change}; return [x, y] }})"]
        if operator == "delete":
            # Built-in functions are frozen in Flow, by declaration.
            value = "((a) => a)" if kind == "function" else value
            key = self.pick(("a", "length", "name", "valueOf", "0", "b"))
            return [
                f"{probe}(() => {{ const x = {value}; return [delete x['{key}'], x] }})",
            ]
        return [f"{probe}(() => {operator} ({value}))"]

    def _applied(self, operator: str) -> str:
        if operator in COMPOUND and self.often(25):
            return f"(a, b) => {{ a {operator}= b; return a }}"
        if operator in COMPOUND and self.often(15):
            return f"(a, b) => {{ const o = {{ p: a }}; o.p {operator}= b; return o.p }}"
        return f"(a, b) => a {operator} b"
