"""Calls of library functions, with arguments that fit and arguments that do not."""

# ruff: noqa: E501 - a line of the generated source is easier to read in one piece

from __future__ import annotations

from typing import Final

from tests.flowlang.fuzz.generator.library_table import BY_RESULT, METHODS, Method
from tests.flowlang.fuzz.generator.literals import Literals

_LETTERS: Final[dict[str, tuple[str, ...]]] = {
    "i": (
        "0", "1", "2", "-1", "-2", "5", "1.5", "NaN", "Infinity", "-Infinity", "undefined", "'1'",
        "null", "-0", "4294967296", "'x'", "true",
    ),
    "c": ("0", "1", "2", "3", "5", "8", "-1", "1.5", "NaN", "undefined", "'2'", "null", "-0.5"),
    "g": (
        "undefined", "2", "10", "16", "36", "0", "1", "3", "5", "20", "21", "37", "100", "101",
        "-1", "1.9", "NaN", "'8'", "Infinity", "null",
    ),
    "d": (
        "0", "1", "2", "12", "31", "-1", "99", "2020", "1.9", "NaN", "1e9", "undefined", "'3'",
        "-400", "null", "1e20",
    ),
    "k": ("'a'", "'length'", "0", "'0'", "1", "'1'", "'b'", "'valueOf'", "'-0'", "-0", "1.5", "null"),
    "e": (
        "[]", "[['a', 1]]", "[['b', 1], ['a', 2], ['b', 3]]", "new Map([['m', 1]])", "[[1, 2], [0]]",
        "[1]", "null", "['ab']", "[{ 0: 'k', 1: 'v' }]", "Object.entries([7, 8])", "[['a', 1]].values()",
    ),
    "j": (
        "'{\"a\": [1, 2.50, -0, true, null]}'", "'[]'", "' 1 '", "'\"\\\\u00e9\\\\n\"'", "'{}'",
        "'[1,]'", "'01'", "'1e400'", "'-0'", "'nul'", "''", "'{\"b\":1,\"1\":2,\"a\":3,\"0\":4}'",
        "'{\"a\":1,\"a\":2}'", "'\"\\t\"'", "'[1] 2'", "'\"\\\\ud83d\"'", "'NaN'", "'+1'", "'1.'",
        "'{\"toString\":1}'", "'\\ufeff1'", "'[[[]]]'", "undefined", "null", "'\"\\\\x41\"'",
    ),
    "u": (
        "'%41'", "'a%20b'", "'%zz'", "'%'", "'%F0%9F%98%80'", "'%C3%BC'", "'%C3'", "'%2F%3f'",
        "'ü'", "'%ED%A0%80'", "'%c0%80'", "''", "'%F0%9F%98'", "'%23%24'",
    ),
    "D": (
        "'2020-01-01'", "'2020'", "'2020-02-30'", "'2020-13-01'", "'2020-01-01T00:00'",
        "'2020-01-01T24:00:00Z'", "'2020-01-01T12:00:00.123456Z'", "'+012345-01-01T00:00:00Z'",
        "'-000001-01-01T00:00:00Z'", "'2020-01-01T12:00:00+05:30'", "''", "'x'", "'2020-1-1x'",
        "'-000000-01-01T00:00:00Z'", "'2020-01'", "'2020-06-01T10:20:30'", "1e12", "null",
    ),
    "N": ("undefined", "'NFC'", "'NFD'", "'NFKC'", "'NFKD'", "'nfc'", "null", "''"),
}  # fmt: skip

_KINDS: Final = {
    "n": "number",
    "s": "string",
    "v": "any",
    "a": "array",
    "o": "object",
    "E": "error",
}

_REPLACERS: Final = (
    "'-'", "'[$&]'", "'$$'", "\"$`|$'\"", "'$1'", "'$<a>'", "''", "undefined",
    "(found, at, all) => `<${found}:${at}:${all.length}>`", "() => '$&'", "() => undefined",
)  # fmt: skip

_PROMISES: Final = (
    "[]", "[1, 2]", "[Promise.resolve(1), 2]", "[Promise.reject(new Error('m1')), 3]", "'ab'",
    "new Set([1, Promise.resolve(2)])", "[Promise.resolve(1), new Promise(() => {})]", "5",
    "[{ then(r) { r('t') } }, , 1]", "[Promise.reject('r1'), Promise.reject('r2')]", "undefined",
    "[{ then() { throw new RangeError('m2') } }]",
)  # fmt: skip

_CHOSEN: Final = "ydzDwOAP"
"""Arguments for which not every value will do: with some, Flow differs by declaration."""

_KEYED_PROMISES: Final = (
    "{}", "{ a: 1, b: Promise.resolve(2) }", "{ b: Promise.reject('r1'), 1: Promise.resolve(3) }",
    "{ x: { then(r) { r('t') } }, y: new Promise(() => {}) }",
)  # fmt: skip

CONSTRUCTIONS: Final = (
    ("Date", "wdddd"), ("Map", "e"), ("Set", "t"), ("Array", "cv"), ("Error", "so"),
    ("AggregateError", "tso"), ("RangeError", "s"), ("Date", "D"), ("TypeError", "so"),
    ("EvalError", "s"), ("ReferenceError", "s"), ("SyntaxError", "s"), ("URIError", "s"),
    ("Object", "O"), ("Promise", "f"),
)  # fmt: skip
"""What `new` takes, with the arguments."""

_MUTATORS: Final = frozenset(
    [
        "copyWithin",
        "fill",
        "pop",
        "push",
        "reverse",
        "shift",
        "sort",
        "splice",
        "unshift",
        "set",
        "add",
        "delete",
        "clear",
        "next",
    ]
)


