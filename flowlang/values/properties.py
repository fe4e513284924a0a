"""Properties by computed key, writing, deleting, listing; calling and `instanceof`.

Writes follow sloppy mode: what may not be written is left alone without a word, except built-in
objects, which throw. New properties and elements are charged where they are made.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from flowlang.limits import (
    ELEMENT_UNITS,
    PROPERTY_UNITS,
    TEXT_PER_STEP,
    charge_elements,
    charge_memory,
    charge_reading,
    charge_step,
    charge_steps,
    check_array,
)
from flowlang.source import named
from flowlang.values.convert import to_number, to_property_key, to_uint32, typeof
from flowlang.values.kinds import (
    ENTRIES,
    EXTENSIBLE,
    FROZEN,
    HOLE,
    KEYS,
    SEALED,
    UNDEFINED,
    ArrayIterator,
    BoundFunction,
    Builtin,
    EntryTable,
    JSArray,
    JSCallable,
    JSDate,
    JSError,
    JSFunction,
    JSIterator,
    JSMap,
    JSObject,
    JSPromise,
    JSSet,
    Namespace,
    StringIterator,
    TableIterator,
    Value,
    integrity_of,
    is_object,
    other_properties,
    property_bag,
    state_class,
    throw,
)
from flowlang.values.members import array_index, get_inherited, get_member, get_own

_NAME_UNITS: Final = 8
"""What the name of an element costs in memory units: an index as text."""


def get_index(obj: Value, key: Value) -> Value:
    """The value of `obj[key]`."""
    kind = obj.__class__
    if key.__class__ is float:
        if kind is JSArray:
            if 0.0 <= key < len(obj) and (index := int(key)) == key:
                value = obj[index]
                return UNDEFINED if value is HOLE else value
        elif kind is str and 0.0 <= key < len(obj) and (index := int(key)) == key:
            return obj[index]
    elif kind is JSObject and key.__class__ is str:
        if len(key) > TEXT_PER_STEP:
            charge_reading(len(key))
        return obj[key]
    if obj is None or obj is UNDEFINED:
        throw("TypeError", f"cannot read a property of {'null' if obj is None else 'undefined'}")
    return get_member(obj, to_property_key(key))


def set_index(obj: Value, key: Value, value: Value) -> None:
    """`obj[key] = value`."""
    kind = obj.__class__
    if kind is JSArray and key.__class__ is float:
        if 0.0 <= key < len(obj) and (index := int(key)) == key:
            obj[index] = value
            return
    elif obj is None or obj is UNDEFINED:
        throw("TypeError", f"cannot set a property of {'null' if obj is None else 'undefined'}")
    set_member(obj, to_property_key(key), value)


def set_member(obj: Value, key: str, value: Value) -> None:
    """`obj.key = value`."""
    if len(key) > TEXT_PER_STEP:
        charge_reading(len(key))
    if obj.__class__ is JSObject:
        count = len(obj)
        obj[key] = value
        if len(obj) != count:
            if key == "__proto__":
                del obj[key]
                throw("TypeError", "setting '__proto__' is not part of Flow")
            _charge_property()
    elif isinstance(obj, JSArray):
        _set_on_array(obj, key, value)
    elif obj is None or obj is UNDEFINED:
        throw(
            "TypeError",
            f"cannot set property {named(key)} of {'null' if obj is None else 'undefined'}",
        )
    elif isinstance(obj, Namespace | Builtin):
        throw("TypeError", f"cannot set property {named(key)} of {obj.name}: built-ins are frozen")
    elif isinstance(obj, JSObject):
        _set_in_bag(obj, key, value)
    elif is_object(obj):
        if isinstance(obj, JSCallable) and key == "prototype":
            throw("TypeError", "a function's 'prototype' is not part of Flow")
        if isinstance(obj, JSIterator) and key in ("next", "return"):
            throw("TypeError", f"an iterator with a '{key}' of its own is not part of Flow")
        if is_read_only(obj, key):
            return
        if integrity_of(obj) == EXTENSIBLE or _is_other(obj, key):
            _set_in_bag(property_bag(obj), key, value)


def is_read_only(obj: Value, key: str) -> bool:
    """Whether the object has or inherits a property that can never be written."""
    if isinstance(obj, JSCallable):
        return key in ("name", "length")
    return isinstance(obj, EntryTable) and key == "size"


def define_member(obj: JSObject, key: str, value: Value) -> None:
    """Make an own property of a new plain object: `{[key]: value}`; `__proto__` is a key here."""
    if len(key) > TEXT_PER_STEP:
        charge_reading(len(key))
    count = len(obj)
    obj[key] = value
    if len(obj) != count:
        _charge_property()


def _charge_property() -> None:
    """Charge for a property made at run time, as for an element that a library call makes."""
    charge_step()
    charge_memory(PROPERTY_UNITS)


def delete_member(obj: Value, key: Value) -> bool:
    """`delete obj[key]`: false when the property stays."""
    if obj is None or obj is UNDEFINED:
        throw("TypeError", f"cannot delete a property of {'null' if obj is None else 'undefined'}")
    name = to_property_key(key)
    if isinstance(obj, Namespace | Builtin):
        shown = named(name)
        throw("TypeError", f"cannot delete property {shown} of {obj.name}: built-ins are frozen")
    if get_own(obj, name) is HOLE:
        return True
    if not is_object(obj) or integrity_of(obj) >= SEALED:
        return False
    if isinstance(obj, JSArray):
        index = array_index(name)
        if index >= 0:
            obj[index] = HOLE
            return True
        if name == "length":
            return False
    if isinstance(obj, JSObject):
        del obj[name]
    elif isinstance(obj, JSCallable) and name in ("name", "length"):
        # The marker hides what the function would say of itself.
        property_bag(obj)[name] = HOLE
    else:
        del property_bag(obj)[name]
    return True


def has_own(obj: Value, key: str) -> bool:
    """Whether the property is the object's own; a TypeError for null and undefined."""
    if obj is None or obj is UNDEFINED:
        throw("TypeError", f"{'null' if obj is None else 'undefined'} has no properties")
    return get_own(obj, key) is not HOLE


