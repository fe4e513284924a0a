"""The standard library as a fuzzer sees it: for each method its object, arguments and result.

A line reads `name(arguments) -> result`, one letter for an argument:

    i an index      n a number       c a small count   s a text        v any value
    f a callback    p a predicate    q a comparator    r a reducer     a an array
    o an object     t an iterable    k a key           d a field of a date
    e entries       j a JSON text    x a replacer      u a text with % escapes
    z any value but a function: built-in ones are frozen in Flow, by declaration
    m a promise or value             y promises, by position or key    g a radix or digits
    P any value but a function, whose `prototype` Flow lacks, by declaration
    w a field that is no text: alone it is a time, and Date.parse takes fewer texts, by declaration
    O an object or nothing, and A an object: Object(x) of a primitive differs, by declaration
"""

# ruff: noqa: E501 - a line of the generated source is easier to read in one piece

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Method:
    """One function of the library.

    Attributes:
        owner: the kind of the object a method is called on, or the text before a static's dot.
        is_method: whether it is called on a value.
        arguments: a letter for each, see the module.
        result: the kind of value it gives.
        is_inexact: whether the last digit may differ from Node's.
    """

    owner: str
    name: str
    arguments: str
    result: str
    is_method: bool
    is_inexact: bool = False


_METHODS: Final = {
    "array": """
        at(i)->any concat(va)->array copyWithin(iii)->array entries()->iterator every(p)->boolean
        fill(vii)->array filter(p)->array find(p)->any findIndex(p)->number findLast(p)->any
        findLastIndex(p)->number flat(c)->array flatMap(f)->array forEach(f)->undefined
        includes(vi)->boolean indexOf(vi)->number join(s)->string keys()->iterator
        lastIndexOf(vi)->number map(f)->array pop()->any push(vv)->number reduce(rv)->any
        reduceRight(rv)->any reverse()->array shift()->any slice(ii)->array some(p)->boolean
        sort(q)->array splice(iivv)->array toReversed()->array toSorted(q)->array
        toSpliced(iiv)->array toString()->string unshift(vv)->number values()->iterator
        with(iv)->array hasOwnProperty(k)->boolean propertyIsEnumerable(k)->boolean valueOf()->array
    """,
    "string": """
        at(i)->string charAt(i)->string charCodeAt(i)->number codePointAt(i)->number
        concat(sv)->string endsWith(si)->boolean includes(si)->boolean indexOf(si)->number
        isWellFormed()->boolean lastIndexOf(si)->number normalize(N)->string padEnd(cs)->string
        padStart(cs)->string repeat(c)->string replace(sx)->string replaceAll(sx)->string
        slice(ii)->string split(si)->array startsWith(si)->boolean substring(ii)->string
        toLowerCase()->string toString()->string toUpperCase()->string toWellFormed()->string
        trim()->string trimEnd()->string trimStart()->string valueOf()->string
        hasOwnProperty(k)->boolean propertyIsEnumerable(k)->boolean
    """,
    "number": """
        toExponential(g)->string toFixed(g)->string toPrecision(g)->string toString(g)->string
        valueOf()->number hasOwnProperty(k)->boolean
    """,
    "boolean": "toString()->string valueOf()->boolean",
    "object": """
        hasOwnProperty(k)->boolean propertyIsEnumerable(k)->boolean toString()->string
        valueOf()->any
    """,
    "map": """
        clear()->undefined delete(v)->boolean entries()->iterator forEach(f)->undefined get(v)->any
        has(v)->boolean keys()->iterator set(vv)->map values()->iterator toString()->string
    """,
    "set": """
        add(v)->set clear()->undefined delete(v)->boolean entries()->iterator forEach(f)->undefined
        has(v)->boolean values()->iterator keys()->iterator
    """,
    "iterator": "next()->object",
    "error": "toString()->string hasOwnProperty(k)->boolean",
    "function": """
        apply(va)->any bind(vv)->function call(vvv)->any toString()->string hasOwnProperty(k)->boolean
    """,
    "promise": "then(ff)->promise catch(f)->promise finally(f)->promise",
    "date": """
        getDate()->number getDay()->number getFullYear()->number getHours()->number
        getMilliseconds()->number getMinutes()->number getMonth()->number getSeconds()->number
        getTime()->number getTimezoneOffset()->number getUTCDate()->number getUTCDay()->number
        getUTCFullYear()->number getUTCHours()->number getUTCMilliseconds()->number
        getUTCMinutes()->number getUTCMonth()->number getUTCSeconds()->number setDate(d)->number
        setFullYear(ddd)->number setHours(dddd)->number setMilliseconds(d)->number
        setMinutes(ddd)->number setMonth(dd)->number setSeconds(dd)->number setTime(n)->number
        setUTCDate(d)->number setUTCFullYear(ddd)->number setUTCHours(dddd)->number
        setUTCMilliseconds(d)->number setUTCMinutes(ddd)->number setUTCMonth(dd)->number
        setUTCSeconds(dd)->number toDateString()->string toISOString()->string toJSON()->string
        toString()->string toTimeString()->string toUTCString()->string valueOf()->number
    """,
}

