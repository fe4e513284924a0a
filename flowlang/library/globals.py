"""Functions that stand alone: `structuredClone`, the URI functions, `crypto.randomUUID`."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from flowlang.library.registry import charge_text, namespace, static
from flowlang.limits import (
    ELEMENT_UNITS,
    OBJECT_UNITS,
    PROPERTY_UNITS,
    charge_memory,
    charge_reading,
    charge_steps,
    check_depth,
    check_length,
)
from flowlang.machine import current
from flowlang.source import from_units, join_pairs, stretches, surrogates_in, to_units
from flowlang.values import (
    HOLE,
    UNDEFINED,
    Builtin,
    EntryTable,
    JSArray,
    JSDate,
    JSError,
    JSMap,
    JSObject,
    JSSet,
    Throw,
    Value,
    get_member,
    get_own,
    is_object,
    make_error,
    other_names,
    own_keys,
    set_member,
    throw,
    to_string,
)

namespace("crypto")

_UNRESERVED: Final = "A-Za-z0-9_.!~*'()-"
_RESERVED: Final = ";/?:@&=+$,#"
_NOT_IN_COMPONENTS: Final = re.compile(f"[^{_UNRESERVED}]+")
_NOT_IN_URIS: Final = re.compile(f"[^{_RESERVED}{_UNRESERVED}]+")
_ESCAPES: Final = re.compile("(?:%[0-9A-Fa-f]{2})+|%")
_MANY_PIECES: Final = 4096
_CLONED_KINDS: Final = frozenset(
    {"EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"}
)


@static("crypto.randomUUID", 0)
def random_uuid(*_: Value) -> str:
    return current().random_uuid()


@static("encodeURIComponent", 1)
def encode_uri_component(text: Value = UNDEFINED, *_: Value) -> str:
    return _encode(to_string(text), _NOT_IN_COMPONENTS)


@static("encodeURI", 1)
def encode_uri(text: Value = UNDEFINED, *_: Value) -> str:
    return _encode(to_string(text), _NOT_IN_URIS)


@static("decodeURIComponent", 1)
def decode_uri_component(text: Value = UNDEFINED, *_: Value) -> str:
    return _decode(to_string(text), frozenset())


@static("decodeURI", 1)
def decode_uri(text: Value = UNDEFINED, *_: Value) -> str:
    return _decode(to_string(text), frozenset(_RESERVED))


@static("structuredClone", 1)
def structured_clone(*args: Value) -> Value:
    if not args:
        _refuse_to_clone("ERR_MISSING_ARGS", "structuredClone needs a value")
    if len(args) > 1 and not (args[1] is None or args[1] is UNDEFINED or is_object(args[1])):
        _refuse_to_clone("ERR_INVALID_ARG_TYPE", "the options of structuredClone must be an object")
    return _clone(args[0], {}, 0)


def _refuse_to_clone(code: str, message: str) -> NoReturn:
    """As Node does it: `structuredClone` is its own, and its own errors have codes."""
    error = make_error("TypeError", message)
    error["code"] = code
    raise Throw(error)


def _encode(text: str, to_escape: re.Pattern[str]) -> str:
    charge_reading(len(text))
    charge_steps(surrogates_in(text))
    parts: list[str] = []
    length = 0
    for stretch in stretches(join_pairs(text)):
        encoded, runs = to_escape.subn(_escaped, stretch)
        charge_steps(runs)
        length += len(encoded)
        check_length(length)
        parts.append(encoded)
    charge_text(length)
    return "".join(parts)


def _escaped(run: re.Match[str]) -> str:
    try:
        return "%" + run[0].encode().hex("%").upper()
    except UnicodeEncodeError:
        throw("URIError", "the text has half of a surrogate pair")


def _decode(text: str, kept: frozenset[str]) -> str:
    """Percent signs decoded as UTF-8, except those that stand for a sign in `kept`."""
    charge_text(len(text))
    charge_steps(text.count("%"))
    decoded: list[str] = []
    pieces: list[str] = []
    done = 0
    for run in _ESCAPES.finditer(text):
        pieces += (text[done : run.start()], _unescaped(run[0], kept))
        done = run.end()
        if len(pieces) > _MANY_PIECES:
            decoded.append("".join(pieces))
            pieces.clear()
    return "".join((*decoded, *pieces, text[done:]))


def _unescaped(run: str, kept: frozenset[str]) -> str:
    """What a run of escapes stands for."""
    if len(run) < 3:
        throw("URIError", _NO_DIGITS)
    encoded = bytes.fromhex(run.replace("%", ""))
    try:
        signs = encoded.decode()
    except UnicodeDecodeError:
        throw("URIError", _what_is_wrong(encoded))
    if kept.isdisjoint(signs):
        return to_units(signs)
    parts: list[str] = []
    at = 0
    for sign in signs:
        width = 3 * len(sign.encode())
        parts.append(run[at : at + width] if sign in kept else to_units(sign))
        at += width
    return "".join(parts)


def _what_is_wrong(encoded: bytes) -> str:
    """Why bytes are no UTF-8: the first sign that is none is cut off, or made of wrong ones."""
    at = 0
    while True:
        first = encoded[at]
        end = at + (1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4)
        if end > len(encoded):
            return _NO_DIGITS
        try:
            encoded[at:end].decode()
        except UnicodeDecodeError:
            return "the text has percent signs that are no UTF-8"
        at = end


_NO_DIGITS: Final = "the text has a percent sign without two hexadecimal digits"


def _clone(value: Value, known: dict[Value, Value], depth: int) -> Value:
    """A deep copy; what is shared or circular in `value` is so in the copy."""
    if not is_object(value):
        return value
    if value in known:
        return known[value]
    check_depth(depth)
    charge_steps(2)
    charge_memory(OBJECT_UNITS)
    if isinstance(value, JSArray):
        return _clone_array(value, known, depth)
    if isinstance(value, JSDate):
        known[value] = JSDate(value.time)
        return known[value]
    if isinstance(value, EntryTable):
        return _clone_table(value, known, depth)
    if isinstance(value, JSError):
        return _clone_error(value, known, depth)
    if isinstance(value, JSObject):
        made = known[value] = JSObject()
        keys = own_keys(value)
        charge_memory(PROPERTY_UNITS * len(keys))
        for key in keys:
            made[key] = _clone(value[key], known, depth + 1)
        return made
    what = value.name if isinstance(value, Builtin) else "a function or a promise"
    error = make_error("Error", f"structuredClone cannot copy {from_units(what)}")
    error.define_hidden("name", "DataCloneError")
    raise Throw(error)


def _clone_array(array: JSArray, known: dict[Value, Value], depth: int) -> JSArray:
    made = known[array] = JSArray()
    charge_steps(len(array))
    charge_memory(ELEMENT_UNITS * len(array))
    for item in list(array):
        made.append(HOLE if item is HOLE else _clone(item, known, depth + 1))
    if array.__class__ is not JSArray:
        for key in other_names(array):
            set_member(made, key, _clone(get_own(array, key), known, depth + 1))
    return made


def _clone_table(table: EntryTable, known: dict[Value, Value], depth: int) -> EntryTable:
    made = known[table] = JSMap() if isinstance(table, JSMap) else JSSet()
    charge_steps(len(table.entries))
    charge_memory(ELEMENT_UNITS * len(table.index))
    for entry in list(table.entries):
        if entry is not None:
            key = _clone(entry[0], known, depth + 1)
            is_map = isinstance(table, JSMap)
            made.store(key, _clone(entry[1], known, depth + 1) if is_map else key)
    return made


def _clone_error(error: JSError, known: dict[Value, Value], depth: int) -> JSError:
    """Of an error the kind, by its name, the message, the cause and the stack are copied."""
    name, message = to_string(get_member(error, "name")), get_own(error, "message")
    kind = name if name in _CLONED_KINDS else "Error"
    made = known[error] = make_error(kind, None if message is HOLE else to_string(message))
    cause, stack = get_own(error, "cause"), get_own(error, "stack")
    if cause is not HOLE:
        made.define_hidden("cause", _clone(cause, known, depth + 1))
    if stack.__class__ is str:
        made["stack"] = stack
    return made
