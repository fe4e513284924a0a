"""Functions of every form: declarations, expressions, arrows, methods; parameters of every form."""

from __future__ import annotations

from tests.flowlang.fuzz.generator.draft import Variable, indented
from tests.flowlang.fuzz.generator.patterns import Patterns

_FUEL = "if (fuel-- < 1) return 0"


class Functions(Patterns):
    """Functions. Whatever could call another function of the program spends fuel."""

    def parameters(self, size: int) -> tuple[str, int]:
        """The text of a parameter list, its names declared, and how many there are."""
        parts: list[str] = []
        count = self.below(4)
        self.in_parameters = True
        for position in range(count):
            match self.below(10):
                case 7:
                    name = self.fresh("p")
                    parts.append(f"{name} = {self.default(size)}")
                    self.declare(Variable(name, "any", True))
                case 8:
                    names: list[str] = []
                    pattern = self.binding_pattern(names, 1)
                    empty = "[]" if pattern[0] == "[" else "{}"
                    parts.append(f"{pattern} = {empty}")
                    for name in names:
                        self.declare(Variable(name, "any", True))
                case 9 if position == count - 1:
                    name = self.fresh("p")
                    parts.append(f"...{name}")
                    self.declare(Variable(name, "array", True))
                case _:
                    name = self.fresh("p")
                    parts.append(name)
                    self.declare(Variable(name, self.pick(("number", "any")), True))
        self.in_parameters = False
        return ", ".join(parts), count

    def user_function(self, size: int) -> str:
        is_async = self.often(20)
        word = "async " if is_async else ""
        with self.function(is_async):
            form = self.below(4)
            name = self.fresh("n") if form == 3 else ""
            text, _ = self.parameters(size - 1)
            if form < 2:
                self.need("fuel")
                return f"({word}({text}) => fuel-- < 1 ? 0 : {self.operand('any', size - 1)})"
            body = "\n".join(indented(self.body(1, size - 1)))
            if form == 2:
                return f"({word}({text}) => {{\n{body}\n}})"
            return f"({word}function {name}({text}) {{\n{body}\n}})"

    def callback(self, arity: int, kind: str, size: int) -> str:
        if self.often(15):
            return self.pick(
                ("Boolean", "String", "Number", "parseInt", "Array.isArray", "Math.abs")
            )
        known = [one for one in self.visible("function") if not one.is_async]
        if known and self.often(10):
            return self.pick(known).name
        with self.function(False):
            names = [self.fresh("p") for _ in range(arity)]
            for name in names:
                self.declare(Variable(name, "any", True))
            self.need("fuel")
            value = self.expression(kind, min(size, 2) - 1)
            if self.often(25):
                return (
                    f"({', '.join(names)}) => {{ console.log({', '.join(names)}); "
                    f"return fuel-- < 1 ? 0 : {value} }}"
                )
            if self.often(3):
                return f"({', '.join(names)}) => {{ throw new RangeError('m1') }}"
            return f"({', '.join(names)}) => fuel-- < 1 ? 0 : {self._wrapped(value)}"

    def function_declaration(self, size: int) -> list[str]:
        """A declaration, whose name can be used from here on."""
        is_async = self.often(35)
        name = self.fresh("f")
        with self.function(is_async):
            text, count = self.parameters(size - 1)
            lines = self.body(1 + self.below(3), size)
        self.declare(Variable(name, "function", False, count, is_async))
        return [
            f"{'async ' if is_async else ''}function {name}({text}) {{",
            *indented(lines),
            "}",
        ]

    def body(self, count: int, size: int) -> list[str]:
        """The lines of a function: it spends fuel first and returns something."""
        self.need("fuel")
        lines = [_FUEL, *self.statements(count, size)]
        if not self.often(15):
            lines.append(f"return {self.expression('any', size)}")
        return lines

    def _wrapped(self, text: str) -> str:
        return f"({text})"
