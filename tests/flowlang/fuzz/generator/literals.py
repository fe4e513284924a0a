"""Values written out: the edges of numbers and texts, arrays with holes, objects that convert."""

from __future__ import annotations

from typing import Final

from tests.flowlang.fuzz.generator.draft import Draft

NUMBERS: Final = (
    "0", "1", "2", "3", "7", "(-1)", "(-0)", "0.1", "0.5", "1.5", "(-2.5)", "10", "100", "255",
    "NaN", "Infinity", "(-Infinity)", "1e21", "1e-7", "123456789012345680000", "2147483647",
    "2147483648", "(-2147483649)", "4294967295", "4294967296", "9007199254740991",
    "9007199254740993", "5e-324", "1.7976931348623157e308", "1e400", "0.30000000000000004",
    "0x1F", "0b101", "0o17", "1_000", ".5", "5.", "1E3", "0.000001", "1.005", "123.456", "1e300",
)  # fmt: skip

SMALL_NUMBERS: Final = ("0", "1", "2", "3", "4", "5", "10", "(-1)", "(-3)", "1.5", "0.5")

TEXTS: Final = (
    "''", "'a'", "'abc'", '"b"', "'0'", "'12'", "' 12 '", "'-0'", "'1e3'", "'0x10'", "'NaN'",
    "'Infinity'", "'1_0'", "'.5'", "'5.'", "'+1'", "'true'", "'null'", "'undefined'", "'length'",
    "'a,b,c'", "\"it's\"", "'a b  c'", "`t${1}`", "'\\u{1F600}'", "'x\\ud83d'", "'\\ude00y'",
    "'ß'", "'İi'", "'ΑΣ'", "'\\u01c5'", "'e\\u0301'", "'\\u00e9'", "'\\ufeff 1\\u00a0'", "'\\x851'",
    "'\\n'", "'\\0'", "'\\v\\t'", "'\\\n'", "'$&-$1'", "'%41%zz'", "'%F0%9F%98%80'", "'a/b?c=ü&d'",
    "'2020-02-30'", "'2024-02-29T12:30:45.678Z'", "'01'", "'4294967295'", "'ABC abc'", "'\\u212b'",
    "'\\u2028'", "'[1,{\"a\":null}]'", "'valueOf'", "'-'", "'one two'", "'aXbXc'", "'²'",
)  # fmt: skip

ARRAYS: Final = (
    "[]", "[1]", "[1, 2, 3]", "['b', 'a', 'c']", "[10, 9, 1]", "[,]", "[, 1]", "[1, , 3]",
    "[undefined, null]", "[[1, 2], [3]]", "[NaN, -0, 0]", "[true, 'x', 2]", "[[]]", "[{ a: 1 }]",
    "[1, [2, [3, [4]]]]", "[3, undefined, 1, , 2]", "['a', ...'bc']", "[...[1, 2], ...[3]]",
    "Array(3)", "[5, 1, 4, 2, 3]", "[['a', 1], ['b', 2]]", "['10', 9, '1']", "[0, , undefined]",
)  # fmt: skip

OBJECTS: Final = (
    "{}", "{ a: 1 }", "{ a: 1, b: 2 }", "{ b: 1, 2: 'x', a: 3, 1: 'y' }", "{ a: { b: { c: 1 } } }",
    "{ 'x y': 1, ['c' + 1]: 2 }", "{ length: 2, 0: 'p', 1: 'q' }", "{ valueOf() { return 42 } }",
    "{ toString() { return 'ts' } }", "{ valueOf: () => ({}), toString: () => '7' }",
    "{ toJSON() { return [1] } }", "{ a: undefined, b: null, c: NaN }", "{ ...{ a: 1 }, ...'hi' }",
    "{ ...[7, 8], a: [] }", "{ valueOf() { throw new RangeError('m1') } }", "{ a: 1, a: 2 }",
    "{ 1e21: 1, 0.5: 2, 0x10: 3 }", "{ then: 1 }", "{ async f() {}, g: () => 1, h() {} }",
    "{ '-0': 1, '01': 2, 4294967294: 3, 4294967295: 4 }",
    "{ valueOf: null, toString() { return '3' } }",
)  # fmt: skip

