"""Statements: scopes, loops, labels, `switch`, and `try` with every exit."""

# ruff: noqa: E501 - a line of the generated source is easier to read in one piece

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.flowlang.fuzz.generator.draft import Variable, indented
from tests.flowlang.fuzz.generator.expressions import ASSIGNMENTS
from tests.flowlang.fuzz.generator.functions import Functions

_KINDS: Final = ("number", "string", "array", "object", "boolean", "any", "function")


class Statements(Functions):
    """Lines of source. A line never begins with a bracket that could continue the one before."""

    def statements(self, count: int, size: int) -> list[str]:
        lines: list[str] = []
        for _ in range(count):
            lines += self.statement(size)
        return lines

    def statement(self, size: int) -> list[str]:
        if size <= 0:
            return self.log(0)
        forms: list[tuple[int, Callable[[int], list[str]]]] = [
            (12, self.log), (14, self.declaration), (10, self.assignment), (6, self.condition),
            (6, self.counted_loop), (5, self.for_of), (4, self.for_in), (4, self.while_loop),
            (5, self.switch), (8, self.attempt), (3, self.plain_block), (3, self.labelled),
            (4, self.nested_function), (4, self.leave), (2, self.deletion), (1, self.empty),
            (2, self.captured), (2, self.dead_zone), (2, self.undeclared),
        ]  # fmt: skip
        if self.is_async:
            forms += [(10, self.waiting)]
        return self.choices.weighted(forms)(size - 1)

    def waiting(self, size: int) -> list[str]:
        """A statement that awaits."""
        raise NotImplementedError

    # ------------------------------------------------------------------ simple

    def log(self, size: int) -> list[str]:
        values = [self.expression("any", size) for _ in range(1 + self.below(2))]
        level = self.pick(("log", "log", "log", "log", "debug", "error", "info", "warn"))
        return [f"console.{level}({self.below(100)}, {', '.join(values)})"]

    def empty(self, size: int) -> list[str]:
        return [";"]

    def declaration(self, size: int) -> list[str]:
        keyword = self.pick(("let", "const", "var"))
        if self.often(30):
            return [self.declared(keyword, 2)]
        kind = self.pick(_KINDS)
        name = self._shadowed() if keyword != "var" and self.often(8) else self.fresh()
        if keyword != "const" and self.often(8):
            self.declare(Variable(name, "any", True))
            return [f"{keyword} {name}"]
        value = self.expression(kind, size)
        # An object's or array's elements can change, but what a name of them holds stays one.
        known = kind if kind not in ("function",) else "any"
        self.declare(Variable(name, known, keyword != "const"))
        return [f"{keyword} {name} = {value}"]

    def _shadowed(self) -> str:
        """A name of an outer block, to be declared again; fresh if there is none."""
        here = {one.name for one in self.blocks[-1].variables}
        if self.blocks[-1].is_function or self.blocks[-1].is_case:
            return self.fresh()
        outer = [one.name for one in self.visible() if one.name not in here and one.name[0] == "v"]
        return self.fresh() if not outer else f"{self.pick(outer)}"

    def assignment(self, size: int) -> list[str]:
        match self.below(6):
            case 0 | 1:
                targets = self.writable()
                if targets:
                    target = self.pick(targets)
                    return [f"{target.name} = {self.expression(target.kind, size)}"]
            case 2:
                numbers = self.writable("number", "any")
                if numbers:
                    operator = self.pick(
                        (
                            "+",
                            "-",
                            "*",
                            "/",
                            "%",
                            "|",
                            "&",
                            "^",
                            "<<",
                            ">>",
                            ">>>",
                            "&&",
                            "||",
                            "??",
                        )
                    )
                    return [
                        f"{self.pick(numbers).name} {operator}= {self.expression('number', size)}"
                    ]
            case 3:
                texts = self.writable("string")
                if texts:
                    return [f"{self.pick(texts).name} += {self.literal('string')}"]
            case 4:
                return [f";{self.pattern_assignment(2)}"]
        holders = self.visible("object", "array")
        if not holders:
            return self.log(size)
        place = f"{self.pick(holders).name}{self.access(1)}"
        if place.endswith(".length"):
            return [f"{place} = {self.pick((0, 1, 2, 3))}"]
        operator = self.pick(("=", "=", *ASSIGNMENTS))
        return [f"{place} {operator} {self.expression(self.pick(('number', 'any')), size)}"]

    def deletion(self, size: int) -> list[str]:
        holders = self.visible("object", "array")
        if not holders:
            return self.log(size)
        return [f"delete {self.pick(holders).name}{self.access(1)}"]

    # ------------------------------------------------------------------ control

    def body_of(self, size: int, count: int = 2) -> list[str]:
        """An indented block's lines."""
        with self.block():
            return indented(self.statements(1 + self.below(count), size))

    def plain_block(self, size: int) -> list[str]:
        return ["{", *self.body_of(size, 3), "}"]

    def condition(self, size: int) -> list[str]:
        lines = [f"if ({self.expression('boolean', size)}) {{", *self.body_of(size)]
        for _ in range(self.below(3)):
            lines += [f"}} else if ({self.expression('any', size)}) {{", *self.body_of(size)]
        if self.often(50):
            lines += ["} else {", *self.body_of(size)]
        return [*lines, "}"]

    def _loop(self, head: str, size: int, label: str | None, tail: str = "}") -> list[str]:
        self.loops.append(label)
        self.breakable += 1
        lines = self.body_of(size)
        self.breakable -= 1
        self.loops.pop()
        return [head, *lines, tail]

    def counted_loop(self, size: int, label: str | None = None) -> list[str]:
        name = self.fresh("i")
        with self.block():
            keyword = self.pick(("let", "let", "var"))
            self.declare(Variable(name, "number"))
            limit = 1 + self.below(3)
            more = ""
            if self.often(20):
                other = self.fresh("i")
                self.declare(Variable(other, "any", True))
                more = f", {other} = {self.expression('any', size)}"
            update = self.pick((f"{name}++", f"{name} += 1", f"++{name}", f"{name} = {name} + 1"))
            head = f"for ({keyword} {name} = 0{more}; {name} < {limit}; {update}) {{"
            return self._loop(head, size, label)

    def for_of(self, size: int, label: str | None = None) -> list[str]:
        source = self.expression(
            self.pick(("array", "array", "string", "set", "map", "iterator")), size
        )
        with self.block():
            target, assigns = self._loop_target()
            self.need("fuel")
            lines = self._loop(f"for ({target} of {source}) {{", size, label)
        del assigns
        return [lines[0], "  if (fuel-- < 1) break", *lines[1:]]

    def for_in(self, size: int, label: str | None = None) -> list[str]:
        source = self.expression(self.pick(("object", "object", "array", "string", "any")), size)
        with self.block():
            target, _ = self._loop_target()
            return self._loop(f"for ({target} in {source}) {{", size, label)

    def _loop_target(self) -> tuple[str, bool]:
        """What a `for … of` assigns to or declares."""
        targets = self.writable("any")
        if targets and self.often(15):
            return self.pick(targets).name, True
        keyword = self.pick(("const", "let", "var"))
        if self.often(25):
            names: list[str] = []
            pattern = self.binding_pattern(names, 1)
            for name in names:
                self.declare(Variable(name, "any", keyword != "const"))
            return f"{keyword} {pattern}", False
        name = self.fresh()
        self.declare(Variable(name, "any", keyword != "const"))
        return f"{keyword} {name}", False

    def while_loop(self, size: int, label: str | None = None) -> list[str]:
        self.need("fuel")
        count = self.fresh("w")
        limit = 1 + self.below(3)
        test = f"{count}++ < {limit}"
        if self.often(40):
            test += f" && {self.operand('boolean', size)}"
        with self.block():
            self.declare(Variable(count, "number"))
            if self.often(40):
                lines = self._loop("do {", size, label, f"}} while ({test})")
            else:
                lines = self._loop(f"while ({test}) {{", size, label)
        if label is None:
            return [f"let {count} = 0", *lines]
        return [f"var {count} = 0", *lines]

    def labelled(self, size: int) -> list[str]:
        label = self.fresh("L")
        if self.often(25):
            self.labelled_blocks.append(label)
            lines = self.body_of(size, 3)
            if self.often(60):
                lines.append(f"  if ({self.expression('boolean', 1)}) break {label}")
            self.labelled_blocks.pop()
            return [f"{label}: {{", *lines, "}"]
        loop = self.pick((self.counted_loop, self.for_of, self.for_in, self.while_loop))
        lines = loop(size, label)
        at = 1 if loop == self.while_loop else 0
        return [*lines[:at], f"{label}: {lines[at]}", *lines[at + 1 :]]

    def switch(self, size: int) -> list[str]:
        kind = self.pick(("number", "string", "any"))
        value = "small" if kind == "number" else kind
        lines = [f"switch ({self.expression(kind, size)}) {{"]
        default = self.below(4)
        self.breakable += 1
        with self.block():
            for number in range(1 + self.below(3)):
                if number == default:
                    lines += ["default:", *indented(self.case_body(size))]
                lines += [f"case {self.expression(value, 0)}:", *indented(self.case_body(size))]
        self.breakable -= 1
        return [*lines, "}"]

    def case_body(self, size: int) -> list[str]:
        """A case's statements; what they declare is not used by other cases, which may come first."""
        with self.block(is_case=True):
            lines = self.statements(self.below(2) + 1, size)
        return [*lines, "break"] if self.often(50) else lines

    # ------------------------------------------------------------------ exits

    def leave(self, size: int) -> list[str]:
        """An exit under a condition."""
        return [f"if ({self.expression('boolean', size)}) {self.exit(size)}"]

    def exit(self, size: int) -> str:
        """`break`, `continue`, `return` or `throw`, as far as they are possible here."""
        options: list[str] = [self.thrown()]
        if self.functions_deep:
            options += ["return", f"return {self.expression('any', size)}"]
        if self.breakable:
            options += ["break", "break"]
        if self.loops:
            options += ["continue", "continue"]
            options += [f"break {label}" for label in self.loops if label]
            options += [f"continue {label}" for label in self.loops if label]
        options += [f"break {label}" for label in self.labelled_blocks]
        return self.pick(options)

    def thrown(self) -> str:
        errors = self.visible("error")
        if errors and self.often(40):
            return f"throw {self.pick(errors).name}"
        return (
            f"throw {self.literal(self.pick(('error', 'number', 'string', 'object', 'undefined')))}"
        )

    def attempt(self, size: int) -> list[str]:
        lines = ["try {", *self.body_of(size)]
        if self.often(50):
            test = f"if ({self.expression('boolean', 0)}) " if self.often(60) else ""
            lines.append(f"  {test}{self.exit(1)}")
        form = self.below(3)
        if form != 2:
            lines += self._handler(size)
        if form != 0:
            lines += ["} finally {", *self.body_of(size)]
            if self.often(25):
                lines.append(f"  if ({self.expression('boolean', 1)}) {self.exit(1)}")
        return [*lines, "}"]

    def _handler(self, size: int) -> list[str]:
        with self.block():
            match self.below(5):
                case 3:
                    head = "} catch {"
                    shown: list[str] = []
                case 4:
                    name = self.fresh("e")
                    head = f"}} catch ({{ name: {name} }}) {{"
                    shown = [f"  console.log('caught', {name})"]
                case _:
                    name = self.fresh("e")
                    head = f"}} catch ({name}) {{"
                    self.declare(Variable(name, "error"))
                    shown = [f"  console.log('caught', {self.need('nameOf')}({name}))"]
            lines = [head, *shown, *self.body_of(size, 1)]
            if self.often(15):
                lines.append(f"  {self.exit(1)}")
            return lines

    # ------------------------------------------------------------------ scopes

    def nested_function(self, size: int) -> list[str]:
        if self.often(60) or self.blocks[-1].is_function:
            return self.function_declaration(size)
        # A function of a block is also visible around it, once the block was entered.
        with self.block():
            lines = self.function_declaration(size)
            name = self.blocks[-1].variables[-1].name
        before = self.pick(([], [f"console.log(typeof {name})"]))
        return [*before, "{", *indented(lines), "}", f"console.log(typeof {name})"]

    def captured(self, size: int) -> list[str]:
        """Closures over a loop's variables, called after it."""
        functions, name = self.fresh(), self.fresh("i")
        keyword = self.pick(("let", "let", "var", "const"))
        head = (
            f"for (const {name} of [1, 2, 3]) {{"
            if keyword == "const"
            else f"for ({keyword} {name} = 0; {name} < 3; {name}++) {{"
        )
        change = self.pick(("", f"; {name}++")) if keyword != "const" else ""
        with self.block():
            self.declare(Variable(name, "number"))
            with self.plain_function():
                value = self.expression("any", size)
        lines = [
            f"const {functions} = []",
            head,
            f"  {functions}.push(() => [{name}, {value}])",
            f"  console.log({name}){change}",
            "}",
            f"for (const f of {functions}) console.log(f())",
        ]
        self.declare(Variable(functions, "array"))
        return lines

    def dead_zone(self, size: int) -> list[str]:
        """A name read before its declaration ran, or written though it is constant."""
        name = self.fresh()
        probe = self.need("probe")
        form = self.below(4)
        keyword = self.pick(("let", "const"))
        value = self.expression("number", 0)
        match form:
            case 0:
                lines = [
                    f"{probe}(() => {name})",
                    f"{keyword} {name} = {value}",
                    f"{probe}(() => {name})",
                ]
            case 1:
                lines = [f"const {name} = {value}", f"{probe}(() => {{ {name} = 1 }})"]
            case 2:
                lines = [f"{probe}(() => typeof {name})", f"{keyword} {name} = {value}"]
            case _:
                lines = [f"{probe}(() => {{ {name}++; let {name} = {value} }})", f"var {name} = 1"]
        self.declare(Variable(name, "number"))
        return lines

    def undeclared(self, size: int) -> list[str]:
        """A variable that an assignment creates."""
        name = self.fresh("u")
        probe = self.need("probe")
        return [
            f"{probe}(() => {name})",
            f"{name} = {self.expression('any', size)}",
            f"{probe}(() => {name})",
        ]
