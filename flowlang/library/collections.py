"""`Map`, `Set` and the iterators' `next()`."""

from __future__ import annotations

from flowlang.library.registry import callback, constructor, method, new_object
from flowlang.limits import ELEMENT_UNITS, OBJECT_UNITS, charge_memory, charge_step, charge_steps
from flowlang.values import (
    ENTRIES,
    KEYS,
    UNDEFINED,
    VALUES,
    EntryTable,
    JSIterator,
    JSMap,
    JSObject,
    JSSet,
    TableIterator,
    Value,
    get_index,
    is_object,
    iterate,
    throw,
    typeof,
)


def _map_without_new(*_: Value) -> Value:
    throw("TypeError", "Map must be called with 'new'")


def _set_without_new(*_: Value) -> Value:
    throw("TypeError", "Set must be called with 'new'")


@constructor("Map", 0, call=_map_without_new)
def make_map(source: Value = UNDEFINED, *_: Value) -> JSMap:
    made = JSMap()
    charge_memory(OBJECT_UNITS)
    if source is None or source is UNDEFINED:
        return made
    for entry in iterate(source):
        charge_step()
        if not is_object(entry):
            throw("TypeError", f"new Map needs [key, value] pairs, not a {typeof(entry)}")
        key = get_index(entry, 0.0)
        _store(made, key, get_index(entry, 1.0))
    return made


@constructor("Set", 0, call=_set_without_new)
def make_set(source: Value = UNDEFINED, *_: Value) -> JSSet:
    made = JSSet()
    charge_memory(OBJECT_UNITS)
    if source is None or source is UNDEFINED:
        return made
    for value in iterate(source):
        charge_step()
        _store(made, value, value)
    return made


@method("Map.prototype.clear", 0)
def map_clear(this: Value, *_: Value) -> Value:
    charge_step()
    _map(this, "clear").clear()
    return UNDEFINED


@method("Map.prototype.delete", 1)
def map_delete(this: Value, key: Value = UNDEFINED, *_: Value) -> bool:
    charge_step()
    return _map(this, "delete").remove(key)


@method("Map.prototype.entries", 0)
def map_entries(this: Value, *_: Value) -> TableIterator:
    return _iterator(_map(this, "entries"), ENTRIES)


@method("Map.prototype.forEach", 1)
def map_for_each(this: Value, function: Value = UNDEFINED, *_: Value) -> Value:
    table = _map(this, "forEach")
    call = callback(function, "Map.prototype.forEach")
    for key, value in TableIterator(table, ENTRIES):
        charge_step()
        call(value, key, this)
    return UNDEFINED


@method("Map.prototype.get", 1)
def map_get(this: Value, key: Value = UNDEFINED, *_: Value) -> Value:
    charge_step()
    return _map(this, "get").lookup(key)


@method("Map.prototype.has", 1)
def map_has(this: Value, key: Value = UNDEFINED, *_: Value) -> bool:
    charge_step()
    return _map(this, "has").contains(key)


@method("Map.prototype.keys", 0)
def map_keys(this: Value, *_: Value) -> TableIterator:
    return _iterator(_map(this, "keys"), KEYS)


@method("Map.prototype.set", 2)
def map_set(this: Value, key: Value = UNDEFINED, value: Value = UNDEFINED, *_: Value) -> JSMap:
    table = _map(this, "set")
    _store(table, key, value)
    return table


@method("Map.prototype.values", 0)
def map_values(this: Value, *_: Value) -> TableIterator:
    return _iterator(_map(this, "values"), VALUES)


@method("Set.prototype.add", 1)
def set_add(this: Value, value: Value = UNDEFINED, *_: Value) -> JSSet:
    table = _set(this, "add")
    if not table.contains(value):
        # -0 is kept as 0 in both halves of the entry.
        value = 0.0 if value.__class__ is float and value == 0.0 else value
        _store(table, value, value)
    else:
        charge_step()
    return table


@method("Set.prototype.clear", 0)
def set_clear(this: Value, *_: Value) -> Value:
    charge_step()
    _set(this, "clear").clear()
    return UNDEFINED


@method("Set.prototype.delete", 1)
def set_delete(this: Value, value: Value = UNDEFINED, *_: Value) -> bool:
    charge_step()
    return _set(this, "delete").remove(value)


@method("Set.prototype.entries", 0)
def set_entries(this: Value, *_: Value) -> TableIterator:
    return _iterator(_set(this, "entries"), ENTRIES)


@method("Set.prototype.forEach", 1)
def set_for_each(this: Value, function: Value = UNDEFINED, *_: Value) -> Value:
    table = _set(this, "forEach")
    call = callback(function, "Set.prototype.forEach")
    for value in TableIterator(table, KEYS):
        charge_step()
        call(value, value, this)
    return UNDEFINED


@method("Set.prototype.has", 1)
def set_has(this: Value, value: Value = UNDEFINED, *_: Value) -> bool:
    charge_step()
    return _set(this, "has").contains(value)


@method("Set.prototype.values", 0)
def set_values(this: Value, *_: Value) -> TableIterator:
    return _iterator(_set(this, "values"), KEYS)


@method("Iterator.prototype.next", 0)
def iterator_next(this: Value, *_: Value) -> JSObject:
    if not isinstance(this, JSIterator):
        throw("TypeError", "next was called on something that is no iterator")
    charge_step()
    for value in this:
        return new_object(value=value, done=False)
    return new_object(value=UNDEFINED, done=True)


def _store(table: EntryTable, key: Value, value: Value) -> None:
    """One call of `set` or `add`, and one entry touched; charged before it is made."""
    charge_steps(2)
    charge_memory(ELEMENT_UNITS)
    if not table.store(key, value):
        charge_memory(-ELEMENT_UNITS)


def _iterator(table: EntryTable, kind: int) -> TableIterator:
    charge_memory(OBJECT_UNITS)
    return TableIterator(table, kind)


def _map(this: Value, name: str) -> JSMap:
    if not isinstance(this, JSMap):
        throw("TypeError", f"Map.prototype.{name} was called on something that is no Map")
    return this


def _set(this: Value, name: str) -> JSSet:
    if not isinstance(this, JSSet):
        throw("TypeError", f"Set.prototype.{name} was called on something that is no Set")
    return this