class LibraryCalls(Literals):
    """Calls of library functions."""

    def argument(self, letter: str, size: int) -> str:
        """An argument; now and then of a kind that does not fit."""
        if self.often(6) and letter not in _CHOSEN:
            return self.odd()
        if letter in _LETTERS:
            return self.pick(_LETTERS[letter])
        if letter in _KINDS:
            kind = _KINDS[letter]
            return self.literal(kind) if self.often(60) else self.expression(kind, size)
        kinds: tuple[str, ...]
        match letter:
            case "f":
                return self.callback(1 + self.below(2), "any", size)
            case "p":
                return self.callback(1, "boolean", size)
            case "r":
                return self._reducer(size)
            case "q":
                return self._comparator()
            case "x":
                return self.pick(_REPLACERS)
            case "t":
                return self.literal(
                    self.pick(("array", "string", "set", "map", "iterator", "object"))
                )
            case "z":
                return self.literal(self.pick(("number", "string", "array", "object", "map")))
            case "w":
                return self.pick([text for text in _LETTERS["d"] if "'" not in text])
            case "O":
                kinds = ("object", "array", "map", "function", "error", "undefined", "null")
                return self.literal(self.pick(kinds))
            case "P":
                kinds = ("object", "array", "string", "map", "error", "date", "null", "number")
                return self.literal(self.pick(kinds))
            case "A":
                return self.literal(self.pick(("object", "array", "map", "error", "date", "null")))
            case "y":
                return self.pick((*_PROMISES, *_KEYED_PROMISES))
            case "m":
                return self.literal(self.pick(("promise", "number", "object", "error")))
        raise AssertionError(f"no argument is called {letter!r}")

    def arguments(self, method: Method, size: int) -> str:
        """Arguments for a method: all, some of them, or one too many."""
        letters = method.arguments
        if letters and self.often(30):
            letters = letters[: self.below(len(letters) + 1)]
        given = [self.argument(letter, size) for letter in letters]
        if self.often(4) and method.arguments[:1] not in tuple(_CHOSEN):
            given.append(self.odd())
        if given and self.often(4):
            given[-1] = f"...[{given[-1]}]"
        return ", ".join(given)

    def library_call(self, result: str, size: int) -> str:
        """An expression whose value a library function gives."""
        method = self.pick(BY_RESULT[result])
        if not method.is_method:
            return self._static(method, self.arguments(method, size))
        return f"{self.receiver(method.owner, size)}.{method.name}({self.arguments(method, size)})"

    def receiver(self, kind: str, size: int) -> str:
        """An object to call a method on."""
        known = self.visible(kind)
        if known and self.often(50):
            return self.pick(known).name
        text = self.literal(kind)
        return f"({text})" if text[0] in "-0123456789." or text.startswith("new ") else text

    def library_probe(self) -> list[str]:
        """A line that shows what a library function gives and what becomes of its object."""
        with self.plain_function():
            return self._probe_of(self.pick(METHODS))

    def library_turn(self, number: int) -> list[str]:
        """A line for the library function whose turn it is, and one for the `new` of it."""
        with self.plain_function():
            lines = self._probe_of(METHODS[number % len(METHODS)])
        return [*lines, *self._construction(CONSTRUCTIONS[number % len(CONSTRUCTIONS)])]

    def _probe_of(self, method: Method) -> list[str]:
        arguments = self.arguments(method, 1)
        name = self.need("near" if method.is_inexact else "probe")
        if not method.is_method:
            return [f"{name}(() => {self._static(method, arguments)})"]
        if self.often(3) and method.owner != "function":
            other = self.odd()
            return [f"{name}(() => {self._grouped(other)}.{method.name}({arguments}))"]
        if method.name in _MUTATORS or method.name.startswith("set") or self.often(20):
            return [
                f"{name}(() => {{ const o = {self.literal(method.owner)}; "
                f"return [o.{method.name}({arguments}), o] }})"
            ]
        if self.often(15):
            extra = f", {arguments}" if arguments else ""
            receiver = self.receiver(method.owner, 1)
            return [f"{name}(() => {receiver}.{method.name}.call({receiver}{extra}))"]
        dot = self.pick((".", ".", ".", "?."))
        return [f"{name}(() => {self.receiver(method.owner, 1)}{dot}{method.name}({arguments}))"]

    def construction(self) -> list[str]:
        """A line that shows what `new` gives."""
        return self._construction(self.pick(CONSTRUCTIONS))

    def _construction(self, constructor: tuple[str, str]) -> list[str]:
        name, letters = constructor
        method = Method(name, name, letters, name, False)
        with self.plain_function():
            return [f"{self.need('probe')}(() => new {name}({self.arguments(method, 1)}))"]

    def _static(self, method: Method, arguments: str) -> str:
        return f"{method.owner}.{method.name}({arguments})".lstrip(".")

    def _grouped(self, text: str) -> str:
        return f"({text})"

    def _reducer(self, size: int) -> str:
        return self.pick(
            (
                "(a, b) => a + b",
                "(a, b, i) => [a, b, i]",
                "(a, b, i, all) => (console.log(a, b, i), all.length)",
                "Math.max",
            )
        )

    def _comparator(self) -> str:
        return self.pick(
            (
                "undefined",
                "(a, b) => a - b",
                "(a, b) => (a < b ? 1 : a > b ? -1 : 0)",
                "(a, b) => { console.log(a, b); return a - b }",
                "() => 0",
                "(a, b) => (a > b ? 1 : -1)",
                "(a, b) => b > a",
                "() => { throw new RangeError('m3') }",
                "() => 'x'",
                "null",
            )
        )