FUNCTIONS: Final = (
    "(() => 1)", "((x) => x)", "((a, b) => a)", "(function () {})", "(function named(a, b = 1) {})",
    "(async () => 2)", "Math.max", "String", "Number", "Boolean", "Array", "((...r) => r)",
    "isNaN", "parseInt", "(({ a }) => a)", "Error", "Object.keys", "Map", "(async function q() {})",
)  # fmt: skip

DATES: Final = (
    "new Date(0)", "new Date(NaN)", "new Date(1e12)", "new Date(2024, 1, 29)",
    "new Date('2020-01-31T23:59:59.999Z')", "new Date(-1)", "new Date(1969, 12)", "new Date(99, 0)",
    "new Date('2021-06-15')", "new Date(8.64e15)", "new Date(2020, 0, 31, 25, 61, 61, 1001)",
    "new Date('2019-03-10T02:30')", "new Date('nonsense')", "new Date(2023, 10)", "new Date(null)",
)  # fmt: skip

ERRORS: Final = (
    "new Error('m1')", "new TypeError('m2')", "RangeError('m3')", "new Error()",
    "new Error('m4', { cause: 1 })", "new AggregateError([1, 2], 'm5')", "SyntaxError('m6')",
    "Object.assign(new Error('m7'), { name: 'Mine', code: 7 })", "new URIError('m8')",
    "new ReferenceError('m9')", "EvalError('m1')",
)  # fmt: skip

MAPS: Final = (
    "new Map()", "new Map([['a', 1], ['b', 2]])", "new Map([[NaN, 1], [-0, 2], [null, 3]])",
    "new Map([[1, new Map()]])", "new Map(Object.entries({ k: 1 }))",
)  # fmt: skip

SETS: Final = (
    "new Set()", "new Set([1, 2, 1])", "new Set('hello')", "new Set([NaN, NaN, -0, 0, '0'])",
    "new Set([[1], [1]])", "new Set([undefined, null])",
)  # fmt: skip

PROMISES: Final = (
    "Promise.resolve(1)", "Promise.resolve()", "new Promise(() => {})", "Promise.all([])",
    "Promise.resolve('p').then((x) => x + 1)", "new Promise((r) => r(5))",
)  # fmt: skip

ITERATORS: Final = (
    "[1, 2].values()", "['a', 'b'].entries()", "[4, , 5].keys()", "new Map([[1, 2]]).entries()",
    "new Set([3]).values()", "new Map([['k', 'v']]).keys()",
)  # fmt: skip

LITERALS: Final[dict[str, tuple[str, ...]]] = {
    "number": NUMBERS,
    "small": SMALL_NUMBERS,
    "string": TEXTS,
    "boolean": ("false", "true"),
    "null": ("null",),
    "undefined": ("undefined",),
    "array": ARRAYS,
    "object": OBJECTS,
    "function": FUNCTIONS,
    "date": DATES,
    "error": ERRORS,
    "map": MAPS,
    "set": SETS,
    "promise": PROMISES,
    "iterator": ITERATORS,
}

PRIMITIVE_KINDS: Final = ("number", "string", "boolean", "null", "undefined")
KINDS: Final = (
    *PRIMITIVE_KINDS, "array", "object", "function", "date", "map", "set", "error", "promise",
)  # fmt: skip
"""The kinds of values whose pairs the operators are tried with."""


class Literals(Draft):
    """Values written out."""

    def literal(self, kind: str) -> str:
        if kind == "any":
            kind = self.pick(KINDS)
        text = self.pick(LITERALS[kind])
        return f"({text})" if kind == "object" else text

    def odd(self) -> str:
        """A value of any kind, where one of a certain kind is expected."""
        return self.literal("any")
