"""Functions that stand alone: `structuredClone`, the URI functions, `crypto.randomUUID`."""

from __future__ import annotations

from typing import Final

from flowlang.library.registry import charge_text, namespace, static
from flowlang.limits import charge_memory, charge_steps, check_depth
from flowlang.machine import current
from flowlang.source import from_units, join_pairs, to_units
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
    Namespace,
    Throw,
    Value,
    array_index,
    get_own,
    is_object,
    make_error,
    own_keys,
    set_member,
    throw,
    to_string,
)

namespace("crypto")

_UNRESERVED: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
)
_RESERVED: Final = frozenset(";/?:@&=+$,#")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_CLONED_KINDS: Final = frozenset(
    {"EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"}
)


@static("crypto.randomUUID", 0)
def random_uuid(*_: Value) -> str:
    return current().random_uuid()


@static("encodeURIComponent", 1)
def encode_uri_component(text: Value = UNDEFINED, *_: Value) -> str:
    return _encode(to_string(text), _UNRESERVED)


@static("encodeURI", 1)
def encode_uri(text: Value = UNDEFINED, *_: Value) -> str:
    return _encode(to_string(text), _UNRESERVED | _RESERVED)


@static("decodeURIComponent", 1)
def decode_uri_component(text: Value = UNDEFINED, *_: Value) -> str:
    return _decode(to_string(text), frozenset())


@static("decodeURI", 1)
def decode_uri(text: Value = UNDEFINED, *_: Value) -> str:
    return _decode(to_string(text), _RESERVED)


@static("structuredClone", 1)
def structured_clone(*args: Value) -> Value:
    if not args:
        throw("TypeError", "structuredClone needs a value")
    if len(args) > 1 and not (args[1] is None or args[1] is UNDEFINED or is_object(args[1])):
        throw("TypeError", "the options of structuredClone must be an object")
    return _clone(args[0], {}, 0)


def _encode(text: str, kept: frozenset[str]) -> str:
    charge_text(len(text))
    parts: list[str] = []
    for sign in join_pairs(text):
        if sign in kept:
            parts.append(sign)
        elif "\ud800" <= sign <= "\udfff":
            throw("URIError", "the text has half of a surrogate pair")
        else:
            parts += [f"%{byte:02X}" for byte in sign.encode()]
    encoded = "".join(parts)
    charge_text(len(encoded))
    return encoded


def _decode(text: str, kept: frozenset[str]) -> str:
    """Percent signs decoded as UTF-8, except those that stand for a sign in `kept`."""
    charge_text(len(text))
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "%":
            end = text.find("%", at)
            end = len(text) if end < 0 else end
            parts.append(text[at:end])
            at = end
            continue
        first = _byte_at(text, at)
        count = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
        encoded = bytes(_byte_at(text, at + 3 * step) for step in range(count))
        try:
            sign = encoded.decode()
        except UnicodeDecodeError:
            throw("URIError", "the text has percent signs that are no UTF-8")
        parts.append(text[at : at + 3] if sign in kept else to_units(sign))
        at += 3 * count
    return "".join(parts)


def _byte_at(text: str, at: int) -> int:
    digits = text[at + 1 : at + 3]
    if text[at : at + 1] != "%" or len(digits) != 2 or not _HEX.issuperset(digits):
        throw("URIError", "the text has a percent sign without two hexadecimal digits")
    return int(digits, 16)


def _clone(value: Value, known: dict[Value, Value], depth: int) -> Value:
    """A deep copy; what is shared or circular in `value` is so in the copy."""
    if not is_object(value):
        return value
    if value in known:
        return known[value]
    check_depth(depth)
    charge_steps(1)
    charge_memory(64)
    if isinstance(value, JSArray):
        return _clone_array(value, known, depth)
    if isinstance(value, JSDate):
        known[value] = JSDate(value.time)
        return known[value]
    if isinstance(value, EntryTable):
        return _clone_table(value, known, depth)
    if isinstance(value, JSError):
        return _clone_error(value, known)
    if isinstance(value, JSObject) and not isinstance(value, Namespace):
        made = known[value] = JSObject()
        keys = own_keys(value)
        charge_steps(len(keys))
        charge_memory(32 * len(keys))
        for key in keys:
            made[key] = _clone(value[key], known, depth + 1)
        return made
    what = f"{value.name}" if isinstance(value, Builtin | Namespace) else "a function or a promise"
    error = make_error("Error", f"structuredClone cannot copy {from_units(what)}")
    error["name"] = "DataCloneError"
    error.hidden.add("name")
    raise Throw(error)


def _clone_array(array: JSArray, known: dict[Value, Value], depth: int) -> JSArray:
    made = known[array] = JSArray()
    charge_steps(len(array))
    charge_memory(16 * len(array))
    for item in list(array):
        made.append(HOLE if item is HOLE else _clone(item, known, depth + 1))
    if array.__class__ is not JSArray:
        for key in own_keys(array):
            if array_index(key) < 0:
                set_member(made, key, _clone(get_own(array, key), known, depth + 1))
    return made


def _clone_table(table: EntryTable, known: dict[Value, Value], depth: int) -> EntryTable:
    made = known[table] = JSMap() if isinstance(table, JSMap) else JSSet()
    charge_steps(len(table.index))
    charge_memory(16 * len(table.index))
    for entry in list(table.entries):
        if entry is not None:
            key = _clone(entry[0], known, depth + 1)
            is_map = isinstance(table, JSMap)
            made.store(key, _clone(entry[1], known, depth + 1) if is_map else key)
    return made


def _clone_error(error: JSError, known: dict[Value, Value]) -> JSError:
    """Of an error only the kind, by its name, and the message are copied."""
    name, message = error["name"], get_own(error, "message")
    kind = name if name in _CLONED_KINDS else "Error"
    made = known[error] = make_error(kind, None if message is HOLE else to_string(message))
    return made