def has_property(obj: Value, key: Value) -> bool:
    """`key in obj`."""
    if not is_object(obj):
        throw("TypeError", f"the right side of 'in' must be an object, not {typeof(obj)}")
    name = to_property_key(key)
    if get_own(obj, name) is not HOLE or name in ("__proto__", "constructor"):
        return True
    if isinstance(obj, JSObject):
        return obj[name] is not UNDEFINED
    if isinstance(obj, JSFunction) and name == "prototype":
        return obj.code.has_prototype
    return get_inherited(obj, name) is not UNDEFINED


def own_keys(obj: Value) -> list[str]:
    """The names that `Object.keys` gives: own, enumerable, indices first and in order.

    Charged as one step for each, and as new memory where the names are new texts.
    """
    if isinstance(obj, JSObject):
        charge_steps(len(obj))
        if obj.__class__ is JSObject:
            return ordered_names(list(obj))
        if isinstance(obj, JSError):
            return ordered_names([key for key in obj if key not in obj.hidden])
        if isinstance(obj, Namespace) and not obj.enumerable:
            return []
        return ordered_names(list(obj))
    return _element_names(obj) + other_names(obj)


def own_names(obj: Value) -> list[str]:
    """The names that `Object.getOwnPropertyNames` gives: own, whether enumerable or not.

    Charged as `own_keys` is.
    """
    if isinstance(obj, JSObject):
        charge_steps(len(obj))
        return ordered_names(list(obj))
    names = _element_names(obj)
    if isinstance(obj, JSArray | str):
        names.append("length")
    if isinstance(obj, JSCallable):
        first = [key for key in ("length", "name") if get_own(obj, key) is not HOLE]
        if isinstance(obj, Builtin):
            first += list(obj.members)
        return first + [key for key in other_names(obj) if key not in first]
    return names + other_names(obj)


def is_enumerable(obj: Value, key: str) -> bool:
    """Whether an own property is one that loops over keys see."""
    if isinstance(obj, JSObject):
        if isinstance(obj, JSError):
            return key not in obj.hidden
        return not isinstance(obj, Namespace) or obj.enumerable
    if isinstance(obj, JSArray | str):
        return key != "length"
    return _is_other(obj, key)


