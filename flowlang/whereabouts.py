"""Where a machine stands: which functions wait, for what and for whom, and what they can see.

Looks at a machine, between two turns or stopped within one, and changes nothing. What a function
waits for is found from behind: a promise does not know who will settle it, but whoever will do so
is somewhere in the state, so the state is gone through once, and what settles what is written down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from flowlang import snapshot
from flowlang.compiler import Place, ScopePlaces
from flowlang.library import console
from flowlang.library.promise import ElementFunction, KeyedFunction
from flowlang.machine import Frame, Machine, Reaction, Request, Waiter
from flowlang.source import from_units, quoted
from flowlang.values import TDZ, JSPromise, ResolveFunction, Value

MAX_PARTS: Final = (1000, 10, 10)
"""So many parts of a combination of promises are told, and of those within it; deeper none. What is
told is a tree, and promises that share parts could make it a huge one."""

MAX_NAMED: Final = 3
"""So many parts of a combination are named in a sentence."""


class VisibleScope(msgspec.Struct, frozen=True):
    """The variables of one scope, by name in the order of their declarations.

    Attributes:
        kind: "block" (a loop, `switch` and `catch` are blocks too), "function" for parameters and
            what its body declares, "closure" for what is around the function, or "workflow" for
            names that the program created by assigning to them.
        variables: values of the program; `show` tells how they look.
        gone: the names of variables around the function that are not kept, since no function within
            uses them.
    """

    kind: Literal["block", "function", "closure", "workflow"]
    variables: dict[str, Value]
    gone: tuple[str, ...] = ()


class Awaited(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an `await` waits for.

    Attributes:
        kind: something asked of the world ("task", "workflow", "timer", "signal", "sending" of a
            signal); the end of a "function"; a combination of promises ("all", "allSettled",
            "any", "race"); a "promise" that nothing in sight will settle; or "nothing" any more.
        name: of the task, workflow, signal or function; the execution that a signal is sent to.
        n: the number of the command that asked, or, for a signal, of its time limit's timer.
        due_ms: when the timer or the signal's time limit fires, unix ms.
        line: where it was asked, or where the function stands.
        function: which of the machine's suspended functions it is; None for one that runs.
        parts: what a combination still waits for.
        more: how many parts are left out.
    """

    kind: Literal[
        "task",
        "workflow",
        "timer",
        "signal",
        "sending",
        "function",
        "all",
        "allSettled",
        "any",
        "race",
        "promise",
        "nothing",
    ]
    name: str = ""
    n: int | None = None
    due_ms: int | None = None
    line: int | None = None
    function: int | None = None
    parts: tuple[Awaited, ...] = ()
    more: int = 0

    def __str__(self) -> str:
        """In words: "task 3 'charge'", "all of signal 'paid' and timer 2"."""
        match self.kind:
            case "task" | "workflow":
                return f"{self.kind} {self.n} {quoted(self.name)}"
            case "timer":
                return f"timer {self.n}"
            case "signal":
                return f"signal {quoted(self.name)}"
            case "sending":
                return f"sending of signal {self.n} to {quoted(self.name)}"
            case "function":
                place = "that runs" if self.line is None else f"at line {self.line}"
                return f"function {quoted(self.name)} {place}"
            case "promise":
                return "a promise that nothing in sight settles"
            case "nothing":
                return "nothing any more"
        parts = [str(part) for part in self.parts[:MAX_NAMED]]
        more = self.more + len(self.parts) - len(parts)
        if more:
            parts.append(f"{more:,} more")
        listed = " and ".join([", ".join(parts[:-1])] * (len(parts) > 1) + parts[-1:])
        head = {"any": "any", "race": "the first"}.get(self.kind, "all")
        return f"{head} of {listed}"


class Position(msgspec.Struct, frozen=True):
    """One function that has begun.

    Attributes:
        name: the function's, "main" for the program itself.
        line, column: where it stands, from 1.
        scopes: what can be seen there, innermost first; what an inner scope hides is left out.
    """

    name: str
    line: int
    column: int
    scopes: tuple[VisibleScope, ...]

    @property
    def variables(self) -> dict[str, Value]:
        """All that can be seen, innermost first."""
        return {name: value for scope in self.scopes for name, value in scope.variables.items()}


class Suspended(Position, frozen=True):
    """One function that waits.

    Attributes:
        awaits: the source text of what is awaited.
        waits_for: what that is.
        awaited_by: which of the machine's suspended functions wait for this one.
    """

    awaits: str
    waits_for: Awaited
    awaited_by: tuple[int, ...]


