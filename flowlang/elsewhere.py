"""Names that mean something elsewhere and nothing in Flow, each with what to write instead.

Elsewhere is Node, a browser or Python. The checker says so where such a name is used undeclared; a
program that declares the name itself may use it as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_MODULES = "call Python code with Task.run; the library needs no module"
_BYTES = "keep binary data in a task, and pass it as base64 text"
_WEB = "do it in a task: await Task.run('fetch', { url })"
_NO_PAGE = "a workflow runs on a server: there is no page"
_LOCALE = "what depends on a locale belongs in a task"
_PATTERN = "use includes, startsWith, indexOf, split or replaceAll with strings, or a task"
_ASSIGN = "assign the property, or use Object.freeze"
_LITERAL = "use an object literal: { … }"
_LOG = "log the value: console.log, debug, info, warn and error are there"
_MEASURE = "take the difference of two Date.now()"
_DATE_TEXT = "use toISOString, or the numbers that getUTCFullYear and its kin give"


def _words(text: str, advice: str) -> dict[str, str]:
    return dict.fromkeys(text.split(), advice)


GLOBALS: Final[Mapping[str, str]] = {
    **_words("setTimeout setInterval", "wait with 'await Timer.delay(\"30s\")'"),
    **_words("setImmediate queueMicrotask", "call an async function without awaiting it"),
    **_words(
        "clearTimeout clearInterval clearImmediate",
        'race the timer instead: Promise.race([…, Timer.delay("30s")])',
    ),
    **_words("fetch Headers Request Response FormData URL URLSearchParams", _WEB),
    **_words("exports module __dirname __filename", _MODULES),
    "process": "pass settings as inputs; read the environment in a task",
    "globalThis": "name the variable itself",
    "global": "name the variable itself",
    "Symbol": "use a string as key",
    "Proxy": "use plain objects and functions",
    "Reflect": "use Object.keys, 'in' and plain property access",
    "RegExp": _PATTERN,
    "BigInt": "numbers are exact to 9007199254740991; keep larger ones as strings",
    "Intl": "format in a task; toFixed, padStart and Date's toISOString are there",
    "Iterator": "use an array and its methods",
    "WeakMap": "use a Map",
    "WeakSet": "use a Set",
    "WeakRef": "keep the value itself",
    "FinalizationRegistry": "use try … finally",
    "performance": "use Date.now()",
    "escape": "use encodeURIComponent",
    "unescape": "use decodeURIComponent",
    **_words("atob btoa TextEncoder TextDecoder Buffer Blob File", _BYTES),
    **_words(
        """
        ArrayBuffer SharedArrayBuffer DataView Atomics Int8Array Uint8Array Uint8ClampedArray
        Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array BigInt64Array
        BigUint64Array
        """,
        "use an array of numbers",
    ),
    **_words(
        """
        AbortController AbortSignal Event EventTarget CustomEvent MessageChannel MessagePort
        MessageEvent WebAssembly BroadcastChannel DOMException WebSocket Crypto CryptoKey
        SubtleCrypto navigator Navigator
        ReadableStream WritableStream TransformStream CompressionStream DecompressionStream
        ReadableByteStreamController ReadableStreamBYOBReader ReadableStreamBYOBRequest
        ReadableStreamDefaultController ReadableStreamDefaultReader TextDecoderStream
        TextEncoderStream TransformStreamDefaultController WritableStreamDefaultController
        WritableStreamDefaultWriter ByteLengthQueuingStrategy CountQueuingStrategy
        Performance PerformanceEntry PerformanceMark PerformanceMeasure PerformanceObserver
        PerformanceObserverEntryList PerformanceResourceTiming
        """,
        "do it in a task",
    ),
}
"""Globals that Node has and Flow lacks."""

TIMERS: Final = frozenset(["setTimeout", "setInterval", "clearTimeout", "clearInterval"])

MEMBERS: Final[Mapping[str, Mapping[str, str]]] = {
    "Object": {
        **_words("create setPrototypeOf getPrototypeOf", _LITERAL),
        **_words("defineProperty defineProperties getOwnPropertyDescriptor", _ASSIGN),
        **_words("getOwnPropertyDescriptors getOwnPropertySymbols", _ASSIGN),
    },
    "String": {"raw": "write the backslashes twice in an ordinary template"},
    "Error": _words(
        "captureStackTrace prepareStackTrace stackTraceLimit", "throw the error: it knows its line"
    ),
    "console": {
        **_words("table dir dirxml trace assert group groupCollapsed groupEnd clear", _LOG),
        **_words("time timeEnd timeLog timeStamp profile profileEnd", _MEASURE),
        **_words("count countReset", "count in a variable"),
        **_words("context createTask Console", _LOG),
    },
    "crypto": _words("subtle getRandomValues", "compute it in a task"),
}
"""Members of shared globals that Node has and Flow lacks, by the global."""

METHODS: Final[Mapping[str, str]] = {
    # Node's, for what Flow leaves out
    **_words("match matchAll search test exec", _PATTERN),
    "localeCompare": "compare with < and >, or in a task if the language matters",
    **_words("toLocaleString toLocaleLowerCase toLocaleUpperCase", _LOCALE),
    **_words("toLocaleDateString toLocaleTimeString", _LOCALE),
    **_words("getYear setYear", "use getFullYear"),
    "toGMTString": "use toUTCString",
    "substr": "use slice",
    "trimLeft": "use trimStart",
    "trimRight": "use trimEnd",
    "isPrototypeOf": "compare a property of your own, such as 'kind'",
    # Node's later ones and other libraries'
    **_words("contains", "write 'x.includes(…)'"),
    **_words("size count", "write 'x.length', or 'x.size' of a Map or Set"),
    **_words("format", _DATE_TEXT),
    **_words("json", "a task's output is plain data already"),
    **_words("first", "write 'x[0]'"),
    **_words("last", "write 'x.at(-1)'"),
    **_words("isEmpty", "write 'x.length === 0'"),
    **_words("equals", "write 'x === y'"),
    **_words("clone", "write 'structuredClone(x)'"),
    **_words("groupBy", "write a loop that fills an object or a Map"),
    # Python's
    "append": "write 'x.push(…)'",
    "extend": "write 'x.push(...y)'",
    "insert": "write 'x.splice(index, 0, value)'",
    "remove": "write 'x.splice(x.indexOf(value), 1)'",
    "strip": "write 'x.trim()'",
    "lstrip": "write 'x.trimStart()'",
    "rstrip": "write 'x.trimEnd()'",
    "upper": "write 'x.toUpperCase()'",
    "lower": "write 'x.toLowerCase()'",
    "title": "write 'x[0].toUpperCase() + x.slice(1)'",
    "capitalize": "write 'x[0].toUpperCase() + x.slice(1)'",
    "startswith": "write 'x.startsWith(…)'",
    "endswith": "write 'x.endsWith(…)'",
    "items": "write 'Object.entries(x)'",
    "update": "write 'Object.assign(x, y)'",
    "copy": "write '{ ...x }', '[...x]' or 'structuredClone(x)'",
    "index": "write 'x.indexOf(…)'",
    "ljust": "write 'x.padEnd(n)'",
    "rjust": "write 'x.padStart(n)'",
    "zfill": "write 'x.padStart(n, \"0\")'",
    "isdigit": "write 'Number.isInteger(Number(x))'",
    "isoformat": "write 'x.toISOString()'",
    "splitlines": "write 'x.split(\"\\n\")'",
}
"""Methods that no value of a program has, unless the program makes one of that name."""

LEFT_OUT: Final = frozenset(
    _words(
        """
        match matchAll search localeCompare toLocaleString toLocaleLowerCase toLocaleUpperCase
        toLocaleDateString toLocaleTimeString getYear setYear toGMTString substr trimLeft trimRight
        isPrototypeOf
        """,
        "",
    )
)
"""Those of `METHODS` that Node has."""

LEFT_OUT_OF: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset(
        _words(
            """
            isPrototypeOf toLocaleString
            __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__
            """,
            "",
        )
    ),
    "string": frozenset(
        _words(
            """
            match matchAll search localeCompare toLocaleLowerCase toLocaleUpperCase substr trimLeft
            trimRight anchor big blink bold fixed fontcolor fontsize italics link small strike sub
            sup
            """,
            "",
        )
    ),
    "date": frozenset(
        _words("toLocaleDateString toLocaleTimeString getYear setYear toGMTString", "")
    ),
}
"""Methods of every value, of texts and of dates that Node has and Flow lacks."""

CONSTRUCTORS: Final[Mapping[str, str]] = {
    "RegExp": "use string methods",
    "Function": "write an arrow function",
    "Proxy": "use a plain object",
    "WeakMap": "use a Map",
    "WeakSet": "use a Set",
    "String": "call String(…)",
    "Number": "call Number(…)",
    "Boolean": "call Boolean(…)",
    "Symbol": "use a string",
    "BigInt": "use Number",
    "Buffer": "pass base64 text",
    "Exception": "write new Error(…)",
}
"""What `new` does not take."""

NOT_GLOBAL: Final[Mapping[str, str]] = {
    **_words("window document localStorage sessionStorage location", _NO_PAGE),
    **_words("alert confirm prompt XMLHttpRequest requestAnimationFrame", _NO_PAGE),
    **_words("fs path os http https child_process", "do it in a task, with Task.run"),
    **_words("axios got request superagent", _WEB),
    **_words("_ lodash", "arrays have map, filter, reduce, flat and more of their own"),
    **_words("moment dayjs luxon", "use Date, and durations such as 'await Timer.delay(\"1h\")'"),
    "util": "write '`${x}`', or JSON.stringify(x)",
    "assert": "write 'if (!…) throw new Error(…)'",
    "sleep": "write 'await Timer.delay(…)'",
    "delay": "write 'await Timer.delay(…)'",
    "wait": "write 'await Timer.delay(…)'",
    "uuid": "write 'crypto.randomUUID()'",
    "uuidv4": "write 'crypto.randomUUID()'",
    **{
        name: f"write 'Math.{name}(…)'"
        for name in ("min", "max", "abs", "round", "floor", "ceil", "pow")
    },
    "inputs": "write 'Inputs'",
    "context": "write 'Context'",
    "ctx": "write 'Context'",
    "workflow": "write 'Workflow' or 'Context'",
    "logger": "write 'console.log(…)'",
    "log": "write 'console.log(…)'",
    **_words("nil NULL Null", "write 'null'"),
    **_words("TRUE FALSE", "write 'true' or 'false'"),
}
"""Names that no JavaScript engine declares, but that a library, a browser or a habit does."""

PYTHON_CONSTANTS: Final[Mapping[str, str]] = {"None": "null", "True": "true", "False": "false"}

PYTHON_NAMES: Final[Mapping[str, str]] = {
    "print": "write 'console.log(…)'",
    "len": "write 'x.length'",
    "str": "write 'String(x)'",
    "int": "write 'Math.trunc(Number(x))'",
    "float": "write 'Number(x)'",
    "bool": "write 'Boolean(x)'",
    "list": "write '[…]', or 'Array.from(x)'",
    "dict": "write '{ … }'",
    "set": "write 'new Set(x)'",
    "tuple": "write '[…]'",
    "range": "write 'for (let i = 0; i < n; i++)'",
    "enumerate": "write 'for (const [index, value] of x.entries())'",
    "zip": "write 'x.map((value, index) => [value, y[index]])'",
    "isinstance": "write 'typeof x === \"…\"' or 'Array.isArray(x)'",
    "type": "write 'typeof x'",
    "sorted": "write '[...x].sort()'",
    "reversed": "write '[...x].reverse()'",
    "sum": "write 'x.reduce((a, b) => a + b, 0)'",
    "any": "write 'x.some((value) => …)'",
    "all": "write 'x.every((value) => …)', or 'Promise.all(…)' for promises",
    "map": "write 'x.map((value) => …)'",
    "filter": "write 'x.filter((value) => …)'",
    "self": "pass the object as an argument",
    "Exception": "write 'new Error(…)'",
    "ValueError": "write 'new RangeError(…)' or 'new Error(…)'",
    "KeyError": "write 'new Error(…)'",
    "asyncio": "await is enough; run things side by side with Promise.all",
    "json": "write 'JSON.parse(…)' or 'JSON.stringify(…)'",
    "datetime": "write 'new Date()'",
    "random": "write 'Math.random()'",
}
