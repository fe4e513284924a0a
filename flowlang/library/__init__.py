"""The standard library: every global name, and one table of all built-in functions.

Importing this package fills the tables of what values inherit. `REGISTRY` finds a function by the
name under which snapshots keep it; `GLOBALS` is what a program sees without declaring anything
(`Inputs` and `Context` belong to each execution and are the machine's).
"""

from __future__ import annotations

from typing import Final

from flowlang.library import (
    array,
    collections,
    console,
    date,
    durable,
    errors,
    function,
    globals,
    json,
    math,
    number,
    object,
    promise,
    string,
)
from flowlang.library.border import export_value, import_value
from flowlang.library.registry import NAMESPACES, REGISTRY
from flowlang.values import (
    ERROR_PROTOTYPES,
    FUNCTION_PROTOTYPE,
    OBJECT_PROTOTYPE,
    PROTOTYPES,
    UNDEFINED,
    ArrayIterator,
    JSArray,
    JSDate,
    JSMap,
    JSPromise,
    JSSet,
    StringIterator,
    TableIterator,
    Value,
)
from flowlang.values.properties import KeyIterator

__all__ = ["GLOBALS", "NAMESPACES", "REGISTRY", "export_value", "import_value"]

_SUBJECTS: Final = (
    array, collections, console, date, durable, errors, function, globals, json, math, number,
    object, promise, string,
)  # fmt: skip
"""The modules that registered what is in the tables."""

_CLASSES: Final[dict[type, str]] = {
    JSArray: "Array",
    str: "String",
    float: "Number",
    bool: "Boolean",
    JSDate: "Date",
    JSMap: "Map",
    JSSet: "Set",
    JSPromise: "Promise",
}


def _members_of(owner: str) -> dict[str, Value]:
    """The functions registered as `owner.name`."""
    return {
        function.shown_name: function
        for name, function in REGISTRY.items()
        if name.rpartition(".")[0] == owner
    }


def _build_prototypes() -> None:
    OBJECT_PROTOTYPE.update(_members_of("Object.prototype"))
    OBJECT_PROTOTYPE["constructor"] = REGISTRY["Object"]
    FUNCTION_PROTOTYPE.update(OBJECT_PROTOTYPE | _members_of("Function.prototype"))
    del FUNCTION_PROTOTYPE["constructor"]  # Function itself is not part of Flow
    FUNCTION_PROTOTYPE.update(name="", length=0.0)
    for kind, name in _CLASSES.items():
        own = _members_of(f"{name}.prototype")
        PROTOTYPES[kind] = OBJECT_PROTOTYPE | own | {"constructor": REGISTRY[name]}
    PROTOTYPES[JSSet]["keys"] = REGISTRY["Set.prototype.values"]
    for iterator in (ArrayIterator, StringIterator, TableIterator, KeyIterator):
        PROTOTYPES[iterator] = OBJECT_PROTOTYPE | _members_of("Iterator.prototype")
    to_string = REGISTRY["Error.prototype.toString"]
    for kind_name in errors.ERROR_KINDS:
        ERROR_PROTOTYPES[kind_name] = {
            "constructor": REGISTRY[kind_name],
            "name": kind_name,
            "message": "",
            "toString": to_string,
        }


def _fill_owners() -> None:
    """Hang every `Owner.name` on its constructor or namespace."""
    for name in NAMESPACES:
        NAMESPACES[name].update(_members_of(name))
    for name, owner in REGISTRY.items():
        if "." not in name:
            owner.members.update(_members_of(name))


def _globals() -> dict[str, Value]:
    found: dict[str, Value] = {
        "undefined": UNDEFINED,
        "NaN": number.CONSTANTS["NaN"],
        "Infinity": number.CONSTANTS["POSITIVE_INFINITY"],
    }
    found.update(NAMESPACES)
    found.update((name, function) for name, function in REGISTRY.items() if "." not in name)
    return found


_fill_owners()
_build_prototypes()

GLOBALS: Final[dict[str, Value]] = _globals()
"""Every global of a program, by name."""
