"""The two functions that a promise's executor is given, as data."""

from __future__ import annotations

from flowlang.values.kinds import UNDEFINED, JSPromise, NativeFunction, Value, state_class


@state_class("resolve function", "promise", "already", "rejects", "props")
class ResolveFunction(NativeFunction):
    """Settles one promise, once. `already` is a one-element list shared by the pair."""

    __slots__ = ("already", "promise", "rejects")

    def __init__(self, promise: JSPromise, already: list[bool], rejects: bool) -> None:
        self.props = None
        self.promise = promise
        self.already = already
        self.rejects = rejects

    @property
    def is_spent(self) -> bool:
        return self.already[0]

    def call(self, *args: Value) -> Value:
        # The machine is built from values; it is looked up at the call, when there must be one.
        from flowlang.machine import current

        if not self.already[0]:
            self.already[0] = True
            value = args[0] if args else UNDEFINED
            if self.rejects:
                current().reject(self.promise, value)
            else:
                current().resolve(self.promise, value)
        return UNDEFINED