def suspended(machine: Machine, running: Collection[Frame] = ()) -> list[Suspended]:
    """What `Machine.where` tells.

    Args:
        running: the functions that do not wait but run, when the machine is stopped within a turn.
    """
    return _Look(machine, running).tell()


def waiting(machine: Machine) -> list[Frame]:
    """The functions that wait, in the order of `suspended`."""
    return list(_Look(machine, ()).frames)


def visible(
    scopes: Sequence[ScopePlaces],
    machine: Machine,
    slots: Sequence[Any],
    scope: Any,
    local: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[VisibleScope, ...]:
    """The variables at these places of a function.

    Args:
        slots: of the function's frame.
        scope: the shared scope around the function.
        local: the Python locals of a function that runs.
    """
    seen: set[str] = set()
    found: list[VisibleScope] = []
    for group in scopes:
        variables: dict[str, Value] = {}
        for place in group.places:
            if place.name not in seen:
                variables[place.name] = kept_text(_read(place, slots, scope, local))
        seen.update(variables)
        gone = tuple(name for name in group.gone if name not in seen)
        seen.update(gone)
        if variables or gone:
            found.append(VisibleScope(group.kind, variables, gone))
    variables = {name: value for name, value in machine.variables.items() if name not in seen}
    if variables:
        found.append(VisibleScope("workflow", variables))
    return tuple(found)


def _read(place: Place, slots: Sequence[Any], scope: Any, local: Mapping[str, Any]) -> Value:
    if place.slot is not None:
        held = slots[place.slot]
        return held[place.index] if place.index else held
    if place.local is not None:
        held = local.get(place.local, TDZ)
        return held[place.index] if place.index and held is not TDZ else held
    for _ in range(place.hops):
        scope = scope[0]
    return scope[place.index]


def kept_text(value: Value) -> Value:
    """A value for somebody who may hold on to it. Whether a text can grow in place depends on who
    else holds it, so the looker gets a text of his own."""
    return value[:1] + value[1:] if value.__class__ is str else value


# ---------------------------------------------------------------------------------------- looking


class _Look:
    """One look at a machine.

    Attributes:
        awaited: the promise that each suspended function waits for.
        settlers: who will settle a promise: a request of some number, a waiter, a function, or
            another promise as part of a combination of some kind, at a place in it.
    """

    def __init__(self, machine: Machine, running: Collection[Frame]) -> None:
        self.machine = machine
        self.running = running
        self.ready: set[Frame] = set()
        self.awaited: dict[Frame, JSPromise] = {}
        self.settlers: dict[JSPromise, list[Any]] = {}
        self.frames: dict[Frame, int] = {}
        self.known: dict[tuple[JSPromise, int], Awaited] = {}
        state = snapshot.reachable(list(self.roots()))
        for number, request in machine.requests.items():
            self.settles(request.promise, (number, request))
        for waiter in machine.waiters:
            self.settles(waiter.promise, waiter)
        for item in state:
            if item.__class__ is Frame:
                self.settles(item.promise, item)
            elif item.__class__ is JSPromise:
                for reaction in item.reactions or ():
                    if reaction.__class__ is Frame:
                        self.awaited[reaction] = item
                    elif reaction.__class__ is Reaction:
                        for promise, kind, place in _led_to(reaction):
                            self.settles(promise, (kind, item, place))
        for frame in running:
            self.settles(frame.promise, frame)
        for frame in (*self.reached(), *(item for item in state if item.__class__ is Frame)):
            if frame not in running:
                self.frames.setdefault(frame, len(self.frames))

    def roots(self) -> Iterator[Any]:
        """What all hangs on. A frame that runs cannot be written, but what hangs on it can."""
        for root in snapshot.roots(self.machine):
            if root.__class__ is not Frame or root not in self.running:
                yield root
        for frame in self.running:
            yield from (frame.promise, frame.scope, *frame.slots)
        for item in self.machine.pending():
            if item.__class__ is Frame:
                self.ready.add(item)
            yield item

    def settles(self, promise: JSPromise | None, settler: Any) -> None:
        if promise is not None:
            self.settlers.setdefault(promise, []).append(settler)

    def reached(self) -> Iterator[Frame]:
        """The functions that answers from outside lead to, then those behind the program."""
        machine = self.machine
        seen: set[Any] = set()
        stack: list[Any] = [machine.main_frame]
        stack += [waiter.promise for waiter in reversed(machine.waiters)]
        stack += [request.promise for _, request in sorted(machine.requests.items(), reverse=True)]
        while stack:
            at = stack.pop()
            if at is None or at in seen:
                continue
            seen.add(at)
            if at.__class__ is Frame:
                yield at
                stack.append(at.promise)
            elif at.__class__ is Reaction:
                stack += [promise for promise, _, _ in reversed(_led_to(at))]
            elif at.__class__ is JSPromise:
                stack += reversed(at.reactions or ())

    def tell(self) -> list[Suspended]:
        awaiting: dict[int, list[int]] = {position: [] for position in self.frames.values()}
        waits = []
        for frame in self.frames:
            promise = self.awaited.get(frame)
            nothing = Awaited("nothing" if frame in self.ready else "promise")
            waits.append(nothing if promise is None else self.awaits(promise))
        for position in self.frames.values():
            for function in set(_functions_in(waits[position])):
                awaiting[function].append(position)
        return [
            self.suspended(frame, waits[position], tuple(awaiting[position]))
            for frame, position in self.frames.items()
        ]

    def suspended(self, frame: Frame, waits_for: Awaited, awaited_by: tuple[int, ...]) -> Suspended:
        point = frame.code.await_at(frame.part)
        program = self.machine.program
        line, column = program.text.position(point.node.start)
        operand = point.node.operand
        text = " ".join(from_units(program.units[operand.start : operand.end]).split())
        scopes = visible(point.scopes, self.machine, frame.slots, frame.scope)
        name = frame.code.shown_name
        return Suspended(name, line, column, scopes, text, waits_for, awaited_by)

    def awaits(self, promise: JSPromise, nesting: int = 0) -> Awaited:
        """What will settle a promise, which is part of so many combinations."""
        way: dict[JSPromise, None] = {}
        # `then` and a promise resolved with another one wait for just what that one waits for.
        while promise not in way and (promise, nesting) not in self.known:
            way[promise] = None
            match self.settlers.get(promise, []):
                case [("race", JSPromise() as other, _)]:
                    promise = other
        found = self.known.get((promise, nesting))
        if found is None:
            found = self.settled_by(self.settlers.get(promise, []), nesting)
        for passed in way:
            self.known[passed, nesting] = found
        return found

    def settled_by(self, settlers: list[Any], nesting: int) -> Awaited:
        match settlers:
            case []:
                return Awaited("promise")
            case [(int() as n, Request() as request), *_]:
                kind: Any = request.kind
                return Awaited(kind, request.name, n, request.due_ms, request.line)
            case [Waiter() as waiter, *_]:
                return Awaited("signal", waiter.name, waiter.timer, waiter.due_ms, waiter.line)
            case [Frame() as frame, *_] if frame in self.running:
                return Awaited("function", frame.code.shown_name)
            case [Frame() as frame, *_]:
                point = frame.code.await_at(frame.part)
                line = self.machine.program.line_at(point.node.start)
                name = frame.code.shown_name
                return Awaited("function", name, line=line, function=self.frames[frame])
        combined = settlers[0][0]
        if len(settlers) == 1 and combined == "race":
            return Awaited("promise")  # it was resolved with one that waits for it
        in_order = sorted(settlers, key=lambda settler: settler[2])
        parts = [part for kind, part, _ in in_order if kind == combined]
        told = parts[: MAX_PARTS[nesting]] if nesting < len(MAX_PARTS) else []
        return Awaited(
            combined,
            parts=tuple(self.awaits(part, nesting + 1) for part in told),
            more=len(parts) - len(told),
        )


def _led_to(reaction: Reaction) -> list[tuple[JSPromise, str, int]]:
    """The promises that a reaction settles, as part of which combination, and at which place."""
    handlers: tuple[Any, Any] = (reaction.on_fulfilled, reaction.on_rejected)
    found: list[tuple[JSPromise, str, int]] = []
    for handler in handlers:
        if handler.__class__ is ElementFunction:
            combination = handler.combination
            return [(combination.settle.promise, combination.kind, handler.position)]
        if handler.__class__ is KeyedFunction:
            found = [(handler.settle.promise, "race", 0)]
        elif handler.__class__ is ResolveFunction and not found:
            found = [(handler.promise, "race", 0)]
    if reaction.derived is not None:
        found.append((reaction.derived, "race", 0))
    return found


def _functions_in(awaited: Awaited) -> Iterator[int]:
    """The functions that something awaited waits for, itself or in combinations."""
    if awaited.function is not None:
        yield awaited.function
    for part in awaited.parts:
        yield from _functions_in(part)


def show(value: Value, at_most: int = console.MAX_LINE) -> str:
    """The text in which `console` shows a value that stands in another one: strings in quotes.

    Args:
        at_most: characters after which it is cut, with an ellipsis; the rest costs nothing.
    """
    if value is TDZ:
        return repr(value)
    return from_units(console.show(value, at_most))
