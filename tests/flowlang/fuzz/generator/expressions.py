"""Expressions: operators without parentheses, member chains, calls, assignments, `await`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.flowlang.fuzz.generator.draft import Variable
from tests.flowlang.fuzz.generator.operators import Operators

_ARITHMETIC: Final = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>")
_COMPARISONS: Final = ("<", "<=", ">", ">=", "==", "!=", "===", "!==")
ASSIGNMENTS: Final = (
    "=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", ">>>=", "&=", "|=", "^=", "&&=", "||=", "??=",
)  # fmt: skip
_SIMPLE: Final = ("number", "string", "boolean", "array", "object")
_KEYS: Final = ("a", "b", "length", "0", "1", "c", "size", "x y")


class Expressions(Operators):
    """Expressions of a wished kind; now and then of another."""

    def expression(self, kind: str, size: int) -> str:
        if self.often(3):
            kind = "any"
        if size <= 0:
            return self.leaf(kind)
        if self.is_async and not self.in_parameters and self.often(12):
            return f"(await {self.awaitable(kind, size - 1)})"
        if self.often(6):
            label = self.below(100)
            return f"{self.need('trace')}({label}, {self.expression(kind, size - 1)})"
        form = self.pick(self._forms(kind))
        return form(size - 1)

    def leaf(self, kind: str) -> str:
        """A variable or a literal."""
        known = self.visible(kind) if kind != "any" else self.visible(*_SIMPLE, "any")
        if known and self.often(65):
            return self.pick(known).name
        return self.literal(kind)

    def primitive(self, size: int) -> str:
        """A value that leaves through any border as it is."""
        return self.expression(self.pick(("number", "string", "boolean")), size)

    def awaitable(self, kind: str, size: int) -> str:
        """What can stand after `await`; its value is of the kind."""
        raise NotImplementedError

    def pattern_assignment(self, size: int) -> str:
        """A destructuring assignment, as an expression in parentheses."""
        raise NotImplementedError

    def user_function(self, size: int) -> str:
        """A function written out, in parentheses."""
        raise NotImplementedError

    def _forms(self, kind: str) -> tuple[Callable[[int], str], ...]:
        common = (self._conditional, self._comma, self._call(kind), self._assigned(kind))
        match kind:
            case "number":
                return (
                    lambda size: self.leaf("number"),
                    self._arithmetic, self._arithmetic, self._arithmetic, self._unary_number,
                    self._update, self._library("number"), self._length, *common,
                )  # fmt: skip
            case "string":
                return (
                    lambda size: self.leaf("string"),
                    self._concatenation, self._concatenation, self._template, self._typeof,
                    self._library("string"), self._element("string"), *common,
                )  # fmt: skip
            case "boolean":
                return (
                    lambda size: self.leaf("boolean"),
                    self._comparison, self._comparison, self._not, self._in, self._instance,
                    self._library("boolean"), self._delete, *common,
                )  # fmt: skip
            case "array":
                return (
                    self.array_literal, self.array_literal, self._library("array"), *common,
                )  # fmt: skip
            case "object":
                return (
                    self.object_literal, self.object_literal, self._library("object"), *common,
                )  # fmt: skip
            case "function":
                return (self.user_function, self.user_function, lambda size: self.leaf("function"))
            case "any":
                return (
                    self._simple, self._simple, self._logical, self._logical, self._optional,
                    self._member, self._member, self._void, self.pattern_assignment, self._exotic,
                    self.user_function, self._mixed_binary, *common,
                )  # fmt: skip
        return (lambda size: self.leaf(kind),)

    # ------------------------------------------------------------------ of any kind

    def _simple(self, size: int) -> str:
        return self.expression(self.pick(_SIMPLE), size)

    def _exotic(self, size: int) -> str:
        return self.leaf(
            self.pick(
                ("null", "undefined", "date", "map", "set", "promise", "iterator", "function")
            )
        )

    def _conditional(self, size: int) -> str:
        kind = self.pick(_SIMPLE)
        test = self.expression("boolean", size)
        return f"({test} ? {self.expression(kind, size)} : {self.expression(kind, size)})"

    def _comma(self, size: int) -> str:
        return f"({self.expression('any', size - 1)}, {self.expression(self.pick(_SIMPLE), size)})"

    def _void(self, size: int) -> str:
        return f"void {self.operand('any', size)}"

    def _logical(self, size: int) -> str:
        operator = self.pick(("&&", "||", "??"))
        count = 2 + self.below(2)
        return f"({f' {operator} '.join(self.operand('any', size) for _ in range(count))})"

    def _mixed_binary(self, size: int) -> str:
        operator = self.pick((*_ARITHMETIC, *_COMPARISONS))
        return f"({self.operand('any', size)} {operator} {self.operand('any', size)})"

    def _call(self, kind: str) -> Callable[[int], str]:
        def call(size: int) -> str:
            functions = [one for one in self.visible("function") if not one.is_async]
            if not functions:
                return self.expression(kind, size)
            return self.call_of(self.pick(functions), size)

        return call

    def call_of(self, function: Variable, size: int) -> str:
        """A call of a function of the program."""
        count = max(0, function.arity + self.pick((0, 0, 0, -1, 1)))
        arguments = [
            self.expression(self.pick(("number", "any", "string")), size - 1) for _ in range(count)
        ]
        if self.often(8):
            arguments.append(f"...{self.leaf('array')}")
        joined = ", ".join(arguments)
        match self.below(12):
            case 10:
                extra = f", {joined}" if joined else ""
                return f"{function.name}.call(undefined{extra})"
            case 11:
                return f"{function.name}?.({joined})"
        return f"{function.name}({joined})"

    def _assigned(self, kind: str) -> Callable[[int], str]:
        def assign(size: int) -> str:
            targets = self.writable(kind) if kind != "any" else self.writable("any")
            if not targets:
                return self.expression(kind, size)
            target = self.pick(targets).name
            operator = self.pick(
                ASSIGNMENTS[:9] if kind == "number" else ("=", "=", "??=", "||=", "&&=")
            )
            return f"({target} {operator} {self.expression(kind, size)})"

        return assign

    def _library(self, kind: str) -> Callable[[int], str]:
        return lambda size: self.library_call(kind, size)

    # ------------------------------------------------------------------ members

    def _member(self, size: int) -> str:
        holder = self.pick(("object", "array", "string", "any", "function"))
        return f"{self.operand(holder, size)}{self.access(size)}"

    def access(self, size: int) -> str:
        """`.name` or `[key]`."""
        match self.below(4):
            case 0 | 1:
                return f".{self.pick(('a', 'b', 'length', 'c', 'size', 'name', 'message'))}"
            case 2:
                return f"[{self.pick((0, 1, 2, '-1', 1.5))}]"
        return f"[{self.expression(self.pick(('number', 'string')), size - 1)}]"

    def _optional(self, size: int) -> str:
        holder = self.operand(self.pick(("any", "object", "null", "undefined")), size)
        links = [self.access(size - 1) for _ in range(1 + self.below(2))]
        links = [f"?{link}" if link[0] == "." else f"?.{link}" for link in links[:1]] + [
            self.pick((link, f"?{link}" if link[0] == "." else f"?.{link}")) for link in links[1:]
        ]
        if self.often(15):
            links.append("?.()")
        return f"{holder}{''.join(links)}"

    def _element(self, kind: str) -> Callable[[int], str]:
        return lambda size: f"{self.operand(kind, size)}[{self.expression('small', 0)}]"

    def _length(self, size: int) -> str:
        return f"{self.operand(self.pick(('string', 'array')), size)}.length"

    def _delete(self, size: int) -> str:
        holder = self.pick(
            self.visible("object", "array") or [Variable("({ a: 1 })", "object")]
        ).name
        return f"delete {holder}{self.access(size)}"

    # ------------------------------------------------------------------ of one kind

    def operand(self, kind: str, size: int) -> str:
        """An expression that can stand beside any operator."""
        text = self.expression(kind, size - 1)
        plain = text.isidentifier() or (text[0] in "([" and _closes_at_end(text))
        return text if plain else f"({text})"

    def _arithmetic(self, size: int) -> str:
        """A chain without parentheses: precedence decides."""
        parts = [self.operand("number", size)]
        for _ in range(1 + self.below(3)):
            parts += [self.pick(_ARITHMETIC), self.operand("number", size)]
        return f"({' '.join(parts)})"

    def _unary_number(self, size: int) -> str:
        operator = self.pick(("-", "+", "~"))
        return f"({operator}{self.operand(self.pick(('number', 'any', 'string')), size)})"

    def _update(self, size: int) -> str:
        targets = self.writable("number", "any")
        holders = self.visible("object", "array")
        if holders and self.often(30):
            place = f"{self.pick(holders).name}{self.access(size)}"
        elif targets:
            place = self.pick(targets).name
        else:
            return self.leaf("number")
        return f"({self.pick((f'{place}++', f'++{place}', f'{place}--', f'--{place}'))})"

    def _concatenation(self, size: int) -> str:
        parts = [self.operand("string", size)]
        parts += [
            self.operand(self.pick(("string", "number", "any")), size)
            for _ in range(1 + self.below(2))
        ]
        if self.often(50):
            parts.reverse()
        return f"({' + '.join(parts)})"

    def _template(self, size: int) -> str:
        pieces = [self.pick(("", "a", " ", "\\n", "{", "$", "}")) for _ in range(2 + self.below(2))]
        kinds = ("number", "string", "any")
        inside = [f"${{{self.expression(self.pick(kinds), size)}}}" for _ in pieces[1:]]
        text = pieces[0]
        for hole, piece in zip(inside, pieces[1:], strict=True):
            text = text.removesuffix("$") + hole + piece
        return f"`{text}`"

    def _typeof(self, size: int) -> str:
        if self.often(10):
            return "typeof undeclared"
        return f"(typeof {self.operand('any', size)})"

    def _comparison(self, size: int) -> str:
        kind = self.pick(("number", "string", "any"))
        other = self.pick((kind, kind, "any"))
        return f"({self.operand(kind, size)} {self.pick(_COMPARISONS)} {self.operand(other, size)})"

    def _not(self, size: int) -> str:
        return f"!{self.operand('any', size)}"

    def _in(self, size: int) -> str:
        return f"('{self.pick(_KEYS)}' in {self.operand(self.pick(('object', 'array')), size)})"

    def _instance(self, size: int) -> str:
        right = self.pick(("Array", "Object", "Error", "Map", "Date", "Promise", "TypeError"))
        errors = self.visible("error")
        if errors and self.often(50):
            return f"({self.pick(errors).name} instanceof {right})"
        return f"({self.operand('any', size)} instanceof {right})"

    def array_literal(self, size: int) -> str:
        parts: list[str] = []
        for _ in range(self.below(4)):
            match self.below(8):
                case 6:
                    parts.append("")
                case 7:
                    parts.append(f"...{self.operand(self.pick(('array', 'string', 'set')), size)}")
                case _:
                    parts.append(self.expression(self.pick(("number", "string", "any")), size - 1))
        return f"[{', '.join(parts)}{',' if parts and not parts[-1] else ''}]"

    def object_literal(self, size: int) -> str:
        parts: list[str] = []
        for _ in range(self.below(4)):
            key = self.pick(("a", "b", "c", "'x y'", "1", "0", "d"))
            kind = self.pick(("number", "string", "any"))
            match self.below(9):
                case 4:
                    parts.append(f"...{self.operand(self.pick(('object', 'any')), size)}")
                case 5:
                    name = self.expression(self.pick(("string", "number")), size - 1)
                    parts.append(f"[{name}]: {self.expression(kind, size - 1)}")
                case 6 if known := self.visible(*_SIMPLE):
                    parts.append(self.pick(known).name)
                case 7:
                    parts.append(f"{key}: {self.user_function(size - 1)}")
                case 8:
                    parts.append(f"{key}() {{ return {self._literal_result()} }}")
                case _:
                    parts.append(f"{key}: {self.expression(kind, size - 1)}")
        return f"({{ {', '.join(parts)} }})" if parts else "({})"

    def _literal_result(self) -> str:
        return self.literal(self.pick(("number", "string", "array")))


def _closes_at_end(text: str) -> bool:
    """Whether the bracket that a text begins with is closed by its last character. Signs within
    strings may make it say no, never a wrong yes for what the generator writes."""
    if "'" in text or '"' in text or "`" in text:
        return False
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0:
            return at == len(text) - 1
    return False
