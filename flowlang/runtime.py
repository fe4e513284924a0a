"""What generated code calls besides `flowlang.values`: names, calls, texts, patterns.

`NAMESPACE` is the whole world of generated code: the names in it and nothing else, `__builtins__`
included. Its functions are small, since they run for every operation that generated code does not
do itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from sys import getrefcount
from types import MethodType
from typing import TYPE_CHECKING, Any, Final

from flowlang import values
from flowlang.limits import (
    ELEMENT_UNITS,
    PROPERTY_UNITS,
    charge_elements,
    charge_memory,
    charge_reading,
    check_array,
    check_length,
    check_string,
)
from flowlang.machine import AWAIT, DONE, current
from flowlang.values import (
    HOLE,
    TDZ,
    UNDEFINED,
    JSArray,
    JSCallable,
    JSFunction,
    JSIterator,
    JSObject,
    Throw,
    Value,
    bind_call,
    copy_data_properties,
    get_index,
    get_member,
    get_method,
    has_property,
    is_object,
    iterate,
    throw,
    to_property_key,
)

if TYPE_CHECKING:
    from flowlang.machine import Machine
    from flowlang.program import FunctionCode

Scope = list[Any]
"""Variables that closures share: the scope around, then the variables by their index."""


# ---------------------------------------------------------------------------------------- functions


def closure(code: FunctionCode, scope: Scope | None, machine: Machine) -> JSFunction:
    """A new function object. Its code is lowered when it is first called."""
    run = machine.callables.get(code)
    if run is None:
        function = JSFunction(code, scope, _first_call)
        bind_later(function)
        return function
    return JSFunction(code, scope, run if scope is None else MethodType(run, scope))


def bind_later(function: JSFunction) -> None:
    """Let a function object find the Python callable that runs its code when it is called."""
    function.call = MethodType(_first_call, function)


def bound_call(function: JSFunction) -> Callable[..., Value]:
    """What calls a function object, for those who call it again and again: its code is lowered."""
    call = function.call
    if call.__class__ is MethodType and call.__self__ is function:
        code: Any = function.code
        machine = current()
        run = machine.callables.get(code)
        if run is None:
            run = machine.callables[code] = code.ready()(machine)
        scope = function.scope
        function.call = call = run if scope is None else MethodType(run, scope)
    return call


def _first_call(function: JSFunction, *args: Value) -> Value:
    return bound_call(function)(*args)


def name_function(function: JSFunction, key: str) -> JSFunction:
    """Name a function after the computed key it is stored under."""
    function.name = key
    return function


def callee(function: Value, text: str) -> Any:
    """The Python callable of a called value; one that throws, naming `text`, if it is none."""
    if isinstance(function, JSCallable):
        return function.call  # type: ignore[attr-defined]  # each subclass of it has `call`
    return MethodType(_not_a_function, text)


def _not_a_function(text: str, *_: Value) -> Value:
    throw("TypeError", f"{text} is not a function")


def get_index_method(owner: Value, key: Value) -> Any:
    """What `owner[key](…)` calls, read now."""
    if owner is None or owner is UNDEFINED:
        return get_index(owner, key)  # throws
    name = to_property_key(key)
    charge_reading(len(name))
    if owner.__class__ is JSArray:
        return bind_call(get_index(owner, key), owner, name)
    return get_method(owner, name)


# ---------------------------------------------------------------------------------------- names


def too_early(name: str) -> Value:
    throw("ReferenceError", f"cannot use '{name}' before its declaration has run")


def constant_assigned(name: str) -> None:
    throw("TypeError", f"'{name}' is a constant and cannot be assigned to")


def read_global(machine: Machine, name: str) -> Value:
    """A name that no declaration of the program has: one created by assigning to it."""
    try:
        return machine.variables[name]
    except KeyError:
        throw("ReferenceError", f"{name} is not defined")


def write_global(machine: Machine, name: str, value: Value) -> None:
    if name not in machine.variables:
        charge_memory(PROPERTY_UNITS)
    machine.variables[name] = value


def typeof_global(machine: Machine, name: str) -> str:
    return values.typeof(machine.variables.get(name, UNDEFINED))


# ---------------------------------------------------------------------------------------- values


def length_of(owner: Value) -> Value:
    if owner.__class__ is str:
        return float(len(owner))
    return get_member(owner, "length")


def join_text(parts: Sequence[str]) -> str:
    """What a template literal gives."""
    text = "".join(parts)
    check_string(len(text))
    return text


def concatenate(left: str, right: str) -> str:
    check_string(len(left) + len(right))
    return left + right


def text_to_add(value: Value) -> str:
    """What a value adds to a text, where `+` meets one."""
    if value.__class__ is str:
        return value
    return values.to_string(values.to_primitive(value))


def check_append(text: str, more: str) -> None:
    """Charge for `more` being appended to a text in place: only what is added is new. A long text
    that something else than the caller's local holds too is copied, and charged whole."""
    length = len(more)
    charge_memory(length)
    if len(text) + length > _SHORT:
        check_length(len(text) + length)
        if getrefcount(text) > _ALONE:
            charge_memory(len(text))


def _references(text: str, more: str) -> int:
    return getrefcount(text)


def _references_of_one_local() -> int:
    text = "".join(("held by ", "a local"))
    return _references(text, "")


