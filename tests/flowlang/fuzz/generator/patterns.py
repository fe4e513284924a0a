"""Destructuring, in declarations, parameters, assignments and loops."""

from __future__ import annotations

from collections.abc import Callable

from tests.flowlang.fuzz.generator.draft import Variable
from tests.flowlang.fuzz.generator.expressions import Expressions

_KEYS = ("a", "b", "c", "length", "0")


class Patterns(Expressions):
    """Patterns and values that suit them, more or less."""

    def binding_pattern(self, names: list[str], size: int) -> str:
        """A pattern that declares fresh names, which are added to `names`."""

        def target() -> str:
            if size > 1 and self.often(25):
                return self.binding_pattern(names, size - 1)
            names.append(self.fresh())
            return names[-1]

        return self._pattern(target, size)

    def pattern_assignment(self, size: int) -> str:
        targets = self.writable()
        holders = self.visible("object", "array")
        if not targets:
            return self.expression("number", size - 1)

        def target() -> str:
            if holders and self.often(25):
                return f"{self.pick(holders).name}{self.access(0)}"
            if size > 1 and self.often(15):
                return self._pattern(target, size - 2)
            return self.pick(targets).name

        pattern = self._pattern(target, size)
        return f"({pattern} = {self.source_for(pattern, size - 1)})"

    def source_for(self, pattern: str, size: int) -> str:
        """A value to take apart with a pattern."""
        if self.often(5):
            return self.expression("any", size)
        if pattern[0] == "[":
            return self.expression(self.pick(("array", "array", "array", "string", "set")), size)
        return self.expression(self.pick(("object", "object", "array", "string")), size)

    def declared(self, keyword: str, size: int) -> str:
        """A declaration with a pattern; its names can be used afterwards."""
        names: list[str] = []
        pattern = self.binding_pattern(names, size)
        line = f"{keyword} {pattern} = {self.source_for(pattern, size)}"
        for name in names:
            self.declare(Variable(name, "any", keyword != "const"))
        return line

    def _pattern(self, target: Callable[[], str], size: int) -> str:
        return (
            self._array_pattern(target, size)
            if self.often(50)
            else self._object_pattern(target, size)
        )

    def _array_pattern(self, target: Callable[[], str], size: int) -> str:
        parts: list[str] = []
        for _ in range(1 + self.below(3)):
            match self.below(8):
                case 6:
                    parts.append("")
                case 4 | 5:
                    parts.append(f"{target()} = {self.default(size)}")
                case _:
                    parts.append(target())
        if self.often(20):
            parts.append(f"...{target()}")
        elif not parts[-1]:
            parts.append("")
        return f"[{', '.join(parts)}]"

    def _object_pattern(self, target: Callable[[], str], size: int) -> str:
        parts: list[str] = []
        for _ in range(1 + self.below(3)):
            key = self.pick(_KEYS)
            match self.below(8):
                case 5:
                    parts.append(f"{key}: {target()} = {self.default(size)}")
                case 6:
                    parts.append(f"['{key}' + '']: {target()}")
                case 7:
                    parts.append(f"[{self.expression('string', size - 1)}]: {target()}")
                case _:
                    parts.append(f"{key}: {target()}")
        if self.often(20):
            rest = target()
            if rest[0] not in "[{":
                parts.append(f"...{rest}")
        return f"{{ {', '.join(parts)} }}"

    def default(self, size: int) -> str:
        """A default value."""
        return self.expression(self.pick(("number", "string", "any")), size - 1)
