"""`console`: a line for each call, and the form in which values stand in it.

Texts stand as they are; everything else in one line, as JavaScript would write it: `{ a: 1 }`,
`[1, 'two', <3 empty>]`, `Map(1) { 'k' => 2 }`, `TypeError: why`, `[Function: name]`. Nothing of
the program is called for it. What is nested deeper than 6 levels or beyond 100 elements is
abbreviated, and a line is cut after 16,384 characters: it is for people, and kept in histories.
"""

from __future__ import annotations

import math
import re
from typing import Final

from flowlang.library.date import iso_text
from flowlang.library.registry import namespace, static
from flowlang.limits import charge_steps
from flowlang.machine import current
from flowlang.source import quoted
from flowlang.values import (
    FULFILLED,
    HOLE,
    PENDING,
    UNDEFINED,
    EntryTable,
    JSArray,
    JSCallable,
    JSDate,
    JSError,
    JSIterator,
    JSMap,
    JSPromise,
    Namespace,
    Value,
    get_own,
    number_to_string,
    own_keys,
)

namespace("console")

MAX_DEPTH: Final = 6
MAX_ELEMENTS: Final = 100
MAX_LINE: Final = 16_384

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def console_line(values: tuple[Value, ...]) -> str:
    """The line that `console.log(...values)` writes."""
    charge_steps(len(values))
    line = " ".join(value if value.__class__ is str else show(value) for value in values)
    return line if len(line) <= MAX_LINE else line[:MAX_LINE] + "…"


def show(value: Value, active: tuple[Value, ...] = ()) -> str:
    """One value in its single-line form; `active` are the objects that it stands in."""
    kind = value.__class__
    if kind is str:
        return quoted(value)
    if kind is float:
        negative_zero = value == 0.0 and math.copysign(1.0, value) < 0
        return "-0" if negative_zero else number_to_string(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None or value is UNDEFINED:
        return "null" if value is None else "undefined"
    if any(value is outer for outer in active):
        return "[Circular]"
    charge_steps(1)
    if len(active) >= MAX_DEPTH:
        return "[Array]" if isinstance(value, JSArray) else "[Object]"
    return _show_object(value, (*active, value))


def _show_object(value: Value, active: tuple[Value, ...]) -> str:
    if isinstance(value, JSArray):
        return _show_array(value, active)
    if isinstance(value, JSCallable):
        name = get_own(value, "name")
        shown = name if name.__class__ is str else ""  # deleted, or made something else
        head = f"[Function: {shown}]" if shown else "[Function]"
        return _with_properties(head, value, active)
    if isinstance(value, JSError):
        return _with_properties(_error_head(value), value, active)
    if isinstance(value, JSDate):
        head = "Invalid Date" if value.time != value.time else iso_text(value.time)
        return _with_properties(head, value, active)
    if isinstance(value, EntryTable):
        return _show_table(value, active)
    if isinstance(value, JSPromise):
        if value.state == PENDING:
            return "Promise { <pending> }"
        state = "" if value.state == FULFILLED else "<rejected> "
        return f"Promise {{ {state}{show(value.value, active)} }}"
    if isinstance(value, JSIterator):
        return "[Iterator]"
    if isinstance(value, Namespace) and not value.enumerable:
        return f"[{value.name}]"
    return _braced("", _properties(value, active))


def _show_array(array: JSArray, active: tuple[Value, ...]) -> str:
    parts: list[str] = []
    index = 0
    while index < len(array) and len(parts) < MAX_ELEMENTS:
        if array[index] is HOLE:
            start = index
            while index < len(array) and array[index] is HOLE:
                index += 1
            parts.append(f"<{index - start} empty>")
            continue
        parts.append(show(array[index], active))
        index += 1
    if index < len(array):
        parts.append(f"… {len(array) - index} more")
    parts += _properties(array, active)
    return f"[{', '.join(parts)}]"


def _show_table(table: EntryTable, active: tuple[Value, ...]) -> str:
    is_map = isinstance(table, JSMap)
    parts: list[str] = []
    for entry in table.entries:
        if entry is None:
            continue
        if len(parts) >= MAX_ELEMENTS:
            parts.append(f"… {len(table.index) - MAX_ELEMENTS} more")
            break
        value = f" => {show(entry[1], active)}" if is_map else ""
        parts.append(show(entry[0], active) + value)
    head = f"{'Map' if is_map else 'Set'}({len(table.index)}) "
    return _braced(head, parts + _properties(table, active))


def _error_head(error: JSError) -> str:
    name, message = error["name"], error["message"]
    shown = name if name.__class__ is str else error.kind
    return f"{shown}: {message}" if message.__class__ is str and message else shown


def _with_properties(head: str, value: Value, active: tuple[Value, ...]) -> str:
    parts = _properties(value, active)
    return _braced(f"{head} ", parts) if parts else head


def _properties(value: Value, active: tuple[Value, ...]) -> list[str]:
    """Properties by name; an array's elements and an error's name are shown elsewhere."""
    keys = own_keys(value)
    if isinstance(value, JSArray):
        keys = keys[sum(1 for item in value if item is not HOLE) :]
    elif isinstance(value, JSError):
        keys = [key for key in keys if key != "name"]
    parts: list[str] = []
    for key in keys[:MAX_ELEMENTS]:
        shown = key if _PLAIN_KEY.fullmatch(key) else show(key)
        parts.append(f"{shown}: {show(get_own(value, key), active)}")
    if len(keys) > MAX_ELEMENTS:
        parts.append(f"… {len(keys) - MAX_ELEMENTS} more")
    return parts


def _braced(head: str, parts: list[str]) -> str:
    return f"{head}{{ {', '.join(parts)} }}" if parts else f"{head}{{}}"


def _register(name: str, level: str) -> None:
    def write(*values: Value) -> Value:
        current().log(level, console_line(values))
        return UNDEFINED

    static(f"console.{name}", 0)(write)


for _name, _level in (
    ("debug", "debug"),
    ("error", "error"),
    ("info", "info"),
    ("log", "info"),
    ("warn", "warning"),
):
    _register(_name, _level)
