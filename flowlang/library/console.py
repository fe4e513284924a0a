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
from flowlang.limits import charge_reading, charge_step, charge_steps
from flowlang.machine import current
from flowlang.source import quoted
from flowlang.values import (
    ENTRIES,
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
    JSObject,
    JSPromise,
    Namespace,
    TableIterator,
    Value,
    get_own,
    number_to_string,
    other_names,
    own_keys,
)

namespace("console")

MAX_DEPTH: Final = 6
MAX_ELEMENTS: Final = 100
MAX_LINE: Final = 16_384

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def console_line(values: tuple[Value, ...]) -> str:
    """The line that `console.log(...values)` writes."""
    charge_steps(1 + len(values))
    shower = _Shower(MAX_LINE)
    parts = [
        shower.text(value) if value.__class__ is str else shower.show(value, ()) for value in values
    ]
    return _cut(" ".join(parts), MAX_LINE)


def show(value: Value, at_most: int = MAX_LINE) -> str:
    """One value in its single-line form, cut after so many characters, with an ellipsis."""
    return _cut(_Shower(at_most).show(value, ()), at_most)


def _cut(line: str, at_most: int) -> str:
    return line if len(line) <= at_most else line[:at_most] + "…"


class _Shower:
    """Writes one line. Past the length at which it is cut, nothing is looked at any more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def text(self, text: str) -> str:
        """A text of the line, or as much of it as could be seen."""
        shown = text if len(text) <= self.room else text[: max(0, self.room) + 1]
        self.room -= len(shown)
        return shown

    def show(self, value: Value, active: tuple[Value, ...]) -> str:
        """One value; `active` are the objects that it stands in."""
        if self.room < 0:
            return ""
        kind = value.__class__
        if kind is str:
            return quoted(self.text(value))
        if kind is float:
            negative_zero = value == 0.0 and math.copysign(1.0, value) < 0
            return self.text("-0" if negative_zero else number_to_string(value))
        if kind is bool:
            return self.text("true" if value else "false")
        if value is None or value is UNDEFINED:
            return self.text("null" if value is None else "undefined")
        if any(value is outer for outer in active):
            return self.text("[Circular]")
        charge_step()
        if len(active) >= MAX_DEPTH:
            return self.text("[Array]" if isinstance(value, JSArray) else "[Object]")
        self.room -= 2
        return self._object(value, (*active, value))

    def _object(self, value: Value, active: tuple[Value, ...]) -> str:
        if isinstance(value, JSArray):
            return self._array(value, active)
        if isinstance(value, JSCallable):
            name = get_own(value, "name")
            shown = name if name.__class__ is str else ""  # deleted, or made something else
            head = f"[Function: {self.text(shown)}]" if shown else "[Function]"
            return self._with_properties(head, value, active)
        if isinstance(value, JSError):
            return self._with_properties(self.text(_error_head(value)), value, active)
        if isinstance(value, JSDate):
            head = "Invalid Date" if value.time != value.time else iso_text(value.time)
            return self._with_properties(head, value, active)
        if isinstance(value, EntryTable):
            return self._table(value, active)
        if isinstance(value, JSPromise):
            if value.state == PENDING:
                return "Promise { <pending> }"
            state = "" if value.state == FULFILLED else "<rejected> "
            return f"Promise {{ {state}{self.show(value.value, active)} }}"
        if isinstance(value, JSIterator):
            return "[Iterator]"
        if isinstance(value, Namespace) and not value.enumerable:
            return f"[{value.name}]"
        return _braced("", self._properties(value, active))

    def _array(self, array: JSArray, active: tuple[Value, ...]) -> str:
        parts: list[str] = []
        index = 0
        while index < len(array) and len(parts) < MAX_ELEMENTS and self.room >= 0:
            if array[index] is HOLE:
                start = index
                while index < len(array) and array[index] is HOLE:
                    index += 1
                charge_steps(index - start)
                parts.append(f"<{index - start} empty>")
                continue
            parts.append(self.show(array[index], active))
            index += 1
        if index < len(array):
            parts.append(f"… {len(array) - index} more")
        parts += self._properties(array, active)
        return f"[{', '.join(parts)}]"

    def _table(self, table: EntryTable, active: tuple[Value, ...]) -> str:
        is_map = isinstance(table, JSMap)
        parts: list[str] = []
        for entry in TableIterator(table, ENTRIES):
            if self.room < 0:
                break
            if len(parts) >= MAX_ELEMENTS:
                parts.append(f"… {len(table.index) - MAX_ELEMENTS} more")
                break
            shown = self.show(entry[0], active)
            parts.append(f"{shown} => {self.show(entry[1], active)}" if is_map else shown)
        head = f"{'Map' if is_map else 'Set'}({len(table.index)}) "
        return _braced(head, parts + self._properties(table, active))

    def _with_properties(self, head: str, value: Value, active: tuple[Value, ...]) -> str:
        parts = self._properties(value, active)
        return _braced(f"{head} ", parts) if parts else head

    def _properties(self, value: Value, active: tuple[Value, ...]) -> list[str]:
        """Properties by name; an array's elements and an error's name are shown elsewhere."""
        keys = own_keys(value) if isinstance(value, JSObject) else other_names(value)
        if isinstance(value, JSError):
            keys = [key for key in keys if key != "name"]
        parts: list[str] = []
        for key in keys[:MAX_ELEMENTS]:
            if self.room < 0:
                break
            shown = self.text(key) if _PLAIN_KEY.fullmatch(key) else self.show(key, ())
            parts.append(f"{shown}: {self.show(get_own(value, key), active)}")
        if len(keys) > MAX_ELEMENTS:
            parts.append(f"… {len(keys) - MAX_ELEMENTS} more")
        return parts


def _error_head(error: JSError) -> str:
    name, message = error["name"], error["message"]
    shown = name if name.__class__ is str else error.kind
    if message.__class__ is not str or not message:
        return shown
    charge_reading(len(message))
    return f"{shown}: {message}"


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
