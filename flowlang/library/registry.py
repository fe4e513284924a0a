"""The one table of the standard library: every built-in function by its full name.

The modules of this package fill it with the decorators below, as they are imported by
`flowlang.library`; after that it never changes. Snapshots store these names, so a name may be
added but never given another meaning. `length` is JavaScript's, and the documentation's arity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

from flowlang.limits import (
    ELEMENT_UNITS,
    OBJECT_UNITS,
    PROPERTY_UNITS,
    charge_memory,
    charge_reading,
    check_string,
)
from flowlang.runtime import bound_call
from flowlang.values import (
    UNDEFINED,
    Builtin,
    JSArray,
    JSCallable,
    JSFunction,
    JSObject,
    Namespace,
    Value,
    throw,
    to_string,
    typeof,
)

REGISTRY: Final[dict[str, Builtin]] = {}
"""Every built-in function, by names such as "Math.floor" and "Array.prototype.map"."""

NAMESPACES: Final[dict[str, Namespace]] = {}
"""Every built-in object that is no function, such as `Math`."""

Function: TypeAlias = Callable[..., Any]
_F = TypeVar("_F", bound=Function)


def static(name: str, length: int) -> Callable[[_F], _F]:
    """Register a function called without an object: `Math.floor`, `parseInt`."""

    def register(function: _F) -> _F:
        _add(Builtin(name, length, call=function))
        return function

    return register


def method(name: str, length: int) -> Callable[[_F], _F]:
    """Register a function called as `function(this, *args)`: `Array.prototype.map`."""

    def register(function: _F) -> _F:
        _add(Builtin(name, length, method=function))
        return function

    return register


def constructor(name: str, length: int, *, call: Function) -> Callable[[_F], _F]:
    """Register what `new name(…)` runs; `call` is what `name(…)` without `new` does."""

    def register(function: _F) -> _F:
        _add(Builtin(name, length, call=call, construct=function))
        return function

    return register


def namespace(name: str, constants: dict[str, Value] | None = None) -> Namespace:
    """Register a built-in object; its functions are found by their names."""
    if name in NAMESPACES:
        raise ValueError(f"the library has two objects named {name!r}")
    NAMESPACES[name] = made = Namespace(name, (constants or {}).items())
    return made


def callback(value: Value, taker: str) -> Callable[..., Value]:
    """The Python callable of a function argument; a TypeError naming `taker` if it is none."""
    if not isinstance(value, JSCallable):
        throw("TypeError", f"{taker} needs a function, not a value of type {typeof(value)}")
    if value.__class__ is JSFunction:
        return bound_call(value)
    return value.call  # type: ignore[attr-defined,no-any-return]  # every callable has `call`


def sees_at_most(function: Value, count: int) -> bool:
    """Whether a callback cannot tell if it is given more than `count` arguments."""
    return function.__class__ is JSFunction and function.code.most_arguments <= count


def new_array(items: list[Value]) -> JSArray:
    """An array of these elements, charged as new memory."""
    charge_memory(OBJECT_UNITS + ELEMENT_UNITS * len(items))
    return JSArray(items)


def new_object(**properties: Value) -> JSObject:
    """A small plain object with these properties, charged as new memory."""
    charge_memory(OBJECT_UNITS + PROPERTY_UNITS * len(properties))
    return JSObject(properties)


def this_text(this: Value, name: str) -> str:
    """The object of a string method as text; only null and undefined are refused."""
    if this.__class__ is str:
        return this
    if this is None or this is UNDEFINED:
        throw("TypeError", f"{name} was called on {'null' if this is None else 'undefined'}")
    return to_string(this)


def charge_text(length: int) -> None:
    """Charge for going over so many characters and making a text of them."""
    check_string(length)
    charge_reading(length)


def _add(function: Builtin) -> None:
    if REGISTRY.setdefault(function.name, function) is not function:
        raise ValueError(f"the library has two functions named {function.name!r}")