def other_names(obj: Value) -> list[str]:
    """The names of the properties that an array, function, `Map`… has beside what it is made of."""
    bag = other_properties(obj) if is_object(obj) else None
    if not bag:
        return []
    charge_steps(len(bag))
    return ordered_names([key for key, value in bag.items() if value is not HOLE])


def _element_names(obj: Value) -> list[str]:
    """The indices, as names, at which an array or string has an element."""
    if isinstance(obj, JSArray):
        holes = obj.count(HOLE)
    elif isinstance(obj, str):
        holes = 0
    else:
        return []
    charge_steps(len(obj))
    charge_memory((ELEMENT_UNITS + _NAME_UNITS) * (len(obj) - holes))
    if not holes:
        return [str(index) for index in range(len(obj))]
    return [str(index) for index, value in enumerate(obj) if value is not HOLE]


def ordered_names(names: list[str]) -> list[str]:
    """Property names as JavaScript lists them: array indices ascending, then as they came."""
    if not names or min(names) >= ":":  # no name begins with a digit
        return names
    indices = [name for name in names if array_index(name) >= 0]
    if not indices:
        return names
    indices.sort(key=int)
    return indices + [name for name in names if array_index(name) < 0]


@state_class("key iterator", "obj", "keys", "position", "props")
class KeyIterator(JSIterator):
    """What a `for…in` goes along: the names at its start, without those deleted meanwhile."""

    __slots__ = ("keys", "obj", "position")

    def __init__(self, obj: Value) -> None:
        self.props = None
        self.obj = obj
        self.keys: list[str] = [] if obj is None or obj is UNDEFINED else own_keys(obj)
        self.position = 0

    def __next__(self) -> str:
        while self.position < len(self.keys):
            key = self.keys[self.position]
            self.position += 1
            if get_own(self.obj, key) is not HOLE:
                return key
        raise StopIteration


def enumerate_keys(obj: Value) -> KeyIterator:
    """The iterator of `for (… in obj)`; null and undefined have no keys."""
    keys = KeyIterator(obj)
    if isinstance(obj, JSObject):
        charge_memory(ELEMENT_UNITS * len(keys.keys))
    return keys


def iterate(value: Value) -> JSIterator:
    """The iterator of `for (… of value)`, spread and destructuring."""
    if isinstance(value, JSArray):
        return ArrayIterator(value)
    kind = value.__class__
    if kind is str:
        return StringIterator(value)
    if isinstance(value, JSMap):
        return TableIterator(value, ENTRIES)
    if isinstance(value, JSSet):
        return TableIterator(value, KEYS)
    if isinstance(value, JSIterator):
        return value
    what = typeof(value) if value is not None else "null"
    throw("TypeError", f"a value of type {what} is not iterable")


def collect(value: Value) -> list[Value]:
    """All that `iterate(value)` gives, charged; for spread and library functions."""
    if value.__class__ is JSArray:
        check_growth(len(value))
        return [UNDEFINED if item is HOLE else item for item in value]
    items: list[Value] = []
    for item in iterate(value):
        items.append(item)
        if len(items) & 0xFFF == 0:  # an iterator may never end: look now and then
            check_growth(0x1000)
            check_array(len(items))
    check_growth(len(items) & 0xFFF)
    return items


def check_growth(count: int) -> None:
    """Charge for `count` array elements being touched and made."""
    charge_elements(count)


def copy_data_properties(target: JSObject, source: Value, excluded: Collection[str] = ()) -> None:
    """Copy own enumerable properties, as `{...source}` and rest patterns do."""
    if source is None or source is UNDEFINED:
        return
    count = len(target)
    if source.__class__ is JSObject:
        charge_steps(len(source))
        most = PROPERTY_UNITS * len(source)
        charge_memory(most)
        if excluded:
            target.update((key, value) for key, value in source.items() if key not in excluded)
        else:
            target.update(source)
    else:
        keys = own_keys(source)
        most = PROPERTY_UNITS * len(keys)
        charge_memory(most)
        for key in keys:
            if key not in excluded:
                target[key] = get_own(source, key)
    charge_memory(PROPERTY_UNITS * (len(target) - count) - most)


