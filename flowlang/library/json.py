"""`JSON`: text to values and back.

Reading is the standard library's parser, told to make floats of all numbers and to refuse what
Python adds to JSON; writing is our own, since it calls into the program (`toJSON`, a replacer).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring
from typing import Any, Final

from flowlang.library.registry import charge_text, namespace, static
from flowlang.limits import (
    ELEMENT_UNITS,
    OBJECT_UNITS,
    PROPERTY_UNITS,
    charge_memory,
    charge_reading,
    charge_step,
    charge_steps,
    check_depth,
    check_length,
)
from flowlang.source import join_pairs, surrogates_in, to_units
from flowlang.values import (
    UNDEFINED,
    JSArray,
    JSCallable,
    JSObject,
    Value,
    call_on,
    define_member,
    delete_member,
    get_index,
    get_member,
    is_callable,
    number_to_string,
    own_keys,
    set_array_element,
    throw,
    to_integer,
    to_string,
)

namespace("JSON")

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")
# The outer repetition is not possessive: in early releases of Python 3.11 one that fails in the
# middle stays where it failed.
_INNER: Final = r'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*'
_TOKEN: Final = re.compile(
    rf'[ \t\n\r]*+("{_INNER}"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?'
    r"|true|false|null|[][{},:])"
)
_BROKEN: Final = re.compile(rf'[ \t\n\r]*+(?:"{_INNER})?')
_KEY, _KEY_OR_END, _VALUE = '"', '"}', '"0[{'
"""What tokens may come, by their first sign; 0 stands for numbers and words."""

_MANY: Final = 20_000
"""So many elements may be made before they are charged for; more are counted in the text first."""

_HARMLESS_DEPTH: Final = 300


@static("JSON.parse", 2)
def parse(source: Value = UNDEFINED, reviver: Value = UNDEFINED, *_: Value) -> Value:
    charge_step()
    text = to_string(source)
    charge_reading(len(text))
    is_charged = _look_ahead(text)
    has_pairs = "\\u" in text
    try:
        root = (_PAIR_DECODER if has_pairs else _DECODER).decode(text)
    except json.JSONDecodeError:
        charge_steps(4)
        throw("SyntaxError", f"JSON.parse: {_explain(text)}")
    value = _adopt(root, has_pairs=has_pairs, is_charged=is_charged)
    if is_callable(reviver):
        holder = JSObject({"": value})
        return _revive(holder, "", reviver.call, 0)
    return value


@static("JSON.stringify", 3)
def stringify(
    value: Value = UNDEFINED, replacer: Value = UNDEFINED, space: Value = UNDEFINED, *_: Value
) -> Value:
    writer = _Writer(replacer, space)
    if not writer.write(JSObject({"": value}), "", value, ""):
        return UNDEFINED
    text = "".join(writer.parts)
    charge_text(len(text))
    return text


def quote(text: str) -> str:
    """A text as a JSON string; lone surrogates are escaped, pairs stay as they are."""
    quoted = encode_basestring(text)
    if text.isascii() or _SURROGATE.search(quoted) is None:
        return quoted
    joined = join_pairs(quoted)
    lone = surrogates_in(joined)
    if not lone:
        return quoted
    check_length(len(quoted) + 5 * lone)
    return to_units(joined.encode("utf-8", "backslashreplace").decode())


class _Writer:
    """One call of `JSON.stringify`: `write` appends to `parts`."""

    def __init__(self, replacer: Value, space: Value) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.checked_at = 0
        self.active: dict[Value, None] = {}
        self.replace: Callable[..., Value] | None = None
        self.only: list[str] | None = None
        if isinstance(replacer, JSCallable):
            self.replace = replacer.call  # type: ignore[attr-defined]  # every callable has it
        elif isinstance(replacer, JSArray):
            listed = (to_string(item) for item in replacer if item.__class__ in (str, float))
            self.only = list(dict.fromkeys(listed))
        if space.__class__ is float:
            self.gap = " " * int(min(10.0, max(0.0, to_integer(space))))
        else:
            self.gap = space[:10] if space.__class__ is str else ""
        self.colon = ": " if self.gap else ":"

    def write(self, holder: Value, key: str, value: Value, indent: str) -> bool:
        """Write one value; false, and nothing written, when JSON leaves it out."""
        kind = value.__class__
        if kind is not str and kind is not float:
            value = self._asked_to_json(key, value)
        if self.replace is not None:
            value = self.replace(key, value)
        kind = value.__class__
        if kind is str:
            self._append(quote(value))
        elif kind is float:
            self._append(number_to_string(value) if value - value == 0.0 else "null")
        elif kind is bool:
            self._append("true" if value else "false")
        elif value is None:
            self._append("null")
        elif value is UNDEFINED or isinstance(value, JSCallable):
            return False
        else:
            self._enter(value)
            if isinstance(value, JSArray):
                self._write_array(value, indent)
            else:
                self._write_object(value, indent)
            del self.active[value]
        return True

    def _asked_to_json(self, key: str, value: Value) -> Value:
        if value is None or value is UNDEFINED or value.__class__ is bool:
            return value
        method = get_member(value, "toJSON")
        return call_on(method, value, key) if isinstance(method, JSCallable) else value

    def _enter(self, value: Value) -> None:
        if value in self.active:
            throw("TypeError", "JSON.stringify: the value contains itself")
        check_depth(len(self.active))
        self.active[value] = None

    def _append(self, part: str) -> None:
        self.length += len(part)
        if self.length >= self.checked_at:
            check_length(self.length)
            self.checked_at = self.length + _CHECKED_EVERY
        self.parts.append(part)

    def _write_array(self, array: JSArray, indent: str) -> None:
        charge_steps(1 + len(array))
        inner = indent + self.gap
        before = f"\n{inner}" if self.gap else ""
        between = f",{before}"
        self._append("[")
        for index in range(len(array)):
            self._append(between if index else before)
            if not self.write(array, str(index), get_index(array, float(index)), inner):
                self._append("null")
        self._append(f"\n{indent}]" if self.gap and array else "]")

    def _write_object(self, obj: Value, indent: str) -> None:
        if self.only is None:
            charge_steps(1)
            keys = own_keys(obj)
        else:
            keys = self.only
            charge_steps(1 + len(keys))
        inner = indent + self.gap
        before = f"\n{inner}" if self.gap else ""
        self._append("{")
        first = True
        for key in keys:
            at = len(self.parts)
            self._append(f"{'' if first else ','}{before}{quote(key)}{self.colon}")
            if self.write(obj, key, get_member(obj, key), inner):
                first = False
            else:
                del self.parts[at:]
        self._append("}" if first or not self.gap else f"\n{indent}}}")


_CHECKED_EVERY: Final = 1 << 16
"""Characters between two looks at whether the text is too long."""


def _refuse_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not JSON", "", 0)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=JSObject, parse_int=float, parse_constant=_refuse_constant
)


def _with_units(pairs: list[tuple[str, Any]]) -> JSObject:
    return JSObject({to_units(key): value for key, value in pairs})


_PAIR_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_with_units, parse_int=float, parse_constant=_refuse_constant
)
"""For texts in which both halves of a surrogate pair may be escaped: the reader joins those."""


def _adopt(root: Any, *, has_pairs: bool, is_charged: bool) -> Value:
    """The reader's answer with its lists as arrays, and its texts in units if they may not be."""
    if root.__class__ is str:
        return to_units(root)
    if root.__class__ is list:
        root = JSArray(root)
    waiting: list[Any] = [root] if root.__class__ is JSArray or root.__class__ is JSObject else []
    steps = memory = 0
    while waiting:
        parent = waiting.pop()
        steps += len(parent)
        if parent.__class__ is JSArray:
            memory += OBJECT_UNITS + ELEMENT_UNITS * len(parent)
            items: Any = enumerate(parent)
        else:
            memory += OBJECT_UNITS + PROPERTY_UNITS * len(parent)
            items = parent.items()
        for key, child in items:
            kind = child.__class__
            if kind is list:
                parent[key] = child = JSArray(child)
                waiting.append(child)
            elif kind is JSObject:
                waiting.append(child)
            elif kind is str:
                memory += len(child)
                if has_pairs:
                    parent[key] = to_units(child)
    if not is_charged:
        charge_steps(steps)
        charge_memory(memory)
    return root


