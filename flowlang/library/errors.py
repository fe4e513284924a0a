"""The error constructors and what errors inherit.

`Error(…)` with and without `new` is the same. `message`, `cause`, `errors` and `stack` are own
properties that no loop over keys sees; `name` is inherited until the program sets one.
"""

from __future__ import annotations

from typing import Final

from flowlang.library.registry import constructor, method
from flowlang.limits import check_string
from flowlang.values import (
    UNDEFINED,
    JSArray,
    JSError,
    Value,
    collect,
    get_member,
    has_property,
    is_object,
    make_error,
    throw,
    to_string,
)

ERROR_KINDS: Final = (
    "Error",
    "TypeError",
    "RangeError",
    "SyntaxError",
    "ReferenceError",
    "URIError",
    "EvalError",
    "AggregateError",
)


def _register(kind: str) -> None:
    def make(message: Value = UNDEFINED, options: Value = UNDEFINED, *_: Value) -> JSError:
        return _new_error(kind, message, options)

    constructor(kind, 1, call=make)(make)


for _kind in ERROR_KINDS[:-1]:
    _register(_kind)


def make_aggregate_error(
    errors: Value = UNDEFINED, message: Value = UNDEFINED, options: Value = UNDEFINED, *_: Value
) -> JSError:
    error = _new_error("AggregateError", message, options)
    error.define_hidden("errors", JSArray(collect(errors)))
    return error


constructor("AggregateError", 2, call=make_aggregate_error)(make_aggregate_error)


@method("Error.prototype.toString", 0)
def error_to_string(this: Value, *_: Value) -> str:
    if not is_object(this):
        throw("TypeError", "Error.prototype.toString was called on something that is no object")
    name, message = get_member(this, "name"), get_member(this, "message")
    shown_name = "Error" if name is UNDEFINED else to_string(name)
    shown_message = "" if message is UNDEFINED else to_string(message)
    if not shown_name or not shown_message:
        return shown_name or shown_message
    check_string(len(shown_name) + 2 + len(shown_message))
    return f"{shown_name}: {shown_message}"


def _new_error(kind: str, message: Value, options: Value) -> JSError:
    error = make_error(kind, None if message is UNDEFINED else to_string(message))
    if is_object(options) and has_property(options, "cause"):
        error.define_hidden("cause", get_member(options, "cause"))
    return error
