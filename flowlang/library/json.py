"""`JSON`: text to values and back.

Reading is the standard library's parser, told to make floats of all numbers and to refuse what
Python adds to JSON; writing is our own, since it calls into the program (`toJSON`, a replacer).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, Final

from flowlang.library.registry import OBJECT_UNITS, charge_text, namespace, static
from flowlang.limits import charge_memory, charge_steps, check_depth, check_string
from flowlang.values import (
    ELEMENT_UNITS,
    PROPERTY_UNITS,
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

_SURROGATE: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})|.)", re.DOTALL)
_NESTING: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_INNER: Final = r'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*'
_TOKEN: Final = re.compile(
    rf'[ \t\n\r]*("{_INNER}"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?'
    r"|true|false|null|[][{},:])"
)
_BROKEN: Final = re.compile(rf'[ \t\n\r]*(?:"{_INNER})?')
_KEY, _KEY_OR_END, _VALUE = '"', '"}', '"0[{'
"""What tokens may come, by their first sign; 0 stands for numbers and words."""


@static("JSON.parse", 2)
def parse(source: Value = UNDEFINED, reviver: Value = UNDEFINED, *_: Value) -> Value:
    text = to_string(source)
    charge_steps(len(text) >> 6)
    _check_nesting(text)
    try:
        value = _adopt(
            _DECODER.decode(_ESCAPE.sub(_raw_high_surrogate, text) if "\\u" in text else text)
        )
    except json.JSONDecodeError:
        throw("SyntaxError", f"JSON.parse: {_explain(text)}")
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
    if text.isascii():
        return quoted
    return _SURROGATE.sub(_escaped_if_lone, quoted)


class _Writer:
    """One call of `JSON.stringify`: `write` appends to `parts`."""

    def __init__(self, replacer: Value, space: Value) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.active: list[Value] = []
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
            self.active.pop()
        return True

    def _asked_to_json(self, key: str, value: Value) -> Value:
        if value is None or value is UNDEFINED or value.__class__ is bool:
            return value
        method = get_member(value, "toJSON")
        return call_on(method, value, key) if isinstance(method, JSCallable) else value

    def _enter(self, value: Value) -> None:
        if any(value is outer for outer in self.active):
            throw("TypeError", "JSON.stringify: the value contains itself")
        check_depth(len(self.active))
        self.active.append(value)

    def _append(self, part: str) -> None:
        self.length += len(part)
        self.parts.append(part)

    def _write_array(self, array: JSArray, indent: str) -> None:
        charge_steps(len(array))
        inner = indent + self.gap
        before = f"\n{inner}" if self.gap else ""
        self._append("[")
        for index in range(len(array)):
            self._append(f",{before}" if index else before)
            if not self.write(array, str(index), get_index(array, float(index)), inner):
                self._append("null")
        self._append(f"\n{indent}]" if self.gap and array else "]")
        check_string(self.length)

    def _write_object(self, obj: Value, indent: str) -> None:
        keys = own_keys(obj) if self.only is None else self.only
        charge_steps(len(keys))
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
        check_string(self.length)


def _refuse_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not JSON", "", 0)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=JSObject, parse_int=float, parse_constant=_refuse_constant
)


def _adopt(root: Any) -> Value:
    """The parser's answer with its lists as arrays, charged as new memory."""
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


def _raw_high_surrogate(escape: re.Match[str]) -> str:
    """A high surrogate's escape as the character, lest the parser join it to a pair."""
    return chr(int(escape[1], 16)) if escape[1] else escape[0]


def _escaped_if_lone(found: re.Match[str]) -> str:
    text = found[0]
    return text if len(text) == 2 else f"\\u{ord(text):04x}"


def _check_nesting(text: str) -> None:
    """Refuse what nests too deeply, before a parser that recurses sees it."""
    if text.count("[") + text.count("{") < 300:
        return
    depth = deepest = 0
    for token in _NESTING.finditer(text):
        sign = token[0]
        if sign in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "]}":
            depth -= 1
    check_depth(deepest)


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