def _revive(holder: Value, key: str, call: Callable[..., Value], depth: int) -> Value:
    """Hand every value to the program, inner ones first; undefined takes the property away."""
    check_depth(depth)
    value = get_member(holder, key)
    if isinstance(value, JSArray):
        for index in range(len(value)):
            replaced = _revive(value, str(index), call, depth + 1)
            if replaced is UNDEFINED:
                delete_member(value, str(index))
            else:
                set_array_element(value, index, replaced)
    elif isinstance(value, JSObject):
        for name in own_keys(value):
            replaced = _revive(value, name, call, depth + 1)
            if replaced is UNDEFINED:
                delete_member(value, name)
            else:
                define_member(value, name, replaced)
    return call(key, value)


def _look_ahead(text: str) -> bool:
    """Refuse what nests too deeply, before a parser that recurses sees it, and charge for what a
    large text holds, before it is made. Whether that was done."""
    openers = text.count("[") + text.count("{")
    is_large = openers + text.count(",") > _MANY
    if not is_large and openers <= _HARMLESS_DEPTH:
        return False
    depth = 0
    for strings, (start, end) in enumerate(_between_strings(text), 1):
        if is_large:
            objects = text.count("[", start, end) + text.count("{", start, end)
            elements = objects + text.count(",", start, end)
            charge_steps(elements + (not strings & 0x3))
            properties = text.count(":", start, end)
            more = PROPERTY_UNITS - ELEMENT_UNITS
            charge_memory(OBJECT_UNITS * objects + ELEMENT_UNITS * elements + more * properties)
        for bracket in _BRACKET.finditer(text, start, end):
            if bracket[0] in "[{":
                depth += 1
                check_depth(depth)
            else:
                depth -= 1
    if is_large:
        charge_memory(len(text))
    return is_large


