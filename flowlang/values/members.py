"""Reading a property by name: what a value has of its own, then what its class inherits.

Nothing here converts a key: names come as strings (`to_property_key` makes them). The rules that
only Flow has stand here too: `__proto__` and a function's `prototype` cannot be read.
"""

from __future__ import annotations

from functools import partial
from types import MethodType
from typing import Any

from flowlang.elsewhere import LEFT_OUT_OF, MEMBERS
from flowlang.limits import TEXT_PER_STEP, charge_reading
from flowlang.source import named
from flowlang.values.kinds import (
    HOLE,
    OBJECT_PROTOTYPE,
    PROTOTYPES,
    UNDEFINED,
    Builtin,
    EntryTable,
    ExoticArray,
    JSArray,
    JSCallable,
    JSDate,
    JSExotic,
    JSFunction,
    JSObject,
    Namespace,
    Value,
    throw,
)

MAX_INDEX = 2**32 - 2
"""The largest array index; a larger number is an ordinary property name."""

FUNCTION_PROTOTYPE: dict[str, Value] = {}
"""What every function inherits. Filled by `flowlang.library`, then left alone."""


def get_member(obj: Value, key: str) -> Value:
    """The value of `obj.key`; undefined when there is none, a TypeError on null and undefined."""
    kind = obj.__class__
    if len(key) > TEXT_PER_STEP:
        charge_reading(len(key))
    if kind is JSObject:
        return obj[key]
    if kind is JSArray:
        if key == "length":
            return float(len(obj))
        found = PROTOTYPES[JSArray].get(key, UNDEFINED)
        if found is not UNDEFINED or not ("0" <= key[:1] <= "9" or key == "__proto__"):
            return found
    elif obj is None or obj is UNDEFINED:
        throw("TypeError", f"cannot read property {named(key)} of {_nullish(obj)}")
    elif isinstance(obj, JSObject):
        return obj[key]
    own = get_own(obj, key)
    if own is not HOLE:
        return own
    return get_inherited(obj, key)


def get_own(obj: Value, key: str) -> Value:
    """The value of an own property, HOLE when there is none. Not for null and undefined."""
    if len(key) > TEXT_PER_STEP:
        charge_reading(len(key))
    if isinstance(obj, JSObject):
        return obj.get(key, HOLE)
    if isinstance(obj, JSArray):
        if key == "length":
            return float(len(obj))
        index = array_index(key)
        if index >= 0:
            return obj[index] if index < len(obj) else HOLE
        return obj.props.get(key, HOLE) if obj.__class__ is ExoticArray and obj.props else HOLE
    if obj.__class__ is str:
        if key == "length":
            return float(len(obj))
        index = array_index(key)
        return obj[index] if 0 <= index < len(obj) else HOLE
    if isinstance(obj, JSCallable):
        return _own_member_of_function(obj, key)
    if obj.__class__ is float or obj.__class__ is bool:
        return HOLE
    props = obj.props
    return HOLE if props is None else props.get(key, HOLE)


def get_inherited(obj: Value, key: str) -> Value:
    """What `obj` has from its class, for everything but plain objects and errors."""
    if isinstance(obj, JSCallable):
        found = FUNCTION_PROTOTYPE.get(key, UNDEFINED)
        if found is UNDEFINED and key in ("prototype", "constructor"):
            throw("TypeError", f"a function's {named(key)} is not part of Flow")
    elif key == "size" and isinstance(obj, EntryTable):
        return float(len(obj.index))
    else:
        kind = JSArray if obj.__class__ is ExoticArray else obj.__class__
        found = PROTOTYPES.get(kind, OBJECT_PROTOTYPE).get(key, UNDEFINED)
    if found is UNDEFINED and key == "__proto__":
        throw("TypeError", "reading '__proto__' is not part of Flow")
    return found


def get_method(obj: Value, key: str) -> Any:
    """What `obj.key(…)` calls, read now: a Python callable taking the plain arguments.

    When the property is no function, the answer is a callable that throws when it is called,
    since JavaScript evaluates the arguments before it complains.
    """
    kind = obj.__class__
    if kind is JSObject:
        found = obj[key]
        if found.__class__ is JSFunction:
            return found.call
    elif (
        kind is JSArray
        or kind is str
        or kind is float
        or (kind in PROTOTYPES and isinstance(obj, JSExotic) and obj.props is None)
    ):
        found = PROTOTYPES[kind].get(key)
        if found is None:
            found = get_member(obj, key)
    else:
        found = get_member(obj, key)
    return bind_call(found, obj, key)


def bind_call(function: Value, this: Value, name: str) -> Any:
    """The Python callable for calling `function` on `this`, known to the program as `name`."""
    if function.__class__ is Builtin:
        method = function.method
        if method is None:
            return function.call
        return partial(method, None) if this is None else MethodType(method, this)
    if isinstance(function, JSCallable):
        return function.call  # type: ignore[attr-defined]  # each subclass of it has `call`
    return MethodType(_left_out if _is_left_out(this, name) else _not_a_function, name)


def call_method(obj: Value, key: str, *args: Value) -> Value:
    """`obj.key(...args)`."""
    return get_method(obj, key)(*args)


def call_on(function: Value, this: Value, *args: Value) -> Value:
    """Call a function as a method of `this`, which only built-in methods notice."""
    return bind_call(function, this, "value")(*args)


def call_value(function: Value, *args: Value) -> Value:
    """`function(...args)`."""
    if isinstance(function, JSCallable):
        return function.call(*args)  # type: ignore[attr-defined]  # each subclass of it has `call`
    return _not_a_function("value")


def array_index(key: str) -> int:
    """The array index that a property name spells, -1 when it spells none.

    Only the canonical spelling counts: "01", "+1" and "1.0" are ordinary names.
    """
    if key and "0" <= key[0] <= "9" and len(key) <= 10:
        if key == "0":
            return 0
        if key[0] != "0" and key.isascii() and key.isdigit():
            index = int(key)
            return index if index <= MAX_INDEX else -1
    return -1


def _own_member_of_function(function: Any, key: str) -> Value:
    props = function.props
    if props is not None and key in props:
        return props[key]
    if key == "name":
        return function_name(function)
    if key == "length":
        return float(function_length(function))
    if function.__class__ is Builtin:
        return function.members.get(key, HOLE)
    return HOLE


def function_name(function: Any) -> str:
    """A function's `name` as it was made."""
    if function.__class__ is JSFunction:
        name = function.name
        return function.code.name if name is None else name
    return function.shown_name  # type: ignore[no-any-return]  # a str


def function_length(function: Any) -> int:
    """A function's `length`: how many parameters come before the first default or rest."""
    if function.__class__ is JSFunction:
        return function.code.length
    return function.length  # type: ignore[no-any-return]  # an int


def _nullish(value: Value) -> str:
    return "null" if value is None else "undefined"


def _is_left_out(this: Value, name: str) -> bool:
    """Whether Node has the method and Flow does not."""
    if name in LEFT_OUT_OF["object"]:
        return True
    if this.__class__ is str:
        return name in LEFT_OUT_OF["string"]
    if isinstance(this, Builtin | Namespace):
        return name in MEMBERS.get(this.name, ())
    return isinstance(this, JSDate) and name in LEFT_OUT_OF["date"]


def _left_out(name: str, *_: Value) -> Any:
    throw("TypeError", f"'{name}' is not part of Flow")


def _not_a_function(name: str, *_: Value) -> Any:
    shown = name if len(name) <= TEXT_PER_STEP else named(name)
    throw("TypeError", f"{shown} is not a function")
