"""Values on their way out of a program and into it, as plain JSON values of Python.

Outside of a program a text is ordinary Unicode, a whole number within 2^53 an int, and there is
no undefined. What JSON would lose without a word (a `Map`, a promise) or cannot write (a cycle)
is refused, naming the path to it.
"""

from __future__ import annotations

from typing import Any, Final

from flowlang.limits import charge_steps, check_depth
from flowlang.source import from_units, to_units
from flowlang.values import (
    UNDEFINED,
    EntryTable,
    JSArray,
    JSCallable,
    JSIterator,
    JSMap,
    JSObject,
    JSPromise,
    Value,
    call_on,
    get_index,
    get_member,
    own_keys,
    throw,
)

_SAFE: Final = 2**53
_LEFT_OUT: Final = object()


def export_value(value: Value, what: str) -> Any:
    """A value as it leaves the program; undefined becomes None.

    Args:
        what: names the value in messages, such as "the inputs of task 'charge'".

    Raises:
        Throw: with a TypeError that names the path, for a `Map`, a `Set`, a promise, a cycle.
    """
    plain = _Exporter(what).export("", value)
    return None if plain is _LEFT_OUT else plain


def import_value(plain: Any) -> Value:
    """A JSON value as the program sees it.

    Raises:
        ValueError: an integer beyond 2^53, which no number of JavaScript holds, with its path.
    """
    return _import(plain, "")


class _Exporter:
    def __init__(self, what: str) -> None:
        self.what = what
        self.path: list[str] = []
        self.active: list[Value] = []

    def export(self, key: str, value: Value) -> Any:
        kind = value.__class__
        if kind is str:
            charge_steps(len(value) >> 6)
            return from_units(value)
        if kind is float:
            return _plain_number(value)
        if kind is bool or value is None:
            return value
        if value is UNDEFINED:
            return _LEFT_OUT
        method = get_member(value, "toJSON")
        if isinstance(method, JSCallable):
            replaced = call_on(method, value, key)
            if replaced is not value:
                return self._export_replaced(replaced)
        return self._export_object(value)

    def _export_replaced(self, value: Value) -> Any:
        """What `toJSON` gave is not asked again."""
        if value.__class__ in (str, float, bool) or value is None or value is UNDEFINED:
            return self.export("", value)
        return self._export_object(value)

    def _export_object(self, value: Value) -> Any:
        if isinstance(value, JSCallable):
            return _LEFT_OUT
        if isinstance(value, JSPromise):
            self._refuse("is a promise: await it first")
        if isinstance(value, EntryTable):
            name = "Map" if isinstance(value, JSMap) else "Set"
            self._refuse(f"is a {name}: make it an object or an array first")
        if isinstance(value, JSIterator):
            self._refuse("is an iterator: make it an array first")
        if any(value is outer for outer in self.active):
            self._refuse("contains itself")
        check_depth(len(self.active))
        self.active.append(value)
        plain: Any
        if isinstance(value, JSArray):
            charge_steps(len(value))
            plain = []
            for index in range(len(value)):
                item = self._export_inner(str(index), f"[{index}]", get_index(value, float(index)))
                plain.append(None if item is _LEFT_OUT else item)
        else:
            keys = own_keys(value)
            charge_steps(len(keys))
            plain = {}
            for key in keys:
                item = self._export_inner(key, f".{key}", get_member(value, key))
                if item is not _LEFT_OUT:
                    plain[from_units(key)] = item
        self.active.pop()
        return plain

    def _export_inner(self, key: str, step: str, value: Value) -> Any:
        self.path.append(step)
        plain = self.export(key, value)
        self.path.pop()
        return plain

    def _refuse(self, problem: str) -> None:
        where = from_units("".join(self.path).removeprefix("."))
        subject = f"{self.what}: {where}" if where else self.what
        throw("TypeError", f"{to_units(subject)} {problem}")


def _plain_number(number: float) -> int | float | None:
    if number - number != 0.0:
        return None
    if -_SAFE <= number <= _SAFE and number == (whole := int(number)):
        return whole
    return number


def _import(plain: Any, path: str) -> Value:
    if plain is None or plain.__class__ is bool:
        return plain
    if isinstance(plain, str):
        return to_units(plain)
    if isinstance(plain, float):
        return plain
    if isinstance(plain, int):
        if not -_SAFE <= plain <= _SAFE:
            where = f" at {path.removeprefix('.')}" if path else ""
            raise ValueError(
                f"the integer {str(plain)[:40]}{where} is beyond 2^53, which a number cannot hold"
                " exactly: send it as a string"
            )
        return float(plain)
    if isinstance(plain, dict):
        return JSObject(
            {to_units(key): _import(value, f"{path}.{key}") for key, value in plain.items()}
        )
    if isinstance(plain, list | tuple):
        return JSArray([_import(value, f"{path}[{index}]") for index, value in enumerate(plain)])
    raise ValueError(f"{path.removeprefix('.') or 'the value'} is no JSON value: {type(plain)}")
