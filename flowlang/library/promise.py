"""`Promise`: its constructor, statics and methods, and the forms that take a plain object.

Settling and running reactions is the machine's business. Whatever has to wait in a reaction (what
`finally` hands on, what `all` has gathered so far) is an object with fields here, never a closure,
so that it can be kept in a snapshot. Each step asks for exactly the reactions that the standard
asks for, since their number decides the order in which a program runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowlang.library.registry import REGISTRY, callback, constructor, method, new_object
from flowlang.limits import ELEMENT_UNITS, OBJECT_UNITS, charge_memory, charge_step
from flowlang.machine import current
from flowlang.values import (
    UNDEFINED,
    JSArray,
    JSCallable,
    JSObject,
    JSPromise,
    NativeFunction,
    ResolveFunction,
    RestrictedObject,
    Throw,
    Value,
    call_method,
    call_on,
    check_species,
    get_member,
    is_object,
    iterate,
    make_error,
    own_keys,
    state_class,
    throw,
)


def _promise_without_new(*_: Value) -> Value:
    throw("TypeError", "Promise must be called with 'new'")


@constructor("Promise", 1, call=_promise_without_new)
def make_promise(executor: Value = UNDEFINED, *_: Value) -> JSPromise:
    call = callback(executor, "new Promise")
    promise, resolve, reject = _new_capability()
    try:
        call(resolve, reject)
    except Throw as thrown:
        reject.call(thrown.value)
    return promise


@method("Promise.resolve", 1)
def resolve(this: Value, value: Value = UNDEFINED, *_: Value) -> JSPromise:
    _check_constructor(this, "resolve")
    return current().promise_resolve(value)


@method("Promise.reject", 1)
def reject(this: Value, reason: Value = UNDEFINED, *_: Value) -> JSPromise:
    _check_constructor(this, "reject")
    promise = current().new_promise()
    current().reject(promise, reason)
    return promise


@method("Promise.prototype.then", 2)
def then(
    this: Value, on_fulfilled: Value = UNDEFINED, on_rejected: Value = UNDEFINED, *_: Value
) -> JSPromise:
    promise = _promise(this, "then")
    if promise.props is not None:
        check_species(promise, "Promise")
    derived = current().new_promise()
    current().then(promise, on_fulfilled, on_rejected, derived)
    return derived


@method("Promise.prototype.catch", 1)
def catch(this: Value, on_rejected: Value = UNDEFINED, *_: Value) -> Value:
    return call_method(this, "then", UNDEFINED, on_rejected)


@method("Promise.prototype.finally", 1)
def finally_(this: Value, on_finally: Value = UNDEFINED, *_: Value) -> Value:
    if not is_object(this):
        throw("TypeError", "Promise.prototype.finally was called on something that is no promise")
    check_species(this, "Promise")
    if not isinstance(on_finally, JSCallable):
        return call_method(this, "then", on_finally, on_finally)
    charge_memory(2 * OBJECT_UNITS)
    return call_method(
        this, "then", FinallyFunction(on_finally, False), FinallyFunction(on_finally, True)
    )


@state_class("finally function", "on_finally", "rejected", "props")
class FinallyFunction(NativeFunction):
    """Runs the handler of `finally`, waits for what it gives, and hands on the outcome."""

    __slots__ = ("on_finally", "rejected")

    def __init__(self, on_finally: JSCallable, rejected: bool) -> None:
        self.props = None
        self.on_finally = on_finally
        self.rejected = rejected

    def call(self, *args: Value) -> Value:
        charge_memory(OBJECT_UNITS)
        outcome = args[0] if args else UNDEFINED
        on_finally: Any = self.on_finally
        promise = current().promise_resolve(on_finally.call())
        return call_method(promise, "then", OutcomeFunction(outcome, self.rejected))


@state_class("outcome function", "outcome", "rejected", "props")
class OutcomeFunction(NativeFunction):
    """Gives back the outcome that `finally` saw, or throws it again."""

    __slots__ = ("outcome", "rejected")

    def __init__(self, outcome: Value, rejected: bool) -> None:
        self.props = None
        self.outcome = outcome
        self.rejected = rejected

    @property
    def length(self) -> int:
        return 0

    def call(self, *_: Value) -> Value:
        if self.rejected:
            raise Throw(self.outcome)
        return self.outcome


@state_class("combination", "kind", "values", "keys", "remaining", "settle")
class Combination:
    """What one call of `all`, `allSettled` or `any` has gathered.

    Attributes:
        kind: "all", "allSettled" or "any".
        values: outcomes by position, undefined until known.
        keys: the keys of the object it was called with, None for an iterable.
        remaining: outcomes still missing, and one more while it is being set up.
        settle: settles the promise of the whole: its `reject` for "any", else its `resolve`.
    """

    __slots__ = ("keys", "kind", "remaining", "settle", "values")

    def __init__(self, kind: str, keys: list[str] | None, settle: ResolveFunction) -> None:
        self.kind = kind
        self.values = JSArray()
        self.keys = keys
        self.remaining = 1
        self.settle = settle

    def one_less(self) -> None:
        """One outcome more is known; the last one settles the whole."""
        self.remaining -= 1
        if self.remaining:
            return
        if self.kind == "any":
            error = make_error("AggregateError", "All promises were rejected")
            error.define_hidden("errors", self.values)
            self.settle.call(error)
        elif self.keys is None:
            self.settle.call(self.values)
        else:
            self.settle.call(JSObject(zip(self.keys, self.values, strict=True)))


@state_class("element function", "combination", "position", "called", "rejected", "props")
class ElementFunction(NativeFunction):
    """Takes one outcome into a combination, once; `called` is shared by the two of one element."""

    __slots__ = ("called", "combination", "position", "rejected")

    def __init__(
        self, combination: Combination, position: int, called: list[bool], rejected: bool
    ) -> None:
        self.props = None
        self.combination = combination
        self.position = position
        self.called = called
        self.rejected = rejected

    @property
    def is_spent(self) -> bool:
        return self.called[0] or self.combination.settle.is_spent

    def call(self, *args: Value) -> Value:
        if self.called[0]:
            return UNDEFINED
        self.called[0] = True
        value = args[0] if args else UNDEFINED
        combination = self.combination
        if combination.kind == "allSettled":
            value = (
                new_object(status="rejected", reason=value)
                if self.rejected
                else new_object(status="fulfilled", value=value)
            )
        combination.values[self.position] = value
        combination.one_less()
        return UNDEFINED


@state_class("keyed function", "key", "settle", "props")
class KeyedFunction(NativeFunction):
    """Resolves with `{ key, value }`, for `any_kv` and `race_kv`."""

    __slots__ = ("key", "settle")

    def __init__(self, key: Value, settle: ResolveFunction) -> None:
        self.props = None
        self.key = key
        self.settle = settle

    @property
    def is_spent(self) -> bool:
        return self.settle.is_spent

    def call(self, *args: Value) -> Value:
        return self.settle.call(new_object(key=self.key, value=args[0] if args else UNDEFINED))


def _combine(kind: str, this: Value, source: Value) -> JSPromise:
    """`all`, `allSettled` and `any`, with or without keys."""
    _check_constructor(this, kind)
    promise, resolve, reject = _new_capability()
    try:
        keys, values = _sources(source, kind)
        charge_memory(2 * OBJECT_UNITS)
        base = kind.removesuffix("_kv")
        combination = Combination(
            base, keys if base != "any" else None, reject if base == "any" else resolve
        )
        for position, value in enumerate(values):
            charge_step()
            charge_memory(2 * OBJECT_UNITS + ELEMENT_UNITS)
            combination.values.append(UNDEFINED)
            next_promise = current().promise_resolve(value)
            called = [False]
            fulfilled: JSCallable = ElementFunction(combination, position, called, False)
            rejected: JSCallable = reject
            if base == "any":
                rejected, fulfilled = ElementFunction(combination, position, called, True), resolve
                if kind == "any_kv":
                    fulfilled = KeyedFunction(_key(keys, position), resolve)
            elif base == "allSettled":
                rejected = ElementFunction(combination, position, called, True)
            combination.remaining += 1
            _invoke_then(next_promise, fulfilled, rejected)
        combination.one_less()
    except Throw as thrown:
        reject.call(thrown.value)
    return promise


def _race(kind: str, this: Value, source: Value) -> JSPromise:
    _check_constructor(this, kind)
    promise, resolve, reject = _new_capability()
    try:
        keys, values = _sources(source, kind)
        for position, value in enumerate(values):
            charge_step()
            charge_memory(OBJECT_UNITS)
            fulfilled: JSCallable = resolve
            if kind == "race_kv":
                fulfilled = KeyedFunction(_key(keys, position), resolve)
            _invoke_then(current().promise_resolve(value), fulfilled, reject)
    except Throw as thrown:
        reject.call(thrown.value)
    return promise


@method("Promise.all", 1)
def all_(this: Value, source: Value = UNDEFINED, *_: Value) -> JSPromise:
    return _combine("all", this, source)


@method("Promise.allSettled", 1)
def all_settled(this: Value, source: Value = UNDEFINED, *_: Value) -> JSPromise:
    return _combine("allSettled", this, source)


@method("Promise.any", 1)
def any_(this: Value, source: Value = UNDEFINED, *_: Value) -> JSPromise:
    return _combine("any", this, source)


@method("Promise.any_kv", 1)
def any_kv(this: Value, source: Value = UNDEFINED, *_: Value) -> JSPromise:
    return _combine("any_kv", this, source)


@method("Promise.race", 1)
def race(this: Value, source: Value = UNDEFINED, *_: Value) -> JSPromise:
    return _race("race", this, source)


@method("Promise.race_kv", 1)
def race_kv(this: Value, source: Value = UNDEFINED, *_: Value) -> JSPromise:
    return _race("race_kv", this, source)


def _sources(source: Value, kind: str) -> tuple[list[str] | None, Iterator[Value]]:
    """The keys, if `source` is a plain object, and the values to wait for."""
    if source.__class__ is JSObject or source.__class__ is RestrictedObject:
        keys = own_keys(source)
        return keys, iter([source[key] for key in keys])
    if not is_object(source) and source.__class__ is not str:
        throw("TypeError", f"Promise.{kind} needs an iterable or an object of promises")
    return None, iterate(source)


def _key(keys: list[str] | None, position: int) -> Value:
    return float(position) if keys is None else keys[position]


def _invoke_then(promise: JSPromise, fulfilled: JSCallable, rejected: JSCallable) -> None:
    """`promise.then(…)`, of which the answer is not needed unless `then` is the program's own."""
    if promise.props is None:
        current().then(promise, fulfilled, rejected, None)
    else:
        call_on(get_member(promise, "then"), promise, fulfilled, rejected)


def _new_capability() -> tuple[JSPromise, ResolveFunction, ResolveFunction]:
    """A promise and the two functions that settle it, once."""
    charge_memory(2 * OBJECT_UNITS)
    promise = current().new_promise()
    already = [False]
    return (
        promise,
        ResolveFunction(promise, already, False),
        ResolveFunction(promise, already, True),
    )


def _promise(this: Value, name: str) -> JSPromise:
    if not isinstance(this, JSPromise):
        throw("TypeError", f"Promise.prototype.{name} was called on something that is no promise")
    return this


def _check_constructor(this: Value, name: str) -> None:
    if this is not REGISTRY["Promise"]:
        throw("TypeError", f"Promise.{name} must be called as a method of Promise")
