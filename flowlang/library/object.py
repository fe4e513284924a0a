"""`Object`: listing, copying, freezing, and what every object inherits."""

from __future__ import annotations

from flowlang.library.registry import constructor, method, new_array, new_object, static
from flowlang.limits import charge_steps
from flowlang.source import named
from flowlang.values import (
    EXTENSIBLE,
    FROZEN,
    HOLE,
    NOT_EXTENSIBLE,
    SEALED,
    UNDEFINED,
    ArrayIterator,
    Builtin,
    JSArray,
    JSCallable,
    JSDate,
    JSError,
    JSFunction,
    JSMap,
    JSObject,
    JSPromise,
    JSSet,
    Namespace,
    StringIterator,
    TableIterator,
    Value,
    define_member,
    get_index,
    get_own,
    has_own,
    integrity_of,
    is_enumerable,
    is_object,
    is_read_only,
    iterate,
    own_keys,
    own_names,
    restrict,
    same_value,
    set_array_length,
    set_member,
    throw,
    to_property_key,
    typeof,
)


def _make_object(value: Value = UNDEFINED, *_: Value) -> Value:
    if value is None or value is UNDEFINED:
        return new_object()
    if not is_object(value):
        throw("TypeError", f"Object() of a {typeof(value)} is not part of Flow")
    return value


constructor("Object", 1, call=_make_object)(_make_object)


@static("Object.assign", 2)
def assign(target: Value = UNDEFINED, *sources: Value) -> Value:
    _require_value(target, "Object.assign")
    if not is_object(target):
        throw("TypeError", f"Object.assign to a {typeof(target)} is not part of Flow")
    for source in sources:
        if source is None or source is UNDEFINED:
            continue
        for key in own_keys(source):
            value = get_own(source, key)
            if value is not HOLE:
                _must_set(target, key, value)
    return target


@static("Object.entries", 1)
def entries(value: Value = UNDEFINED, *_: Value) -> JSArray:
    keys = _listed(value, "Object.entries")
    return new_array([new_array([key, _own_value(value, key)]) for key in keys])


@static("Object.keys", 1)
def keys(value: Value = UNDEFINED, *_: Value) -> JSArray:
    return new_array(list(_listed(value, "Object.keys")))


@static("Object.values", 1)
def values(value: Value = UNDEFINED, *_: Value) -> JSArray:
    keys = _listed(value, "Object.values")
    return new_array([_own_value(value, key) for key in keys])


@static("Object.freeze", 1)
def freeze(value: Value = UNDEFINED, *_: Value) -> Value:
    return _restricted(value, FROZEN)


@static("Object.seal", 1)
def seal(value: Value = UNDEFINED, *_: Value) -> Value:
    return _restricted(value, SEALED)


@static("Object.preventExtensions", 1)
def prevent_extensions(value: Value = UNDEFINED, *_: Value) -> Value:
    return _restricted(value, NOT_EXTENSIBLE)


@static("Object.isExtensible", 1)
def is_extensible(value: Value = UNDEFINED, *_: Value) -> bool:
    return is_object(value) and _integrity(value) == EXTENSIBLE


@static("Object.isFrozen", 1)
def is_frozen(value: Value = UNDEFINED, *_: Value) -> bool:
    if not is_object(value) or _integrity(value) == FROZEN:
        return True
    return _integrity(value) != EXTENSIBLE and not own_names(value)


@static("Object.isSealed", 1)
def is_sealed(value: Value = UNDEFINED, *_: Value) -> bool:
    if not is_object(value) or _integrity(value) >= SEALED:
        return True
    if _integrity(value) == EXTENSIBLE:
        return False
    return not [name for name in own_names(value) if name != "length"]


@static("Object.fromEntries", 1)
def from_entries(source: Value = UNDEFINED, *_: Value) -> JSObject:
    made = new_object()
    for entry in iterate(source):
        charge_steps(1)
        if not is_object(entry):
            throw("TypeError", f"Object.fromEntries needs [key, value], not a {typeof(entry)}")
        value = get_index(entry, 1.0)
        define_member(made, to_property_key(get_index(entry, 0.0)), value)
    return made


