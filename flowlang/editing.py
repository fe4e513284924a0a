"""A variable of a suspended machine given another value, as a debugger does.

A path is what a program would write before an `=`: a name and, behind it, properties and elements
by constant. The name is looked for in all functions that wait; it must mean one variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from flowlang import nodes
from flowlang.errors import EditRefused
from flowlang.library import import_value
from flowlang.machine import Frame, Machine, described
from flowlang.parser import parse
from flowlang.protocol import Edit
from flowlang.source import from_units
from flowlang.values import Throw, Value
from flowlang.values.properties import get_index, set_index
from flowlang.whereabouts import waiting

_FUNCTION: Final = re.compile(r"\s*([^\s:.\[\]()'\"]+)\s*:(?!:)")
"""The name of a function before a path."""


def edit(machine: Machine, one: Edit) -> None:
    """Put a value into a variable, or into a place in one, between two turns.

    A variable that nothing reads any more may be gone.

    Raises:
        EditRefused: there is no such variable, or more than one; or the path leads nowhere.
    """
    try:
        value = import_value(one.value)
    except ValueError as error:
        raise EditRefused(one.path, str(error)) from None
    function, name, keys = _parsed(one.path)
    read, write = _variable(machine, one.path, function, name)
    if not keys:
        write(value)
        return
    try:
        holder = read()
        for key in keys[:-1]:
            holder = get_index(holder, key)
        set_index(holder, keys[-1], value)
    except Throw as thrown:
        raise EditRefused(one.path, described(thrown.value)) from None


def _parsed(path: str) -> tuple[str | None, str, list[Value]]:
    """A function's name or None, a variable's, and the keys behind it."""
    function = None
    rest = path
    if (prefix := _FUNCTION.match(path)) is not None:
        function, rest = prefix[1], path[prefix.end() :]
    parsed = parse(f"({rest}\n)", "path")
    keys: list[Value] = []
    match parsed.tree:
        case nodes.Program(body=(nodes.ExpressionStatement(expression=at),)):
            while isinstance(at, nodes.Member) and not at.is_optional:
                match at.property:
                    case nodes.StringLiteral(value=key) | nodes.NumberLiteral(value=key):
                        keys.insert(0, key)
                    case _:
                        break
                at = at.object
            if isinstance(at, nodes.Identifier):
                return function, at.name, keys
    raise EditRefused(path, "this is no path: write total, or order.items[2].price")


_Access = tuple[Callable[[], Value], Callable[[Value], None]]


def _variable(machine: Machine, path: str, function: str | None, name: str) -> _Access:
    """How to read and write the variable that a name means."""
    found: dict[tuple[int, Any], tuple[_Access, str]] = {}
    visible: set[str] = set()
    for frame in waiting(machine):
        shown = from_units(frame.code.shown_name)
        for variable, holder, index in _places(frame):
            visible.add(from_units(variable))
            if variable == name and function in (None, shown):
                line = frame.code.await_at(frame.part).node.start
                where = f"{shown} at line {machine.program.line_at(line)}"
                found.setdefault((id(holder), index), (_access(holder, index), where))
    if not found and function is None and name in machine.variables:
        return _access(machine.variables, name)
    if len(found) == 1:
        return next(iter(found.values()))[0]
    shown_name = from_units(name)
    if found:
        where = " and ".join(where for _, where in found.values())
        raise EditRefused(
            path, f"{shown_name!r} is a variable of {where}: say which, as in main:{shown_name}"
        )
    known = ", ".join(sorted(visible | {from_units(name) for name in machine.variables}))
    seen = f"; there are {known}" if known else ""
    of = "no function that waits" if function is None else f"no waiting function {function!r}"
    raise EditRefused(path, f"{of} has a variable {shown_name!r}{seen}")


def _places(frame: Frame) -> Iterator[tuple[str, Any, Any]]:
    """The variables that can be seen where a function waits: name, what holds it, where in that."""
    seen: set[str] = set()
    for group in frame.code.await_at(frame.part).scopes:
        for place in group.places:
            if place.name in seen:
                continue
            seen.add(place.name)
            holder: Any = frame.scope
            if place.slot is None:
                for _ in range(place.hops):
                    holder = holder[0]
                yield place.name, holder, place.index
            elif place.index:
                yield place.name, frame.slots[place.slot], place.index
            else:
                yield place.name, frame.slots, place.slot
        seen.update(group.gone)


def _access(holder: Any, index: Any) -> _Access:
    def write(value: Value) -> None:
        holder[index] = value

    return lambda: holder[index], write