def instance_of(value: Value, constructor: Value) -> bool:
    """`value instanceof constructor`."""
    while isinstance(constructor, BoundFunction):
        constructor = constructor.target
    if not isinstance(constructor, JSCallable):
        throw("TypeError", "the right side of 'instanceof' must be a function")
    if not is_object(value):
        return False
    if isinstance(constructor, JSFunction):
        if constructor.code.has_prototype:
            return False  # nothing is ever built with a user function
    elif isinstance(constructor, Builtin) and constructor.construct is not None:
        return _is_instance(value, constructor.name)
    throw("TypeError", "the right side of 'instanceof' is a function that cannot construct")


def check_species(value: Value, kind: str) -> None:
    """Throw unless a method of a `kind`, "Array" or "Promise", can make its result like `value`.

    It is made by what `value.constructor` says, and without symbols that is always `kind` itself;
    but only undefined and objects may stand there.
    """
    constructor = get_member(value, "constructor")
    if constructor is UNDEFINED or (isinstance(constructor, Builtin) and constructor.name == kind):
        return
    if not is_object(constructor):
        throw("TypeError", "the property 'constructor' is no function")
    if isinstance(constructor, Builtin) and constructor.name in ("Array", "Map", "Promise", "Set"):
        throw("TypeError", f"a {kind} made by {constructor.name} is not part of Flow")


def set_array_length(array: JSArray, value: Value) -> bool:
    """`array.length = value`: cuts elements off, or adds holes. Whether it is that long now."""
    integrity = integrity_of(array)
    if integrity == FROZEN:
        return False  # without a look at the value
    length = to_uint32(value)
    if float(length) != to_number(value):
        throw("RangeError", "invalid array length")
    if length < len(array):
        if integrity < SEALED:
            del array[length:]
        else:
            while len(array) > length and array[-1] is HOLE:
                array.pop()
    elif length > len(array):
        check_array(length)
        charge_memory(ELEMENT_UNITS * (length - len(array)))
        array.extend([HOLE] * (length - len(array)))
    return length == len(array)


def set_array_element(array: JSArray, index: int, value: Value) -> None:
    """`array[index] = value`, growing the array when the index is beyond its end."""
    length = len(array)
    if index < length and array.__class__ is JSArray:
        array[index] = value
        return
    integrity = integrity_of(array)
    if index < length and array[index] is not HOLE:
        if integrity < FROZEN:
            array[index] = value
    elif integrity == EXTENSIBLE:
        if index < length:
            array[index] = value
            return
        check_array(index + 1)
        charge_memory(ELEMENT_UNITS * (index + 1 - length))
        if index > length:
            array.extend([HOLE] * (index - length))
        array.append(value)


def _set_on_array(array: JSArray, key: str, value: Value) -> None:
    index = array_index(key)
    if index >= 0:
        set_array_element(array, index, value)
    elif key == "length":
        set_array_length(array, value)
    elif integrity_of(array) == EXTENSIBLE or _is_other(array, key):
        _set_in_bag(property_bag(array), key, value)


def _set_in_bag(bag: JSObject, key: str, value: Value) -> None:
    integrity = integrity_of(bag)
    if key in bag:
        if integrity < FROZEN:
            bag[key] = value
    elif key == "__proto__":
        throw("TypeError", "setting '__proto__' is not part of Flow")
    elif integrity == EXTENSIBLE:
        bag[key] = value
        _charge_property()


def _is_other(obj: Value, key: str) -> bool:
    bag = other_properties(obj)
    return bag is not None and key in bag and bag[key] is not HOLE


_INSTANCES: Final[dict[str, Any]] = {
    "Object": object,
    "Array": JSArray,
    "Date": JSDate,
    "Map": JSMap,
    "Set": JSSet,
    "Promise": JSPromise,
    "Error": JSError,
}


def _is_instance(value: Value, constructor: str) -> bool:
    kind = _INSTANCES.get(constructor)
    if kind is not None:
        return isinstance(value, kind)
    return isinstance(value, JSError) and value.kind == constructor