@static("Object.getOwnPropertyNames", 1)
def get_own_property_names(value: Value = UNDEFINED, *_: Value) -> JSArray:
    _require_value(value, "Object.getOwnPropertyNames")
    names: list[Value] = list(own_names(value))
    return new_array(names)


@static("Object.hasOwn", 2)
def has_own_(value: Value = UNDEFINED, key: Value = UNDEFINED, *_: Value) -> bool:
    _require_value(value, "Object.hasOwn")
    return has_own(value, to_property_key(key))


@static("Object.is", 2)
def is_(left: Value = UNDEFINED, right: Value = UNDEFINED, *_: Value) -> bool:
    return same_value(left, right)


@method("Object.prototype.hasOwnProperty", 1)
def has_own_property(this: Value, key: Value = UNDEFINED, *_: Value) -> bool:
    return has_own(this, to_property_key(key))


@method("Object.prototype.propertyIsEnumerable", 1)
def property_is_enumerable(this: Value, key: Value = UNDEFINED, *_: Value) -> bool:
    name = to_property_key(key)
    return has_own(this, name) and is_enumerable(this, name)


@method("Object.prototype.toString", 0)
def object_to_string(this: Value, *_: Value) -> str:
    return f"[object {_tag(this)}]"


@method("Object.prototype.valueOf", 0)
def value_of(this: Value, *_: Value) -> Value:
    _require_value(this, "Object.prototype.valueOf")
    return this


_TAGS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (JSArray, "Array"),
    (JSError, "Error"),
    (JSDate, "Date"),
    (JSMap, "Map"),
    (JSSet, "Set"),
    (JSPromise, "Promise"),
    (ArrayIterator, "Array Iterator"),
    (StringIterator, "String Iterator"),
    (str, "String"),
    (float, "Number"),
    (bool, "Boolean"),
)


def _tag(value: Value) -> str:
    if value is None or value is UNDEFINED:
        return "Null" if value is None else "Undefined"
    if isinstance(value, Namespace):
        return value.name if value.name in ("Math", "JSON") else "Object"
    if isinstance(value, JSCallable):
        return (
            "AsyncFunction" if isinstance(value, JSFunction) and value.code.is_async else "Function"
        )
    if isinstance(value, TableIterator):
        return "Set Iterator" if isinstance(value.table, JSSet) else "Map Iterator"
    for kind, tag in _TAGS:
        if isinstance(value, kind):
            return tag
    return "Object"


def _require_value(value: Value, name: str) -> None:
    if value is None or value is UNDEFINED:
        throw(
            "TypeError", f"{name} needs an object, not {'null' if value is None else 'undefined'}"
        )


def _listed(value: Value, name: str) -> list[str]:
    _require_value(value, name)
    return own_keys(value)


def _own_value(value: Value, key: str) -> Value:
    return value[key] if value.__class__ is JSObject else get_own(value, key)


def _integrity(value: Value) -> int:
    return FROZEN if isinstance(value, Builtin | Namespace) else integrity_of(value)


def _restricted(value: Value, integrity: int) -> Value:
    if is_object(value) and _integrity(value) < integrity:
        charge_steps(1)
        restrict(value, integrity)
    return value


def _must_set(target: Value, key: str, value: Value) -> None:
    """Set a property as strict code would: what cannot be set is a TypeError."""
    integrity = _integrity(target)
    is_possible = not is_read_only(target, key) and (
        integrity == EXTENSIBLE or (integrity != FROZEN and get_own(target, key) is not HOLE)
    )
    if is_possible and key == "length" and isinstance(target, JSArray):
        is_possible = set_array_length(target, value)
    elif is_possible:
        set_member(target, key, value)
    if not is_possible:
        shown = named(key)
        throw("TypeError", f"cannot assign to property {shown}: the object does not allow it")
