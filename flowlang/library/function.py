"""What every function inherits. Flow has no `this`: only built-in methods notice `thisArg`."""

from __future__ import annotations

from flowlang.library.registry import charge_text, method
from flowlang.limits import ELEMENT_UNITS, OBJECT_UNITS, charge_memory, charge_steps, check_array
from flowlang.values import (
    UNDEFINED,
    BoundFunction,
    Builtin,
    JSArray,
    JSCallable,
    JSFunction,
    Value,
    call_on,
    get_index,
    get_member,
    is_object,
    throw,
    to_length,
)


@method("Function.prototype.call", 1)
def call(this: Value, this_arg: Value = UNDEFINED, *args: Value) -> Value:
    return call_on(_function(this, "call"), this_arg, *args)


@method("Function.prototype.apply", 2)
def apply(this: Value, this_arg: Value = UNDEFINED, args: Value = UNDEFINED, *_: Value) -> Value:
    function = _function(this, "apply")
    if args is None or args is UNDEFINED:
        return call_on(function, this_arg)
    if not is_object(args):
        throw("TypeError", "apply needs its arguments in an array")
    length = len(args) if isinstance(args, JSArray) else to_length(get_member(args, "length"))
    check_array(length)
    charge_steps(length)
    charge_memory(ELEMENT_UNITS * length)
    return call_on(function, this_arg, *[get_index(args, float(at)) for at in range(length)])


@method("Function.prototype.bind", 1)
def bind(this: Value, this_arg: Value = UNDEFINED, *args: Value) -> BoundFunction:
    charge_steps(len(args))
    charge_memory(OBJECT_UNITS + ELEMENT_UNITS * len(args))
    return BoundFunction(_function(this, "bind"), this_arg, list(args))


@method("Function.prototype.toString", 0)
def function_to_string(this: Value, *_: Value) -> str:
    function = _function(this, "toString")
    if isinstance(function, JSFunction):
        text = function.code.source_text
        charge_text(len(text))
        return text
    name = function.shown_name if isinstance(function, Builtin) else ""
    return f"function {name}() {{ [native code] }}"


def _function(this: Value, name: str) -> JSCallable:
    if not isinstance(this, JSCallable):
        throw("TypeError", f"Function.prototype.{name} was called on something that is no function")
    return this