_ALONE: Final = _references_of_one_local()
"""What counts as one reference from a local differs between Pythons."""


def let_go(owner: Value, key: Value) -> None:
    """Drop the string at `owner[key]`, which is about to be replaced by a longer one: the local
    that holds it too is then its only holder, and Python can let it grow in place."""
    if owner.__class__ is JSObject:
        if key in owner:
            owner[key] = None
    elif owner.__class__ is JSArray and key.__class__ is float and 0 <= key < len(owner):
        owner[int(key)] = None


_SHORT: Final = 4096
"""Copying so many characters takes no longer than a step, and is no matter for any limit."""


def spread_array(items: tuple[Value, ...]) -> JSArray:
    """An array literal with spread elements."""
    check_array(len(items))
    charge_memory(ELEMENT_UNITS * len(items))
    return JSArray(items)


def rest_array(items: tuple[Value, ...]) -> JSArray:
    """The arguments that a rest parameter takes."""
    charge_memory(PROPERTY_UNITS * 2 + ELEMENT_UNITS * len(items))
    return JSArray(items)


def items_of(value: Value) -> Iterator[Value]:
    """An iterator for a loop that cannot suspend. It may give HOLE for an array's holes."""
    if value.__class__ is JSArray:
        # Python's list iterator is live and ends for good, as JavaScript's array iterator.
        return list.__iter__(value)
    return iterate(value)


def stopping(
    items: Iterable[Value],
    gates: Sequence[Iterable[object]],
    hook: Callable[[int], None],
    number: int,
) -> Iterator[Value]:
    """The items of a loop that may stop after each round."""
    for item in items:
        yield item
        for _ in gates[number]:
            break
        else:
            hook(number)


def contains_key(key: Value, owner: Value) -> bool:
    """`key in owner`."""
    return has_property(owner, key)


def key_of(owner: Value, key: Value) -> Value:
    """A computed key that is used twice, to read and then to write: converted once."""
    if key.__class__ is float or key.__class__ is str:
        return key
    if owner is None or owner is UNDEFINED:
        return key
    return to_property_key(key)


def refuse_prototype(value: Value) -> None:
    """`{ __proto__: value }`: JavaScript ignores a value that is no object, Flow refuses others."""
    if value is None or is_object(value):
        throw("TypeError", "setting '__proto__' is not part of Flow")


# ---------------------------------------------------------------------------------------- patterns


def take_one(iterator: JSIterator) -> Value:
    """The next value of an array pattern; undefined past the end."""
    for item in iterator:
        return item
    return UNDEFINED


def take_rest(iterator: JSIterator) -> JSArray:
    """All values that are left for a rest element."""
    items = []
    for item in iterator:
        charge_elements(1)
        items.append(item)
        if len(items) & 0xFFF == 0:
            check_array(len(items))
    charge_memory(2 * PROPERTY_UNITS)
    return JSArray(items)


def require_destructurable(value: Value) -> Value:
    if value is None or value is UNDEFINED:
        throw("TypeError", f"{'null' if value is None else 'undefined'} cannot be taken apart")
    return value


def rest_of(owner: Value, taken: Sequence[str]) -> JSObject:
    """The properties of `owner` that the pattern did not take."""
    rest = JSObject()
    charge_memory(2 * PROPERTY_UNITS)
    copy_data_properties(rest, owner, taken)
    return rest


_FROM_VALUES: Final = [
    "add",
    "bind_call",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "collect",
    "copy_data_properties",
    "define_member",
    "delete_member",
    "divide",
    "enumerate_keys",
    "get_index",
    "get_member",
    "get_method",
    "greater_equal",
    "greater_than",
    "instance_of",
    "iterate",
    "less_equal",
    "less_than",
    "loose_equals",
    "multiply",
    "negate",
    "number_to_string",
    "power",
    "remainder",
    "set_index",
    "set_member",
    "shift_left",
    "shift_right",
    "shift_right_unsigned",
    "strict_equals",
    "subtract",
    "to_boolean",
    "to_number",
    "to_property_key",
    "to_string",
    "typeof",
]

_OWN: Final = (
    callee,
    check_append,
    closure,
    concatenate,
    constant_assigned,
    contains_key,
    get_index_method,
    items_of,
    join_text,
    key_of,
    length_of,
    let_go,
    name_function,
    read_global,
    refuse_prototype,
    require_destructurable,
    rest_array,
    rest_of,
    spread_array,
    stopping,
    take_one,
    take_rest,
    text_to_add,
    too_early,
    typeof_global,
    write_global,
)

NAMESPACE: Final[dict[str, Any]] = {
    "__builtins__": {},
    "AWAIT": AWAIT,
    "DONE": DONE,
    "HOLE": HOLE,
    "INFINITY": float("inf"),
    "JSArray": JSArray,
    "JSFunction": JSFunction,
    "JSObject": JSObject,
    "NAN": float("nan"),
    "TDZ": TDZ,
    "Throw": Throw,
    "bool": bool,
    "float": float,
    "len": len,
    "str": str,
    "undefined": UNDEFINED,
    **{name: getattr(values, name) for name in _FROM_VALUES},
    **{function.__name__: function for function in _OWN},
}
"""The globals of generated code, before a program adds its functions and constants."""
