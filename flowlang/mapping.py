"""A suspended machine that goes on with another source, an edited one.

`map_source` finds for each function that waits, and for each function object there is, where it
stands in the other source; what cannot be told for sure is refused. What it found is plain data, to
be kept: `mapped` then makes the machine of the other program, the same one at any time.

Variables go by their names in the scopes that belong together. One that is new has no value yet,
which is as it should be if its declaration is still to run, and is refused otherwise. What a
function has evaluated of the expression that it waits in is taken over as it is, so that expression
has to be the same but for what is awaited, and the loops, `switch` and `try` around it must be the
same kind. Everything that runs later may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from flowlang import nodes, snapshot
from flowlang.compiler import AwaitPoint
from flowlang.errors import MappingRefused
from flowlang.machine import Frame, Machine
from flowlang.matching import Matching
from flowlang.program import FunctionCode, Program
from flowlang.runtime import bind_later, closure
from flowlang.scope import FunctionInfo, Scope, Variable
from flowlang.source import from_units
from flowlang.values import TDZ, UNDEFINED, JSFunction, Value, typeof

_Pairs = tuple[tuple[int, int], ...]


class SourceMapping(msgspec.Struct, frozen=True):
    """Where in another source a machine goes on. All are offsets into the texts, in UTF-16 units.

    Attributes:
        functions: where functions start that wait or that there are objects of; -1 is the program.
        awaits: where the `await`s start at which functions wait.
    """

    functions: _Pairs
    awaits: _Pairs


class Moved(msgspec.Struct, frozen=True):
    """A function that waits, and the lines where it does so in the old source and in the new."""

    function: str
    old_line: int
    new_line: int


def moves(mapping: SourceMapping, old: Program, new: Program) -> list[Moved]:
    """What a mapping says of the functions that wait, for people."""
    found = []
    for start, other in mapping.awaits:
        inside = [
            code
            for code in old.functions
            if code.info.node.start <= start < code.info.node.end or code.index == 0
        ]
        name = from_units(inside[-1].shown_name)
        found.append(Moved(name, old.line_at(start), new.line_at(other)))
    return found


def map_source(machine: Machine, program: Program) -> SourceMapping:
    """Where a machine, between two turns, stands in another program.

    Raises:
        MappingRefused: it cannot be told.
    """
    matching = Matching(_tree(machine.program), _tree(program))
    functions: dict[int, int] = {}
    awaits: dict[int, int] = {}
    for held in snapshot.reachable(snapshot.roots(machine)):
        if isinstance(held, Frame | JSFunction):
            code: Any = held.code
            other = _function_of(matching, program, code)
            # Of those that are not there, some are reached by nothing that goes on.
            if other is not None:
                functions[code.key] = other.key
        if isinstance(held, Frame):
            point = held.code.await_at(held.part)
            awaits[point.node.start] = _await_of(matching, machine.program, program, point).start
    mapping = SourceMapping(tuple(functions.items()), tuple(awaits.items()))
    mapped(machine, program, mapping)
    return mapping


def mapped(machine: Machine, program: Program, mapping: SourceMapping) -> Machine:
    """The machine of another program that stands where a machine does; that one stays as it is.

    Raises:
        MappingRefused: a variable would have no value, or one that the program never gives it.
    """
    copy = snapshot.decode(
        machine.program, snapshot.encode(machine, limited=False), machine.facts, machine.limits
    )
    return _Mover(copy, program, mapping).moved()


def _tree(program: Program) -> nodes.Program:
    tree = program.analysis.functions[0].node
    assert isinstance(tree, nodes.Program)
    return tree


# ---------------------------------------------------------------------------------------- finding


def _function_of(matching: Matching, new: Program, code: FunctionCode) -> FunctionCode | None:
    """The function that one is in the other source; None if that cannot be told."""
    other = matching.counterpart.get(code.info.node)
    if not isinstance(other, nodes.Function | nodes.Program):
        return None
    found = new.functions[new.analysis.function_of[other].index]
    is_known = found.is_async is code.is_async and not matching.is_doubtful(code.info.node)
    return found if is_known else None


def _await_of(matching: Matching, old: Program, new: Program, point: AwaitPoint) -> nodes.Await:
    node = point.node
    line = old.line_at(node.start)
    other = matching.counterpart.get(node)
    if not isinstance(other, nodes.Await):
        raise MappingRefused("it waits here, and the other source has no such place", line)
    if matching.is_doubtful(node):
        raise MappingRefused(
            f"it waits here, which may be line {new.line_at(other.start)} of the other source, or "
            "another one that looks the same",
            line,
        )
    if not matching.awaits_the_same(node, other):
        raise MappingRefused(
            f"it waits here, and line {new.line_at(other.start)} of the other source waits for "
            "something else",
            line,
        )
    at: nodes.Node = node
    other_at: nodes.Node = other
    while not isinstance(at, nodes.Function) and at in matching.around:
        around, field = matching.around[at]
        other_around, other_field = matching.around[other_at]
        if matching.counterpart.get(around) is not other_around or field != other_field:
            raise MappingRefused(
                "it waits here, and in the other source something else is around this", line
            )
        if not _goes_on_alike(matching, old, new, (around, at, field), (other_around, other_at)):
            raise MappingRefused(
                "it waits here in the middle of something that the other source does otherwise: "
                f"see its line {new.line_at(other_around.start)}",
                line,
            )
        at, other_at = around, other_around
    return other


_STATEMENTS: Final = (
    *(nodes.Block, nodes.ExpressionStatement, nodes.VariableDeclaration, nodes.Declarator),
    *(nodes.If, nodes.Branch, nodes.For, nodes.While, nodes.DoWhile, nodes.Case, nodes.Labelled),
    *(nodes.Return, nodes.Throw, nodes.Catch, nodes.Function, nodes.Program, nodes.Await),
)
"""What keeps nothing of its own while something within it waits."""


def _goes_on_alike(
    matching: Matching,
    old: Program,
    new: Program,
    around: tuple[nodes.Node, nodes.Node, str],
    other_around: tuple[nodes.Node, nodes.Node],
) -> bool:
    """Whether what is around a place where a function waits has kept the same by then."""
    node, inner, field = around
    other, other_inner = other_around
    kept: tuple[str, ...] = ()
    match node:
        case nodes.ForOf():
            kept = ("iterable",)
        case nodes.ForIn():
            kept = ("object",)
        case nodes.Switch():
            kept = ("discriminant",)
        case nodes.Try():
            # How its block was left is known by a number, of the ways out in their order.
            kept = ("block", "handler") if field == "finalizer" else ()
        case _ if not isinstance(node, _STATEMENTS):
            kept = node.__struct_fields__[2:]
    for name in kept:
        mine, others = getattr(node, name), getattr(other, name)
        if not isinstance(mine, tuple):
            mine, others = (mine,), (others,)
        if len(mine) != len(others):
            return False
        for part, other_part in zip(mine, others, strict=True):
            if (part is inner) is not (other_part is other_inner):
                return False
            if part is inner:
                continue
            if not isinstance(part, nodes.Node):
                if part != other_part:
                    return False
            elif not matching.same(part, other_part) or not _means_the_same(
                old, new, part, other_part
            ):
                return False
    return True


def _means_the_same(old: Program, new: Program, mine: nodes.Node, other: nodes.Node) -> bool:
    """Whether names in two pieces of source that are the same mean variables of the same kind."""
    if isinstance(mine, nodes.Identifier) and isinstance(other, nodes.Identifier):
        variable = old.analysis.references.get(mine)
        now = new.analysis.references.get(other)
        if (variable is None) is not (now is None):
            return False
        return variable is None or now is None or now.type in (variable.type, "any")
    pairs = zip(nodes.parts_of(mine), nodes.parts_of(other), strict=True)
    return all(_means_the_same(old, new, part, other_part) for part, other_part in pairs)


# ---------------------------------------------------------------------------------------- moving


class _Mover:
    """Rewrites the state of a machine of its own, whose objects then belong to another one."""

    def __init__(self, machine: Machine, program: Program, mapping: SourceMapping) -> None:
        self.machine, self.program = machine, program
        limits = machine.limits
        self.made = Machine(
            program, {}, machine.facts, machine.random_state, machine.now_ms, limits
        )
        self.codes = {
            machine.program.code_at[key]: program.code_at[other] for key, other in mapping.functions
        }
        self.awaits = dict(mapping.awaits)
        self.old_scopes: dict[Scope, Scope] = {}
        # Of the program itself there is one activation, so its scope is found from everywhere.
        self.of_program: dict[Scope, list[Any]] = {}
        # The object of a scope and what became of it, by its identity.
        self.scopes: dict[int, tuple[list[Any], list[Any]]] = {}
        # Objects of functions that the old source does not have.
        self.fresh: list[JSFunction] = []
        # Where functions wait: in the old source and in the new one.
        self.waits: list[tuple[FunctionInfo, AwaitPoint, AwaitPoint]] = []

    def moved(self) -> Machine:
        machine, made = self.machine, self.made
        for code, other in self.codes.items():
            self._pair_functions(code.info, other.info)
        frames = [
            held for held in snapshot.reachable(snapshot.roots(machine)) if isinstance(held, Frame)
        ]
        # Those whose scopes others are in come first.
        for frame in sorted(frames, key=lambda frame: _depth(frame.code)):
            self._move_frame(frame)
        self._move_functions()
        made.main, made.main_frame = machine.main, machine.main_frame
        made.inputs, made.variables = machine.inputs, machine.variables
        made.signals, made.waiters = machine.signals, machine.waiters
        made.requests, made.state = machine.requests, machine.state
        made.attributes = machine.attributes
        made.numbered = machine.numbered
        return made

    # ------------------------------------------------------------------ scopes

    def _pair_functions(self, mine: FunctionInfo, others: FunctionInfo) -> None:
        """Two functions that belong together; those around them do so too."""
        self.old_scopes[others.scope] = mine.scope
        self.old_scopes[others.body_scope] = mine.body_scope
        if mine.outer is not None and others.outer is not None:
            self._pair_blocks(mine.outer, others.outer)
            self._pair_functions(mine.outer.function, others.outer.function)

    def _pair_blocks(self, scope: Scope, other: Scope) -> None:
        """The blocks that two places stand in, which belong together, do so too."""
        mine, others = list(_blocks_around(scope)), list(_blocks_around(other))
        if [block.kind for block in mine] != [block.kind for block in others]:
            raise MappingRefused("it stands in other blocks")
        self.old_scopes.update(zip(others, mine, strict=True))

    def _around(self, code: FunctionCode, scope: Any, other: FunctionCode) -> list[Any] | None:
        """The scope around a function as the other program keeps it."""
        wanted = _shared_around(other.info.outer)
        if wanted is None:
            return None
        kept: dict[Scope, list[Any]] = {}
        at = _shared_around(code.info.outer)
        while at is not None:
            kept[at] = scope
            scope, at = scope[0], _shared_around(at.parent)
        return self._scope(wanted, kept, code)

    def _scope(self, wanted: Scope, kept: dict[Scope, list[Any]], code: FunctionCode) -> list[Any]:
        """A scope of the other program, made of what is kept of those around a function."""
        if (made := self.of_program.get(wanted)) is not None:
            return made
        old = self.old_scopes.get(wanted)
        before = None if old is None else kept.get(old)
        if old is None or before is None:
            names = ", ".join(from_units(variable.name) for variable in wanted.shared)
            raise MappingRefused(
                f"function {from_units(code.shown_name)} would see {names} of what is around it, "
                "which was not kept for it",
                self._line(code.info.node),
            )
        if (known := self.scopes.get(id(before))) is not None:
            return known[1]
        made = [None] * (1 + len(wanted.shared))
        self.scopes[id(before)] = before, made
        outer = _shared_around(wanted.parent)
        made[0] = None if outer is None else self._scope(outer, kept, code)
        for variable in wanted.shared:
            same = old.variables.get(variable.name)
            if same is None or not same.captured:
                raise MappingRefused(
                    f"function {from_units(code.shown_name)} would see "
                    f"{from_units(variable.name)}, which was not kept for it",
                    self._line(code.info.node),
                )
            made[variable.index] = self._fitting(variable, before[same.index])
        return made

    # ------------------------------------------------------------------ frames

    def _move_frame(self, frame: Frame) -> None:
        code, point = frame.code, frame.code.await_at(frame.part)
        other = self.codes[code]
        other.ready()
        start = self.awaits[point.node.start]
        new = next(one for one in other.awaits if one.node.start == start)
        self._pair_blocks(point.scope, new.scope)
        self.waits.append((other.info, point, new))
        values, shared = _seen(frame, point)
        around = self._around(code, frame.scope, other)
        slots: list[Any] = [UNDEFINED] * other.slots
        named: set[int] = set()
        for group in reversed(new.scopes):
            scope = group.scope
            if group.kind == "closure":
                continue
            if scope.is_shared:
                around = self._own_scope(scope, shared, around)
            for place in group.places:
                assert place.slot is not None
                named.add(place.slot)
                variable = scope.variables[place.name]
                old = self.old_scopes.get(scope)
                value = _MISSING if old is None else values.get((old, place.name), _MISSING)
                if place.index:
                    assert around is not None
                    slots[place.slot] = around
                if value is _MISSING:
                    value = self._first_value(variable, scope, around, new)
                elif value is TDZ and _has_run(variable, new):
                    assert old is not None
                    if not _has_run(old.variables[place.name], point):
                        raise self._no_value(variable, new)
                value = self._fitting(variable, value)
                if place.index:
                    assert around is not None
                    around[place.index] = value
                else:
                    slots[place.slot] = value
        self._move_rest(frame, point, new, slots, named)
        frame.scope = self._around(code, frame.scope, other)
        frame.code, frame.part, frame.slots = other, new.part, slots

    def _own_scope(
        self, scope: Scope, shared: dict[Scope, list[Any]], around: list[Any] | None
    ) -> list[Any]:
        """The object of a scope that a waiting function has entered."""
        made: list[Any] = [around, *([UNDEFINED] * len(scope.shared))]
        old = self.old_scopes.get(scope)
        if old is not None and old in shared:
            self.scopes[id(shared[old])] = shared[old], made
        if scope.function.index == 0 and scope is scope.function.body_scope:
            self.of_program[scope] = made
        return made

    def _first_value(
        self, variable: Variable, scope: Scope, around: list[Any] | None, new: AwaitPoint
    ) -> Value:
        """What a variable that the old program does not have is to begin with."""
        for info in scope.hoisted:
            if info.declared_as is variable:
                code = self.program.functions[info.index]
                within = around if info.has_scope_around else None
                made = closure(code, within, self.made)
                self.fresh.append(made)
                return made
        if _has_run(variable, new):
            raise self._no_value(variable, new)
        return TDZ

    def _no_value(self, variable: Variable, new: AwaitPoint) -> MappingRefused:
        line = self.program.line_at(new.node.start)
        return MappingRefused(
            f"variable {from_units(variable.name)} would have no value: in the other source its "
            f"declaration comes before line {line}, where it goes on"
        )

    def _move_rest(
        self, frame: Frame, point: AwaitPoint, new: AwaitPoint, slots: list[Any], named: set[int]
    ) -> None:
        """What the function has evaluated so far of what it is in the middle of."""
        seen = {place.slot for place in point.places}
        mine = [slot for slot in point.live if slot not in seen]
        others = [slot for slot in new.live if slot not in named]
        if len(mine) != len(others):
            raise MappingRefused(
                "it waits here in the middle of something that the other source does otherwise: "
                f"see its line {self.program.line_at(new.node.start)}",
                self._line(point.node),
            )
        # Slots are given from the outside in, and in the order of evaluation.
        for slot, other in zip(mine, others, strict=True):
            slots[other] = frame.slots[slot]

    # ------------------------------------------------------------------ functions

    def _move_functions(self) -> None:
        """Those that can still be reached from what the other program keeps."""
        seen: set[int] = set()
        left: list[Any] = list(snapshot.roots(self.machine))
        while left:
            held = left.pop()
            if id(held) in seen:
                continue
            seen.add(id(held))
            if isinstance(held, JSFunction):
                self._move_function(held)
            if isinstance(held, Frame):
                left += (held.scope, held.promise, *held.slots)
            else:
                left += snapshot.held_by(held)

    def _move_function(self, function: JSFunction) -> None:
        code: Any = function.code
        if any(function is one for one in self.fresh):
            return
        other = self.codes.get(code)
        if other is None:
            raise MappingRefused(
                f"function {from_units(code.shown_name)} is in use, and which one it is in the "
                "other source cannot be told",
                self._line(code.info.node),
            )
        for info, point, new in self.waits:
            is_there = other.info.hoisted_at <= new.node.start
            was_there = code.info.hoisted_at <= point.node.start
            if other.info.parent is info and was_there and not is_there:
                # It would see variables before they have a value.
                raise MappingRefused(
                    f"function {from_units(code.shown_name)} is in use, and in the other source "
                    f"it comes to be after line {self.program.line_at(new.node.start)}",
                    self._line(code.info.node),
                )
        function.scope = self._around(code, function.scope, other)
        function.code = other
        bind_later(function)

    def _fitting(self, variable: Variable, value: Value) -> Value:
        """The value of a variable, of the one type that the other program gives it."""
        expected = _CLASSES.get(variable.type)
        if expected is not None and value is not TDZ and not isinstance(value, expected):
            raise MappingRefused(
                f"variable {from_units(variable.name)} holds {typeof(value)}, and the other source "
                f"gives it nothing but {variable.type}"
            )
        return value

    def _line(self, node: nodes.Node) -> int:
        return self.machine.program.line_at(node.start)


_MISSING: Final = object()
_CLASSES: Final = {"number": float, "string": str, "boolean": bool, "function": JSFunction}


def _seen(
    frame: Frame, point: AwaitPoint
) -> tuple[dict[tuple[Scope, str], Value], dict[Scope, list[Any]]]:
    """The variables of a waiting function by scope and name, and the objects of its scopes."""
    values: dict[tuple[Scope, str], Value] = {}
    shared: dict[Scope, list[Any]] = {}
    for group in point.scopes:
        if group.kind == "closure":
            continue
        for place in group.places:
            assert place.slot is not None
            held = frame.slots[place.slot]
            if place.index:
                shared[group.scope] = held
                held = held[place.index]
            values[group.scope, place.name] = held
    return values, shared


def _has_run(variable: Variable, new: AwaitPoint) -> bool:
    """Whether a variable's declaration stands before where a function goes on."""
    return variable.initialised_at <= new.node.start


def _depth(code: FunctionCode) -> int:
    depth, at = 0, code.info.parent
    while at is not None:
        depth, at = depth + 1, at.parent
    return depth


def _blocks_around(scope: Scope) -> Iterator[Scope]:
    """The blocks of a function that a place in it is in, the innermost first."""
    info = scope.function
    at: Scope | None = scope
    while at is not None and at.function is info and at not in (info.scope, info.body_scope):
        yield at
        at = at.parent


def _shared_around(scope: Scope | None) -> Scope | None:
    while scope is not None and not scope.is_shared:
        scope = scope.parent
    return scope