_STATICS: Final = """
    Array(cv)->array Array.from(tf)->array Array.isArray(v)->boolean Array.of(vv)->array
    Boolean(v)->boolean Date.UTC(ddddd)->number Date.parse(D)->number Error(so)->error
    AggregateError(ts)->error EvalError(s)->error RangeError(s)->error ReferenceError(s)->error
    SyntaxError(s)->error TypeError(s)->error URIError(s)->error
    JSON.parse(jx)->any JSON.stringify(vxi)->string
    Math.abs(n)->number Math.ceil(n)->number Math.clz32(n)->number Math.floor(n)->number
    Math.fround(n)->number Math.imul(nn)->number Math.max(nn)->number Math.min(nn)->number
    Math.round(n)->number Math.sign(n)->number Math.sqrt(n)->number Math.trunc(n)->number
    Number(v)->number Number.isFinite(v)->boolean Number.isInteger(n)->boolean
    Number.isNaN(v)->boolean Number.isSafeInteger(n)->boolean Number.parseFloat(s)->number
    Number.parseInt(sg)->number
    Object.assign(Aov)->object Object.entries(o)->array Object.freeze(o)->object
    Object.fromEntries(e)->object Object.getOwnPropertyNames(P)->array Object.hasOwn(ok)->boolean
    Object.is(vv)->boolean Object.isExtensible(z)->boolean Object.isFrozen(z)->boolean
    Object.isSealed(z)->boolean Object.keys(o)->array Object.preventExtensions(o)->object
    Object.seal(o)->object Object.values(o)->array
    Promise.all(y)->promise Promise.allSettled(y)->promise Promise.any(y)->promise
    Promise.race(y)->promise Promise.any_kv(y)->promise Promise.race_kv(y)->promise
    Promise(f)->any Map(e)->any Set(t)->any Date(d)->string Object(O)->any Promise.reject(E)->promise Promise.resolve(m)->promise
    String(v)->string String.fromCharCode(nn)->string String.fromCodePoint(n)->string
    decodeURI(u)->string decodeURIComponent(u)->string encodeURI(s)->string
    encodeURIComponent(s)->string isFinite(v)->boolean isNaN(v)->boolean parseFloat(s)->number
    parseInt(sg)->number structuredClone(v)->any crypto.randomUUID()->string Math.random()->number
    Date.now()->number
"""

_INEXACT: Final = """
    acos(n) acosh(n) asin(n) asinh(n) atan(n) atan2(nn) atanh(n) cbrt(n) cos(n) cosh(n) exp(n)
    expm1(n) hypot(nnn) log(n) log10(n) log1p(n) log2(n) pow(nn) sin(n) sinh(n) tan(n) tanh(n)
"""


def _read() -> tuple[Method, ...]:
    found: list[Method] = []
    for owner, lines in _METHODS.items():
        for line in lines.split():
            name, arguments, result = _parts(line)
            found.append(Method(owner, name, arguments, result, True))
    for line in _STATICS.split():
        name, arguments, result = _parts(line)
        owner, _, member = name.rpartition(".")
        found.append(Method(owner, member, arguments, result, False))
    for line in _INEXACT.split():
        name, arguments, _ = _parts(f"{line}->number")
        found.append(Method("Math", name, arguments, "number", False, True))
    return tuple(found)


def _parts(line: str) -> tuple[str, str, str]:
    head, result = line.split("->")
    name, arguments = head.rstrip(")").split("(")
    return name, arguments, result


METHODS: Final = _read()
BY_RESULT: Final[dict[str, tuple[Method, ...]]] = {
    kind: tuple(m for m in METHODS if m.result == kind and not m.is_inexact)
    for kind in {m.result for m in METHODS}
}
