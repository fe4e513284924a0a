"""Values on their way out of a program and into it, as plain JSON values of Python.

Outside of a program a text is ordinary Unicode, a whole number within 2^53 an int, and there is
no undefined. What JSON would lose without a word (a `Map`, a promise) or cannot write (a cycle)
is refused, naming the path to it.
"""

from __future__ import annotations

from typing import Any, Final

from flowlang.limits import (
    ELEMENT_UNITS,
    OBJECT_UNITS,
    PROPERTY_UNITS,
    TEXT_PER_STEP,
    charge_memory,
    charge_reading,
    charge_steps,
    check_depth,
)
from flowlang.source import from_units, shortened, surrogates_in, to_units
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

_OBJECT_STEPS: Final = 3
"""Steps of writing an object, besides those for what is in it."""


def export_value(value: Value, what: str) -> Any:
    """A value as it leaves the program; undefined becomes None. Charged as new memory.

    Args:
        what: names the value in messages, such as "the inputs of task 'charge'".

    Raises:
        Throw: with a TypeError that names the path, for a `Map`, a `Set`, a promise, a cycle.
    """
    plain = _export_record(value) if value.__class__ is JSObject else None
    if plain is None:
        plain = _Exporter(what).export("", value)
    return None if plain is _LEFT_OUT else plain


def import_value(plain: Any) -> Value:
    """A JSON value as the program sees it.

    Raises:
        ValueError: an integer beyond 2^53, which no number of JavaScript holds, with its path.
    """
    try:
        return _import(plain)
    except _Unfit:
        raise ValueError(_problem_in(plain, "")) from None


class _Exporter:
    """One value on its way out. `path` leads from it to where the exporter is."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.path: list[str | int] = []
        self.active: dict[Value, None] = {}

    def export(self, key: str | int, value: Value) -> Any:
        kind = value.__class__
        if kind is str:
            if len(value) >= TEXT_PER_STEP:
                charge_memory(len(value))
                charge_reading(len(value))
            if value.isascii():
                return value
            charge_steps(surrogates_in(value))
            return from_units(value)
        if kind is float:
            return _plain_number(value)
        if kind is bool or value is None:
            return value
        if value is UNDEFINED:
            return _LEFT_OUT
        # No plain object inherits a `toJSON`.
        method = value.get("toJSON") if kind is JSObject else get_member(value, "toJSON")
        if isinstance(method, JSCallable):
            replaced = call_on(method, value, str(key))
            if replaced is not value:
                return self._export_replaced(replaced)
        return self._export_object(value)

    def _export_replaced(self, value: Value) -> Any:
        """What `toJSON` gave is not asked again."""
        if value.__class__ in (str, float, bool) or value is None or value is UNDEFINED:
            return self.export("", value)
        return self._export_object(value)

    def _export_object(self, value: Value) -> Any:
        if value.__class__ is not JSObject and value.__class__ is not JSArray:
            if isinstance(value, JSCallable):
                return _LEFT_OUT
            self._check_kind(value)
        active, path = self.active, self.path
        if value in active:
            self._refuse("contains itself")
        check_depth(len(active))
        plain: Any = _export_record(value) if value.__class__ is JSObject else None
        if plain is not None:
            return plain
        active[value] = None
        if isinstance(value, JSArray):
            charge_steps(_OBJECT_STEPS + len(value))
            charge_memory(OBJECT_UNITS + ELEMENT_UNITS * len(value))
            plain = []
            for index in range(len(value)):
                path.append(index)
                item = self.export(index, get_index(value, float(index)))
                plain.append(None if item is _LEFT_OUT else item)
                path.pop()
        else:
            charge_steps(_OBJECT_STEPS)
            keys = own_keys(value)
            charge_memory(OBJECT_UNITS + PROPERTY_UNITS * len(keys))
            plain = {}
            for key in keys:
                path.append(key)
                item = self.export(key, get_member(value, key))
                if item is not _LEFT_OUT:
                    plain[from_units(key)] = item
                path.pop()
        del active[value]
        return plain

    def _check_kind(self, value: Value) -> None:
        if isinstance(value, JSPromise):
            self._refuse("is a promise: await it first")
        if isinstance(value, EntryTable):
            name = "Map" if isinstance(value, JSMap) else "Set"
            self._refuse(f"is a {name}: make it an object or an array first")
        if isinstance(value, JSIterator):
            self._refuse("is an iterator: make it an array first")

    def _refuse(self, problem: str) -> None:
        where = from_units(_path_text(self.path))
        subject = f"{self.what}: {where}" if where else self.what
        throw("TypeError", f"{to_units(subject)} {problem}")


def _export_record(value: JSObject) -> dict[str, Any] | None:
    """A plain object of texts, numbers and the like, as most are; None for every other."""
    plain: dict[str, Any] = {}
    for key, item in value.items():
        kind = item.__class__
        if kind is float:
            item = _plain_number(item)
        elif kind is str:
            if len(item) >= TEXT_PER_STEP or not item.isascii():
                return None
        elif item is UNDEFINED:
            continue
        elif kind is not bool and item is not None:
            return None
        if key < ":" or not key.isascii():
            return None  # an index, which comes first, or a key to be converted
        plain[key] = item
    charge_steps(_OBJECT_STEPS + len(value))
    charge_memory(OBJECT_UNITS + PROPERTY_UNITS * len(value))
    return plain


def _path_text(path: list[str | int]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{shortened(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def _plain_number(number: float) -> int | float | None:
    if number - number != 0.0:
        return None
    if -_SAFE <= number <= _SAFE and number == (whole := int(number)):
        return whole
    return number


class _Unfit(Exception):
    """Somewhere in a value is something that no program can have."""


def _import(plain: Any) -> Value:
    kind = plain.__class__
    if kind is str:
        return to_units(plain)
    if kind is float or kind is bool or plain is None:
        return plain
    if kind is int and -_SAFE <= plain <= _SAFE:
        return float(plain)
    if isinstance(plain, dict):
        return JSObject({to_units(key): _import(value) for key, value in plain.items()})
    if isinstance(plain, list | tuple):
        return JSArray([_import(value) for value in plain])
    if isinstance(plain, int) and -_SAFE <= plain <= _SAFE:
        return float(plain)
    if isinstance(plain, str):
        return to_units(str(plain))
    if isinstance(plain, float):
        return float(plain)
    raise _Unfit


def _problem_in(plain: Any, path: str) -> str:
    """What is unfit in a value and where; empty when nothing is. Only sought when it is there."""
    if isinstance(plain, dict):
        found = (_problem_in(value, f"{path}.{key}") for key, value in plain.items())
        return next(filter(None, found), "")
    if isinstance(plain, list | tuple):
        found = (_problem_in(value, f"{path}[{index}]") for index, value in enumerate(plain))
        return next(filter(None, found), "")
    if isinstance(plain, str | float) or plain is None:
        return ""
    if not isinstance(plain, int):
        return f"{path.removeprefix('.') or 'the value'} is no JSON value: {type(plain)}"
    if -_SAFE <= plain <= _SAFE:
        return ""
    where = f" at {path.removeprefix('.')}" if path else ""
    return (
        f"the integer {str(plain)[:40]}{where} is beyond 2^53, which a number cannot hold"
        " exactly: send it as a string"
    )