def _between_strings(text: str) -> Iterator[tuple[int, int]]:
    """Where the stretches of a JSON text that are no strings begin and end."""
    start = 0
    for string in _STRING.finditer(text):
        yield start, string.start()
        start = string.end()
    yield start, len(text)


def _explain(text: str) -> str:
    """Why a text is no JSON. Python's words for it, and its places, change from one to the next."""
    at = _stops_at(text)
    if not text.strip(" \t\n\r"):
        return "the text is empty"
    if at == len(text):
        return "the text ends too early"
    return f"unexpected {quote(text[at])} at position {at}"


def _stops_at(text: str) -> int:
    """Where a text that is no JSON stops being the beginning of one."""
    inside, allowed, at = "", _VALUE, 0
    while (token := _TOKEN.match(text, at)) is not None:
        charge_step()
        first = token[1][0]
        kind = first if first in '"[]{},:' else "0"
        if kind not in allowed:
            return token.start(1)
        at = token.end()
        if kind in "[{":
            inside += kind
            allowed = f"]{_VALUE}" if kind == "[" else _KEY_OR_END
        elif kind == ",":
            allowed = _VALUE if inside[-1] == "[" else _KEY
        elif kind == ":":
            allowed = _VALUE
        elif allowed in (_KEY, _KEY_OR_END) and kind == _KEY:
            allowed = ":"
        else:
            if kind in "]}":
                inside = inside[:-1]
            allowed = {"": "", "[": ",]", "{": ",}"}[inside[-1:]]
    broken = _BROKEN.match(text, at)
    assert broken is not None, "it matches anywhere"
    return broken.end()
